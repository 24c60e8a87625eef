"""What a connection bears: a server that has frozen in the middle of a statement; and how lists are sent."""

import os
import signal
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import DataError, OperationalError

from foundation import db
from tests.conftest import Urls

_FROZEN = "SELECT pg_backend_pid()"


def test_a_frozen_server_is_waited_for_only_so_long(
    new_database: Callable[[], Urls], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "_SILENCE_SECONDS", 0.5)
    engine = db.make_engine(new_database().app)

    with engine.connect() as connection:
        frozen = connection.execute(text(_FROZEN)).scalar_one()
        os.kill(frozen, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(OperationalError) as met:
            connection.execute(text(_FROZEN))
        waited = time.monotonic() - started
        os.kill(frozen, signal.SIGCONT)
        connection.invalidate()

        assert waited < 3
        assert db.is_passing(met.value)
    with engine.connect() as connection:
        assert connection.execute(text(_FROZEN)).scalar_one() != frozen
    engine.dispose()


def test_a_statement_that_is_answered_in_time_is_waited_for(
    new_database: Callable[[], Urls], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "_SILENCE_SECONDS", 2)
    engine = db.make_engine(new_database().app)

    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1 FROM pg_sleep(1)")).scalar_one() == 1
        assert connection.execute(text("SELECT 2")).scalar_one() == 2
    engine.dispose()


def test_where_patience_is_asked_for_a_statement_may_take_longer_and_then_no_more(
    new_database: Callable[[], Urls], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "_SILENCE_SECONDS", 0.5)
    engine = db.make_engine(new_database().app)

    with db.sessions(engine)() as session:
        session.execute(text("SET LOCAL statement_timeout = '300ms'"))
        with db.patience(session):
            assert session.execute(text("SELECT 1 FROM pg_sleep(1)")).scalar_one() == 1
        with pytest.raises(OperationalError, match="statement timeout"):
            session.execute(text("SELECT 1 FROM pg_sleep(1)"))
        session.rollback()
        with pytest.raises(OperationalError, match="Timeout"):
            session.execute(text("SELECT 1 FROM pg_sleep(1)"))
    engine.dispose()


def test_patience_takes_nothing_from_whoever_has_more(new_database: Callable[[], Urls]) -> None:
    engine = db.make_engine(new_database().app, patient=True)

    with db.sessions(engine)() as session, db.patience(session):
        assert session.execute(text("SHOW statement_timeout")).scalar_one() == "0"
    engine.dispose()


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
_LIKE_AN_ARRAY = ['"', "\\", '\\"', "{}", "{a,b}", ",", "NULL", "null", "", " ", "\n", "'", "é", "🙂"]


@given(
    st.lists(_TEXT | st.sampled_from(_LIKE_AN_ARRAY), max_size=4),
    st.lists(_TEXT | st.none(), max_size=4),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4),
)
@settings(deadline=None, database=None)
def test_a_list_arrives_as_it_was_sent(
    shared_engine: Engine, texts: list[str], some: list[str | None], numbers: list[int]
) -> None:
    sent = text("SELECT CAST(:texts AS text[]), CAST(:some AS text[]), CAST(:numbers AS bigint[])")

    with shared_engine.connect() as connection:
        arrived = connection.execute(sent, {"texts": texts, "some": some, "numbers": numbers}).one()

    assert tuple(arrived) == (texts, some, numbers)


def test_what_no_text_can_hold_is_refused_and_not_cut_off(shared_engine: Engine) -> None:
    with shared_engine.connect() as connection, pytest.raises(DataError, match="NUL"):
        connection.execute(text("SELECT CAST(:texts AS text[])"), {"texts": ["a\0b"]})

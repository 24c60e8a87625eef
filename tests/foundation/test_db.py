"""What a connection bears: a server that has frozen in the middle of a statement."""

import os
import signal
import time
from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

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

"""The trail: every privileged act is on it with its effect, and nobody can change it unseen."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog
from click.testing import CliRunner
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as example
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import wsgi
from foundation import auth, trail
from foundation.trail import Head, TrailEntry
from tests import factories
from tests.conftest import House

_ADA = auth.Actor("tok_1", "ada", "ops", frozenset({"ops"}))
_FORGE = "ALTER TABLE trail_entries DISABLE TRIGGER USER"


def _entries(db: Session) -> list[TrailEntry]:
    return list(db.scalars(trail.listed().order_by(TrailEntry.seq)))


def _record(db: Session, count: int) -> None:
    for number in range(count):
        trail.record(db, _ADA, "test.act", target=f"/things/{number}", details=f'{{"number":{number}}}')


def test_a_change_by_staff_is_on_the_trail(client: FlaskClient, db: Session, token: Callable[..., str]) -> None:
    worker, ops = factories.create_worker(db), token("ops")
    db.commit()
    path, body = f"/api/workers/{worker.id}/tiers/image.categorization", {"tier": 3, "reason": "good"}

    client.put(path, json=body, headers={"Authorization": f"Bearer {ops}"})

    (entry,) = _entries(db)
    assert (entry.seq, entry.act, entry.target, entry.role) == (1, "workforce.set_tier", path, "ops")
    assert entry.actor_ref == "somebody"
    assert entry.token_id.startswith("tok_")
    assert json.loads(entry.details) == body


def test_what_was_refused_or_replayed_or_only_read_is_not(
    client: FlaskClient, db: Session, token: Callable[..., str]
) -> None:
    headers = {"Authorization": f"Bearer {token('ops')}", "Idempotency-Key": "once"}
    for _ in range(2):
        client.post("/api/requesters", json={"name": "Acme"}, headers=headers)
    client.post("/api/requesters", json={"nam": "Acme"}, headers={**headers, "Idempotency-Key": "twice"})
    client.post("/api/workers/wrk_none/activation", headers=headers)
    client.get("/api/workers", headers=headers)

    assert [entry.act for entry in _entries(db)] == ["workforce.register_requester"]


def test_workers_and_requesters_leave_no_trail(client: FlaskClient, db: Session, token: Callable[..., str]) -> None:
    worker = factories.create_worker(db)
    db.commit()

    answer = client.post("/api/claims", json={}, headers={"Authorization": f"Bearer {token('worker', worker.id)}"})

    assert answer.status_code == 204
    assert _entries(db) == []


def test_no_scope_belongs_to_staff_and_to_others() -> None:
    staff = set[str]().union(*(role.scopes for role in auth.roles.values() if role.is_staff))
    others = set[str]().union(*(role.scopes for role in auth.roles.values() if not role.is_staff))

    # Whether an act is on the trail goes by the caller's role, also at a route that both may use.
    assert staff & others == set()


def test_an_act_and_its_entry_happen_together_or_not(house: House) -> None:
    with house.sessions() as db:
        _record(db, 1)
        db.rollback()

    with house.sessions() as db:
        assert trail.head(db) == Head(0, b"")


def test_acts_at_once_stand_one_after_the_other(house: House) -> None:
    def act(number: int) -> None:
        with house.sessions() as db:
            _record(db, 1)
            db.commit()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(40)))

    with house.sessions() as db:
        assert [entry.seq for entry in _entries(db)] == list(range(1, 41))
        assert trail.verify(db) == []


def _forge(house: House, *statements: str, **values: Any) -> None:
    """What only somebody with the owner's login can do."""
    engine = create_engine(house.urls.owner)
    with engine.begin() as connection:
        connection.execute(text(_FORGE))
        for statement in statements:
            connection.execute(text(statement), values)
    engine.dispose()


_FIELDS = {
    "at": "at + interval '1 second'", "actor_ref": "'bo'", "role": "'admin'", "token_id": "'tok_2'",
    "act": "'other'", "target": "target || '1'", "details": "'{}'", "hash": "'\\x00'::bytea",
}  # fmt: skip


@pytest.fixture
def told(house: House) -> Any:
    """A house with five entries, which is given a whole trail again at the end."""
    with house.sessions() as db:
        _record(db, 5)
        db.commit()
    yield house
    _forge(house, "DELETE FROM trail_entries")


@pytest.mark.parametrize("field", _FIELDS)
def test_a_change_of_any_field_is_found(told: House, field: str) -> None:
    _forge(told, f"UPDATE trail_entries SET {field} = {_FIELDS[field]} WHERE seq = 3")

    with told.sessions() as db:
        broken = trail.verify(db)
    assert broken[0] == "3 was changed, or one before it"


def test_a_missing_a_swapped_and_an_added_entry_are_found(told: House) -> None:
    _forge(told, "DELETE FROM trail_entries WHERE seq = 2")
    with told.sessions() as db:
        missing = trail.verify(db)
    _forge(
        told, "UPDATE trail_entries SET seq = seq + 10 WHERE seq = 4", "UPDATE trail_entries SET seq = 4 WHERE seq = 5"
    )
    with told.sessions() as db:
        swapped = trail.verify(db)

    assert missing == ["3 follows 1: entries are missing"]
    assert "4 was changed, or one before it" in swapped


def test_an_end_that_was_cut_off_is_found_by_a_head_that_was_kept(told: House) -> None:
    with told.sessions() as db:
        head = trail.head(db)
    _forge(told, "DELETE FROM trail_entries WHERE seq > 3")

    with told.sessions() as db:
        assert trail.verify(db) == []
        assert trail.verify(db, [head]) == [f"5 is missing; its head was kept: {head}"]


def test_a_trail_that_was_written_anew_is_found_by_a_head_that_was_kept(told: House) -> None:
    with told.sessions() as db:
        head = trail.head(db)
    _forge(told, "DELETE FROM trail_entries")
    with told.sessions() as db:
        _record(db, 5)
        db.commit()

    with told.sessions() as db:
        assert trail.verify(db) == []
        assert trail.verify(db, [head]) == [f"5 is not the one whose head was kept: {head}"]


@pytest.mark.parametrize(
    "statement", ["UPDATE trail_entries SET act = ''", "DELETE FROM trail_entries", "TRUNCATE trail_entries"]
)
@pytest.mark.parametrize("login", ["app", "owner"])
def test_no_login_changes_the_trail(told: House, statement: str, login: str) -> None:
    engine = create_engine(getattr(told.urls, login))
    with engine.connect() as connection, pytest.raises(DBAPIError):
        connection.execute(text(statement))
    engine.dispose()


@example(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(details=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_whatever_was_said_verifies_after_it_was_stored(db: Session, details: str) -> None:
    trail.record(db, _ADA, "test.act", target=details[:50], details=details)

    db.expire_all()
    assert trail.verify(db) == []


def test_the_head_is_told_to_the_log_once(db: Session) -> None:
    _record(db, 2)
    with structlog.testing.capture_logs() as logs:
        told = [trail.tell_head(db) for _ in range(3)]

    assert told == [1, 0, 0]
    assert [line["head"] for line in logs if line["event"] == "trail head"] == [str(trail.head(db))]


def test_a_head_reads_back_as_it_was_written() -> None:
    head = Head(42, bytes(range(32)))

    assert trail.parse_head(str(head)) == head
    for wrong in ("", "42", "x:00", "42:zz", "42:00"):
        with pytest.raises(ValueError, match="looks like"):
            trail.parse_head(wrong)


def test_the_command_verifies_and_lists(told: House) -> None:
    env = {"DATABASE_URL": told.urls.app, "DATABASE_OWNER_URL": told.urls.owner}
    with told.sessions() as db:
        head = str(trail.head(db))

    whole = CliRunner().invoke(wsgi.cli, ["trail", "verify", "--head", head], env=env)
    listed = CliRunner().invoke(wsgi.cli, ["trail", "list", "--limit", "2"], env=env)
    _forge(told, "UPDATE trail_entries SET act = 'x' WHERE seq = 1")
    broken = CliRunner().invoke(wsgi.cli, ["trail", "verify"], env=env)
    wrong = CliRunner().invoke(wsgi.cli, ["trail", "verify", "--head", "soon"], env=env)

    assert (whole.exit_code, whole.output) == (0, f"The trail is whole; its head is {head}.\n")
    assert [json.loads(line)["seq"] for line in listed.output.splitlines()] == [5, 4]
    assert (broken.exit_code, broken.output) == (1, "BROKEN  1 was changed, or one before it\n")
    assert wrong.exit_code == 2

"""The test world: tables of its own, tokens of its own, and no way between the two but the one that is meant."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

import wsgi
from foundation import app as foundation_app
from foundation import auth, commands, embedded, http, installation, jobs, mail, migrating, settings, worlds
from foundation import db as database
from foundation.worlds import World
from tests import factories
from tests.conftest import House, Urls, _named

# Tables, columns, constraints, indexes, triggers and rights of a schema, without its name.
_CATALOG = """
    SELECT replace(line, 'test_world.', '') FROM (
        SELECT concat_ws(' ', 'column', table_name, column_name, data_type, is_nullable,
                         replace(column_default, 'test_world.', '')) AS line
          FROM information_schema.columns WHERE table_schema = :schema
         UNION ALL
        SELECT concat_ws(' ', 'constraint', c.conname, pg_get_constraintdef(c.oid), c.convalidated)
          FROM pg_constraint c WHERE c.connamespace = CAST(:schema AS regnamespace)
         UNION ALL
        SELECT 'index ' || replace(indexdef, schemaname || '.', '') FROM pg_indexes WHERE schemaname = :schema
         UNION ALL
        SELECT concat_ws(' ', 'trigger', t.tgname, r.relname, f.proname, f.prosrc) FROM pg_trigger t
          JOIN pg_class r ON r.oid = t.tgrelid JOIN pg_proc f ON f.oid = t.tgfoid
         WHERE r.relnamespace = CAST(:schema AS regnamespace) AND f.pronamespace = r.relnamespace AND NOT t.tgisinternal
         UNION ALL
        SELECT concat_ws(' ', 'right', relname, CAST(relacl AS text)) FROM pg_class
         WHERE relnamespace = CAST(:schema AS regnamespace)
         UNION ALL
        SELECT concat_ws(' ', 'right', r.relname, a.attname, CAST(a.attacl AS text)) FROM pg_attribute a
          JOIN pg_class r ON r.oid = a.attrelid WHERE r.relnamespace = CAST(:schema AS regnamespace)
           AND a.attacl <> '{}'
    ) AS lines ORDER BY 1
"""


def _catalog(connection: Connection, schema: str) -> list[str]:
    return list(connection.scalars(text(_CATALOG), {"schema": schema}))


def _bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def _test_token(db: Session) -> str:
    """A token of somebody in the test world."""
    with worlds.in_test(db) as test:
        requester = factories.create_requester(test, funds=None)
        _, secret = auth.issue(test, role="requester", subject_id=requester.id)
    return secret


def test_both_worlds_are_made_of_the_same(house: House) -> None:
    with house.engine.connect() as connection:
        live, test = _catalog(connection, "public"), _catalog(connection, worlds.SCHEMA)

    assert len(live) > 1_000
    assert [line for line in live if "alembic_version_pkc" not in line] == [
        line for line in test if "alembic_version_pkc" not in line
    ]


def test_a_token_says_of_which_world_it_is_and_cannot_be_made_one_of_the_other() -> None:
    live, test = auth._new_secret(), auth._new_secret(World.TEST)

    assert [auth.world_of(f"Bearer {secret}") for secret in (live, test)] == [World.LIVE, World.TEST]
    assert auth.is_well_formed(live)
    assert auth.is_well_formed(test)
    assert not auth.is_well_formed(test.replace("rk_test_", "rk_"))
    assert not auth.is_well_formed(live.replace("rk_", "rk_test_"))


def test_a_test_token_is_nobodys_in_the_live_world(db: Session, client: FlaskClient) -> None:
    secret = _test_token(db)
    db.commit()

    with pytest.raises(auth.TokenRefused):
        auth.authenticate(db, f"Bearer {secret}")
    assert client.get("/api/projects", headers=_bearer(secret)).get_json() == {"items": [], "next_cursor": None}


def test_a_live_token_is_nobodys_in_the_test_world(db: Session, token: Callable[..., str]) -> None:
    secret = token("ops")

    with worlds.in_test(db) as test, pytest.raises(auth.TokenRefused):
        auth.authenticate(test, f"Bearer {secret}")


def test_a_house_without_a_test_world_knows_no_test_token(db: Session, sessions: Any) -> None:
    secret = _test_token(db)
    db.commit()
    house = http.House(sessions, wake=lambda: None)
    client = foundation_app.build_app(house, wsgi.program.routes, version="0").test_client()

    refused = client.get("/api/projects", headers=_bearer(secret))

    assert (refused.status_code, refused.get_json()["type"]) == (401, "/problems/token-refused")


def test_nobody_applies_with_a_test_token(db: Session, client: FlaskClient) -> None:
    secret = _test_token(db)
    db.commit()

    refused = client.post("/api/applications", json={"name": "Ada", "country": "KE"}, headers=_bearer(secret))

    assert (refused.status_code, refused.get_json()["type"]) == (403, "/problems/live-world-alone")
    assert db.scalar(text("SELECT count(*) FROM workers")) == 0


@pytest.mark.parametrize("role", ["admin", "approver", "finance", "ops"])
def test_the_test_world_has_no_staff(db: Session, role: str) -> None:
    with pytest.raises(worlds.LiveWorldAlone), worlds.in_test(db) as test:
        auth.issue(test, role=role, subject_id="Ada")


def test_what_is_done_in_both_worlds_is_done_together_or_not_at_all(house: House) -> None:
    for keeps in (False, True):
        with house.sessions() as db:
            factories.create_requester(db, funds=None)
            with worlds.in_test(db) as test:
                factories.create_requester(test, funds=None)
            path = db.scalar(text("SELECT current_schema()"))
            db.commit() if keeps else db.rollback()
        with house.sessions() as live, house.test_sessions() as test:
            counted = [one.scalar(text("SELECT count(*) FROM requesters")) for one in (live, test)]

        assert path == "public"
        assert counted == [int(keeps)] * 2


def test_after_a_failure_in_the_test_world_the_live_one_is_looked_at_again(db: Session) -> None:
    with pytest.raises(ProgrammingError), worlds.in_test(db) as test:
        test.execute(text("SELECT * FROM nothing"))

    assert db.scalar(text("SELECT current_schema()")) == "public"


def test_events_of_the_test_world_are_delivered_in_it_once_somebody_is_there(house: House) -> None:
    assert list(jobs._worlds(house.background)) == [house.background]
    with house.sessions() as db:
        _test_token(db)
        db.commit()
    with house.test_sessions() as test:
        project = factories.create_project(test)
        factories.create_task(test, project)
        factories.answer_all(test, project, "rook")
        test.execute(text("UPDATE workers SET works_for = :me"), {"me": project.requester_id})
        test.commit()

    live, test_world = jobs._worlds(house.background)
    taken = [jobs.deliver_all(one) for one in (live, test_world)]

    assert taken == [0, 1]
    assert None not in jobs.sweep(test_world).values()
    assert None not in jobs.work_in_test(house.background).values()


def test_nothing_of_the_test_world_counts_as_lag(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    monkeypatch.setattr(jobs.lag_seconds, "observe", seen.append)
    with house.sessions() as db:
        _test_token(db)
        db.commit()

    for one in jobs._worlds(house.background):
        jobs.sweep(one)

    assert len(seen) == 1


def test_no_mail_leaves_the_test_world(house: House) -> None:
    with house.sessions() as db:
        _test_token(db)
        db.commit()
    tested = commands._tested(house.background, house.test_engine, settings.read())

    assert mail.send_due in house.background.errands
    assert tested.errands == ()
    assert jobs.run_errands(tested) == {}


@pytest.fixture
def bare(engines: embedded.Engines, worker_name: str) -> Urls:
    """A database without a table, of this test alone."""
    name = f"worlds_{worker_name}"
    embedded.create_database(engines.superuser, name)
    return Urls(_named(engines.database_url, name), _named(engines.database_owner_url, name))


def test_a_house_gets_a_test_world_when_it_is_asked_for_and_keeps_it_up_to_date(bare: Urls) -> None:
    engine = database.make_engine(bare.owner)
    found = []
    with engine.connect() as connection:
        connection.execute(text(f"REVOKE CREATE ON DATABASE {make_url(bare.owner).database} FROM CURRENT_USER"))
        connection.commit()
        for asked in (False, True):
            migrating.migrate(bare.owner, bare.app, with_test_world=asked)
            found.append(worlds.is_there(connection))
            connection.commit()
        connection.execute(text(f"GRANT CREATE ON DATABASE {make_url(bare.owner).database} TO CURRENT_USER"))
        connection.commit()
        migrating.migrate(bare.owner, bare.app, with_test_world=True)
        found.append(worlds.is_ready(connection))
    engine.dispose()

    assert found == [False, False, True]
    application = database.make_engine(bare.app)
    test = installation.engine_of_test_world(application, bare.app, pool_size=1)
    assert test is not None
    installation.require_migrated(test)
    test.dispose()
    application.dispose()

"""The two worlds of a house: the live one, and one in which everything may be tried and nothing is real.

The test world is a second set of all tables in a schema of its own, with the same migrations, grants, checks and
background work. A session is in one world: its search path names one schema alone, so that no statement, whoever wrote
it, reaches a row of the other. Whoever calls with a test token is in the test world (auth.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from foundation.db import PlainSession
from foundation.errors import Conflict, Forbidden

# Of the test world; the live one is where a login looks by itself.
SCHEMA = "test_world"


class World(StrEnum):
    """Where a session is."""

    LIVE = "live"
    TEST = "test"


class NoTestWorld(Conflict):
    """This house has no test world."""


class LiveWorldAlone(Forbidden):
    """This is done in the live world alone."""


class TestWorldAlone(Forbidden):
    """This is done in the test world alone."""


def of(db: Session) -> World:
    """The world that a session is in."""
    return World(db.info.get("world", World.LIVE))


def require(db: Session, world: World) -> None:
    """Refuse what is not for the world that a session is in."""
    if of(db) is world:
        return
    if world is World.LIVE:
        raise LiveWorldAlone("Call with a token of your account itself, not with a test token.")
    raise TestWorldAlone("Call with a test token; POST /api/me/test-world gives one.")


# Both worlds are brought to one version, the live one first.
_IS_THERE = text(f"""
    SELECT CASE WHEN EXISTS (SELECT FROM pg_namespace WHERE nspname = '{SCHEMA}' AND has_schema_privilege(oid, 'USAGE'))
                THEN to_regclass('{SCHEMA}.alembic_version') IS NOT NULL ELSE false END
""")
_IS_READY = text(f"""
    SELECT (SELECT version_num FROM {SCHEMA}.alembic_version) = (SELECT version_num FROM alembic_version)
""")
_IS_OPEN = text(f"SELECT EXISTS (SELECT FROM {SCHEMA}.tokens)")


def is_there(connection: Connection) -> bool:
    """Whether the house has a test world, of whatever version."""
    return bool(connection.scalar(_IS_THERE))


def is_ready(connection: Connection) -> bool:
    """Whether there is one of the live world's own version."""
    return is_there(connection) and bool(connection.scalar(_IS_READY))


def is_open(connection: Connection) -> bool:
    """Whether anybody has ever come into the test world."""
    return is_ready(connection) and bool(connection.scalar(_IS_OPEN))


_PATH = text("SELECT current_setting('search_path')")
_LOOK = text("SELECT set_config('search_path', :path, true)")


@contextmanager
def beside(connection: Connection, **info: Any) -> Iterator[Session]:
    """A session of the test world in a transaction of the live one, which looks into its own again afterwards.

    What it commits is a savepoint: it is there when that transaction is committed.
    """
    path = connection.scalar(_PATH)
    connection.execute(_LOOK, {"path": SCHEMA})
    try:
        with PlainSession(
            connection, join_transaction_mode="create_savepoint", expire_on_commit=False, autoflush=False,
            info={**info, "world": World.TEST},
        ) as session:  # fmt: skip
            yield session
    finally:
        connection.execute(_LOOK, {"path": path})


@contextmanager
def in_test(db: Session) -> Iterator[Session]:
    """The test world from a session of the live one: what is done in both is committed together, or not at all."""
    require(db, World.LIVE)
    db.flush()
    connection = db.connection()
    if not is_ready(connection):
        raise NoTestWorld("Ask whoever runs this house: `rookery migrate` makes a test world.")
    with beside(connection, **db.info) as session:
        yield session
        session.commit()

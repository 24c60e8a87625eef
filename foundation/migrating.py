"""Bringing a database to this program's version. Alembic is large: who never migrates does not import this."""

from pathlib import Path
from typing import Any

import structlog
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

import migrations
from foundation import db, worlds
from foundation.installation import InstallationError, reason

_MIGRATION_LOCK = 7_265_002
_DEADLOCK, _DEADLOCKS_MAX = "40P01", 5
_NO_PRIVILEGE = "42501"

log = structlog.get_logger()


def migrate(owner_url: str, application_url: str, *, with_test_world: bool = False) -> None:
    """Bring the database to this program's version, and the application's login to just the rights it needs.

    A version at a time, each in a transaction of its own: a table is locked no longer than its own change takes. Two at
    once take turns; a killed one is simply run again, and one that meets whoever locks its tables in another order is
    tried again here, as a request is. The live world first, then the test world, which is made if it is asked for.
    """
    owner, application = make_url(owner_url).username, make_url(application_url).username
    role = None if application == owner else application
    # Read once: it holds the code of every version.
    script = ScriptDirectory.from_config(alembic())
    _bring_up_to_date(owner_url, script, role)
    if _has_test_world(owner_url, make=with_test_world):
        _bring_up_to_date(owner_url, script, role, schema=worlds.SCHEMA)


def _bring_up_to_date(
    owner_url: str, script: ScriptDirectory, application_role: str | None, *, schema: str | None = None
) -> None:
    engine = db.make_engine(owner_url, patient=True, schema=schema)
    try:
        while not _try_upgrade(engine, script, application_role):
            pass
    except DBAPIError as error:
        raise InstallationError(f"The database cannot be brought up to date: {reason(error)}") from error
    except (CommandError, RevisionError) as error:
        raise InstallationError(
            f"A newer version of this program made the database; use that one. ({error})"
        ) from error
    finally:
        engine.dispose()


def _has_test_world(owner_url: str, *, make: bool) -> bool:
    """Whether there is a test world; a login that may make none leaves the house without it."""
    engine = db.make_engine(owner_url, patient=True)
    try:
        with engine.begin() as connection:
            if worlds.is_there(connection) or not make:
                return worlds.is_there(connection)
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {worlds.SCHEMA}"))
    except DBAPIError as error:
        if db.sqlstate(error) != _NO_PRIVILEGE:
            raise InstallationError(f"The test world cannot be made: {reason(error)}") from error
        log.warning("no test world: the owner's login may not make a schema in the database")
        return False
    finally:
        engine.dispose()
    return True


def _try_upgrade(engine: Engine, script: ScriptDirectory, application_role: str | None) -> bool:
    for _ in range(_DEADLOCKS_MAX):
        try:
            return _upgrade_once(engine, script, application_role)
        except OperationalError as error:
            if db.sqlstate(error) != _DEADLOCK:
                raise
    return _upgrade_once(engine, script, application_role)


def _upgrade_once(engine: Engine, script: ScriptDirectory, application_role: str | None) -> bool:
    """Go on to the next version, and give the role its rights in the last; whether that is this one."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        reached = MigrationContext.configure(connection).get_current_revision()
        left = [version.revision for version in script.iterate_revisions("head", reached)]
        is_last = len(left) <= 1
        upgrade(connection, script, "head" if is_last else left[-1], application_role if is_last else None)
    return is_last


def upgrade(connection: Connection, script: ScriptDirectory, revision: str, application_role: str | None) -> None:
    """Bring the database to one version in the connection's transaction; a role gets the rights of the last."""
    config = alembic()
    config.attributes.update(connection=connection, application_role=application_role)

    # As `alembic.command.upgrade` does it, which would read all versions again.
    def steps(reached: Any, _: MigrationContext) -> Any:
        return script._upgrade_revs(revision, reached)  # noqa: SLF001 - Alembic has no other name for it

    with EnvironmentContext(config, script, fn=steps, destination_rev=revision):
        script.run_env()


def alembic() -> Config:
    """Where Alembic finds the versions."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config

"""Bringing a database to this program's version. Alembic is large: who never migrates does not import this."""

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

import migrations
from foundation import db
from foundation.installation import InstallationError, reason

_MIGRATION_LOCK = 7_265_002
_DEADLOCK, _DEADLOCKS_MAX = "40P01", 5


def migrate(owner_url: str, application_url: str) -> None:
    """Bring the database to this program's version, and the application's login to just the rights it needs.

    A version at a time, each in a transaction of its own: a table is locked no longer than its own change takes. Two at
    once take turns; a killed one is simply run again, and one that meets whoever locks its tables in another order is
    tried again here, as a request is.
    """
    owner, application = make_url(owner_url).username, make_url(application_url).username
    engine = db.make_engine(owner_url, patient=True)
    # Read once: it holds the code of every version.
    script = ScriptDirectory.from_config(alembic())
    try:
        while not _try_upgrade(engine, script, None if application == owner else application):
            pass
    except DBAPIError as error:
        raise InstallationError(f"The database cannot be brought up to date: {reason(error)}") from error
    except (CommandError, RevisionError) as error:
        raise InstallationError(
            f"A newer version of this program made the database; use that one. ({error})"
        ) from error
    finally:
        engine.dispose()


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

"""Where this house's PostgreSQL and Redis are: those of the URLs, or embedded ones in the data folder."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

import migrations
from foundation import db, embedded
from foundation.settings import Settings

_MIGRATION_LOCK = 7_265_002
# Between two tries to start an engine that does not want to.
_PAUSE_SECONDS = 1.0

log = structlog.get_logger()


class InstallationError(Exception):
    """Something outside this program is missing; the message is one sentence for the operator."""


def _nothing() -> None:
    """Engines reached by URL are somebody else's to keep alive."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The two database logins and the Redis of this house, and what keeps its engines alive; call that often."""

    database_url: str
    database_owner_url: str
    redis_url: str | None
    tend: Callable[[], None] = _nothing

    def environment(self) -> dict[str, str]:
        """The same as environment variables, for child processes; the owner's login stays here."""
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url or ""}


@contextmanager
def open_installation(settings: Settings) -> Iterator[Installation]:
    """Use the configured engines, or start (or adopt) the embedded ones for as long as this lasts."""
    if settings.database_url:
        owner = settings.database_owner_url or settings.database_url
        installation = Installation(settings.database_url, owner, settings.redis_url)
        _reach(owner)
        yield installation
        return
    data_dir = settings.data_dir or embedded.default_data_dir()

    def tend() -> None:
        try:
            if embedded.revive(data_dir):
                log.warning("an engine had died and runs again")
        except embedded.EnginesError as error:
            log.warning("an engine died and does not start", error=str(error))
            time.sleep(_PAUSE_SECONDS)

    try:
        with embedded.engines(data_dir) as engines:
            redis_url = settings.redis_url or engines.redis_url
            yield Installation(engines.database_url, engines.database_owner_url, redis_url, tend)
    except embedded.EnginesError as error:
        raise InstallationError(str(error)) from error


def _reach(url: str) -> None:
    engine = db.make_engine(url)
    try:
        with engine.connect():
            pass
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[-1]
        raise InstallationError(f"The database of DATABASE_URL cannot be reached: {reason}") from error
    finally:
        engine.dispose()


def migrate(owner_url: str) -> None:
    """Bring the database to this program's version. Two at once take turns; a killed one is simply run again."""
    engine = db.make_engine(owner_url, patient=True)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            config = _alembic()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def require_migrated(engine: Engine) -> None:
    """Refuse to serve a database that `rookery migrate` has not brought up."""
    try:
        with engine.connect() as connection:
            found = connection.scalar(text("SELECT to_regclass('signing_keys')"))
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[-1]
        raise InstallationError(f"The database cannot be reached: {reason}") from error
    if found is None:
        raise InstallationError("The database has no tables of Rookery; run `rookery migrate` first.")


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config

"""Where this house's PostgreSQL and Redis are: those of the URLs, or embedded ones in the data folder."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import structlog
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

import migrations
from foundation import db, embedded, worlds
from foundation.settings import Settings

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
    destination_keys: str = ""
    mail_url: str = ""

    def environment(self) -> dict[str, str]:
        """The same as environment variables, for child processes; the owner's login stays here."""
        return {
            "DATABASE_URL": self.database_url,
            "DATABASE_OWNER_URL": "",
            "REDIS_URL": self.redis_url or "",
            "ROOKERY_DESTINATION_KEYS": self.destination_keys,
            "ROOKERY_MAIL_URL": self.mail_url,
        }

    def migrate(self, *, with_test_world: bool = False) -> None:
        """Bring the database to this program's version; the test world too, which is made if it is asked for."""
        from foundation import migrating  # noqa: PLC0415 - Alembic is large, and web processes never migrate

        migrating.migrate(self.database_owner_url, self.database_url, with_test_world=with_test_world)


@contextmanager
def open_installation(settings: Settings) -> Iterator[Installation]:
    """Use the configured engines, or start (or adopt) the embedded ones for as long as this lasts."""
    if settings.database_url:
        owner = settings.database_owner_url or settings.database_url
        _reach(settings.database_url, "DATABASE_URL")
        if owner != settings.database_url:
            _reach(owner, "DATABASE_OWNER_URL")
        keys, mail_url = settings.destination_keys, settings.mail_url
        yield Installation(settings.database_url, owner, settings.redis_url, destination_keys=keys, mail_url=mail_url)
        return
    data_dir = data_folder_of(settings)

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
            keys = settings.destination_keys or engines.destination_keys
            # Nobody has said where mail should go: whoever tries the house finds it beside its data.
            mail_url = settings.mail_url or f"file:{quote(str(data_dir.expanduser().resolve() / 'mails'))}"
            yield Installation(engines.database_url, engines.database_owner_url, redis_url, tend, keys, mail_url)
    except embedded.EnginesError as error:
        raise InstallationError(str(error)) from error


def data_folder_of(settings: Settings) -> Path:
    """Where the embedded engines are, if no URL says otherwise."""
    return settings.data_dir or embedded.default_data_dir()


def _reach(url: str, name: str) -> None:
    engine = db.make_engine(url)
    try:
        with engine.connect():
            pass
    except OperationalError as error:
        raise InstallationError(f"The database of {name} cannot be reached: {reason(error)}") from error
    finally:
        engine.dispose()


def reason(error: DBAPIError) -> str:
    """What the server or the system says, without the hints below it."""
    return str(error.orig).strip().splitlines()[0]


def require_migrated(engine: Engine) -> None:
    """Refuse to serve a database that `rookery migrate` has not brought to this program's version."""
    try:
        with engine.connect() as connection:
            known = connection.scalar(text("SELECT to_regclass('alembic_version')"))
            found = connection.scalar(text("SELECT version_num FROM alembic_version")) if known else None
    except DBAPIError as error:
        raise InstallationError(f"The database cannot be used: {reason(error)}") from error
    wanted = migrations.head()
    if found != wanted:
        raise InstallationError(
            f"The database is at version {found or 'none'} and this program needs {wanted}; run `rookery migrate`."
        )


def engine_of_test_world(engine: Engine, url: str, *, pool_size: int, patient: bool = False) -> Engine | None:
    """An engine in the test world of the house that the first one is in, if there is one. Raises if it is half made."""
    with engine.connect() as connection:
        if not worlds.is_there(connection):
            return None
    found = db.make_engine(url, pool_size=pool_size, patient=patient, schema=worlds.SCHEMA)
    require_migrated(found)
    return found

"""Real PostgreSQL and real Redis out of wheels, in a data folder; used when no URL is configured.

The engines run in sessions of their own and survive their parent's death; the next start adopts a live engine and
recovers a dead one. Whoever uses a data folder holds a shared lock on it; the last one to leave stops the engines.
"""

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from foundation import embedded_postgres, embedded_redis
from foundation.data_folder import EnginesError, Folder, StillRecovering, one_sentence
from foundation.embedded_postgres import create_database, drop_database

# Windows has none; there a DATABASE_URL must be set, and this module must still be importable.
if sys.platform != "win32":
    import fcntl

__all__ = ["Engines", "EnginesError", "create_database", "default_data_dir", "drop_database", "engines", "revive"]


@dataclass(frozen=True, slots=True)
class Engines:
    """Where the running engines answer: the application's and the owner's login, and Redis if there is one."""

    database_url: str
    database_owner_url: str
    redis_url: str | None
    superuser: str
    """A psycopg connection string for what only tests, `create_database` and `drop_database` need."""
    postmaster_pid: int
    redis_pid: int | None
    # What payout destinations are encrypted with where nobody has said so: made once, beside the database.
    destination_keys: str = ""


def default_data_dir() -> Path:
    """The user's data home, as the platform has it."""
    return Path(platformdirs.user_data_dir("rookery"))


@contextmanager
def engines(data_dir: Path, *, conf: Mapping[str, str] | None = None) -> Iterator[Engines]:
    """Start or adopt the engines of a data folder; stop them at the end if nobody else uses them.

    `conf` overrides settings of PostgreSQL when it has to be started; it does not reach one that is adopted.
    """
    folder = Folder.prepare(data_dir)
    with folder.lock("users.lock", exclusive=False) as mine:
        try:
            with one_sentence(folder.path), folder.lock("start.lock"):
                running = _start(folder, conf or {})
        except StillRecovering:
            raise
        except BaseException:
            _leave(folder, mine)
            raise
        try:
            yield running
        finally:
            _leave(folder, mine)


def revive(data_dir: Path, *, conf: Mapping[str, str] | None = None) -> bool:
    """Start an engine again that died while this process uses the folder; whether one had to be. Cheap otherwise."""
    folder = Folder.prepare(data_dir)
    if embedded_postgres.live(folder) and (embedded_redis.live(folder) or embedded_redis.server() is None):
        return False
    with one_sentence(folder.path), folder.lock("start.lock"):
        _start(folder, conf or {})
    return True


def _leave(folder: Folder, mine: int) -> None:
    """Stop the engines unless somebody else holds the users' lock.

    They are looked up anew: another user may have recovered a dead engine since this one started.
    """
    with one_sentence(folder.path), folder.lock("start.lock"):
        try:
            fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        embedded_postgres.stop(folder)
        embedded_redis.stop(folder)
        if folder.sockets.parent != folder.path:
            with suppress(OSError):
                folder.sockets.rmdir()


def _start(folder: Folder, conf: Mapping[str, str]) -> Engines:
    binaries = embedded_postgres.binaries_folder()
    embedded_postgres.refuse_other_major(folder)
    folder.own(folder.sockets)
    passwords = folder.passwords()
    # The initdb of a killed start may still be at work, so what it leaves is swept at each start.
    for left in folder.path.glob("making-*"):
        shutil.rmtree(left, ignore_errors=True)
    if not folder.cluster.exists():
        embedded_postgres.initialise(folder, binaries, passwords["postgres"], conf)
    superuser = embedded_postgres.superuser_login(folder, passwords)
    postmaster = embedded_postgres.adopt(folder, superuser)
    if postmaster is None:
        postmaster = embedded_postgres.start(folder, binaries, conf)
        embedded_postgres.wait_for(folder, superuser, postmaster)
    embedded_postgres.ensure_database(superuser, passwords)
    redis_pid = embedded_redis.adopt(folder) or embedded_redis.start(folder)
    return Engines(
        database_url=embedded_postgres.url(folder, "rookery_app", passwords),
        database_owner_url=embedded_postgres.url(folder, "rookery_owner", passwords),
        redis_url=None if redis_pid is None else f"unix://{folder.redis_socket}",
        superuser=superuser,
        postmaster_pid=postmaster,
        redis_pid=redis_pid,
        destination_keys=folder.destination_keys(),
    )

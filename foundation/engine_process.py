"""The engines' processes: in sessions of their own, as their own user, with nothing of the caller's environment."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from foundation import capabilities, data_folder

_STOP_SECONDS = 30.0
# Linux: capabilities outlive a change of user.
_PR_SET_SECUREBITS, _NO_SETUID_FIXUP = 28, 4


def spawn(command: list[str], folder: data_folder.Folder, log: Path) -> int:
    """Start an engine in a session of its own, so that neither Ctrl-C nor its parent's death ends it."""
    # One earlier log is kept: it tells why the engine died.
    with suppress(FileNotFoundError):
        log.rename(log.with_suffix(".log.1"))
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600), "wb") as output:
        process = subprocess.Popen(  # noqa: S603 - a binary of our own wheel
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd="/", umask=0o077,
            start_new_session=True, env=environment(), preexec_fn=become_engine(folder, Path(command[0])),  # noqa: PLW1509 - no lock is taken in it
        )  # fmt: skip
    _spawned.add(process.pid)
    # The engine outlives this object, and perhaps us; `is_alive` reaps it. So the object has nothing left to warn of.
    process.returncode = 0
    return process.pid


# Our own children among the engines: one that died stays a zombie until it is waited for.
_spawned: set[int] = set()


def is_alive(pid: int) -> bool:
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


def end(pid: int, *signals: signal.Signals) -> None:
    """Send the first signal, and each further one only if the one before did not do it in time."""
    for each in signals:
        with suppress(ProcessLookupError):
            os.kill(pid, each)
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            if not is_alive(pid):
                return
            time.sleep(0.01)


def environment() -> dict[str, str]:
    # The caller's PG* variables and language must not reach the engines.
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "HOME": "/"}


def become_engine(folder: data_folder.Folder, program: Path) -> Callable[[], None] | None:
    """What makes a child the engines' user between fork and exec; nothing unless we are root."""
    if os.geteuid() != 0:
        return None

    # A private home may lie above the data folder or the virtual environment; nobody may pass through it, without its
    # permissions being changed. Another user's folder is his: his configuration must not gain rights that he has not.
    traverse = [folder.path, folder.sockets, program] if (folder.uid, folder.gid) == data_folder.nobody() else []

    def become() -> None:
        # initdb asks access(2) for its programs, which counts capabilities of an ordinary user only under this bit.
        # Those that `become` does not keep are gone after exec all the same.
        if traverse and sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP, 0, 0, 0)
        capabilities.become(folder.uid, folder.gid, traverse=traverse)

    return become


def read(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""

"""Child processes of `rookery up`: started together, started again when they die, stopped together."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import structlog

_PR_SET_PDEATHSIG = 1
STOP_SECONDS = 15.0
_RESTART_SECONDS_MAX = 5.0
_HEALTHY_SECONDS = 10.0
# Children start where our own code lies: a wsgi.py or redis.py in the caller's folder must not be taken for it.
_ROOT = Path(__file__).parent.parent

_ENDS = (signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))

log = structlog.get_logger()


@dataclass(slots=True)
class Child:
    """One process to keep alive."""

    name: str
    command: Sequence[str]
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    delay: float = field(default=0.2)
    due: float = 0.0


class Supervisor:
    """Keeps its children alive until `stop`. A child that dies early waits longer before it is started again."""

    def __init__(
        self, commands: Mapping[str, Sequence[str]], environment: Mapping[str, str], *, first: Callable[[], None]
    ) -> None:
        """`first` tends to what the children stand on, before them and as often."""
        self.children = [Child(name, command) for name, command in commands.items()]
        self._environment = {**os.environ, **environment}
        self._first = first

    def start(self) -> None:
        for child in self.children:
            self._start(child)

    def tend(self) -> None:
        """Start again what has died; call it often."""
        self._first()
        now = time.monotonic()
        for child in self.children:
            if child.process is not None and child.process.poll() is not None:
                early = now - child.started < _HEALTHY_SECONDS
                child.delay = min(child.delay * 2, _RESTART_SECONDS_MAX) if early else 0.2
                log.warning("process ended", name=child.name, code=child.process.returncode, again_in=child.delay)
                child.process, child.due = None, now + child.delay
            if child.process is None and now >= child.due:
                self._start(child)

    def stop(self, *, patience: float = STOP_SECONDS) -> None:
        """Ask every child to finish its work, then insist: after so many seconds it ends with all it has started."""
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            with suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + patience
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                # It leads a process group of its own.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _start(self, child: Child) -> None:
        parent = os.getpid()
        # A session of its own: Ctrl-C reaches the supervisor alone, which then stops the children in order.
        child.process = subprocess.Popen(  # noqa: S603 - our own command lines
            child.command,
            env=self._environment,
            cwd=_ROOT,
            start_new_session=True,
            preexec_fn=lambda: _die_with_parent(parent),  # noqa: PLW1509 - the supervisor has one thread
        )
        child.started = time.monotonic()


def _die_with_parent(parent: int) -> None:
    """Ask the kernel to end this process when its parent dies, so that kill -9 of a parent leaves no orphans."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        # It may have died before we asked.
        if os.getppid() != parent:
            os._exit(1)


def raise_interrupt_on_terminate() -> None:
    """Let SIGTERM, and the end of the terminal, end a command the way Ctrl-C does, through its `finally` blocks."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for told in _ENDS:
        # Whoever started us with nohup wants us to outlive the terminal.
        if signal.getsignal(told) is not signal.SIG_IGN:
            signal.signal(told, interrupt)


def end_in_peace() -> None:
    """Ignore further signals: a second Ctrl-C must not break off the shutdown that the first one asked for."""
    for told in (signal.SIGINT, *_ENDS):
        signal.signal(told, signal.SIG_IGN)

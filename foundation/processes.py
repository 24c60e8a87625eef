"""Child processes of `rookery up`: started together, started again when they die, renewed and stopped together.

A child says through a pipe that it has begun to work, and a web process says over and over that it still does. Both
ends of that pipe are here.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import structlog

_PR_SET_PDEATHSIG = 1
# Longer than a web process takes to end, see `server.py`.
STOP_SECONDS = 35.0
_READY_SECONDS = 30.0
_RESTART_SECONDS_MAX = 5.0
_HEALTHY_SECONDS = 10.0
_BEAT_SECONDS = 1.0
_SILENCE_SECONDS = 15.0
# Children start where our own code lies: a wsgi.py or redis.py in the caller's folder must not be taken for it.
_ROOT = Path(__file__).parent.parent

_ENDS = (signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))

log = structlog.get_logger()


class Pulse:
    """A child's end of the pipe. A process that nobody supervises has none, and says nothing."""

    def __init__(self, fd: int | None) -> None:
        self._fd, self._due = fd, 0.0
        if fd is not None:
            os.set_blocking(fd, False)

    def beat(self) -> None:
        """Say that all is well; call it often, it speaks once a second."""
        now = time.monotonic()
        if self._fd is None or now < self._due:
            return
        self._due = now + _BEAT_SECONDS
        # A supervisor that does not listen is no reason to end; its death is one, and comes as a signal.
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self._fd, b".")

    def keep(self) -> None:
        """Beat from now on whatever this process is busy with: it falls silent only when it is frozen."""

        def beat_on() -> None:
            while True:
                self.beat()
                time.sleep(_BEAT_SECONDS)

        threading.Thread(target=beat_on, daemon=True).start()


@dataclass(slots=True)
class Child:
    """One process to keep alive. It inherits `fds`. One that `beats` is killed when it falls silent."""

    name: str
    command: Sequence[str]
    fds: Sequence[int] = ()
    beats: bool = False
    process: "subprocess.Popen[bytes] | None" = None
    # Our end of its pipe, and when something last came through it.
    ear: int = -1
    heard: float | None = None
    started: float = 0.0
    delay: float = field(default=0.2)
    # When to start it again or, if it is asked to end, when to insist.
    due: float = 0.0

    def start(self, environment: Mapping[str, str]) -> None:
        parent = os.getpid()
        self.ear, mouth = os.pipe()
        os.set_blocking(self.ear, False)
        try:
            # A session of its own: Ctrl-C reaches the supervisor alone, which then stops the children in order.
            self.process = subprocess.Popen(  # noqa: S603 - our own command lines
                self.command,
                env={**environment, "ROOKERY_PULSE_FD": str(mouth)},
                cwd=_ROOT,
                pass_fds=(mouth, *self.fds),
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509 - the supervisor has one thread
            )
        except OSError:
            os.close(self.ear)
            raise
        finally:
            os.close(mouth)
        self.started, self.heard = time.monotonic(), None

    def reap(self) -> int | None:
        """The exit code of a process that has ended, which is forgotten then."""
        code = self.process.poll() if self.process is not None else None
        if code is not None:
            os.close(self.ear)
            self.process = None
        return code

    def is_ready(self) -> bool:
        """Whether it has begun to work."""
        with suppress(BlockingIOError):
            if os.read(self.ear, 65536):
                self.heard = time.monotonic()
        return self.heard is not None

    def is_frozen(self) -> bool:
        return self.beats and self.is_ready() and time.monotonic() - (self.heard or 0.0) > _SILENCE_SECONDS

    def kill(self) -> None:
        """End it now, with all it has started."""
        if self.process is not None:
            _kill(self.process)


class Supervisor:
    """Keeps its children alive until `stop`. A child that dies early waits longer before it is started again."""

    def __init__(self, children: Sequence[Child], environment: Mapping[str, str], *, first: Callable[[], None]) -> None:
        """`first` tends to what the children stand on, before them and as often."""
        self.children = list(children)
        # Who is beside them for a while: old ones that come to their end, and a new one that is not ready yet.
        self._others: list[Child] = []
        self._environment = {**os.environ, **environment}
        self._first = first

    def start(self) -> None:
        for child in self.children:
            self._start(child)

    def _start(self, child: Child) -> None:
        try:
            child.start(self._environment)
        except OSError as error:
            # No memory or no files for one more, perhaps; the others work, so this one must not end with an error.
            child.due = time.monotonic() + _RESTART_SECONDS_MAX
            log.warning("process cannot be started", name=child.name, error=error.strerror)

    def tend(self) -> None:
        """Start again what has died; call it often."""
        self._first()
        for child in self.children:
            self._tend(child)
        for other in list(self._others):
            if other.reap() is not None or other.process is None:
                self._others.remove(other)
            elif time.monotonic() >= other.due:
                other.kill()

    def _tend(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.due:
                self._start(child)
        elif (code := child.reap()) is not None:
            early = now - child.started < _HEALTHY_SECONDS
            child.delay = min(child.delay * 2, _RESTART_SECONDS_MAX) if early else 0.2
            child.due = now + child.delay
            log.warning("process ended", name=child.name, code=code, again_in=child.delay)
        elif child.is_frozen():
            log.warning("process hangs and is killed", name=child.name, silent_for=_SILENCE_SECONDS)
            child.kill()

    def renew(self) -> bool:
        """Put a new process, of the code as it is now, in the place of each old one, which ends when the new one works.

        If a new one does not come to work, it and the old ones after it stay as they are.
        """
        for place, old in enumerate(self.children):
            new = Child(old.name, old.command, old.fds, old.beats, due=time.monotonic() + _READY_SECONDS)
            self._others.append(new)
            self._start(new)
            while new.process is not None and not new.is_ready():
                time.sleep(0.05)
                self.tend()
            if new.process is None:
                log.error("a new process does not work, the old one stays", name=new.name)
                return False
            self._others.remove(new)
            self.children[place] = new
            self._let_go(old)
        log.info("all processes are new")
        return True

    def _let_go(self, old: Child) -> None:
        if old.process is not None:
            old.process.terminate()
            old.due = time.monotonic() + STOP_SECONDS
            self._others.append(old)

    def stop(self, *, patience: float = STOP_SECONDS) -> None:
        """Ask every child to finish its work, then insist: after so many seconds it ends with all it has started."""
        running = [child.process for child in (*self.children, *self._others) if child.process is not None]
        for process in running:
            with suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + patience
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _kill(process)
                process.wait()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    # It leads a process group of its own.
    os.killpg(process.pid, signal.SIGKILL)


def die_with_parent(parent: int) -> None:
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
    if hasattr(signal, "SIGUSR2"):
        # `serving.stay` renews processes at it; until then, and in a child, there is nothing to renew.
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def at_the_end(act: Callable[[], None]) -> None:
    """Do this at Ctrl-C, SIGTERM and the end of the terminal, instead of what they would do."""
    for told in (signal.SIGINT, *_ENDS):
        if signal.getsignal(told) is not signal.SIG_IGN:
            signal.signal(told, lambda _signal, _frame: act())


def end_in_peace() -> None:
    """Ignore further signals: a second Ctrl-C must not break off the shutdown that the first one asked for."""
    for told in (signal.SIGINT, *_ENDS):
        signal.signal(told, signal.SIG_IGN)

"""One running house under siege: `rookery up` in a process of its own, and every process, session and wire to break."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil
import psycopg
from redis import Redis
from sqlalchemy.engine import make_url

from foundation import embedded

CHECKOUT = Path(__file__).parent.parent.parent
_START_SECONDS = 90.0
_STOP_SECONDS = 40.0
_CHILDREN = {"web": 2, "worker": 1, "sweeper": 1}
_UNLIMITED = 10**9
_ROLES = ("worker", "requester", "ops", "finance", "approver", "strangers")
_HEALTH_SECONDS = 10.0


class HouseFell(Exception):
    """The house is down and nobody took it down, or it does not come up."""


@dataclass(slots=True)
class House:
    """A house and how to reach into it."""

    build: Path
    """The source tree that runs: the checkout, or a copy with a bug planted."""
    data_dir: Path
    environment: dict[str, str]
    log: IO[bytes]
    port: int
    engines: embedded.Engines | None = None
    wire: "Wire | None" = None
    up: "subprocess.Popen[bytes] | None" = None
    doors: list[str] = field(default_factory=list)
    """Where clients may go: `rookery up`, and for a while a web process beside it."""
    standing: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    """Further processes of the house, as another machine would run them."""
    attempts: list["Attempt"] = field(default_factory=list)
    """Commands that run now."""
    commander: "subprocess.Popen[str] | None" = None
    """What runs them (`commander.py`)."""
    asking: threading.Lock = field(default_factory=threading.Lock)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.doors.append(self.address)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """`rookery up`, until it is ready."""
        self.up = self.run("up", "--port", str(self.port))
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            if self.up.poll() is not None or time.monotonic() > deadline:
                raise HouseFell(f"rookery up does not come up; its log is {self.log.name}.")
            time.sleep(0.05)

    def run(self, *words: str, module: str = "wsgi", environment: Mapping[str, str] | None = None) -> Any:
        """A command of this build on this house's data folder, in the background."""
        given = ["--data-dir", str(self.data_dir)] if module == "wsgi" and not environment else []
        return subprocess.Popen(
            [sys.executable, "-m", module, *given, *words],
            cwd=self.build,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def told(self, *words: str) -> str:
        """What a command of this build on this house's data folder says."""
        code, said = self.attempt(*words).ended()
        if code != 0:
            raise HouseFell(f"rookery {' '.join(words)}: {said}")
        return said

    def attempt(self, *words: str) -> "Attempt":
        """A command of this build on this house's data folder that may fail, begun."""
        with self.asking:
            if self.commander is None:
                self.commander = self._command()
            out = self.data_dir.parent / "said" / f"{next(self.numbers)}.txt"
            out.parent.mkdir(exist_ok=True)
            asked = {"words": ["--data-dir", str(self.data_dir), *words], "out": str(out)}
            assert self.commander.stdin is not None
            assert self.commander.stdout is not None
            self.commander.stdin.write(f"{json.dumps(asked)}\n")
            self.commander.stdin.flush()
            attempt = Attempt(self, int(self.commander.stdout.readline()), out)
            self.attempts.append(attempt)
        return attempt

    def _command(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, str(CHECKOUT / "tests" / "faults" / "commander.py")],
            cwd=self.build,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            start_new_session=True,
        )

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/ready", timeout=2) as answer:  # noqa: S310 - our own
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def health(self) -> float:
        """Seconds until a new connection is told that the service is up; raises OSError if it never is."""
        started = time.monotonic()
        with urllib.request.urlopen(f"{self.address}/health", timeout=_HEALTH_SECONDS):  # noqa: S310 - our own
            return time.monotonic() - started

    def require_up(self) -> None:
        if self.up is None or self.up.poll() is not None:
            raise HouseFell(f"rookery up has ended by itself; its log is {self.log.name}.")

    def children(self, role: str) -> list[psutil.Process]:
        """The processes of one role, `web`, `worker` or `sweeper`; waits until the supervisor has started one."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            self.require_up()
            assert self.up is not None
            with suppress(psutil.Error):
                found = [child for child in psutil.Process(self.up.pid).children() if role in _words(child)]
                if found:
                    return sorted(found, key=lambda child: child.pid)
            if time.monotonic() > deadline:
                raise HouseFell(f"The supervisor starts no {role}.")
            time.sleep(0.02)

    def is_whole(self) -> bool:
        """Whether the supervisor has all its children."""
        self.require_up()
        assert self.up is not None
        words = [word for child in psutil.Process(self.up.pid).children() for word in _words(child)]
        return all(words.count(role) >= number for role, number in _CHILDREN.items())

    @contextmanager
    def beside(self, *words: str, module: str = "wsgi", **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
        """One more process of the house for a while, as another machine would run it."""
        told = self.children("sweeper")[0].environ()
        urls = {name: told[name] for name in ("DATABASE_URL", "REDIS_URL", "ROOKERY_DESTINATION_KEYS")}
        process = self.run(*words, module=module, environment={**urls, **variables})
        self.standing.append(process)
        try:
            yield process
        finally:
            self.standing.remove(process)
            process.terminate()
            process.wait()

    # The engines

    @property
    def login(self) -> embedded.Engines:
        assert self.engines is not None
        return self.engines

    def superuser(self) -> psycopg.Connection[Any]:
        """A new session of the superuser's in the house's database."""
        return psycopg.connect(self.login.superuser, dbname="rookery", autocommit=True, connect_timeout=5)

    def ask(self, sql: str, *values: Any) -> list[Any]:
        """The rows of one statement; raises psycopg.Error while the database is away."""
        with self.superuser() as connection:
            asked = connection.execute(sql, values)
            return asked.fetchall() if asked.description else []

    @property
    def postmaster(self) -> int:
        return int((self.data_dir / "postgresql-18" / "postmaster.pid").read_text().splitlines()[0])

    @property
    def redis_pid(self) -> int:
        return int((self.data_dir / "redis" / "redis.pid").read_text())

    def redis(self) -> Redis:
        assert self.login.redis_url is not None
        return Redis.from_url(self.login.redis_url, socket_timeout=5)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A command that runs. out : what it says."""

    house: House
    pid: int
    out: Path

    def ended(self) -> tuple[int, str]:
        """With which code it ended, and the last of what it said."""
        while psutil.pid_exists(self.pid):
            time.sleep(0.02)
        self.house.attempts.remove(self)
        code = self.out.with_suffix(".code")
        said = self.out.read_text(errors="replace") if self.out.exists() else ""
        return int(code.read_text()) if code.exists() else -signal.SIGKILL, said[-1000:]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@contextmanager
def housed(folder: Path, build: Path = CHECKOUT, *, wired: bool = False) -> Iterator[House]:
    """A house in a folder, up and ready; `wired` puts a wire of ours between its processes and its database."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        log = stack.enter_context((folder / "house.log").open("ab"))
        house = House(build, folder / "data", _environment(), log, free_port())
        if wired:
            house.engines = stack.enter_context(embedded.engines(house.data_dir))
            house.wire = stack.enter_context(_wired(house.engines))
            house.environment |= _urls(house.engines, house.wire)
        stack.callback(_stop, house)
        house.start()
        if not wired:
            # Whoever uses the folder keeps its engines alive: they outlast a killed `rookery up`.
            house.engines = stack.enter_context(embedded.engines(house.data_dir))
        yield house


def _environment() -> dict[str, str]:
    theirs = ("ROOKERY_", "PG", "DATABASE_", "REDIS_")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    # A crowd that never rests would soon have used up what one worker may ask in a minute, or move in a day.
    unlimited = ",".join(f"{name}={_UNLIMITED}" for name in (*_ROLES, "payout-methods"))
    return {**ours, "ROOKERY_LOG_LEVEL": "warning", "ROOKERY_LIMITS": unlimited}


def _stop(house: House) -> None:
    if house.commander is not None:
        # It ends with what it reads.
        house.commander.communicate()
    for process in [*house.standing, *([house.up] if house.up else [])]:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# The wire


class Wire:
    """Our end of `proxy.py`: what lies between the house and its database."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self._process, self.port = process, port

    def set(self, mode: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{mode}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() == mode


@contextmanager
def _wired(engines: embedded.Engines) -> Iterator[Wire]:
    port = free_port()
    where = make_url(engines.database_url).query
    server = f"{where['host']}/.s.PGSQL.{where['port']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.proxy", str(port), server],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wire = Wire(process, port)
        wire.set("pass")
        yield wire
    finally:
        process.kill()
        process.communicate()


def _urls(engines: embedded.Engines, wire: Wire) -> dict[str, str]:
    app = make_url(engines.database_url).set(host="127.0.0.1", port=wire.port, query={})
    return {
        "DATABASE_URL": app.render_as_string(hide_password=False),
        "DATABASE_OWNER_URL": engines.database_owner_url,
        "REDIS_URL": engines.redis_url or "",
    }

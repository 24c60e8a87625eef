"""Faults of processes: they are killed, frozen, or have a wrong clock."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
import psycopg

from tests.faults.house import HouseFell, free_port
from tests.faults.scene import Making, Scene, Wrong

_START_AGAIN_SECONDS = 60.0
# How often the process with a wrong clock must have been asked, and how long that is waited for.
_ASKED, _ASKED_SECONDS = 100, 60.0


def killing(choose: Callable[[Scene], list[int]]) -> Making:
    @contextmanager
    def make(scene: Scene) -> Iterator[None]:
        for pid in choose(scene):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        scene.happened()
        yield

    return make


def web(scene: Scene) -> list[int]:
    return [scene.rng.choice(scene.house.children("web")).pid]


def all_web(scene: Scene) -> list[int]:
    return [process.pid for process in scene.house.children("web")]


def worker(scene: Scene) -> list[int]:
    return [scene.house.children("worker")[0].pid]


def worker_family(scene: Scene) -> list[int]:
    parent = scene.house.children("worker")[0]
    with suppress(psutil.Error):
        return [parent.pid, *(child.pid for child in parent.children(recursive=True))]
    return [parent.pid]


def work_horse(scene: Scene) -> list[int]:
    """It lives for the moments of one delivery, so it is waited for."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(psutil.Error):
            if born := scene.house.children("worker")[0].children():
                return [born[0].pid]
    raise Wrong("No work-horse was born in 10 s of work.")


def sweeper(scene: Scene) -> list[int]:
    return [scene.house.children("sweeper")[0].pid]


def backend(scene: Scene) -> list[int]:
    """A session of the house's, best in the middle of a transaction."""
    while True:
        with suppress(psycopg.OperationalError):
            rows = scene.house.ask(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'rookery' AND usename = 'rookery_app'"
                " ORDER BY state IN ('active', 'idle in transaction') DESC, random() LIMIT 1"
            )
            if rows:
                return [rows[0][0]]
        time.sleep(0.05)


def database(scene: Scene) -> list[int]:
    """PostgreSQL as a whole."""
    postmaster = psutil.Process(scene.house.postmaster)
    return [postmaster.pid, *(child.pid for child in postmaster.children())]


@contextmanager
def supervisor_killed(scene: Scene) -> Iterator[None]:
    """`rookery up` dies; whoever started it runs the same command until it is up again."""
    house = scene.house
    assert house.up is not None
    house.up.kill()
    house.up.wait()
    scene.happened()
    deadline = time.monotonic() + _START_AGAIN_SECONDS
    while True:
        try:
            house.start()
        except HouseFell:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            break
    yield


def freezing(choose: Callable[[Scene], list[int]]) -> Making:
    @contextmanager
    def make(scene: Scene) -> Iterator[None]:
        frozen = choose(scene)
        _signal(frozen, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(frozen, signal.SIGCONT)

    return make


def _signal(pids: list[int], what: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, what)


@contextmanager
def leader_frozen(scene: Scene) -> Iterator[None]:
    """Beside the house stands a second sweeper; the one that leads is frozen."""
    with scene.house.beside("jobs", "--only", "sweeper"):
        time.sleep(3)
        with freezing(sweeper)(scene):
            yield


@contextmanager
def wrong_clock(scene: Scene) -> Iterator[None]:
    """One more web process, whose clock is wrong; until it has answered often enough."""
    port, before = free_port(), scene.count("shifted")
    variables = {"ROOKERY_PORT": str(port), "SIEGE_SKEW": str(next(scene.skews))}
    with scene.house.beside("web", module="tests.faults.skewed", **variables) as wrong:
        door = f"http://127.0.0.1:{port}"
        scene.house.doors.append(door)
        try:
            deadline = time.monotonic() + _ASKED_SECONDS
            while scene.count("shifted") < before + _ASKED:
                if wrong.poll() is not None or time.monotonic() > deadline:
                    raise Wrong("The process with the wrong clock was not asked.")
                time.sleep(0.05)
            yield
        finally:
            scene.house.doors.remove(door)

"""Moments in the life of a payout run, and faults that wait for one of them and then strike."""

import getpass
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg

from tests.faults import processes
from tests.faults.scene import Making, Scene, Wrong

_MOMENT_SECONDS = 120.0
_STAND_BY_SECONDS = 3.0
Moment = Callable[[Scene], None]
"""Returns when it has come; raises `Wrong` if it never does."""


def _comes(sql: str) -> Moment:
    """The moment at which a statement finds something."""

    def wait(scene: Scene) -> None:
        deadline = time.monotonic() + _MOMENT_SECONDS
        while time.monotonic() < deadline:
            with suppress(psycopg.Error), scene.house.superuser() as connection:
                while time.monotonic() < deadline:
                    # A row of no columns is an empty one.
                    if connection.execute(sql).fetchone() is not None:
                        return
                    time.sleep(0.003)
        raise Wrong(f"In {_MOMENT_SECONDS:.0f} s this found nothing: {sql}")

    return wait


# Some payees have been looked at, others not.
preparing = _comes("SELECT FROM payout_runs WHERE state = 'preparing' AND prepared_through <> ''")
# Some payouts have left the books, others not.
releasing = _comes("""
    SELECT FROM payout_runs r WHERE state = 'releasing'
       AND EXISTS (SELECT FROM payouts p WHERE p.run_id = r.id AND p.state = 'exported')
""")
cancelling = _comes("SELECT FROM payout_runs WHERE state = 'cancelling'")
# All has left the books, and nobody has the file.
exported = _comes("""
    SELECT FROM payout_runs r WHERE state = 'exported' AND n_payouts > 0
       AND NOT EXISTS (SELECT FROM payout_files f WHERE f.run_id = r.id)
""")
# What a bank says is half taken in.
stated = _comes("""
    SELECT FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND usename = 'rookery_app'
       AND query ~ 'bank_files|bank_entries|UPDATE payouts SET state = ''settled'''
""")


def fetching(scene: Scene) -> None:
    """A file is being asked for, or written."""
    assert scene.payroll is not None
    if not scene.payroll.courier.fetching.wait(_MOMENT_SECONDS):
        raise Wrong(f"In {_MOMENT_SECONDS:.0f} s nobody asked for a file.")
    time.sleep(scene.rng.uniform(0, 0.2))


def at(moment: Moment, make: Making) -> Making:
    """A fault that is made when its moment has come."""

    @contextmanager
    def wait_and_make(scene: Scene) -> Iterator[None]:
        moment(scene)
        with make(scene):
            yield

    return wait_and_make


def leader_freezing(moment: Moment) -> Making:
    """The sweeper that leads is frozen at the moment; another stands by, and goes on with what that one was at."""

    @contextmanager
    def make(scene: Scene) -> Iterator[None]:
        with scene.house.beside("jobs", "--only", "sweeper"):
            time.sleep(_STAND_BY_SECONDS)
            moment(scene)
            with processes.freezing(processes.sweeper)(scene):
                yield

    return make


@contextmanager
def reader_killed(scene: Scene) -> Iterator[None]:
    """The commands that run now, such as one that reads what a bank says, are killed in the middle."""
    _kill_attempts(scene)
    scene.happened()
    yield


@contextmanager
def prepare_killed(scene: Scene) -> Iterator[None]:
    """Somebody at the machine prepares a run, and is killed when it has begun; others go on with it."""
    preparing_here = _comes(
        "SELECT FROM payout_runs WHERE state = 'preparing' AND prepared_through <> ''"
        f" AND prepared_by = '{getpass.getuser()}'"
    )
    trying = scene.house.attempt("payouts", "prepare", "sepa")
    try:
        preparing_here(scene)
    finally:
        _kill_attempts(scene)
        trying.ended()
    scene.happened()
    yield


def _kill_attempts(scene: Scene) -> None:
    for attempt in list(scene.house.attempts):
        with suppress(ProcessLookupError):
            os.kill(attempt.pid, signal.SIGKILL)

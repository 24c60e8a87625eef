"""What a fault is made on, and what it is to those who make it."""

import itertools
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.faults.crowd import Crowd, Requester, Worker
from tests.faults.house import House
from tests.faults.payroll import Payroll

SKEWS = (3600.0, -3600.0, 3 * 86_400.0)


class Wrong(Exception):
    """A fault showed something that must not be."""


@dataclass(slots=True)
class Scene:
    """What a fault is made on."""

    house: House
    crowd: Crowd
    outsider: Worker
    """A worker who is not of the crowd."""
    vanishing: Requester
    """A second sender of the same requester's."""
    rng: random.Random
    skews: "itertools.cycle[float]"
    since: float | None = None
    """When a fault happened, if it says so; otherwise when it is made."""
    payroll: Payroll | None = None
    """Those who pay, if anybody is paid in this siege."""

    def happened(self) -> None:
        self.since = time.monotonic()

    def claim(self) -> float:
        """Seconds until the outsider's claim is answered, whatever the answer is."""
        return self.outsider.try_claim()

    def count(self, *names: str) -> int:
        return sum(self.crowd.journal.counts[name] for name in names)


# Made when it is entered, undone when it is left.
Making = Callable[[Scene], AbstractContextManager[object]]

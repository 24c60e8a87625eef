"""What the composition root hands to the ground: the parts that the packages bring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click
from sqlalchemy.orm import Session

from foundation.http import Routes
from foundation.jobs import Sweep, Work
from foundation.outbox import On

Check = Callable[[Session], dict[str, list[str]]]


@dataclass(frozen=True, slots=True)
class Program:
    """Every route, reaction, sweep, work, errand, check and command of the house."""

    version: str
    routes: Sequence[Routes]
    reactions: Sequence[On]
    sweeps: Sequence[Sweep]
    works: Sequence[Work]
    errands: Sequence[Work]
    checks: Sequence[Check]
    commands: Sequence[click.Command]

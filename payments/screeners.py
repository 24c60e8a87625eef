"""What a list to screen against is, wherever it is kept, and what it is asked and says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy.orm import Session

from payments.models import Outcome

# What is found where nobody could be asked.
UNASKED = "matcher_failed"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A payee as they are now. account : the fingerprint of where they are paid to, if they have said so."""

    payee_id: str
    name: str
    country: str
    account: bytes | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What holding somebody against a list came to. score : 0 to 100; findings : what matched, in plain values."""

    outcome: Outcome = Outcome.CLEAR
    score: int = 0
    findings: list[dict[str, str | int]] = field(default_factory=list)


class Screener(Protocol):
    """A list. is_remote : asking takes a network, so nobody may wait for it."""

    @property
    def is_remote(self) -> bool: ...

    def version(self, db: Session) -> str | None:
        """Which state of the list is in force; None where there is no list."""
        ...

    def screen(self, db: Session, people: Sequence[Snapshot]) -> list[Verdict]:
        """What holding each of these against it comes to, in their order. What cannot be found out is a review."""
        ...

"""What speaks against voters, for people to judge. Nothing in here acts: a quarantine is proposed, with its end.

All evidence is on one scale: the logarithm of how much better foul play explains the answers than honest work does.
Of an honest voter that ratio is expected to be 1 at most, so it reaches 1 / alpha with a chance of alpha at most,
however often somebody looks (Ville 1939). Who looks at many voters asks for as many times more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import log

import numpy as np

from quality.methods.votes import FloatArray, rows


class Kind(StrEnum):
    """What the answers look like."""

    CLICKING = "clicking"
    COPYING = "copying"
    CLUSTER = "cluster"
    TOO_FAST = "too_fast"
    PATTERN = "pattern"
    LOCKSTEP = "lockstep"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One finding. voters : their codes, ascending; answers : how many of theirs it stands on.

    statistic, threshold : logarithms of ratios, as above; of several voters, those of whom the least speaks against.
    """

    kind: Kind
    voters: tuple[int, ...]
    statistic: float
    threshold: float
    answers: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A proposal: for so many days a voter's votes weigh `factor`, if ops agree. The strongest evidence is first."""

    voter: int
    factor: float
    days: int
    evidence: tuple[Evidence, ...]


def enough(alpha: float, looked_at: float = 1.0) -> float:
    """The threshold under which honest voters stay with a chance of 1 - alpha, when so many of them are looked at."""
    return log(max(looked_at, 1.0) / alpha)


def proposals(found: Iterable[Evidence], *, factor: float = 0.1, days: int = 14) -> list[Quarantine]:
    """One for each voter whom something speaks against, by voter; what is below its threshold does not count."""
    against: dict[int, list[Evidence]] = {}
    for evidence in found:
        if evidence.statistic >= evidence.threshold:
            for voter in evidence.voters:
                against.setdefault(voter, []).append(evidence)
    return [
        Quarantine(voter, factor, days, tuple(sorted(of_voter, key=_beyond, reverse=True)))
        for voter, of_voter in sorted(against.items())
    ]


def _beyond(evidence: Evidence) -> float:
    return evidence.statistic - evidence.threshold


def tempered(confusion: FloatArray, weights: FloatArray) -> FloatArray:
    """Confusion of voters whose votes weigh less: rows to the power of a weight, scaled to sum to 1 again.

    confusion : (n_voters, n_classes, n_classes), axes [voter, true, given]; weights : (n_voters,), from 0, the vote
    says nothing, to 1, it counts in full.
    """
    return rows(confusion ** weights[:, np.newaxis, np.newaxis])

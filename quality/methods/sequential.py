"""A sequential test of one voter, answer by answer: do they work, or do they click?

Wald's ratio (1945) of a clicker, for whom every label is as likely as any other, to the least that passes for honest
work. It never falls below a floor (Page 1954), so an honest past cannot be saved up for a dishonest future. Gold counts
in full, consensus as far as it is certain.
"""

from dataclasses import dataclass
from math import exp, log

import numpy as np

from quality.methods.evidence import Evidence, Kind, enough
from quality.methods.fit import Fit
from quality.methods.votes import FloatArray, IntArray, rows


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where the test decides. alpha : the chance that an honest voter is ever accused in so many answers, at most.

    Two chances make it up. To climb from the start to `accused` has one of alpha / 2. To climb there from the floor,
    where each answer may have brought them, has one of alpha / 2 in `career` answers.
    """

    alpha: float = 0.01
    career: int = 500

    @property
    def accused(self) -> float:
        """A score from which on a voter is accused."""
        return enough(self.alpha / 2.0)

    @property
    def floor(self) -> float:
        """The lowest score, at which a voter is cleared: a clicker ever comes here with a chance of 1 / career."""
        return -log(self.career)


@dataclass(frozen=True, slots=True)
class State:
    """All that is kept of a voter. score : the logarithm of the ratio; answers : how many were tested.

    cleared : whether the score ever was at the floor, such as pay may wait for.
    """

    score: float = 0.0
    answers: int = 0
    cleared: bool = False


START = State()
DEFAULT = Bounds()
# Whoever does so much of what is usual, and guesses the rest, passes for honest.
_PASSES = 0.8
# Beyond a million times, more of it tells a person nothing.
_TOLD = log(1e6)


def usual(fit: Fit) -> FloatArray:
    """The confusion of the better half of the voters together, axes [true, given]; the other half may be anybody."""
    if not fit.counts.size:
        return fit.pool
    better = fit.reliability >= np.median(fit.reliability)
    return rows(fit.counts[better].sum(axis=0) + fit.pool)


def least_honest(usual: FloatArray, *, share: float | None = None) -> FloatArray:
    """The confusion of the worst voter who passes for honest: a share of what is usual, the rest chance.

    Left out, four fifths; less with two or three classes, where people of the same accuracy are nearer to chance.
    """
    n_classes = usual.shape[0]
    part = min(_PASSES, 1.0 - _PASSES / n_classes) if share is None else share
    mixed: FloatArray = part * usual + (1.0 - part) / n_classes
    return mixed


def ratios(believed: FloatArray, labels: IntArray, honest: FloatArray) -> FloatArray:
    """Logarithm of P(label | clicker) / P(label | honest) for each answer, (n,); above 0 speaks against the voter.

    believed : (n, n_classes), the probability of each class but for the voter's own answer, as `withheld.beliefs`, one
    class certain on gold; labels : (n,); honest : axes [true, given], as `least_honest`. The ratio is expected to be 1
    of an honest voter, and less of a better one.
    """
    n_classes = honest.shape[0]
    of_honest = np.einsum("ij,ji->i", believed, honest[:, labels])
    found: FloatArray = -np.log(n_classes * of_honest)
    return found


def after(state: State, ratio: float, *, bounds: Bounds = DEFAULT) -> State:
    """The state after one more answer. Nothing else is needed: it may be kept in a row and brought on one by one."""
    score = max(state.score + ratio, bounds.floor)
    return State(score, state.answers + 1, state.cleared or score <= bounds.floor)


def accusation(voter: int, state: State, *, bounds: Bounds = DEFAULT) -> Evidence | None:
    """What the state says against a voter, if it says enough. Ask after each answer: the score may fall again."""
    if state.score < bounds.accused:
        return None
    return Evidence(
        kind=Kind.CLICKING,
        voters=(voter,),
        statistic=state.score,
        threshold=bounds.accused,
        answers=state.answers,
        sentence=f"Of {state.answers} answers that could be checked, the last are at least "
        f"{exp(min(state.score, _TOLD)):,.0f} times as likely of somebody who clicks at random as of honest work.",
    )

"""What the answers to a gold say of it: does it tell good voters from bad ones, and has its answer got about?"""

from dataclasses import dataclass

import numpy as np

from quality.methods.special import beta_quantile
from quality.methods.votes import FloatArray, IntArray

# A rising share of right answers is a leak from here on: of honest golds that a thousand met and that were looked at
# after every tenth, fewer than one in a hundred were taken for leaked (tests/quality/test_gold_health.py).
LEAK_BOUND = 3.7
LEAK_LEAST = 20
# Whose lower bound is above this is more often right than wrong, whatever the others say.
CONFIDENT = 0.5
CONTEST_LEAST = 8
_TAIL = 0.05
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Contest:
    """What those say who are known to be good: how many they are, and the label that most of them give instead.

    share : of them, who give it. low : the lower bound of that share. rival : None where nobody differs.
    """

    n_confident: int
    rival: int | None
    share: float
    low: float

    @property
    def is_lost(self) -> bool:
        """Whether more of them contradict the gold's label together than not, beyond chance."""
        return self.n_confident >= CONTEST_LEAST and self.low > CONFIDENT


def interval(right: int, n: int) -> tuple[float, float]:
    """Bounds of a share with equal tails of a twentieth (Jeffreys' interval)."""
    a, b = np.array([right + 0.5]), np.array([n - right + 0.5])
    low, high = (float(beta_quantile(a, b, tail)[0]) for tail in (_TAIL, 1.0 - _TAIL))
    return (0.0 if right == 0 else low), (1.0 if right == n else high)


def trend(passed: FloatArray) -> float:
    """How far the share of right answers rises with their order, in standard deviations; 0 where it cannot be told.

    passed : (n,), 1 for a right answer, in the order of time. Cochran and Armitage's test for a trend, its scores the
    ranks: under a constant share the result is about standard normal.
    """
    share = passed.mean() if passed.size else 0.0
    if not 0.0 < share < 1.0:
        return 0.0
    scores = np.arange(passed.size) - (passed.size - 1) / 2.0
    return float(scores @ passed / np.sqrt(share * (1.0 - share) * (scores @ scores)))


def is_leaked(passed: FloatArray) -> bool:
    """Whether a gold is answered right so much more often than at first that its answer must have got about."""
    return passed.size >= LEAK_LEAST and trend(passed) >= LEAK_BOUND


def discrimination(passed: FloatArray, reliability: FloatArray) -> float | None:
    """Point-biserial correlation of passing with reliability over voters, both (n,); None if either is constant.

    Near 0 the gold tells nothing of anybody; below 0 good voters fail it more often than bad ones.
    """
    if passed.size == 0:
        return None
    of_passing, of_voters = passed - passed.mean(), reliability - reliability.mean()
    scale = float(np.sqrt((of_passing @ of_passing) * (of_voters @ of_voters)))
    return None if scale <= _TINY else float(np.clip(of_passing @ of_voters / scale, -1.0, 1.0))


def contest(labels: IntArray, lows: FloatArray, *, known: int, n_classes: int) -> Contest:
    """What the voters say whose reliability is above chance for certain.

    labels, lows : (n,), what each voter gave, and the lower bound of their reliability.
    """
    confident = labels[lows > CONFIDENT]
    counts = np.bincount(confident, minlength=n_classes)
    counts[known] = 0
    rival = int(counts.argmax())
    if not counts[rival]:
        return Contest(int(confident.size), None, 0.0, 0.0)
    low, _ = interval(int(counts[rival]), int(confident.size))
    return Contest(int(confident.size), rival, float(counts[rival] / confident.size), low)

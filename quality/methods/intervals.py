"""How reliable each voter is, and between which bounds: from what is believed of the tasks they voted on.

Three things make a bound uncertain, and all of them count: few votes; labels that are only probable; and labels that
may be wrong together, which no number of votes cures. Where gold is known the second and third are nothing.
"""

from dataclasses import dataclass

import numpy as np

from quality.methods.special import beta_quantile
from quality.methods.votes import FloatArray, Votes

# So much of the error that is expected of a voter's tasks may lie all on one side.
_SHARED = 0.5
# The crowd counts for a voter as so many votes at least, and at most.
_LEAST, _MOST = 2.0, 50.0
# What is presumed of the crowd's spread counts as much as what so many voters show.
_PRESUMED_VOTERS = 5.0
# A spread never quite reaches that of a voter who is always right or always wrong.
_WIDEST = 0.95
# In the place of a parameter of 0, for which there is no distribution and no need of one.
_NONE = 0.5


@dataclass(frozen=True, slots=True)
class Bounds:
    """Each (n_voters,), in [0, 1], low <= reliability <= high: the expected share of right answers and its interval."""

    reliability: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far voters went with what is believed: each (n_voters,), sums over their votes.

    n_votes : how many; right : the belief in their labels; unsure : its variance; error : the expected error of their
    tasks. What parts of the tasks come to is added up.
    """

    n_votes: FloatArray
    right: FloatArray
    unsure: FloatArray
    error: FloatArray

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(
            self.n_votes + other.n_votes,
            self.right + other.right,
            self.unsure + other.unsure,
            self.error + other.error,
        )


def reliability(votes: Votes, believed: FloatArray, *, coverage: float = 0.9) -> Bounds:
    """Share of right answers of each voter, drawn to the crowd's, with equal tails outside of the interval.

    believed : (n_tasks, n_classes), as read out, one class certain where it is known. The crowd is a beta
    distribution fitted by moments; a voter without votes is somebody from the crowd.
    """
    return bounds(agreement(votes, believed), coverage=coverage)


def agreement(votes: Votes, believed: FloatArray) -> Agreement:
    """How far voters went with what is believed, (n_tasks, n_classes)."""
    right = believed[votes.tasks, votes.labels]
    return Agreement(
        n_votes=votes.per_voter().astype(np.float64),
        right=_of_voters(votes, right),
        unsure=_of_voters(votes, right * (1.0 - right)),
        error=_of_voters(votes, 1.0 - believed.max(axis=1)[votes.tasks]),
    )


def bounds(agreed: Agreement, *, coverage: float = 0.9) -> Bounds:
    """Reliabilities and their intervals, as of `reliability`."""
    middle, weight = _crowd(agreed.right, agreed.n_votes)
    total = agreed.n_votes + weight
    share = (agreed.right + middle * weight) / total
    unsure, error = agreed.unsure / total**2, agreed.error / total
    most = share * (1.0 - share)
    spread = np.clip(most / (total + 1.0) + unsure + (_SHARED * error) ** 2, 1e-12, _WIDEST * np.maximum(most, 1e-11))
    size = most / spread - 1.0
    a, b = np.maximum(share * size, 1e-6), np.maximum((1.0 - share) * size, 1e-6)
    tail = (1.0 - coverage) / 2.0
    return Bounds(
        reliability=share,
        low=np.minimum(beta_quantile(a, b, tail), share),
        high=np.maximum(beta_quantile(a, b, 1.0 - tail), share),
    )


def binomial(right: FloatArray, n_tried: FloatArray, *, coverage: float = 0.9) -> tuple[FloatArray, FloatArray]:
    """Between which shares the true one lies, if so many of so many were right, (n,) each (Clopper and Pearson 1934).

    Exact: it holds the true share at least as often as it says. Of nothing tried it is from 0 to 1.
    """
    tail = (1.0 - coverage) / 2.0
    wrong = n_tried - right
    low = beta_quantile(np.maximum(right, _NONE), wrong + 1.0, tail)
    high = beta_quantile(right + 1.0, np.maximum(wrong, _NONE), 1.0 - tail)
    return np.where(right > 0.0, low, 0.0), np.where(wrong > 0.0, high, 1.0)


def _of_voters(votes: Votes, of_vote: FloatArray) -> FloatArray:
    sums: FloatArray = np.bincount(votes.voters, weights=of_vote, minlength=votes.n_voters).astype(np.float64)
    return sums


def _crowd(expected: FloatArray, n_votes: FloatArray) -> tuple[float, float]:
    """Mean of the crowd's shares, and for how many votes the crowd counts: beta-binomial, by moments.

    What a few voters show of the crowd's spread leans on a wide one.
    """
    total = float(n_votes.sum())
    middle = float(np.clip(expected.sum() / total, 0.01, 0.99)) if total else 0.5
    most = middle * (1.0 - middle)
    many = n_votes >= 2.0
    shares, each = expected[many] / n_votes[many], n_votes[many]
    seen = each @ ((shares - middle) ** 2 - most / each) / max(float(each.sum()), 1.0)
    n_seen = float(many.sum())
    spread = (n_seen * float(seen) + _PRESUMED_VOTERS * most / (_LEAST + 1.0)) / (n_seen + _PRESUMED_VOTERS)
    return middle, float(np.clip(most / max(spread, 1e-9) - 1.0, _LEAST, _MOST))

"""Majority vote: everybody counts the same. The first thing to compare anything with."""

import numpy as np

from quality.methods.aggregate import Aggregate, Told, quiet
from quality.methods.votes import UNKNOWN, FloatArray, Index, IntArray, Votes, rows


def aggregate(votes: Votes, *, known: IntArray | None = None, told: Told = quiet) -> Aggregate:
    """Shares of each task's votes; a voter is as reliable as they agree with them.

    Ties are left as they are: equal shares. A task without votes has uniform shares.
    """
    index = Index(votes)
    found = clamped(index.in_rows(index.shares()), known)
    told(1, 0.0)
    return Aggregate(posterior=found, reliability=agreement(votes, found), n_iter=1, converged=True)


def clamped(found: FloatArray, known: IntArray | None) -> FloatArray:
    """The same rows, (n_tasks, n_classes), but certain where the label is known."""
    if known is None:
        return found
    certain = known != UNKNOWN
    held = found.copy()
    held[certain] = np.eye(found.shape[1])[known[certain]]
    return held


def agreement(votes: Votes, found: FloatArray) -> FloatArray:
    """How much of the belief in a task's classes lies on a voter's labels, averaged over their votes, (n_voters,).

    found : (n_tasks, n_classes). A voter without votes agrees as everybody does on average.
    """
    if votes.size == 0:
        return np.full(votes.n_voters, 1.0 / votes.n_classes)
    believed = found[votes.tasks, votes.labels]
    n_each = votes.per_voter()
    sums = np.bincount(votes.voters, weights=believed, minlength=votes.n_voters)
    return np.where(n_each > 0, sums / np.maximum(n_each, 1), believed.mean())


def weighted(votes: Votes, weights: FloatArray) -> FloatArray:
    """Shares of each task's votes in which a voter counts by their weight, (n_tasks, n_classes).

    weights : (n_voters,), at least 0. Uniform where nothing counts.
    """
    cells = votes.tasks * votes.n_classes + votes.labels
    sums = np.bincount(cells, weights=weights[votes.voters], minlength=votes.n_tasks * votes.n_classes)
    return rows(sums.reshape(votes.n_tasks, votes.n_classes).astype(np.float64))

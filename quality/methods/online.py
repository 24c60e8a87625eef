"""What is known of voters, kept up vote by vote: counts move by the change of a task's posterior, and nothing else.

Incremental EM (Neal and Hinton 1998) for the model of `hierarchical.py`: what a task has contributed to the counts of
its voters is taken back, and what its posterior says now takes the place. A fit's result is where nothing moves any
more, so passes over all tasks lead there.
"""

from dataclasses import dataclass

import numpy as np

from quality.methods import hierarchical
from quality.methods.votes import UNKNOWN, BoolArray, FloatArray, IntArray, Votes, log, normalise, rows


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a model's matrices are made of: expected votes.

    counts : (n_voters, n_classes, n_classes), axes [voter, true, given], of some voters. total : the sum of them over
    all voters of the crowd, axes [true, given]. classes : (n_classes,), the sum of the posteriors of all tasks.
    experts : (n_voters,), who of these voters is one and no part of the crowd.
    """

    counts: FloatArray
    total: FloatArray
    classes: FloatArray
    experts: BoolArray

    @property
    def prior(self) -> FloatArray:
        """Share of each class, (n_classes,)."""
        shares: FloatArray = (self.classes + 1.0) / (self.classes + 1.0).sum()
        return shares

    @property
    def pool(self) -> FloatArray:
        """The matrix of somebody whom nobody knows yet, axes [true, given]."""
        return hierarchical.pooled(self.total)

    @property
    def weights(self) -> FloatArray:
        """Parameters of every voter's rows, the shape of the counts; scaled to 1 they are the matrices."""
        return hierarchical.of_some(self.counts, self.pool, self.experts)


def gathered(votes: Votes, posterior: FloatArray, *, experts: BoolArray) -> Statistics:
    """What all tasks of a crowd contribute; posterior : (n_tasks, n_classes); experts : (n_voters,)."""
    counts = _sums(votes, posterior[votes.tasks])
    return Statistics(counts, total=counts[~experts].sum(axis=0), classes=posterior.sum(axis=0), experts=experts)


@dataclass(frozen=True, slots=True)
class Contribution:
    """What tasks have added to the counts so far.

    posterior : (n_tasks, n_classes), zeros for a task that has added nothing. added : (n_votes,), the votes that it
    was added for.
    """

    posterior: FloatArray
    added: BoolArray


@dataclass(frozen=True, slots=True)
class Moved:
    """Statistics after a step, and the posteriors that they now hold, (n_tasks, n_classes)."""

    statistics: Statistics
    posterior: FloatArray


def step(votes: Votes, statistics: Statistics, so_far: Contribution, *, known: IntArray) -> Moved:
    """Judge some tasks by all their votes, and let their voters' counts follow.

    votes : all votes of these tasks; voters are rows of the counts. known : (n_tasks,), a class or UNKNOWN. Takes time
    for the votes of these tasks alone, however many the crowd has cast.
    """
    posterior = judged(votes, statistics, known=known)
    change = posterior[votes.tasks] - np.where(so_far.added[:, np.newaxis], so_far.posterior[votes.tasks], 0.0)
    moved = _sums(votes, change)
    return Moved(
        Statistics(
            # What rounding leaves below nothing is nothing.
            counts=np.maximum(statistics.counts + moved, 0.0),
            total=np.maximum(statistics.total + moved[~statistics.experts].sum(axis=0), 0.0),
            classes=np.maximum(statistics.classes + (posterior - so_far.posterior).sum(axis=0), 0.0),
            experts=statistics.experts,
        ),
        posterior,
    )


def _sums(votes: Votes, of_vote: FloatArray) -> FloatArray:
    """Sums over each voter's votes, (n_voters, n_classes, n_classes), axes [voter, true, given]."""
    n_cells = votes.n_voters * votes.n_classes
    cells = votes.voters * votes.n_classes + votes.labels
    # Each column by itself: one call for all of them takes ten times as long.
    found = np.empty((votes.n_classes, n_cells))
    for true, column in enumerate(of_vote.T):
        found[true] = np.bincount(cells, weights=column, minlength=n_cells)
    return found.reshape(votes.n_classes, votes.n_voters, votes.n_classes).transpose(1, 0, 2)


def judged(votes: Votes, statistics: Statistics, *, known: IntArray) -> FloatArray:
    """Posteriors of tasks under the statistics as they are, (n_tasks, n_classes), certain where the class is known."""
    logs = log(rows(statistics.weights))
    scores = np.tile(log(statistics.prior), (votes.n_tasks, 1))
    np.add.at(scores, votes.tasks, logs[votes.voters, :, votes.labels])
    posterior = normalise(scores, axis=1)
    certain = known != UNKNOWN
    posterior[certain] = np.eye(votes.n_classes)[known[certain]]
    return posterior


def surprise(votes: Votes, statistics: Statistics, so_far: Contribution) -> FloatArray:
    """How much less probable the votes that are not counted yet were than a crowd like this one makes them, in nats.

    For each of them on a task with counted votes: the logarithm of its probability, given those votes, taken from what
    was to be expected of it. Returns (n,); the mean is 0 if matrices and posteriors are right.
    """
    judged_before = so_far.posterior.sum(axis=1) > 0.0
    new = ~so_far.added & judged_before[votes.tasks]
    matrices = statistics.weights[votes.voters[new]]
    chances = np.einsum(
        "vt,vtg->vg", so_far.posterior[votes.tasks[new]], matrices / matrices.sum(axis=2, keepdims=True)
    )
    logs = log(chances)
    given: FloatArray = (chances * logs).sum(axis=1) - logs[np.arange(new.sum()), votes.labels[new]]
    return given

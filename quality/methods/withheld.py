"""What the others say: the belief in each vote's task with that vote taken back, so that nobody vouches for themselves.

Evidence about a voter stands on this: their answers are held against it.
"""

import numpy as np

from quality.methods.fit import Fit
from quality.methods.reading import DEFAULT, HALF, Trust
from quality.methods.votes import UNKNOWN, FloatArray, IntArray, Votes, log, normalise


def beliefs(votes: Votes, fit: Fit, *, known: IntArray | None = None, trust: Trust = DEFAULT) -> FloatArray:
    """Probability of each class of each vote's task, without that vote, (n_votes, n_classes); rows sum to 1.

    Read out as tasks are, with one vote fewer. known : (n_tasks,) labels that are certain, else UNKNOWN.
    """
    own = log(fit.confusion)[votes.voters, :, votes.labels]
    scores = np.tile(log(fit.prior), (votes.n_tasks, 1))
    np.add.at(scores, votes.tasks, own)
    shares = np.zeros((votes.n_tasks, votes.n_classes))
    np.add.at(shares, (votes.tasks, votes.labels), 1.0)
    n_others = votes.per_task()[votes.tasks] - 1.0
    overlap = 1.0 + trust.discount * np.maximum(n_others - 1.0, 0.0)
    modelled = normalise((scores[votes.tasks] - own) / overlap[:, np.newaxis], axis=1)
    counted = shares[votes.tasks] + HALF
    counted[np.arange(votes.size), votes.labels] -= 1.0
    counted /= (n_others + HALF * votes.n_classes)[:, np.newaxis]
    found: FloatArray = (1.0 - trust.counted) * modelled + trust.counted * counted
    if known is not None:
        certain = known[votes.tasks] != UNKNOWN
        found[certain] = np.eye(votes.n_classes)[known[votes.tasks[certain]]]
    return found

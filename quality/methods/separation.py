"""Whom to ask next: how well a voter's answer would tell the leading classes of a task apart.

Two measures. Gain is by how much the expected error falls; it is nil where no single answer can change the label.
Information is how much the answer and the true class tell of each other; it also orders those tasks, and voters who
are wrong in a known way. Both look at one answer in full: the discount of a later read-out is left out.
"""

import numpy as np

from quality.methods.votes import FloatArray, log

# Information below this is rounding.
_SMALLEST = 1e-12


def gain(found: FloatArray, confusion: FloatArray) -> FloatArray:
    """By how much one voter's answer is expected to lower the error of each task, (n_tasks,); never negative.

    found : (n_tasks, n_classes), as read out; confusion : (n_classes, n_classes), axes [true, given]. The same as
    `reading.expected_gain` with this voter alone.
    """
    joint = found[:, :, np.newaxis] * confusion
    lower: FloatArray = np.maximum(joint.max(axis=1).sum(axis=1) - found.max(axis=1), 0.0)
    return lower


def information(found: FloatArray, confusion: FloatArray) -> FloatArray:
    """Mutual information of a voter's answer and the true class of each task, in nats, (n_voters, n_tasks).

    found : (n_tasks, n_classes); confusion : (n_voters, n_classes, n_classes), axes [voter, true, given]. It is the
    entropy of the answer less what remains of it once the class is known (Lindley 1956).
    """
    given = np.einsum("tk,vkg->vtg", found, confusion)
    noise = -(confusion * log(confusion)).sum(axis=2)
    told: FloatArray = np.maximum(-(given * log(given)).sum(axis=2) - noise @ found.T, 0.0)
    return told


def best(found: FloatArray, confusion: FloatArray) -> int:
    """The task on which a voter's answer helps most: the largest gain, then information, then the first.

    found : (n_tasks, n_classes), at least one task; confusion : (n_classes, n_classes).
    """
    told = information(found, confusion[np.newaxis])[0]
    return int(np.lexsort((-told, -gain(found, confusion)))[0])


def standing_out(found: FloatArray, crowd: FloatArray, weights: FloatArray) -> FloatArray:
    """How much the answer of each of the crowd tells of each task, as a multiple of what one of them tells on average.

    found : (n_tasks, n_classes); crowd : (n_voters, n_classes, n_classes), axes [voter, true, given]; weights :
    (n_voters,), how likely each is to be the next, any scale. Returns (n_voters, n_tasks); 1 where nobody tells
    anything.
    """
    told = information(found, crowd)
    usual = weights @ told / max(weights.sum(), _SMALLEST)
    ratio: FloatArray = np.divide(told, usual, out=np.ones_like(told), where=usual > _SMALLEST)
    return ratio

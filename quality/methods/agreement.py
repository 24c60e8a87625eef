"""How far voters agree, whatever is true: over a whole crowd, and pair by pair beside what their errors explain."""

from dataclasses import dataclass

import numpy as np

from quality.methods.votes import FloatArray, IntArray, Votes

# Numbers held at once while pairs are compared by their matrices.
_BLOCK = 4_000_000
# So sure is nobody that a single disagreement would be beyond any measure.
_CHANCE_MIN = 1e-3


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of a crowd, over the tasks that have two votes or more, and how many tasks and votes these are.

    observed : how often two votes on one task are equal; expected : how often any two votes are. alpha :
    Krippendorff's for names of no order (2011): 1 if all agree, 0 if they do as by chance. None where nothing is to be
    compared, and alpha also where all votes are the same, for then there is no chance to be held against.
    """

    alpha: float | None
    observed: float | None
    expected: float | None
    n_tasks: int
    n_votes: int


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of voters with tasks in common, (n_pairs,) each: one < other, how many tasks, on how many they agree."""

    one: IntArray
    other: IntArray
    shared: IntArray
    agreed: IntArray


def of_crowd(votes: Votes) -> Agreement:
    """Agreement of all votes."""
    n_each = votes.per_task()
    kept = n_each[votes.tasks] >= 2
    n = int(kept.sum())
    if n == 0:
        return Agreement(None, None, None, 0, 0)
    cells, n_alike = np.unique(votes.tasks[kept] * votes.n_classes + votes.labels[kept], return_counts=True)
    # Of the m - 1 votes beside each of a task's, so many are equal to it.
    equal = n_alike * (n_alike - 1) / (n_each[cells // votes.n_classes] - 1)
    observed = float(equal.sum()) / n
    n_given = np.bincount(votes.labels[kept], minlength=votes.n_classes).astype(np.float64)
    expected = float((n_given * (n_given - 1)).sum()) / (n * (n - 1))
    alpha = (observed - expected) / (1.0 - expected) if np.count_nonzero(n_given) > 1 else None
    return Agreement(alpha, observed, expected, int((n_each >= 2).sum()), n)


def pairs(votes: Votes, *, shared_min: int) -> Pairs:
    """All pairs with so many tasks in common. Takes memory by the pairs of votes on one task."""
    order = np.lexsort((votes.voters, votes.tasks))
    tasks, voters, labels = votes.tasks[order], votes.voters[order], votes.labels[order]
    keys, equal = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.bool_)]
    for apart in range(1, int(votes.per_task().max(initial=0))):
        first = np.flatnonzero(tasks[:-apart] == tasks[apart:])
        keys.append(voters[first] * votes.n_voters + voters[first + apart])
        equal.append(labels[first] == labels[first + apart])
    found, of_pair = np.unique(np.concatenate(keys), return_inverse=True)
    shared = np.bincount(of_pair, minlength=found.size)
    agreed = np.bincount(of_pair, weights=np.concatenate(equal), minlength=found.size).astype(np.int64)
    kept = shared >= shared_min
    found = found[kept]
    return Pairs(found // max(votes.n_voters, 1), found % max(votes.n_voters, 1), shared[kept], agreed[kept])


def explained(found: Pairs, *, confusion: FloatArray, prior: FloatArray) -> FloatArray:
    """How often each pair would agree if nothing but their own errors came between them, (n_pairs,).

    confusion : (n_voters, n_classes, n_classes), axes [voter, true, given]; prior : (n_classes,). Two who err
    independently give the same label to a task of class k with probability sum over l of P(l | k) of both.
    """
    weighed = (np.sqrt(prior)[:, np.newaxis] * confusion).reshape(len(confusion), -1)
    n_at_once = max(1, _BLOCK // max(weighed.shape[1], 1))
    blocks = [np.empty(0)]
    for start in range(0, found.one.size, n_at_once):
        at = slice(start, start + n_at_once)
        blocks.append(np.einsum("pc,pc->p", weighed[found.one[at]], weighed[found.other[at]]))
    return np.concatenate(blocks)


def shortfall(found: Pairs, expected: FloatArray) -> FloatArray:
    """By how many standard deviations each pair agrees less often than is expected, (n_pairs,); below 0 if more."""
    spread = np.sqrt(np.maximum(expected * (1.0 - expected), _CHANCE_MIN) / found.shared)
    less: FloatArray = (expected - found.agreed / found.shared) / spread
    return less

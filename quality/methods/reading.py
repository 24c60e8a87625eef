"""Reading tasks out of matrices: how sure a label is, what one more answer would help, and how far to trust the votes.

Fits take votes as independent. People err together, so what many of them say is worth less than the sum of what each
says: the log odds of n votes are divided by 1 + discount * (n - 1). And a model can be wrong as a whole, so a share of
the belief goes by the count of the votes alone. Both are read off known answers where there are any.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from quality.methods.fit import Fit
from quality.methods.votes import UNKNOWN, FloatArray, Index, IntArray, Votes, log, normalise

_DISCOUNTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
_COUNTED = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
# Votes that every class gets before any, where belief goes by the count.
HALF = 0.5


@dataclass(frozen=True, slots=True)
class Trust:
    """How votes become belief. discount : how much votes overlap, from 0, independent, to 1, all of them one vote.

    counted : the share of the belief that goes by the count of the votes, whoever cast them; from 0 to 1.
    """

    discount: float = 0.3
    counted: float = 0.2


DEFAULT = Trust()
# With whom a voter errs, beside families of models from 1 on.
CROWD, APART = 0, -1
INDEPENDENT = Trust(discount=0.0, counted=0.0)
# How far crowds are presumed to be from the default.
_SPREAD = Trust(discount=0.15, counted=0.1)


def posterior(
    votes: Votes,
    *,
    confusion: FloatArray,
    prior: FloatArray,
    trust: Trust = DEFAULT,
    families: IntArray | None = None,
) -> FloatArray:
    """Probability of each class for each task, read out of matrices that stay as they are.

    confusion : (n_voters, n_classes, n_classes), axes [voter, true, given]; prior : (n_classes,).
    families : (n_voters,), with whom each voter errs: CROWD, discounted by trust; APART, such as experts, not
    discounted at all; or from 1 on a number of models or rules that are made alike, whose votes on a task come to
    their mean. Returns (n_tasks, n_classes), rows sum to 1; without votes a row is the prior, but for what is counted.
    Where all are of the crowd, the discount changes how sure a label is, never which label it is (after Dawid and Skene
    1979, eq. 2.5).
    """
    index = Index(votes)
    logs = log(confusion)
    of = np.full(votes.n_voters, CROWD) if families is None else families
    scores = log(prior)[:, np.newaxis] + np.zeros((votes.n_classes, votes.n_tasks))
    # The prior is the crowd's: it is under the same discount.
    for family in (CROWD, *(one for one in np.unique(of).tolist() if one != CROWD)):
        theirs = (of == family).astype(np.float64)
        n_votes = index.sum_of_votes(np.repeat(theirs, votes.n_classes))
        overlap = 1.0 + _discount(family, trust) * np.maximum(n_votes - 1.0, 0.0)
        evidence = index.evidence(logs * theirs[:, np.newaxis, np.newaxis])
        scores = (scores + evidence) / overlap if family == CROWD else scores + evidence / overlap
    return index.in_rows(_believed(index, scores, trust))


def _discount(family: int, trust: Trust) -> float:
    if family == APART:
        return 0.0
    return trust.discount if family == CROWD else 1.0


def _believed(index: Index, scores: FloatArray, trust: Trust) -> FloatArray:
    """Scores, (n_classes, n_tasks), as belief."""
    modelled = normalise(scores, axis=0)
    if trust.counted == 0.0:
        return modelled
    n_votes = index.per_task
    counted = (index.shares() * n_votes + HALF) / (n_votes + HALF * index.n_classes)
    return (1.0 - trust.counted) * modelled + trust.counted * counted


def read(
    votes: Votes,
    fit: Fit,
    *,
    known: IntArray | None = None,
    trust: Trust = DEFAULT,
    families: IntArray | None = None,
) -> FloatArray:
    """Probability of each class for each task after a fit, (n_tasks, n_classes); known labels are certain."""
    found = posterior(votes, confusion=fit.confusion, prior=fit.prior, trust=trust, families=families)
    if known is not None:
        certain = known != UNKNOWN
        found[certain] = np.eye(votes.n_classes)[known[certain]]
    return found


def calibrated(votes: Votes, fit: Fit, *, known: IntArray, families: IntArray | None = None) -> Trust:
    """The trust under which the votes on known tasks foretell their labels best, leaning on the default.

    Each known task is read out of matrices from which its own votes are taken back, so that it is not asked about
    itself. Known tasks must be a random sample: those that were escalated are the hard ones. Votes of those who do not
    err with the crowd say nothing of it.
    """
    tasks = np.flatnonzero(known != UNKNOWN)
    mine = np.isin(votes.tasks, tasks)
    if families is not None:
        mine &= families[votes.voters] == CROWD
    if not mine.any():
        return DEFAULT
    task, voter, label = np.searchsorted(tasks, votes.tasks[mine]), votes.voters[mine], votes.labels[mine]
    truth = known[tasks]
    scores = np.tile(log(fit.prior), (tasks.size, 1))
    np.add.at(scores, task, _without_itself(fit, voter, label, truth[task]))
    shares = np.zeros((tasks.size, votes.n_classes))
    np.add.at(shares, (task, label), 1.0)
    n_votes = shares.sum(axis=1)
    counted = (shares + HALF) / (n_votes + HALF * votes.n_classes)[:, np.newaxis]
    row = np.arange(tasks.size)
    grid, values = list(product(_DISCOUNTS, _COUNTED)), []
    for discount, share in grid:
        modelled = normalise(scores / (1.0 + discount * np.maximum(n_votes - 1.0, 0.0))[:, np.newaxis], axis=1)
        right = (1.0 - share) * modelled[row, truth] + share * counted[row, truth]
        values.append(float(log(right).sum()) + _presumed(discount, share))
    discount, share = normalise(np.array(values), axis=0) @ np.array(grid)
    return Trust(float(discount), float(share))


def _presumed(discount: float, share: float) -> float:
    """Logarithm of how probable a trust is before any known answer, but for a constant."""
    far = (discount - DEFAULT.discount) / _SPREAD.discount, (share - DEFAULT.counted) / _SPREAD.counted
    return -0.5 * (far[0] ** 2 + far[1] ** 2)


def _without_itself(fit: Fit, voter: IntArray, label: IntArray, truth: IntArray) -> FloatArray:
    """Log P(label | class) of some votes, (n, n_classes), from matrices without the vote itself.

    The rows of a matrix are proportional to counts and prior votes; the vote was counted in its task's true row.
    """
    row = np.arange(voter.size)
    cells = fit.confusion[voter, :, label]
    totals = fit.weights[voter, truth]
    of_truth = cells[row, truth] * totals
    cells[row, truth] = np.maximum(of_truth - 1.0, 0.0) / (totals - 1.0)
    return log(cells)


def expected_gain(found: FloatArray, confusion: FloatArray, weights: FloatArray) -> FloatArray:
    """How much lower the expected error of each task would be after one more answer, (n_tasks,).

    found : (n_tasks, n_classes), as read out; confusion : (n_voters, n_classes, n_classes),
    axes [voter, true, given]; weights : (n_voters,), how likely each voter is to be the next, any
    scale. Never negative: the expected error is 1 - max P(class), before the answer and after it,
    and P(given) * max P(class | given) needs no division. The answer counts in full: the discount
    that a later read-out puts on it is left out, so this is the most that it can help.
    """
    if weights.sum() <= 0.0:
        return np.zeros(len(found))
    share = weights / weights.sum()
    right_after = np.zeros(len(found))
    for given in range(found.shape[1]):
        joint = np.zeros((len(found), len(share)))
        for true, of_class in enumerate(found.T):
            np.maximum(joint, np.outer(of_class, confusion[:, true, given]), out=joint)
        right_after += joint @ share
    gain: FloatArray = np.maximum(right_after - found.max(axis=1), 0.0)
    return gain

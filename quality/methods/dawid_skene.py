"""Dawid-Skene: how well each voter votes, and which label each task most probably has.

`fit` is the shrunken model the product runs on, `fit_plain` the textbook it is compared with, and
`posterior` reads tasks out of matrices already known. Arrays in, new arrays out: no database, no
randomness, no memory between calls. When to ask again is decided in `quality.escalation`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]

UNKNOWN = -1
STRENGTH = 4.0
DISCOUNT = 0.3

# Before anybody has voted, a voter is taken to be right seven times in ten.
_START_ACCURACY = 0.7
# Stands for zero where a logarithm is taken.
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Votes:
    """Votes as three arrays of codes, each (n_votes,), and the sizes those codes index into.

    Codes count from 0; a task or a voter may have no vote at all. At most one vote for a task and
    voter: which of two answers stands is for the caller to say.
    """

    tasks: IntArray
    voters: IntArray
    labels: IntArray
    n_tasks: int
    n_voters: int
    n_classes: int

    def ordered(self) -> "Votes":
        """The same votes by task, voter and label, so that no sum depends on who came first."""
        order = np.lexsort((self.labels, self.voters, self.tasks))
        tasks, voters, labels = (
            np.asarray(codes, dtype=np.int64)[order] for codes in (self.tasks, self.voters, self.labels)
        )
        return Votes(tasks, voters, labels, self.n_tasks, self.n_voters, self.n_classes)


@dataclass(frozen=True, slots=True)
class Fit:
    """What a fit found. Axes of matrices: [voter, true, given]; every row sums to 1.

    posterior : (n_tasks, n_classes), undiscounted. counts : (n_voters, n_classes, n_classes),
    expected votes. confusion : the same shape. pool : (n_classes, n_classes), axes [true, given],
    the matrix of a voter nobody has seen yet. prior : (n_classes,). objective : log likelihood of
    the votes and the known labels, once for each iteration.
    """

    posterior: FloatArray
    counts: FloatArray
    confusion: FloatArray
    pool: FloatArray
    prior: FloatArray
    objective: FloatArray
    n_iter: int
    converged: bool


@dataclass(frozen=True, slots=True)
class _Estimate:
    confusion: FloatArray
    pool: FloatArray
    prior: FloatArray


def fit(
    votes: Votes,
    *,
    known: IntArray | None = None,
    strength: float = STRENGTH,
    tol: float = 1e-8,
    max_iter: int = 1000,
) -> Fit:
    """Dawid-Skene in which a voter's rows lean on the pool until their own votes say otherwise.

    Row j of voter w ~ Dirichlet(strength * centre[w, j]), see `_centres`: a voter with few votes
    counts as a one-coin voter at the pool's level, one with many has a matrix of their own (Dawid
    and Skene 1979; hierarchical prior after Kim and Ghahramani 2012). The class prior leans on the
    share of the votes as on n_tasks more tasks: with few answers a task it runs away otherwise.
    Starts from the shares of the votes, ends when no posterior moves by more than tol.

    known : (n_tasks,) labels that are certain, from gold or an adjudication, else UNKNOWN.
    """
    votes = votes.ordered()
    shares = _shares(votes).sum(axis=0)

    def estimate(counts: FloatArray, current: FloatArray) -> _Estimate:
        pool = _rows(counts.sum(axis=0) + strength * _start(votes.n_classes))
        centres = _centres(counts, pool, strength)
        prior = current.sum(axis=0) + shares + 1.0
        return _Estimate(_rows(counts + strength * centres), pool, prior / prior.sum())

    return _alternate(votes, known, estimate, tol, max_iter)


def fit_plain(votes: Votes, *, known: IntArray | None = None, tol: float = 1e-8, max_iter: int = 1000) -> Fit:
    """Maximum likelihood by EM, nothing smoothed (Dawid and Skene 1979, eq. 2.3-2.5).

    The objective never falls. A row without any expected vote is uniform; a task nobody voted on
    is left out of the class prior, as it is in the paper.
    """
    votes = votes.ordered()
    voted = np.bincount(votes.tasks, minlength=votes.n_tasks) > 0
    if known is not None:
        voted = voted | (known != UNKNOWN)

    def estimate(counts: FloatArray, current: FloatArray) -> _Estimate:
        prior = current[voted].sum(axis=0)
        pool = counts.sum(axis=0)
        return _Estimate(_rows(counts), _rows(pool), _rows(prior))

    return _alternate(votes, known, estimate, tol, max_iter)


def posterior(votes: Votes, *, confusion: FloatArray, prior: FloatArray, discount: float = DISCOUNT) -> FloatArray:
    """Probability of each class for each task, read out of matrices that stay as they are.

    confusion : (n_voters, n_classes, n_classes), axes [voter, true, given]; prior : (n_classes,).
    Returns (n_tasks, n_classes), rows sum to 1; without votes a row is the prior. People err
    together, so the log odds after n votes are divided by 1 + discount * (n - 1): 0 takes votes as
    independent (Dawid and Skene 1979, eq. 2.5). The discount changes how sure a label is, never
    which label it is.
    """
    votes = votes.ordered()
    n_votes = np.bincount(votes.tasks, minlength=votes.n_tasks)
    spread = 1.0 + discount * np.maximum(n_votes - 1, 0)
    scores = _log(prior) + _evidence(votes, confusion)
    return _normalise(scores / spread[:, np.newaxis])


def reliability(confusion: FloatArray, prior: FloatArray) -> FloatArray:
    """Expected share of right answers of each voter, (n_voters,).

    confusion : (n_voters, n_classes, n_classes), axes [voter, true, given]; prior : (n_classes,).
    """
    right: FloatArray = np.diagonal(confusion, axis1=1, axis2=2) @ prior
    return right


def expected_gain(posterior: FloatArray, confusion: FloatArray, weights: FloatArray) -> FloatArray:
    """How much lower the expected error of each task would be after one more answer, (n_tasks,).

    posterior : (n_tasks, n_classes), as read out; confusion : (n_voters, n_classes, n_classes),
    axes [voter, true, given]; weights : (n_voters,), how likely each voter is to be the next, any
    scale. Never negative: the expected error is 1 - max P(class), before the answer and after it,
    and P(given) * max P(class | given) needs no division. The answer counts in full: the discount
    that a later read-out puts on it is left out, so this is the most that it can help.
    """
    if weights.sum() <= 0.0:
        return np.zeros(len(posterior))
    share = weights / weights.sum()
    right_after = np.zeros(len(posterior))
    for given in range(posterior.shape[1]):
        joint = np.zeros((len(posterior), len(share)))
        for true, of_class in enumerate(posterior.T):
            np.maximum(joint, np.outer(of_class, confusion[:, true, given]), out=joint)
        right_after += joint @ share
    gain: FloatArray = np.maximum(right_after - posterior.max(axis=1), 0.0)
    return gain


def _alternate(
    votes: Votes,
    known: IntArray | None,
    estimate: Callable[[FloatArray, FloatArray], _Estimate],
    tol: float,
    max_iter: int,
) -> Fit:
    """Turn between matrices and posteriors until no posterior moves by more than tol.

    estimate : (counts, posterior) -> matrices and prior; what makes one model differ from another.
    """
    current = _clamp(_shares(votes), known)
    objective: list[float] = []
    for _ in range(max_iter):
        counts = _counts(votes, current)
        found = estimate(counts, current)
        scores = _log(found.prior) + _evidence(votes, found.confusion)
        objective.append(_log_likelihood(scores, known))
        previous, current = current, _clamp(_normalise(scores), known)
        converged = bool(np.abs(current - previous).max(initial=0.0) <= tol)
        if converged:
            break
    return Fit(
        posterior=current,
        counts=counts,
        confusion=found.confusion,
        pool=found.pool,
        prior=found.prior,
        objective=np.array(objective),
        n_iter=len(objective),
        converged=converged,
    )


def _centres(counts: FloatArray, pool: FloatArray, strength: float) -> FloatArray:
    """Where each voter's rows are drawn to, (n_voters, n_classes, n_classes), rows sum to 1.

    The diagonal is the pool's, moved on the logit scale by how much better or worse than the pool
    the voter did over all classes, itself drawn to the pool by `strength` votes; errors go where
    the pool's errors go.
    """
    n_classes = pool.shape[0]
    if n_classes == 1:
        return np.ones_like(counts)
    pool_right = np.diagonal(pool)
    right = np.diagonal(counts, axis1=1, axis2=2).sum(axis=1)
    asked = counts.sum(axis=2)
    level = strength * pool_right.mean()
    n_votes = asked.sum(axis=1)
    own = _logit((right + level) / (n_votes + strength))
    usual = _logit((asked @ pool_right + level) / (n_votes + strength))
    diagonal = 1.0 / (1.0 + np.exp(-_logit(pool_right) - (own - usual)[:, np.newaxis]))
    eye = np.eye(n_classes)
    errors = _rows(pool * (1.0 - eye))
    return diagonal[:, :, np.newaxis] * eye + (1.0 - diagonal)[:, :, np.newaxis] * errors


def _counts(votes: Votes, current: FloatArray) -> FloatArray:
    """Expected votes, (n_voters, n_classes, n_classes), axes [voter, true, given] (eq. 2.3)."""
    n_cells = votes.n_voters * votes.n_classes
    cells = votes.voters * votes.n_classes + votes.labels
    of_true = [np.bincount(cells, weights=weights[votes.tasks], minlength=n_cells) for weights in current.T]
    shape = (votes.n_classes, votes.n_voters, votes.n_classes)
    return np.stack(of_true).astype(np.float64).reshape(shape).transpose(1, 0, 2)


def _evidence(votes: Votes, confusion: FloatArray) -> FloatArray:
    """Sum of log P(vote | class) over the votes of each task, (n_tasks, n_classes)."""
    logs = _log(confusion)
    of_true = [
        np.bincount(votes.tasks, weights=logs[votes.voters, true, votes.labels], minlength=votes.n_tasks)
        for true in range(votes.n_classes)
    ]
    return np.stack(of_true, axis=1)


def _shares(votes: Votes) -> FloatArray:
    """Share of each task's votes for each class, (n_tasks, n_classes); uniform without votes."""
    cells = votes.tasks * votes.n_classes + votes.labels
    counts = np.bincount(cells, minlength=votes.n_tasks * votes.n_classes)
    return _rows(counts.reshape(votes.n_tasks, votes.n_classes).astype(np.float64))


def _start(n_classes: int) -> FloatArray:
    """The pool before any vote, (n_classes, n_classes): mostly right, errors spread evenly."""
    if n_classes == 1:
        return np.ones((1, 1))
    rows = np.full((n_classes, n_classes), (1.0 - _START_ACCURACY) / (n_classes - 1))
    np.fill_diagonal(rows, _START_ACCURACY)
    return rows


def _clamp(current: FloatArray, known: IntArray | None) -> FloatArray:
    if known is None:
        return current
    certain = np.eye(current.shape[1])[np.maximum(known, 0)]
    return np.where((known != UNKNOWN)[:, np.newaxis], certain, current)


def _log_likelihood(scores: FloatArray, known: IntArray | None) -> float:
    """Log likelihood of votes and known labels from scores (n_tasks, n_classes) before scaling."""
    highest = scores.max(axis=1)
    of_task = highest + np.log(np.exp(scores - highest[:, np.newaxis]).sum(axis=1))
    if known is not None:
        of_known = np.take_along_axis(scores, np.maximum(known, 0)[:, np.newaxis], axis=1)[:, 0]
        of_task = np.where(known != UNKNOWN, of_known, of_task)
    return float(of_task.sum())


def _normalise(scores: FloatArray) -> FloatArray:
    # The highest score goes to 0 first: a product of many small probabilities underflows.
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    rows: FloatArray = weights / weights.sum(axis=1, keepdims=True)
    return rows


def _rows(weights: FloatArray) -> FloatArray:
    """Scaled to sum to 1 over the last axis; a row of zeros becomes uniform."""
    total = weights.sum(axis=-1, keepdims=True)
    empty = total <= 0.0
    return np.where(empty, 1.0 / weights.shape[-1], weights / np.where(empty, 1.0, total))


def _log(probabilities: FloatArray) -> FloatArray:
    logs: FloatArray = np.log(np.maximum(probabilities, _TINY))
    return logs


def _logit(probabilities: FloatArray) -> FloatArray:
    odds: FloatArray = _log(probabilities) - _log(1.0 - probabilities)
    return odds

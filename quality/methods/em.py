"""The loop of every fit: evidence, posteriors and counts in turn, until no posterior moves, with longer strides.

A model is what makes tables out of counts; the loop is the same for all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from quality.methods.aggregate import Told, quiet
from quality.methods.votes import UNKNOWN, FloatArray, Index, IntArray

TOL = 1e-8
# By then labels stand still, and posteriors on average to the sixth digit.
OBJECTIVE_TOL = 1e-8
ITER_MAX = 1000


@dataclass(frozen=True, slots=True)
class Tables:
    """What tasks are judged by: the parameters of a model, or what is expected of their logarithms.

    logs : (n_voters, n_classes, n_classes), axes [voter, true, given]; log_prior : (n_classes,).
    penalty : what the objective has beside the likelihood of the votes, such as a prior's share.
    """

    logs: FloatArray
    log_prior: FloatArray
    penalty: float = 0.0


class Guard(Enum):
    """When a long stride is taken back: if the objective fell by it, or if the next step after it is no shorter.

    The first suits a model whose objective never falls by itself, the second any other.
    """

    OBJECTIVE = "objective"
    MOVE = "move"


Estimate = Callable[[FloatArray, FloatArray], Tables]
"""Counts, (n_voters, n_classes, n_classes), and the sum of the posteriors, (n_classes,), to tables."""


@dataclass(frozen=True, slots=True)
class Climb:
    """Where a loop ended. posterior : (n_classes, n_tasks), in the index's order; counts as `Index.counts`.

    objective : one value for each iteration that counted, a stride that was taken back has none.
    n_iter : passes over the votes, those that were taken back included.
    """

    posterior: FloatArray
    counts: FloatArray
    tables: Tables
    objective: FloatArray
    n_iter: int
    converged: bool


def climb(
    index: Index,
    estimate: Estimate,
    *,
    start: FloatArray,
    known: IntArray | None,
    left_out: IntArray | None = None,
    tol: float = TOL,
    objective_tol: float = 0.0,
    max_iter: int = ITER_MAX,
    guard: Guard | None = None,
    told: Told = quiet,
) -> Climb:
    """Iterate from a start, (n_classes, n_tasks) in the index's order, until no posterior moves by more than tol.

    Or, where objective_tol is given, until a step changes the objective by less than that for each vote: among many
    tasks there is always one that still moves. known : (n_tasks,) in the index's order, a class or UNKNOWN.
    left_out : numbers of tasks, in that order, whose posteriors are none of the sum that tables are made of.
    guard : stride by SQUAREM, scheme S3 (Varadhan and Roland 2008) over the posteriors, and take back what it
    forbids; without it every step is a plain one.
    """
    walk = _Walk(index, estimate, None if known is None else _Clamp(known, start.shape[0]), left_out, told)
    least = objective_tol * index.n_votes
    before = walk.clamped(start.copy())
    after = walk.step(before)
    while walk.moved > tol and walk.n_iter < max_iter:
        begun = walk.moved
        further = walk.step(after)
        if guard is None and walk.gained >= least:
            after = further
            continue
        if walk.moved <= tol or walk.gained < least or walk.n_iter >= max_iter:
            after = further
            break
        floor = walk.objective[-1]
        before = walk.clamped(_stride(before, after, further))
        after = walk.step(before)
        if walk.objective[-1] < floor if guard is Guard.OBJECTIVE else walk.moved > begun:
            walk.objective.pop()
            before, after = further, walk.step(further)
    return Climb(
        posterior=after,
        counts=walk.counts,
        tables=walk.tables,
        objective=np.array(walk.objective),
        n_iter=walk.n_iter,
        converged=walk.moved <= tol or walk.gained < least,
    )


class _Walk:
    """Steps of one loop, and what the last of them saw."""

    def __init__(
        self, index: Index, estimate: Estimate, clamp: "_Clamp | None", left_out: IntArray | None, told: Told
    ) -> None:
        self._index, self._estimate, self._clamp, self._left_out, self._told = index, estimate, clamp, left_out, told
        self.objective: list[float] = []
        self.n_iter, self.moved, self.gained = 0, np.inf, np.inf
        self.counts: FloatArray
        self.tables: Tables

    def step(self, current: FloatArray) -> FloatArray:
        """One pass: tables from posteriors, posteriors from tables."""
        self.counts = self._index.counts(current)
        per_class = current.sum(axis=1)
        if self._left_out is not None:
            per_class = per_class - current[:, self._left_out].sum(axis=1)
        self.tables = self._estimate(self.counts, per_class)
        scores = self._index.evidence(self.tables.logs)
        scores += self.tables.log_prior[:, np.newaxis]
        likelihood = self._scaled(scores) + self._index.of_last_class(self.tables.logs)
        self.objective.append(likelihood + self.tables.penalty)
        self.gained = abs(self.objective[-1] - self.objective[-2]) if self.n_iter else np.inf
        self.n_iter += 1
        self.moved = float(np.abs(scores - current).max(initial=0.0))
        self._told(self.n_iter, self.moved)
        return scores

    def _scaled(self, scores: FloatArray) -> float:
        """Make scores, (n_classes, n_tasks), posteriors in their place; the sum of their log likelihoods."""
        highest = scores.max(axis=0)
        scores -= highest
        known = None if self._clamp is None else self._clamp.likelihood(scores)
        np.exp(scores, out=scores)
        total = scores.sum(axis=0)
        scores /= total
        log_total = np.log(total)
        if self._clamp is not None and known is not None:
            log_total[self._clamp.tasks] = known
            self._clamp.apply(scores)
        return float((highest + log_total).sum())

    def clamped(self, current: FloatArray) -> FloatArray:
        if self._clamp is not None:
            self._clamp.apply(current)
        return current


class _Clamp:
    """Tasks whose class is certain: their posteriors stay what they are."""

    def __init__(self, known: IntArray, n_classes: int) -> None:
        self.tasks = np.flatnonzero(known != UNKNOWN)
        self._classes, self._columns = known[self.tasks], np.eye(n_classes)[:, known[self.tasks]]

    def likelihood(self, scores: FloatArray) -> FloatArray:
        found: FloatArray = scores[self._classes, self.tasks]
        return found

    def apply(self, current: FloatArray) -> None:
        current[:, self.tasks] = self._columns


def _stride(first: FloatArray, second: FloatArray, third: FloatArray) -> FloatArray:
    """Where three posteriors in a row lead to, scaled to be posteriors again."""
    step, bend = second - first, third - second
    bend -= step
    size = np.sqrt(float((step * step).sum()) / max(float((bend * bend).sum()), 1e-300))
    length = max(size, 1.0)
    reached: FloatArray = first + 2.0 * length * step + length * length * bend
    # A class that would fall below nothing is halved instead: what is nothing once stays so.
    np.maximum(reached, 0.5 * np.minimum(second, third), out=reached)
    reached /= reached.sum(axis=0)
    return reached

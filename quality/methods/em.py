"""The loop of every fit: tables, posteriors and counts in turn, until no count moves, with longer strides.

A model is what makes tables out of counts; the loop is the same for all of them. It holds counts alone, no posterior:
where tasks lie, in one piece or in many on other machines, is for the crowd to know.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from quality.methods.aggregate import Told, quiet
from quality.methods.votes import UNKNOWN, FloatArray, Index, IntArray, Votes, check_size

TOL = 1e-8
# By then labels stand still, and posteriors on average to the sixth digit.
OBJECTIVE_TOL = 1e-8
ITER_MAX = 1000
# Counts, tables and what is between them: so many matrices of each voter at once.
MATRICES = 4
# A stride that is so short is not worth another trial.
_SHORT = 1.5


@dataclass(frozen=True, slots=True)
class Tables:
    """What tasks are judged by: the parameters of a model, or what is expected of their logarithms.

    logs : (n_voters, n_classes, n_classes), axes [voter, true, given]; log_prior : (n_classes,).
    penalty : what the objective has beside the likelihood of the votes, such as a prior's share.
    """

    logs: FloatArray
    log_prior: FloatArray
    penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a pass over tasks finds, all of it sums over tasks: what two parts of them find is added up.

    counts : as `Index.counts`; per_class : (n_classes,), the sum of the posteriors; likelihood : the logarithm of
    the probability of the votes.
    """

    counts: FloatArray
    per_class: FloatArray
    likelihood: float = 0.0

    def __add__(self, other: "Seen") -> "Seen":
        return Seen(self.counts + other.counts, self.per_class + other.per_class, self.likelihood + other.likelihood)


class Crowd(Protocol):
    """Tasks with their votes, wherever they are."""

    def start(self) -> Seen:
        """What the shares of the votes come to; nothing is likely yet."""

    def see(self, tables: Tables) -> Seen:
        """One pass: posteriors from tables, and what they come to."""

    def posterior(self) -> FloatArray:
        """What the last pass believed, (n_tasks, n_classes); of no task where posteriors do not come home."""


Estimate = Callable[[FloatArray, FloatArray], Tables]
"""Counts, (n_voters, n_classes, n_classes), and the sum of the posteriors, (n_classes,), to tables."""


@dataclass(frozen=True, slots=True)
class Climb:
    """Where a loop ended: the counts its last tables were made of, the tables, and what was seen by them.

    objective : one value for each iteration that counted, a stride that was taken back has none.
    n_iter : passes over the votes, those that were taken back included.
    """

    counts: FloatArray
    tables: Tables
    seen: Seen
    objective: FloatArray
    n_iter: int
    converged: bool


def climb(
    crowd: Crowd,
    estimate: Estimate,
    *,
    tol: float = TOL,
    objective_tol: float = 0.0,
    max_iter: int = ITER_MAX,
    may_fall: float | None = None,
    told: Told = quiet,
) -> Climb:
    """Iterate from the shares of the votes until no expected count moves by more than tol.

    Or, where objective_tol is given, until a step changes the objective by less than that for each vote: among many
    tasks there is always one that still moves. may_fall : stride by SQUAREM, scheme S3 (Varadhan and Roland 2008),
    over the counts, and halve a stride after which the objective is lower by more than this; without it every step is
    a plain one.
    """
    walk = _Walk(crowd, estimate, told)
    first = crowd.start()
    least = objective_tol * float(first.counts.sum())
    second = walk.step(first)
    while walk.moved > tol and walk.n_iter < max_iter:
        third = walk.step(second)
        if walk.moved <= tol or walk.gained < least:
            break
        if may_fall is None:
            second = third
        else:
            first, second = walk.stride(first, second, third, may_fall)
    return Climb(
        counts=walk.at.counts,
        tables=walk.tables,
        seen=walk.seen,
        objective=np.array(walk.objective),
        n_iter=walk.n_iter,
        converged=walk.moved <= tol or walk.gained < least,
    )


class _Walk:
    """Steps of one loop, and what the last of them saw."""

    def __init__(self, crowd: Crowd, estimate: Estimate, told: Told) -> None:
        self._crowd, self._estimate, self._told = crowd, estimate, told
        self.objective: list[float] = []
        self.n_iter, self.moved, self.gained = 0, np.inf, np.inf
        self.at: Seen
        self.tables: Tables
        self.seen: Seen

    def step(self, at: Seen) -> Seen:
        """One pass: tables from counts, counts from tables."""
        self.at, self.tables = at, self._estimate(at.counts, at.per_class)
        self.seen = self._crowd.see(self.tables)
        self.objective.append(self.seen.likelihood + self.tables.penalty)
        self.gained = abs(self.objective[-1] - self.objective[-2]) if self.n_iter else np.inf
        self.n_iter += 1
        self.moved = max(_furthest(self.seen.counts, at.counts), _furthest(self.seen.per_class, at.per_class))
        self._told(self.n_iter, self.moved)
        return self.seen

    def stride(self, first: Seen, second: Seen, third: Seen, may_fall: float) -> tuple[Seen, Seen]:
        """Where three in a row lead to, and the step from there; the shortest stride ends at the third."""
        floor, length = self.objective[-1] - may_fall, _length(first, second, third)
        while True:
            reached = _reached(first, second, third, length)
            ahead = self.step(reached)
            if self.objective[-1] >= floor or length <= 1.0:
                return reached, ahead
            self.objective.pop()
            length = 0.5 * (1.0 + length) if length > _SHORT else 1.0


def _furthest(these: FloatArray, those: FloatArray) -> float:
    return float(np.abs(these - those).max(initial=0.0))


def _length(first: Seen, second: Seen, third: Seen) -> float:
    """How far to go: the length of a step beside how much the next one differs from it.

    Squares are weighed as in chi-square, or voters with thousands of votes would decide alone.
    """
    totals = first.counts.sum(axis=1, keepdims=True)
    totals[totals == 0.0] = 1.0
    n_tasks = max(float(first.per_class.sum()), 1.0)
    squares = [
        float(((counts**2) / totals).sum()) + float((per_class**2).sum()) / n_tasks
        for counts, per_class in (
            (second.counts - first.counts, second.per_class - first.per_class),
            (
                third.counts - 2.0 * second.counts + first.counts,
                third.per_class - 2.0 * second.per_class + first.per_class,
            ),
        )
    ]
    return max(float(np.sqrt(squares[0] / max(squares[1], 1e-300))), 1.0)


def _reached(first: Seen, second: Seen, third: Seen, length: float) -> Seen:
    return Seen(
        _beyond(first.counts, second.counts, third.counts, length, axis=1),
        _beyond(first.per_class, second.per_class, third.per_class, length, axis=0),
    )


def _beyond(first: FloatArray, second: FloatArray, third: FloatArray, length: float, *, axis: int) -> FloatArray:
    """A stride that keeps the sums over an axis, over true classes: so many votes there are, and so many tasks."""
    step = second - first
    reached: FloatArray = first + 2.0 * length * step + length * length * (third - second - step)
    # A count that would fall below nothing is halved instead: what is nothing once stays so.
    np.maximum(reached, 0.5 * np.minimum(second, third), out=reached)
    total = reached.sum(axis=axis, keepdims=True)
    total[total == 0.0] = 1.0
    reached *= third.sum(axis=axis, keepdims=True) / total
    return reached


class Tasks:
    """A crowd in one piece: tasks with their votes, and what the last pass believed of them.

    known : (n_tasks,), labels that are certain, else UNKNOWN. start : (n_tasks, n_classes), posteriors to begin from in
    the place of the shares of the votes. silent_count : whether tasks nobody voted on, and of which nothing is known,
    are part of the sum of posteriors.
    """

    def __init__(
        self,
        votes: Votes,
        *,
        known: IntArray | None = None,
        start: FloatArray | None = None,
        silent_count: bool = True,
    ) -> None:
        check_size(n_tasks=votes.n_tasks, n_voters=votes.n_voters, n_classes=votes.n_classes, n_matrices=MATRICES)
        self._index, self._begin = Index(votes), start
        ordered = np.full(votes.n_tasks, UNKNOWN) if known is None else self._index.in_order(known)
        self._clamped = np.flatnonzero(ordered != UNKNOWN)
        self._classes = ordered[self._clamped]
        self._certain = np.eye(votes.n_classes)[:, self._classes]
        silent = (self._index.per_task == 0) & (ordered == UNKNOWN)
        self._left_out = np.flatnonzero(silent) if not silent_count else np.empty(0, dtype=np.int64)
        self._current: FloatArray

    def start(self) -> Seen:
        """What the shares of the votes come to, or the posteriors to begin from; nothing is likely yet."""
        return self._seen(self._index.shares() if self._begin is None else self._index.in_columns(self._begin), 0.0)

    def see(self, tables: Tables) -> Seen:
        """One pass: posteriors from tables, and what they come to (Dawid and Skene 1979, eq. 2.5 and 2.3)."""
        scores = self._index.evidence(tables.logs)
        scores += tables.log_prior[:, np.newaxis]
        # The highest score goes to 0 first: a product of many small probabilities underflows.
        highest = scores.max(axis=0)
        scores -= highest
        of_known = scores[self._classes, self._clamped]
        np.exp(scores, out=scores)
        total = scores.sum(axis=0)
        scores /= total
        log_total = np.log(total)
        log_total[self._clamped] = of_known
        return self._seen(scores, float((highest + log_total).sum()) + self._index.of_last_class(tables.logs))

    def _seen(self, current: FloatArray, likelihood: float) -> Seen:
        current[:, self._clamped] = self._certain
        self._current = current
        per_class = current.sum(axis=1) - current[:, self._left_out].sum(axis=1)
        return Seen(self._index.counts(current), per_class, likelihood)

    def posterior(self) -> FloatArray:
        """What the last pass believed, (n_tasks, n_classes), in the order of the votes' codes."""
        return self._index.in_rows(self._current)

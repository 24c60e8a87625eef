"""Votes as arrays, and the two passes over them that every model is made of: evidence of tasks, counts of voters.

Both are memory traffic and nothing else, so the layout decides how fast they are. `Index` orders tasks by how many
votes they have: the votes of equally many form a matrix whose rows are summed at once. And it keeps the votes a second
time ordered by cell, a voter and a label together, so that a cell's votes are summed as one slice.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]

UNKNOWN = -1
# Stands for zero where a logarithm is taken.
_TINY = 1e-300
# Of eight bytes each: 4 GB.
NUMBERS_MAX = 500_000_000
# A last count is what others leave of a total: less than this share of it is what rounding left.
_ROUNDING = 1e-13


class TooLarge(Exception):
    """What a method has to keep in memory is more than any machine should be asked for: one sentence."""


@dataclass(frozen=True, slots=True)
class Votes:
    """Votes as three arrays of codes, each (n_votes,), and the sizes those codes index into.

    Codes count from 0; a task or a voter may have no vote at all. At most one vote for a task and
    voter: which of two answers stands is for the caller to say. Raises ValueError for what is no code, such as NaN or
    a label outside the set.
    """

    tasks: IntArray
    voters: IntArray
    labels: IntArray
    n_tasks: int
    n_voters: int
    n_classes: int

    def __post_init__(self) -> None:
        named = (
            (self.tasks, self.n_tasks, "task"),
            (self.voters, self.n_voters, "voter"),
            (self.labels, self.n_classes, "label"),
        )
        for codes, size, name in named:
            if codes.shape != self.tasks.shape or codes.dtype.kind not in "iu":
                raise ValueError(f"Every vote has a {name} that is a whole number.")
            if codes.size and (codes.min() < 0 or codes.max() >= size):
                raise ValueError(f"The code of a {name} is not below {size}.")

    @property
    def size(self) -> int:
        """How many votes there are."""
        return int(self.tasks.size)

    def per_task(self) -> IntArray:
        """How many votes each task has, (n_tasks,)."""
        return np.bincount(self.tasks, minlength=self.n_tasks)

    def per_voter(self) -> IntArray:
        """How many votes each voter has cast, (n_voters,)."""
        return np.bincount(self.voters, minlength=self.n_voters)

    def only(self, which: IntArray | BoolArray) -> "Votes":
        """Some of the votes, by their numbers or by a mask, (n_votes,); codes stay as they are."""
        return replace(self, tasks=self.tasks[which], voters=self.voters[which], labels=self.labels[which])


def check_size(*, n_tasks: int, n_voters: int, n_classes: int, n_matrices: int) -> None:
    """Raise `TooLarge` before any array is made, if posteriors and so many matrices of each voter are too much."""
    n_numbers = n_tasks * n_classes + n_matrices * n_voters * n_classes**2
    if n_numbers > NUMBERS_MAX:
        raise TooLarge(
            f"{n_classes:,} classes for {n_voters:,} workers and {n_tasks:,} tasks need {n_numbers * 8 / 1e9:,.0f} GB. "
            "Is the column of labels the right one?"
        )


@dataclass(frozen=True, slots=True)
class _Group:
    """Tasks that have equally many votes: rows first to last of the order, n_each votes apiece from `vote` on."""

    first: int
    last: int
    vote: int
    n_each: int


class Index:
    """Votes laid out for passes over them; the same whatever order the votes came in.

    Arrays of tasks are class-major here, (n_classes, n_tasks), in the index's own order of tasks:
    `in_order` brings rows of the caller's into it and `in_rows` takes them back.
    """

    def __init__(self, votes: Votes) -> None:
        self.n_tasks, self.n_voters, self.n_classes = votes.n_tasks, votes.n_voters, votes.n_classes
        self.n_votes = votes.size
        n_each = votes.per_task()
        self._tasks = np.argsort(n_each, kind="stable")
        rank = np.empty(self.n_tasks, dtype=np.int32)
        rank[self._tasks] = np.arange(self.n_tasks, dtype=np.int32)
        cells = votes.voters * self.n_classes + votes.labels
        n_cells = self.n_voters * self.n_classes
        # Task by task in order, and within a task by voter and label: no sum depends on who came first.
        place = rank[votes.tasks] * np.int64(n_cells) + cells
        place.sort()
        place %= max(n_cells, 1)
        self._cells = place.astype(np.int32)
        place = cells * self.n_tasks + rank[votes.tasks]
        place.sort()
        place %= max(self.n_tasks, 1)
        self._tasks_by_cell = place.astype(np.int32)
        totals = np.bincount(self._cells, minlength=n_cells)
        self._filled = np.flatnonzero(totals)
        self._starts = np.concatenate(([0], np.cumsum(totals[self._filled])[:-1])).astype(np.int64)
        self._totals = totals.astype(np.float64)
        self.per_task = n_each[self._tasks]
        self._groups = _groups(self.per_task)
        # Written by every pass; asking for so much memory anew takes longer than filling it.
        self._gathered = np.empty(self.n_votes)

    def in_order(self, rows: IntArray) -> IntArray:
        """What belongs to tasks, (n_tasks,), in the order of the index."""
        return rows[self._tasks]

    def in_rows(self, columns: FloatArray) -> FloatArray:
        """Columns of the index, (n_classes, n_tasks), as rows of the caller's tasks, (n_tasks, n_classes)."""
        rows = np.empty((self.n_tasks, columns.shape[0]))
        rows[self._tasks] = columns.T
        return rows

    def in_columns(self, rows: FloatArray) -> FloatArray:
        """Rows of the caller's tasks, (n_tasks, n_classes), as columns of the index, (n_classes, n_tasks)."""
        return np.ascontiguousarray(rows[self._tasks].T)

    def totals(self) -> FloatArray:
        """Votes of each voter for each label, (n_voters, n_classes)."""
        return self._totals.reshape(self.n_voters, self.n_classes)

    def shares(self) -> FloatArray:
        """Share of each task's votes for each class, (n_classes, n_tasks); uniform where nobody has voted."""
        found = np.empty((self.n_classes, self.n_tasks))
        found[-1] = self.per_task
        labels = np.tile(np.arange(self.n_classes), self.n_voters)
        for label in range(self.n_classes - 1):
            found[label] = self.sum_of_votes((labels == label).astype(np.float64))
            found[-1] -= found[label]
        voted = self.per_task > 0
        found[:, voted] /= self.per_task[voted]
        found[:, ~voted] = 1.0 / self.n_classes
        return found

    def evidence(self, logs: FloatArray) -> FloatArray:
        """Sum over each task's votes of log P(vote | class) less that of the last class, (n_classes, n_tasks).

        logs : (n_voters, n_classes, n_classes), axes [voter, true, given]. The last class is what
        the others are measured by, so its row is zero and nothing is gathered for it.
        """
        found = np.zeros((logs.shape[1], self.n_tasks))
        for true in range(logs.shape[1] - 1):
            ratio = (logs[:, true] - logs[:, -1]).reshape(-1)
            np.take(ratio, self._cells, out=self._gathered, mode="clip")
            self._sum_tasks(self._gathered, found[true])
        return found

    def of_last_class(self, logs: FloatArray) -> float:
        """Sum over all votes of log P(vote | last class), which `evidence` leaves out; logs as there."""
        return float((self.totals() * logs[:, -1]).sum())

    def sum_of_votes(self, of_cell: FloatArray) -> FloatArray:
        """Sum over each task's votes of what belongs to voter and label, (n_tasks,).

        of_cell : (n_voters * n_classes,), axes [voter, label] in one.
        """
        found = np.zeros(self.n_tasks)
        np.take(of_cell, self._cells, out=self._gathered, mode="clip")
        self._sum_tasks(self._gathered, found)
        return found

    def _sum_tasks(self, of_vote: FloatArray, out: FloatArray) -> None:
        for group in self._groups:
            size = (group.last - group.first) * group.n_each
            block = of_vote[group.vote : group.vote + size].reshape(-1, group.n_each)
            np.matmul(block, np.ones(group.n_each), out=out[group.first : group.last])

    def counts(self, current: FloatArray) -> FloatArray:
        """Expected votes, (n_voters, n_true, n_classes), axes [voter, true, given] (Dawid and Skene 1979, eq. 2.3).

        current : (n_true, n_tasks), columns sum to 1. The last class gets what the others leave.
        """
        n_true = current.shape[0]
        found = np.zeros((n_true, self._totals.size))
        found[-1] = self._totals
        for true in range(n_true - 1):
            if self.n_votes:
                np.take(current[true], self._tasks_by_cell, out=self._gathered, mode="clip")
                found[true, self._filled] = np.add.reduceat(self._gathered, self._starts)
            found[-1] -= found[true]
        found[-1][found[-1] < _ROUNDING * self._totals] = 0.0
        return found.reshape(n_true, self.n_voters, self.n_classes).transpose(1, 0, 2)


def _groups(per_task: IntArray) -> list[_Group]:
    """Runs of equally many votes, but for those of none."""
    sizes, firsts = np.unique(per_task, return_index=True)
    lasts = np.append(firsts[1:], per_task.size)[: firsts.size]
    groups, vote = [], 0
    for n_each, first, last in zip(sizes.tolist(), firsts.tolist(), lasts.tolist(), strict=True):
        if n_each:
            groups.append(_Group(first, last, vote, n_each))
            vote += n_each * (last - first)
    return groups


def rows(weights: FloatArray) -> FloatArray:
    """Scaled to sum to 1 over the last axis; a row of zeros becomes uniform."""
    total = weights.sum(axis=-1, keepdims=True)
    empty = total <= 0.0
    return np.where(empty, 1.0 / weights.shape[-1], weights / np.where(empty, 1.0, total))


def normalise(scores: FloatArray, *, axis: int) -> FloatArray:
    """Exponents scaled to sum to 1 over an axis."""
    # The highest score goes to 0 first: a product of many small probabilities underflows.
    weights = np.exp(scores - scores.max(axis=axis, keepdims=True))
    scaled: FloatArray = weights / weights.sum(axis=axis, keepdims=True)
    return scaled


def log(probabilities: FloatArray) -> FloatArray:
    """Logarithms in which zero is a very small number."""
    logs: FloatArray = np.log(np.maximum(probabilities, _TINY))
    return logs


def logit(probabilities: FloatArray) -> FloatArray:
    """Log odds in which zero and one are very near to their ends."""
    odds: FloatArray = log(probabilities) - log(1.0 - probabilities)
    return odds


def one_coin(n_classes: int, accuracy: float) -> FloatArray:
    """The confusion of somebody who is right so often in every class, and errs evenly; axes [true, given]."""
    if n_classes == 1:
        return np.ones((1, 1))
    found = np.full((n_classes, n_classes), (1.0 - accuracy) / (n_classes - 1))
    np.fill_diagonal(found, accuracy)
    return found

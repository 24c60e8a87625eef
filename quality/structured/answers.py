"""Answers of one kind, what every aggregator makes of them, and how voters are rated: the same for all kinds.

An answer is whatever the kind says it is: a text, a list of boxes, a number. Each kind has a measure of its own of how
well two of them agree, from 0 to 1, and all it says is in that measure: an answer's agreement is with the consensus,
a task's confidence is the agreement that its consensus is expected to have with the truth.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np

from quality.methods.hierarchical import STRENGTH
from quality.methods.votes import FloatArray, IntArray

# The agreement that a crowd is presumed to reach before any answer is seen.
PRESUMED = 0.7
# Numbers beyond this are no answer: their squares shall be numbers too.
LARGEST = 1e100
ITER_MAX = 50
TOL = 1e-9

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Answers(Generic[T_co]):
    """Answers as two arrays of codes, each (n_answers,), and their values in the same order.

    Codes count from 0; a task or a voter may have no answer at all. At most one answer for a task and voter, but for
    pairs: which of two stands is for the caller to say.
    """

    tasks: IntArray
    voters: IntArray
    values: Sequence[T_co]
    n_tasks: int
    n_voters: int

    @property
    def size(self) -> int:
        """How many answers there are."""
        return len(self.values)

    def per_task(self) -> IntArray:
        """How many answers each task has, (n_tasks,)."""
        return np.bincount(self.tasks, minlength=self.n_tasks)

    def of_tasks(self) -> list[IntArray]:
        """The numbers of each task's answers, task by task."""
        order = np.argsort(self.tasks, kind="stable")
        return np.split(order, np.cumsum(self.per_task())[:-1]) if self.n_tasks else []


Known = Mapping[int, T]
"""Values that are certain, by task."""


@dataclass(frozen=True, slots=True)
class Aggregate(Generic[T]):
    """What an aggregator says of answers, in the measure of their kind.

    consensus : a value for each task, None where nobody answered and nothing is known. confidence : (n_tasks,), the
    agreement with the truth that the consensus is expected to have; 1 where it is known, 0 where there is none, so
    that 1 - confidence is an expected error. agreement : (n_answers,), of each answer with its task's consensus.
    reliability : (n_voters,), the agreement to expect of each voter. All of them are in [0, 1].
    """

    consensus: list[T | None]
    confidence: FloatArray
    agreement: FloatArray
    reliability: FloatArray
    n_iter: int
    converged: bool


def in_order(answers: Answers[T], key: Callable[[T], Any]) -> tuple[Answers[T], IntArray]:
    """The same answers by task, value and voter, whatever order they came in, and which of them came from where.

    key : of a value, for sorting. Values before voters: what they are called shall decide nothing.
    """
    keys = [key(value) for value in answers.values]
    tasks, voters = answers.tasks.tolist(), answers.voters.tolist()
    order = np.array(sorted(range(answers.size), key=lambda i: (tasks[i], keys[i], voters[i])), dtype=np.int64)
    values = [answers.values[i] for i in order]
    return replace(answers, tasks=answers.tasks[order], voters=answers.voters[order], values=values), order


def as_came(of_answer: FloatArray, order: IntArray) -> FloatArray:
    """What belongs to answers `in_order`, back in the order that the caller's have."""
    found = np.empty(len(of_answer))
    found[order] = of_answer
    return found


def rate(answers: Answers[T], agreement: FloatArray, known: Known[T]) -> FloatArray:
    """Reliability of each voter, (n_voters,): their mean agreement, drawn to the crowd's by so many answers.

    agreement : (n_answers,), with the consensus. An answer is part of the consensus that it is held against, so one of
    n on a task counts for 1 - 1/n, and for 1 where the task's value is known.
    """
    certain = np.isin(answers.tasks, list(known))
    counts = np.where(certain, 1.0, 1.0 - 1.0 / np.maximum(answers.per_task(), 1)[answers.tasks])
    return drawn_to_crowd(answers.voters, agreement, counts, answers.n_voters)


def drawn_to_crowd(voters: IntArray, agreement: FloatArray, counts: FloatArray, n_voters: int) -> FloatArray:
    """Weighted mean of each voter's agreement, (n_voters,), between theirs and the crowd's; never quite 0 or 1.

    voters, agreement and counts, the weights : (n,). The crowd's own is drawn to what is presumed of crowds.
    """
    right = np.bincount(voters, weights=agreement * counts, minlength=n_voters)
    total = np.bincount(voters, weights=counts, minlength=n_voters)
    crowd = (right.sum() + STRENGTH * PRESUMED) / (total.sum() + STRENGTH)
    rated: FloatArray = (right + STRENGTH * crowd) / (total + STRENGTH)
    return rated


def first_of_best(scores: FloatArray) -> int:
    """Which score is the highest; of those that differ by rounding alone, the first."""
    return int(np.argmax(scores >= scores.max() - TOL))

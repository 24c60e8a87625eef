"""Marks: what an answer does or does not contain, one by one. Spans, boxes and sets are made of them.

Everybody who answered a task votes on each of its marks, yes or no; a consensus is the choice of marks that is expected
to agree best with the truth. Agreement is F1: twice the size of what is shared per size of both, and 1 of two that
contain nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from quality.methods.votes import UNKNOWN, BoolArray, FloatArray, IntArray, Votes
from quality.structured.answers import TOL, Answers

YES = 1


@dataclass(frozen=True, slots=True)
class Sheet:
    """The marks of one task. marked : (n_answers, n_marks), in the order of the task's answers; sizes : (n_marks,).

    known : (n_marks,), which of them are true, where that is certain.
    """

    marked: BoolArray
    sizes: FloatArray
    known: BoolArray | None = None


@dataclass(frozen=True, slots=True)
class Believed:
    """What a model makes of votes. right : (n_tasks,), the probability of yes."""

    right: FloatArray
    n_iter: int
    converged: bool


Believe = Callable[[Votes, IntArray], Believed]
"""Votes of two classes and what is known of them, (n_tasks,), to what is believed."""


@dataclass(frozen=True, slots=True)
class Merged:
    """chosen : the marks to keep of each task, (n_marks,) each. confidence : (n_tasks,), the F1 to expect of them.

    agreement : (n_answers,), F1 of each answer with what was chosen.
    """

    chosen: list[BoolArray]
    confidence: FloatArray
    agreement: FloatArray
    n_iter: int
    converged: bool


def merge(answers: Answers[Any], sheets: Sequence[Sheet], believe: Believe) -> Merged:
    """Choose the marks of every task. answers : in the order of their tasks; sheets : one for each task.

    Beside its marks every task is a vote on whether it has any, so that an answer without a mark says something too.
    Takes as many votes as there are marks times answers in each task.
    """
    of_tasks = answers.of_tasks()
    marks = _believed([sheet.marked for sheet in sheets], [sheet.known for sheet in sheets], answers, believe)
    some = _believed(
        [sheet.marked.any(axis=1).reshape(-1, 1) for sheet in sheets],
        [None if sheet.known is None else np.array([sheet.known.any()]) for sheet in sheets],
        answers,
        believe,
    )
    first = np.cumsum([0, *(sheet.sizes.size for sheet in sheets)])
    chosen, confidence, agreement = [], np.zeros(answers.n_tasks), np.ones(answers.size)
    for task, (sheet, mine) in enumerate(zip(sheets, of_tasks, strict=True)):
        right = marks.right[first[task] : first[task + 1]]
        kept, expected = choose(right, sheet.sizes, nothing=1.0 - float(some.right[task]))
        chosen.append(kept)
        confidence[task] = expected if mine.size or sheet.known is not None else 0.0
        agreement[mine] = f1(sheet.marked, kept, sheet.sizes)
    n_iter, converged = max(marks.n_iter, some.n_iter), marks.converged and some.converged
    return Merged(chosen, confidence, agreement, n_iter, converged)


def _believed(
    marked: Sequence[BoolArray], known: Sequence[BoolArray | None], answers: Answers[Any], believe: Believe
) -> Believed:
    """What is believed of all marks, task after task. marked : (n_answers, n_marks) of each; known : (n_marks,)."""
    nothing = np.empty(0, dtype=np.int64)
    first = np.cumsum([0, *(each.shape[1] for each in marked)])
    numbers = [np.tile(np.arange(first[task], first[task + 1]), len(each)) for task, each in enumerate(marked)]
    voters = [
        np.repeat(answers.voters[mine], each.shape[1]) for mine, each in zip(answers.of_tasks(), marked, strict=True)
    ]
    votes = Votes(
        tasks=np.concatenate([nothing, *numbers]),
        voters=np.concatenate([nothing, *voters]),
        labels=np.concatenate([nothing, *(each.astype(np.int64).reshape(-1) for each in marked)]),
        n_tasks=int(first[-1]),
        n_voters=answers.n_voters,
        n_classes=2,
    )
    certain = [
        np.full(each.shape[1], UNKNOWN) if one is None else one.astype(np.int64)
        for each, one in zip(marked, known, strict=True)
    ]
    return believe(votes, np.concatenate([nothing, *certain]))


def choose(right: FloatArray, sizes: FloatArray, *, nothing: float) -> tuple[BoolArray, float]:
    """The marks to keep, (n_marks,), and the F1 to expect of them.

    right : (n_marks,), the probability of each; nothing : the probability that none is true, which is what an empty
    choice may expect. What is shared is expected per expected size of both (a ratio of means), and of all choices the
    best keeps the most probable marks down to some one (after Lewis 1995).
    """
    chosen = np.zeros(right.size, dtype=np.bool_)
    order = np.argsort(-np.round(right, 9), kind="stable")
    shared, kept = np.cumsum(right[order] * sizes[order]), np.cumsum(sizes[order])
    expected = 2.0 * shared / (kept + shared[-1:])
    if not right.size or expected.max() < nothing - TOL:
        return chosen, nothing
    chosen[order[: int(np.argmax(expected >= expected.max() - TOL)) + 1]] = True
    return chosen, float(expected.max())


def f1(marked: BoolArray, chosen: BoolArray, sizes: FloatArray) -> FloatArray:
    """Of each answer with the chosen marks, (n_answers,). marked : (n_answers, n_marks)."""
    shared = (marked & chosen) @ sizes
    both = marked @ sizes + chosen @ sizes
    return np.where(both > 0.0, 2.0 * shared / np.where(both > 0.0, both, 1.0), 1.0)

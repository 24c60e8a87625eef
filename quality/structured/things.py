"""Things that are drawn in a picture, in whatever shape: which drawings are of the same thing, and is it there?

Drawings that lie on each other are one thing, at most one of each voter's; whether it is there is a vote of all who
answered. Agreement is F1 over things, one being found by a drawing that covers it with an IoU (what both cover per what
either does) of at least a half.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from quality.methods import majority, one_coin, reading
from quality.methods.votes import BoolArray, FloatArray, IntArray, Votes
from quality.structured import marks
from quality.structured.answers import Aggregate, Answers, Known, as_came, in_order, rate
from quality.structured.marks import YES, Believed, Sheet

# A thing is found by a drawing that covers it so well.
FOUND = 0.5
# Two drawings of a thing may differ by more than each of them from the thing.
_SAME = 0.4
_DIGITS = 9


class Shape(Protocol):
    """A drawing. Two of different labels are never of the same thing; they can be sorted."""

    @property
    def label(self) -> str:
        """What it is a drawing of."""

    def __lt__(self, other: Any, /) -> bool:
        """Whether it comes first where all else is equal."""


S = TypeVar("S", bound=Shape)

Cover = Callable[[int], FloatArray]
"""The IoU of one shape, by its number, with every shape, (n_shapes,), whatever their labels."""


@dataclass(frozen=True, slots=True)
class Geometry(Generic[S]):
    """What is to be known of shapes. clean : those that can be compared, in one order; cover : see there.

    middle : of drawings of one thing, the one to go by.
    """

    clean: Callable[[Sequence[S]], tuple[S, ...]]
    cover: Callable[[Sequence[S]], Cover]
    middle: Callable[[Sequence[S]], S]


def aggregate(answers: Answers[Sequence[S]], known: Known[Sequence[S]], geometry: Geometry[S]) -> Aggregate[list[S]]:
    """Find the things in every picture and rate the voters by them. An answer without shapes says: there is nothing.

    A task of n shapes in all takes time by n * n and as many votes as there are things times answers.
    """
    known = {task: geometry.clean(value) for task, value in known.items()}
    ordered, order = in_order(answers, geometry.clean)
    values = [geometry.clean(value) for value in ordered.values]
    things, sheets = [], []
    for task, mine in enumerate(ordered.of_tasks()):
        found, sheet = _things([values[i] for i in mine], known.get(task), geometry)
        things.append(found)
        sheets.append(sheet)
    merged = marks.merge(ordered, sheets, _believe)
    consensus: list[list[S] | None] = [None] * answers.n_tasks
    agreement = np.ones(ordered.size)
    for task, mine in enumerate(ordered.of_tasks()):
        if mine.size or task in known:
            kept = sorted(thing for thing, keep in zip(things[task], merged.chosen[task], strict=True) if keep)
            consensus[task] = kept
            agreement[mine] = [agree(values[i], kept, geometry.cover) for i in mine]
    return Aggregate(
        consensus=consensus,
        confidence=merged.confidence,
        agreement=as_came(agreement, order),
        reliability=rate(ordered, agreement, known),
        n_iter=merged.n_iter,
        converged=merged.converged,
    )


def agree(one: Sequence[S], other: Sequence[S], cover: Callable[[Sequence[S]], Cover]) -> float:
    """F1 of shapes against others; 1 if there are none at all."""
    n_shapes = len(one) + len(other)
    return 2.0 * len(covered(one, other, cover)) / n_shapes if n_shapes else 1.0


def covered(one: Sequence[S], other: Sequence[S], cover: Callable[[Sequence[S]], Cover]) -> list[float]:
    """The IoU of every shape that is found, by one other at most, those first that are covered best."""
    of_all = _with_labels([*one, *other], cover)
    iou = np.array([of_all(i)[len(one) :] for i in range(len(one))]).reshape(len(one), len(other))
    free_one, free_other, found = np.ones(len(one), dtype=np.bool_), np.ones(len(other), dtype=np.bool_), []
    at = np.argwhere(iou >= FOUND)
    for i, j in at[np.argsort(-iou[at[:, 0], at[:, 1]], kind="stable")].tolist():
        if free_one[i] and free_other[j]:
            free_one[i] = free_other[j] = False
            found.append(float(iou[i, j]))
    return found


def _things(values: Sequence[Sequence[S]], certain: Sequence[S] | None, geometry: Geometry[S]) -> tuple[list[S], Sheet]:
    """The things that a task's answers have drawn, and whose drawings they are.

    Known ones are things as they stand. Of all others the one that most voters have drawn about as well is the next
    thing, together with the best drawing of each voter there; and so on until none is left.
    """
    shapes = [shape for value in (*values, certain or ()) for shape in value]
    answers = np.repeat(np.arange(len(values) + 1), [*map(len, values), len(certain or ())])
    is_known, iou = answers == len(values), _with_labels(shapes, geometry.cover)
    free = ~is_known
    things, rows = list(certain or ()), []
    for seed in [*np.flatnonzero(is_known).tolist(), *_by_support(shapes, answers, free, iou)]:
        if not (free[seed] or is_known[seed]):
            continue
        covers = iou(seed)
        mine = np.flatnonzero(free & (covers >= _SAME))
        mine = mine[np.lexsort((-covers[mine], answers[mine]))]
        mine = mine[np.diff(answers[mine], prepend=-1) > 0]
        free[mine] = False
        rows.append(np.isin(np.arange(len(values)), answers[mine]))
        if not is_known[seed]:
            things.append(geometry.middle([shapes[i] for i in mine.tolist()]))
    marked = np.array(rows, dtype=np.bool_).reshape(len(rows), len(values)).T
    known = None if certain is None else np.arange(len(things)) < len(certain)
    return things, Sheet(marked=marked, sizes=np.ones(len(things)), known=known)


def _by_support(shapes: Sequence[S], answers: IntArray, free: BoolArray, iou: Cover) -> list[int]:
    """Free shapes, those first that other answers cover best: the sum over answers of the best IoU that is enough.

    answers : (n_shapes,), ascending.
    """
    starts = np.flatnonzero(np.diff(answers, prepend=-1))
    support = {}
    for i in np.flatnonzero(free).tolist():
        best = np.maximum.reduceat(iou(i), starts)
        support[i] = round(float(best[best >= _SAME].sum()), _DIGITS)
    return sorted(support, key=lambda i: (-support[i], shapes[i]))


def _with_labels(shapes: Sequence[S], cover: Callable[[Sequence[S]], Cover]) -> Cover:
    """The IoU of shapes, and none with a shape of another label."""
    names = {shape.label: i for i, shape in enumerate(shapes)}
    iou, labels = cover(shapes), np.array([names[shape.label] for shape in shapes], dtype=np.int64)
    return lambda i: np.where(labels == labels[i], iou(i), 0.0)


def _believe(votes: Votes, known: IntArray) -> Believed:
    """Voters with one rate for both errors, as they find a thing or leave a wrong one out.

    Two rates were worse: what one voter alone has drawn is a thing only because it was drawn, which makes others look
    better at leaving out than they are, and things that are hard to see would be lost.
    """
    found = one_coin.aggregate(votes, known=known)
    right, wrong = found.reliability, 1.0 - found.reliability
    confusion = np.stack([np.column_stack([right, wrong]), np.column_stack([wrong, right])], axis=1)
    read = reading.posterior(votes, confusion=confusion, prior=np.array([0.5, 0.5]))
    return Believed(majority.clamped(read, known)[:, YES], found.n_iter, found.converged)

"""Points on things in a picture, with a label. A thing is where the medians of its points lie.

Two points agree as their distance is to the tolerance: 1 in one place, a half that far apart, a third at twice it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from quality.methods.votes import FloatArray
from quality.structured import things
from quality.structured.answers import LARGEST, Aggregate, Answers, Known
from quality.structured.things import Cover, Geometry

# In the unit of the coordinates, which are pixels nearly always.
TOLERANCE = 10.0


class Point(NamedTuple):
    """A place in any unit."""

    x: float
    y: float
    label: str = ""


def aggregate(
    answers: Answers[Sequence[Point]], *, known: Known[Sequence[Point]] | None = None, tolerance: float = TOLERANCE
) -> Aggregate[list[Point]]:
    """Find the things in every picture (see `things.aggregate`).

    tolerance : a point finds a thing that is no farther away. Points whose coordinates are no numbers or beyond 1e100
    are left out.
    """
    geometry = Geometry(_clean, _cover(tolerance), _median)
    return things.aggregate(answers, {} if known is None else known, geometry)


def nearness(distances: FloatArray, tolerance: float) -> FloatArray:
    """How well things agree that lie so far apart, in the place of an IoU: a half at the tolerance."""
    near: FloatArray = 1.0 / (1.0 + distances / tolerance)
    return near


def _cover(tolerance: float) -> Callable[[Sequence[Point]], Cover]:
    def cover(points: Sequence[Point]) -> Cover:
        places = np.array([point[:2] for point in points], dtype=np.float64).reshape(-1, 2)
        return lambda i: nearness(np.hypot(*(places - places[i]).T), tolerance)

    return cover


def _clean(points: Sequence[Point]) -> tuple[Point, ...]:
    usual = [one for one in points if abs(one.x) <= LARGEST and abs(one.y) <= LARGEST]
    return tuple(sorted(Point(float(one.x), float(one.y), one.label) for one in usual))


def _median(points: Sequence[Point]) -> Point:
    x, y = np.median([point[:2] for point in points], axis=0).tolist()
    return Point(x, y, points[0].label)

"""Lines along things in a picture, with a label. A thing's line is that one of it which is most like the others.

How far two lines lie apart is the mean distance from places along each, evenly spaced, to the nearest place on the
other, so that neither direction nor the number of corners matters. They agree by it as points do by theirs.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from quality.methods.votes import FloatArray
from quality.structured import things
from quality.structured.answers import LARGEST, Aggregate, Answers, Known, first_of_best
from quality.structured.points import TOLERANCE, nearness
from quality.structured.things import Cover, Geometry

_PLACES = 32


class Line(NamedTuple):
    """Corners (x, y) in their order, in any unit; the last is not joined to the first."""

    corners: tuple[tuple[float, float], ...]
    label: str = ""


def aggregate(
    answers: Answers[Sequence[Line]], *, known: Known[Sequence[Line]] | None = None, tolerance: float = TOLERANCE
) -> Aggregate[list[Line]]:
    """Find the things in every picture (see `things.aggregate`).

    tolerance : a line finds a thing from which it is no farther apart. Two lines are compared in time by their corners.
    Lines without a length, and those with corners that are no numbers or beyond 1e100, are left out.
    """
    cover = _cover(tolerance)

    def most_like(lines: Sequence[Line]) -> Line:
        ordered = sorted(lines)
        near = cover(ordered)
        return ordered[first_of_best(np.array([near(i).sum() for i in range(len(ordered))]))]

    return things.aggregate(answers, {} if known is None else known, Geometry(_clean, cover, most_like))


def _cover(tolerance: float) -> Callable[[Sequence[Line]], Cover]:
    def cover(lines: Sequence[Line]) -> Cover:
        corners = [np.array(line.corners, dtype=np.float64).reshape(-1, 2) for line in lines]
        places = [_along(each) for each in corners]

        @cache
        def apart(i: int, j: int) -> float:
            return (_distance(places[i], corners[j]) + _distance(places[j], corners[i])) / 2.0

        def near(i: int) -> FloatArray:
            distances = [apart(min(i, j), max(i, j)) for j in range(len(corners))]
            return nearness(np.array(distances, dtype=np.float64), tolerance)

        return near

    return cover


def _along(corners: FloatArray) -> FloatArray:
    """Places on a line, (_PLACES, 2), evenly spaced from its beginning to its end."""
    reached = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    at = np.linspace(0.0, reached[-1], _PLACES)
    return np.column_stack([np.interp(at, reached, corners[:, 0]), np.interp(at, reached, corners[:, 1])])


def _distance(places: FloatArray, corners: FloatArray) -> float:
    """Mean distance from places, (n, 2), to the nearest place on the line through these corners."""
    steps = np.diff(corners, axis=0)
    squares = np.square(steps).sum(axis=1)
    from_first = places[:, np.newaxis] - corners[:-1]
    share = (from_first * steps).sum(axis=2) / np.where(squares > 0.0, squares, 1.0)
    away = from_first - share.clip(0.0, 1.0)[..., np.newaxis] * steps
    return float(np.hypot(away[..., 0], away[..., 1]).min(axis=1).mean())


def _clean(lines: Sequence[Line]) -> tuple[Line, ...]:
    found = []
    for one in lines:
        corners = np.array(one.corners, dtype=np.float64).reshape(-1, 2)
        if len(corners) >= 2 and (np.abs(corners) <= LARGEST).all() and (corners != corners[0]).any():
            found.append(Line(tuple((float(x), float(y)) for x, y in one.corners), one.label))
    return tuple(sorted(found))

"""Outlines of things in a picture, with a label. A thing's outline is that polygon of it which is most like the others.

What two polygons cover together is summed along horizontal lines, exactly along each of them.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from quality.methods.votes import FloatArray
from quality.structured import things
from quality.structured.answers import LARGEST, Aggregate, Answers, Known, first_of_best
from quality.structured.things import Cover, Geometry

# Lines from the top to the bottom of what is measured.
_LINES = 128


class Polygon(NamedTuple):
    """Corners (x, y) in their order, in any unit; the last is joined to the first. Where the outline crosses itself,
    what it goes around twice is outside.
    """

    corners: tuple[tuple[float, float], ...]
    label: str = ""


def aggregate(
    answers: Answers[Sequence[Polygon]], *, known: Known[Sequence[Polygon]] | None = None
) -> Aggregate[list[Polygon]]:
    """Find the things in every picture (see `things.aggregate`).

    Two polygons that overlap take time by their corners, those whose bounds do not take none. Polygons without an area,
    and those with corners that are no numbers or beyond 1e100, are left out.
    """
    return things.aggregate(answers, {} if known is None else known, Geometry(_clean, cover, _most_like))


def cover(polygons: Sequence[Polygon]) -> Cover:
    """IoU, in time by the number of polygons, and by corners where their bounds overlap."""
    corners = [np.array(polygon.corners, dtype=np.float64).reshape(-1, 2) for polygon in polygons]
    low = np.array([each.min(axis=0) for each in corners]).reshape(-1, 2)
    high = np.array([each.max(axis=0) for each in corners]).reshape(-1, 2)
    areas = np.array([_shared(each, each) for each in corners])

    @cache
    def iou_of(i: int, j: int) -> float:
        both = min(_shared(corners[i], corners[j]), areas[i], areas[j])
        return float(both / (areas[i] + areas[j] - both))

    def iou(i: int) -> FloatArray:
        found = np.zeros(len(corners))
        for j in np.flatnonzero((low < high[i]).all(axis=1) & (high > low[i]).all(axis=1)).tolist():
            found[j] = iou_of(min(i, j), max(i, j))
        return found

    return iou


def has_area(corners: Sequence[tuple[float, float]]) -> bool:
    """Whether corners go around anything."""
    each = np.array(corners, dtype=np.float64).reshape(-1, 2)
    return len(each) >= 3 and _shared(each, each) > 0.0


def _shared(one: FloatArray, other: FloatArray) -> float:
    """Area that two polygons cover together; corners : (n, 2) each."""
    top, bottom = max(one[:, 1].min(), other[:, 1].min()), min(one[:, 1].max(), other[:, 1].max())
    if bottom <= top:
        return 0.0
    lines = top + (bottom - top) * (np.arange(_LINES) + 0.5) / _LINES
    sides = [_crossings(one, lines), _crossings(other, lines)]
    places = np.concatenate(sides, axis=1)
    order = np.argsort(places, axis=1, kind="stable")
    places = np.take_along_axis(places, order, axis=1)
    of_one = order < sides[0].shape[1]
    # Between two crossings a line is inside of a polygon if it has crossed its outline an odd number of times.
    inside = (np.cumsum(of_one, axis=1) % 2 == 1) & (np.cumsum(~of_one, axis=1) % 2 == 1)
    there = inside[:, :-1] & np.isfinite(places[:, 1:])
    lengths = np.where(there, places[:, 1:], 0.0) - np.where(there, places[:, :-1], 0.0)
    return float(lengths.sum() * ((bottom - top) / _LINES))


def _crossings(corners: FloatArray, lines: FloatArray) -> FloatArray:
    """Where each line crosses each side of a polygon, (n_lines, n_sides); infinitely far where it does not."""
    ends = np.roll(corners, -1, axis=0)
    low, high = np.minimum(corners[:, 1], ends[:, 1]), np.maximum(corners[:, 1], ends[:, 1])
    at = lines[:, np.newaxis]
    crosses = (low <= at) & (at < high)
    rise = np.where(high > low, ends[:, 1] - corners[:, 1], 1.0)
    part = np.where(crosses, (at - corners[:, 1]) / rise, 0.0)
    return np.where(crosses, corners[:, 0] + part * (ends[:, 0] - corners[:, 0]), np.inf)


def _clean(polygons: Sequence[Polygon]) -> tuple[Polygon, ...]:
    found = []
    for one in polygons:
        corners = np.array(one.corners, dtype=np.float64).reshape(-1, 2)
        if (np.abs(corners) <= LARGEST).all() and has_area(one.corners):
            found.append(Polygon(tuple((float(x), float(y)) for x, y in one.corners), one.label))
    return tuple(sorted(found))


def _most_like(polygons: Sequence[Polygon]) -> Polygon:
    """The one that covers the others best; of equals the first in order."""
    ordered = sorted(polygons)
    iou = cover(ordered)
    return ordered[first_of_best(np.array([iou(i).sum() for i in range(len(ordered))]))]

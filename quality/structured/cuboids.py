"""Cuboids as a picture shows them, with a label: eight corners. They cover what lies within their outline.

A thing's corners are the medians of those of its cuboids.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from quality.structured import polygons, things
from quality.structured.answers import LARGEST, Aggregate, Answers, Known
from quality.structured.polygons import Polygon
from quality.structured.things import Cover, Geometry

CORNERS = 8

Corners = tuple[tuple[float, float], ...]


class Cuboid(NamedTuple):
    """Corners (x, y) in any unit: the four of the front from its upper left on, clockwise, then those behind them."""

    corners: Corners
    label: str = ""


def aggregate(
    answers: Answers[Sequence[Cuboid]], *, known: Known[Sequence[Cuboid]] | None = None
) -> Aggregate[list[Cuboid]]:
    """Find the things in every picture (see `things.aggregate`).

    Cuboids without eight corners or an area, and those with corners that are no numbers or beyond 1e100, are left out.
    """
    return things.aggregate(answers, {} if known is None else known, Geometry(_clean, _cover, _median))


def _cover(cuboids: Sequence[Cuboid]) -> Cover:
    return polygons.cover([Polygon(_outline(cuboid.corners)) for cuboid in cuboids])


def _outline(corners: Corners) -> Corners:
    """The convex hull of some corners (Andrew's monotone chain, 1979)."""
    ordered = sorted(set(corners))
    return (*_half(ordered), *_half(ordered[::-1]))


def _half(ordered: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """One side of a hull, without its last corner, where the other side begins."""
    side: list[tuple[float, float]] = []
    for x, y in ordered:
        while len(side) >= 2:
            (ax, ay), (bx, by) = side[-2:]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0.0:
                break
            side.pop()
        side.append((x, y))
    return side[:-1]


def _clean(cuboids: Sequence[Cuboid]) -> tuple[Cuboid, ...]:
    found = []
    for one in cuboids:
        corners = tuple((float(x), float(y)) for x, y in one.corners)
        usual = len(corners) == CORNERS and all(abs(edge) <= LARGEST for corner in corners for edge in corner)
        if usual and polygons.has_area(_outline(corners)):
            found.append(Cuboid(corners, one.label))
    return tuple(sorted(found))


def _median(cuboids: Sequence[Cuboid]) -> Cuboid:
    middle = np.median([cuboid.corners for cuboid in cuboids], axis=0).tolist()
    return Cuboid(tuple((x, y) for x, y in middle), cuboids[0].label)

"""Cuboids: they cover what lies within their outline, and their corners are medians."""

from quality.structured import cuboids
from quality.structured.cuboids import Cuboid
from tests.quality.structured.kinds import cuboid, one_task


def test_the_corners_of_a_thing_are_the_medians_of_those_of_its_cuboids() -> None:
    found = cuboids.aggregate(one_task([cuboid(0.0, 0.0)], [cuboid(1.0, 0.0)], [cuboid(2.0, 1.0)]))

    assert found.consensus == [[cuboid(1.0, 0.0)]]


def flat(left: float, top: float, right: float, bottom: float) -> Cuboid:
    """A front with nothing behind it."""
    return Cuboid(((left, top), (right, top), (right, bottom), (left, bottom)) * 2)


def test_what_lies_behind_is_covered_too() -> None:
    # Two squares of 100 that lie five apart have an outline of 200. Of the larger front 140 are within it, of 144.
    whole = [[cuboid(0.0, 0.0)]] * 3

    assert cuboids.aggregate(one_task(*whole, [flat(0.0, 0.0, 9.0, 9.0)])).agreement[3] == 0.0
    assert cuboids.aggregate(one_task(*whole, [flat(0.0, -2.0, 12.0, 10.0)])).agreement[3] == 1.0


def test_what_has_no_area_is_left_out() -> None:
    thin = flat(0.0, 0.0, 9.0, 0.0)

    assert cuboids.aggregate(one_task([thin, cuboid(0.0, 0.0)], [cuboid(0.0, 0.0)])).consensus == [[cuboid(0.0, 0.0)]]

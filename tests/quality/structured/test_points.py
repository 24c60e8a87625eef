"""Points: those that lie near each other are one thing, and things are voted on."""

import pytest

from quality.structured import points
from quality.structured.points import Point
from tests.quality.structured.kinds import one_task

EYE, BEAK = Point(10.0, 10.0, "eye"), Point(60.0, 20.0, "beak")


def moved(point: Point, by: float) -> Point:
    return point._replace(x=point.x + by)


def test_a_thing_is_at_the_medians_of_its_points() -> None:
    found = points.aggregate(one_task([EYE], [moved(EYE, 2.0)], [moved(EYE, 5.0)]))

    assert found.consensus == [[moved(EYE, 2.0)]]
    assert found.agreement == pytest.approx(1.0)


def test_a_point_finds_what_is_within_the_tolerance_and_nothing_beyond() -> None:
    said = one_task([EYE], [EYE], [EYE], [moved(EYE, 9.0)])

    assert points.aggregate(said).agreement == pytest.approx(1.0)
    assert points.aggregate(said, tolerance=2.0).agreement == pytest.approx([1.0, 1.0, 1.0, 0.0])


def test_points_with_different_labels_are_different_things() -> None:
    found = points.aggregate(one_task([EYE, BEAK], [EYE, BEAK], [EYE._replace(label="beak"), BEAK]))

    assert found.consensus == [[EYE, BEAK]]


def test_a_point_that_is_nowhere_is_left_out() -> None:
    found = points.aggregate(one_task([EYE, Point(float("nan"), 0.0)], [EYE, Point(0.0, 1e200)]))

    assert found.consensus == [[EYE]]

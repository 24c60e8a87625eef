"""Lines: how far they lie apart is what matters, not how they were drawn."""

import pytest

from quality.structured import lines
from quality.structured.lines import Line
from tests.quality.structured.kinds import one_task

ROAD = Line(((0.0, 0.0), (100.0, 0.0)))


def beside(by: float) -> Line:
    return Line(tuple((x, y + by) for x, y in ROAD.corners))


def test_of_the_lines_of_a_thing_the_one_that_is_most_like_the_others_stands() -> None:
    found = lines.aggregate(one_task([beside(0.0)], [beside(3.0)], [beside(9.0)]))

    assert found.consensus == [[beside(3.0)]]


def test_neither_the_direction_nor_corners_on_the_way_matter() -> None:
    found = lines.aggregate(
        one_task([ROAD], [Line(ROAD.corners[::-1])], [Line(((0.0, 0.0), (30.0, 0.0), (100.0, 0.0)))]), tolerance=1e-6
    )

    assert found.agreement == pytest.approx(1.0)


def test_lines_that_are_parallel_lie_as_far_apart_as_it_looks() -> None:
    said = one_task([ROAD], [ROAD], [ROAD], [beside(5.0)])

    assert lines.aggregate(said, tolerance=5.1).agreement[3] == 1.0
    assert lines.aggregate(said, tolerance=4.9).agreement[3] == 0.0


def test_a_line_that_is_far_too_short_is_another_thing() -> None:
    stub = Line(((0.0, 0.0), (10.0, 0.0)))

    assert lines.aggregate(one_task([ROAD], [ROAD], [ROAD], [stub])).agreement[3] == 0.0


def test_lines_without_a_length_or_without_numbers_are_left_out() -> None:
    nothing = [Line(((1.0, 1.0), (1.0, 1.0))), Line(((1.0, 1.0),)), Line(((0.0, float("inf")), (1.0, 1.0)))]

    assert lines.aggregate(one_task([ROAD, *nothing], [ROAD])).consensus == [[ROAD]]

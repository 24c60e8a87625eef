"""Polygons: areas in common are right, whatever the shape, and a thing has the outline that is most like all others."""

from math import cos, pi, sin
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.structured import boxes, polygons
from quality.structured.boxes import Box
from quality.structured.polygons import Polygon
from tests.quality.structured.kinds import one_task


def rectangle(left: float, top: float, right: float, bottom: float) -> Polygon:
    return Polygon(((left, top), (right, top), (right, bottom), (left, bottom)))


def circle(x: float, y: float, radius: float, n_corners: int = 40) -> Polygon:
    turns = [2 * pi * i / n_corners for i in range(n_corners)]
    return Polygon(tuple((x + radius * cos(turn), y + radius * sin(turn)) for turn in turns))


@given(st.lists(st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 20)] * 2), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_rectangles_cover_each_other_as_boxes_do(corners: list[tuple[int, int, int, int]]) -> None:
    edges = [(float(x), float(y), float(x + wide), float(y + high)) for x, y, wide, high in corners]
    of_polygons = polygons.cover([rectangle(*each) for each in edges])
    of_boxes = boxes.cover([Box(*each) for each in edges])

    for i in range(len(edges)):
        assert of_polygons(i) == pytest.approx(of_boxes(i), abs=1e-9)


def test_circles_cover_each_other_by_the_square_of_their_radius() -> None:
    iou = polygons.cover([circle(0.0, 0.0, 10.0), circle(0.0, 0.0, 5.0), circle(30.0, 0.0, 5.0)])(0)

    assert iou == pytest.approx([1.0, 0.25, 0.0], abs=0.003)


def test_neither_the_first_corner_nor_the_direction_matters() -> None:
    one = Polygon(((0.0, 0.0), (10.0, 0.0), (10.0, 3.0), (3.0, 3.0), (3.0, 10.0), (0.0, 10.0)))
    turned = Polygon((*one.corners[2:], *one.corners[:2]))

    assert polygons.cover([one, turned, Polygon(one.corners[::-1])])(0) == pytest.approx([1.0, 1.0, 1.0])


def test_a_hollow_outline_covers_only_what_it_goes_around() -> None:
    hook = Polygon(((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (9.0, 10.0), (9.0, 1.0), (0.0, 1.0)))

    assert polygons.cover([hook, rectangle(0.0, 2.0, 8.0, 10.0)])(0)[1] == pytest.approx(0.0)
    assert polygons.cover([hook, rectangle(0.0, 0.0, 10.0, 10.0)])(0)[1] == pytest.approx(0.19, abs=0.005)


def test_the_outline_most_like_the_others_is_the_consensus() -> None:
    near, exact, far = circle(1.0, 0.0, 10.0), circle(0.0, 0.0, 10.0), circle(-2.0, 0.0, 10.0)

    found = polygons.aggregate(one_task([near], [exact], [far, circle(90.0, 0.0, 3.0)]))

    assert found.consensus == [[exact]]
    assert found.agreement == pytest.approx([1.0, 1.0, 2 / 3])


def test_polygons_without_an_area_are_left_out() -> None:
    line = Polygon(((0.0, 0.0), (1.0, 1.0), (2.0, 2.0)))
    point, nowhere = Polygon(((0.0, 0.0),)), Polygon(((0.0, 0.0), (float("nan"), 1.0), (2.0, 0.0)))
    good = circle(0.0, 0.0, 10.0)

    found = polygons.aggregate(one_task([good, line], [good, point], [good, nowhere, Polygon(())]))

    assert found.consensus == [[good]]
    assert found.agreement == pytest.approx([1.0, 1.0, 1.0])


def test_hundreds_of_polygons_with_many_corners_are_bounded() -> None:
    rng = np.random.default_rng(7)
    middles = rng.uniform(0.0, 2000.0, size=(60, 2))
    values = [
        [circle(x, y, 30.0, n_corners=60) for x, y in (middles + rng.normal(0.0, 2.0, (60, 2))).tolist()]
        for _ in range(5)
    ]
    begun = perf_counter()

    found = polygons.aggregate(one_task(*values))

    assert len(found.consensus[0] or ()) == pytest.approx(60, abs=3)
    assert perf_counter() - begun < 30.0

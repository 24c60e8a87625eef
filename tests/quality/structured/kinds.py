"""Every kind of answer with its aggregator, values of it at random, and answers to make of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import strategies as st

from quality.structured import (
    boxes,
    cuboids,
    fields,
    lines,
    number,
    pairs,
    points,
    polygons,
    ranking,
    sets,
    spans,
    text,
)
from quality.structured.answers import Aggregate, Answers
from quality.structured.boxes import Box
from quality.structured.cuboids import Cuboid
from quality.structured.lines import Line
from quality.structured.pairs import Comparison
from quality.structured.points import Point
from quality.structured.polygons import Polygon
from quality.structured.spans import Span

T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """aggregate(answers, *, known=None); values of answers and of known tasks, as strategies.

    good and bad : two values that have nothing in common. drawn : a value at random, which carelessness would give.
    several : whether a voter gives several answers for a task.
    """

    aggregate: Callable[..., Aggregate[Any]]
    values: st.SearchStrategy[Any]
    known: st.SearchStrategy[Any]
    good: Any
    bad: Any
    drawn: Callable[[np.random.Generator], Any]
    several: bool = False


_ITEMS = "abcd"


def _some_text(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(["rook", "crow", "jay", "tit", "owl", "kite"], size=4))


def _some_spans(rng: np.random.Generator) -> list[Span]:
    starts = rng.integers(0, 100, size=2).tolist()
    return [Span(start, start + 10) for start in starts]


def _some_boxes(rng: np.random.Generator) -> list[Box]:
    return [Box(left, top, left + 10.0, top + 10.0) for left, top in (10.0 * rng.integers(0, 9, size=(3, 2))).tolist()]


def _triangle(left: float, top: float) -> Polygon:
    return Polygon(((left, top), (left + 10.0, top), (left, top + 10.0)))


def _some_polygons(rng: np.random.Generator) -> list[Polygon]:
    return [_triangle(left, top) for left, top in (10.0 * rng.integers(0, 9, size=(3, 2))).tolist()]


def cuboid(left: float, top: float) -> Cuboid:
    """Ten by ten, and as much again behind it to the right and above."""
    front = ((left, top), (left + 10.0, top), (left + 10.0, top + 10.0), (left, top + 10.0))
    return Cuboid((*front, *((x + 5.0, y - 5.0) for x, y in front)))


def _some_cuboids(rng: np.random.Generator) -> list[Cuboid]:
    return [cuboid(left, top) for left, top in (20.0 * rng.integers(0, 9, size=(3, 2))).tolist()]


def _some_points(rng: np.random.Generator) -> list[Point]:
    return [Point(x, y) for x, y in (50.0 * rng.integers(0, 9, size=(3, 2))).tolist()]


def _some_lines(rng: np.random.Generator) -> list[Line]:
    return [Line(((x, y), (x + 30.0, y))) for x, y in (50.0 * rng.integers(0, 9, size=(3, 2))).tolist()]


def _some_fields(rng: np.random.Generator) -> dict[str, str]:
    return {"title": _some_text(rng), "body": _some_text(rng)}


def _some_ranking(rng: np.random.Generator) -> list[str]:
    return [str(item) for item in rng.permutation(list(_ITEMS))]


def _some_comparison(rng: np.random.Generator) -> Comparison:
    better, worse = _some_ranking(rng)[:2]
    return Comparison(better, worse)


def _some_set(rng: np.random.Generator) -> frozenset[str]:
    return frozenset(item for item in _ITEMS if rng.random() < 0.5)


_words = st.sampled_from(["rook", "Rook,", "crow", "jay", "o'crow", "--", "ROOK"])
_places = st.integers(-2, 12)
_spans = st.lists(st.builds(Span, _places, _places, st.sampled_from(["", "bird"])), max_size=4)
_edges = st.sampled_from([0.0, 1.0, 1.5, 2.0, 4.0, 10.0, -3.0, 1e200, float("nan")])
_boxes = st.lists(st.builds(Box, _edges, _edges, _edges, _edges, st.sampled_from(["", "bird"])), max_size=4)
_corners = st.lists(st.tuples(_edges, _edges), max_size=5).map(tuple)
_polygons = st.lists(st.builds(Polygon, _corners, st.sampled_from(["", "bird"])), max_size=3)
_points = st.lists(st.builds(Point, _edges, _edges, st.sampled_from(["", "bird"])), max_size=4)
_lines = st.lists(st.builds(Line, _corners, st.sampled_from(["", "bird"])), max_size=3)
_eight = st.lists(st.tuples(_edges, _edges), min_size=7, max_size=8).map(tuple)
_cuboids = st.lists(st.builds(Cuboid, _eight, st.sampled_from(["", "bird"])), max_size=3)
_items = st.sampled_from(_ITEMS)
_orders = st.lists(_items, max_size=4, unique=True)
_sets = st.frozensets(_items, max_size=4)

KINDS = {
    "text": Kind(
        text.aggregate,
        values=st.lists(_words, max_size=5).map(" ".join),
        known=st.lists(_words, max_size=3).map(" ".join),
        good="the rook flies",
        bad="no idea",
        drawn=_some_text,
    ),
    "spans": Kind(
        spans.aggregate, values=_spans, known=_spans, good=[Span(0, 5)], bad=[Span(9, 12)], drawn=_some_spans
    ),
    "boxes": Kind(
        boxes.aggregate,
        values=_boxes,
        known=_boxes,
        good=[Box(0.0, 0.0, 4.0, 4.0)],
        bad=[Box(9.0, 9.0, 12.0, 12.0)],
        drawn=_some_boxes,
    ),
    "polygons": Kind(
        polygons.aggregate,
        values=_polygons,
        known=_polygons,
        good=[_triangle(0.0, 0.0)],
        bad=[_triangle(30.0, 0.0)],
        drawn=_some_polygons,
    ),
    "cuboids": Kind(
        cuboids.aggregate,
        values=_cuboids,
        known=_cuboids,
        good=[cuboid(0.0, 0.0)],
        bad=[cuboid(50.0, 0.0)],
        drawn=_some_cuboids,
    ),
    "points": Kind(
        points.aggregate,
        values=_points,
        known=_points,
        good=[Point(0.0, 0.0)],
        bad=[Point(90.0, 0.0)],
        drawn=_some_points,
    ),
    "lines": Kind(
        lines.aggregate,
        values=_lines,
        known=_lines,
        good=[Line(((0.0, 0.0), (9.0, 0.0)))],
        bad=[Line(((0.0, 900.0), (9.0, 900.0)))],
        drawn=_some_lines,
    ),
    "fields": Kind(
        fields.aggregate,
        values=st.dictionaries(st.sampled_from(["title", "body"]), st.lists(_words, max_size=3).map(" ".join)),
        known=st.dictionaries(st.sampled_from(["title", "body"]), st.lists(_words, max_size=3).map(" ".join)),
        good={"title": "the rook flies"},
        bad={"title": "no idea"},
        drawn=_some_fields,
    ),
    "number": Kind(
        number.aggregate,
        values=st.floats(width=32) | st.sampled_from([0.0, 1.0, -1.0]),
        known=st.floats(-10.0, 10.0),
        good=5.0,
        bad=-5.0,
        drawn=lambda rng: float(rng.normal(0.0, 10.0)),
    ),
    "pairs": Kind(
        pairs.aggregate,
        values=st.builds(Comparison, _items, _items, st.booleans()),
        known=_orders,
        good=Comparison("a", "b"),
        bad=Comparison("b", "a"),
        drawn=_some_comparison,
        several=True,
    ),
    "ranking": Kind(
        ranking.aggregate,
        values=st.lists(_items, max_size=5),
        known=_orders,
        good=["a", "b"],
        bad=["b", "a"],
        drawn=_some_ranking,
    ),
    "sets": Kind(sets.aggregate, values=_sets, known=_sets, good=frozenset("ab"), bad=frozenset("cd"), drawn=_some_set),
}


def answers_of(rows: Sequence[tuple[int, int, T]], *, n_tasks: int, n_voters: int) -> Answers[T]:
    """Answers from (task, voter, value)."""
    return Answers(
        np.array([task for task, _, _ in rows], dtype=np.int64),
        np.array([voter for _, voter, _ in rows], dtype=np.int64),
        [value for _, _, value in rows],
        n_tasks,
        n_voters,
    )


def one_task(*values: T) -> Answers[T]:
    """One task, each value another voter's."""
    return answers_of([(0, voter, value) for voter, value in enumerate(values)], n_tasks=1, n_voters=len(values))


def crowd(name: str, seed: int, *, n_tasks: int = 20) -> Answers[Any]:
    """Four voters who nearly always say what is true, and a last one who says anything."""
    rng, kind, rows = np.random.default_rng(seed), KINDS[name], []
    for task in range(n_tasks):
        truth = kind.drawn(rng)
        for voter in range(5):
            for _ in range(6 if kind.several else 1):
                said = kind.drawn(rng)
                if kind.several and voter < 4 and rng.random() < 0.9:
                    said = Comparison(*sorted(said[:2]))
                elif not kind.several and voter < 4 and rng.random() < 0.9:
                    said = truth
                rows.append((task, voter, said))
    return answers_of(rows, n_tasks=n_tasks, n_voters=5)


@st.composite
def some_answers(draw: st.DrawFn, kind: Kind) -> Answers[Any]:
    """Any answers of a kind at all: sparse, one-sided or none, with tasks and voters that have no answer."""
    n_tasks, n_voters = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    if n_tasks * n_voters == 0:
        return answers_of([], n_tasks=n_tasks, n_voters=n_voters)
    places = st.tuples(st.integers(0, n_tasks - 1), st.integers(0, n_voters - 1))
    once = None if kind.several else _place
    rows = draw(st.lists(st.tuples(places, kind.values), max_size=12, unique_by=once))
    return answers_of([(*place, value) for place, value in rows], n_tasks=n_tasks, n_voters=n_voters)


def _place(row: tuple[tuple[int, int], Any]) -> tuple[int, int]:
    return row[0]


def reordered(answers: Answers[T], order: Sequence[int]) -> Answers[T]:
    at = np.array(order, dtype=np.int64)
    return Answers(
        answers.tasks[at], answers.voters[at], [answers.values[i] for i in order], answers.n_tasks, answers.n_voters
    )


def assert_same(found: Aggregate[Any], again: Aggregate[Any], *, within: float) -> None:
    """The same consensus, confidence and reliability; agreements are for the caller, who knows the order."""
    assert len(again.consensus) == len(found.consensus)
    for one, other in zip(found.consensus, again.consensus, strict=True):
        if isinstance(one, float):
            assert other == pytest.approx(one, rel=within, abs=within)
        elif isinstance(one, list) and one and isinstance(one[0], Box):
            assert other is not None
            assert [box.label for box in other] == [box.label for box in one]
            assert [box[:4] for box in other] == [pytest.approx(box[:4], abs=within) for box in one]
        elif isinstance(one, list) and one and isinstance(one[0], Point):
            assert other is not None
            assert [point.label for point in other] == [point.label for point in one]
            assert [point[:2] for point in other] == [pytest.approx(point[:2], abs=within) for point in one]
        elif isinstance(one, list) and one and isinstance(one[0], Cuboid):
            assert other is not None
            assert [each.label for each in other] == [each.label for each in one]
            assert np.array([each.corners for each in other]) == pytest.approx(
                np.array([each.corners for each in one]), abs=within
            )
        else:
            assert other == one
    assert again.confidence == pytest.approx(found.confidence, abs=within)
    assert again.reliability == pytest.approx(found.reliability, abs=within)

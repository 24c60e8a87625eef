"""Kinds of answers in files: what is written is read again, and what cannot be an answer is refused with a sentence."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality.kinds import KINDS, Unfit
from quality.structured.boxes import Box
from quality.structured.lines import Line
from quality.structured.pairs import Comparison
from quality.structured.points import Point
from quality.structured.polygons import Polygon
from quality.structured.spans import Span
from tests.quality.structured import kinds as structured

_EXAMPLES: dict[str, tuple[str, Any]] = {
    "text": ("The rook, flying", "The rook, flying"),
    "number": (" -1.5e2", -150.0),
    "spans": ('[{"start": 0, "end": 5}, {"start": 7, "end": 9, "label": "bird"}]', [Span(0, 5), Span(7, 9, "bird")]),
    "boxes": ('[{"left": 1, "top": 2, "right": 3.5, "bottom": 4}]', [Box(1.0, 2.0, 3.5, 4.0)]),
    "polygons": ('[{"corners": [[0, 0], [1, 0], [0, 1]], "label": "x"}]', [Polygon(((0, 0), (1, 0), (0, 1)), "x")]),
    "cuboids": (json.dumps([{"corners": structured.cuboid(0, 0).corners}]), [structured.cuboid(0, 0)]),
    "points": ('[{"x": 1, "y": 2.5}, {"x": 0, "y": 0, "label": "eye"}]', [Point(1.0, 2.5), Point(0.0, 0.0, "eye")]),
    "lines": ('[{"corners": [[0, 0], [1, 2]]}]', [Line(((0.0, 0.0), (1.0, 2.0)))]),
    "fields": ('{"title": "The rook", "body": ""}', {"title": "The rook"}),
    "pairs": ('{"better": "a", "worse": "b"}', Comparison("a", "b")),
    "ranking": ('["a", "b"]', ["a", "b"]),
    "sets": ('["b", "a", "b"]', frozenset("ab")),
}


def test_there_is_a_kind_for_every_aggregator() -> None:
    assert KINDS.keys() == structured.KINDS.keys() == _EXAMPLES.keys()


@pytest.mark.parametrize("name", KINDS)
def test_an_answer_is_read(name: str) -> None:
    written, value = _EXAMPLES[name]

    assert KINDS[name].read(written) == value


def test_two_that_are_alike_are_read() -> None:
    assert KINDS["pairs"].read('{"better": "a", "worse": "b", "alike": true}') == Comparison("a", "b", alike=True)


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
def test_a_consensus_that_is_written_is_read_again(name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    some = data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(10, 99)), min_size=1, max_size=3, unique=True))
    values = {
        "text": str(some),
        "number": float(some[0][0]) / some[0][1],
        "spans": [Span(low, high, "bird") for low, high in some],
        "boxes": [Box(low / 8, low, high, high) for low, high in some],
        "polygons": [Polygon(((low, low), (high, low), (low / 8, high))) for low, high in some],
        "cuboids": [structured.cuboid(low / 8, high) for low, high in some],
        "points": [Point(low / 8, high) for low, high in some],
        "lines": [Line(((low, low), (high, low / 8))) for low, high in some],
        "fields": {str(low): str(high) for low, high in some},
        "pairs": [str(one) for one in some],
        "ranking": [str(one) for one in some],
        "sets": frozenset(str(one) for one in some),
    }

    again = kind.read_known(kind.write(values[name]))

    assert again == (pytest.approx(values[name]) if name == "number" else values[name])


_WRONG = {
    "number": ["", "five", "1,5", "nan", "inf", "1e101", "-1e999", "1_000", "\u0661", "0x10", "1" * 60, "1e1000"],
    "spans": [
        "", "5", "{}", "[5]", '[{"start": 1}]', '[{"start": 1, "end": 2, "color": 3}]', '[{"start": 1.5, "end": 2}]',
        '[{"start": true, "end": 2}]', '[{"start": -1, "end": 2}]', '[{"start": 0, "end": 1e300}]',
        '[{"start": 1, "end": 2, "label": 5}]', '[{"start": 1, "end": 2, "label": ""}]',
        '[{"start": 1, "start": 1, "end": 2}]', f'[{{"start": 1, "end": {2**60}}}]',
    ],
    "boxes": [
        "[[1, 2, 3, 4]]", '[{"left": NaN, "top": 0, "right": 1, "bottom": 1}]',
        '[{"left": "0", "top": 0, "right": 1, "bottom": 1}]', '[{"left": 1e101, "top": 0, "right": 1, "bottom": 1}]',
        '[{"left": -1e999, "top": 0, "right": 1, "bottom": 1}]', "[" * 50_000,
        '[{"left": ' + "9" * 5_000 + ', "top": 0, "right": 1, "bottom": 1}]',
    ],
    "polygons": [
        '[{"corners": []}]', '[{"corners": [[0, 0], [1, 1]]}]', '[{"corners": [[0, 0], [1, 1], [2]]}]',
        '[{"corners": [[0, 0], [1, 1], [2, null]]}]', '[{"corners": "abc"}]', '[{"corners": [1, 2, 3]}]',
    ],
    "cuboids": ['[{"corners": [[0, 0], [1, 1], [2, 2]]}]', f'[{{"corners": {[[0, 0]] * 9}}}]', '[{"corners": null}]'],
    "points": ['[{"x": 1}]', "[[1, 2]]", '[{"x": "1", "y": 2}]', '[{"x": 1, "y": 1e101}]', '[{"x": 1, "y": true}]'],
    "lines": ['[{"corners": [[0, 0]]}]', '[{"corners": [[0, 0], [1]]}]', '[{"corners": {}}]'],
    "fields": ["[]", '"a"', '{"a": 1}', '{"": "a"}', '{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": "b", "a": "c"}'],
    "pairs": [
        '["a", "b"]', '{"better": "a"}', '{"better": "a", "worse": "a"}', '{"better": "a", "worse": "b", "alike": 1}',
        '{"better": "a", "worse": 5}', '{"better": "a", "worse": "b", "why": "c"}',
    ],
    "ranking": ["[]", '["a", "a"]', '"a"', '["a", " "]', '["a", ["b"]]', '["\\ud800"]', '["\\u0000"]', "a, b"],
    "sets": ["a", '{"a": true}', "[1]", '["' + "x" * 1_001 + '"]', "[null]"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "written"), [(name, one) for name, all_ in _WRONG.items() for one in all_])
def test_what_is_no_answer_of_its_kind_is_refused_with_a_sentence(name: str, written: str) -> None:
    with pytest.raises(Unfit, match=r"^[a-z].{10,90}[^.]$"):
        KINDS[name].read(written)


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
def test_whatever_stands_in_a_file_is_an_answer_or_unfit(name: str, data: st.DataObject) -> None:
    leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    keys = st.sampled_from(["start", "end", "label", "left", "corners", "better", "worse", "alike"])
    anything = st.recursive(leaf, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))
    written = data.draw(st.text(max_size=10) | anything.map(json.dumps))

    for read in (KINDS[name].read, KINDS[name].read_known):
        try:
            assert read(written) is not None
        except Unfit:
            continue

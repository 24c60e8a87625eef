"""Kinds of answers that are no classes, as they stand in files: how each is read, merged, written and judged.

Texts and numbers stand there as they are, all others as JSON. What cannot be an answer of its kind is refused with a
sentence; what can be one, and means nothing (a box without an area), is left out by the kind itself.
"""

import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
from quality.structured.answers import LARGEST, Aggregate, Answers
from quality.structured.boxes import Box
from quality.structured.cuboids import CORNERS, Cuboid
from quality.structured.lines import Line
from quality.structured.pairs import Comparison
from quality.structured.points import TOLERANCE, Point
from quality.structured.polygons import Polygon
from quality.structured.spans import Span

_NUMBER = re.compile(r"[+-]?([0-9]{1,50}(\.[0-9]{0,50})?|\.[0-9]{1,50})([eE][+-]?[0-9]{1,3})?")
_PLACE_MAX = 2**53
_NAME_MAX = 1_000
# What an answer that agrees so well with the truth is: right.
_RIGHT = 0.8


class Unfit(Exception):
    """Something is no answer of its kind: what is wrong with it, as the end of a sentence that begins with 'its'."""


@dataclass(frozen=True, slots=True)
class Kind:
    """read and write : an answer, and a consensus, from and to text; read_known : a value that is certain.

    aggregate : of `Answers` of what was read. judge : of `Answers` of consensus values, beside what is known; the same
    but for pairs. about : what an answer is about, so that a worker has one answer for a task and each such thing.
    measure : what agreement is called. tolerance : the one that such answers have, for kinds that know it. right : how
    well an answer that is right agrees with the truth, at the least.
    """

    read: Callable[[str], Any]
    aggregate: Callable[..., Aggregate[Any]]
    write: Callable[[Any], str]
    read_known: Callable[[str], Any]
    judge: Callable[..., Aggregate[Any]]
    measure: str
    about: Callable[[Any], Hashable] = lambda _value: None
    tolerance: Callable[[Answers[Any]], float] | None = None
    right: float = _RIGHT


def _read_number(written: str) -> float:
    if not _NUMBER.fullmatch(written.strip()):
        raise Unfit("answer is not a number such as 12.5")
    return _bounded(float(written))


def _read_spans(written: str) -> list[Span]:
    return [
        Span(_place(one, "start"), _place(one, "end"), _label(one))
        for one in _objects(written, ("start", "end"), ("label",))
    ]


def _read_boxes(written: str) -> list[Box]:
    found = []
    for one in _objects(written, ("left", "top", "right", "bottom"), ("label",)):
        left, top, right, bottom = (_coordinate(one[edge]) for edge in ("left", "top", "right", "bottom"))
        found.append(Box(left, top, right, bottom, _label(one)))
    return found


def _read_polygons(written: str) -> list[Polygon]:
    return [Polygon(_corners(one["corners"], 3), _label(one)) for one in _objects(written, ("corners",), ("label",))]


def _read_lines(written: str) -> list[Line]:
    return [Line(_corners(one["corners"], 2), _label(one)) for one in _objects(written, ("corners",), ("label",))]


def _read_cuboids(written: str) -> list[Cuboid]:
    return [
        Cuboid(_corners(one["corners"], CORNERS, CORNERS), _label(one))
        for one in _objects(written, ("corners",), ("label",))
    ]


def _read_points(written: str) -> list[Point]:
    return [
        Point(_coordinate(one["x"]), _coordinate(one["y"]), _label(one))
        for one in _objects(written, ("x", "y"), ("label",))
    ]


def _read_fields(written: str) -> dict[str, str]:
    value = _json(written)
    if not isinstance(value, dict):
        raise Unfit("answer is not an object of texts")
    return {_name(name): _text(one) for name, one in value.items() if one != ""}


def _read_comparison(written: str) -> Comparison:
    one = _object(_json(written), ("better", "worse"), ("alike",))
    better, worse, alike = _name(one["better"]), _name(one["worse"]), one.get("alike", False)
    if not isinstance(alike, bool):
        raise Unfit("alike is neither true nor false")
    if better == worse:
        raise Unfit("answer compares an item with itself")
    return Comparison(better, worse, alike)


def _read_ranking(written: str) -> list[str]:
    names = _names(written)
    if not names:
        raise Unfit("ranking has no item")
    if len(set(names)) < len(names):
        raise Unfit("ranking has an item twice")
    return names


def _read_set(written: str) -> frozenset[str]:
    return frozenset(_names(written))


def _json(written: str) -> Any:
    """JSON without what it can say in two ways, or cannot say at all."""
    try:
        return json.loads(written, object_pairs_hook=_once, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise Unfit("answer is not JSON") from error


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(members)) < len(members):
        raise Unfit("answer has a member twice")
    return dict(members)


def _refused(name: str) -> Any:
    raise Unfit(f"answer has {name} in it, which is no number")


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Unfit("answer is not a list")
    return value


def _objects(written: str, wanted: Sequence[str], optional: Sequence[str]) -> list[dict[str, Any]]:
    return [_object(one, wanted, optional) for one in _list(_json(written))]


def _object(value: Any, wanted: Sequence[str], optional: Sequence[str]) -> dict[str, Any]:
    known = set(wanted).union(optional)
    if not isinstance(value, dict) or not value.keys() >= set(wanted) or not value.keys() <= known:
        allowed = f", and {' or '.join(optional)} if there is one" if optional else ""
        raise Unfit(f"answer must have {', '.join(wanted)}{allowed}")
    return value


def _names(written: str) -> list[str]:
    return [_name(one) for one in _list(_json(written))]


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Unfit("answer has something in the place of a name")
    if len(value) > _NAME_MAX or "\x00" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise Unfit(f"answer has a name that is no text, or longer than {_NAME_MAX} characters")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise Unfit("answer has something in the place of a text")
    return value


def _label(one: Mapping[str, Any]) -> str:
    return _name(one["label"]) if "label" in one else ""


def _place(one: Mapping[str, Any], name: str) -> int:
    if type(one[name]) is not int or not 0 <= one[name] <= _PLACE_MAX:
        raise Unfit(f"{name} is not a whole number of characters")
    return int(one[name])


def _coordinate(value: Any) -> float:
    if type(value) not in {int, float}:
        raise Unfit("answer has something in the place of a number")
    return _bounded(value)


def _bounded(value: float) -> float:
    # Infinity is beyond too, and what is no number does not compare.
    if not abs(value) <= LARGEST:
        raise Unfit("answer has a number beyond 1e100")
    return float(value)


def _corners(value: Any, least: int, most: int | None = None) -> tuple[tuple[float, float], ...]:
    corners = [tuple(map(_coordinate, corner)) if isinstance(corner, list) else () for corner in _list(value)]
    if not least <= len(corners) <= (most or len(corners)) or any(len(corner) != 2 for corner in corners):
        raise Unfit(f"corners are not {least}{'' if most else ' or more'} of [x, y]")
    return tuple((corner[0], corner[1]) for corner in corners)


def _write_number(value: float) -> str:
    return str(_tidy(value))


def _write_spans(value: Sequence[Span]) -> str:
    return _written([{"start": one.start, "end": one.end, **_labelled(one.label)} for one in value])


def _write_boxes(value: Sequence[Box]) -> str:
    return _written(
        [
            {name: _tidy(edge) for name, edge in zip(Box._fields, one[:4], strict=False)} | _labelled(one.label)
            for one in value
        ]
    )


def _write_points(value: Sequence[Point]) -> str:
    return _written([{"x": _tidy(one.x), "y": _tidy(one.y), **_labelled(one.label)} for one in value])


def _write_cornered(value: Sequence[Polygon | Line | Cuboid]) -> str:
    return _written(
        [{"corners": [[_tidy(x), _tidy(y)] for x, y in one.corners], **_labelled(one.label)} for one in value]
    )


def _labelled(label: str) -> dict[str, str]:
    return {"label": label} if label else {}


def _tidy(value: float) -> float:
    """Ten digits are enough, and a whole number is one."""
    short = float(f"{value:.10g}")
    return int(short) if short.is_integer() and abs(short) <= _PLACE_MAX else short


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _same(written: str) -> str:
    return written


def _about(value: Comparison) -> Hashable:
    return frozenset(value[:2])


KINDS: Mapping[str, Kind] = {
    "text": Kind(_same, text.aggregate, _same, _same, text.aggregate, "word accuracy"),
    "number": Kind(
        _read_number,
        number.aggregate,
        _write_number,
        _read_number,
        number.aggregate,
        "nearness in tolerances",
        tolerance=number.usual_tolerance,
        # Less than a tolerance away.
        right=0.6,
    ),
    "fields": Kind(
        _read_fields,
        fields.aggregate,
        lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True),
        _read_fields,
        fields.aggregate,
        "word accuracy, on average",
    ),
    "spans": Kind(_read_spans, spans.aggregate, _write_spans, _read_spans, spans.aggregate, "F1 over characters"),
    "boxes": Kind(_read_boxes, boxes.aggregate, _write_boxes, _read_boxes, boxes.aggregate, "F1 at an IoU of .5"),
    "polygons": Kind(
        _read_polygons, polygons.aggregate, _write_cornered, _read_polygons, polygons.aggregate, "F1 at an IoU of .5"
    ),
    "cuboids": Kind(
        _read_cuboids, cuboids.aggregate, _write_cornered, _read_cuboids, cuboids.aggregate, "F1 at an IoU of .5"
    ),
    "points": Kind(
        _read_points,
        points.aggregate,
        _write_points,
        _read_points,
        points.aggregate,
        "F1 within the tolerance",
        tolerance=lambda _answers: TOLERANCE,
    ),
    "lines": Kind(
        _read_lines,
        lines.aggregate,
        _write_cornered,
        _read_lines,
        lines.aggregate,
        "F1 within the tolerance",
        tolerance=lambda _answers: TOLERANCE,
    ),
    "pairs": Kind(
        _read_comparison,
        pairs.aggregate,
        _written,
        _read_ranking,
        ranking.aggregate,
        "pairs in the same order",
        about=_about,
    ),
    "ranking": Kind(
        _read_ranking, ranking.aggregate, _written, _read_ranking, ranking.aggregate, "pairs in the same order"
    ),
    "sets": Kind(
        _read_set, sets.aggregate, lambda value: _written(sorted(value)), _read_set, sets.aggregate, "Jaccard's measure"
    ),
}

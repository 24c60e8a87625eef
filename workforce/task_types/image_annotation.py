"""Image annotation: things in a picture, each drawn in the shape that the project asks for, with a label.

Answers agree by the things that they find: boxes, polygons and cuboids by what they cover, points and lines by how near
they lie. Coordinates are in pixels from the upper left corner.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import marshmallow as ma

from foundation.errors import invalid
from foundation.fields import Choice, Fraction, Integer, Schema, Text
from workforce.task_types.task_type import Asked, Form, TaskType

_MOST = 500
_FAR = 1e6
_CORNERS_MAX = 1_000


class Shape(StrEnum):
    BOX = "box"
    POLYGON = "polygon"
    LINE = "line"
    POINT = "point"
    CUBOID = "cuboid"


class _Form(Schema):
    shape = Choice(Shape, required=True)
    most = Integer(least=1, most=_MOST, load_default=100)
    tolerance = Fraction(least=0.01, most=_FAR)

    @ma.validates_schema
    def _has_use(self, data: dict[str, Any], **_options: object) -> None:
        if "tolerance" in data and data.get("shape") not in {Shape.POINT, Shape.LINE}:
            raise ma.ValidationError({"tolerance": ["Is for points and lines; the others agree by what they cover."]})


def _coordinate(**options: Any) -> Fraction:
    return Fraction(least=-_FAR, most=_FAR, required=True, **options)


class _Thing(Schema):
    label = Text(required=True, longest=200)


class _Box(_Thing):
    left = _coordinate()
    top = _coordinate()
    width = Fraction(least=0.01, most=_FAR, required=True)
    height = Fraction(least=0.01, most=_FAR, required=True)


class _Point(_Thing):
    x = _coordinate()
    y = _coordinate()


class _Vertex(Schema):
    x = _coordinate()
    y = _coordinate()


def _cornered(least: int, most: int) -> type[Schema]:
    vertices = ma.fields.List(ma.fields.Nested(_Vertex), required=True, validate=ma.validate.Length(least, most))
    return _Thing.from_dict({"vertices": vertices})  # type: ignore[return-value]  # of this very class


def _box(one: Mapping[str, Any]) -> dict[str, Any]:
    left, top = one["left"], one["top"]
    return {"left": left, "top": top, "right": left + one["width"], "bottom": top + one["height"]}


def _edges(one: Mapping[str, Any]) -> dict[str, Any]:
    left, top = one["left"], one["top"]
    return {"left": left, "top": top, "width": one["right"] - left, "height": one["bottom"] - top}


def _corners(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"corners": [[vertex["x"], vertex["y"]] for vertex in one["vertices"]]}


def _vertices(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"vertices": [{"x": x, "y": y} for x, y in one["corners"]]}


def _place(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"x": one["x"], "y": one["y"]}


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A shape: its kind in quality, the schema of one, and how it is told there and here."""

    kind: str
    schema: type[Schema]
    told: Callable[[Mapping[str, Any]], dict[str, Any]]
    shown: Callable[[Mapping[str, Any]], dict[str, Any]]


_SHAPES: Mapping[str, _Drawn] = {
    Shape.BOX: _Drawn("boxes", _Box, _box, _edges),
    Shape.POLYGON: _Drawn("polygons", _cornered(3, _CORNERS_MAX), _corners, _vertices),
    Shape.LINE: _Drawn("lines", _cornered(2, _CORNERS_MAX), _corners, _vertices),
    Shape.POINT: _Drawn("points", _Point, _place, _place),
    # The four corners of the front from its upper left on, clockwise, then those behind them.
    Shape.CUBOID: _Drawn("cuboids", _cornered(8, 8), _corners, _vertices),
}


def _answer(drawn: _Drawn) -> Schema:
    things = ma.fields.List(ma.fields.Nested(drawn.schema), required=True, validate=ma.validate.Length(max=_MOST))
    return Schema.from_dict({"annotations": things})()  # type: ignore[return-value]  # of this very class


_ANSWERS = {shape: _answer(drawn) for shape, drawn in _SHAPES.items()}


def _read(answer: dict[str, Any], asked: Asked) -> str:
    things: Sequence[dict[str, Any]] = answer["annotations"]
    if len(things) > asked.form["most"]:
        raise invalid({"payload": {"annotations": [f"At most {asked.form['most']}."]}})
    reason = f"Must be one of: {', '.join(asked.labels)}."[:190]
    wrong = {i: {"label": [reason]} for i, one in enumerate(things) if one["label"] not in asked.labels}
    if wrong:
        raise invalid({"payload": {"annotations": wrong}})
    told = _SHAPES[asked.form["shape"]].told
    return json.dumps([{**told(one), "label": one["label"]} for one in things])


def _shown(value: str, form: Form) -> dict[str, Any]:
    shown = _SHAPES[form["shape"]].shown
    return {"annotations": [{"label": one["label"], **shown(one)} for one in json.loads(value)]}


TYPE = TaskType(
    "image_annotation",
    answer=lambda form: _ANSWERS[form["shape"]],
    read=_read,
    shown=_shown,
    kind=lambda form: _SHAPES[form["shape"]].kind,
    labels=(1, 100),
    form=_Form(),
)

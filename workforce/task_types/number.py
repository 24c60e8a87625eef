"""Number: how many, how much, how far, on any scale. Answers agree as their distance is to the tolerance."""

import json
from typing import Any

import marshmallow as ma

from foundation.errors import invalid
from foundation.fields import Fraction, Schema
from workforce.task_types.task_type import Asked, Form, TaskType

_FAR = 1e12


class _Form(Schema):
    least = Fraction(least=-_FAR, most=_FAR, load_default=-_FAR)
    most = Fraction(least=-_FAR, most=_FAR, load_default=_FAR)
    tolerance = Fraction(least=1e-6, most=_FAR)

    @ma.validates_schema
    def _in_order(self, data: dict[str, Any], **_options: object) -> None:
        if data.get("least", -_FAR) >= data.get("most", _FAR):
            raise ma.ValidationError({"least": ["Must be below most."]})


class _Answer(Schema):
    number = Fraction(least=-_FAR, most=_FAR, required=True)


_ANSWER = _Answer()


def _read(answer: dict[str, Any], asked: Asked) -> str:
    least, most = asked.form["least"], asked.form["most"]
    if not least <= answer["number"] <= most:
        raise invalid({"payload": {"number": [f"Must lie between {least:g} and {most:g}."]}})
    return f"{answer['number']:.10g}"


def _shown(value: str, _form: Form) -> dict[str, Any]:
    return {"number": json.loads(value)}


TYPE = TaskType(
    "number",
    answer=lambda _form: _ANSWER,
    read=_read,
    shown=_shown,
    kind=lambda _form: "number",
    form=_Form(),
)

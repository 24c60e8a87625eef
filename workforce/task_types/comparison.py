"""Comparison: which of two things is better, and by how much. Each possible answer is a class of its own.

So the matrices of workers tell who is shy of saying much, who finds all alike, and who prefers what stands first.
"""

from enum import StrEnum
from typing import Any

import marshmallow as ma

from foundation.errors import invalid
from foundation.fields import Choice, Flag, Integer, Schema, Text
from workforce.task_types.task_type import Asked, Form, TaskType

_STRENGTHS_MAX = 5
_BY = " by "


class Better(StrEnum):
    FIRST = "first"
    SECOND = "second"
    ALIKE = "alike"


class _Form(Schema):
    strengths = Integer(least=1, most=_STRENGTHS_MAX, load_default=1)
    alike = Flag(load_default=True)


class _Question(Schema):
    items = ma.fields.List(Text(shortest=1), required=True, validate=ma.validate.Length(equal=2))


class _Answer(Schema):
    better = Choice(Better, required=True)
    strength = Integer(least=1, most=_STRENGTHS_MAX)


_ANSWER = _Answer()


def _named(form: Form) -> list[str]:
    """The classes, from the first being better by most to the second."""
    strengths = range(1, form["strengths"] + 1)
    first = [f"{Better.FIRST}{_BY}{strength}" for strength in reversed(strengths)]
    alike = [Better.ALIKE.value] if form["alike"] else []
    return [*first, *alike, *(f"{Better.SECOND}{_BY}{strength}" for strength in strengths)]


def _read(answer: dict[str, Any], asked: Asked) -> str:
    if answer["better"] == Better.ALIKE:
        if "strength" in answer:
            raise invalid({"payload": {"strength": ["Leave it out where both are alike."]}})
        label = Better.ALIKE.value
    else:
        label = f"{answer['better']}{_BY}{answer.get('strength', 1)}"
    if label not in asked.labels:
        wrong = "better" if label == Better.ALIKE else "strength"
        raise invalid({"payload": {wrong: [f"An answer is one of: {', '.join(asked.labels)}."]}})
    return label


def _shown(label: str, _form: Form) -> dict[str, Any]:
    better, _, strength = label.partition(_BY)
    return {"better": better, "strength": int(strength)} if strength else {"better": better}


TYPE = TaskType(
    "comparison",
    answer=lambda _form: _ANSWER,
    read=_read,
    shown=_shown,
    labels=(2, 2 * _STRENGTHS_MAX + 1),
    named=_named,
    form=_Form(),
    question=_Question(),
)

"""Named entities: stretches of the task's text, each with a label. Answers agree by the characters that they mark."""

import json
from typing import Any

import marshmallow as ma

from foundation.errors import invalid
from foundation.fields import Integer, Schema, Text
from workforce.task_types.task_type import Asked, Form, TaskType

_MOST = 1_000
_LONGEST = 50_000


class _Question(Schema):
    text = Text(required=True, shortest=1, longest=_LONGEST)


class _Entity(Schema):
    start = Integer(required=True, most=_LONGEST)
    end = Integer(required=True, least=1, most=_LONGEST)
    label = Text(required=True, longest=200)


class _Answer(Schema):
    entities = ma.fields.List(ma.fields.Nested(_Entity), required=True, validate=ma.validate.Length(max=_MOST))


_ANSWER = _Answer()


def _read(answer: dict[str, Any], asked: Asked) -> str:
    length = len(asked.params["text"])
    wrong = {i: fault for i, one in enumerate(answer["entities"]) if (fault := _fault(one, asked, length))}
    if wrong:
        raise invalid({"payload": {"entities": wrong}})
    return json.dumps(answer["entities"])


def _fault(one: dict[str, Any], asked: Asked, length: int) -> dict[str, list[str]]:
    if one["label"] not in asked.labels:
        return {"label": [f"Must be one of: {', '.join(asked.labels)}."[:190]]}
    if not one["start"] < one["end"] <= length:
        return {"end": [f"Must be behind start, and at most {length}, where the text ends."]}
    return {}


def _shown(value: str, _form: Form) -> dict[str, Any]:
    return {"entities": json.loads(value)}


TYPE = TaskType(
    "named_entities",
    answer=lambda _form: _ANSWER,
    read=_read,
    shown=_shown,
    kind=lambda _form: "spans",
    labels=(1, 100),
    question=_Question(),
)

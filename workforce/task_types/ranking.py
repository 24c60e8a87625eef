"""Ranking: some things in order, the best first. Answers agree by the share of pairs in the same order."""

import json
from collections import Counter
from typing import Any

import marshmallow as ma

from foundation.errors import invalid
from foundation.fields import Schema, Text
from workforce.task_types.task_type import Asked, Form, TaskType

_ITEMS_MAX = 50


class _Question(Schema):
    items = ma.fields.List(
        Text(shortest=1, longest=1_000, name=True), required=True, validate=ma.validate.Length(2, _ITEMS_MAX)
    )

    @ma.validates_schema
    def _each_once(self, data: dict[str, Any], **_options: object) -> None:
        if len(set(data.get("items", ()))) < len(data.get("items", ())):
            raise ma.ValidationError({"items": ["Name each just once."]})


class _Answer(Schema):
    ranking = ma.fields.List(Text(longest=1_000), required=True, validate=ma.validate.Length(max=_ITEMS_MAX))


_ANSWER = _Answer()


def _read(answer: dict[str, Any], asked: Asked) -> str:
    if Counter(answer["ranking"]) != Counter(asked.params["items"]):
        raise invalid({"payload": {"ranking": ["Must have each item of the task just once."]}})
    return json.dumps(answer["ranking"])


def _shown(value: str, _form: Form) -> dict[str, Any]:
    return {"ranking": json.loads(value)}


TYPE = TaskType(
    "ranking",
    answer=lambda _form: _ANSWER,
    read=_read,
    shown=_shown,
    kind=lambda _form: "ranking",
    question=_Question(),
)

"""Text collection: texts that a worker writes into the fields of a form, such as an answer to a prompt.

Answers agree by the words of each field, on average. Where everybody shall write what comes to their mind, ask one
worker for each task (`overlap_max` 1).
"""

import json
from typing import Any

import marshmallow as ma

from foundation.errors import invalid
from foundation.fields import Flag, Integer, JsonObject, Schema, Text
from workforce.task_types.task_type import Asked, Form, TaskType

_FIELDS_MAX = 20
_LONGEST = 10_000


class _Field(Schema):
    name = Text(required=True, shortest=1, longest=100, name=True)
    required = Flag(load_default=True)
    longest = Integer(least=1, most=_LONGEST, load_default=_LONGEST)


class _Form(Schema):
    fields_ = ma.fields.List(
        ma.fields.Nested(_Field), data_key="fields", attribute="fields", required=True,
        validate=ma.validate.Length(1, _FIELDS_MAX),
    )  # fmt: skip

    @ma.validates_schema
    def _each_once(self, data: dict[str, Any], **_options: object) -> None:
        names = [each["name"] for each in data.get("fields", ())]
        if len(set(names)) < len(names):
            raise ma.ValidationError({"fields": ["The names of fields must differ from each other."]})


class _Answer(Schema):
    fields_ = JsonObject(data_key="fields", attribute="fields", required=True)


_ANSWER = _Answer()
_TEXT = Text(longest=_LONGEST)


def _read(answer: dict[str, Any], asked: Asked) -> str:
    wanted = {each["name"]: each for each in asked.form["fields"]}
    given: dict[str, Any] = answer["fields"]
    wrong = {name: ["There is no such field."] for name in given if name not in wanted}
    for name, each in wanted.items():
        if fault := _fault(each, given.get(name, "")):
            wrong[name] = [fault]
    if wrong:
        raise invalid({"payload": {"fields": wrong}})
    return json.dumps(given, sort_keys=True)


def _fault(wanted: dict[str, Any], written: Any) -> str | None:
    try:
        text = _TEXT.deserialize(written)
    except ma.ValidationError as error:
        return str(error.messages[0])
    if len(text) > wanted["longest"]:
        return f"Longer than {wanted['longest']} characters."
    return "Must be filled." if wanted["required"] and not text.strip() else None


def _shown(value: str, _form: Form) -> dict[str, Any]:
    return {"fields": json.loads(value)}


TYPE = TaskType(
    "text_collection",
    answer=lambda _form: _ANSWER,
    read=_read,
    shown=_shown,
    kind=lambda _form: "fields",
    form=_Form(),
)

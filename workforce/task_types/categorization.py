"""Categorization: which of some categories a thing belongs to. The answer is one category's name."""

from typing import Any

from foundation.errors import invalid
from foundation.fields import Schema, Text
from workforce.task_types.task_type import Asked, Form, TaskType

NAME = "categorization"


class _Answer(Schema):
    category = Text(required=True, longest=200)


_ANSWER = _Answer()


def _read(answer: dict[str, Any], asked: Asked) -> str:
    category: str = answer["category"]
    if category not in asked.labels:
        raise invalid({"payload": {"category": [f"Must be one of: {', '.join(asked.labels)}."[:190]]}})
    return category


def _shown(label: str, _form: Form) -> dict[str, Any]:
    return {"category": label}


TYPE = TaskType(NAME, answer=lambda _form: _ANSWER, read=_read, shown=_shown, labels=(2, 100))

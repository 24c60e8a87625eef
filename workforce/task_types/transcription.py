"""Transcription: what is said or written somewhere, as a text. Answers agree by their words."""

from typing import Any

from foundation.fields import Schema, Text
from workforce.task_types.task_type import Asked, Form, TaskType


class _Answer(Schema):
    text = Text(required=True, longest=10_000)


_ANSWER = _Answer()


def _read(answer: dict[str, Any], _asked: Asked) -> str:
    return str(answer["text"])


def _shown(value: str, _form: Form) -> dict[str, Any]:
    return {"text": value}


TYPE = TaskType("transcription", answer=lambda _form: _ANSWER, read=_read, shown=_shown, kind=lambda _form: "text")

"""What a kind of work says of itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from foundation.fields import Schema

Form = Mapping[str, Any]
"""What a project says of its answers, as its type's `form` has it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer is an answer to: labels and form of its project, and the params of its task."""

    labels: Sequence[str]
    form: Form
    params: Mapping[str, Any]


def _nothing(_labels: Sequence[str], _form: Form) -> None:
    pass


@dataclass(frozen=True, slots=True)
class TaskType:
    """A kind of work.

    name : of projects, in the API and in tables. labels : how few and how many its projects have; named : those that
    follow from the form. form : the schema of what a project says of its answers. fits : raises `Invalid` where labels
    and form do not go together. question : the schema of those params that its tasks need, if there are any.

    answer : the schema of what a worker sends, by the form. read : that, checked, as one of the labels, or as `kind`
    reads it (`quality/kinds.py`); raises `Invalid` with a pointer below /payload. shown : the same, back again.
    kind : of answers that are no classes, by the form; None where each is one of the labels.
    """

    name: str
    answer: Callable[[Form], Schema]
    read: Callable[[dict[str, Any], Asked], str]
    shown: Callable[[str, Form], dict[str, Any]]
    kind: Callable[[Form], str | None] = lambda _form: None
    labels: tuple[int, int] = (0, 0)
    named: Callable[[Form], list[str]] | None = None
    form: Schema = field(default_factory=Schema)
    fits: Callable[[Sequence[str], Form], None] = _nothing
    question: Schema | None = None

"""Kinds of work, one file each: what a requester sends, what a worker answers, and what makes two answers agree.

Whoever adds a file that has a `TYPE` has added a type.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from foundation.errors import invalid
from foundation.http import load
from workforce.task_types.task_type import Asked, Form, TaskType

_MODULES = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
TYPES: Mapping[str, TaskType] = {each.TYPE.name: each.TYPE for each in _MODULES if hasattr(each, "TYPE")}

TypeName = StrEnum("TypeName", {name: name for name in sorted(TYPES)})  # type: ignore[misc]  # who knows what is there


def set_up(name: str, labels: Sequence[str], form: Form) -> tuple[list[str], dict[str, Any]]:
    """Labels and form of a new project. Raises `Invalid`."""
    task_type = TYPES[name]
    checked: dict[str, Any] = load(task_type.form, form, within="/form")
    if task_type.named is not None:
        if labels:
            raise invalid({"labels": [f"A project of type {name} makes its labels of its form; leave them out."]})
        return task_type.named(checked), checked
    least, most = task_type.labels
    if not least <= len(labels) <= most:
        wanted = "no labels" if most == 0 else f"{least} to {most} labels"
        raise invalid({"labels": [f"A project of type {name} has {wanted}."]})
    task_type.fits(labels, checked)
    return list(labels), checked


def check_question(name: str, params: Mapping[str, Any]) -> None:
    """Whether a task has what its type needs. Raises `Invalid`."""
    wanted = TYPES[name].question
    if wanted is not None:
        load(wanted, {key: params[key] for key in wanted.fields if key in params})


def read(name: str, payload: Mapping[str, Any], asked: Asked) -> str:
    """What an answer says, as a label's name or as its kind has it. Raises `Invalid` with pointers below /payload."""
    task_type = TYPES[name]
    return task_type.read(load(task_type.answer(asked.form), payload, within="/payload"), asked)

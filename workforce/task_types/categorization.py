"""Categorization: which of some categories a thing belongs to. The answer is one category's name."""

from collections.abc import Sequence
from typing import Any

from foundation.errors import invalid

NAME = "categorization"


def label_of(payload: dict[str, Any], labels: Sequence[str]) -> int:
    """The class number of an answer `{"category": name}`. Raises `Invalid` that points at what is wrong."""
    if set(payload) != {"category"}:
        raise invalid({"payload": ['Must be {"category": ...} and nothing else.']})
    if payload["category"] not in labels:
        raise invalid({"payload": {"category": [f"Must be one of: {', '.join(labels)}."[:190]]}})
    return labels.index(payload["category"])


def response_of(label: int, labels: Sequence[str]) -> dict[str, Any]:
    """A settled label in the shape that requesters read."""
    return {"category": labels[label]}

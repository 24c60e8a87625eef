"""Categorization: one category's name, and nothing else."""

from typing import Any

import pytest

from foundation.errors import Invalid
from workforce import task_types
from workforce.task_types.task_type import Asked

LABELS = ["crow", "rook", "raven"]


def read(payload: dict[str, Any], labels: list[str]) -> str:
    return task_types.read("categorization", payload, Asked(labels, {}, {}))


@pytest.mark.parametrize("label", LABELS)
def test_a_category_is_its_label_and_back(label: str) -> None:
    payload = task_types.TYPES["categorization"].shown(label, {})

    assert payload == {"category": label}
    assert read(payload, LABELS) == label


BAD: dict[str, dict[str, Any]] = {
    "nothing": {},
    "another key": {"label": "crow"},
    "one key more": {"category": "crow", "sure": True},
    "another category": {"category": "Crow"},
    "a number": {"category": 0},
    "a list": {"category": ["crow"]},
    "an object": {"category": {"crow": 1}},
    "null": {"category": None},
}


@pytest.mark.parametrize("payload", BAD.values(), ids=BAD.keys())
def test_anything_else_is_refused_with_its_place(payload: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        read(payload, LABELS)

    assert refused.value.errors[0]["pointer"].startswith("/payload")


def test_the_advice_stays_short_however_many_categories_there_are() -> None:
    with pytest.raises(Invalid) as refused:
        read({"category": "x"}, [f"category {i}" for i in range(100)])

    assert len(refused.value.errors[0]["reason"]) <= 200

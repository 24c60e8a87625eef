"""Categorization: one category's name, and nothing else."""

from typing import Any

import pytest

from foundation.errors import Invalid
from workforce.task_types import categorization

LABELS = ["crow", "rook", "raven"]


@pytest.mark.parametrize("label", range(3))
def test_a_category_is_its_number_and_back(label: int) -> None:
    payload = categorization.response_of(label, LABELS)

    assert payload == {"category": LABELS[label]}
    assert categorization.label_of(payload, LABELS) == label


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
        categorization.label_of(payload, LABELS)

    assert refused.value.errors[0]["pointer"].startswith("/payload")


def test_the_advice_stays_short_however_many_categories_there_are() -> None:
    with pytest.raises(Invalid) as refused:
        categorization.label_of({"category": "x"}, [f"category {i}" for i in range(100)])

    assert len(refused.value.errors[0]["reason"]) <= 200

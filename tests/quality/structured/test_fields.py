"""Fields: each is merged by itself, and all count alike."""

import pytest

from quality.structured import fields
from tests.quality.structured.kinds import one_task


def test_each_field_is_merged_by_itself() -> None:
    found = fields.aggregate(
        one_task(
            {"title": "The rook", "body": "It flies."},
            {"title": "The rook", "body": "It sings."},
            {"title": "The crow", "body": "It flies."},
        )
    )

    assert found.consensus == [{"title": "The rook", "body": "It flies."}]
    assert found.agreement == pytest.approx([1.0, 0.75, 0.75])


def test_a_field_that_is_left_out_is_an_empty_text() -> None:
    found = fields.aggregate(one_task({"title": "The rook"}, {"title": "The rook", "body": ""}, {"title": "The rook"}))

    assert found.consensus == [{"title": "The rook"}]
    assert found.agreement == pytest.approx(1.0)


def test_an_answer_in_which_nothing_is_filled_is_one() -> None:
    found = fields.aggregate(one_task({}, {}))

    assert found.consensus == [{}]
    assert found.agreement == pytest.approx(1.0)


def test_a_known_answer_stands_as_it_is() -> None:
    found = fields.aggregate(one_task({"title": "The crow"}), known={0: {"title": "A rook"}})

    assert found.consensus == [{"title": "A rook"}]
    assert found.confidence == pytest.approx(1.0)

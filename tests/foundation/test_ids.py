"""Ids."""

from hypothesis import given
from hypothesis import strategies as st

from foundation import ids


def test_an_id_carries_its_prefix_and_is_valid_for_that_prefix_alone() -> None:
    made = ids.new("tsk")

    assert ids.looks_valid(made, "tsk")
    assert not ids.looks_valid(made, "asg")


def test_ids_sort_by_the_order_in_which_they_were_made() -> None:
    made = [ids.new("tsk") for _ in range(1000)]

    assert made == sorted(made)


def test_ten_thousand_ids_of_one_moment_all_differ() -> None:
    assert len({ids.new("tsk") for _ in range(10_000)}) == 10_000


@given(st.text(max_size=40))
def test_no_other_text_looks_like_an_id(text: str) -> None:
    valid = ids.looks_valid(text, "tsk")

    assert valid == (len(text) == 30 and text.startswith("tsk_") and valid)

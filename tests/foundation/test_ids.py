"""Ids."""

import time
from datetime import UTC, datetime

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


def test_an_id_between_two_others_sorts_between_them() -> None:
    earlier = ids.new("tsk")
    time.sleep(0.01)
    later = ids.new("tsk")

    made = [ids.between(earlier, later) for _ in range(100)]

    assert all(earlier < one < later for one in made)
    assert all(ids.looks_valid(one, "tsk") for one in made)
    assert len({one[:16] for one in made}) > 90


def test_where_nothing_is_between_an_id_comes_shortly_before_the_later_one() -> None:
    earlier = ids.new("tsk")
    time.sleep(0.1)
    later = ids.new("tsk")

    assert all(earlier < ids.between(one, later) < later for one in (later, "asg_7" + "z" * 25) for _ in range(100))


def test_an_id_before_the_first_moment_of_all_is_one_too() -> None:
    assert ids.looks_valid(ids.between("tsk_" + "0" * 26, "tsk_" + "0" * 26), "tsk")


def test_the_earliest_id_of_a_moment_comes_after_those_before_it_and_before_all_others() -> None:
    before = ids.new("tsk")
    time.sleep(0.001)
    earliest = ids.earliest("tsk", datetime.now(UTC))
    time.sleep(0.001)

    assert before < earliest < ids.new("tsk")
    assert ids.looks_valid(earliest, "tsk")


def test_the_ends_of_time_have_an_earliest_id_too() -> None:
    first = ids.earliest("tsk", datetime.min.replace(tzinfo=UTC))
    last = ids.earliest("tsk", datetime.max.replace(tzinfo=UTC))

    assert first == "tsk_" + "0" * 26 < ids.new("tsk") < last
    assert ids.looks_valid(last, "tsk")

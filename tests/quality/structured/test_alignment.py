"""Texts beside each other: edits are counted right, and words stand where the fewest edits put them."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.structured import alignment
from quality.structured.alignment import GAP

_texts = st.lists(st.integers(0, 3), max_size=7)


def edits(one: Sequence[int], other: Sequence[int]) -> int:
    """As it is defined, without any table."""
    if not one or not other:
        return len(one) + len(other)
    replaced = edits(one[1:], other[1:]) + (one[0] != other[0])
    if one[0] == other[0]:
        return replaced
    return min(replaced, edits(one[1:], other) + 1, edits(one, other[1:]) + 1)


@given(_texts, st.lists(_texts, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_agreement_is_what_the_fewest_edits_leave_of_the_longer_text(one: list[int], others: list[list[int]]) -> None:
    found = alignment.agreements(one, others)

    expected = [1.0 - edits(one, other) / max(len(one), len(other), 1) for other in others]
    assert found == pytest.approx(expected)


@given(_texts, st.lists(_texts, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_words_in_any_order_agree_no_less(one: list[int], others: list[list[int]]) -> None:
    assert (alignment.overlaps(one, others) >= alignment.agreements(one, others) - 1e-12).all()
    assert alignment.overlaps(one, [one[::-1]]) == pytest.approx(1.0)


@given(_texts, st.lists(_texts, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_aligned_texts_keep_their_words_and_cost_the_fewest_edits(pivot: list[int], others: list[list[int]]) -> None:
    aligned = alignment.align(pivot, others)

    for other, columns in zip(others, aligned, strict=True):
        assert len(columns) == len(pivot) + 1
        assert columns[0][0] == GAP
        assert [word for column in columns for word in column if word != GAP] == other
        replaced = sum(column[0] != word for column, word in zip(columns[1:], pivot, strict=True))
        assert replaced + sum(len(column) - 1 for column in columns) == edits(pivot, other)


def test_a_word_put_in_stands_after_the_word_before_it() -> None:
    (columns,) = alignment.align([1, 2], [[1, 9, 2]])

    assert columns == [[GAP], [1, 9], [2]]


def test_two_empty_texts_agree() -> None:
    assert alignment.agreements([], [[], [1]]) == pytest.approx([1.0, 0.0])
    assert alignment.overlaps([], [[], [1]]) == pytest.approx([1.0, 0.0])


def test_many_words_take_arrays_and_no_recursion() -> None:
    rng = np.random.default_rng(1)
    text = rng.integers(0, 50, size=600).tolist()

    found = alignment.agreements(text, [text, text[:300], [*text[1:], 99]])

    assert found == pytest.approx([1.0, 0.5, 1.0 - 2 / 600])

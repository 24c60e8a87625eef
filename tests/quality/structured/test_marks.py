"""Choosing marks: the choice that is expected to agree best, whatever their sizes."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from quality.structured import marks

_probabilities = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6)


def expected_f1(kept: NDArray[np.bool_], right: NDArray[np.float64], sizes: NDArray[np.float64]) -> float:
    return float(2 * (kept * right * sizes).sum() / (kept * sizes + right * sizes).sum())


@given(_probabilities, st.data())
@settings(max_examples=80, deadline=None)
def test_no_other_choice_is_expected_to_agree_better(probabilities: list[float], data: st.DataObject) -> None:
    right = np.array(probabilities).clip(0.01, 1.0)
    sizes = np.array(data.draw(st.lists(st.integers(1, 9), min_size=right.size, max_size=right.size)), dtype=np.float64)

    chosen, expected = marks.choose(right, sizes, nothing=0.0)

    assert expected == pytest.approx(expected_f1(chosen, right, sizes))
    others = [np.array(kept) for kept in product([False, True], repeat=right.size) if any(kept)]
    assert expected >= max(expected_f1(kept, right, sizes) for kept in others) - 1e-6


def test_nothing_is_chosen_where_nothing_is_the_more_probable() -> None:
    right, sizes = np.array([0.2, 0.1]), np.ones(2)

    chosen, expected = marks.choose(right, sizes, nothing=0.75)

    assert not chosen.any()
    assert expected == 0.75


def test_of_no_marks_nothing_is_chosen() -> None:
    chosen, expected = marks.choose(np.empty(0), np.empty(0), nothing=0.9)

    assert chosen.size == 0
    assert expected == 0.9


def test_certain_marks_are_kept_and_no_others() -> None:
    chosen, expected = marks.choose(np.array([0.0, 1.0, 1.0]), np.array([5.0, 1.0, 2.0]), nothing=0.0)

    assert chosen.tolist() == [False, True, True]
    assert expected == 1.0


def test_f1_is_twice_what_is_shared_per_size_of_both() -> None:
    marked = np.array([[True, False], [False, True], [False, False]])

    assert marks.f1(marked, np.array([True, False]), np.array([3.0, 1.0])) == pytest.approx([1.0, 0.0, 0.0])
    assert marks.f1(marked, np.array([False, False]), np.array([3.0, 1.0])) == pytest.approx([0.0, 0.0, 1.0])
    assert marks.f1(marked, np.array([True, True]), np.array([3.0, 1.0])) == pytest.approx([6 / 7, 2 / 5, 0.0])

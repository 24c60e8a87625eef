"""Whom to ask next: what one voter's answer is expected to tell of some tasks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.methods import reading, separation
from quality.methods.votes import FloatArray

_SEEDS = st.integers(0, 2**32 - 1)
_OPEN = np.array([[0.5, 0.5]])


def coin(right: float) -> FloatArray:
    return np.array([[right, 1 - right], [1 - right, right]])


@given(_SEEDS)
@settings(deadline=None)
def test_the_gain_of_one_voter_is_the_expected_gain_of_a_crowd_of_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found, confusion = rng.dirichlet(np.ones(4), size=20), rng.dirichlet(np.ones(4), size=4)

    gain = separation.gain(found, confusion)

    assert gain == pytest.approx(reading.expected_gain(found, confusion[np.newaxis], np.ones(1)), abs=1e-12)


def test_a_voter_is_sent_where_they_tell_the_leading_classes_apart() -> None:
    finch_or_wren, wren_or_lark = [0.5, 0.5, 0.0], [0.0, 0.5, 0.5]
    confuses_finch_and_wren = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.1, 0.9]])

    chosen = separation.best(np.array([finch_or_wren, wren_or_lark]), confuses_finch_and_wren)

    assert chosen == 1


def test_where_no_single_answer_can_change_a_label_the_most_telling_one_is_asked_for() -> None:
    found = np.array([[0.99, 0.01], [0.9, 0.1], [0.9, 0.1]])

    chosen = separation.best(found, coin(0.7))

    assert separation.gain(found, coin(0.7)) == pytest.approx([0.0, 0.0, 0.0])
    assert chosen == 1


def test_a_sure_voter_tells_all_that_is_left_to_know_and_a_guessing_one_nothing() -> None:
    told = separation.information(_OPEN, np.array([coin(1.0), coin(0.5)]))

    assert told[:, 0] == pytest.approx([np.log(2), 0.0])


def test_who_is_always_wrong_tells_as_much_as_who_is_always_right() -> None:
    told = separation.information(_OPEN, np.array([coin(0.1), coin(0.9)]))

    assert told[0] == pytest.approx(told[1])


@given(_SEEDS)
@settings(deadline=None)
def test_no_answer_tells_more_than_there_is_to_know(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found, confusion = rng.dirichlet(np.ones(3), size=20), rng.dirichlet(np.ones(3), size=(5, 3))

    told = separation.information(found, confusion)

    assert (told >= 0).all()
    assert (told <= -(found * np.log(found)).sum(axis=1) + 1e-9).all()


def test_a_voter_stands_out_as_far_as_they_tell_more_than_the_crowd_does() -> None:
    crowd, weights = np.array([coin(0.9), coin(0.5)]), np.array([3.0, 1.0])

    assert separation.standing_out(_OPEN, crowd, weights) == pytest.approx(np.array([[4 / 3], [0.0]]))


def test_nobody_stands_out_where_nobody_tells_anything() -> None:
    certain = np.array([[1.0, 0.0]])

    assert separation.standing_out(certain, np.array([coin(0.9)]), np.ones(1)) == pytest.approx(np.ones((1, 1)))
    assert separation.standing_out(_OPEN, np.array([coin(0.5)]), np.ones(1)) == pytest.approx(np.ones((1, 1)))
    assert separation.standing_out(_OPEN, np.empty((0, 2, 2)), np.empty(0)).shape == (0, 1)

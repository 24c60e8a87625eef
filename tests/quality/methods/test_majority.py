"""Majority, Wawa and one-coin: what they say of tiny crowds, and that all methods keep the same promises."""

import numpy as np
import pytest
from hypothesis import given, settings

from quality.methods import dawid_skene, hierarchical, majority, one_coin, wawa
from quality.methods.aggregate import Method
from quality.methods.votes import UNKNOWN, Votes
from tests.quality.methods.crowds import bluebirds, crowd, share_right, some_votes, votes_of

METHODS = (majority.aggregate, wawa.aggregate, one_coin.aggregate, dawid_skene.aggregate, hierarchical.aggregate)


def test_the_majority_is_counted_and_ties_share_the_credit() -> None:
    votes = votes_of([(0, 0, 0), (0, 1, 1), (0, 2, 1), (1, 0, 0), (1, 1, 1)], n_tasks=3, n_voters=3)

    found = majority.aggregate(votes)

    assert found.posterior == pytest.approx(np.array([[1 / 3, 2 / 3], [0.5, 0.5], [0.5, 0.5]]))
    assert found.reliability == pytest.approx([(1 / 3 + 1 / 2) / 2, (2 / 3 + 1 / 2) / 2, 2 / 3])


def test_a_voter_without_votes_agrees_as_everybody_does_on_average() -> None:
    votes = votes_of([(0, 0, 1), (0, 1, 1), (1, 0, 0), (1, 1, 1)], n_tasks=2, n_voters=3)

    assert majority.aggregate(votes).reliability[2] == pytest.approx(0.75)


def test_wawa_lets_those_who_mostly_agree_decide_a_tie() -> None:
    rows = [(task, voter, 0) for task in range(4) for voter in (0, 1, 2)]
    rows += [(task, 3, 1) for task in range(4)] + [(4, 0, 0), (4, 3, 1)]

    found = wawa.aggregate(votes_of(rows, n_tasks=5, n_voters=4))

    assert found.posterior[4, 0] > 0.8
    assert found.reliability == pytest.approx([0.9, 1.0, 1.0, 0.1])


def test_one_coin_finds_who_is_right_how_often() -> None:
    votes, truth = crowd(np.random.default_rng(2), accuracies=[0.95, 0.8, 0.7, 0.6], n_tasks=2000, n_classes=4)

    found = one_coin.aggregate(votes)

    assert found.converged
    assert share_right(found.posterior, truth) > 0.93
    assert found.reliability == pytest.approx([0.95, 0.8, 0.7, 0.6], abs=0.03)


def test_one_coin_does_not_run_away_to_one_class() -> None:
    votes, truth = bluebirds()

    assert share_right(one_coin.aggregate(votes).posterior, truth) > 0.7


@pytest.mark.parametrize("aggregate", METHODS, ids=lambda method: method.__module__.rpartition(".")[2])
@given(votes=some_votes())
@settings(max_examples=30, deadline=None)
def test_every_method_gives_probabilities_and_keeps_what_is_known(aggregate: Method, votes: Votes) -> None:
    known = np.full(votes.n_tasks, UNKNOWN)
    known[:1] = votes.n_classes - 1

    for found in (aggregate(votes), aggregate(votes, known=known)):
        assert np.isfinite(found.posterior).all()
        assert found.posterior.sum(axis=1) == pytest.approx(1.0)
        assert (found.posterior >= 0).all()
        assert found.reliability.shape == (votes.n_voters,)
        assert ((found.reliability >= -1e-12) & (found.reliability <= 1 + 1e-12)).all()
    assert found.posterior[:1, -1] == pytest.approx(1.0)

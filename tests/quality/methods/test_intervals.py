"""Intervals of reliability: they cover as often as they say, also where labels are uncertain or wrong together."""

import numpy as np
import pytest
from hypothesis import given, settings

from quality.methods import hierarchical, intervals, reading
from quality.methods.votes import FloatArray, IntArray, Votes
from tests.quality.methods.crowds import bluebirds, crowd, some_votes, votes_of


def certain(truth: IntArray, n_classes: int) -> FloatArray:
    rows: FloatArray = np.eye(n_classes)[truth]
    return rows


@given(some_votes())
@settings(max_examples=60, deadline=None)
def test_bounds_are_in_order_whatever_the_votes(votes: Votes) -> None:
    found = intervals.reliability(votes, reading.read(votes, hierarchical.fit(votes)))

    assert (found.low >= 0).all()
    assert (found.low <= found.reliability).all()
    assert (found.reliability <= found.high).all()
    assert (found.high <= 1).all()


def test_with_certain_labels_nine_of_ten_intervals_cover() -> None:
    rng = np.random.default_rng(11)
    accuracies = rng.beta(8, 2, size=300)
    truth = rng.integers(3, size=4000)
    rows = []
    for voter, accuracy in enumerate(accuracies):
        tasks = rng.choice(4000, size=int(rng.integers(5, 80)), replace=False)
        wrong = (truth[tasks] + rng.integers(1, 3, size=tasks.size)) % 3
        labels = np.where(rng.random(tasks.size) < accuracy, truth[tasks], wrong)
        rows += [(int(task), voter, int(label)) for task, label in zip(tasks, labels, strict=True)]
    votes = votes_of(rows, n_tasks=4000, n_voters=300, n_classes=3)

    found = intervals.reliability(votes, certain(truth, 3))

    covered = (found.low <= accuracies) & (accuracies <= found.high)
    assert 0.85 <= covered.mean() <= 0.95


def test_more_votes_and_certain_labels_make_it_narrow() -> None:
    votes, truth = crowd(np.random.default_rng(3), accuracies=[0.9, 0.8, 0.8, 0.7], n_tasks=400, n_classes=2)
    few = votes_of(
        [row for row in zip(votes.tasks, votes.voters, votes.labels, strict=True) if row[1] or row[0] < 10],
        n_tasks=400,
        n_voters=4,
    )
    sure, unsure = certain(truth, 2), 0.8 * certain(truth, 2) + 0.1

    def width(votes: Votes, believed: FloatArray) -> float:
        found = intervals.reliability(votes, believed)
        return float(found.high[0] - found.low[0])

    assert width(votes, sure) < 0.06
    assert width(few, sure) > 2 * width(votes, sure)
    assert width(votes, unsure) > 2 * width(votes, sure)


def test_a_voter_without_votes_is_somebody_from_the_crowd() -> None:
    votes = votes_of([(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 1)], n_tasks=2, n_voters=3)

    found = intervals.reliability(votes, certain(np.array([0, 0]), 2))

    assert found.reliability[2] == pytest.approx(0.75)
    assert found.high[2] - found.low[2] > 0.4


def test_nobody_has_voted_and_nothing_is_known_of_anybody() -> None:
    found = intervals.reliability(votes_of([], n_tasks=1, n_voters=2), np.array([[0.5, 0.5]]))

    assert found.reliability == pytest.approx([0.5, 0.5])


def test_bluebirds_people_are_as_reliable_as_the_intervals_say() -> None:
    votes, truth = bluebirds()
    right = np.bincount(votes.voters, weights=truth[votes.tasks] == votes.labels) / votes.per_voter()

    found = intervals.reliability(votes, reading.read(votes, hierarchical.fit(votes)))

    assert ((found.low <= right) & (right <= found.high)).mean() >= 0.85
    assert np.abs(found.reliability - right).mean() < 0.09


def test_the_binomial_interval_is_that_of_the_tables() -> None:
    # Clopper and Pearson: 8 of 10 at 90 %, and the closed forms of none and all.
    low, high = intervals.binomial(np.array([8.0, 0.0, 10.0, 0.0]), np.array([10.0, 10.0, 10.0, 0.0]))

    assert low == pytest.approx([0.4931, 0.0, 0.05**0.1, 0.0], abs=2e-3)
    assert high == pytest.approx([0.9632, 1.0 - 0.05**0.1, 1.0, 1.0], abs=2e-3)


def test_the_binomial_interval_holds_the_true_share_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    for share in (0.05, 0.5, 0.9):
        right = rng.binomial(20, share, size=4_000).astype(np.float64)
        low, high = intervals.binomial(right, np.full(4_000, 20.0))
        assert ((low <= share) & (share <= high)).mean() >= 0.9

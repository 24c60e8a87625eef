"""Dawid-Skene as in the textbook: the same numbers as loops over the paper's equations, and a likelihood that rises."""

import numpy as np
import pytest
from hypothesis import given, settings

from quality.methods import dawid_skene
from quality.methods.votes import UNKNOWN, FloatArray, Votes
from tests.quality.methods.crowds import bluebirds, crowd, share_right, some_votes, votes_of


def textbook(votes: Votes, *, n_iter: int) -> tuple[FloatArray, FloatArray]:
    """Dawid and Skene 1979 in loops, no smoothing: posterior and class prior after n_iter passes."""
    triples = list(zip(votes.tasks, votes.voters, votes.labels, strict=True))
    current = np.zeros((votes.n_tasks, votes.n_classes))
    for task, _, label in triples:
        current[task, label] += 1
    current /= current.sum(axis=1, keepdims=True)
    for _ in range(n_iter):
        prior = current.mean(axis=0)
        confusion = np.zeros((votes.n_voters, votes.n_classes, votes.n_classes))
        for task, voter, label in triples:
            confusion[voter, :, label] += current[task]
        confusion /= confusion.sum(axis=2, keepdims=True)
        current = np.tile(prior, (votes.n_tasks, 1))
        for task, voter, label in triples:
            current[task] *= confusion[voter, :, label]
        current /= current.sum(axis=1, keepdims=True)
    return current, prior


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_textbook_to_the_eighth_digit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    votes, _ = crowd(rng, accuracies=[0.9, 0.8, 0.7, 0.6], n_tasks=60, n_classes=3)

    found = dawid_skene.fit(votes, tol=0.0, max_iter=40)

    expected, prior = textbook(votes, n_iter=found.n_iter)
    assert found.posterior == pytest.approx(expected, abs=1e-8)
    assert found.prior == pytest.approx(prior, abs=1e-8)


@given(some_votes())
@settings(max_examples=60, deadline=None)
def test_the_likelihood_never_falls(votes: Votes) -> None:
    for found in (dawid_skene.fit(votes, max_iter=200), dawid_skene.fit(votes, smoothing=0.01, accelerate=True)):
        assert np.isfinite(found.objective).all()
        assert (np.diff(found.objective) >= -1e-11 * max(votes.size, 1)).all()


@given(some_votes())
@settings(max_examples=60, deadline=None)
def test_every_row_is_a_probability_whatever_the_votes(votes: Votes) -> None:
    found = dawid_skene.fit(votes)

    for rows in (found.posterior, found.confusion, found.pool, found.prior):
        assert (rows >= 0).all()
        assert rows.sum(axis=-1) == pytest.approx(1.0, abs=1e-12)
    assert found.counts.sum() == pytest.approx(votes.size)


@pytest.mark.parametrize("seed", range(4))
def test_long_strides_end_where_short_steps_do_and_sooner(seed: int) -> None:
    rng = np.random.default_rng(seed)
    votes, _ = crowd(rng, accuracies=[0.7, 0.65, 0.6, 0.6, 0.55], n_tasks=200, n_classes=2)

    slow = dawid_skene.fit(votes, smoothing=0.5, max_iter=5000)
    fast = dawid_skene.fit(votes, smoothing=0.5, max_iter=5000, accelerate=True)

    assert fast.posterior == pytest.approx(slow.posterior, abs=1e-5)
    assert fast.objective[-1] == pytest.approx(slow.objective[-1], abs=1e-6)
    assert fast.n_iter < slow.n_iter / 1.5


def test_a_task_nobody_voted_on_is_left_out_of_the_class_prior() -> None:
    votes = votes_of([(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0)], n_tasks=5, n_voters=2)

    found = dawid_skene.fit(votes)

    assert found.prior == pytest.approx([1.0, 0.0])
    assert found.posterior[4] == pytest.approx(found.prior)


def test_known_labels_are_certain_and_count_in_the_prior() -> None:
    votes = votes_of([(0, 0, 0), (1, 0, 0)], n_tasks=3, n_voters=1)

    found = dawid_skene.fit(votes, known=np.array([UNKNOWN, UNKNOWN, 1]), max_iter=1)

    assert found.posterior[2].tolist() == [0.0, 1.0]
    assert found.prior == pytest.approx([2 / 3, 1 / 3])


def test_bluebirds_are_told_apart_where_the_majority_is_wrong() -> None:
    votes, truth = bluebirds()

    found = dawid_skene.fit(votes)

    assert found.converged
    assert share_right(found.posterior, truth) >= 0.87

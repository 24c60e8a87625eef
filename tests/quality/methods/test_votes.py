"""The layout of votes: both passes say what loops over the votes say, in whatever order they came."""

import tracemalloc
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.methods import dawid_skene, hierarchical, one_coin
from quality.methods import votes as methods
from quality.methods.votes import Index, Votes
from tests.quality.methods.crowds import shuffled, some_votes, votes_of


@given(some_votes(), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_evidence_of_a_task_is_the_sum_over_its_votes(votes: Votes, seed: int) -> None:
    logs = np.log(np.random.default_rng(seed).dirichlet(np.ones(votes.n_classes), (votes.n_voters, votes.n_classes)))

    index = Index(votes)
    found = index.in_rows(index.evidence(logs))

    expected = np.zeros((votes.n_tasks, votes.n_classes))
    whole = 0.0
    for task, voter, label in zip(votes.tasks, votes.voters, votes.labels, strict=True):
        expected[task] += logs[voter, :, label] - logs[voter, -1, label]
        whole += logs[voter, -1, label]
    assert found == pytest.approx(expected, abs=1e-9)
    assert index.of_last_class(logs) == pytest.approx(whole)


@given(some_votes(), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_counts_of_a_voter_are_the_sum_over_their_votes(votes: Votes, seed: int) -> None:
    current = np.random.default_rng(seed).dirichlet(np.ones(votes.n_classes), votes.n_tasks)

    index = Index(votes)
    order = index.in_order(np.arange(votes.n_tasks))
    found = index.counts(np.ascontiguousarray(current[order].T))

    expected = np.zeros((votes.n_voters, votes.n_classes, votes.n_classes))
    for task, voter, label in zip(votes.tasks, votes.voters, votes.labels, strict=True):
        expected[voter, :, label] += current[task]
    assert found == pytest.approx(expected, abs=1e-12)
    assert (found >= 0).all()


@given(some_votes())
@settings(max_examples=60, deadline=None)
def test_what_is_certain_leaves_nothing_to_other_classes(votes: Votes) -> None:
    certain = np.zeros((votes.n_classes, votes.n_tasks))
    certain[0] = 1.0

    assert (Index(votes).counts(certain)[:, 1:] == 0).all()


@given(some_votes(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_shares_are_counted_in_whatever_order_votes_come(votes: Votes, random: Random) -> None:
    order = list(range(votes.size))
    random.shuffle(order)

    shares = [index.in_rows(index.shares()) for index in (Index(votes), Index(shuffled(votes, order)))]

    assert (shares[0] == shares[1]).all()
    for task, mine in enumerate(shares[0]):
        given_labels = votes.labels[votes.tasks == task]
        counts = np.bincount(given_labels, minlength=votes.n_classes)
        assert mine == pytest.approx(counts / counts.sum() if counts.sum() else 1 / votes.n_classes)


def test_a_row_of_zeros_becomes_uniform() -> None:
    assert methods.rows(np.array([[0.0, 0.0], [1.0, 3.0]])) == pytest.approx(np.array([[0.5, 0.5], [0.25, 0.75]]))


def test_votes_are_counted_by_task_and_by_voter() -> None:
    votes = votes_of([(0, 0, 1), (0, 1, 1), (2, 1, 0)], n_tasks=3, n_voters=3)

    assert votes.per_task().tolist() == [2, 0, 1]
    assert votes.per_voter().tolist() == [1, 2, 0]


def test_logarithms_of_nothing_are_finite() -> None:
    assert np.isfinite(methods.log(np.array([0.0, 1.0]))).all()
    assert np.isfinite(methods.logit(np.array([0.0, 0.5, 1.0]))).all()


@pytest.mark.parametrize("which", ["tasks", "voters", "labels"])
@pytest.mark.parametrize("code", [-1, 2, 10**9])
def test_a_code_outside_its_set_is_refused(which: str, code: int) -> None:
    columns = {"tasks": np.array([0, 1]), "voters": np.array([0, 1]), "labels": np.array([0, 1])}
    columns[which] = np.array([0, code])

    with pytest.raises(ValueError, match=f"The code of a {which[:-1]} is not below 2"):
        Votes(**columns, n_tasks=2, n_voters=2, n_classes=2)


@pytest.mark.parametrize("labels", [[0.0, np.nan], [0.0, 1.0], ["0", "1"], [0], [[0, 1]]])
def test_what_is_no_code_is_refused(labels: list[object]) -> None:
    codes = np.array([0, 1])

    with pytest.raises(ValueError, match="Every vote has a label that is a whole number"):
        Votes(codes, codes, np.array(labels), n_tasks=2, n_voters=2, n_classes=2)


@pytest.mark.parametrize("fit", [hierarchical.fit, dawid_skene.fit, one_coin.aggregate])
def test_a_million_classes_are_refused_before_any_array_is_made(fit: Callable[[Votes], object]) -> None:
    codes = np.arange(10)
    votes = Votes(codes, codes, codes * 99_999, n_tasks=10, n_voters=10, n_classes=1_000_000)

    tracemalloc.start()
    with pytest.raises(methods.TooLarge, match="Is the column of labels the right one"):
        fit(votes)

    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()

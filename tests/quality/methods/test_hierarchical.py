"""The model that Rookery runs on: known answers on tiny data, properties over drawn data, and the bluebirds."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.methods import hierarchical, majority, reading
from quality.methods.votes import UNKNOWN, BoolArray, Votes
from tests.quality.methods.crowds import (
    CROW,
    ROOK,
    bluebirds,
    crowd,
    rook_and_crow,
    share_right,
    shuffled,
    some_votes,
    votes_of,
)


@given(some_votes())
@settings(max_examples=60, deadline=None)
def test_every_row_is_a_probability_whatever_the_votes(votes: Votes) -> None:
    found = hierarchical.fit(votes)

    for rows in (found.posterior, found.confusion, found.pool, found.prior):
        assert np.isfinite(rows).all()
        assert (rows >= 0).all()
        assert rows.sum(axis=-1) == pytest.approx(1.0, abs=1e-12)
    assert np.isfinite(found.objective).all()
    assert found.counts.sum() == pytest.approx(votes.size)
    assert (found.weights >= hierarchical.STRENGTH - 1e-9).all()


@given(some_votes(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_votes_changes_nothing(votes: Votes, random: Random) -> None:
    order = list(range(votes.size))
    random.shuffle(order)

    found, again = hierarchical.fit(votes), hierarchical.fit(shuffled(votes, order))

    assert again.posterior == pytest.approx(found.posterior, abs=1e-9)
    assert again.confusion == pytest.approx(found.confusion, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_other_names_for_tasks_and_voters_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    votes, _ = crowd(rng, accuracies=[0.9, 0.8, 0.7, 0.6, 0.5], n_tasks=40, n_classes=3)
    task_names, voter_names = rng.permutation(votes.n_tasks), rng.permutation(votes.n_voters)
    renamed = Votes(
        task_names[votes.tasks],
        voter_names[votes.voters],
        votes.labels,
        votes.n_tasks,
        votes.n_voters,
        votes.n_classes,
    )

    found, again = hierarchical.fit(votes), hierarchical.fit(renamed)

    assert again.posterior[task_names] == pytest.approx(found.posterior, abs=1e-7)
    assert again.confusion[voter_names] == pytest.approx(found.confusion, abs=1e-7)


def test_inputs_are_never_changed() -> None:
    votes, _ = crowd(np.random.default_rng(1), accuracies=[0.9, 0.6, 0.7], n_tasks=10, n_classes=2)
    known = np.full(10, UNKNOWN)
    before = [codes.copy() for codes in (votes.tasks, votes.voters, votes.labels, known)]

    hierarchical.fit(votes, known=known)

    for codes, copy in zip((votes.tasks, votes.voters, votes.labels, known), before, strict=True):
        assert (codes == copy).all()


def test_a_fit_says_whether_it_converged() -> None:
    votes, _ = crowd(np.random.default_rng(3), accuracies=[0.9, 0.8, 0.7], n_tasks=50, n_classes=2)

    short, whole = hierarchical.fit(votes, max_iter=1), hierarchical.fit(votes)

    assert (short.n_iter, short.converged) == (1, False)
    assert whole.converged
    assert whole.n_iter >= whole.objective.size > 1


@pytest.mark.parametrize("seed", range(3))
def test_long_strides_end_where_short_steps_do(seed: int) -> None:
    votes, _ = crowd(np.random.default_rng(seed), accuracies=[0.8, 0.7, 0.6, 0.6], n_tasks=150, n_classes=3)

    fast, slow = hierarchical.fit(votes), hierarchical.fit(votes, accelerate=False)

    assert fast.posterior == pytest.approx(slow.posterior, abs=1e-5)
    assert fast.n_iter < slow.n_iter


def test_a_task_nobody_answered_gets_the_prior() -> None:
    votes = votes_of([(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0)], n_tasks=3, n_voters=2)

    found = hierarchical.fit(votes)

    assert found.posterior[2, 0] > 0.7


def test_without_any_vote_no_class_is_preferred() -> None:
    found = hierarchical.fit(votes_of([], n_tasks=2, n_voters=1, n_classes=4))

    assert found.posterior == pytest.approx(0.25)
    assert found.confusion[0].diagonal() == pytest.approx(0.7)


def test_a_lone_voter_is_believed_but_not_blindly() -> None:
    found = hierarchical.fit(votes_of([(0, 0, 1)], n_tasks=1, n_voters=1))

    assert 0.5 < found.posterior[0, 1] < 0.98


def test_one_class_is_always_right() -> None:
    found = hierarchical.fit(votes_of([(0, 0, 0), (1, 1, 0)], n_tasks=3, n_voters=2, n_classes=1))

    assert found.posterior == pytest.approx(1.0)
    assert found.confusion == pytest.approx(1.0)
    assert found.reliability == pytest.approx(1.0)


def test_the_matrices_of_a_crowd_are_found_again() -> None:
    votes, truth = crowd(
        np.random.default_rng(5), accuracies=[0.95, 0.9, 0.8, 0.8, 0.7, 0.6], n_tasks=2000, n_classes=3
    )

    found = hierarchical.fit(votes)

    assert share_right(found.posterior, truth) > 0.95
    assert found.reliability == pytest.approx([0.95, 0.9, 0.8, 0.8, 0.7, 0.6], abs=0.03)


def test_a_newcomer_counts_as_the_pool() -> None:
    votes, _ = crowd(np.random.default_rng(6), accuracies=[0.9, 0.85, 0.8, 0.75], n_tasks=200, n_classes=2)
    wider = Votes(votes.tasks, votes.voters, votes.labels, votes.n_tasks, votes.n_voters + 1, 2)

    found = hierarchical.fit(wider)

    assert found.confusion[-1] == pytest.approx(found.pool, abs=1e-9)
    assert found.counts[-1].sum() == 0


def test_a_voter_with_few_votes_stays_nearer_the_pool_than_one_with_many() -> None:
    votes, truth = crowd(np.random.default_rng(7), accuracies=[0.9, 0.9, 0.9, 0.9], n_tasks=200, n_classes=2)
    wrong = 1 - truth
    rows = [*zip(votes.tasks, votes.voters, votes.labels, strict=True)]
    rows += [(task, 4, wrong[task]) for task in range(2)]
    rows += [(task, 5, wrong[task]) for task in range(100)]

    found = hierarchical.fit(votes_of(rows, n_tasks=200, n_voters=6))

    few, many = found.reliability[4:]
    assert many < 0.1
    assert 0.3 < few < 0.8


def test_four_of_five_say_crow_and_so_does_the_fit() -> None:
    found = hierarchical.fit(rook_and_crow(n_shared=20))

    assert found.posterior[-1, CROW] > 0.9


def test_an_adjudication_wins_against_any_number_of_voters() -> None:
    known = np.append(np.full(20, UNKNOWN), ROOK)

    found = hierarchical.fit(rook_and_crow(n_shared=20), known=known)

    assert found.posterior[-1] == pytest.approx([0.0, 1.0])


def test_an_adjudication_scores_the_four_for_that_error_and_nobody_else() -> None:
    votes = rook_and_crow(n_shared=20)
    known = np.append(np.full(20, UNKNOWN), ROOK)

    before, after = hierarchical.fit(votes), hierarchical.fit(votes, known=known)

    rise = after.confusion[:, ROOK, CROW] - before.confusion[:, ROOK, CROW]
    assert (rise[:4] > 0.05).all()
    assert rise[4] < rise[:4].min() / 2
    assert after.counts[:4, ROOK, CROW] == pytest.approx(1.0, abs=0.1)
    assert (after.reliability[4] > after.reliability[:4]).all()


def _rook_and_crow_among_others(accuracy: float) -> tuple[Votes, BoolArray]:
    """Four workers so often right on 200 tasks, who call the last task a crow; a fifth, an expert, calls it a rook."""
    votes, _ = crowd(np.random.default_rng(9), accuracies=[accuracy] * 4, n_tasks=200, n_classes=2)
    rows = [*zip(votes.tasks, votes.voters, votes.labels, strict=True)]
    rows += [(200, voter, CROW) for voter in range(4)] + [(200, 4, ROOK)]
    return votes_of(rows, n_tasks=201, n_voters=5), np.arange(5) == 4


@pytest.mark.parametrize("accuracy", [0.6, 0.7, 0.8])
def test_an_experts_vote_wins_against_four_of_the_crowd_who_are_right_up_to_four_times_in_five(accuracy: float) -> None:
    votes, experts = _rook_and_crow_among_others(accuracy)
    families = np.where(experts, reading.APART, reading.CROWD)

    found = reading.read(
        votes, hierarchical.fit(votes, experts=experts), trust=reading.Trust(0.3, 0.0), families=families
    )

    assert found[-1, ROOK] > 0.5


def test_the_same_vote_loses_if_it_is_nobodys_in_particular() -> None:
    votes, _ = _rook_and_crow_among_others(0.8)

    assert reading.read(votes, hierarchical.fit(votes))[-1, ROOK] < 0.5


def test_an_expert_begins_with_an_experts_matrix_and_the_crowd_does_not_lean_on_them() -> None:
    counts = np.random.default_rng(1).integers(0, 30, size=(5, 3, 3)).astype(np.float64)
    counts[4] = 0.0
    experts = np.arange(5) >= 3

    weights, pool = hierarchical.concentration(counts, experts)

    assert weights[4] / weights[4].sum(axis=1, keepdims=True) == pytest.approx(hierarchical.expert(3))
    assert np.diagonal(hierarchical.expert(3)) == pytest.approx(0.97)
    assert pool == pytest.approx(hierarchical.concentration(counts[:3])[1])
    assert weights[:3] == pytest.approx(hierarchical.concentration(counts[:3])[0])


def test_an_expert_who_is_often_wrong_is_found_out_by_gold() -> None:
    votes, truth = crowd(np.random.default_rng(10), accuracies=[0.8, 0.8, 0.5], n_tasks=400, n_classes=2)

    found = hierarchical.fit(votes, known=truth, experts=np.array([False, False, True]))

    assert 0.5 < found.reliability[2] < 0.7


def test_gold_repairs_a_crowd_that_is_mostly_wrong_together() -> None:
    rng = np.random.default_rng(8)
    votes, truth = crowd(rng, accuracies=[0.3, 0.3, 0.3, 0.9, 0.9], n_tasks=200, n_classes=2)
    known = np.where(np.arange(200) < 30, truth, UNKNOWN)

    found = hierarchical.fit(votes, known=known)

    assert share_right(found.posterior[30:], truth[30:]) > 0.9


def test_bluebirds_are_told_apart_where_the_majority_is_wrong() -> None:
    votes, truth = bluebirds()

    found = hierarchical.fit(votes)

    assert share_right(majority.aggregate(votes).posterior, truth) < 0.77
    assert found.converged
    assert share_right(found.posterior, truth) >= 0.87

"""Habits: speed, patterns of labels and two accounts in step are seen; honest routine is not."""

from dataclasses import replace

import numpy as np
import pytest

from quality.methods import habits, hierarchical, withheld
from quality.methods.collusion import Hearing
from quality.methods.evidence import Kind
from quality.methods.votes import FloatArray, IntArray, Votes
from tests.quality.methods.crowds import sparse_crowd, votes_of


def at_work(
    rng: np.random.Generator, *, n_people: int, n_answers: int, gap: float, steady: float = 4.0
) -> tuple[Votes, FloatArray]:
    """People who begin within a minute and answer every `gap` seconds, more or less steadily; in whole seconds."""
    gaps = rng.gamma(steady, gap / steady, size=(n_people, n_answers))
    times = rng.uniform(0, 60, size=(n_people, 1)) + np.cumsum(gaps, axis=1)
    voters = np.repeat(np.arange(n_people), n_answers)
    tasks, labels = np.arange(voters.size), np.zeros(voters.size, dtype=np.int64)
    came: FloatArray = np.round(times.reshape(-1))
    return Votes(tasks, voters, labels, voters.size, n_people, 2), came


def a_crowd(rng: np.random.Generator) -> tuple[Votes, IntArray]:
    return sparse_crowd(rng, skills=rng.beta(17, 3, size=50), n_tasks=700, n_classes=4)


def patterns(votes: Votes) -> dict[int, str]:
    """Who answers in a pattern, and which; answers came in the order of the votes."""
    fit = hierarchical.fit(votes, tol=1e-5)
    heard = Hearing(withheld.beliefs(votes, fit), fit.confusion)
    found = habits.patterns(votes, np.arange(votes.size).astype(np.float64), heard)
    return {one.voters[0]: one.sentence for one in found if one.kind is Kind.PATTERN}


def test_who_answers_faster_than_anybody_reads_is_seen() -> None:
    rng = np.random.default_rng(0)
    votes, _ = at_work(rng, n_people=20, n_answers=60, gap=10)
    seconds = rng.gamma(4, 3, size=votes.size)
    seconds[votes.voters == 7] = rng.uniform(0.2, 4, size=60)

    (found,) = habits.too_fast(votes, seconds < 2.0)

    assert found.kind is Kind.TOO_FAST
    assert found.voters == (7,)
    assert found.statistic >= found.threshold
    assert "of 60 answers" in found.sentence


def test_ten_of_a_hundred_fast_answers_are_a_slip() -> None:
    votes = votes_of([(task, voter, 0) for voter in range(3) for task in range(100)], n_tasks=100, n_voters=3)

    assert habits.too_fast(votes, votes.tasks < 10) == []


def test_where_half_the_crowd_is_too_fast_the_limit_is_wrong() -> None:
    rng = np.random.default_rng(1)
    votes, _ = at_work(rng, n_people=20, n_answers=60, gap=10)

    assert habits.too_fast(votes, rng.uniform(1, 5, size=votes.size) < 3.0) == []


@pytest.mark.parametrize("seed", range(3))
def test_honest_answers_have_no_pattern_even_where_tasks_come_sorted(seed: int) -> None:
    votes, truth = a_crowd(np.random.default_rng(seed))
    order = np.argsort(truth[votes.tasks], kind="stable")
    by_class = replace(votes, tasks=votes.tasks[order], voters=votes.voters[order], labels=votes.labels[order])

    assert patterns(votes) == {}
    assert patterns(by_class) == {}


def test_errors_that_repeat_because_tasks_are_alike_are_no_pattern() -> None:
    rng = np.random.default_rng(1)
    # Ten pictures in a row show the same, three rows in ten mislead, and whoever is misled once stays so.
    n_rows, n_people = 60, 12
    truth = rng.integers(4, size=n_rows)
    misled = (rng.random((n_people, n_rows)) < 0.5) & (rng.random(n_rows) < 0.5)
    errors = (truth + rng.integers(1, 4, size=(n_people, n_rows))) % 4
    labels = np.repeat(np.where(misled, errors, truth), 10, axis=1)
    slips = rng.random(labels.shape) < 0.05
    labels = np.where(slips, rng.integers(4, size=labels.shape), labels)
    tasks = np.tile(np.arange(n_rows * 10), n_people)
    votes = Votes(tasks, np.repeat(np.arange(n_people), n_rows * 10), labels.reshape(-1), n_rows * 10, n_people, 4)

    assert patterns(votes) == {}


def test_a_cycle_and_runs_of_labels_are_seen() -> None:
    votes, _ = a_crowd(np.random.default_rng(3))
    labels = votes.labels.copy()
    cycle, runs = votes.voters == 4, votes.voters == 9
    labels[cycle] = np.arange(cycle.sum()) % 3
    labels[runs] = np.arange(runs.sum()) // 12 % 4

    found = patterns(replace(votes, labels=labels))

    assert set(found) == {4, 9}
    assert "3 tasks before" in found[4]
    assert "the answer before" in found[9]


def test_one_label_always_and_labels_at_random_are_no_pattern() -> None:
    rng = np.random.default_rng(4)
    votes, _ = a_crowd(rng)
    labels = np.where(votes.voters == 4, 2, votes.labels)
    labels = np.where(votes.voters == 9, rng.integers(4, size=votes.size), labels)

    assert patterns(replace(votes, labels=labels)) == {}


@pytest.mark.parametrize(("gap", "steady"), [(5.0, 4.0), (12.0, 4.0), (40.0, 4.0), (10.0, 400.0), (20.0, 2500.0)])
def test_people_who_work_in_the_same_hours_are_not_in_step_however_steadily(gap: float, steady: float) -> None:
    votes, times = at_work(np.random.default_rng(5), n_people=15, n_answers=150, gap=gap, steady=steady)

    assert habits.lockstep(votes, times) == []


def test_two_accounts_of_one_hand_are_in_step() -> None:
    rng = np.random.default_rng(6)
    votes, times = at_work(rng, n_people=15, n_answers=150, gap=12)
    times[votes.voters == 11] = times[votes.voters == 3] + np.round(rng.uniform(0, 2, size=150))

    (found,) = habits.lockstep(votes, times)

    assert found.kind is Kind.LOCKSTEP
    assert found.voters == (3, 11)
    assert "150 answers" in found.sentence


def test_nobody_has_answered_and_nobody_has_habits() -> None:
    votes = votes_of([], n_tasks=1, n_voters=0)
    none = np.empty(0)
    heard = Hearing(np.empty((0, 2)), np.empty((0, 2, 2)))

    assert habits.too_fast(votes, np.empty(0, dtype=np.bool_)) == []
    assert habits.patterns(votes, none, heard) == []
    assert habits.lockstep(votes, none) == []

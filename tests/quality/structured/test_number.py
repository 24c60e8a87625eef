"""Numbers: offsets come off, those who know nothing hardly count, and a plain mean is what an even crowd gets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.methods.votes import FloatArray
from quality.structured import number
from quality.structured.answers import Answers
from tests.quality.structured.kinds import answers_of, one_task


def crowd(
    rng: np.random.Generator, *, errors: list[float], offsets: list[float], n_tasks: int = 60
) -> tuple[Answers[float], FloatArray]:
    """Everybody answers everything, with an error and an offset of their own."""
    truth = rng.normal(50.0, 20.0, size=n_tasks)
    rows = [
        (task, voter, float(truth[task] + offset + rng.normal(0.0, error)))
        for task in range(n_tasks)
        for voter, (error, offset) in enumerate(zip(errors, offsets, strict=True))
    ]
    return answers_of(rows, n_tasks=n_tasks, n_voters=len(errors)), truth


def off(found: list[float | None], truth: FloatArray) -> float:
    return float(np.abs(np.array(found, dtype=np.float64) - truth).mean())


def test_voters_who_are_alike_get_their_mean() -> None:
    found = number.aggregate(one_task(1.0, 2.0, 6.0))

    assert found.consensus == [pytest.approx(3.0, abs=0.3)]


@given(
    st.integers(0, 100),
    st.sampled_from(["constant", "random", "loud", "opposite", "endless"]),
)
@settings(max_examples=40, deadline=None)
def test_one_who_knows_nothing_changes_little(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    answers, truth = crowd(rng, errors=[8.0] * 5, offsets=[0.0] * 5)
    spam = {
        "constant": np.full(60, 100.0),
        "random": rng.uniform(0.0, 100.0, 60),
        "loud": rng.uniform(-1e6, 1e6, 60),
        "opposite": 100.0 - truth,
        "endless": np.full(60, np.inf),
    }[kind]
    rows = [*zip(answers.tasks.tolist(), answers.voters.tolist(), answers.values, strict=True)]
    rows += [(task, 5, float(value)) for task, value in enumerate(spam)]

    alone, with_spam = number.aggregate(answers), number.aggregate(answers_of(rows, n_tasks=60, n_voters=6))

    assert off(with_spam.consensus, truth) < off(alone.consensus, truth) * 1.3 + 0.5
    if kind != "endless":
        assert with_spam.reliability[5] < with_spam.reliability[:5].min() / 2


def test_what_a_voter_adds_everywhere_is_taken_off() -> None:
    answers, truth = crowd(np.random.default_rng(2), errors=[5.0] * 4, offsets=[0.0, 0.0, 0.0, 40.0])

    found = number.aggregate(answers)

    plain = answers_mean(answers)
    assert np.std(np.array(found.consensus, dtype=np.float64) - truth) < np.std(plain - truth) * 1.05
    assert off(found.consensus, truth) < off(plain.tolist(), truth)


def test_known_numbers_take_off_what_everybody_adds() -> None:
    answers, truth = crowd(np.random.default_rng(3), errors=[5.0] * 4, offsets=[20.0] * 4)
    known = {task: float(truth[task]) for task in range(30)}

    found = number.aggregate(answers, known=known)

    assert found.consensus[:30] == truth[:30].tolist()
    assert off(found.consensus[30:], truth[30:]) < 8.0
    assert found.converged


def test_whoever_errs_less_counts_for_more() -> None:
    answers, truth = crowd(np.random.default_rng(4), errors=[3.0, 10.0, 20.0, 40.0], offsets=[0.0] * 4)

    found = number.aggregate(answers)

    assert (np.diff(found.reliability) < 0.0).all()
    assert off(found.consensus, truth) < off(answers_mean(answers).tolist(), truth)


def test_confidence_is_about_the_probability_to_be_right_to_within_the_tolerance() -> None:
    answers, truth = crowd(np.random.default_rng(5), errors=[15.0] * 5, offsets=[0.0] * 5, n_tasks=400)

    for tolerance in (5.0, 10.0, 20.0):
        found = number.aggregate(answers, tolerance=tolerance)
        right = np.abs(np.array(found.consensus, dtype=np.float64) - truth) <= tolerance
        assert found.confidence.mean() == pytest.approx(right.mean(), abs=0.2)
        assert found.confidence.mean() < right.mean() + 0.1


def test_answers_far_apart_make_it_less_sure() -> None:
    rows = [(0, 0, 10.0), (0, 1, 10.0), (0, 2, 11.0), (1, 0, 50.0), (1, 1, 5.0), (1, 2, 90.0)]

    found = number.aggregate(answers_of(rows, n_tasks=2, n_voters=3))

    assert found.confidence[0] > found.confidence[1]


def test_the_same_number_of_everybody_is_the_consensus_however_large() -> None:
    for value in (0.0, -7.0, 1e99, 1e-300):
        found = number.aggregate(one_task(value, value, value))

        assert found.consensus == [pytest.approx(value)]
        assert found.agreement == pytest.approx(1.0)


def test_what_is_no_number_is_left_out() -> None:
    found = number.aggregate(
        answers_of([(0, 0, float("nan")), (0, 1, 4.0), (1, 0, float("inf"))], n_tasks=2, n_voters=2)
    )

    assert found.consensus == [pytest.approx(4.0, abs=0.5), None]
    assert found.agreement[[0, 2]] == pytest.approx([0.0, 0.0])
    assert found.confidence[1] == 0.0


def answers_mean(answers: Answers[float]) -> FloatArray:
    values = np.array(answers.values)
    mean: FloatArray = np.bincount(answers.tasks, weights=values) / answers.per_task()
    return mean

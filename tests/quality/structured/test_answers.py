"""What holds for every kind of answer alike, whatever the answers are; and how voters are rated."""

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.structured import answers as shared
from quality.structured.answers import Answers
from tests.quality.structured.kinds import KINDS, answers_of, assert_same, crowd, reordered, some_answers

every_kind = pytest.mark.parametrize("name", KINDS)


@every_kind
@given(st.data())
@settings(max_examples=50, deadline=None)
def test_everything_is_within_bounds_whatever_the_answers(name: str, data: st.DataObject) -> None:
    answers: Answers[Any] = data.draw(some_answers(KINDS[name]))

    found = KINDS[name].aggregate(answers)

    for of_all, size in (
        (found.confidence, answers.n_tasks),
        (found.agreement, answers.size),
        (found.reliability, answers.n_voters),
    ):
        assert of_all.shape == (size,)
        assert ((of_all >= 0.0) & (of_all <= 1.0)).all()
    assert len(found.consensus) == answers.n_tasks
    assert found.n_iter >= 0


@every_kind
@given(st.data())
@settings(max_examples=50, deadline=None)
def test_a_task_nobody_answered_has_no_consensus_and_every_other_has_one(name: str, data: st.DataObject) -> None:
    answers: Answers[Any] = data.draw(some_answers(KINDS[name]))

    found = KINDS[name].aggregate(answers)

    for task, n_answers in enumerate(answers.per_task()):
        if name == "number" and n_answers:
            values = [answers.values[i] for i in np.flatnonzero(answers.tasks == task).tolist()]
            assert (found.consensus[task] is None) == (not np.isfinite(values).any())
        else:
            assert (found.consensus[task] is None) == (n_answers == 0)
        if found.consensus[task] is None:
            assert found.confidence[task] == 0.0


@every_kind
@given(st.data(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_answers_changes_nothing(name: str, data: st.DataObject, random: Random) -> None:
    answers: Answers[Any] = data.draw(some_answers(KINDS[name]))
    order = list(range(answers.size))
    random.shuffle(order)

    found, again = KINDS[name].aggregate(answers), KINDS[name].aggregate(reordered(answers, order))

    assert_same(found, again, within=1e-9)
    assert again.agreement == pytest.approx(found.agreement[order], abs=1e-9)


@every_kind
@pytest.mark.parametrize("seed", range(3))
def test_other_names_for_voters_and_tasks_change_nothing(name: str, seed: int) -> None:
    answers = crowd(name, seed)
    rng = np.random.default_rng(seed)
    tasks, voters = rng.permutation(answers.n_tasks), rng.permutation(answers.n_voters)
    renamed = Answers(tasks[answers.tasks], voters[answers.voters], answers.values, answers.n_tasks, answers.n_voters)

    found, again = KINDS[name].aggregate(answers), KINDS[name].aggregate(renamed)

    assert [again.consensus[task] for task in tasks] == [
        pytest.approx(one, abs=1e-6) if name == "number" else one for one in found.consensus
    ]
    assert again.confidence[tasks] == pytest.approx(found.confidence, abs=1e-6)
    assert again.reliability[voters] == pytest.approx(found.reliability, abs=1e-6)
    assert again.agreement == pytest.approx(found.agreement, abs=1e-6)


@every_kind
@given(st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_known_is_the_consensus_of_its_task_and_certain(name: str, data: st.DataObject) -> None:
    answers: Answers[Any] = data.draw(some_answers(KINDS[name]).filter(lambda one: one.n_tasks > 0))
    value = data.draw(KINDS[name].known)

    found = KINDS[name].aggregate(answers, known={0: value})

    assert found.consensus[0] is not None
    assert found.confidence[0] == pytest.approx(1.0)
    again = KINDS[name].aggregate(answers, known={0: found.consensus[0]})
    assert again.consensus[0] == found.consensus[0]


@every_kind
@pytest.mark.parametrize("seed", range(3))
def test_whoever_is_careless_is_less_reliable_than_the_others(name: str, seed: int) -> None:
    found = KINDS[name].aggregate(crowd(name, seed))

    assert found.reliability[-1] < found.reliability[:-1].min()


@every_kind
def test_whoever_agrees_with_what_is_known_is_more_reliable_than_whoever_does_not(name: str) -> None:
    good, bad = KINDS[name].good, KINDS[name].bad
    answers = answers_of([(0, 0, good), (0, 1, bad), (1, 2, good)], n_tasks=2, n_voters=3)
    if name == "number":
        answers = answers_of(
            [(task, voter, float(task + 1 if voter == 0 else -task)) for task in range(6) for voter in (0, 1)],
            n_tasks=6,
            n_voters=3,
        )
    known = {"number": {task: float(task + 1) for task in range(6)}, "pairs": {0: ["a", "b"]}}.get(name, {0: good})

    found = KINDS[name].aggregate(answers, known=known)

    assert found.reliability[0] > found.reliability[2] > found.reliability[1]
    assert found.agreement[0] > found.agreement[1]


@every_kind
def test_a_lone_answer_is_the_consensus_but_not_certain(name: str) -> None:
    value = KINDS[name].good

    found = KINDS[name].aggregate(answers_of([(0, 0, value)], n_tasks=1, n_voters=1))

    assert found.consensus == [["a", "b"] if name == "pairs" else value]
    assert 0.4 < found.confidence[0] < 0.98
    assert found.agreement[0] == pytest.approx(1.0)


@every_kind
def test_one_more_who_agrees_makes_it_no_less_sure(name: str) -> None:
    value = KINDS[name].good
    confidence = [
        KINDS[name]
        .aggregate(answers_of([(0, voter, value) for voter in range(n)], n_tasks=1, n_voters=8))
        .confidence[0]
        for n in range(1, 9)
    ]

    assert (np.diff(confidence) >= -1e-9).all()
    assert confidence[-1] > confidence[0]


@every_kind
def test_answers_are_never_changed(name: str) -> None:
    answers = crowd(name, 1)
    before = answers.tasks.copy(), answers.voters.copy(), list(answers.values)

    KINDS[name].aggregate(answers)

    assert (answers.tasks == before[0]).all()
    assert (answers.voters == before[1]).all()
    assert answers.values == before[2]


def test_a_voter_without_answers_is_somebody_from_the_crowd() -> None:
    rated = shared.drawn_to_crowd(np.array([0, 0, 1]), np.array([1.0, 0.8, 0.2]), np.ones(3), 3)

    assert rated[1] < rated[2] < rated[0]


def test_few_answers_say_less_of_a_voter_than_many() -> None:
    voters, agreement = np.array([0, 0, *[1] * 20, *[2] * 20]), np.array([0.0, 0.0, *[0.0] * 20, *[1.0] * 20])

    rated = shared.drawn_to_crowd(voters, agreement, np.ones(42), 3)

    assert rated[1] < rated[0] < rated[2]


def test_agreeing_with_oneself_alone_says_nothing() -> None:
    answers = answers_of([(0, 0, "a"), (1, 1, "a"), (1, 2, "a")], n_tasks=2, n_voters=3)

    rated = shared.rate(answers, np.ones(3), {})

    assert rated[0] < rated[1]


def test_of_equal_scores_the_first_is_taken_whatever_rounding_does() -> None:
    assert shared.first_of_best(np.array([0.5, 0.3 * 3, 0.9, 0.1])) == 1

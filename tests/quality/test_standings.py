"""Structured answers before the rule: errors, gains that follow from how confidence grew, and decisions."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality import escalation, standings
from quality.escalation import Action, Progress, Rule
from quality.methods.hierarchical import STRENGTH
from quality.structured import text
from quality.structured.answers import Aggregate, Answers
from tests.quality.structured.kinds import KINDS, answers_of, crowd, some_answers


def _answers(*n_each: int) -> Answers[str]:
    """Tasks with so many answers, the first voter's always first."""
    rows = [(task, voter, "rook") for task, n in enumerate(n_each) for voter in range(n)]
    return answers_of(rows, n_tasks=len(n_each), n_voters=max(n_each, default=0))


def _found(answers: Answers[str], *errors: float) -> Aggregate[Any]:
    return Aggregate(
        consensus=[None] * answers.n_tasks,
        confidence=1.0 - np.array(errors),
        agreement=np.ones(answers.size),
        reliability=np.ones(answers.n_voters),
        n_iter=1,
        converged=True,
    )


def test_the_last_answer_of_each_task_is_left_out() -> None:
    rows = [(0, 1, "a"), (1, 0, "b"), (0, 0, "c"), (2, 1, "d"), (1, 1, "e")]

    fewer = standings.without_last(answers_of(rows, n_tasks=4, n_voters=2))

    assert (fewer.tasks.tolist(), fewer.voters.tolist(), fewer.values) == ([0, 1], [1, 0], ["a", "b"])
    assert (fewer.n_tasks, fewer.n_voters) == (4, 2)


def test_a_standing_is_what_the_rule_asks_for() -> None:
    answers = _answers(3, 1)

    one, other = standings.standings(answers, _found(answers, 0.2, 0.5), _found(answers, 0.2, 1.0))

    assert (one.n_answers, other.n_answers) == (3, 1)
    assert [one.error, other.error] == pytest.approx([0.2, 0.5])
    # The first voter has given two answers, the others one.
    assert [one.voter_votes, other.voter_votes] == pytest.approx([4 / 3, 2.0])


def test_errors_that_fall_with_the_number_of_answers_go_on_to_fall_so() -> None:
    # 0.2 after four answers was 0.4 after three: as (3 / 4) ** 2.41. So many tasks outweigh what is presumed.
    answers = _answers(*[4] * 10_000)
    decay = np.log(0.5) / np.log(3 / 4)

    found = standings.standings(answers, _found(answers, *[0.2] * 10_000), _found(answers, *[0.4] * 10_000))

    assert found[0].gain == pytest.approx(0.2 * (1 - (4 / 5) ** decay), rel=1e-3)


def test_a_project_that_has_compared_nothing_falls_with_the_root() -> None:
    answers = _answers(1, 1)

    found = standings.standings(answers, _found(answers, 0.4, 0.0), _found(answers, 1.0, 1.0))

    assert [one.gain for one in found] == pytest.approx([0.4 * (1 - 0.5**0.5), 0.0])


def test_a_few_tasks_lean_on_the_root() -> None:
    answers = _answers(2)

    (one,) = standings.standings(answers, _found(answers, 0.0), _found(answers, 0.4))
    (same,) = standings.standings(answers, _found(answers, 0.4), _found(answers, 0.4))

    # One task whose error stayed, beside so many that are presumed to have come to the root of a half.
    stayed = (1 + STRENGTH * 0.5**0.5) / (1 + STRENGTH)
    decay = np.log(stayed) / np.log(0.5)
    assert one.gain == 0.0
    assert same.gain == pytest.approx(0.4 * (1 - (2 / 3) ** decay))


def test_no_gain_is_hoped_for_where_more_answers_made_nobody_surer() -> None:
    answers = _answers(*[3] * 50)

    found = standings.standings(answers, _found(answers, *[0.5] * 50), _found(answers, *[0.3] * 50))

    assert {one.gain for one in found} == {0.0}


def test_the_more_answers_a_task_has_the_less_another_is_worth() -> None:
    answers = _answers(2, 3, 6, 12)

    found = standings.standings(answers, _found(answers, *[0.3] * 4), _found(answers, *[0.4] * 4))

    gains = [one.gain for one in found]
    assert gains == sorted(gains, reverse=True)
    assert gains[-1] > 0.0


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_standings_are_in_bounds_for_every_kind(name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    answers = data.draw(some_answers(kind))

    found = standings.standings(answers, kind.aggregate(answers), kind.aggregate(standings.without_last(answers)))

    assert len(found) == answers.n_tasks
    for one in found:
        assert 0.0 <= one.gain <= one.error <= 1.0
        assert one.confidence == pytest.approx(1.0 - one.error)
        assert one.voter_votes >= 0.0


def test_the_rule_decides_about_texts_as_about_labels() -> None:
    answers = crowd("text", seed=2, n_tasks=30)
    # Nobody agrees about the first task.
    values = [
        f"bird{i} tree{i}" if task == 0 else value
        for i, (task, value) in enumerate(zip(answers.tasks.tolist(), answers.values, strict=True))
    ]
    answers = Answers(answers.tasks, answers.voters, values, answers.n_tasks, answers.n_voters)
    found = text.aggregate(answers)
    where = standings.standings(answers, found, text.aggregate(standings.without_last(answers)))
    rule = Rule(overlap_min=3, overlap_max=5, confidence_min=0.8, voter_votes_min=10.0, expert_share=0.1)

    decided = escalation.decide_all(where, rule, Progress(n_tasks=30, n_settled=0, n_escalated=0, n_outstanding=0))

    actions = [one.action for one in decided]
    assert actions[int(np.argmin(found.confidence))] is Action.ESCALATE
    assert actions.count(Action.SETTLE) >= 25

"""Consensus: what the votes of a task say, kept with the decision that was made on it."""

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from quality import consensus, reliability, votes
from quality.consensus import Weighed
from quality.escalation import Action, Decision

PROJECT = "prj_1"


def _cast(db: Session, task: str, *labels: int) -> None:
    for number, label in enumerate(labels):
        votes.cast(db, project_id=PROJECT, task_id=task, voter_id=f"w{number}", label=label)


def _weigh(db: Session, *tasks: str) -> list[Weighed]:
    return consensus.weigh(db, PROJECT, tasks, n_classes=2)


def test_votes_are_weighed_into_a_label_and_its_posterior(db: Session) -> None:
    _cast(db, "t1", 1, 1, 1)
    _cast(db, "t2", 0, 0, 1)

    first, second = _weigh(db, "t1", "t2")

    assert (first.task_id, first.label, first.standing.n_answers) == ("t1", 1, 3)
    assert (second.task_id, second.label) == ("t2", 0)
    assert first.standing.confidence == max(first.posterior)
    assert sum(first.posterior) == pytest.approx(1)
    assert first.standing.confidence > second.standing.confidence


def test_tasks_come_back_in_the_order_of_their_ids(db: Session) -> None:
    for task in ("t3", "t1", "t2"):
        _cast(db, task, 1)

    assert [one.task_id for one in _weigh(db, "t3", "t1", "t2")] == ["t1", "t2", "t3"]


def test_no_tasks_are_no_work(db: Session) -> None:
    assert _weigh(db) == []


def test_a_task_without_votes_stands_at_the_prior(db: Session) -> None:
    _cast(db, "t1", 1, 1)

    (one,) = _weigh(db, "t2")

    assert (one.standing.n_answers, one.standing.voter_votes) == (0, 0)
    assert sum(one.posterior) == pytest.approx(1)


def test_a_standing_counts_what_its_voters_have_cast_in_the_project(db: Session) -> None:
    _cast(db, "t1", 1, 1)
    for task in ("t2", "t3", "t4"):
        _cast(db, task, 1)
    reliability.refit(db, PROJECT, n_classes=2)

    (one,) = _weigh(db, "t1")

    assert one.standing.voter_votes == pytest.approx((4 + 1) / 2)


def test_one_more_answer_promises_more_where_the_votes_are_divided(db: Session) -> None:
    _cast(db, "t1", 1, 1, 1)
    _cast(db, "t2", 1, 0)

    agreed, divided = _weigh(db, "t1", "t2")

    assert divided.standing.gain > agreed.standing.gain >= 0


def test_a_view_keeps_the_last_decision_and_its_reason(db: Session) -> None:
    _cast(db, "t1", 1, 0)
    weighed = _weigh(db, "t1")
    consensus.record(db, PROJECT, weighed, {})
    before = consensus.find(db, PROJECT, "t1")

    consensus.record(db, PROJECT, weighed, {"t1": Decision(Action.ESCALATE, "they differ")})

    after = consensus.find(db, PROJECT, "t1")
    assert before is not None
    assert after is not None
    assert (before.n_votes, before.reason) == (2, "answers are still to come")
    assert (after.reason, after.posterior) == ("they differ", weighed[0].posterior)
    assert db.execute(text("SELECT decision FROM consensus")).scalars().all() == ["escalate"]


def test_what_was_never_weighed_has_no_view(db: Session) -> None:
    consensus.record(db, PROJECT, [], {})

    assert consensus.find(db, PROJECT, "t1") is None


def test_the_first_adjudication_is_certain(db: Session) -> None:
    first = consensus.adjudicate(db, PROJECT, task_id="t1", label=1, voter_id="expert")
    second = consensus.adjudicate(db, PROJECT, task_id="t1", label=0, voter_id="other")

    assert (first, second) == (True, False)
    assert db.execute(text("SELECT label, voter_id FROM known_labels")).all() == [(1, "expert")]


def test_an_experts_word_is_the_consensus_of_its_own_task_alone(db: Session) -> None:
    _cast(db, "t1", 1, 1)
    _cast(db, "t2", 1, 1)
    consensus.record(db, PROJECT, _weigh(db, "t1", "t2"), {})
    before = consensus.find(db, PROJECT, "t2")

    consensus.adjudicate(db, PROJECT, task_id="t1", label=0, voter_id="expert")

    ruled = consensus.find(db, PROJECT, "t1")
    assert ruled is not None
    assert (ruled.label, ruled.confidence, ruled.posterior) == (0, 1.0, [1.0, 0.0])
    assert ruled.reason == "an expert decided: answers are still to come"
    assert consensus.find(db, PROJECT, "t2") == before


def test_a_certain_label_moves_what_its_voters_are_believed_elsewhere(db: Session) -> None:
    for task in ("t1", "t2", "t3"):
        _cast(db, task, 1, 0)
    reliability.refit(db, PROJECT, n_classes=2)
    before = _weigh(db, "t3")[0].posterior[0]

    for task in ("t1", "t2"):
        consensus.adjudicate(db, PROJECT, task_id=task, label=0, voter_id="expert")
    reliability.refit(db, PROJECT, n_classes=2)

    assert _weigh(db, "t3")[0].posterior[0] > before


def test_no_confidence_above_one_is_kept(db: Session) -> None:
    _cast(db, "t1", 1)
    consensus.record(db, PROJECT, _weigh(db, "t1"), {})

    with pytest.raises(IntegrityError, match="confidence_range"), db.begin_nested():
        db.execute(text("UPDATE consensus SET confidence = 1.1"))


def test_who_tells_more_of_a_task_than_the_crowd_stands_out_unless_they_have_voted_on_it(db: Session) -> None:
    rng = np.random.default_rng(1)
    for number in range(120):
        label = number % 2
        for voter, right in {"good": 0.95, "fair": 0.75, "poor": 0.6, "blind": 0.5, "sharp": 0.95}.items():
            given = label if rng.random() < right else 1 - label
            votes.cast(db, project_id=PROJECT, task_id=f"t{number}", voter_id=voter, label=given)
    votes.cast(db, project_id=PROJECT, task_id="new", voter_id="good", label=1)
    votes.cast(db, project_id=PROJECT, task_id="new", voter_id="blind", label=0)

    weighed = consensus.weigh(db, PROJECT, ["new"], n_classes=2)
    found = consensus.who_stands_out(db, PROJECT, weighed, n_classes=2)

    assert "sharp" in found["new"]
    assert not {"good", "blind", "poor"} & set(found["new"])


def test_nobody_stands_out_where_all_who_are_known_have_voted(db: Session) -> None:
    _cast(db, "t1", 1, 1, 0)

    assert consensus.who_stands_out(db, PROJECT, _weigh(db, "t1"), n_classes=2) == {}
    assert consensus.who_stands_out(db, PROJECT, [], n_classes=2) == {}

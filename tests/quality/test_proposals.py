"""Settled tasks as gold: which are proposed, and what ops make of them."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from foundation.pagination import PageRequest
from quality import gold, proposals
from quality.gold_words import Verdict
from tests import factories
from workforce import assignment, golds
from workforce.models import Kind, Project, Task

REFUSED: dict[str, Any] = {"verdict": Verdict.REFUSED, "reason": "Blurred.", "decided_by": "tok_x"}


def _ruled(db: Session) -> tuple[Project, Task]:
    """A dispute that an expert has decided."""
    project, task = factories.create_escalated(db, gold_share=0.5)
    factories.answer(db, factories.create_worker(db, tier=4), "crow", project=project, kind=Kind.ADJUDICATION)
    factories.settle(db)
    return project, task


def _agreed(db: Session, project: Project, *labels: int, confidence: float = 0.995) -> Task:
    task = factories.create_task(db, project)
    for number, label in enumerate(labels):
        where = {"project_id": project.id, "task_id": task.id, "voter_id": f"wrk_{number}", "label": label}
        db.execute(text("INSERT INTO votes VALUES (:project_id, :task_id, :voter_id, :label)"), where)
    db.execute(
        text("INSERT INTO consensus VALUES (:project_id, :task_id, 1, :confidence, '{0, 1}', :n, 'settle', '', now())"),
        {"project_id": project.id, "task_id": task.id, "confidence": confidence, "n": len(labels)},
    )
    return task


def test_a_dispute_that_an_expert_decided_is_proposed(db: Session, books: None) -> None:
    project, task = _ruled(db)

    assert proposals.propose(db, project.id, most=10) == 1

    (found,) = _page(db, project)
    assert (found.task_id, found.label, found.source, found.status) == (task.id, 0, "expert", "proposed")
    assert found.why == "an expert decided it, as 1 of 2 voters did"


def _page(db: Session, project: Project) -> list[proposals.View]:
    return list(proposals.page(db, project.id, PageRequest(limit=50)).items)


def test_of_a_crowds_tasks_only_those_are_proposed_that_were_sure_and_agreed(db: Session) -> None:
    project = factories.create_gold_project(db)
    good = _agreed(db, project, 1, 1, 1, 1, 1)
    _agreed(db, project, 1, 1, 1, 1)
    _agreed(db, project, 1, 1, 1, 1, 0)
    _agreed(db, project, 1, 1, 1, 1, 1, confidence=0.98)

    proposals.propose(db, project.id, most=10)

    (found,) = _page(db, project)
    assert (found.task_id, found.source) == (good.id, "consensus")
    assert found.why == "all of 5 voters gave it, confidence 0.9950"


def test_no_more_are_proposed_than_asked_for_and_none_twice(db: Session) -> None:
    project = factories.create_gold_project(db)
    for _ in range(3):
        _agreed(db, project, 1, 1, 1, 1, 1)

    found = [proposals.propose(db, project.id, most=2) for _ in range(3)]

    assert found == [2, 1, 0]


def test_an_approved_proposal_is_a_gold_that_looks_like_its_task(db: Session, books: None) -> None:
    project, task = _ruled(db)
    proposals.propose(db, project.id, most=10)

    made = golds.approve(db, project, task.id, exposures_max=9, approved_by="tok_x")

    assert (made.label, made.source, made.origin_id, made.exposures_max) == (0, "expert", task.id, 9)
    assert db.get_one(Task, (made.task_id, project.id)).params == task.params
    assert _page(db, project)[0].status == "approved"
    with pytest.raises(proposals.ProposalDecided):
        golds.approve(db, project, task.id, exposures_max=9, approved_by="tok_x")


def test_neither_voters_nor_the_expert_of_the_task_meet_the_gold_made_from_it(db: Session, books: None) -> None:
    project, task = _ruled(db)
    proposals.propose(db, project.id, most=10)
    golds.approve(db, project, task.id, exposures_max=9, approved_by="tok_x")
    factories.create_task(db, project)
    took_part = [*db.scalars(text("SELECT worker_id FROM answers WHERE task_id = :id"), {"id": task.id})]

    for worker_id in (*took_part, factories.create_worker(db).id):
        lease = assignment.claim(db, worker_id, project_id=project.id, kind=Kind.ANSWER)
        assert lease is not None
        assignment.release(db, worker_id, lease.id, fence=lease.fence)

    assert len(took_part) == 3
    assert db.scalar(text("SELECT count(*) FROM exposures")) == 1


def test_a_refused_proposal_keeps_its_reason_and_does_not_come_again(db: Session) -> None:
    project = factories.create_gold_project(db)
    task = _agreed(db, project, 1, 1, 1, 1, 1)
    proposals.propose(db, project.id, most=10)

    proposals.decide(db, project.id, task.id, **REFUSED)

    assert proposals.propose(db, project.id, most=10) == 0
    (found,) = _page(db, project)
    assert (found.status, found.reason) == ("refused", "Blurred.")


def test_what_was_not_proposed_cannot_be_decided(db: Session) -> None:
    with pytest.raises(proposals.NoSuchProposal):
        proposals.decide(db, "prj", "tsk", **REFUSED)


def test_one_task_makes_one_gold(db: Session) -> None:
    project = factories.create_gold_project(db)
    factories.create_gold(db, project, origin_id="tsk_x")

    with pytest.raises(IntegrityError, match="ix_golds_project_id_origin_id"), db.begin_nested():
        factories.create_gold(db, project, origin_id="tsk_x")
    assert gold.find(db, project.id, db.scalars(text("SELECT task_id FROM golds")).one()).origin_id == "tsk_x"

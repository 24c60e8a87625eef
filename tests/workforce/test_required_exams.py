"""Projects that ask for passed exams: who is given their tasks, who learns of it, and which exams may be asked for."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from foundation.errors import Invalid
from foundation.pagination import PageRequest
from tests import factories
from workforce import assignment, attempts, available, exams, linked, why_nothing
from workforce.models import Exam, Project, Requester, Worker
from workforce.why_nothing import Rule


def _owner(db: Session, exam: Exam) -> Requester:
    return db.get_one(Requester, db.get_one(Project, exam.project_id).requester_id)


def _asking(db: Session, *asked: Exam, n_tasks: int = 2) -> Project:
    """A project of whoever the first exam is of, that asks for exams, and so many tasks of it."""
    owner = _owner(db, asked[0])
    project = factories.create_project(db, owner, required_exams=[one.project_id for one in asked])
    for _ in range(n_tasks):
        factories.create_task(db, project)
    return project


def _is_given(db: Session, worker: Worker, project: Project, **named: Any) -> bool:
    lease = assignment.claim(db, worker.id, **named)
    assert lease is None or lease.project_id == project.id
    return lease is not None


@pytest.mark.parametrize("named", [False, True])
def test_tasks_go_to_those_who_have_passed_what_is_asked(db: Session, books: None, named: bool) -> None:  # noqa: FBT001
    exam = factories.create_exam(db)
    project = _asking(db, exam)
    where = {"project_id": project.id} if named else {}
    passed, failed, idle = (factories.create_worker(db) for _ in range(3))
    factories.sit(db, passed, exam, right=4)
    factories.sit(db, failed, exam, right=0, wrong=4)

    assert _is_given(db, passed, project, **where)
    assert not _is_given(db, failed, project, **where)
    assert not _is_given(db, idle, project, **where)


def test_an_attempt_under_way_opens_nothing_and_its_end_does(db: Session, books: None) -> None:
    exam, worker = factories.create_exam(db), factories.create_worker(db)
    project = _asking(db, exam)
    attempt = factories.sit(db, worker, exam, right=3)

    assert not _is_given(db, worker, project)
    attempts.end(db, worker.id, attempt.id)
    assert _is_given(db, worker, project)


def test_all_that_is_asked_for_must_be_passed(db: Session, books: None) -> None:
    requester = factories.create_requester(db)
    exam = factories.create_exam(db, requester)
    training = factories.create_exam(db, requester, purpose="training")
    project, worker = _asking(db, exam, training), factories.create_worker(db)

    factories.sit(db, worker, exam, right=4)
    assert not _is_given(db, worker, project)
    factories.sit(db, worker, training, right=4)
    assert _is_given(db, worker, project)


def test_what_a_linked_account_passed_opens_nothing(db: Session, books: None) -> None:
    exam = factories.create_exam(db)
    project = _asking(db, exam)
    one, other = factories.create_worker(db), factories.create_worker(db)
    factories.sit(db, one, exam, right=4)
    linked.declare(db, one.id, other.id, kind="device", evidence="One telephone.", recorded_by="ops")

    assert not _is_given(db, other, project)


def test_an_expert_too_must_have_passed(db: Session, books: None) -> None:
    exam, expert = factories.create_exam(db), factories.create_worker(db, tier=4)
    project = factories.create_project(
        db, _owner(db, exam), required_exams=[exam.project_id], overlap_min=2, overlap_max=2,
        expert_share=1.0, confidence_target=0.99,
    )  # fmt: skip
    factories.create_task(db, project)
    for category in ("crow", "rook"):
        voter = factories.create_worker(db)
        factories.sit(db, voter, exam, right=4)
        factories.answer(db, voter, category, project=project)
    factories.settle(db)

    assert why_nothing.ask(db, expert.id).removed[0].rule == Rule.EXAM
    assert not _is_given(db, expert, project)
    factories.sit(db, expert, exam, right=4)
    assert _is_given(db, expert, project)


def test_what_was_claimed_may_be_answered_whatever_comes(db: Session, books: None) -> None:
    exam, worker = factories.create_exam(db), factories.create_worker(db)
    project = _asking(db, exam)
    factories.sit(db, worker, exam, right=4)
    lease = factories.claim(db, worker, project)

    factories.submit(db, worker, lease, "rook")
    assert [item.task_id for item in assignment.answers(db, worker.id, PageRequest(limit=10)).items] == [lease.task_id]


def test_whoever_has_not_passed_is_told_how_many_tasks_that_keeps_from_them(db: Session) -> None:
    exam, worker = factories.create_exam(db), factories.create_worker(db)
    _asking(db, exam, n_tasks=3)

    why = why_nothing.ask(db, worker.id)

    assert (why.claimable, {one.rule: one.tasks for one in why.removed}) == (0, {Rule.EXAM: 3})
    assert available.work(db, worker.id, PageRequest(limit=10)).items == []
    factories.sit(db, worker, exam, right=4)
    assert why_nothing.ask(db, worker.id).claimable == 3
    assert len(available.work(db, worker.id, PageRequest(limit=10)).items) == 1


def test_an_exam_says_how_many_projects_it_opens_of_those_that_one_may_see(db: Session) -> None:
    exam, worker = factories.create_exam(db), factories.create_worker(db)
    owner = _owner(db, exam)
    _asking(db, exam)
    _asking(db, exam, n_tasks=0)
    hidden = factories.create_project(db, owner, required_exams=[exam.project_id], countries=["DE"])
    factories.create_task(db, hidden)

    offered = attempts.offers(db, worker.id, PageRequest(limit=10)).items

    assert [(one.project_id, one.n_opens) for one in offered] == [(exam.project_id, 1)]


def test_somebody_elses_exam_is_asked_for_only_if_ops_let_it_bring_candidates_up(db: Session) -> None:
    strange, requester = factories.create_exam(db), factories.create_requester(db)

    with pytest.raises(Invalid, match="You have no exam") as refused:
        factories.create_project(db, requester, required_exams=[strange.project_id])
    assert [error["pointer"] for error in refused.value.errors] == ["/required_exams/0"]
    exams.qualify(db, strange, qualifies=True, decided_by="ops")
    made = factories.create_project(db, requester, required_exams=[strange.project_id])
    assert made.required_exams == [strange.project_id]


def test_a_project_of_work_is_no_exam(db: Session) -> None:
    requester = factories.create_requester(db)
    work = factories.create_project(db, requester)

    with pytest.raises(Invalid, match="You have no exam"):
        factories.create_project(db, requester, required_exams=[work.id])


def test_over_http_it_is_part_of_the_project(client: FlaskClient, db: Session, token: Callable[..., str]) -> None:
    exam = factories.create_exam(db)
    headers = {"Authorization": f"Bearer {token('requester', _owner(db, exam).id)}"}
    body = {
        "name": "Asking", "labels": ["crow", "rook"], "required_exams": [exam.project_id],
        "rates": [{"tier": 0, "amount": "0.02", "currency": "USD"}],
    }  # fmt: skip

    made = client.post("/api/projects", json=body, headers=headers)
    twice = client.post(
        "/api/projects", json={**body, "name": "B", "required_exams": [exam.project_id] * 2}, headers=headers
    )

    assert (made.status_code, made.get_json()["required_exams"]) == (201, [exam.project_id])
    assert (twice.status_code, twice.get_json()["errors"][0]["pointer"]) == (422, "/required_exams")

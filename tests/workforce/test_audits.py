"""Audits: a requester accepts a settled task, fixes it or has it decided anew; workers lose nothing by it."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation.errors import Invalid
from payments import funding
from payments.ledger import InsufficientFunds
from tests import factories
from workforce import audits
from workforce.audits import ExpertDecided, Finding, NoSuchTask, TaskNotSettled
from workforce.models import Audit, AuditVerdict, Kind, Project, Task

QUICK: dict[str, Any] = {"overlap_min": 2, "overlap_max": 2, "confidence_target": 0.5, "expert_share": 1.0}


def _settled(db: Session, **changes: Any) -> tuple[Project, Task]:
    project = factories.create_project(db, **{**QUICK, **changes})
    task = factories.create_task(db, project)
    factories.answer_all(db, project, "rook", "rook")
    factories.settle(db)
    return project, task


def _audit(db: Session, project: Project, task: Task, verdict: str, category: str | None = None) -> Audit:
    return audits.audit(db, project, task.id, Finding(AuditVerdict(verdict), category, "Seen."), made_by="ada")


def _known(db: Session) -> list[Any]:
    tables = ("votes", "consensus", "reliability", "known_labels", "answers", "earnings")
    return [sorted(map(str, db.execute(text(f"SELECT * FROM {table}")))) for table in tables]


def test_a_task_that_is_right_stays_as_it_is(db: Session, books: None) -> None:
    project, task = _settled(db)

    made = _audit(db, project, task, "accepted")

    assert (made.verdict, made.label_before, made.label_after, made.comment) == ("accepted", 1, None, "Seen.")
    assert (task.status, task.label, task.settled_by) == ("settled", 1, "consensus")


def test_a_fixed_task_has_the_label_that_its_requester_says_and_workers_lose_nothing(db: Session, books: None) -> None:
    project, task = _settled(db)
    before = _known(db)

    made = _audit(db, project, task, "fixed", "crow")

    assert (made.label_before, made.label_after) == (1, 0)
    assert (task.label, task.settled_by, task.confidence) == (0, "requester", 1.0)
    assert _known(db) == before
    _audit(db, project, task, "fixed", "rook")
    assert task.label == 1


def test_what_an_expert_decided_may_be_fixed_and_is_not_decided_anew(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db)
    factories.answer(db, factories.create_worker(db, tier=4), "crow", project=project)
    factories.settle(db)
    with pytest.raises(ExpertDecided), db.begin_nested():
        _audit(db, project, task, "rework")

    _audit(db, project, task, "fixed", "rook")

    assert (task.label, task.settled_by) == (1, "requester")
    with pytest.raises(ExpertDecided):
        _audit(db, project, task, "rework")


@pytest.mark.parametrize("is_fixed", [False, True])
def test_a_task_is_decided_anew_by_an_expert_out_of_a_reserve_of_its_own(
    db: Session,
    books: None,
    is_fixed: bool,  # noqa: FBT001
) -> None:
    project, task = _settled(db)
    if is_fixed:
        _audit(db, project, task, "fixed", "crow")

    _audit(db, project, task, "rework")

    assert (task.status, task.experts_asked) == ("escalated", 1)
    factories.answer(db, factories.create_worker(db, tier=4), "crow", project=project, kind=Kind.ADJUDICATION)
    factories.settle(db)
    assert (task.status, task.label, task.settled_by) == ("settled", 0, "expert")
    assert funding.of_owner(db, project.requester_id)[0].reserved == 0


def test_without_money_a_task_is_not_decided_anew(db: Session, books: None) -> None:
    requester = factories.create_requester(db, funds="1.20")
    project = factories.create_project(db, requester, **QUICK)
    task = factories.create_task(db, project)
    factories.answer_all(db, project, "rook", "rook")
    factories.settle(db)
    # What came back pays for another one.
    factories.create_task(db, project)

    with pytest.raises(InsufficientFunds), db.begin_nested():
        _audit(db, project, task, "rework")


def test_only_settled_tasks_of_the_project_are_audited(db: Session, books: None) -> None:
    project, task = _settled(db)
    other = factories.create_project(db, **QUICK)
    open_ = factories.create_task(db, project)

    with pytest.raises(NoSuchTask):
        _audit(db, other, task, "accepted")
    with pytest.raises(TaskNotSettled):
        _audit(db, project, open_, "accepted")


@pytest.mark.parametrize(
    ("verdict", "category"), [("fixed", None), ("accepted", "crow"), ("fixed", "rook"), ("fixed", "owl")]
)
def test_a_label_is_for_what_is_fixed_and_another_one_of_the_projects(
    db: Session, verdict: str, category: str | None
) -> None:
    project, task = _settled(db)

    with pytest.raises(Invalid, match="category"):
        _audit(db, project, task, verdict, category)


def test_a_sample_is_of_settled_tasks_that_nobody_has_looked_at(db: Session, books: None) -> None:
    project, first = _settled(db)
    more = [factories.create_task(db, project) for _ in range(3)]
    for _ in more:
        factories.answer_all(db, project, "rook", "rook")
    factories.settle(db)
    factories.create_task(db, project)
    _audit(db, project, first, "accepted")

    assert {task.id for task in audits.sample(db, project, most=10)} == {task.id for task in more}
    assert len(audits.sample(db, project, most=2)) == 2


def test_a_requester_audits_over_http(client: FlaskClient, token: Any, db: Session, books: None) -> None:
    project, task = _settled(db)
    db.commit()
    header = {"Authorization": f"Bearer {token('requester', project.requester_id)}"}
    path = f"/api/projects/{project.id}"

    (drawn,) = client.get(f"{path}/audit-sample?most=5", headers=header).get_json()["items"]
    body = {"verdict": "fixed", "category": "crow", "comment": "Its beak is black."}
    made = client.post(f"{path}/tasks/{task.id}/audit", json=body, headers=header)
    wrong = client.post(f"{path}/tasks/{task.id}/audit", json={"verdict": "fixed"}, headers=header)

    assert (drawn["id"], drawn["label"], drawn["params"]) == (task.id, 1, {"attachment": "a bird"})
    assert (made.status_code, wrong.status_code) == (201, 422)
    (listed,) = client.get(f"{path}/audits", headers=header).get_json()["items"]
    assert (listed["verdict"], listed["label_after"], listed["comment"]) == ("fixed", 0, body["comment"])

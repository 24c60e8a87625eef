"""Broken tasks: what is reported goes back, is parked when enough say so, and is decided once."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation.errors import Invalid
from tests import factories
from tests.conftest import age
from workforce import assignment, projects, queues, reports, why_nothing
from workforce.assignment import Lease, LeaseOver
from workforce.models import Project, Task, TaskReport, Worker
from workforce.reports import GoldReported, NothingReported, Verdict
from workforce.tasks import TaskInWork

Token = Callable[..., str]


def _report(db: Session, project: Project, worker: Worker | None = None) -> tuple[TaskReport, Worker]:
    worker = worker or factories.create_worker(db)
    lease = factories.claim(db, worker, project)
    return reports.report(db, worker.id, lease.id, fence=lease.fence, reason="not_shown"), worker


def _task(db: Session, **settings: Any) -> tuple[Project, Task]:
    project = factories.create_project(db, **{"overlap_min": 3, **settings})
    return project, factories.create_task(db, project)


def _parked(db: Session, task: Task) -> bool:
    db.refresh(task)
    return task.parked_at is not None


def test_whoever_reports_a_task_gives_it_back(db: Session, books: None) -> None:
    project, task = _task(db)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker, project)

    made = reports.report(db, worker.id, lease.id, fence=lease.fence, reason="other", note="It is upside down.")

    db.refresh(task)
    assert (made.state, made.task_id, made.note) == ("open", task.id, "It is upside down.")
    assert (task.free_slots, db.scalar(text("SELECT status FROM assignments"))) == (3, "released")
    with pytest.raises(LeaseOver):
        reports.report(db, worker.id, lease.id, fence=lease.fence, reason="other")


def test_what_has_ended_by_itself_is_not_reported(db: Session, books: None) -> None:
    project, _ = _task(db)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker, project)
    age(db, "assignments", "lease_expires_at", 86_400)
    assignment.expire(db)

    with pytest.raises(LeaseOver):
        reports.report(db, worker.id, lease.id, fence=lease.fence, reason="other")


@pytest.mark.parametrize("needed", [1, 2, 3])
def test_a_task_is_parked_when_enough_people_say_so(db: Session, books: None, needed: int) -> None:
    project, task = _task(db, reports_to_park=needed)
    parked = []
    for _ in range(needed):
        _report(db, project)
        parked.append(_parked(db, task))

    assert parked == [False] * (needed - 1) + [True]
    worker = factories.create_worker(db)
    assert assignment.claim(db, worker.id, project_id=project.id) is None
    assert [(one.rule, one.tasks) for one in why_nothing.ask(db, worker.id).removed] == [("parked", 1)]
    assert [one.waiting for one in queues.all_of_them(db) if one.name == "parked_tasks"] == [1]


def test_one_person_parks_nothing_alone(db: Session, books: None) -> None:
    project, task = _task(db)
    _, worker = _report(db, project)
    _report(db, project, worker)

    assert not _parked(db, task)


def test_whose_reports_were_mostly_dismissed_parks_nothing(db: Session, books: None) -> None:
    liar = factories.create_worker(db)
    for _ in range(5):
        project, task = _task(db)
        _report(db, project, liar)
        reports.decide(db, project, task.id, verdict=Verdict.DISMISSED, decided_by="ops")
    project, task = _task(db)

    _report(db, project, liar)
    _report(db, project)
    assert not _parked(db, task)
    _report(db, project)
    assert _parked(db, task)


@pytest.mark.parametrize(("verdict", "state"), [(Verdict.DISMISSED, "dismissed"), (Verdict.KEPT, "upheld")])
def test_a_task_that_goes_on_is_given_out_again(db: Session, books: None, verdict: Verdict, state: str) -> None:
    project, task = _task(db)
    made = [_report(db, project)[0] for _ in range(2)]
    seen = factories.create_worker(db)
    assert assignment.claim(db, seen.id) is None

    decided = reports.decide(db, project, task.id, verdict=verdict, decided_by="ops")

    assert (decided.reports, [one.state for one in made]) == (2, [state] * 2)
    assert factories.claim(db, seen).task_id == task.id
    with pytest.raises(NothingReported):
        reports.decide(db, project, task.id, verdict=verdict, decided_by="ops")


def test_a_cancelled_task_gives_its_money_back(db: Session, books: None) -> None:
    project, task = _task(db)
    _report(db, project)

    reports.decide(db, project, task.id, verdict=Verdict.CANCELLED, decided_by=project.requester_id)

    db.refresh(task)
    assert task.status == "cancelled"
    assert db.scalar(text("SELECT reserved - released FROM reserves")) == 0


def test_another_task_is_asked_instead_under_the_same_unique_id(db: Session, books: None) -> None:
    project = factories.create_project(db)
    task = factories.create_task(db, project, unique_id="7", error_cost="1.50")
    _report(db, project)

    decided = reports.decide(
        db, project, task.id, verdict=Verdict.REPLACED, params={"attachment": "a rook"}, decided_by="ops"
    )

    (new,) = db.query(Task).filter(Task.id == decided.replaced_by)
    assert (new.unique_id, new.params, new.status) == ("7", {"attachment": "a rook"}, "open")
    assert factories.claim(db, factories.create_worker(db)).task_id == new.id


def test_a_task_that_somebody_has_answered_does_not_end(db: Session, books: None) -> None:
    project, task = _task(db)
    factories.answer(db, factories.create_worker(db), project=project)
    _report(db, project)

    with pytest.raises(TaskInWork), db.begin_nested():
        reports.decide(db, project, task.id, verdict=Verdict.CANCELLED, decided_by="ops")
    assert reports.decide(db, project, task.id, verdict=Verdict.KEPT, decided_by="ops").reports == 1


def test_params_are_for_a_task_that_is_replaced(db: Session) -> None:
    project, task = _task(db)

    with pytest.raises(Invalid):
        reports.decide(db, project, task.id, verdict=Verdict.REPLACED, decided_by="ops")
    with pytest.raises(Invalid):
        reports.decide(db, project, task.id, verdict=Verdict.KEPT, params={}, decided_by="ops")


def test_gold_is_parked_like_any_task_and_retired_instead_of_cancelled(db: Session, books: None) -> None:
    project = factories.create_gold_project(db, reports_to_park=1)
    gold = factories.create_gold(db, project)
    factories.create_task(db, project)
    worker = factories.create_worker(db)
    given: list[Lease] = [factories.claim(db, worker) for _ in range(2)]
    for lease in given:
        reports.report(db, worker.id, lease.id, fence=lease.fence, reason="other")

    task = db.query(Task).filter(Task.id == gold.task_id).one()
    assert _parked(db, task)
    with pytest.raises(GoldReported), db.begin_nested():
        reports.decide(db, project, task.id, verdict=Verdict.CANCELLED, decided_by="ops")
    reports.decide(db, project, task.id, verdict=Verdict.DISMISSED, decided_by="ops")
    assert not _parked(db, task)


def test_a_broken_task_is_reported_and_decided_over_http(client: FlaskClient, db: Session, token: Token) -> None:
    project, task = _task(db, reports_to_park=1)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker)
    db.commit()
    as_ = {"Authorization": f"Bearer {token('worker', worker.id)}"}
    theirs = {"Authorization": f"Bearer {token('requester', project.requester_id)}"}
    ops = {"Authorization": f"Bearer {token('ops')}"}
    sent = {"fence": lease.fence, "reason": "private_data", "note": "A passport."}

    made = client.post(f"/api/assignments/{lease.id}/report", json=sent, headers=as_).get_json()
    (mine,) = client.get(f"/api/projects/{project.id}/task-reports?state=open", headers=theirs).get_json()["items"]
    (all_,) = client.get(f"/api/task-reports?project_id={project.id}", headers=ops).get_json()["items"]
    address = f"/api/projects/{project.id}/tasks/{task.id}/report-decision"
    decided = client.post(address, json={"verdict": "cancelled"}, headers=theirs)
    again = client.post(address, json={"verdict": "cancelled"}, headers=theirs)

    assert (made["state"], mine["id"], mine["task_id"], mine["note"]) == ("open", made["id"], task.id, "A passport.")
    assert all_ == {**mine, "worker_id": worker.id}
    assert decided.get_json() == {"task_id": task.id, "verdict": "cancelled", "reports": 1, "replaced_by": None}
    assert (again.status_code, again.get_json()["type"]) == (409, "/problems/nothing-reported")
    assert projects.find(db, project.requester_id, project.id) is project

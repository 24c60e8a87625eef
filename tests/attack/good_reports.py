"""Requests about broken tasks that are answered as they should be."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from tests import factories
from tests.attack.request import Good
from workforce import reports
from workforce.models import Project, Task


def _held(db: Session) -> Good:
    project = factories.create_project(db, lease_seconds=86_400)
    factories.create_task(db, project)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker, project)
    body = {"fence": lease.fence, "reason": "other", "note": "It is upside down."}
    return Good("worker", worker.id, {"assignment_id": lease.id}, body, known={"/fence": 409})


def _reported(db: Session) -> tuple[Project, Task]:
    project = factories.create_project(db)
    task = factories.create_task(db, project)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker, project)
    reports.report(db, worker.id, lease.id, fence=lease.fence, reason="other")
    return project, task


def _of_project(db: Session) -> Good:
    project, _ = _reported(db)
    return Good("requester", project.requester_id, {"project_id": project.id}, query="limit=1&state=open")


def _all(db: Session) -> Good:
    project, _ = _reported(db)
    return Good("ops", query=f"limit=1&state=open&project_id={project.id}")


def _decided(db: Session) -> Good:
    project, task = _reported(db)
    names = {"project_id": project.id, "task_id": task.id}
    body: dict[str, Any] = {"verdict": "replaced", "params": {"attachment": "x"}}
    return Good("requester", project.requester_id, names, body, known={"/verdict": 422})


GOOD: dict[str, Callable[[Session], Good]] = {
    "POST /api/assignments/<assignment_id>/report": _held,
    "GET /api/projects/<project_id>/task-reports": _of_project,
    "GET /api/task-reports": _all,
    "POST /api/projects/<project_id>/tasks/<task_id>/report-decision": _decided,
}

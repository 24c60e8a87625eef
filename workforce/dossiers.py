"""What experts see: the tasks that wait for one, and the dossier of the task that one holds."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from foundation import pagination
from foundation.errors import NotFound
from quality import consensus, reliability
from workforce import pseudonyms
from workforce.models import Answer, Assignment, AssignmentStatus, Kind, Project, Task, TaskStatus


@dataclass(frozen=True, slots=True)
class Escalation:
    """A task that waits for an expert, and why."""

    task_id: str
    project_id: str
    confidence: float
    n_votes: int
    reason: str
    waiting_since: datetime


def escalations(db: Session, page: pagination.PageRequest) -> pagination.Page:
    """The experts' queue, oldest task first."""
    rows = select(Task).where(Task.status == TaskStatus.ESCALATED)
    found = pagination.read(db, rows, Task.id, page, newest_first=False)
    views = {(task.project_id, task.id): consensus.find(db, task.project_id, task.id) for task in found.items}
    items = [
        Escalation(
            task.id, task.project_id, view.confidence, view.n_votes, view.reason, task.escalated_at or task.updated_at
        )
        for task in found.items
        if (view := views[task.project_id, task.id]) is not None
    ]
    return replace(found, items=items)


@dataclass(frozen=True, slots=True)
class DossierAnswer:
    """One answer as the expert sees it: by a pseudonym that holds for this task alone."""

    pseudonym: str
    category: str | None
    payload: dict[str, Any]
    reliability: float | None


@dataclass(frozen=True, slots=True)
class Dossier:
    """What an expert sees of an escalated task. posterior : of each label; empty where answers are none of them."""

    task_id: str
    reason: str
    posterior: dict[str, float]
    answers: list[DossierAnswer]


def dossier(db: Session, worker_id: str, assignment_id: str) -> Dossier:
    """The dossier of an escalated task, for the expert who holds it."""
    held = db.scalar(
        select(Assignment).where(
            Assignment.id == assignment_id,
            Assignment.worker_id == worker_id,
            Assignment.kind == Kind.ADJUDICATION,
            Assignment.status.in_([AssignmentStatus.LEASED, AssignmentStatus.ANSWERED]),
        )
    )
    view = None if held is None else consensus.find(db, held.project_id, held.task_id)
    if held is None or view is None:
        raise NotFound("You hold no escalated task under this id.")
    project = db.get_one(Project, held.project_id)
    rows = select(Answer).where(Answer.task_id == held.task_id, Answer.kind == Kind.ANSWER).order_by(Answer.id)
    given = db.scalars(rows).all()
    voters = [answer.worker_id for answer in given]
    shares = reliability.of_voters(db, project.id, voters)
    names = pseudonyms.of(db, held.task_id, voters)
    return Dossier(
        task_id=held.task_id,
        reason=view.reason,
        posterior=dict(zip(project.labels, view.posterior, strict=True)) if view.posterior else {},
        answers=[
            DossierAnswer(
                pseudonym=names[answer.worker_id],
                category=project.labels[answer.label] if view.posterior else None,
                payload=answer.payload,
                reliability=shares.get(answer.worker_id),
            )
            for answer in given
        ],
    )

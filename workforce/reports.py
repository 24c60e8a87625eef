"""Tasks that workers find broken: reported, kept from everybody when enough say so, decided by their requester or ops.

Whoever reports a task gives it back, and loses nothing by it. Reports of those whose last ones were mostly dismissed
are kept and looked at, and park nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, NotFound, invalid
from foundation.limits import DAY, Limit
from workforce import assignment, tasks
from workforce.assignment import LeaseOver
from workforce.models import (
    GOLD,
    AssignmentStatus,
    Batch,
    Project,
    ReportState,
    Task,
    TaskReport,
    TaskStatus,
)
from workforce.tasks import Question

QUOTA = Limit("reports", 30, DAY)


class NothingReported(Conflict):
    """Nobody has reported this task, or it was decided already."""


class GoldReported(Conflict):
    """Gold is retired, not cancelled."""


class Verdict(StrEnum):
    """What becomes of a reported task: nothing was wrong, it goes on all the same, it ends, another is asked."""

    DISMISSED = "dismissed"
    KEPT = "kept"
    CANCELLED = "cancelled"
    REPLACED = "replaced"


def report(db: Session, worker_id: str, assignment_id: str, *, fence: int, reason: str, note: str = "") -> TaskReport:
    """Say what is wrong with a task that is held, and give it back."""
    held = assignment.held_by(db, worker_id, assignment_id, fence)
    if held.status != AssignmentStatus.LEASED:
        raise LeaseOver("Your lease has ended; only what you hold can be reported.")
    made = TaskReport(
        id=ids.new("rpt"),
        project_id=held.project_id,
        task_id=held.task_id,
        assignment_id=held.id,
        worker_id=worker_id,
        reason=reason,
        note=note,
        state=ReportState.OPEN,
    )
    # The task is this transaction's from here on, so that two who report it at once are counted one after the other.
    assignment.give_back(db, [held.id], AssignmentStatus.RELEASED)
    db.add(made)
    db.flush()
    db.execute(_PARK, {"project_id": held.project_id, "task_id": held.task_id})
    return made


# By as many people as the project says, who are no linked accounts and each of whom is believed: of their last reports
# not most were dismissed.
_PARK = text("""
    UPDATE tasks t SET parked_at = now(), updated_at = now()
      FROM projects p
     WHERE t.project_id = :project_id AND t.id = :task_id AND p.id = t.project_id AND t.parked_at IS NULL
       AND t.status IN ('open', 'escalated', 'gold')
       AND p.reports_to_park <= (
           SELECT count(DISTINCT coalesce(w.cluster_id, w.id))
             FROM task_reports r JOIN workers w ON w.id = r.worker_id
            WHERE r.project_id = t.project_id AND r.task_id = t.id AND r.state = 'open'
              AND (SELECT count(*) < 5 OR count(*) FILTER (WHERE d.state = 'dismissed') * 2 <= count(*)
                     FROM (SELECT e.state FROM task_reports e WHERE e.worker_id = r.worker_id AND e.state <> 'open'
                            ORDER BY e.id DESC LIMIT 20) d))
""")


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a reported task; the id of the one that is asked instead."""

    task_id: str
    verdict: Verdict
    reports: int
    replaced_by: str | None = None


def decide(
    db: Session,
    project: Project,
    task_id: str,
    *,
    verdict: Verdict,
    params: Mapping[str, Any] | None = None,
    decided_by: str,
) -> Decided:
    """Say what becomes of a task that was reported. Raises `TaskInWork` if it is to end and was answered."""
    if (verdict == Verdict.REPLACED) != (params is not None):
        raise invalid({"params": ["Is for a task that is replaced, and needed there."]})
    task = db.get(Task, (task_id, project.id), with_for_update=True, populate_existing=True)
    if task is None:
        raise NotFound("The project has no task with this id.")
    rows = listed(project_id=project.id, state=ReportState.OPEN).where(TaskReport.task_id == task.id)
    found = db.scalars(rows.with_for_update(of=TaskReport)).all()
    if not found:
        raise NothingReported("Look at its reports.")
    replaced_by = None
    if verdict in {Verdict.CANCELLED, Verdict.REPLACED}:
        if task.status in GOLD:
            raise GoldReported("Retire it, and say of the reports that it is kept.")
        tasks.cancel(db, project.requester_id, task.id, actor_ref=decided_by)
        replaced_by = _again(db, project, task, params).id if params is not None else None
    for one in found:
        one.state = ReportState.DISMISSED if verdict == Verdict.DISMISSED else ReportState.UPHELD
        one.decided_by, one.decided_at = decided_by, clock.now(db)
    tasks.unpark(db, task)
    return Decided(task.id, verdict, len(found), replaced_by)


def _again(db: Session, project: Project, task: Task, params: Mapping[str, Any]) -> Task:
    """Ask a cancelled task as it should have been; its unique_id goes over."""
    unique_id, task.unique_id = task.unique_id, None
    db.flush()
    asked = Question(
        params=params,
        metadata=task.metadata_,
        unique_id=unique_id,
        callback_url=task.callback_url,
        error_cost=None if task.error_cost is None else f"{task.error_cost.normalize():f}",
    )
    return tasks.create(db, project, db.get_one(Batch, task.batch_id), asked)


def listed(*, project_id: str | None = None, state: str | None = None) -> Select[TaskReport]:
    """Reports of all, of a project, in a state."""
    rows = select(TaskReport)
    if project_id is not None:
        rows = rows.where(TaskReport.project_id == project_id)
    return rows if state is None else rows.where(TaskReport.state == state)


def waiting() -> Select[Task]:
    """Tasks that are kept from everybody until somebody has looked at them."""
    living = (TaskStatus.OPEN, TaskStatus.ESCALATED, TaskStatus.GOLD)
    return select(Task).where(Task.parked_at.is_not(None), Task.status.in_(living))

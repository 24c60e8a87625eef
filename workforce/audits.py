"""A requester's look at settled tasks: they find the label right, fix it, or have it decided anew.

What a requester says changes what they get, and nothing that is known of workers: those were paid for honest work, and
a buyer's word is no gold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from foundation import ids, outbox
from foundation.errors import Conflict, NotFound, invalid
from quality import certain
from workforce import labels, tasks
from workforce.models import Audit, AuditVerdict, Project, Task, TaskStatus

# A sample is drawn of so many of the newest tasks, so that drawing takes the same time however many there are.
DRAWN_FROM = 10_000


class NoSuchTask(NotFound):
    """You have no such task in this project."""


class TaskNotSettled(Conflict):
    """Only a settled task can be audited."""


class ExpertDecided(Conflict):
    """An expert has decided this task, or a correction has."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a requester says of a task. value : the right answer, if it is to be fixed; category : for a label."""

    verdict: AuditVerdict
    category: str | None = None
    comment: str = ""
    value: dict[str, Any] | None = None


def audit(db: Session, project: Project, task_id: str, finding: Finding, *, made_by: str) -> Audit:
    """Keep what a requester found, and do it. Raises `InsufficientFunds` where a task is to be decided anew."""
    outbox.hold_stream(db, project.id)
    db.refresh(project)
    rows = tasks.of_project(project).where(Task.id == task_id)
    task = db.scalar(rows.with_for_update().execution_options(populate_existing=True))
    if task is None:
        raise NoSuchTask("Look its id up among the tasks of this project.")
    if task.status != TaskStatus.SETTLED or task.label is None:
        raise TaskNotSettled(f"It is {task.status}.")
    made = Audit(
        id=ids.new("aud"),
        project_id=project.id,
        task_id=task.id,
        requester_id=project.requester_id,
        verdict=finding.verdict,
        label_before=task.label,
        label_after=_label(db, project, task, finding),
        comment=finding.comment,
        made_by=made_by,
    )
    if made.label_after is not None:
        tasks.fix(db, project, task, label=made.label_after)
    if finding.verdict == AuditVerdict.REWORK:
        # Whatever its requester has fixed since.
        if certain.label(db, project.id, task.id) is not None:
            raise ExpertDecided("It was as surely decided as can be; if you know better, fix it.")
        tasks.reopen(db, project, task, n_experts=1)
    db.add(made)
    db.flush()
    return made


def _label(db: Session, project: Project, task: Task, finding: Finding) -> int | None:
    """The number of the label that a task gets, if it is fixed."""
    given = "category" if finding.value is None else "value"
    if (finding.category is not None) + (finding.value is not None) != (finding.verdict == AuditVerdict.FIXED):
        raise invalid({given: ["One of category and value is for a task that is fixed, and needed there."]})
    label = labels.named(db, project, task.id, category=finding.category, value=finding.value)
    if label is not None and label == task.label:
        raise invalid({given: ["The task has this label; accept it."]})
    return label


def sample(db: Session, project: Project, *, most: int) -> Sequence[Task]:
    """Settled tasks drawn at random, which nobody has looked at yet."""
    seen = select(Audit.id).where(Audit.task_id == Task.id, Audit.project_id == Task.project_id).exists()
    newest = tasks.of_project(project).where(Task.status == TaskStatus.SETTLED, ~seen).order_by(Task.id.desc())
    drawn = newest.with_only_columns(Task.id).limit(DRAWN_FROM).subquery()
    chosen = select(drawn.c.id).order_by(func.random()).limit(most)
    return db.scalars(tasks.of_project(project).where(Task.id.in_(chosen))).all()


def listed(project: Project) -> Select[Audit]:
    """What a requester found in a project."""
    return select(Audit).where(Audit.project_id == project.id)

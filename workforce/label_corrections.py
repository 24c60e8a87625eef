"""Settled labels that were wrong: another one counts from now on, whatever votes and fits say.

What a requester gets is the corrected label, with what it was before and why. Who may correct, the preview and what
follows for workers is in `corrections.py`.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from foundation.errors import Conflict, NotFound
from foundation.outbox import publish
from quality import certain, checking, correction, gold
from quality.correction import LabelStands
from quality.gold import View
from workforce import arrears, golds, messages, reviews, tasks
from workforce.audits import TaskNotSettled
from workforce.events import LabelCorrected
from workforce.messages import News
from workforce.models import Change, Correction, CorrectionLine, PaidBy, Project, Task, TaskStatus


class LabelMoved(Conflict):
    """The task has another label than when this was proposed."""


def settled(db: Session, task_id: str) -> Task:
    """A settled task, for ops who know its id alone."""
    found = db.scalar(select(Task).where(Task.id == task_id).execution_options(populate_existing=True))
    if found is None:
        raise NotFound("There is no task with this id.")
    if found.status != TaskStatus.SETTLED:
        raise TaskNotSettled(f"It is {found.status}; a gold is corrected as one.")
    return found


def refuse_same(db: Session, task: Task, label: int) -> None:
    """Refuse a label that a task has, unless its requester alone says so: that is known of nobody's answer yet."""
    is_said = task.settled_by == tasks.REQUESTER and certain.label(db, task.project_id, task.id) != label
    if task.label == label and not is_said:
        raise LabelStands("There is nothing to correct.")


def made_of(db: Session, project: Project, made: Correction) -> View | None:
    """The gold that was made of a task while its label was wrong, if it says what was wrong."""
    found = gold.made_of(db, project.id, made.subject_id)
    return found if found is not None and found.label != made.label_to else None


def correct(db: Session, project: Project, made: Correction, *, by: str) -> list[CorrectionLine]:
    """Give a settled task, and a gold that was made of it, the right label. Hold the project's stream.

    Returns what is said of golds by it. Nothing is paid here, and no record has followed.
    """
    assert made.label_to is not None, "somebody knows it"
    task = settled(db, made.subject_id)
    db.refresh(task, with_for_update=True)
    if task.label != made.label_from:
        raise LabelMoved("Drop this, look at the task, and propose anew what is still wrong.")
    refuse_same(db, task, made.label_to)
    wrong = made_of(db, project, made)
    said = {"reason": made.reason, "corrected_by": by, "correction_id": made.id}
    tasks.fix(db, project, task, label=made.label_to, fixed_by=tasks.CORRECTION)
    correction.relabel(db, project.id, task.id, label=made.label_to, n_classes=len(project.labels), **said)
    publish(db, LabelCorrected(correction_id=made.id, task_id=task.id, project_id=project.id))
    if wrong is None:
        return []
    golds.correct(db, project, wrong.task_id, label=made.label_to, **said)
    changed = {"label_from": wrong.label, "label_to": made.label_to}
    return [CorrectionLine(change=Change.TASK, task_id=wrong.task_id, **changed)]


def accept_right(db: Session, project: Project, task_id: str, *, by: str) -> list[CorrectionLine]:
    """Accept rejected answers that were right after all, out of what is kept for them; tells what is owed for all.

    What was accepted stays so, however wrong it was.
    """
    judged = checking.on_task(db, project.id, task_id)
    right = [worker_id for worker_id, one in judged.items() if one.is_right]
    owed = list(arrears.of_rejected(db, project.id, task_id, right))
    kept = [str(one.answer_id) for one in owed if one.paid_by == PaidBy.REQUESTER]
    reviews.accept_these(db, {project.id: kept}, decided_by=by)
    return owed


def tell(db: Session, told: Sequence[LabelCorrected]) -> None:
    """Tell requesters that a label is another one now, and why. Reacts to `LabelCorrected`."""
    made = {one.correction_id: db.get_one(Correction, one.correction_id) for one in told}
    whose = {one.project_id: db.get_one(Project, one.project_id).requester_id for one in told}
    news = [
        News(
            whose[one.project_id],
            one.correction_id,
            {"task_id": one.task_id, "project_id": one.project_id, "reason": made[one.correction_id].reason},
        )
        for one in told
    ]
    messages.tell(db, "label_corrected", news)

"""Answers as labels, and labels as answers: what a worker sends has a number in its task, and a number says something.

A class has the number of its place among its project's labels, and what is no class has one of its task
(`quality/values.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import errors
from foundation.errors import invalid
from quality import values
from quality.kinds import Unfit
from workforce import golds, task_types, tasks
from workforce.models import Correction, CorrectionKind, CorrectionState, Project, Task
from workforce.task_types.task_type import Asked


@dataclass(frozen=True, slots=True)
class Answerable:
    """A task as an answer is given to it, with what its project says of answers."""

    project_id: str
    task_id: str
    task_type: str
    labels: list[str]
    form: dict[str, Any]

    @classmethod
    def of(cls, project: Project, task_id: str) -> "Answerable":
        """A task of a project."""
        return cls(project.id, task_id, project.task_type, project.labels, project.form)


_PARAMS = text("SELECT params FROM tasks WHERE project_id = :project_id AND id = :task_id")


def check(db: Session, asked: Answerable, payload: dict[str, Any]) -> str:
    """What an answer says, if it is one. Raises `Invalid` with a pointer to what is wrong."""
    params = {}
    if task_types.TYPES[asked.task_type].question is not None:
        params = db.scalars(_PARAMS, {"project_id": asked.project_id, "task_id": asked.task_id}).one()
    return task_types.read(asked.task_type, payload, Asked(asked.labels, asked.form, params))


def label_of(db: Session, asked: Answerable, payload: dict[str, Any]) -> int:
    """The number of an answer in its task. Raises `Invalid` as `check` does."""
    said = check(db, asked, payload)
    if task_types.TYPES[asked.task_type].kind(asked.form) is None:
        return asked.labels.index(said)
    try:
        written = values.rewritten(db, asked.project_id, said)
    except Unfit as error:
        raise invalid({"payload": [f"Its {error}."]}) from error
    return values.number(db, asked.project_id, asked.task_id, written)


def named(
    db: Session, project: Project, task_id: str, *, category: str | None, value: dict[str, Any] | None
) -> int | None:
    """The number in a task of what somebody says by a label's name, or as an answer; None if they say neither."""
    if value is not None:
        with errors.within("", {"payload": "value"}):
            return label_of(db, Answerable.of(project, task_id), value)
    return None if category is None else golds.label_of(project, category)


def are_classes(project: Project) -> bool:
    """Whether an answer to this project's tasks is one of its labels."""
    return task_types.TYPES[project.task_type].kind(project.form) is None


@dataclass(frozen=True, slots=True)
class Corrected:
    """That a settled label was wrong and is another now: what it said before, why it was wrong, and since when.

    Nothing of that where it never was.
    """

    label_before: int | None = None
    value_before: dict[str, Any] | None = None
    reason: str | None = None
    at: datetime | None = None


NEVER_CORRECTED = Corrected()


@dataclass(frozen=True, slots=True)
class Labelled:
    """A task, what its label says, if it has one, and what it was before it was corrected."""

    task: Task
    value: dict[str, Any] | None
    correction: Corrected = NEVER_CORRECTED


def of_tasks(db: Session, project: Project, found: Sequence[Task]) -> list[Labelled]:
    """Tasks of a project beside what their labels say."""
    said = shown(db, project, [(task.id, task.label) for task in found])
    corrected = corrections(db, project, [task.id for task in found if task.settled_by == tasks.CORRECTION])
    return [
        Labelled(task, value, corrected.get(task.id, NEVER_CORRECTED)) for task, value in zip(found, said, strict=True)
    ]


def corrections(db: Session, project: Project, task_ids: Sequence[str]) -> dict[str, Corrected]:
    """The last correction of each of these tasks, of those whose label was corrected."""
    if not task_ids:
        return {}
    made = select(Correction).where(Correction.project_id == project.id, Correction.subject_id.in_(task_ids))
    made = made.where(Correction.kind == CorrectionKind.LABEL, Correction.state == CorrectionState.APPLIED)
    last = {one.subject_id: one for one in db.scalars(made.order_by(Correction.decided_at, Correction.id))}
    before = shown(db, project, [(task_id, one.label_from) for task_id, one in last.items()])
    return {
        task_id: Corrected(one.label_from, value, one.reason, one.decided_at)
        for (task_id, one), value in zip(last.items(), before, strict=True)
    }


def shown(db: Session, project: Project, wanted: Sequence[tuple[str, int | None]]) -> list[dict[str, Any] | None]:
    """What labels of tasks say, (task, label) each, in the shape of an answer; None where there is no label."""
    there = [(task_id, label) for task_id, label in wanted if label is not None]
    task_type = task_types.TYPES[project.task_type]
    if are_classes(project):
        said = {(task_id, label): project.labels[label] for task_id, label in there}
    else:
        said = values.said(db, project.id, there)
    return [None if label is None else task_type.shown(said[task_id, label], project.form) for task_id, label in wanted]

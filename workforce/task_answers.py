"""What was answered to a task, for its requester: each answer as it was sent, by workers under pseudonyms.

A pseudonym holds for all that a requester sees, and for nobody else: who answered well or badly can be told apart, and
nobody can be found by it.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from foundation import pagination
from workforce import pseudonyms, tasks
from workforce.audits import NoSuchTask
from workforce.models import Answer, Project, Task


@dataclass(frozen=True, slots=True)
class Given:
    """An answer, whose it is, and whether it is the task's label by now; None : the task has none yet."""

    answer: Answer
    pseudonym: str
    agrees: bool | None


def page(db: Session, project: Project, task_id: str, request: pagination.PageRequest) -> pagination.Page:
    """The answers to a task of a project, oldest first, and experts' decisions among them."""
    task = db.scalar(tasks.of_project(project).where(Task.id == task_id))
    if task is None:
        raise NoSuchTask("Look its id up among the tasks of this project.")
    found = pagination.read(db, _to(task), Answer.id, request, newest_first=False)
    names = pseudonyms.of(db, project.requester_id, {answer.worker_id for answer in found.items})
    given = [Given(one, names[one.worker_id], _agrees(task, one)) for one in found.items]
    return replace(found, items=given)


def _to(task: Task) -> Select[Answer]:
    return select(Answer).where(Answer.task_id == task.id, Answer.project_id == task.project_id)


def _agrees(task: Task, answer: Answer) -> bool | None:
    return None if task.label is None else answer.label == task.label

"""What a worker has so far: a draft of the answer to a task they hold. It goes with the lease, or with the answer."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import NotFound
from workforce import assignment, labels
from workforce.assignment import LeaseOver
from workforce.models import Assignment, AssignmentStatus, Draft


class NoDraft(NotFound):
    """There is no draft here."""


def save(db: Session, worker_id: str, assignment_id: str, *, fence: int, payload: dict[str, Any]) -> Draft:
    """Keep a draft in place of the one before. It must be an answer that the task could take."""
    held = assignment.held_by(db, worker_id, assignment_id, fence)
    if held.status != AssignmentStatus.LEASED:
        raise LeaseOver("This lease has ended. Submit what you have, if nobody took the task.")
    labels.check(db, assignment.answerable(held), payload)
    kept = {"payload": payload, "saved_at": clock.now(db)}
    row = insert(Draft).values(assignment_id=held.id, project_id=held.project_id, **kept)
    db.execute(row.on_conflict_do_update(index_elements=["assignment_id", "project_id"], set_=kept))
    return find(db, worker_id, assignment_id)


def find(db: Session, worker_id: str, assignment_id: str) -> Draft:
    """The draft of a task that a worker holds."""
    mine = select(Assignment.id).where(Assignment.id == assignment_id, Assignment.worker_id == worker_id)
    rows = select(Draft).where(Draft.assignment_id.in_(mine)).execution_options(populate_existing=True)
    found = db.scalar(rows)
    if found is None:
        raise NoDraft("You have no draft for this assignment.")
    return found

"""Appeals: a worker objects to a rejection, and somebody of ops who has nothing to do with it decides.

While an appeal is open its answer's money stays where it is. Upheld, the answer is accepted and counts against whoever
rejected it (`rejections.py`); denied, the rejection is final. Neither touches what is known of the worker.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload

from foundation import clock, ids, outbox
from foundation.errors import Conflict, NotFound
from foundation.outbox import publish
from payments import four_eyes
from workforce import labels, linked, messages, rejections, reviews
from workforce.events import AppealDecided
from workforce.messages import News
from workforce.models import Answer, Appeal, AppealState, Project, Review, ReviewState, Task


class NothingToAppeal(Conflict):
    """This answer is not rejected."""


class AppealTooLate(Conflict):
    """The time to appeal is over."""


class AlreadyAppealed(Conflict):
    """You have appealed this rejection."""


class NoSuchAnswer(NotFound):
    """You have no such answer."""


class NoSuchAppeal(NotFound):
    """There is no such appeal."""


class AppealOver(Conflict):
    """This appeal was decided, or has nothing left to decide."""


def appeal(db: Session, worker_id: str, answer_id: str, *, grounds: str) -> Appeal:
    """Object to the rejection of one's own answer, once and in time."""
    found = db.scalar(reviews.of_worker(worker_id).where(Review.answer_id == answer_id))
    if found is None:
        raise NoSuchAnswer("None of your answers that a requester judges has this id.")
    outbox.hold_stream(db, found.project_id)
    db.refresh(found, with_for_update={"of": Review})
    if db.scalar(select(Appeal.id).where(Appeal.answer_id == answer_id)) is not None:
        raise AlreadyAppealed("It is decided once; look at your appeals.")
    if found.state == ReviewState.FINAL or (found.appeal_until and found.appeal_until <= clock.now(db)):
        raise AppealTooLate("A rejection can be appealed for seven days.")
    if found.state != ReviewState.REJECTED:
        raise NothingToAppeal(f"It is {found.state}.")
    made = Appeal(
        id=ids.new("apl"),
        answer_id=answer_id,
        project_id=found.project_id,
        worker_id=worker_id,
        requester_id=found.requester_id,
        rejected_by=found.decided_by,
        grounds=grounds,
        state=AppealState.OPEN,
    )
    db.add(made)
    db.flush()
    return made


def uphold(db: Session, appeal_id: str, *, decision: str, decided_by: str) -> Appeal:
    """Decide for the worker: the answer is accepted and due."""
    found = _decide(db, appeal_id, AppealState.UPHELD, decision=decision, decided_by=decided_by)
    reviews.accept_these(db, {found.project_id: [found.answer_id]}, decided_by=decided_by)
    return found


def deny(db: Session, appeal_id: str, *, decision: str, decided_by: str) -> Appeal:
    """Decide that the rejection stands: it is final, and what was kept for it goes back."""
    found = _decide(db, appeal_id, AppealState.DENIED, decision=decision, decided_by=decided_by)
    rejections.end_these(db, found.project_id, [found.answer_id])
    return found


def _decide(db: Session, appeal_id: str, state: AppealState, *, decision: str, decided_by: str) -> Appeal:
    found = db.get(Appeal, appeal_id)
    if found is None:
        raise NoSuchAppeal("Look its id up in the list of appeals.")
    outbox.hold_stream(db, found.project_id)
    db.refresh(found, with_for_update=True)
    if found.state != AppealState.OPEN:
        raise AppealOver(f"It is {found.state}.")
    four_eyes.other_person(found.rejected_by, decided_by)
    linked.refuse(db, found.worker_id, decided_by)
    found.state, found.decision, found.decided_by, found.decided_at = state, decision, decided_by, clock.now(db)
    db.flush()
    publish(db, AppealDecided(appeal_id=found.id, worker_id=found.worker_id, state=state.value))
    return found


def tell(db: Session, told: Sequence[AppealDecided]) -> None:
    """Tell workers what came of their appeals, and why. Reacts to `AppealDecided`."""
    found = db.scalars(listed().where(Appeal.id.in_([one.appeal_id for one in told]))).all()
    facts = {one.id: {"task_id": one.review.task_id, "outcome": one.state, "reason": one.decision} for one in found}
    messages.tell(db, "appeal_decided", [News(one.worker_id, one.id, facts[one.id]) for one in found])


# Lists


def listed(*, state: str | None = None) -> Select[Appeal]:
    """All appeals with the rejections that they are about, or those in a state."""
    rows = select(Appeal).options(joinedload(Appeal.review))
    return rows if state is None else rows.where(Appeal.state == state)


def of_worker(worker_id: str) -> Select[Appeal]:
    """What a worker has appealed."""
    return select(Appeal).where(Appeal.worker_id == worker_id)


@dataclass(frozen=True, slots=True)
class Case:
    """An appeal beside what was asked, what was answered, and what the task's label is."""

    appeal: Appeal
    instruction: str
    params: dict[str, Any]
    payload: dict[str, Any]
    value: dict[str, Any] | None


def case(db: Session, appeal_id: str) -> Case:
    """All that somebody has to look at who decides an appeal."""
    found = db.scalar(listed().where(Appeal.id == appeal_id))
    if found is None:
        raise NoSuchAppeal("Look its id up in the list of appeals.")
    answer = db.get_one(Answer, (found.answer_id, found.project_id))
    task = db.get_one(Task, (answer.task_id, found.project_id))
    project = db.get_one(Project, found.project_id)
    (value,) = labels.shown(db, project, [(task.id, task.label)])
    return Case(found, project.instruction, task.params, answer.payload, value)

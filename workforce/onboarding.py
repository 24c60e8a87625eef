"""From applicant to active worker."""

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from foundation import auth, clock, ids
from foundation.errors import Conflict, NotFound
from payments import payees
from workforce.models import Worker, WorkerStatus

OPS = auth.Role("ops", frozenset({"ops"}))

_MOVES = {
    WorkerStatus.ACTIVE: {WorkerStatus.APPLICANT, WorkerStatus.SUSPENDED},
    WorkerStatus.SUSPENDED: {WorkerStatus.ACTIVE},
    WorkerStatus.OFFBOARDED: {WorkerStatus.APPLICANT, WorkerStatus.ACTIVE, WorkerStatus.SUSPENDED},
}


class MoveNotAllowed(Conflict):
    """A worker cannot go from their present status to this one."""


def apply(db: Session, *, name: str, country: str) -> tuple[Worker, str]:
    """A new applicant and the secret of their token. They can see themselves, and claim once ops has activated them."""
    worker_id = ids.new("wrk")
    payee = payees.register(db, owner_ref=worker_id, name=name, country=country)
    worker = Worker(id=worker_id, name=name, country=country, status=WorkerStatus.APPLICANT, payee_id=payee.id)
    db.add(worker)
    db.flush()
    _, secret = auth.issue(db, role=WORKER.name, subject_id=worker.id, name="first token")
    return worker, secret


def move(db: Session, worker_id: str, status: WorkerStatus) -> Worker:
    """Bring a worker into another status. Acts on their next request; repeating it changes nothing."""
    worker = db.get(Worker, worker_id, with_for_update=True)
    if worker is None:
        raise NotFound("There is no such worker.")
    if worker.status == status:
        return worker
    if worker.status not in _MOVES[status]:
        raise MoveNotAllowed(f"This worker is {worker.status} and cannot become {status}.")
    if status == WorkerStatus.ACTIVE and worker.activated_at is None:
        worker.activated_at = clock.now(db)
    worker.status = status
    db.flush()
    return worker


def find(db: Session, worker_id: str) -> Worker:
    """The worker with this id."""
    worker = db.get(Worker, worker_id)
    if worker is None:
        raise NotFound("There is no such worker.")
    return worker


WORKER = auth.Role("worker", frozenset({"work"}), find, requests_a_minute=600)


def listed(status: str | None = None) -> Select[Worker]:
    """All workers, or those in one status."""
    rows = select(Worker)
    return rows if status is None else rows.where(Worker.status == status)

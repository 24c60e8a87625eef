"""Who holds what, for ops: live leases, and taking one back with a reason that its worker is told."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog
from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import NotFound
from foundation.metrics import Gauge
from foundation.outbox import publish
from workforce import assignment
from workforce.assignment import LeaseOver
from workforce.events import LeaseTakenBack
from workforce.models import Assignment, AssignmentStatus, Withdrawal

log = structlog.get_logger(__name__)


def listed(
    *, project_id: str | None = None, worker_id: str | None = None, ending_within_seconds: int | None = None
) -> Select[Assignment]:
    """What is held now: of all, of a project, of a worker, or what ends soon."""
    rows = select(Assignment).where(Assignment.status == AssignmentStatus.LEASED)
    if project_id is not None:
        rows = rows.where(Assignment.project_id == project_id)
    if worker_id is not None:
        rows = rows.where(Assignment.worker_id == worker_id)
    if ending_within_seconds is not None:
        rows = rows.where(Assignment.lease_expires_at <= func.now() + timedelta(seconds=ending_within_seconds))
    return rows


_HELD = text("""
    SELECT count(*) AS n, coalesce(extract(epoch FROM now() - min(lease_expires_at)), 0)::float AS overdue
      FROM assignments WHERE status = 'leased'
""")


def gauges(db: Session) -> Iterable[Gauge]:
    """How many tasks are in hands, and how long the first of them has been past its time."""
    row = db.execute(_HELD).one()
    yield Gauge("rookery_leases", "Tasks that workers hold", row.n)
    yield Gauge("rookery_lease_overdue_seconds", "How long a lease has been past its time", max(row.overdue, 0.0))


def take_back(db: Session, assignment_id: str, *, reason: str, note: str, taken_by: str) -> Assignment:
    """Take a held task from its worker; its slot goes to the end of the queue. A second time changes nothing."""
    rows = select(Assignment).where(Assignment.id == assignment_id)
    held = db.scalar(rows.with_for_update().execution_options(populate_existing=True))
    if held is None:
        raise NotFound("There is no such assignment.")
    if held.status == AssignmentStatus.WITHDRAWN:
        return held
    if held.status != AssignmentStatus.LEASED:
        raise LeaseOver(f"This assignment was {held.status}; nobody holds it.")
    assignment.give_back(db, [held.id], AssignmentStatus.WITHDRAWN)
    db.add(
        Withdrawal(
            assignment_id=held.id,
            project_id=held.project_id,
            reason=reason,
            note=note,
            taken_by=taken_by,
            created_at=clock.now(db),
        )
    )
    db.flush()
    publish(db, LeaseTakenBack(assignment_id=held.id, worker_id=held.worker_id, reason=reason))
    db.refresh(held)
    return held


def tell(_db: Session, told: Sequence[LeaseTakenBack]) -> None:
    """Say in the log that somebody has lost a task. A reaction; the worker is told by their next call."""
    for event in told:
        log.info("lease taken back", worker_id=event.worker_id, reason=event.reason)

"""Suspensions: stopping workers for a time. What is short and of few counts at once; the rest takes two people.

Severity takes two and mercy takes one: any of ops may let somebody work again.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, NotFound
from payments import four_eyes
from workforce import messages, onboarding
from workforce.messages import News
from workforce.models import SuspendedWorker, Suspension, SuspensionState, Worker, WorkerStatus

# What one person may do alone: to one worker within thirty days, and to how many workers within a day.
ALONE_HOURS = 72
ALONE_WORKERS = 10
HOURS_MAX = 90 * 24
WORKERS_MAX = 200
_AT_ONCE = 200


class SecondPersonNeeded(Conflict):
    """This is more than one person may do alone."""


class SuspensionDecided(Conflict):
    """This suspension was decided before."""


def suspend(db: Session, worker_ids: Collection[str], *, hours: int, reason: str, made_by: str) -> Suspension:
    """Stop workers for so many hours: at once if one person may do that alone, else when another one confirms it."""
    workers = _lock(db, worker_ids)
    for worker in workers:
        _require_suspendable(worker)
    alone = _may_alone(db, workers, hours=hours, made_by=made_by)
    made = Suspension(
        id=ids.new("sus"),
        reason=reason,
        hours=hours,
        state=SuspensionState.CONFIRMED if alone else SuspensionState.PROPOSED,
        made_by=made_by,
        decided_at=clock.now(db) if alone else None,
    )
    db.add(made)
    db.flush()
    db.add_all(SuspendedWorker(suspension_id=made.id, worker_id=worker.id) for worker in workers)
    db.flush()
    if alone:
        _begin(db, made, workers)
    return _fresh(db, made)


def suspend_alone(db: Session, worker_id: str, *, made_by: str) -> Worker:
    """Stop one worker for as long as one person may, and say so to them without a reason. Twice changes nothing."""
    [worker] = _lock(db, [worker_id])
    if worker.status != WorkerStatus.SUSPENDED:
        _require_suspendable(worker)
        if not _may_alone(db, [worker], hours=ALONE_HOURS, made_by=made_by):
            raise SecondPersonNeeded("Make a suspension that another person confirms.")
        suspend(db, [worker_id], hours=ALONE_HOURS, reason="", made_by=made_by)
    return worker


def confirm(db: Session, suspension_id: str, *, confirmed_by: str) -> Suspension:
    """Let what another person has proposed begin. Who has left meanwhile is left out."""
    suspension = _proposed(db, suspension_id)
    suspension.decided_by = four_eyes.other_person(suspension.made_by, confirmed_by)
    suspension.state, suspension.decided_at = SuspensionState.CONFIRMED, clock.now(db)
    db.flush()
    workers = _lock(db, suspension.worker_ids)
    stopped = (WorkerStatus.ACTIVE, WorkerStatus.SUSPENDED)
    _begin(db, suspension, [worker for worker in workers if worker.status in stopped])
    return _fresh(db, suspension)


def refuse(db: Session, suspension_id: str, *, refused_by: str) -> Suspension:
    """Drop what was proposed; whoever proposed it may do that too."""
    suspension = _proposed(db, suspension_id)
    suspension.decided_by = None if refused_by == suspension.made_by else refused_by
    suspension.state, suspension.decided_at = SuspensionState.REFUSED, clock.now(db)
    db.flush()
    return suspension


def reinstate(db: Session, worker_id: str) -> Worker:
    """Let an applicant, or somebody who is suspended, claim, whatever else was to keep them from it."""
    [worker] = _lock(db, [worker_id])
    was_suspended = worker.status == WorkerStatus.SUSPENDED
    onboarding.move(db, worker_id, WorkerStatus.ACTIVE)
    ended = db.execute(_END_ALL, {"worker_id": worker_id}).all()
    if was_suspended:
        _tell_reinstated(db, worker_id, ended[0].suspension_id if ended else "")
    return worker


_END_ALL = text("""
    UPDATE suspended_workers SET ended_at = now()
     WHERE worker_id = :worker_id AND begins_at IS NOT NULL AND ended_at IS NULL RETURNING suspension_id
""")
_DUE = text("""
    UPDATE suspended_workers SET ended_at = now()
     WHERE (suspension_id, worker_id) IN (
           SELECT suspension_id, worker_id FROM suspended_workers WHERE ended_at IS NULL AND until <= now()
            ORDER BY until LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING suspension_id, worker_id
""")
_STILL = text("""
    SELECT EXISTS (SELECT FROM suspended_workers
                    WHERE worker_id = :worker_id AND begins_at IS NOT NULL AND ended_at IS NULL)
""")


def end_due(db: Session) -> int:
    """Let those claim again whose time is over, unless another suspension holds them; how many were over. A sweep."""
    ended = db.execute(_DUE, {"limit": _AT_ONCE}).all()
    for row in sorted(ended, key=lambda row: str(row.worker_id)):
        [worker] = _lock(db, [row.worker_id])
        if worker.status == WorkerStatus.SUSPENDED and not db.scalar(_STILL, {"worker_id": worker.id}):
            onboarding.move(db, worker.id, WorkerStatus.ACTIVE)
            _tell_reinstated(db, worker.id, row.suspension_id)
    return len(ended)


def listed(*, state: str | None = None) -> Select[Suspension]:
    """All suspensions, or those in a state."""
    rows = select(Suspension)
    return rows if state is None else rows.where(Suspension.state == state)


def _begin(db: Session, suspension: Suspension, workers: Sequence[Worker]) -> None:
    now = clock.now(db)
    until = now + timedelta(hours=suspension.hours)
    for worker in workers:
        row = db.get_one(SuspendedWorker, (suspension.id, worker.id))
        row.begins_at, row.until = now, until
        onboarding.move(db, worker.id, WorkerStatus.SUSPENDED)
    db.flush()
    facts = {"until": f"{until:%Y-%m-%d %H:%M} UTC", "reason": suspension.reason}
    messages.tell(db, "suspended", [News(worker.id, suspension.id, facts) for worker in workers])


def _tell_reinstated(db: Session, worker_id: str, suspension_id: str) -> None:
    messages.tell(db, "reinstated", [News(worker_id, suspension_id or clock.now(db).isoformat(), {})])


# What was begun by one person alone: how long each was really stopped, and how many by this one within a day.
_HOURS = text("""
    SELECT coalesce(max(spent), 0) FROM (
        SELECT w.worker_id, floor(sum(extract(epoch FROM coalesce(w.ended_at, w.until) - w.begins_at)) / 3600) AS spent
          FROM suspended_workers w JOIN suspensions s ON s.id = w.suspension_id
         WHERE w.worker_id = ANY(:workers) AND s.decided_by IS NULL AND w.begins_at > now() - interval '30 days'
         GROUP BY w.worker_id) AS each
""")
_STOPPED = text("""
    SELECT count(*) FROM suspended_workers w JOIN suspensions s ON s.id = w.suspension_id
     WHERE s.made_by = :made_by AND s.decided_by IS NULL AND w.begins_at > now() - interval '1 day'
       AND w.ended_at IS NULL
""")


def _may_alone(db: Session, workers: Sequence[Worker], *, hours: int, made_by: str) -> bool:
    """Whether one person may stop these for so long. In small steps it is as much as at once."""
    # Two requests of one person take turns, or both would count without the other.
    db.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('suspensions:' || :by, 3))"), {"by": made_by})
    spent = int(db.scalar(_HOURS, {"workers": [worker.id for worker in workers]}) or 0)
    stopped = int(db.scalar(_STOPPED, {"made_by": made_by}) or 0)
    return hours + spent <= ALONE_HOURS and len(workers) + stopped <= ALONE_WORKERS


def _require_suspendable(worker: Worker) -> None:
    if worker.status not in {WorkerStatus.ACTIVE, WorkerStatus.SUSPENDED}:
        raise onboarding.MoveNotAllowed(f"Worker {worker.id} is {worker.status} and cannot become suspended.")


def _proposed(db: Session, suspension_id: str) -> Suspension:
    found = db.get(Suspension, suspension_id, with_for_update={"of": Suspension}, populate_existing=True)
    if found is None:
        raise NotFound("There is no such suspension.")
    if found.state != SuspensionState.PROPOSED:
        raise SuspensionDecided(f"It is {found.state}.")
    return found


def _lock(db: Session, worker_ids: Collection[str]) -> list[Worker]:
    """Workers, locked in the order of their ids; all of them or a refusal."""
    rows = select(Worker).where(Worker.id.in_(set(worker_ids))).order_by(Worker.id)
    found = list(db.scalars(rows.with_for_update().execution_options(populate_existing=True)))
    if len(found) < len(set(worker_ids)):
        raise NotFound("There is no such worker.")
    return found


def _fresh(db: Session, suspension: Suspension) -> Suspension:
    db.refresh(suspension)
    return suspension

"""What people see of ladders: workers where they stand and why, ops everybody's place beside what checks show.

Who moves is in `tiers.py`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, select, text
from sqlalchemy.orm import Session

from foundation import pagination
from foundation.errors import NotFound
from quality import checking
from quality.checking import Record
from workforce import ladders, tiers
from workforce.models import TierMove, Worker, WorkerTier


@dataclass(frozen=True, slots=True)
class OnLadder:
    """Where somebody stands on a ladder, since when and why; by which rule, and what the next step asks for."""

    skill: str
    tier: int
    name: str
    rule_id: str
    since: datetime | None
    pinned_until: datetime | None
    move_id: str | None = None
    cause: str | None = None
    reason: str | None = None
    next_tier: int | None = None
    next_name: str | None = None
    next_evidence: int | None = None
    next_reach: float | None = None
    next_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class WithRecord(OnLadder):
    """The same with what checks show by now. For ops alone: a worker who saw it grow would know which task was gold."""

    n_seen: int | None = None
    checked_at: datetime | None = None
    n: int | None = None
    n_right: int | None = None
    low: float | None = None
    high: float | None = None
    n_recent: int | None = None
    n_recent_right: int | None = None
    high_recent: float | None = None


def of_worker(db: Session, worker_id: str) -> Sequence[WorkerTier]:
    """A worker's place on every ladder they have been moved on."""
    return db.scalars(select(WorkerTier).where(WorkerTier.worker_id == worker_id).order_by(WorkerTier.skill)).all()


def mine(db: Session, worker_id: str) -> list[OnLadder]:
    """A worker on every ladder that they were moved on, in the order of the skills' names, as they see themselves."""
    last = _last_moves(db, worker_id)
    return [OnLadder(**_seen(db, place, last.get(place.skill))) for place in of_worker(db, worker_id)]


def with_records(db: Session, worker_id: str) -> list[WithRecord]:
    """The same with what checks show by now, also where nobody has moved them yet; for ops."""
    if db.get(Worker, worker_id) is None:
        raise NotFound("There is no such worker.")
    places = {place.skill: place for place in of_worker(db, worker_id)}
    records = {record.skill: record for record in checking.of_voter(db, worker_id)}
    last = _last_moves(db, worker_id)
    return [
        WithRecord(
            **_seen(db, places.get(skill) or tiers.beginner(worker_id, skill), last.get(skill)),
            **_checked(records.get(skill)),
        )
        for skill in sorted(places.keys() | records.keys())
    ]


_LAST = select(TierMove).from_statement(
    text("SELECT DISTINCT ON (skill) * FROM tier_moves WHERE worker_id = :worker_id ORDER BY skill, id DESC")
)


def _last_moves(db: Session, worker_id: str) -> dict[str, TierMove]:
    return {move.skill: move for move in db.scalars(_LAST, {"worker_id": worker_id})}


def _seen(db: Session, place: WorkerTier, last: TierMove | None) -> dict[str, Any]:
    """What `OnLadder` says of a place."""
    rule = ladders.in_force(db, place.skill)
    seen = {
        "skill": place.skill,
        "tier": place.tier,
        "name": rule.steps[place.tier].name,
        "rule_id": rule.id,
        "since": place.moved_at,
        "pinned_until": place.pinned_until,
    }
    if last is not None:
        seen |= {"move_id": last.id, "cause": last.cause, "reason": last.told}
    if place.tier + 1 < len(rule.steps):
        step = rule.steps[place.tier + 1]
        seen |= {"next_tier": place.tier + 1, "next_name": step.name, "next_evidence": step.evidence}
        seen |= {"next_reach": step.reach, "next_from": _cooled(place, step.cool_down_days)}
    return seen


def _cooled(place: WorkerTier, days: int) -> datetime | None:
    return None if place.moved_at is None else place.moved_at + timedelta(days=days)


def _checked(record: Record | None) -> dict[str, Any]:
    """What `WithRecord` says of a record."""
    if record is None:
        return {}
    return {"n_seen": record.n_seen, "checked_at": record.checked_at, **asdict(record.shown)}


@dataclass(frozen=True, slots=True)
class InSkill:
    """A worker as whoever looks through a skill sees them."""

    worker_id: str
    name: str
    country: str
    status: str
    tier: int
    n_seen: int | None = None
    checked_at: datetime | None = None
    n: int | None = None
    n_right: int | None = None
    low: float | None = None
    high: float | None = None
    n_recent: int | None = None
    n_recent_right: int | None = None
    high_recent: float | None = None


def in_skill(
    db: Session,
    skill: str,
    page: pagination.PageRequest,
    *,
    tier: int | None = None,
    country: str | None = None,
    low_percent_min: int | None = None,
    high_percent_max: int | None = None,
) -> pagination.Page:
    """All workers on the ladder of a skill, newest first, or those that match; whoever was never moved has begun."""
    step = func.coalesce(WorkerTier.tier, int(tiers.STARTING)).label("tier")
    place = and_(WorkerTier.worker_id == Worker.id, WorkerTier.skill == skill)
    rows = select(Worker.id, Worker.name, Worker.country, Worker.status, step).outerjoin(WorkerTier, place)
    if tier is not None:
        rows = rows.where(step == tier)
    if country is not None:
        rows = rows.where(Worker.country == country)
    if low_percent_min is not None or high_percent_max is not None:
        low, high = (None if one is None else one / 100.0 for one in (low_percent_min, high_percent_max))
        rows = rows.where(Worker.id.in_(checking.within(skill, low_least=low, high_most=high)))
    found = pagination.read(db, rows, Worker.id, page)
    records = checking.of_voters(db, [row.id for row in found.items], skill)
    items = [
        InSkill(row.id, row.name, row.country, row.status, row.tier, **_checked(records.get(row.id)))
        for row in found.items
    ]
    return replace(found, items=items)


def moves(db: Session, worker_id: str, page: pagination.PageRequest) -> pagination.Page:
    """Every move of a worker, newest first."""
    return pagination.read(db, select(TierMove).where(TierMove.worker_id == worker_id), TierMove.id, page)

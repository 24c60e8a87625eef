"""Who stands where on the ladder of each skill: moved by evidence, for lack of work, or by ops; every move is kept.

Rules and the decision are in `ladders.py`, what evidence there is in `quality/checking.py`.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from sqlalchemy import and_, func, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.errors import Conflict, NotFound
from foundation.outbox import publish
from quality import checking
from quality.checking import Record, Shown, Stretch
from quality.events import ReliabilityChanged
from workforce import ladders, messages
from workforce.events import TierMoved
from workforce.ladders import Place, Rule, Standing
from workforce.messages import News
from workforce.models import Cause, TierMove, Worker, WorkerTier


class TierPinned(Conflict):
    """An override keeps the worker where they are."""


class Tier(IntEnum):
    """The default ladder. An expert may settle escalated tasks."""

    CANDIDATE = 0
    NOVICE = 1
    REGULAR = 2
    SENIOR = 3
    EXPERT = 4


# What a skill's name looks like; each has a ladder of its own.
SKILL = re.compile(r"[a-z]+(\.[a-z]+)*")
SKILL_MAX = 100
# Where a worker stands on a ladder that nobody has moved them on.
STARTING = Tier(ladders.STARTING)
# Who moves people by the rules.
_HOUSE = "house"
_LOOKED_AT_ONCE = 100


# By hand


def set_tier(db: Session, worker_id: str, *, skill: str, tier: int, reason: str, moved_by: str) -> WorkerTier:
    """Put a worker on a step of a ladder and record why. Acts on their next claim; evidence may move them on."""
    known_skill(skill)
    place = _held(db, worker_id, skill)
    _refuse_pinned(place)
    _move(db, place, tier, cause=Cause.OPS, reason=reason, moved_by=moved_by)
    _look_again(db, place)
    return place


def pin(db: Session, worker_id: str, *, skill: str, tier: int, until: datetime, reason: str, moved_by: str) -> int:
    """Keep a worker on a step until then, whatever the rule says; returns where they stood."""
    place = _held(db, worker_id, skill)
    _refuse_pinned(place)
    before = place.tier
    _move(db, place, tier, cause=Cause.OVERRIDE, reason=reason, moved_by=moved_by)
    place.pinned_until = until
    _look_again(db, place)
    return before


def unpin(db: Session, worker_id: str, *, skill: str, back_to: int, cause: Cause, reason: str, moved_by: str) -> None:
    """Bring a worker back to where they stood before; from there the rule decides at once."""
    place = _held(db, worker_id, skill)
    place.pinned_until = None
    _move(db, place, back_to, cause=cause, reason=reason, moved_by=moved_by)
    _consider(db, place)


def _refuse_pinned(place: WorkerTier) -> None:
    if place.pinned_until is not None:
        raise TierPinned(f"An override keeps this worker on tier {place.tier}; end it first.")


def known_skill(skill: str) -> str:
    """A skill's name; what can be none is `NotFound`."""
    if len(skill) > SKILL_MAX or not SKILL.fullmatch(skill):
        raise NotFound("There is no such skill; its name looks like image.categorization.")
    return skill


def _held(db: Session, worker_id: str, skill: str) -> WorkerTier:
    """A worker's place on a ladder, made where there was none; this transaction's alone until its end."""
    # Two first moves at once: there is no row of the ladder to wait for yet, so they take turns at the worker's.
    if db.get(Worker, worker_id, with_for_update={"key_share": True}) is None:
        raise NotFound("There is no such worker.")
    place = db.get(WorkerTier, (worker_id, skill), populate_existing=True)
    return place or _beginner(worker_id, skill)


def _beginner(worker_id: str, skill: str) -> WorkerTier:
    """The place of somebody whom nobody has moved yet."""
    return WorkerTier(worker_id=worker_id, skill=skill, tier=int(STARTING), seen=0)


def _move(
    db: Session,
    place: WorkerTier,
    to: int,
    *,
    cause: Cause,
    reason: str,
    moved_by: str = _HOUSE,
    rule: Rule | None = None,
    record: Record | None = None,
) -> TierMove:
    """Bring somebody to another step, keep why and by which evidence, and tell it."""
    move = TierMove(
        id=ids.new("mov"),
        worker_id=place.worker_id,
        skill=place.skill,
        tier_from=place.tier,
        tier_to=to,
        cause=cause,
        reason=reason,
        moved_by=moved_by,
        rule_id=rule.id if rule else None,
        since=record.since if record else None,
        through=record.n_seen if record else None,
        **({name: getattr(record.shown, name) for name in Shown.__slots__} if record else {}),
    )
    seen = checking.find(db, place.worker_id, place.skill)
    place.tier, place.moved_at, place.seen = to, clock.now(db), seen.n_seen if seen else 0
    db.add_all([place, move])
    db.flush()
    publish(db, TierMoved(place.worker_id, place.skill, move.tier_from, to, move.id))
    return move


# By evidence and time


def follow(db: Session, told: Sequence[ReliabilityChanged]) -> None:
    """React to what checked answers show of a worker by now: move them if the rule says so."""
    corrected: dict[tuple[str, str], bool] = {}
    for event in told:
        key = event.voter_id, event.skill
        corrected[key] = corrected.get(key, False) or event.corrected
    for (worker_id, skill), is_corrected in sorted(corrected.items()):
        # Votes may be of somebody who is no worker of ours.
        if db.get(Worker, worker_id) is None:
            continue
        place = _held(db, worker_id, skill)
        if is_corrected and place.pinned_until is None:
            _put_right(db, place)
        _consider(db, place)


_DUE = text("SELECT worker_id, skill FROM worker_tiers WHERE due_at <= now() ORDER BY due_at LIMIT :most")


def look(db: Session) -> int:
    """Move those whom time moves: a cool-down is over, or they have not worked for too long. A sweep."""
    # Nobody is locked yet: whoever is moved meanwhile is found as they are by then.
    due = sorted(map(tuple, db.execute(_DUE, {"most": _LOOKED_AT_ONCE})))
    for worker_id, skill in due:
        _consider(db, _held(db, worker_id, skill))
    return len(due)


def _consider(db: Session, place: WorkerTier) -> None:
    """Let the rule decide about somebody, and note when time alone may move them on."""
    if place.pinned_until is not None:
        return
    rule, record = ladders.in_force(db, place.skill), checking.find(db, place.worker_id, place.skill)
    decided = ladders.decide(rule, _as_place(place), _standing(db, place, rule, record), clock.now(db))
    if decided is not None:
        _move(db, place, decided.to, cause=decided.cause, reason=decided.why, rule=rule, record=record)
    if decided is not None and decided.cause == Cause.DEMOTION:
        # What was shown before speaks for nobody who has changed, nor against them once more.
        checking.begin_anew(db, place.worker_id, place.skill)
    _look_again(db, place)


def _look_again(db: Session, place: WorkerTier) -> None:
    rule = ladders.in_force(db, place.skill)
    standing = _standing(db, place, rule, checking.find(db, place.worker_id, place.skill))
    due = None if place.pinned_until else ladders.due_at(rule, _as_place(place), standing)
    if place.due_at != due:
        place.due_at = due
        db.flush()


def _as_place(place: WorkerTier) -> Place:
    return Place(place.tier, place.moved_at, place.seen)


# The newest answer in a skill after some moment; ids tell when answers were made.
_WORKED = text("""
    SELECT n.created_at FROM answers n JOIN projects p ON p.id = n.project_id
     WHERE n.worker_id = :worker_id AND n.id > :after AND p.skill = :skill ORDER BY n.id DESC LIMIT 1
""")


def _standing(db: Session, place: WorkerTier, rule: Rule, record: Record | None) -> Standing:
    """What is known of somebody. Their last work is looked for only where the lack of it could move them."""
    found = ladders.NOTHING if record is None else Standing(record.n_seen, record.shown)
    if rule.steps[place.tier].decay_days is None or place.moved_at is None:
        return found
    where = {"worker_id": place.worker_id, "skill": place.skill, "after": ids.earliest("ans", place.moved_at)}
    return Standing(found.n_seen, found.shown, db.scalar(_WORKED, where))


def _put_right(db: Session, place: WorkerTier) -> None:
    """Take a demotion back whose evidence, as it is known by now, would not have demoted anybody.

    Only the last one, and only if nobody of ops has moved the worker since.
    """
    rows = select(TierMove).where(TierMove.worker_id == place.worker_id, TierMove.skill == place.skill)
    for last in db.scalars(rows.order_by(TierMove.id.desc())):
        if last.cause == Cause.DEMOTION:
            break
        if last.cause in {Cause.OPS, Cause.CORRECTION, Cause.EARLIER}:
            return
    else:
        return
    assert last.rule_id is not None
    assert last.since is not None
    assert last.through is not None
    if last.tier_from <= place.tier:
        return
    rule, record = ladders.find(db, last.rule_id), checking.find(db, place.worker_id, place.skill)
    assert record is not None
    keep = rule.steps[last.tier_from].keep or 0.0
    # By what was seen then; and by all that was seen since, or they would go down again at once.
    for through in (last.through, record.n_seen):
        shown = checking.shown(db, Stretch(place.worker_id, place.skill, last.since, through))
        if Standing(through, shown).high < keep:
            return
    checking.begin_anew(db, place.worker_id, place.skill, since=last.since)
    record = checking.find(db, place.worker_id, place.skill)
    name = rule.steps[last.tier_from].name
    reason = f"What had spoken against you was put right: {name} again, as before {last.created_at:%Y-%m-%d}."
    _move(db, place, last.tier_from, cause=Cause.CORRECTION, reason=reason, rule=rule, record=record)


def tell(db: Session, told: Sequence[TierMoved]) -> None:
    """Tell workers that they are on another step, and why. A reaction."""
    moved = db.scalars(select(TierMove).where(TierMove.id.in_([event.move_id for event in told])).order_by(TierMove.id))
    news = [
        News(move.worker_id, move.id, {"skill": move.skill, "tier": move.tier_to, "reason": move.told or ""})
        for move in moved
        if move.tier_to != move.tier_from
    ]
    messages.tell(db, "tier_moved", news)


# What people see


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
            **_seen(db, places.get(skill) or _beginner(worker_id, skill), last.get(skill)),
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
    step = func.coalesce(WorkerTier.tier, int(STARTING)).label("tier")
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

"""Overrides: a step that people give for some days against the rule. One proposes it and another one lets it hold.

While it holds nothing moves the worker in that skill. Then they go back to where they were, and the rule decides anew.
"""

import math
from datetime import datetime, timedelta

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, NotFound
from payments import four_eyes
from workforce import linked, onboarding, tiers
from workforce.models import Cause, OverrideState, TierOverride

DAYS_MAX = 365
_EXPIRED_AT_ONCE = 100


class NoSuchOverride(NotFound):
    """There is no such override."""


class OverrideOpen(Conflict):
    """This worker has an override in this skill already, or one is proposed."""


class OverrideDecided(Conflict):
    """The override is not where this can be done."""


class ForOneself(Conflict):
    """Nobody decides where they stand themselves."""


def propose(
    db: Session, worker_id: str, *, skill: str, tier: int, reason: str, days: int, proposed_by: str
) -> TierOverride:
    """Ask that a worker stand on a step for so many days from its approval on. Nothing is moved yet."""
    tiers.known_skill(skill)
    worker = onboarding.find(db, worker_id)
    _refuse_oneself(db, worker_id, proposed_by)
    # Who proposes another one at the same moment waits here.
    db.refresh(worker, with_for_update={"key_share": True})
    open_ = select(TierOverride.id).where(TierOverride.worker_id == worker_id, TierOverride.skill == skill)
    if db.scalar(open_.where(TierOverride.state.in_((OverrideState.PROPOSED, OverrideState.ACTIVE)))) is not None:
        raise OverrideOpen("End or refuse the one that is open in this skill first.")
    made = TierOverride(
        id=ids.new("ovr"),
        worker_id=worker_id,
        skill=skill,
        tier=tier,
        reason=reason,
        days=days,
        state=OverrideState.PROPOSED,
        proposed_by=proposed_by,
    )
    db.add(made)
    db.flush()
    return made


def _refuse_oneself(db: Session, worker_id: str, person: str) -> None:
    if person == worker_id:
        raise ForOneself("This is about yourself; let others propose and approve it.")
    linked.refuse(db, worker_id, person)


def approve(db: Session, override_id: str, *, approved_by: str) -> TierOverride:
    """Let a proposed override hold from now on. It acts on the worker's next claim."""
    override = _in(db, override_id, OverrideState.PROPOSED)
    _refuse_oneself(db, override.worker_id, approved_by)
    other = four_eyes.other_person(override.proposed_by, approved_by)
    now = clock.now(db)
    until = now + timedelta(days=override.days)
    override.tier_before = tiers.pin(
        db, override.worker_id, skill=override.skill, tier=override.tier, until=until, reason=override.reason,
        moved_by=override.id,
    )  # fmt: skip
    override.state, override.decided_by, override.decided_at = OverrideState.ACTIVE, other, now
    override.ends_at = until
    db.flush()
    return override


def hold(
    db: Session, worker_id: str, *, skill: str, tier: int, reason: str, until: datetime, proposed_by: str,
    approved_by: str,
) -> TierOverride:  # fmt: skip
    """Let an override hold at once that two people have agreed on together with others, in a bulk move."""
    now = clock.now(db)
    made = TierOverride(
        id=ids.new("ovr"),
        worker_id=worker_id,
        skill=skill,
        tier=tier,
        reason=reason,
        days=math.ceil((until - now) / timedelta(days=1)),
        state=OverrideState.ACTIVE,
        proposed_by=proposed_by,
        decided_by=approved_by,
        decided_at=now,
        ends_at=until,
    )
    made.tier_before = tiers.pin(
        db, worker_id, skill=skill, tier=tier, until=until, reason=reason, moved_by=made.id
    )  # fmt: skip
    db.add(made)
    db.flush()
    return made


def refuse(db: Session, override_id: str, *, refused_by: str) -> TierOverride:
    """Drop a proposal; whoever made it may take it back so."""
    override = _in(db, override_id, OverrideState.PROPOSED)
    override.state, override.decided_by, override.decided_at = OverrideState.REFUSED, refused_by, clock.now(db)
    db.flush()
    return override


def end(db: Session, override_id: str, *, ended_by: str) -> TierOverride:
    """End an override before its date: the rule holds again."""
    override = _in(db, override_id, OverrideState.ACTIVE)
    _refuse_oneself(db, override.worker_id, ended_by)
    _end(db, override, ended_by, _over(override))
    return override


def take_back(db: Session, override: TierOverride, *, reason: str, taken_by: str) -> None:
    """End an override of a bulk move that is undone. Call this with its row locked, while it holds."""
    _end(db, override, taken_by, f"What was said on {override.decided_at:%Y-%m-%d} is taken back: {reason}")


def _over(override: TierOverride) -> str:
    return f"What was said on {override.decided_at:%Y-%m-%d} is over: {override.reason}"


def _in(db: Session, override_id: str, state: OverrideState) -> TierOverride:
    override = db.get(TierOverride, override_id, with_for_update=True, populate_existing=True)
    if override is None:
        raise NoSuchOverride("There is no override with this id.")
    if override.state != state:
        raise OverrideDecided(f"This override is {override.state}; only one that is {state.value} can be decided so.")
    return override


def _end(db: Session, override: TierOverride, ended_by: str, why: str) -> None:
    override.state, override.ended_by, override.ended_at = OverrideState.ENDED, ended_by, clock.now(db)
    db.flush()
    assert override.tier_before is not None
    tiers.unpin(
        db, override.worker_id, skill=override.skill, back_to=override.tier_before, cause=Cause.EXPIRY,
        reason=why[:1000], moved_by=override.id,
    )  # fmt: skip


def expire(db: Session) -> int:
    """End overrides whose date has come. A sweep."""
    rows = select(TierOverride).where(TierOverride.state == OverrideState.ACTIVE, TierOverride.ends_at <= func.now())
    rows = rows.order_by(TierOverride.worker_id, TierOverride.skill).limit(_EXPIRED_AT_ONCE)
    over = db.scalars(rows.with_for_update(skip_locked=True).execution_options(populate_existing=True)).all()
    for override in over:
        _end(db, override, "house", _over(override))
    return len(over)


def listed(state: str | None = None, worker_id: str | None = None, skill: str | None = None) -> Select[TierOverride]:
    """Overrides, all or those that match."""
    wanted = {TierOverride.state: state, TierOverride.worker_id: worker_id, TierOverride.skill: skill}
    return select(TierOverride).where(*(column == value for column, value in wanted.items() if value is not None))

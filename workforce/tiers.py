"""Who stands where on the ladder of each skill: moved by evidence, for lack of work, or by ops; every move is kept.

Rules and the decision are in `ladders.py`, what evidence there is in `quality/checking.py`, what people see of it in
`places.py`.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import IntEnum

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, NotFound
from foundation.outbox import publish
from quality import checking
from quality.checking import Record, Shown, Stretch
from quality.events import ReliabilityChanged
from workforce import ladders, messages
from workforce.events import TierMoved
from workforce.ladders import Move, Place, Rule, Standing
from workforce.messages import News
from workforce.models import Cause, TierMove, Worker, WorkerTier


class PlacedBefore(Conflict):
    """This worker has been moved in this skill."""


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


def place_first(db: Session, worker_id: str, *, skill: str, tier: int, reason: str, moved_by: str) -> WorkerTier:
    """Put a worker on a step of a ladder on which neither a person nor the rule has moved them: one person's word."""
    known_skill(skill)
    place = _held(db, worker_id, skill)
    _refuse_pinned(place)
    if db.get(WorkerTier, (worker_id, skill)) is not None:
        raise PlacedBefore("Evidence moves them from here on; against it, propose an override that another approves.")
    return set_tier(db, worker_id, skill=skill, tier=tier, reason=reason, moved_by=moved_by)


def set_tier(
    db: Session, worker_id: str, *, skill: str, tier: int, reason: str, moved_by: str, cause: Cause = Cause.OPS
) -> WorkerTier:
    """Put a worker on a step of a ladder and record why. Acts on their next claim; evidence may move them on."""
    known_skill(skill)
    place = _held(db, worker_id, skill)
    _refuse_pinned(place)
    _move(db, place, tier, cause=cause, reason=reason, moved_by=moved_by)
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
    return place or beginner(worker_id, skill)


def beginner(worker_id: str, skill: str) -> WorkerTier:
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
        reconsider(db, worker_id, skill, corrected=is_corrected)


def reconsider(db: Session, worker_id: str, skill: str, *, corrected: bool) -> None:
    """Let the rule decide about a worker anew; if something was put right, after what it had done to them is undone."""
    # Votes may be of somebody who is no worker of ours.
    if db.get(Worker, worker_id) is None:
        return
    place = _held(db, worker_id, skill)
    while corrected and place.pinned_until is None and _put_right(db, place):
        pass
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
    decided = foresee(db, place, rule, record, clock.now(db))
    if decided is not None:
        _move(db, place, decided.to, cause=decided.cause, reason=decided.why, rule=rule, record=record)
    if decided is not None and decided.cause == Cause.DEMOTION:
        # What was shown before speaks for nobody who has changed, nor against them once more.
        checking.begin_anew(db, place.worker_id, place.skill)
    _look_again(db, place)


def foresee(db: Session, place: WorkerTier, rule: Rule, record: Record | None, now: datetime) -> Move | None:
    """What a rule would do with somebody now; nothing is changed. Whoever an override keeps where they are stays."""
    if place.pinned_until is not None:
        return None
    days = rule.steps[place.tier].decay_days
    # Whoever has been there for less cannot have been without work for longer.
    rests = days is not None and place.moved_at is not None and place.moved_at + timedelta(days=days) <= now
    standing = _standing(db, place, rule, record) if rests else _shown(record)
    return ladders.decide(rule, _as_place(place), standing, now)


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
    found = _shown(record)
    if rule.steps[place.tier].decay_days is None or place.moved_at is None:
        return found
    where = {"worker_id": place.worker_id, "skill": place.skill, "after": ids.earliest("ans", place.moved_at)}
    return Standing(found.n_seen, found.shown, db.scalar(_WORKED, where))


def _shown(record: Record | None) -> Standing:
    return ladders.NOTHING if record is None else Standing(record.n_seen, record.shown)


def _put_right(db: Session, place: WorkerTier) -> bool:
    """Take a demotion back whose evidence, as it is known by now, would not have demoted anybody. False: there is none.

    The last one that still holds somebody down, and only if nobody of ops has moved the worker since.
    """
    last = _last_demotion(db, place)
    if last is None:
        return False
    assert last.rule_id is not None
    assert last.since is not None
    assert last.through is not None
    rule, record = ladders.find(db, last.rule_id), checking.find(db, place.worker_id, place.skill)
    assert record is not None
    keep = rule.steps[last.tier_from].keep or 0.0
    # By what was seen then; and by all that was seen since, or they would go down again at once.
    for through in (last.through, record.n_seen):
        shown = checking.shown(db, Stretch(place.worker_id, place.skill, last.since, through))
        if Standing(through, shown).high < keep:
            return False
    checking.begin_anew(db, place.worker_id, place.skill, since=last.since)
    record = checking.find(db, place.worker_id, place.skill)
    name = rule.steps[last.tier_from].name
    reason = f"What had spoken against you was put right: {name} again, as before {last.created_at:%Y-%m-%d}."
    _move(db, place, last.tier_from, cause=Cause.CORRECTION, reason=reason, rule=rule, record=record)
    return True


def _last_demotion(db: Session, place: WorkerTier) -> TierMove | None:
    """The newest demotion that was neither put right nor made up for since."""
    n_put_right = 0
    rows = select(TierMove).where(TierMove.worker_id == place.worker_id, TierMove.skill == place.skill)
    for move in db.scalars(rows.order_by(TierMove.id.desc())):
        if move.cause in {Cause.OPS, Cause.EARLIER}:
            return None
        if move.cause == Cause.CORRECTION:
            n_put_right += 1
        elif move.cause == Cause.DEMOTION and n_put_right:
            # Each puts the last one right that there was before it.
            n_put_right -= 1
        elif move.cause == Cause.DEMOTION and move.tier_from > place.tier:
            return move
    return None


def tell(db: Session, told: Sequence[TierMoved]) -> None:
    """Tell workers that they are on another step, and why. A reaction."""
    moved = db.scalars(select(TierMove).where(TierMove.id.in_([event.move_id for event in told])).order_by(TierMove.id))
    news = [
        News(move.worker_id, move.id, {"skill": move.skill, "tier": move.tier_to, "reason": move.told or ""})
        for move in moved
        if move.tier_to != move.tier_from
    ]
    messages.tell(db, "tier_moved", news)

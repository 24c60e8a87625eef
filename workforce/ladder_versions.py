"""New versions of ladders: proposed with a preview of who would move, confirmed by another person, then rolled out.

A version never changes, and every move names the one that it went by. The preview asks the same function that decides
in earnest, about everybody who goes by the ladder; nothing is reckoned a second time.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.errors import Conflict, NotFound, invalid
from payments import four_eyes
from quality import checking
from quality.checking import Record
from workforce import ladders, tiers
from workforce.ladders import Rule
from workforce.models import LadderRule, LadderStep, Worker, WorkerTier
from workforce.tiers import Tier

# So many people a preview looks at, some at a time, and so many for one page of those who would move.
PEOPLE_MAX = 200_000
PAGE_PEOPLE_MAX = 20_000
_AT_ONCE = 1_000
_MOVED_AT_ONCE = 100


class NoSuchLadder(NotFound):
    """There is no such version of a ladder."""


class VersionConfirmed(Conflict):
    """This version was confirmed."""


class VersionSuperseded(Conflict):
    """A later version of this ladder holds."""


def of_skill(skill: str) -> str:
    """The name of a skill, or of what is above all of them."""
    return skill if skill == ladders.ROOT else tiers.known_skill(skill)


def propose(
    db: Session, skill: str, *, steps: Sequence[Mapping[str, Any]], reason: str, proposed_by: str
) -> LadderRule:
    """A version of a skill's ladder that holds once another person has confirmed it. steps : from the lowest."""
    of_skill(skill)
    _refuse_contradictions(steps)
    # Of two at once the second is refused by the database, and tried again.
    newest = db.scalar(select(func.max(LadderRule.version)).where(LadderRule.skill == skill)) or 0
    made = LadderRule(id=ids.new("lad"), skill=skill, version=newest + 1, reason=reason, proposed_by=proposed_by)
    db.add(made)
    db.flush()
    db.add_all(LadderStep(rule_id=made.id, tier=tier, **step) for tier, step in enumerate(steps))
    db.flush()
    return made


def _refuse_contradictions(steps: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what could hold nobody or move somebody for ever; each place by its pointer."""
    wrong: dict[int, dict[str, list[str]]] = {}
    for tier, step in enumerate(steps):
        here: dict[str, list[str]] = {}
        if tier == Tier.CANDIDATE:
            here |= {
                name: ["The lowest step asks for nothing."] for name in ("reach", "keep") if step[name] is not None
            }
        if tier <= ladders.STARTING and step["decay_days"] is not None:
            here["decay_days"] = ["Lack of work takes nobody below the step where everybody begins."]
        if step["reach"] is not None and step["keep"] is not None and step["keep"] > step["reach"]:
            here["keep"] = ["Nobody must keep more than was asked of them."]
        wrong |= {tier: here} if here else {}
    if wrong:
        raise invalid({"steps": wrong})


def approve(db: Session, ladder_id: str, *, approved_by: str) -> LadderRule:
    """Let a proposed version hold from now on. Whoever it moves is moved in the background, some at a time."""
    row = db.get(LadderRule, ladder_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NoSuchLadder("There is no version of a ladder with this id.")
    if row.confirmed_at is not None:
        raise VersionConfirmed(f"It was on {row.confirmed_at:%Y-%m-%d}.")
    other = four_eyes.other_person(row.proposed_by, approved_by)
    later = select(LadderRule.version).where(LadderRule.skill == row.skill, LadderRule.version > row.version)
    if db.scalar(later.where(LadderRule.confirmed_at.is_not(None)).limit(1)) is not None:
        raise VersionSuperseded("Propose these steps again, as the newest version.")
    row.confirmed_by, row.confirmed_at = other, clock.now(db)
    db.flush()
    return row


def listed(skill: str) -> Select[LadderRule]:
    """All versions of the ladder that is a skill's own."""
    return select(LadderRule).where(LadderRule.skill == of_skill(skill))


def find(db: Session, ladder_id: str, *, confirmed: bool = False) -> Rule:
    """A version with its steps, whether it holds or not; or only one that holds or has held."""
    row = db.get(LadderRule, ladder_id)
    if row is None or (confirmed and row.confirmed_at is None):
        raise NoSuchLadder("There is no version of a ladder with this id.")
    return ladders.read(db, row)


# Who would move


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Somebody whom a version would move, where to and why, and their record's bounds. key : their place in line."""

    key: str
    worker_id: str
    skill: str
    tier_from: int
    tier_to: int
    cause: str
    reason: str
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Preview:
    """How many people were looked at, whether these are all, and rows of who would move: from, to, cause, workers."""

    people: int
    complete: bool
    moves: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Person:
    key: str
    place: WorkerTier
    record: Record | None


def preview(db: Session, ladder_id: str) -> Preview:
    """Whom a version would move now, counted. Nothing is changed."""
    rule, people, counts = find(db, ladder_id), 0, Counter[tuple[int, int, str]]()
    now = clock.now(db)
    for some in _people(db, rule.skill):
        people += len(some)
        found = (_foresee(db, rule, person, now) for person in some)
        counts.update((one.tier_from, one.tier_to, one.cause) for one in found if one is not None)
        if people >= PEOPLE_MAX:
            break
    moves = [
        {"tier_from": before, "tier_to": after, "cause": cause, "workers": workers}
        for (before, after, cause), workers in sorted(counts.items())
    ]
    return Preview(people, people < PEOPLE_MAX, moves)


def page(db: Session, ladder_id: str, request: pagination.PageRequest) -> pagination.Page:
    """Those whom a version would move now, by skill and id. A page may be short where many of those before stay."""
    rule, now = find(db, ladder_id), clock.now(db)
    found: list[Foreseen] = []
    people = 0
    for some in _people(db, rule.skill, after=request.after or ""):
        for person in some:
            one = _foresee(db, rule, person, now)
            found += [] if one is None else [one]
            people += 1
            if len(found) == request.limit or people == PAGE_PEOPLE_MAX:
                return pagination.Page(found, person.key)
    return pagination.Page(found, None)


def _foresee(db: Session, rule: Rule, person: _Person, now: datetime) -> Foreseen | None:
    place, record = person.place, person.record
    move = tiers.foresee(db, place, rule, record, now)
    if move is None:
        return None
    shown = None if record is None else record.shown
    return Foreseen(
        key=person.key,
        worker_id=place.worker_id,
        skill=place.skill,
        tier_from=place.tier,
        tier_to=move.to,
        cause=move.cause,
        reason=move.why,
        low=None if shown is None else shown.low,
        high=None if shown is None else min(shown.high, shown.high_recent),
    )


def _governed(db: Session, skill: str) -> list[str]:
    """The skills that go by the ladder of this one, or would if it had one: itself, and below it up to the next."""
    own = set(db.scalars(select(LadderRule.skill).where(LadderRule.confirmed_at.is_not(None)))) | {skill}
    known = set(db.scalars(select(WorkerTier.skill).distinct())) | checking.skills(db)
    return sorted(one for one in known if next(name for name in ladders.lineage(one) if name in own) == skill)


def _people(db: Session, skill: str, *, after: str = "", most: int = _AT_ONCE) -> Iterator[list[_Person]]:
    """Everybody who was moved or checked in a skill that goes by a ladder, some at a time, from a place in line on."""
    begin, _, last = after.partition(" ")
    for one in _governed(db, skill):
        if one < begin:
            continue
        last = last if one == begin else ""
        while some := _some(db, one, last, most):
            yield some
            last = some[-1].place.worker_id


def _some(db: Session, skill: str, after: str, most: int) -> list[_Person]:
    rows = select(WorkerTier).where(WorkerTier.skill == skill, WorkerTier.worker_id > after)
    ordered = rows.order_by(WorkerTier.worker_id).limit(most).execution_options(populate_existing=True)
    places = {row.worker_id: row for row in db.scalars(ordered)}
    records = {row.voter_id: row for row in checking.in_skill(db, skill, after=after, most=most)}
    # Votes may be of somebody who is no worker of ours.
    strangers = records.keys() - places.keys()
    ours = set(db.scalars(select(Worker.id).where(Worker.id.in_(strangers)))) if strangers else set()
    first = sorted(places.keys() | records.keys())[:most]
    return [
        _Person(f"{skill} {who}", places.get(who) or tiers.beginner(who, skill), records.get(who))
        for who in first
        if who in places or who in ours
    ]


# Once it holds


def roll_out(db: Session) -> Iterator[None]:
    """Let versions that hold since now decide about everybody who goes by them, some at a time. A work."""
    waiting = select(LadderRule).where(LadderRule.confirmed_at.is_not(None), LadderRule.looked_at.is_(None))
    first = waiting.order_by(LadderRule.confirmed_at, LadderRule.id).limit(1).with_for_update(skip_locked=True)
    while (row := db.scalar(first.execution_options(populate_existing=True))) is not None:
        some = next(_people(db, row.skill, after=row.looked_through or "", most=_MOVED_AT_ONCE), [])
        for person in some:
            tiers.reconsider(db, person.place.worker_id, person.place.skill, corrected=False)
        if some:
            row.looked_through = some[-1].key
        else:
            row.looked_at = clock.now(db)
        db.flush()
        yield

"""Ladders as data: what each step of a skill's ladder asks for, and who moves by it. What moves them is `tiers.py`.

Skills form a tree by their names, and a skill goes by the ladder of its nearest ancestor that has one. A move compares
the bounds of a record with a rule, never its share right: up when the lower bound reaches what the next step asks for,
down when the upper bound falls under what the present one must keep. Nobody must keep more than was asked of them, so
whoever is between the two stays, and nobody goes up and down by chance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from quality.checking import Shown
from workforce.models import Cause, LadderRule, LadderStep

# Above every skill.
ROOT = "ALL"
# Where everybody begins; lack of work takes nobody below it.
STARTING = 1


@dataclass(frozen=True, slots=True)
class Step:
    """What a step asks for. evidence : checked answers since the last move; reach : for the lower bound, to come here.

    keep : what the upper bound must not fall under. cool_down_days : since the last move, before anybody comes here.
    decay_days : without work, until somebody goes one step down. A step without `reach` is given by hand alone.
    """

    name: str
    evidence: int
    reach: float | None
    keep: float | None
    cool_down_days: int
    decay_days: int | None


@dataclass(frozen=True, slots=True)
class Rule:
    """A version of a ladder: its steps from the lowest."""

    id: str
    skill: str
    version: int
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        """How people call it."""
        return f"version {self.version} of the ladder of {'all skills' if self.skill == ROOT else self.skill}"


# What everybody goes by whose skill has no ladder, nor anything above it; the first migration of ladders keeps it.
DEFAULT = Rule(
    id="lad_00000000000000000000000000",
    skill=ROOT,
    version=1,
    steps=(
        Step("candidate", evidence=1, reach=None, keep=None, cool_down_days=0, decay_days=None),
        Step("novice", evidence=10, reach=0.65, keep=0.65, cool_down_days=7, decay_days=None),
        Step("regular", evidence=20, reach=0.70, keep=0.65, cool_down_days=1, decay_days=365),
        Step("senior", evidence=40, reach=0.82, keep=0.75, cool_down_days=7, decay_days=180),
        Step("expert", evidence=80, reach=0.90, keep=0.85, cool_down_days=14, decay_days=180),
    ),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody stands: since when, and how many of their answers had been checked by then."""

    tier: int
    moved_at: datetime | None
    seen: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of somebody: answers checked ever, what those of their record show, and when they last worked."""

    n_seen: int
    shown: Shown
    worked_at: datetime | None = None

    @property
    def high(self) -> float:
        """The upper bound: of the whole record, or of its last answers if they say less."""
        return min(self.shown.high, self.shown.high_recent)


NOTHING = Standing(0, Shown(n=0, n_right=0, low=0.0, high=1.0, n_recent=0, n_recent_right=0, high_recent=1.0))


@dataclass(frozen=True, slots=True)
class Move:
    """A step to go to, and why, in a sentence that the worker reads."""

    to: int
    cause: Cause
    why: str


def decide(rule: Rule, place: Place, standing: Standing, now: datetime) -> Move | None:
    """Whether somebody moves now."""
    return _down(rule, place, standing) or _decayed(rule, place, standing, now) or _up(rule, place, standing, now)


def due_at(rule: Rule, place: Place, standing: Standing) -> datetime | None:
    """When time alone may move somebody: a cool-down is over, or they have been without work for too long."""
    moments = (_cooled(rule, place, standing), _idle(rule, place, standing))
    return min((moment for moment in moments if moment), default=None)


def _down(rule: Rule, place: Place, standing: Standing) -> Move | None:
    keep = rule.steps[place.tier].keep
    if keep is None or standing.high >= keep:
        return None
    # Past every step whose rule is not kept either; on the lowest one there is nothing to keep.
    to = max(tier for tier in range(place.tier) if not standing.high < (rule.steps[tier].keep or 0.0))
    asked = f"and {rule.steps[place.tier].name} asks that it may be {keep:.2f} or more by {rule.name}."
    return Move(to, Cause.DEMOTION, f"{_of_what(standing)}, {asked}")


def _of_what(standing: Standing) -> str:
    """What speaks against somebody: all of their record, or its last answers."""
    shown = standing.shown
    if shown.high_recent < shown.high:
        said = f"Of the last {shown.n_recent} checked answers {shown.n_recent_right} were right"
    else:
        said = f"Of {shown.n} checked answers {shown.n_right} were right"
    return f"{said}: the share of right answers is below {standing.high:.3f}"


def _idle(rule: Rule, place: Place, standing: Standing) -> datetime | None:
    """When somebody who does not work will have been without work for too long."""
    days = rule.steps[place.tier].decay_days
    if days is None or place.moved_at is None or place.tier <= STARTING:
        return None
    return max(place.moved_at, standing.worked_at or place.moved_at) + timedelta(days=days)


def _decayed(rule: Rule, place: Place, standing: Standing, now: datetime) -> Move | None:
    over = _idle(rule, place, standing)
    if over is None or now < over:
        return None
    step = rule.steps[place.tier]
    why = f"No work in this skill for {step.decay_days} days: {step.name} lapses by {rule.name}."
    return Move(place.tier - 1, Cause.DECAY, why)


def _is_earned(rule: Rule, place: Place, standing: Standing) -> bool:
    """Whether the next step asks for no more than is shown, but for the time that must have passed."""
    if place.tier + 1 >= len(rule.steps):
        return False
    step = rule.steps[place.tier + 1]
    if step.reach is None or standing.n_seen - place.seen < step.evidence:
        return False
    return standing.shown.low >= step.reach and standing.high >= (step.keep or 0.0)


def _cooled(rule: Rule, place: Place, standing: Standing) -> datetime | None:
    """When the cool-down is over that alone keeps somebody from the next step."""
    if place.moved_at is None or not _is_earned(rule, place, standing):
        return None
    return place.moved_at + timedelta(days=rule.steps[place.tier + 1].cool_down_days)


def _up(rule: Rule, place: Place, standing: Standing, now: datetime) -> Move | None:
    if not _is_earned(rule, place, standing):
        return None
    over = _cooled(rule, place, standing)
    if over is not None and now < over:
        return None
    shown, step = standing.shown, rule.steps[place.tier + 1]
    why = (
        f"Of {shown.n} checked answers {shown.n_right} were right: the share of right answers is above "
        f"{shown.low:.3f}, and {step.name} asks for {step.reach:.2f} or more by {rule.name}."
    )
    return Move(place.tier + 1, Cause.PROMOTION, why)


# Reading rules


def lineage(skill: str) -> Iterator[str]:
    """A skill, what it is a kind of, and so on, up to what is above all."""
    parts = skill.split(".") if skill != ROOT else []
    yield from (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    yield ROOT


def in_force(db: Session, skill: str) -> Rule:
    """The rule that a skill goes by: the newest of its nearest ancestor that has one."""
    ancestry = list(lineage(skill))
    rows = select(LadderRule).where(LadderRule.skill.in_(ancestry), LadderRule.confirmed_at.is_not(None))
    found = db.scalars(rows).all()
    return read(db, min(found, key=lambda row: (ancestry.index(row.skill), -row.version)))


def find(db: Session, rule_id: str) -> Rule:
    """A rule as it was."""
    return read(db, db.get_one(LadderRule, rule_id))


def read(db: Session, row: LadderRule) -> Rule:
    """A rule with its steps."""
    rows = db.scalars(select(LadderStep).where(LadderStep.rule_id == row.id).order_by(LadderStep.tier))
    steps = tuple(Step(**{name: getattr(one, name) for name in Step.__slots__}) for one in rows)
    return Rule(row.id, row.skill, row.version, steps)

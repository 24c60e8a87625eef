"""Requesters, workers, and where these stand on their ladders."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    Index,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Moment, Ref, one_of


class WorkerStatus(StrEnum):
    APPLICANT = "applicant"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    OFFBOARDED = "offboarded"


class Requester(Base):
    """Who pays for projects."""

    __tablename__ = "requesters"

    id: Mapped[Id]
    name: Mapped[str]
    created_at: Mapped[Created]


class Worker(Base):
    """A person who answers."""

    __tablename__ = "workers"

    id: Mapped[Id]
    name: Mapped[str]
    country: Mapped[str] = mapped_column(IdText)
    status: Mapped[str]
    payee_id: Mapped[Ref]
    created_at: Mapped[Created]
    activated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # With whom they count as one, and since when it is just these (linked.py).
    cluster_id: Mapped[str | None] = mapped_column(IdText)
    clustered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # Of the test world: for whom alone they are there (worlds.py).
    works_for: Mapped[str | None] = mapped_column(IdText, ForeignKey("requesters.id"))

    __table_args__ = (
        one_of("status", WorkerStatus),
        Index(
            "uq_workers_works_for_name",
            "works_for",
            "name",
            unique=True,
            postgresql_where=text("works_for IS NOT NULL"),
        ),
        CheckConstraint("(cluster_id IS NULL) = (clustered_at IS NULL)", name="clustered_whole"),
        Index(None, "status", "id"),
        Index("ix_workers_cluster_id", "cluster_id", "id", postgresql_where=text("cluster_id IS NOT NULL")),
    )


class Cause(StrEnum):
    """Why somebody moved on a ladder.

    By its rule: up, down, for lack of work, or since what had spoken against them was put right. By a person; by two
    people, and at the end of that; by an exam. `earlier` is by a person too, before workers could read why.
    """

    PROMOTION = "promotion"
    DEMOTION = "demotion"
    DECAY = "decay"
    CORRECTION = "correction"
    OPS = "ops"
    OVERRIDE = "override"
    EXPIRY = "expiry"
    EXAM = "exam"
    EARLIER = "earlier"


class WorkerTier(Base):
    """A worker's level on the ladder of one skill."""

    __tablename__ = "worker_tiers"

    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"), primary_key=True)
    skill: Mapped[str] = mapped_column(IdText, primary_key=True)
    tier: Mapped[int] = mapped_column(SmallInteger)
    # Since when, and how many answers of theirs had been checked in the skill by then.
    moved_at: Mapped[Moment] = mapped_column(server_default=func.now())
    seen: Mapped[int] = mapped_column(server_default=text("0"))
    # When time alone may move them.
    due_at: Mapped[Moment | None]
    # Until when an override keeps them there, whatever the rule says (overrides.py).
    pinned_until: Mapped[Moment | None]

    __table_args__ = (
        CheckConstraint("tier BETWEEN 0 AND 4", name="tier_range"),
        Index("ix_worker_tiers_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )


class TierMove(Base):
    """Every move on a ladder: from, to, why, by whom, by which rule, and what was known then.

    Append-only, but for the reason, which goes when its worker is forgotten.
    """

    __tablename__ = "tier_moves"

    id: Mapped[Id]
    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"))
    skill: Mapped[str] = mapped_column(IdText)
    tier_from: Mapped[int] = mapped_column(SmallInteger)
    tier_to: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[str]
    moved_by: Mapped[Ref]
    created_at: Mapped[Created]
    cause: Mapped[str] = mapped_column(server_default=Cause.EARLIER)
    rule_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("ladder_rules.id"))
    # Which checked answers spoke, after one and up to another, and what they showed (quality/checking.py).
    since: Mapped[int | None]
    through: Mapped[int | None]
    n: Mapped[int | None]
    n_right: Mapped[int | None]
    low: Mapped[float | None] = mapped_column(Double)
    high: Mapped[float | None] = mapped_column(Double)
    n_recent: Mapped[int | None]
    n_recent_right: Mapped[int | None]
    high_recent: Mapped[float | None] = mapped_column(Double)

    @property
    def told(self) -> str | None:
        """The reason, as its worker reads it; of earlier moves it was written for ops alone."""
        return None if self.cause == Cause.EARLIER else self.reason

    __table_args__ = (
        Index(None, "worker_id", "id"),
        Index(None, "worker_id", "skill", "id"),
        one_of("cause", Cause),
        CheckConstraint(
            "num_nulls(since, through, n, n_right, low, high, n_recent, n_recent_right, high_recent) IN (0, 9)",
            name="evidence_whole",
        ),
        CheckConstraint(
            "cause NOT IN ('promotion', 'demotion', 'decay', 'correction') OR rule_id IS NOT NULL", name="rule_known"
        ),
        CheckConstraint("cause NOT IN ('promotion', 'demotion') OR n IS NOT NULL", name="evidence_known"),
    )


class OverrideState(StrEnum):
    """Where an override stands: proposed by one person, decided by another, ended by its date or by somebody."""

    PROPOSED = "proposed"
    REFUSED = "refused"
    ACTIVE = "active"
    ENDED = "ended"


class TierOverride(Base):
    """A step that people give a worker for some days, against the rule."""

    __tablename__ = "tier_overrides"

    id: Mapped[Id]
    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"))
    skill: Mapped[str] = mapped_column(IdText)
    tier: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[str]
    days: Mapped[int]
    state: Mapped[str]
    proposed_by: Mapped[Ref]
    created_at: Mapped[Created]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[Moment | None]
    # Where the worker stood, to go back to.
    tier_before: Mapped[int | None] = mapped_column(SmallInteger)
    ends_at: Mapped[Moment | None]
    ended_by: Mapped[str | None] = mapped_column(IdText)
    ended_at: Mapped[Moment | None]

    __table_args__ = (
        Index(
            "uq_tier_overrides_open",
            "worker_id",
            "skill",
            unique=True,
            postgresql_where=text("state IN ('proposed', 'active')"),
        ),
        Index("ix_tier_overrides_ends_at", "ends_at", postgresql_where=text("state = 'active'")),
        one_of("state", OverrideState),
        CheckConstraint("tier BETWEEN 0 AND 4", name="tier_range"),
        CheckConstraint("days BETWEEN 1 AND 365", name="days_range"),
        CheckConstraint(
            "(state = 'proposed') = (decided_at IS NULL) AND num_nulls(decided_by, decided_at) IN (0, 2)",
            name="decided_by_somebody",
        ),
        CheckConstraint(
            "state NOT IN ('active', 'ended') OR (decided_by <> proposed_by AND proposed_by <> worker_id "
            "AND decided_by <> worker_id AND ends_at IS NOT NULL AND tier_before IS NOT NULL)",
            name="held_by_two",
        ),
        CheckConstraint(
            "(state = 'ended') = (ended_at IS NOT NULL) AND num_nulls(ended_by, ended_at) IN (0, 2)",
            name="ended_by_somebody",
        ),
    )


class LadderRule(Base):
    """A version of the ladder that a skill goes by, and all below it that have none of their own. It never changes.

    The skill `ALL` is above all. It holds from when another person than who proposed it has confirmed it.
    """

    __tablename__ = "ladder_rules"

    id: Mapped[Id]
    skill: Mapped[str] = mapped_column(IdText)
    version: Mapped[int]
    reason: Mapped[str]
    proposed_by: Mapped[Ref]
    created_at: Mapped[Created]
    confirmed_by: Mapped[str | None] = mapped_column(IdText)
    confirmed_at: Mapped[Moment | None]
    # How far it has decided about everybody whom it moves, and since when it has (ladder_versions.py).
    looked_through: Mapped[str | None] = mapped_column(IdText)
    looked_at: Mapped[Moment | None]

    @property
    def state(self) -> str:
        """Whether it is proposed, or holds or has held."""
        return "proposed" if self.confirmed_at is None else "confirmed"

    __table_args__ = (
        UniqueConstraint("skill", "version"),
        CheckConstraint("version > 0", name="version_positive"),
        CheckConstraint(
            "num_nulls(confirmed_by, confirmed_at) IN (0, 2) AND confirmed_by <> proposed_by",
            name="confirmed_by_another",
        ),
    )


class LadderStep(Base):
    """What a step of a ladder asks for (`ladders.Step`). Append-only."""

    __tablename__ = "ladder_steps"

    rule_id: Mapped[str] = mapped_column(IdText, ForeignKey("ladder_rules.id"), primary_key=True)
    tier: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    name: Mapped[str]
    evidence: Mapped[int]
    reach: Mapped[float | None] = mapped_column(Double)
    keep: Mapped[float | None] = mapped_column(Double)
    cool_down_days: Mapped[int]
    decay_days: Mapped[int | None]

    __table_args__ = (
        CheckConstraint("tier BETWEEN 0 AND 4", name="tier_range"),
        # Who was asked for less than they must keep would go up and down for ever.
        CheckConstraint(
            "reach BETWEEN 0 AND 1 AND keep BETWEEN 0 AND 1 AND (reach IS NULL OR keep <= reach)", name="shares_range"
        ),
        CheckConstraint("evidence BETWEEN 1 AND 10000", name="evidence_range"),
        CheckConstraint("cool_down_days BETWEEN 0 AND 3650 AND decay_days BETWEEN 1 AND 3650", name="days_range"),
        CheckConstraint("tier > 0 OR (keep IS NULL AND reach IS NULL)", name="lowest_asks_nothing"),
        CheckConstraint("tier > 1 OR decay_days IS NULL", name="starting_stays"),
    )

"""The package's tables. Those that grow with tasks carry the project in their keys, to be sharded by it one day."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Numeric,
    Sequence,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, column_property, mapped_column

from foundation.db import Base, Created, Id, IdText, Json, Moment, Ref, one_of
from quality.escalation import Basis, Fallback


class WorkerStatus(StrEnum):
    APPLICANT = "applicant"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    OFFBOARDED = "offboarded"


class ProjectStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"


class BatchStatus(StrEnum):
    STAGING = "staging"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


class TaskStatus(StrEnum):
    STAGED = "staged"
    OPEN = "open"
    ESCALATED = "escalated"
    SETTLED = "settled"
    CANCELLED = "cancelled"
    # Those whose label was known beforehand: while they are given out, and afterwards.
    GOLD = "gold"
    RETIRED = "retired"


# What is no work that a requester waits for.
GOLD = frozenset({TaskStatus.GOLD, TaskStatus.RETIRED})


class AssignmentStatus(StrEnum):
    LEASED = "leased"
    ANSWERED = "answered"
    RELEASED = "released"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class AnswerStatus(StrEnum):
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class WhenRevised(StrEnum):
    """What becomes of a settled task that a refit would decide otherwise."""

    REPORT = "report"
    REOPEN = "reopen"


class Kind(StrEnum):
    """What an assignment asks for: one vote among several, or the decision on an escalated task."""

    ANSWER = "answer"
    ADJUDICATION = "adjudication"


# The queue position of a task; a reopened task gets a new one, greater than every cursor.
positions = Sequence("task_positions", metadata=Base.metadata)


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

    __table_args__ = (one_of("status", WorkerStatus), Index(None, "status", "id"))


class WorkerTier(Base):
    """A worker's level on the ladder of one skill."""

    __tablename__ = "worker_tiers"

    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"), primary_key=True)
    skill: Mapped[str] = mapped_column(IdText, primary_key=True)
    tier: Mapped[int] = mapped_column(SmallInteger)

    __table_args__ = (CheckConstraint("tier BETWEEN 0 AND 4", name="tier_range"),)


class TierMove(Base):
    """Every move on a ladder: from, to, why and by whom. Append-only."""

    __tablename__ = "tier_moves"

    id: Mapped[Id]
    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"))
    skill: Mapped[str] = mapped_column(IdText)
    tier_from: Mapped[int] = mapped_column(SmallInteger)
    tier_to: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[str]
    moved_by: Mapped[Ref]
    created_at: Mapped[Created]

    __table_args__ = (Index(None, "worker_id", "id"),)


class Project(Base):
    """Tasks with one label set, rate card and quality settings."""

    __tablename__ = "projects"

    id: Mapped[Id]
    requester_id: Mapped[str] = mapped_column(IdText, ForeignKey("requesters.id"))
    name: Mapped[str]
    task_type: Mapped[str]
    status: Mapped[str]
    instruction: Mapped[str]
    # Class names in the order of their numbers: label 0 is labels[0].
    labels: Mapped[list[str]] = mapped_column(ARRAY(Text))
    skill: Mapped[str] = mapped_column(IdText)
    tier_min: Mapped[int] = mapped_column(SmallInteger)
    overlap_min: Mapped[int] = mapped_column(SmallInteger)
    overlap_max: Mapped[int] = mapped_column(SmallInteger)
    confidence_target: Mapped[float] = mapped_column(Double)
    # Whether that is asked of each label or of their mean.
    target_basis: Mapped[str] = mapped_column(server_default=text("'each'"))
    # For so long an answer beyond overlap_min is kept for those who tell more of the task than others.
    keep_seconds: Mapped[int] = mapped_column(server_default=text("600"))
    # Reading a task takes so long at the least; 0 : nobody has said so.
    read_seconds: Mapped[int] = mapped_column(server_default=text("0"))
    # The share of the project's tasks that may go to an expert.
    expert_share: Mapped[float] = mapped_column(Double)
    # The share of them that an expert checks whatever the crowd says.
    spot_share: Mapped[float] = mapped_column(Double, server_default=text("0"))
    # What a wrong label costs, in the currency of the rate card.
    error_cost: Mapped[Decimal | None] = mapped_column(Numeric(20, 6))
    # Experts: so many tasks a day (all that the share allows if null), so long a wait, and what comes of it.
    experts_per_day: Mapped[int | None]
    expert_patience_seconds: Mapped[int] = mapped_column(server_default=text("86400"))
    without_expert: Mapped[str] = mapped_column(server_default=text("'widen'"))
    # The share of their tasks that two decide apart, and how many are asked if those two differ.
    second_opinion_share: Mapped[float] = mapped_column(Double, server_default=text("0"))
    panel_size: Mapped[int] = mapped_column(SmallInteger, server_default=text("3"))
    # The share of a worker's tasks that are gold.
    gold_share: Mapped[float] = mapped_column(Double, server_default=text("0"))
    # Whether settled tasks that a refit would decide otherwise are shown to an expert, or only told.
    when_revised: Mapped[str] = mapped_column(server_default=text("'report'"))
    # Counted by the settlement, so that a decision does not have to count a million tasks.
    n_settled: Mapped[int] = mapped_column(server_default=text("0"))
    error_settled: Mapped[float] = mapped_column(Double, server_default=text("0"))
    n_escalated: Mapped[int] = mapped_column(server_default=text("0"))
    # Of the day, by UTC, on which anything was escalated last.
    escalated_on: Mapped[date | None] = mapped_column(Date)
    escalated_today: Mapped[int] = mapped_column(server_default=text("0"))
    lease_seconds: Mapped[int]
    params: Mapped[Json]
    created_at: Mapped[Created]

    __table_args__ = (
        UniqueConstraint("requester_id", "name"),
        CheckConstraint("1 <= overlap_min AND overlap_min <= overlap_max AND overlap_max <= 100", name="overlap_range"),
        CheckConstraint("confidence_target BETWEEN 0.5 AND 1", name="confidence_target_range"),
        CheckConstraint("expert_share BETWEEN 0 AND 1", name="expert_share_range"),
        CheckConstraint("spot_share BETWEEN 0 AND 1", name="spot_share_range"),
        CheckConstraint("error_cost > 0", name="error_cost_positive"),
        CheckConstraint("experts_per_day BETWEEN 0 AND 1000000", name="experts_per_day_range"),
        CheckConstraint("expert_patience_seconds BETWEEN 60 AND 2592000", name="expert_patience_range"),
        CheckConstraint("second_opinion_share BETWEEN 0 AND 1", name="second_opinion_share_range"),
        CheckConstraint("panel_size BETWEEN 3 AND 9", name="panel_size_range"),
        CheckConstraint("keep_seconds BETWEEN 0 AND 86400", name="keep_range"),
        CheckConstraint("read_seconds BETWEEN 0 AND 3600", name="read_range"),
        one_of("target_basis", Basis),
        one_of("when_revised", WhenRevised),
        one_of("without_expert", Fallback),
        CheckConstraint("gold_share BETWEEN 0 AND 0.5", name="gold_share_range"),
        CheckConstraint("lease_seconds BETWEEN 10 AND 86400", name="lease_range"),
        CheckConstraint("cardinality(labels) BETWEEN 2 AND 100", name="labels_range"),
        one_of("status", ProjectStatus),
    )


class Batch(Base):
    """Tasks of a project launched together. Its name is unique for the requester."""

    __tablename__ = "batches"

    id: Mapped[Id]
    project_id: Mapped[str] = mapped_column(IdText, ForeignKey("projects.id"))
    requester_id: Mapped[str] = mapped_column(IdText, ForeignKey("requesters.id"))
    name: Mapped[str]
    status: Mapped[str]
    callback_url: Mapped[str]
    # `metadata` is SQLAlchemy's own name on a mapped class.
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB)
    created_at: Mapped[Created]

    # Of the tasks that named no batch; a project has one.
    standing: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        UniqueConstraint("requester_id", "name"),
        # What a task refers to: its batch is a batch of its own project.
        UniqueConstraint("id", "project_id"),
        Index("uq_batches_standing", "project_id", unique=True, postgresql_where=text("standing")),
        one_of("status", BatchStatus),
    )


class Task(Base):
    """One question about one thing, shown to several workers."""

    __tablename__ = "tasks"

    id: Mapped[Id]
    project_id: Mapped[str] = mapped_column(IdText, ForeignKey("projects.id"), primary_key=True)
    batch_id: Mapped[Ref]
    requester_id: Mapped[Ref]
    unique_id: Mapped[str | None] = mapped_column(IdText)
    status: Mapped[str]
    params: Mapped[Json]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB)
    callback_url: Mapped[str]
    # The queue: answers asked for, slots nobody holds, and the place in line. A slot oversold cannot be written.
    overlap: Mapped[int] = mapped_column(SmallInteger)
    free_slots: Mapped[int] = mapped_column(SmallInteger)
    fence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    position: Mapped[int] = mapped_column(BigInteger)
    # Until then only these workers are given it.
    kept_for: Mapped[list[str] | None] = mapped_column(ARRAY(IdText))
    kept_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # What the task has set aside out of its batch's reserve, in ledger units.
    reserved: Mapped[int] = mapped_column(BigInteger)
    label: Mapped[int | None] = mapped_column(SmallInteger)
    confidence: Mapped[float | None] = mapped_column(Double)
    settled_by: Mapped[str | None]
    # What a wrong label of this task costs; null: what its project says.
    error_cost: Mapped[Decimal | None] = mapped_column(Numeric(20, 6))
    # How often it was opened again; what is reserved and released each time has a key of its own.
    reopened: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    # Settled below the confidence that the project asked for.
    flagged: Mapped[bool] = mapped_column(server_default=text("false"))
    # Since when an expert is wanted, and how many are asked of those who are.
    escalated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    experts_asked: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    created_at: Mapped[Created]
    updated_at: Mapped[Moment] = mapped_column(server_default=func.now())
    settled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        ForeignKeyConstraint(["batch_id", "project_id"], ["batches.id", "batches.project_id"]),
        CheckConstraint("free_slots BETWEEN 0 AND greatest(overlap, experts_asked)", name="slots_range"),
        CheckConstraint("(status = 'settled') = (settled_at IS NOT NULL)", name="settled_when"),
        CheckConstraint("status <> 'settled' OR label IS NOT NULL", name="settled_has_label"),
        one_of("status", TaskStatus),
        Index(
            "ix_tasks_queue",
            "project_id",
            "status",
            "position",
            postgresql_where=text("free_slots > 0 AND status IN ('open', 'escalated')"),
        ),
        Index(
            "ix_tasks_answered",
            "project_id",
            "updated_at",
            postgresql_where=text("free_slots = 0 AND status = 'open'"),
        ),
        Index("ix_tasks_kept", "kept_until", postgresql_where=text("kept_until IS NOT NULL")),
        Index(None, "project_id", "status"),
        Index(None, "requester_id", "id"),
        Index(None, "batch_id"),
        Index(
            "uq_tasks_requester_unique_id",
            "requester_id",
            "unique_id",
            unique=True,
            postgresql_where=text("unique_id IS NOT NULL"),
        ),
    )


class Assignment(Base):
    """One task given to one worker: the lease, its fence, and the price fixed at the claim."""

    __tablename__ = "assignments"

    id: Mapped[Id]
    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    task_id: Mapped[Ref]
    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"))
    kind: Mapped[str]
    status: Mapped[str]
    fence: Mapped[int] = mapped_column(BigInteger)
    lease_expires_at: Mapped[Moment]
    currency: Mapped[str] = mapped_column(IdText)
    amount: Mapped[int] = mapped_column(BigInteger)
    exponent: Mapped[int] = mapped_column(SmallInteger)
    # By which id the worker knows a task whose own would tell them something (golds.py).
    shown_as: Mapped[str | None] = mapped_column(IdText)
    created_at: Mapped[Created]

    @property
    def shown_task_id(self) -> str:
        """The task as its worker knows it."""
        return self.shown_as or self.task_id

    __table_args__ = (
        ForeignKeyConstraint(["task_id", "project_id"], ["tasks.id", "tasks.project_id"]),
        # Nobody holds or answers the same task twice; a lease that was given back or ran out may be taken again.
        Index(
            "uq_assignments_live",
            "task_id",
            "worker_id",
            "kind",
            "project_id",
            unique=True,
            postgresql_where=text("status IN ('leased', 'answered')"),
        ),
        CheckConstraint("amount > 0", name="amount_positive"),
        one_of("status", AssignmentStatus),
        one_of("kind", Kind),
        Index("ix_assignments_leases", "lease_expires_at", postgresql_where=text("status = 'leased'")),
        Index("ix_assignments_held", "worker_id", postgresql_where=text("status = 'leased'")),
        Index("ix_assignments_task_held", "project_id", "task_id", postgresql_where=text("status = 'leased'")),
        Index(None, "worker_id", "id"),
    )


class Answer(Base):
    """What one worker submitted for one task, as sent."""

    __tablename__ = "answers"

    id: Mapped[Id]
    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    assignment_id: Mapped[str] = mapped_column(IdText)
    task_id: Mapped[Ref]
    worker_id: Mapped[Ref]
    kind: Mapped[str]
    payload: Mapped[Json]
    label: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[str]
    late: Mapped[bool]
    created_at: Mapped[Created]
    # Under which id its worker knows the task; of the assignment.
    shown_as: Mapped[str | None] = column_property(
        select(Assignment.shown_as)
        .where(Assignment.id == assignment_id, Assignment.project_id == project_id)
        .scalar_subquery()
    )

    @property
    def shown_task_id(self) -> str:
        """The task as its worker knows it."""
        return self.shown_as or self.task_id

    __table_args__ = (
        ForeignKeyConstraint(["assignment_id", "project_id"], ["assignments.id", "assignments.project_id"]),
        UniqueConstraint("assignment_id", "project_id"),
        one_of("status", AnswerStatus),
        one_of("kind", Kind),
        Index(None, "task_id"),
        Index(None, "worker_id", "id"),
    )


class ClaimCursor(Base):
    """How far down a queue a worker has come, and how far at the last two looks back (see assignment.py)."""

    __tablename__ = "claim_cursors"

    worker_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    queue: Mapped[str] = mapped_column(IdText, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    next_safe_position: Mapped[int] = mapped_column(BigInteger)
    safe_position: Mapped[int] = mapped_column(BigInteger)
    safe_at: Mapped[Moment]

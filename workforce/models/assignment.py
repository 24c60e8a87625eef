"""Leases, answers, and how far a worker has come down a queue."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    UniqueConstraint,
    select,
    text,
)
from sqlalchemy.orm import Mapped, column_property, mapped_column

from foundation.db import Base, Created, Id, IdText, Json, Moment, Ref, one_of


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


class Kind(StrEnum):
    """What an assignment asks for: one vote among several, or the decision on an escalated task."""

    ANSWER = "answer"
    ADJUDICATION = "adjudication"


class ReleaseReason(StrEnum):
    """Why a worker gives a task back."""

    TOO_HARD = "too_hard"
    UNCLEAR = "unclear"
    BROKEN = "broken"
    DISTRESSING = "distressing"
    NO_TIME = "no_time"
    OTHER = "other"


class WithdrawalReason(StrEnum):
    """Why ops take a task back from whoever holds it."""

    PROJECT_OVER = "project_over"
    PRIVATE_DATA = "private_data"
    TASK_BROKEN = "task_broken"
    WORKER_AWAY = "worker_away"
    WORKER_STOPPED = "worker_stopped"
    OTHER = "other"


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


class Draft(Base):
    """What a worker has so far of the answer to a task they hold."""

    __tablename__ = "drafts"

    assignment_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    payload: Mapped[Json]
    saved_at: Mapped[Moment]

    __table_args__ = (
        ForeignKeyConstraint(["assignment_id", "project_id"], ["assignments.id", "assignments.project_id"]),
    )


class Release(Base):
    """Why a worker gave a task back, where they said it. Append-only."""

    __tablename__ = "releases"

    assignment_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    reason: Mapped[str]
    created_at: Mapped[Created]

    __table_args__ = (
        ForeignKeyConstraint(["assignment_id", "project_id"], ["assignments.id", "assignments.project_id"]),
        one_of("reason", ReleaseReason),
        Index(None, "project_id", "reason"),
    )


class Withdrawal(Base):
    """That ops took a task back: why, what its worker is told, and by whom. Append-only."""

    __tablename__ = "withdrawals"

    assignment_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    reason: Mapped[str]
    note: Mapped[str]
    taken_by: Mapped[Ref]
    created_at: Mapped[Created]

    __table_args__ = (
        ForeignKeyConstraint(["assignment_id", "project_id"], ["assignments.id", "assignments.project_id"]),
        one_of("reason", WithdrawalReason),
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

"""Tasks, which are a project's queue as well."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Numeric,
    Sequence,
    SmallInteger,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Json, Moment, Ref, one_of


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


# The queue position of a task; a reopened task gets a new one, greater than every cursor.
positions = Sequence("task_positions", metadata=Base.metadata)


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
    # Since when it is kept from everybody, because workers found it broken (reports.py).
    parked_at: Mapped[Moment | None]
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
        Index("ix_tasks_parked", "parked_at", postgresql_where=text("parked_at IS NOT NULL")),
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

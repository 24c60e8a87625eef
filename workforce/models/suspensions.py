"""Who was stopped from claiming, by whom, why and until when."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Ref, one_of


class SuspensionState(StrEnum):
    PROPOSED = "proposed"
    REFUSED = "refused"
    CONFIRMED = "confirmed"


class Suspension(Base):
    """One decision to stop one or several workers for so many hours. What is mild counts at once."""

    __tablename__ = "suspensions"

    id: Mapped[Id]
    reason: Mapped[str]
    hours: Mapped[int]
    state: Mapped[str]
    made_by: Mapped[Ref]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    created_at: Mapped[Created]
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    workers: Mapped[list["SuspendedWorker"]] = relationship(
        lazy="selectin", viewonly=True, order_by="SuspendedWorker.worker_id"
    )

    @property
    def worker_ids(self) -> list[str]:
        """Whom it is about."""
        return [one.worker_id for one in self.workers]

    __table_args__ = (
        one_of("state", SuspensionState),
        CheckConstraint("hours > 0", name="hours_positive"),
        CheckConstraint("decided_by <> made_by", name="decided_by_another"),
        CheckConstraint("hours <= 72 OR state <> 'confirmed' OR decided_by IS NOT NULL", name="long_by_two"),
        Index(None, "state", "id"),
    )


class SuspendedWorker(Base):
    """One worker of a suspension: from when to when, and when it really ended."""

    __tablename__ = "suspended_workers"

    suspension_id: Mapped[str] = mapped_column(IdText, ForeignKey("suspensions.id"), primary_key=True)
    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"), primary_key=True)
    # Both empty while it is proposed.
    begins_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index(None, "worker_id"),
        Index("ix_suspended_workers_due", "until", postgresql_where=text("ended_at IS NULL")),
        CheckConstraint("num_nulls(begins_at, until) IN (0, 2)", name="times_whole"),
    )

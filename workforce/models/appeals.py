"""What keeps rejections in bounds: a brake on whoever rejects many at once, and workers' appeals."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Moment, Ref, one_of
from workforce.models.reviews import Review


class BrakeState(StrEnum):
    ON = "on"
    RELEASED = "released"
    UNDONE = "undone"


class Brake(Base):
    """A requester who rejected too much within an hour, from `since` on: they reject nothing until ops have looked."""

    __tablename__ = "brakes"

    id: Mapped[Id]
    requester_id: Mapped[str] = mapped_column(IdText, ForeignKey("requesters.id"))
    state: Mapped[str]
    since: Mapped[Moment]
    # Of what the requester judged in that hour.
    n_rejected: Mapped[int]
    n_judged: Mapped[int]
    reason: Mapped[str | None]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[Created]

    __table_args__ = (
        one_of("state", BrakeState),
        CheckConstraint("(state = 'on') = (num_nonnulls(reason, decided_by, decided_at) = 0)", name="on_undecided"),
        CheckConstraint("state = 'on' OR num_nulls(reason, decided_by, decided_at) = 0", name="decided_whole"),
        Index("uq_brakes_on", "requester_id", unique=True, postgresql_where=text("state = 'on'")),
        Index(None, "requester_id", "decided_at"),
        Index(None, "state", "id"),
    )


class AppealState(StrEnum):
    OPEN = "open"
    UPHELD = "upheld"
    DENIED = "denied"
    # The rejection was taken back before anybody decided.
    MOOT = "moot"


class Appeal(Base):
    """A worker's objection to the rejection of an answer, which somebody else than whoever rejected it decides."""

    __tablename__ = "appeals"

    id: Mapped[Id]
    answer_id: Mapped[Ref]
    project_id: Mapped[Ref]
    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"))
    requester_id: Mapped[str] = mapped_column(IdText, ForeignKey("requesters.id"))
    rejected_by: Mapped[Ref]
    grounds: Mapped[str]
    state: Mapped[str]
    # Why it was decided so.
    decision: Mapped[str | None]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[Created]

    review: Mapped[Review] = relationship(lazy="raise", viewonly=True)

    __table_args__ = (
        ForeignKeyConstraint(["answer_id", "project_id"], ["reviews.answer_id", "reviews.project_id"]),
        UniqueConstraint("answer_id", "project_id"),
        one_of("state", AppealState),
        CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided_when"),
        CheckConstraint(
            "state NOT IN ('upheld', 'denied') OR num_nulls(decision, decided_by) = 0", name="decided_with_reason"
        ),
        CheckConstraint("decided_by <> rejected_by", name="somebody_else_decides"),
        Index(None, "worker_id", "id"),
        Index(None, "state", "id"),
        Index("ix_appeals_upheld", "requester_id", "decided_at", postgresql_where=text("state = 'upheld'")),
    )

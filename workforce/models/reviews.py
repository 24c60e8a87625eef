"""Answers that wait for their requester's word, and what came of it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, DateTime, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, IdText, Moment, Ref, one_of
from workforce.models.assignment import Answer


class ReviewState(StrEnum):
    WAITING = "waiting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    # Rejected, and the time to appeal is over.
    FINAL = "final"


class RejectReason(StrEnum):
    """For what an answer may be rejected. That it is wrong, or was outvoted, is none."""

    INSTRUCTION_IGNORED = "instruction_ignored"
    NO_EFFORT = "no_effort"
    TOO_FAST = "too_fast"
    COPIED = "copied"
    UNREADABLE = "unreadable"


class Review(Base):
    """An answer of a settled task that is its requester's to judge, until silence accepts it at `accept_at`.

    of_gold : its requester is not asked; it is accepted beside its worker's others, so that it looks like them.
    """

    __tablename__ = "reviews"

    answer_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    task_id: Mapped[Ref]
    batch_id: Mapped[Ref]
    requester_id: Mapped[Ref]
    worker_id: Mapped[Ref]
    of_gold: Mapped[bool]
    state: Mapped[str]
    accept_at: Mapped[Moment]
    reason: Mapped[str | None]
    evidence: Mapped[str | None]
    # Null where silence has accepted.
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    appeal_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[Created]

    answer: Mapped[Answer] = relationship(lazy="raise", viewonly=True)

    __table_args__ = (
        ForeignKeyConstraint(["answer_id", "project_id"], ["answers.id", "answers.project_id"]),
        one_of("state", ReviewState),
        one_of("reason", RejectReason),
        CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided_when"),
        CheckConstraint(
            "state NOT IN ('rejected', 'final') OR num_nulls(reason, evidence, appeal_until) = 0",
            name="rejected_with_reason",
        ),
        CheckConstraint("NOT of_gold OR state IN ('waiting', 'accepted')", name="gold_is_accepted"),
        Index(None, "project_id", "state", "answer_id"),
        Index(None, "worker_id", "answer_id"),
        Index("ix_reviews_waiting", "accept_at", postgresql_where=text("state = 'waiting'")),
        Index("ix_reviews_rejected", "appeal_until", postgresql_where=text("state = 'rejected'")),
        Index("ix_reviews_open", "batch_id", postgresql_where=text("state IN ('waiting', 'rejected')")),
        Index("ix_reviews_judged", "requester_id", "decided_at", postgresql_where=text("decided_by IS NOT NULL")),
        Index("ix_reviews_of_gold", "worker_id", "project_id", postgresql_where=text("of_gold AND state = 'waiting'")),
    )

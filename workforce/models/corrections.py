"""What was wrong and is put right with all that followed from it: corrections, and what each would change."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Moment, Ref, one_of


class CorrectionKind(StrEnum):
    """What was wrong: a gold's label, that of a settled task, or the rejection of an answer that a worker appealed."""

    GOLD = "gold"
    APPEAL = "appeal"
    LABEL = "label"


class CorrectionState(StrEnum):
    PROPOSED = "proposed"
    APPLIED = "applied"
    DROPPED = "dropped"


class Change(StrEnum):
    """What a line of a preview is about.

    A worker whose answer is judged anew; a settled task that votes would decide otherwise, or a gold that was made of
    the corrected one; a quarantine that nothing speaks for any more; and pay.
    """

    WORKER = "worker"
    TASK = "task"
    QUARANTINE = "quarantine"
    PAY = "pay"


class PaidBy(StrEnum):
    """The house, for what was its fault; or a requester, out of what was kept for the answer."""

    HOUSE = "house"
    REQUESTER = "requester"


class Correction(Base):
    """Something that was wrong. One person proposes, with a preview; another one applies all of it, or nothing.

    subject_id : a gold, a settled task, or an appeal. label_to : nothing where nobody knows a gold's. n_previews : how
    often it was looked at; the lines of the last one are what `content_hash` is of.
    """

    __tablename__ = "corrections"

    id: Mapped[Id]
    kind: Mapped[str]
    project_id: Mapped[Ref]
    subject_id: Mapped[Ref]
    label_from: Mapped[int | None] = mapped_column(SmallInteger)
    label_to: Mapped[int | None] = mapped_column(SmallInteger)
    reason: Mapped[str]
    state: Mapped[str]
    n_previews: Mapped[int]
    n_lines: Mapped[int]
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    proposed_by: Mapped[Ref]
    created_at: Mapped[Created]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[Moment | None]

    @property
    def task_id(self) -> str | None:
        return None if self.kind == CorrectionKind.APPEAL else self.subject_id

    @property
    def appeal_id(self) -> str | None:
        return self.subject_id if self.kind == CorrectionKind.APPEAL else None

    @property
    def hash(self) -> str:
        """The SHA-256 of what its preview shows, in hexadecimal digits."""
        return self.content_hash.hex()

    __table_args__ = (
        Index("uq_corrections_open", "subject_id", unique=True, postgresql_where=text("state = 'proposed'")),
        Index(None, "state", "id"),
        Index(
            "ix_corrections_of_label",
            "project_id",
            "subject_id",
            postgresql_where=text("kind = 'label' AND state = 'applied'"),
        ),
        one_of("kind", CorrectionKind),
        one_of("state", CorrectionState),
        CheckConstraint("(kind IN ('gold', 'label')) = (label_from IS NOT NULL)", name="label_of_gold"),
        CheckConstraint("kind IN ('gold', 'label') OR label_to IS NULL", name="no_label_of_others"),
        CheckConstraint("kind <> 'label' OR label_to IS NOT NULL", name="label_is_known"),
        CheckConstraint(
            "(state = 'proposed') = (decided_at IS NULL) AND num_nulls(decided_by, decided_at) IN (0, 2)",
            name="decided_by_somebody",
        ),
        CheckConstraint("state <> 'applied' OR decided_by <> proposed_by", name="applied_by_another"),
    )


class CorrectionLine(Base):
    """One thing that a correction would change, as one of its previews showed it. Append-only.

    The bounds are those of the worker's record before and after. amount : in ledger units, what is paid more.
    """

    __tablename__ = "correction_lines"

    correction_id: Mapped[str] = mapped_column(IdText, ForeignKey("corrections.id"), primary_key=True)
    preview: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    change: Mapped[str]
    worker_id: Mapped[str | None] = mapped_column(IdText)
    skill: Mapped[str | None] = mapped_column(IdText)
    was_right: Mapped[bool | None]
    is_right: Mapped[bool | None]
    low_before: Mapped[float | None] = mapped_column(Double)
    high_before: Mapped[float | None] = mapped_column(Double)
    low_after: Mapped[float | None] = mapped_column(Double)
    high_after: Mapped[float | None] = mapped_column(Double)
    tier_from: Mapped[int | None] = mapped_column(SmallInteger)
    tier_to: Mapped[int | None] = mapped_column(SmallInteger)
    rule_id: Mapped[str | None] = mapped_column(IdText)
    task_id: Mapped[str | None] = mapped_column(IdText)
    label_from: Mapped[int | None] = mapped_column(SmallInteger)
    label_to: Mapped[int | None] = mapped_column(SmallInteger)
    quarantine_id: Mapped[str | None] = mapped_column(IdText)
    answer_id: Mapped[str | None] = mapped_column(IdText)
    amount: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(IdText)
    exponent: Mapped[int | None] = mapped_column(SmallInteger)
    paid_by: Mapped[str | None]

    __table_args__ = (
        one_of("change", Change),
        one_of("paid_by", PaidBy),
        CheckConstraint(
            "(change = 'pay') = (num_nulls(worker_id, answer_id, amount, currency, exponent, paid_by) = 0) "
            "AND (change = 'pay') = (amount IS NOT NULL) AND amount > 0",
            name="pay_whole",
        ),
        Index("ix_correction_lines_answer_id", "answer_id", postgresql_where=text("answer_id IS NOT NULL")),
    )

"""What goes back to owners for months in which more came back than was spent."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, IdText, Ref, one_of
from payments.models.invoices import BilledMonth, Presentation


class CreditNoteState(StrEnum):
    DRAFT = "draft"
    ISSUED = "issued"
    VOID = "void"


class CreditNoteNumber(Base):
    """The last number of a legal entity's credit notes in a year, taken with the note or not at all."""

    __tablename__ = "credit_note_numbers"

    entity: Mapped[str] = mapped_column(IdText, primary_key=True)
    year: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    last: Mapped[int]

    __table_args__ = (CheckConstraint("last > 0", name="last_positive"),)


class CreditNote(BilledMonth, Base):
    """What came back to an owner in one month and currency, beyond what they spent in it.

    Its work and fee are back in their free funds since they came back; its tax goes there when the note is issued, by
    another person than who drafted it. All is above zero for the owner.
    """

    __tablename__ = "credit_notes"

    state: Mapped[str] = mapped_column(server_default=CreditNoteState.DRAFT)

    @property
    def number(self) -> str | None:
        return None if self.serial is None else f"{self.entity}-CN-{self.year}-{self.serial:06}"

    __table_args__ = (
        Index(
            "ix_credit_notes_one",
            "owner_ref",
            "currency",
            "period",
            unique=True,
            postgresql_where=text("state <> 'void'"),
        ),
        UniqueConstraint("entity", "year", "serial"),
        Index(None, "owner_ref", "id"),
        one_of("state", CreditNoteState),
        one_of("presentation", Presentation),
        CheckConstraint("extract(day FROM period) = 1", name="period_is_a_month"),
        CheckConstraint("total = work + fee + vat AND total > 0 AND fee >= 0 AND vat >= 0", name="adds_up"),
        CheckConstraint("vat_basis_points BETWEEN 0 AND 10000", name="vat_range"),
        CheckConstraint("num_nulls(year, serial, issued_by, issued_at) IN (0, 4)", name="issued_by_somebody"),
        CheckConstraint("state <> 'issued' OR serial IS NOT NULL", name="issued_has_number"),
        CheckConstraint("state <> 'draft' OR serial IS NULL", name="draft_has_none"),
        CheckConstraint("issued_by <> made_by", name="four_eyes"),
        CheckConstraint("num_nulls(voided_by, voided_at, void_reason) IN (0, 3)", name="voided_by_somebody"),
        CheckConstraint("(state = 'void') = (voided_by IS NOT NULL)", name="voided"),
    )


class CreditNoteLine(Base):
    """One kind of thing that a credit note's month has seen, out of one reserve or out of free funds. Append-only.

    As on invoices: what was spent is above zero, what came back below.
    """

    __tablename__ = "credit_note_lines"

    # Its lines are summed before it is written.
    note_id: Mapped[str] = mapped_column(
        IdText, ForeignKey("credit_notes.id", deferrable=True, initially="DEFERRED"), primary_key=True
    )
    line: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    cause_ref: Mapped[Ref]
    entries: Mapped[int]
    work: Mapped[int] = mapped_column(BigInteger)
    fee: Mapped[int] = mapped_column(BigInteger)

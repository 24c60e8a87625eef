"""What owners have agreed to, their credit, and their invoices."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Moment, Ref, one_of
from payments.models.money import Currency


class Presentation(StrEnum):
    """Whose work is sold: the payees', for whom the house is an agent, or the house's own, as their principal."""

    AGENT = "agent"
    PRINCIPAL = "principal"


class Billing(StrEnum):
    PREPAID = "prepaid"
    POSTPAID = "postpaid"


class Contract(Base):
    """On what terms an owner is served, from a date on: by which legal entity, presented how and paid for when.

    In force once another person has confirmed it; a later one takes its place. fee_basis_points : on what payees get;
    contingency_basis_points : set aside beside each reserve, as a share of it, for lifting pay to the floor.
    """

    __tablename__ = "contracts"

    id: Mapped[Id]
    owner_ref: Mapped[str] = mapped_column(IdText, ForeignKey("owners.owner_ref"))
    # The house's legal entity, as its invoices' numbers begin.
    entity: Mapped[str] = mapped_column(IdText)
    presentation: Mapped[str]
    billing: Mapped[str]
    valid_from: Mapped[Moment]
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    confirmed_by: Mapped[str | None] = mapped_column(IdText)
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    fee_basis_points: Mapped[int] = mapped_column(server_default=text("2000"))
    contingency_basis_points: Mapped[int] = mapped_column(server_default=text("0"))

    __table_args__ = (
        Index(None, "owner_ref", "valid_from"),
        CheckConstraint(
            "fee_basis_points BETWEEN 0 AND 10000 AND contingency_basis_points BETWEEN 0 AND 10000", name="shares"
        ),
        one_of("presentation", Presentation),
        one_of("billing", Billing),
        CheckConstraint("num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name="confirmed_by_somebody"),
        CheckConstraint("confirmed_by <> made_by", name="four_eyes"),
    )


class CreditLimit(Base):
    """How much an owner may owe the house, from a date on, once another person has confirmed it."""

    __tablename__ = "credit_limits"

    id: Mapped[Id]
    owner_ref: Mapped[str] = mapped_column(IdText, ForeignKey("owners.owner_ref"))
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    amount: Mapped[int] = mapped_column(BigInteger)
    valid_from: Mapped[Moment]
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    confirmed_by: Mapped[str | None] = mapped_column(IdText)
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    __table_args__ = (
        Index(None, "owner_ref", "currency", "valid_from"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name="confirmed_by_somebody"),
        CheckConstraint("confirmed_by <> made_by", name="four_eyes"),
    )


class InvoiceState(StrEnum):
    DRAFT = "draft"
    ISSUED = "issued"
    PAID = "paid"
    VOID = "void"


class BilledMonth:
    """What an owner's month in one currency comes to, with tax, on an invoice or a credit note; its sums never change.

    work : what went to payees, or came back from them; agent_work : what of it was posted as an agent's, unless the
    month was billed before the books told. presentation : of the contract at the month's end. All in ledger units.
    """

    id: Mapped[Id]
    owner_ref: Mapped[str] = mapped_column(IdText, ForeignKey("owners.owner_ref"))
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    # The first day of its month.
    period: Mapped[date] = mapped_column(Date)
    entity: Mapped[str] = mapped_column(IdText)
    presentation: Mapped[str]
    work: Mapped[int] = mapped_column(BigInteger)
    fee: Mapped[int] = mapped_column(BigInteger)
    vat_basis_points: Mapped[int]
    vat: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    year: Mapped[int | None] = mapped_column(SmallInteger)
    serial: Mapped[int | None]
    issued_by: Mapped[str | None] = mapped_column(IdText)
    issued_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # The entry of its tax.
    entry_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    voided_by: Mapped[str | None] = mapped_column(IdText)
    voided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    void_reason: Mapped[str | None]
    agent_work: Mapped[int | None] = mapped_column(BigInteger)

    @declared_attr
    def books(cls) -> Mapped[Currency]:  # noqa: N805 - a declared attribute is of the class
        return relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    @property
    def sold(self) -> int:
        """What of it is the house's own sale: the fee of an agent, all of a principal's."""
        return self.work + self.fee - self.passed_on

    @property
    def passed_on(self) -> int:
        """What of it an agent only passes on, or back."""
        if self.agent_work is not None:
            return self.agent_work
        return self.work if self.presentation == Presentation.AGENT else 0


class InvoiceNumber(Base):
    """The last number of a legal entity's invoices in a year. Taken with the invoice or not at all, so without gaps."""

    __tablename__ = "invoice_numbers"

    entity: Mapped[str] = mapped_column(IdText, primary_key=True)
    year: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    last: Mapped[int]

    __table_args__ = (CheckConstraint("last > 0", name="last_positive"),)


class Invoice(BilledMonth, Base):
    """What an owner spent in one month and currency. A wrong one is void.

    due : what is still to be paid of the total, in whole units of the bank; the rest was paid for beforehand.
    """

    __tablename__ = "invoices"

    billing: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=InvoiceState.DRAFT)
    due: Mapped[int | None] = mapped_column(BigInteger)
    payment_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    paid_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @property
    def number(self) -> str | None:
        return None if self.serial is None else f"{self.entity}-{self.year}-{self.serial:06}"

    __table_args__ = (
        Index(
            "ix_invoices_one", "owner_ref", "currency", "period", unique=True, postgresql_where=text("state <> 'void'")
        ),
        UniqueConstraint("entity", "year", "serial"),
        Index(None, "owner_ref", "id"),
        one_of("state", InvoiceState),
        one_of("presentation", Presentation),
        one_of("billing", Billing),
        CheckConstraint("extract(day FROM period) = 1", name="period_is_a_month"),
        CheckConstraint("total = work + fee + vat AND total > 0 AND fee >= 0 AND vat >= 0", name="adds_up"),
        CheckConstraint("vat_basis_points BETWEEN 0 AND 10000", name="vat_range"),
        CheckConstraint("due BETWEEN vat AND total", name="due_range"),
        CheckConstraint("num_nulls(year, serial, due, issued_by, issued_at) IN (0, 5)", name="issued_by_somebody"),
        CheckConstraint("state IN ('draft', 'void') OR serial IS NOT NULL", name="issued_has_number"),
        CheckConstraint("state <> 'draft' OR serial IS NULL", name="draft_has_none"),
        CheckConstraint("(state = 'paid') = (paid_at IS NOT NULL)", name="paid_when"),
        CheckConstraint("(state = 'paid' AND due > 0) = (payment_id IS NOT NULL)", name="paid_is_posted"),
        CheckConstraint("num_nulls(voided_by, voided_at, void_reason) IN (0, 3)", name="voided_by_somebody"),
        CheckConstraint("(state = 'void') = (voided_by IS NOT NULL)", name="voided"),
    )


class InvoiceLine(Base):
    """One kind of thing that an invoice's month has seen, out of one reserve or out of free funds. Append-only."""

    __tablename__ = "invoice_lines"

    # Its lines are summed before it is written.
    invoice_id: Mapped[str] = mapped_column(
        IdText, ForeignKey("invoices.id", deferrable=True, initially="DEFERRED"), primary_key=True
    )
    line: Mapped[int] = mapped_column(primary_key=True)
    # Of the journal entries: earning, bonus, reversal, clawback.
    kind: Mapped[str]
    cause_ref: Mapped[Ref]
    entries: Mapped[int]
    work: Mapped[int] = mapped_column(BigInteger)
    fee: Mapped[int] = mapped_column(BigInteger)

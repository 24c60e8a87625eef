"""Tax rules, what payees have shown to authorities, and what was sent to these."""

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
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Ref, one_of
from payments.models.confirmation import confirmed_by_another
from payments.models.money import Currency


class TaxKind(StrEnum):
    WITHHOLDING = "withholding"
    VAT = "vat"


class TaxBasis(StrEnum):
    """Whether tax is due when pay is earned or when it is paid."""

    ACCRUAL = "accrual"
    PAYMENT = "payment"


class TaxPeriod(StrEnum):
    """Over how long pay adds up against a threshold."""

    NONE = "none"
    MONTH = "month"
    YEAR = "year"


class Rounding(StrEnum):
    DOWN = "down"
    HALF_EVEN = "half_even"
    UP = "up"


class TaxRule(Base):
    """What an authority takes from pay, from a day on. Append-only but for who confirms; counts when confirmed."""

    __tablename__ = "tax_rules"

    id: Mapped[Id]
    country: Mapped[str] = mapped_column(IdText)
    kind: Mapped[str]
    basis: Mapped[str]
    document: Mapped[str | None] = mapped_column(IdText)
    basis_points: Mapped[int] = mapped_column(SmallInteger)
    threshold: Mapped[int | None] = mapped_column(BigInteger)
    period: Mapped[str]
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    catch_up: Mapped[bool]
    rounding: Mapped[str]
    unit_exponent: Mapped[int] = mapped_column(SmallInteger)
    valid_from: Mapped[date] = mapped_column(Date)
    # The last day, or none.
    valid_to: Mapped[date | None] = mapped_column(Date)
    authority: Mapped[str] = mapped_column(IdText)
    citation: Mapped[str]
    entered_by: Mapped[Ref]
    confirmed_by: Mapped[str | None] = mapped_column(IdText)
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[Created]

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    __table_args__ = (
        Index(None, "country", "kind", "valid_from"),
        # Asked whenever something is accepted.
        Index("ix_tax_rules_accrual", "country", postgresql_where=text("basis = 'accrual'")),
        CheckConstraint("basis_points BETWEEN 0 AND 10000", name="basis_points_range"),
        CheckConstraint("threshold > 0", name="threshold_positive"),
        CheckConstraint("threshold IS NOT NULL OR (period = 'none' AND NOT catch_up)", name="period_of_threshold"),
        CheckConstraint("unit_exponent BETWEEN 0 AND 6", name="unit_exponent_range"),
        CheckConstraint("valid_to >= valid_from", name="ends_later"),
        *confirmed_by_another(),
        one_of("kind", TaxKind),
        one_of("basis", TaxBasis),
        one_of("period", TaxPeriod),
        one_of("rounding", Rounding),
    )


class TaxDocument(Base):
    """That a payee has shown a document, such as a residence certificate, and for how long it is good.

    Which rules are for whom hangs on it. Counts when another person has confirmed it; never changed afterwards.
    """

    __tablename__ = "tax_documents"

    id: Mapped[Id]
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    # The word that rules know it by.
    document: Mapped[str] = mapped_column(IdText)
    valid_from: Mapped[date] = mapped_column(Date)
    # The last day, or none.
    valid_to: Mapped[date | None] = mapped_column(Date)
    note: Mapped[str]
    entered_by: Mapped[Ref]
    confirmed_by: Mapped[str | None] = mapped_column(IdText)
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[Created]

    __table_args__ = (
        Index(None, "payee_id", "id"),
        CheckConstraint("valid_to >= valid_from", name="ends_later"),
        *confirmed_by_another(),
    )


class Remittance(Base):
    """What was withheld and is sent to its authority, with the filing that it is for; posted when another confirms."""

    __tablename__ = "remittances"

    id: Mapped[Id]
    authority: Mapped[str] = mapped_column(IdText)
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    amount: Mapped[int] = mapped_column(BigInteger)
    filing: Mapped[str] = mapped_column(IdText)
    entered_by: Mapped[Ref]
    confirmed_by: Mapped[str | None] = mapped_column(IdText)
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    entry_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    created_at: Mapped[Created]

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    __table_args__ = (
        UniqueConstraint("authority", "filing"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("(confirmed_by IS NULL) = (entry_id IS NULL)", name="confirmed_is_posted"),
        *confirmed_by_another(),
    )

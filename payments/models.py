"""The package's tables. Owners, payees' people and causes are opaque references of other packages."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Moment, Ref, one_of


class AccountKind(StrEnum):
    ASSET = "asset"
    LIABILITY = "liability"
    INCOME = "income"
    EXPENSE = "expense"


class EarningStatus(StrEnum):
    PENDING = "pending"
    DUE = "due"
    HELD = "held"
    PAID = "paid"
    REVERSED = "reversed"


class Currency(Base):
    """A currency and its unit in the books, 10^-ledger_exponent, fixed for ever (PAYMENTS, finding 8)."""

    __tablename__ = "currencies"

    code: Mapped[str] = mapped_column(IdText, primary_key=True)
    name: Mapped[str]
    iso_exponent: Mapped[int] = mapped_column(SmallInteger)
    ledger_exponent: Mapped[int] = mapped_column(SmallInteger)

    __table_args__ = (CheckConstraint("ledger_exponent BETWEEN iso_exponent AND 6", name="ledger_exponent_range"),)


class Account(Base):
    """A named bucket: `reserve:bat_1` in EUR. `bounded` accounts keep a live balance that may not go below zero."""

    __tablename__ = "accounts"

    id: Mapped[Id]
    role: Mapped[str]
    owner_ref: Mapped[Ref]
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    kind: Mapped[str]
    bounded: Mapped[bool]
    created_at: Mapped[Created]

    __table_args__ = (
        UniqueConstraint("role", "owner_ref", "currency"),
        UniqueConstraint("id", "currency"),
        one_of("kind", AccountKind),
    )


class JournalEntry(Base):
    """One fact in the books, with a key that stays for ever. Append-only."""

    __tablename__ = "journal_entries"

    id: Mapped[Id]
    idempotency_key: Mapped[str] = mapped_column(IdText, unique=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    kind: Mapped[str]
    lines: Mapped[int] = mapped_column(SmallInteger)
    cause_ref: Mapped[Ref]
    actor_ref: Mapped[Ref]
    effective_on: Mapped[date] = mapped_column(Date, server_default=func.current_date())
    created_at: Mapped[Created]

    __table_args__ = (CheckConstraint("lines >= 1", name="has_lines"),)


class JournalLine(Base):
    """One movement from the credit account to the debit account. It cannot be unbalanced or mix currencies."""

    __tablename__ = "journal_lines"

    entry_id: Mapped[str] = mapped_column(IdText, ForeignKey("journal_entries.id"), primary_key=True)
    line: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    debit_id: Mapped[Ref]
    credit_id: Mapped[Ref]
    currency: Mapped[str] = mapped_column(IdText)
    amount: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        ForeignKeyConstraint(["debit_id", "currency"], ["accounts.id", "accounts.currency"]),
        ForeignKeyConstraint(["credit_id", "currency"], ["accounts.id", "accounts.currency"]),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("debit_id <> credit_id", name="two_accounts"),
        Index(None, "debit_id", "entry_id"),
        Index(None, "credit_id", "entry_id"),
    )


class Balance(Base):
    """The live totals of a bounded account. All bounded accounts are liabilities: credits may not be outrun."""

    __tablename__ = "balances"

    account_id: Mapped[str] = mapped_column(IdText, ForeignKey("accounts.id"), primary_key=True)
    debits: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    credits: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    __table_args__ = (CheckConstraint("credits >= debits AND debits >= 0", name="not_negative"),)


class Rate(Base):
    """The price of one answer for an owner's work, by tier and region, from a date on. Append-only."""

    __tablename__ = "rates"

    id: Mapped[Id]
    owner_ref: Mapped[Ref]
    tier: Mapped[int] = mapped_column(SmallInteger)
    # A country as in ISO 3166, or empty for everywhere else.
    region: Mapped[str] = mapped_column(IdText)
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    amount: Mapped[int] = mapped_column(BigInteger)
    valid_from: Mapped[Moment] = mapped_column(server_default=func.now())
    created_at: Mapped[Created]

    __table_args__ = (
        UniqueConstraint("owner_ref", "tier", "region", "valid_from"),
        CheckConstraint("amount > 0", name="amount_positive"),
    )


class Owner(Base):
    """Whoever may put money in, as another package knows them."""

    __tablename__ = "owners"

    owner_ref: Mapped[Id]
    created_at: Mapped[Created]


class Reserve(Base):
    """Requester money set aside for one cause (a batch): reserved = spent + released + what its account holds."""

    __tablename__ = "reserves"

    cause_ref: Mapped[Id]
    owner_ref: Mapped[Ref]
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    reserved: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    spent: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    released: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    created_at: Mapped[Created]

    __table_args__ = (
        Index(None, "owner_ref"),
        CheckConstraint("spent >= 0 AND released >= 0 AND reserved >= spent + released", name="not_overspent"),
    )


class Payee(Base):
    """Whoever money is owed to; `owner_ref` is the person as another package knows them."""

    __tablename__ = "payees"

    id: Mapped[Id]
    owner_ref: Mapped[str] = mapped_column(IdText, unique=True)
    name: Mapped[str]
    country: Mapped[str] = mapped_column(IdText)
    created_at: Mapped[Created]


class Earning(Base):
    """What one answer is worth to its payee: pending until the answer is accepted, then due, then paid."""

    __tablename__ = "earnings"

    id: Mapped[Id]
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    answer_ref: Mapped[str] = mapped_column(IdText, unique=True)
    cause_ref: Mapped[str] = mapped_column(IdText, ForeignKey("reserves.cause_ref"))
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    amount: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str]
    entry_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    created_at: Mapped[Created]
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    __table_args__ = (
        Index(None, "payee_id", "id"),
        Index(None, "cause_ref"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("(status IN ('pending', 'held')) OR entry_id IS NOT NULL", name="due_is_posted"),
        one_of("status", EarningStatus),
    )

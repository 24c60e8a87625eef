"""The journal with its accounts, what is kept of them, and the months, seals and horizon of the books."""

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
    Numeric,
    SmallInteger,
    UniqueConstraint,
    false,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Ref, one_of


class AccountKind(StrEnum):
    ASSET = "asset"
    LIABILITY = "liability"
    INCOME = "income"
    EXPENSE = "expense"


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
        # Those whose balance is a snapshot and what came since.
        Index("ix_accounts_unbounded", "id", postgresql_where=text("NOT bounded")),
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
    # The entry that this one takes back, line by line.
    reverses_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    # The day it counts for in the books; a closed month takes no more.
    effective_on: Mapped[date] = mapped_column(Date, server_default=func.current_date())
    # When it really happened, where that is known and another moment.
    event_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[Created]

    __table_args__ = (
        CheckConstraint("lines >= 1", name="has_lines"),
        CheckConstraint("reverses_id <> id", name="reverses_another"),
        Index(
            "ix_journal_entries_reverses",
            "reverses_id",
            unique=True,
            postgresql_where=text("reverses_id IS NOT NULL"),
        ),
        # Nearly empty: ids tell the day of all others (`payments/spending.py`).
        Index(
            "ix_journal_entries_another_day",
            "effective_on",
            postgresql_where=text("effective_on <> CAST(created_at AT TIME ZONE 'UTC' AS date)"),
        ),
    )


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


class PeriodState(StrEnum):
    """Where a month of the books stands. A reopening that nobody has confirmed leaves it closed."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"
    REOPENING = "reopening"


class Period(Base):
    """A month of the one legal entity's books, by its first day; one without a row is open.

    A closed one closes all that is before it too. trial_hash : of the trial balance up to its last day, as it was when
    closing was proposed, then as it was closed.
    """

    __tablename__ = "periods"

    month: Mapped[date] = mapped_column(Date, primary_key=True)
    state: Mapped[str]
    closed_by: Mapped[str | None] = mapped_column(IdText)
    confirmed_by: Mapped[str | None] = mapped_column(IdText)
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    trial_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    # The last reopening, also once it is closed again; all of them are on the trail.
    reopening_by: Mapped[str | None] = mapped_column(IdText)
    reopened_by: Mapped[str | None] = mapped_column(IdText)
    reopened_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[Created]

    __table_args__ = (
        one_of("state", PeriodState),
        CheckConstraint("extract(day FROM month) = 1", name="month_by_its_first_day"),
        CheckConstraint("confirmed_by <> closed_by", name="closed_by_two"),
        CheckConstraint("reopened_by <> reopening_by", name="reopened_by_two"),
        CheckConstraint("num_nulls(closed_by, trial_hash) = CASE state WHEN 'open' THEN 2 ELSE 0 END", name="proposed"),
        CheckConstraint(
            "num_nulls(confirmed_by, closed_at) = CASE WHEN state IN ('closed', 'reopening') THEN 0 ELSE 2 END",
            name="confirmed",
        ),
        CheckConstraint(
            "num_nulls(reopened_by, reopened_at) IN (0, 2) AND (reopened_by IS NULL OR reopening_by IS NOT NULL)"
            " AND (state <> 'reopening' OR (reopening_by IS NOT NULL AND reopened_by IS NULL))",
            name="reopened",
        ),
    )


class Horizon(Base):
    """An id of the journal; nothing with an id before it is written from when it is told on (`payments/horizon.py`).

    heard_xact : a transaction that was given its number when it had been told; final once it and all before have ended.
    """

    __tablename__ = "horizons"

    before_id: Mapped[Id]
    told_at: Mapped[Created]
    heard_xact: Mapped[int | None] = mapped_column(BigInteger)
    is_final: Mapped[bool] = mapped_column(server_default=false())

    __table_args__ = (CheckConstraint("NOT is_final OR heard_xact IS NOT NULL", name="final_when_heard"),)


class Seal(Base):
    """A stretch of the journal, by the ids of its entries, and a hash over it and the seal before. Append-only.

    It begins behind the last seal's `to_entry`. sums : JSON text, ledger units moved by currency.
    """

    __tablename__ = "seals"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    from_entry: Mapped[str] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    to_entry: Mapped[str] = mapped_column(IdText, ForeignKey("journal_entries.id"), unique=True)
    n_entries: Mapped[int]
    sums: Mapped[str]
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    prev_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[Created]

    __table_args__ = (
        CheckConstraint("number > 0 AND n_entries > 0 AND from_entry <= to_entry", name="seals_something"),
    )


class BalanceSnapshot(Base):
    """What had gone through an unbounded account before an entry's id, once a day in which it moved. Append-only."""

    __tablename__ = "balance_snapshots"

    account_id: Mapped[str] = mapped_column(IdText, ForeignKey("accounts.id"), primary_key=True)
    # A horizon: the entries with lesser ids are in it, and no others ever will be.
    up_to_entry: Mapped[str] = mapped_column(IdText, primary_key=True)
    debits: Mapped[int] = mapped_column(Numeric(38, 0))
    credits: Mapped[int] = mapped_column(Numeric(38, 0))
    created_at: Mapped[Created]

    __table_args__ = (CheckConstraint("debits >= 0 AND credits >= 0", name="turnover"),)

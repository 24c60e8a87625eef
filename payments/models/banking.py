"""What banks and providers have said of payouts."""

from datetime import date
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    LargeBinary,
    Numeric,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Json, Ref, one_of
from payments.models.money import Currency


class BankFile(Base):
    """A file that a bank or provider sent, read once: by the hash of its bytes."""

    __tablename__ = "bank_files"

    id: Mapped[Id]
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    format: Mapped[str]
    # What came of it: how many entries, or statuses, of each kind.
    outcome: Mapped[Json]
    read_by: Mapped[Ref]
    created_at: Mapped[Created]

    @property
    def hash_text(self) -> str:
        """The hash as people compare it."""
        return self.sha256.hex()


class BankEntryState(StrEnum):
    """What a bank's entry was found to be."""

    MATCHED = "matched"
    SUSPENSE = "suspense"
    # It was in suspense, and two people have said what it is.
    RESOLVED = "resolved"


class BankEntry(Base):
    """One booked line of a bank file and what was made of it."""

    __tablename__ = "bank_entries"

    id: Mapped[Id]
    file_id: Mapped[str] = mapped_column(IdText, ForeignKey("bank_files.id"))
    account: Mapped[str]
    # The bank's own reference and place within it: an entry counts once, in however many files it comes.
    reference: Mapped[str] = mapped_column(IdText)
    booked_on: Mapped[date] = mapped_column(Date)
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    # In ledger units; money that arrived is above zero.
    amount: Mapped[int] = mapped_column(BigInteger)
    end_to_end_id: Mapped[str | None] = mapped_column(IdText)
    return_reason: Mapped[str | None]
    state: Mapped[str]
    payout_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("payouts.id"))
    created_at: Mapped[Created]

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    __table_args__ = (
        UniqueConstraint("account", "reference"),
        Index(None, "file_id"),
        Index(None, "payout_id"),
        Index("ix_bank_entries_suspense", "id", postgresql_where=text("state = 'suspense'")),
        one_of("state", BankEntryState),
        CheckConstraint("amount <> 0", name="amount_moves"),
        CheckConstraint("(state = 'matched') <= (payout_id IS NOT NULL)", name="matched_to_a_payout"),
    )


class BankBalance(Base):
    """What a statement says an account held at the end of a day: booked, in ledger units. Append-only."""

    __tablename__ = "bank_balances"

    id: Mapped[Id]
    file_id: Mapped[str] = mapped_column(IdText, ForeignKey("bank_files.id"))
    account: Mapped[str] = mapped_column(IdText)
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    closed_on: Mapped[date] = mapped_column(Date)
    closing: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[Created]

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    __table_args__ = (Index(None, "file_id"), Index(None, "currency", "closed_on"))


class BankDay(Base):
    """What moved at banks on a day, by the entries before one id and not before the last such id. Append-only.

    day : the one a bank has booked it on, if one has said, else the one it counts for. amount : debits less credits.
    """

    __tablename__ = "bank_days"

    account_id: Mapped[str] = mapped_column(IdText, ForeignKey("accounts.id"), primary_key=True)
    # Behind it nothing was counted yet, before it nothing is ever added.
    up_to_entry: Mapped[str] = mapped_column(IdText, primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    amount: Mapped[int] = mapped_column(Numeric(38, 0))
    created_at: Mapped[Created]

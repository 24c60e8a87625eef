"""Payees, what answers are worth, what payees have earned, and what was changed, held or asked back of it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    SmallInteger,
    UniqueConstraint,
    false,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Moment, Ref, one_of
from payments.models.money import Currency


class EarningStatus(StrEnum):
    PENDING = "pending"
    DUE = "due"
    PAID = "paid"
    REVERSED = "reversed"
    # What was unpaid of it went on in the currency that took its currency's place.
    REDENOMINATED = "redenominated"


class EarningKind(StrEnum):
    """What somebody is paid for: an answer, a requester's bonus, the house's own fault, or a week below the floor.

    Or all that was owed to them in a currency that is over.
    """

    ANSWER = "answer"
    BONUS = "bonus"
    GOODWILL = "goodwill"
    FLOOR = "floor"
    REDENOMINATION = "redenomination"


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

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    __table_args__ = (
        UniqueConstraint("owner_ref", "tier", "region", "valid_from"),
        CheckConstraint("amount > 0", name="amount_positive"),
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
    """What one answer is worth to its payee: pending until the answer is accepted, then due, then paid.

    paid : how much of it has left in payouts, was redenominated or went to authorities when it was earned; the rest of
    a due one is still owed. withheld : what of that these took. revision : how often its amount was repaired, from 1.
    """

    __tablename__ = "earnings"

    id: Mapped[Id]
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    answer_ref: Mapped[str] = mapped_column(IdText, unique=True)
    # The reserve it is paid out of; a bonus and goodwill have none.
    cause_ref: Mapped[str | None] = mapped_column(IdText, ForeignKey("reserves.cause_ref"))
    kind: Mapped[str] = mapped_column(server_default=text("'answer'"))
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    amount: Mapped[int] = mapped_column(BigInteger)
    paid: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    withheld: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    revision: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    status: Mapped[str]
    entry_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    created_at: Mapped[Created]
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    @property
    def paid_out(self) -> int:
        """What of it is paid without what authorities took when it was earned."""
        return self.paid - self.withheld

    __table_args__ = (
        Index(None, "payee_id", "id"),
        Index(None, "payee_id", "due_at"),
        Index(None, "cause_ref"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("status = 'pending' OR entry_id IS NOT NULL", name="due_is_posted"),
        CheckConstraint("paid BETWEEN 0 AND amount", name="paid_range"),
        CheckConstraint("withheld BETWEEN 0 AND paid", name="withheld_range"),
        CheckConstraint("(status IN ('paid', 'redenominated')) = (paid = amount)", name="paid_is_whole"),
        CheckConstraint("kind <> 'answer' OR cause_ref IS NOT NULL", name="answer_has_reserve"),
        Index("ix_earnings_due", "payee_id", "currency", "id", postgresql_where=text("status = 'due'")),
        one_of("status", EarningStatus),
        one_of("kind", EarningKind),
    )


class AdjustmentKind(StrEnum):
    """What was put right: an earning taken back or worth something else, or one that is for no answer."""

    REVERSAL = "reversal"
    REPAIR = "repair"
    BONUS = "bonus"
    GOODWILL = "goodwill"


class Adjustment(Base):
    """That an earning is worth something else than it was, since when, who says so and why. Append-only."""

    __tablename__ = "adjustments"

    id: Mapped[Id]
    earning_id: Mapped[str] = mapped_column(IdText, ForeignKey("earnings.id"))
    kind: Mapped[str]
    amount_before: Mapped[int] = mapped_column(BigInteger)
    amount_after: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]
    made_by: Mapped[Ref]
    created_at: Mapped[Created]

    earning: Mapped[Earning] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def currency(self) -> str:
        return self.earning.currency

    @property
    def exponent(self) -> int:
        return self.earning.exponent

    __table_args__ = (
        Index(None, "earning_id", "id"),
        one_of("kind", AdjustmentKind),
        CheckConstraint("amount_before >= 0 AND amount_after >= 0 AND amount_before <> amount_after", name="amounts"),
    )


class Hold(Base):
    """That an earning, or all that a payee is owed, is not paid out for now. Ends by its date or by somebody.

    A legal one has no date, and only another person than the one who made it ends it.
    """

    __tablename__ = "holds"

    id: Mapped[Id]
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    earning_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("earnings.id"))
    reason: Mapped[str]
    is_legal: Mapped[bool] = mapped_column(server_default=false())
    until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    ended_by: Mapped[str | None] = mapped_column(IdText)
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    end_reason: Mapped[str | None]

    __table_args__ = (
        Index("ix_holds_active", "payee_id", postgresql_where=text("ended_at IS NULL")),
        CheckConstraint("is_legal = (until IS NULL)", name="only_legal_without_end"),
        CheckConstraint("num_nulls(ended_by, ended_at, end_reason) IN (0, 3)", name="ended_by_somebody"),
        CheckConstraint("NOT is_legal OR ended_by IS DISTINCT FROM made_by", name="legal_by_two"),
    )


class ClawbackState(StrEnum):
    """Where a clawback stands: open while something of it is still to come back."""

    PROPOSED = "proposed"
    REFUSED = "refused"
    OPEN = "open"
    RECOVERED = "recovered"
    WRITTEN_OFF = "written_off"


class Clawback(Base):
    """An earning that was paid out and is asked back from its payee; its requester has their money back already.

    amount : what the payee owes. returned : what the requester got, fee included. recovered : how much of the amount
    has come back; written_off : how much never will.
    """

    __tablename__ = "clawbacks"

    id: Mapped[Id]
    earning_id: Mapped[str] = mapped_column(IdText, ForeignKey("earnings.id"))
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    amount: Mapped[int] = mapped_column(BigInteger)
    returned: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    recovered: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    written_off: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    state: Mapped[str] = mapped_column(server_default=ClawbackState.PROPOSED)
    reason: Mapped[str]
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    entry_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    # Who would give it up and why, and who agreed.
    write_off_by: Mapped[str | None] = mapped_column(IdText)
    write_off_reason: Mapped[str | None]
    written_off_by: Mapped[str | None] = mapped_column(IdText)
    written_off_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    @property
    def owed(self) -> int:
        """What is still to come back, in ledger units; nothing before it is confirmed."""
        return 0 if self.entry_id is None else self.amount - self.recovered - self.written_off

    __table_args__ = (
        Index("ix_clawbacks_earning", "earning_id", unique=True, postgresql_where=text("state <> 'refused'")),
        Index(None, "payee_id", "id"),
        one_of("state", ClawbackState),
        CheckConstraint(
            "amount > 0 AND returned >= 0 AND recovered >= 0 AND written_off >= 0"
            " AND recovered + written_off <= amount",
            name="amounts",
        ),
        CheckConstraint("num_nulls(decided_by, decided_at) IN (0, 2)", name="decided_by_somebody"),
        CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name="decided"),
        CheckConstraint("(state IN ('proposed', 'refused')) = (entry_id IS NULL)", name="confirmed_is_posted"),
        CheckConstraint("entry_id IS NULL OR decided_by <> made_by", name="four_eyes"),
        CheckConstraint(
            "(state = 'open') = (entry_id IS NOT NULL AND recovered + written_off < amount)", name="open_is_owed"
        ),
        CheckConstraint("num_nulls(write_off_by, write_off_reason) IN (0, 2)", name="write_off_with_reason"),
        CheckConstraint("num_nulls(written_off_by, written_off_at) IN (0, 2)", name="written_off_by_somebody"),
        CheckConstraint(
            "(written_off > 0) = (written_off_by IS NOT NULL) AND (state = 'written_off') = (written_off > 0)",
            name="written_off",
        ),
        CheckConstraint(
            "written_off_by IS NULL OR (write_off_by IS NOT NULL AND written_off_by <> write_off_by)",
            name="written_off_by_two",
        ),
    )

"""Pay that came back and that nobody claims."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Index,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Ref, one_of
from payments.models.money import Currency


class UnclaimedState(StrEnum):
    """Where money stands whose payee cannot be reached: kept is what the house still has of it."""

    PROPOSED = "proposed"
    REFUSED = "refused"
    KEPT = "kept"
    CLAIMED = "claimed"
    HANDED_OVER = "handed_over"


class Unclaimed(Base):
    """What a returned payout had paid and nobody claims. While it is kept or handed over it is not owed as pay.

    noticed_on : the day on which the payee was told. claimable_until : up to this day, inclusive, it stays payable.
    amount : in ledger units of the currency it was earned in; known when it is confirmed. filing : by which it goes, or
    has gone, to the state.
    """

    __tablename__ = "unclaimed"

    id: Mapped[Id]
    payout_id: Mapped[str] = mapped_column(IdText, ForeignKey("payouts.id"))
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    amount: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    noticed_on: Mapped[date] = mapped_column(Date)
    claimable_until: Mapped[date] = mapped_column(Date)
    state: Mapped[str] = mapped_column(server_default=UnclaimedState.PROPOSED)
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    claimed_by: Mapped[str | None] = mapped_column(IdText)
    claimed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    filing: Mapped[str | None] = mapped_column(IdText)
    filed_by: Mapped[str | None] = mapped_column(IdText)
    handed_by: Mapped[str | None] = mapped_column(IdText)
    handed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    __table_args__ = (
        Index("ix_unclaimed_payout", "payout_id", unique=True, postgresql_where=text("state <> 'refused'")),
        Index(None, "payee_id", "id"),
        Index("ix_unclaimed_filing", "filing", postgresql_where=text("filing IS NOT NULL")),
        one_of("state", UnclaimedState),
        CheckConstraint("claimable_until >= noticed_on", name="notice"),
        CheckConstraint("amount >= 0", name="amount_range"),
        CheckConstraint("num_nulls(decided_by, decided_at) IN (0, 2)", name="decided_by_somebody"),
        CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name="decided"),
        CheckConstraint("(state IN ('proposed', 'refused')) = (amount = 0)", name="confirmed_has_an_amount"),
        CheckConstraint("state IN ('proposed', 'refused') OR decided_by <> made_by", name="four_eyes"),
        CheckConstraint("num_nulls(claimed_by, claimed_at) IN (0, 2)", name="claimed_by_somebody"),
        CheckConstraint("(state = 'claimed') = (claimed_by IS NOT NULL)", name="claimed"),
        CheckConstraint(
            "num_nulls(filing, filed_by) IN (0, 2) AND (filing IS NULL OR state IN ('kept', 'handed_over'))",
            name="filed_by_somebody",
        ),
        CheckConstraint("num_nulls(handed_by, handed_at) IN (0, 2)", name="handed_by_somebody"),
        CheckConstraint("(state = 'handed_over') = (handed_by IS NOT NULL)", name="handed_over"),
        CheckConstraint("handed_by IS NULL OR (filing IS NOT NULL AND handed_by <> filed_by)", name="handed_by_two"),
    )


class UnclaimedItem(Base):
    """What of one earning is unclaimed. counts : it is not owed as pay; false once it was claimed."""

    __tablename__ = "unclaimed_items"

    unclaimed_id: Mapped[str] = mapped_column(IdText, ForeignKey("unclaimed.id"), primary_key=True)
    earning_id: Mapped[str] = mapped_column(IdText, ForeignKey("earnings.id"), primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    counts: Mapped[bool] = mapped_column(server_default=true())

    __table_args__ = (
        Index(None, "earning_id"),
        CheckConstraint("amount > 0", name="amount_positive"),
    )

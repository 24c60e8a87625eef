"""What providers say that they took for payouts, where the books could not follow."""

from enum import StrEnum

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, one_of


class FeeReason(StrEnum):
    """Why a fee was not booked."""

    # It is in another currency than its payout.
    CURRENCY = "currency"
    # It is below zero: what leaves, or what comes back?
    NEGATIVE = "negative"
    # It has more decimals than the books.
    DECIMALS = "decimals"
    # It is more than what was paid.
    TOO_MUCH = "too_much"
    # Its payout has not arrived, or has come back.
    NOT_SETTLED = "not_settled"
    # Another fee is booked for its payout.
    DIFFERS = "differs"


class UnplacedFee(Base):
    """A fee for a payout as a file told it, and why it was not booked; once, however often it is told. Append-only."""

    __tablename__ = "unplaced_fees"

    id: Mapped[Id]
    # By which it was told first.
    file_id: Mapped[str] = mapped_column(IdText, ForeignKey("bank_files.id"))
    payout_id: Mapped[str] = mapped_column(IdText, ForeignKey("payouts.id"))
    # Amount and currency as they stand in the file; a currency only if the file names one.
    told: Mapped[str] = mapped_column(IdText)
    reason: Mapped[str]
    created_at: Mapped[Created]

    __table_args__ = (
        UniqueConstraint("payout_id", "reason", "told"),
        Index(None, "file_id"),
        one_of("reason", FeeReason),
    )

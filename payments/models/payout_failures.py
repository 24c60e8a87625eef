"""What people say of payouts that no bank will tell of."""

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Ref, one_of
from payments.models.resolutions import ProposalState


class PayoutFailure(Base):
    """That a payout in transit was not paid: said by one person, posted when another confirms it."""

    __tablename__ = "payout_failures"

    id: Mapped[Id]
    payout_id: Mapped[str] = mapped_column(IdText, ForeignKey("payouts.id"))
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=ProposalState.PROPOSED)
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index("ix_payout_failures_payout", "payout_id", unique=True, postgresql_where=text("state <> 'refused'")),
        one_of("state", ProposalState),
        CheckConstraint("num_nulls(decided_by, decided_at) IN (0, 2)", name="decided_by_somebody"),
        CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name="decided"),
        CheckConstraint("state <> 'posted' OR decided_by <> made_by", name="four_eyes"),
    )

"""Owners, what is set aside for their tasks, and what goes back to them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Ref, one_of
from payments.models.money import Currency


class Owner(Base):
    """Whoever may put money in, as another package knows them."""

    __tablename__ = "owners"

    owner_ref: Mapped[Id]
    created_at: Mapped[Created]


class Reserve(Base):
    """Requester money set aside for one cause (a batch): reserved = spent + released + what its account holds.

    fee_basis_points : of everything that is paid out of it, as it was when it was made. contingency : how much of what
    its account holds is for lifting pay to the floor.
    """

    __tablename__ = "reserves"

    cause_ref: Mapped[Id]
    owner_ref: Mapped[Ref]
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    reserved: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    spent: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    released: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    created_at: Mapped[Created]
    fee_basis_points: Mapped[int] = mapped_column(server_default=text("2000"))
    contingency: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    __table_args__ = (
        Index(None, "owner_ref"),
        CheckConstraint("fee_basis_points BETWEEN 0 AND 10000", name="fee_range"),
        CheckConstraint("contingency BETWEEN 0 AND reserved - spent - released", name="contingency_held"),
        CheckConstraint("spent >= 0 AND released >= 0 AND reserved >= spent + released", name="not_overspent"),
    )


class RefundState(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"


class Refund(Base):
    """Free funds that go back to where they came from: of one top-up, proposed by one person, approved by another."""

    __tablename__ = "refunds"

    id: Mapped[Id]
    owner_ref: Mapped[str] = mapped_column(IdText, ForeignKey("owners.owner_ref"))
    # The entry of the top-up whose source gets it back.
    top_up_id: Mapped[str] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    amount: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(server_default=RefundState.PROPOSED)
    # Why it was refused.
    reason: Mapped[str | None]
    requested_by: Mapped[Ref]
    created_at: Mapped[Created]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    entry_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    __table_args__ = (
        Index(None, "top_up_id"),
        Index(None, "owner_ref", "id"),
        one_of("state", RefundState),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("num_nulls(decided_by, decided_at) IN (0, 2)", name="decided_by_somebody"),
        CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name="decided"),
        CheckConstraint("(state = 'approved') = (entry_id IS NOT NULL)", name="approved_is_posted"),
        CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="refused_with_reason"),
        CheckConstraint("state <> 'approved' OR decided_by <> requested_by", name="four_eyes"),
    )

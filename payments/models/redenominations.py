"""What was owed in a currency that is no longer money, and what it became in the one that took its place."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Ref, one_of
from payments.models.money import Currency


class RedenominationState(StrEnum):
    """Where it stands. Moving goes step by step, and goes on after a crash."""

    PROPOSED = "proposed"
    REFUSED = "refused"
    MOVING = "moving"
    DONE = "done"


class Redenomination(Base):
    """That what is owed in a currency goes on in its successor, proposed by one person and approved by another.

    moved_through : the payee up to whom its steps have come. amount_from, amount_to : moved so far, in ledger units.
    """

    __tablename__ = "redenominations"

    id: Mapped[Id]
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    successor: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    state: Mapped[str] = mapped_column(server_default=RedenominationState.PROPOSED)
    proposed_by: Mapped[Ref]
    created_at: Mapped[Created]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    moved_through: Mapped[str] = mapped_column(IdText, server_default=text("''"))
    n_payees: Mapped[int] = mapped_column(server_default=text("0"))
    amount_from: Mapped[int] = mapped_column(Numeric(38, 0), server_default=text("0"))
    amount_to: Mapped[int] = mapped_column(Numeric(38, 0), server_default=text("0"))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True, foreign_keys=[currency])
    successor_books: Mapped[Currency] = relationship(
        lazy="joined", innerjoin=True, viewonly=True, foreign_keys=[successor]
    )

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    @property
    def successor_exponent(self) -> int:
        return self.successor_books.ledger_exponent

    __table_args__ = (
        # What is owed in a currency is moved by one at a time.
        Index(
            "ix_redenominations_open", "currency", unique=True, postgresql_where=text("state IN ('proposed', 'moving')")
        ),
        one_of("state", RedenominationState),
        CheckConstraint("currency <> successor", name="two_currencies"),
        CheckConstraint("state NOT IN ('moving', 'done') OR decided_by <> proposed_by", name="four_eyes"),
        CheckConstraint("num_nulls(decided_by, decided_at) IN (0, 2)", name="decided_by_somebody"),
        CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name="decided"),
        CheckConstraint("(state = 'done') = (ended_at IS NOT NULL)", name="done_when"),
    )


class RedenominationItem(Base):
    """How much of an earning went on in another one, in the currency of the old. Append-only."""

    __tablename__ = "redenomination_items"

    redenomination_id: Mapped[str] = mapped_column(IdText, ForeignKey("redenominations.id"), primary_key=True)
    earning_id: Mapped[str] = mapped_column(IdText, ForeignKey("earnings.id"), primary_key=True)
    into_id: Mapped[str] = mapped_column(IdText, ForeignKey("earnings.id"))
    amount: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        Index(None, "earning_id"),
        Index(None, "into_id"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("earning_id <> into_id", name="into_another"),
    )

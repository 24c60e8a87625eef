"""What the house really paid for the currencies that its runs pay in."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Ref, one_of
from payments.models.money import Currency
from payments.models.resolutions import ProposalState


class FxPurchase(Base):
    """That a bank has changed money for one run: so much of one currency went, so much of the other came.

    sold, bought : in ledger units. One of the two is the currency that the run pays; usually that which was bought, the
    other way where payouts came back. gain : what the bank gave more than the run's rate had said, in the currency that
    was earned in; below zero it is a loss; known when it is posted.
    """

    __tablename__ = "fx_purchases"

    id: Mapped[Id]
    run_id: Mapped[str] = mapped_column(IdText, ForeignKey("payout_runs.id"))
    bank_reference: Mapped[str] = mapped_column(IdText)
    sold_currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    sold: Mapped[int] = mapped_column(BigInteger)
    bought_currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    bought: Mapped[int] = mapped_column(BigInteger)
    # Of the two the one that was earned in.
    earned_currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    gain: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    state: Mapped[str] = mapped_column(server_default=ProposalState.PROPOSED)
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    entry_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))

    sold_books: Mapped[Currency] = relationship(
        lazy="joined", innerjoin=True, viewonly=True, foreign_keys=[sold_currency]
    )
    bought_books: Mapped[Currency] = relationship(
        lazy="joined", innerjoin=True, viewonly=True, foreign_keys=[bought_currency]
    )

    @property
    def sold_exponent(self) -> int:
        return self.sold_books.ledger_exponent

    @property
    def bought_exponent(self) -> int:
        return self.bought_books.ledger_exponent

    @property
    def earned_exponent(self) -> int:
        return self.sold_exponent if self.earned_currency == self.sold_currency else self.bought_exponent

    __table_args__ = (
        Index("ix_fx_purchases_reference", "bank_reference", unique=True, postgresql_where=text("state <> 'refused'")),
        Index(None, "run_id", "id"),
        one_of("state", ProposalState),
        CheckConstraint("sold > 0 AND bought > 0 AND sold_currency <> bought_currency", name="changes_money"),
        CheckConstraint("earned_currency IN (sold_currency, bought_currency)", name="earned_is_one"),
        CheckConstraint("num_nulls(decided_by, decided_at) IN (0, 2)", name="decided_by_somebody"),
        CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name="decided"),
        CheckConstraint("(state = 'posted') = (entry_id IS NOT NULL)", name="confirmed_is_posted"),
        CheckConstraint("state <> 'posted' OR decided_by <> made_by", name="four_eyes"),
    )

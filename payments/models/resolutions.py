"""What people say of bank lines that nobody could place."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Ref, one_of


class ResolutionKind(StrEnum):
    """What a line in suspense is: a requester's money, a payout's, back to whoever sent it, the house's own, or of
    what the books hold already.
    """

    TOP_UP = "top_up"
    PAYOUT = "payout"
    SENT_BACK = "sent_back"
    OWN = "own"
    BOOKED = "booked"


class ProposalState(StrEnum):
    """Where it stands what one person proposes and another one decides."""

    PROPOSED = "proposed"
    REFUSED = "refused"
    POSTED = "posted"


class Resolution(Base):
    """What a line in suspense is found to be: proposed by one person, posted when another confirms it.

    owner_ref : of a top-up. payout_id : that it settles or brings back. role : the account of what is the house's own.
    booked_id : the journal entry that holds it already. entry_id : the one that took it out of suspense.
    """

    __tablename__ = "resolutions"

    id: Mapped[Id]
    bank_entry_id: Mapped[str] = mapped_column(IdText, ForeignKey("bank_entries.id"))
    # Of the line: a journal entry may move a bank's money in two currencies, and answers for one line of each.
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    kind: Mapped[str]
    owner_ref: Mapped[str | None] = mapped_column(IdText, ForeignKey("owners.owner_ref"))
    payout_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("payouts.id"))
    role: Mapped[str | None]
    booked_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=ProposalState.PROPOSED)
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    entry_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))

    __table_args__ = (
        Index("ix_resolutions_line", "bank_entry_id", unique=True, postgresql_where=text("state <> 'refused'")),
        Index(
            "ix_resolutions_booked", "booked_id", "currency", unique=True,
            postgresql_where=text("booked_id IS NOT NULL AND state <> 'refused'"),
        ),
        one_of("kind", ResolutionKind),
        one_of("state", ProposalState),
        CheckConstraint("(kind = 'top_up') = (owner_ref IS NOT NULL)", name="top_up_of_an_owner"),
        CheckConstraint("(kind = 'payout') = (payout_id IS NOT NULL)", name="payout_named"),
        CheckConstraint("(kind = 'own') = (role IS NOT NULL)", name="own_has_an_account"),
        CheckConstraint("(kind = 'booked') = (booked_id IS NOT NULL)", name="booked_by_an_entry"),
        CheckConstraint("num_nulls(decided_by, decided_at) IN (0, 2)", name="decided_by_somebody"),
        CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name="decided"),
        CheckConstraint("(state = 'posted') = (entry_id IS NOT NULL)", name="confirmed_is_posted"),
        CheckConstraint("state <> 'posted' OR decided_by <> made_by", name="four_eyes"),
    )  # fmt: skip

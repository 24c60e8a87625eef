"""Accounts that count as one."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, DateTime, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Ref, one_of


class LinkKind(StrEnum):
    """What two accounts have in common; or that somebody of ops knows them to be one person's."""

    DEVICE = "device"
    BANK = "bank"
    DOCUMENT = "document"
    DECLARED = "declared"


def shown(ref: str) -> str:
    """An account by its id; one of the staff's by no name."""
    return ref if ref.startswith("wrk_") else "staff"


class AccountLink(Base):
    """That two accounts have something in common, by what evidence, and who said so; until somebody takes it back.

    Either is a worker, or what somebody of the staff is called, who may be a worker as well. `evidence` holds no
    number of an account or document.
    """

    __tablename__ = "account_links"

    id: Mapped[Id]
    one_ref: Mapped[Ref]
    other_ref: Mapped[Ref]
    kind: Mapped[str]
    evidence: Mapped[str]
    recorded_by: Mapped[Ref]
    recorded_at: Mapped[Created]
    # How many tasks both had answered by then.
    n_shared: Mapped[int]
    withdrawn_by: Mapped[str | None] = mapped_column(IdText)
    withdrawn_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    reason: Mapped[str | None]

    @property
    def one(self) -> str:
        """The first, as ops see it: what staff are called is not for them."""
        return shown(self.one_ref)

    @property
    def other(self) -> str:
        """The other one."""
        return shown(self.other_ref)

    __table_args__ = (
        one_of("kind", LinkKind),
        CheckConstraint("one_ref < other_ref", name="in_order"),
        CheckConstraint("num_nulls(withdrawn_by, withdrawn_at, reason) IN (0, 3)", name="withdrawn_whole"),
        Index(
            "uq_account_links_open", "one_ref", "other_ref", "kind", unique=True,
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
        Index("ix_account_links_one_ref", "one_ref", "id"),
        Index("ix_account_links_other_ref", "other_ref", "id"),
    )  # fmt: skip

"""The test worlds of requesters."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Moment, Ref


class TestWorld(Base):
    """The account by which a requester tries things out; it is a requester of the test world alone.

    Whoever begins anew has another one. In the test world itself this table is empty.
    """

    __tablename__ = "test_worlds"

    account_id: Mapped[Id]
    requester_id: Mapped[str] = mapped_column(IdText, ForeignKey("requesters.id"))
    opened_by: Mapped[Ref]
    created_at: Mapped[Created]
    ended_by: Mapped[str | None] = mapped_column(IdText)
    ended_at: Mapped[Moment | None]

    __table_args__ = (
        Index("uq_test_worlds_live", "requester_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        CheckConstraint("num_nulls(ended_by, ended_at) IN (0, 2)", name="ended_by_somebody"),
        CheckConstraint("account_id <> requester_id", name="another_account"),
    )

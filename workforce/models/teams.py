"""Who works for a requester, and as what."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import DateTime, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, one_of


class MemberRole(StrEnum):
    OWNER = "owner"
    MANAGER = "manager"
    FINANCE = "finance"
    VIEWER = "viewer"


class Member(Base):
    """One person of a requester's team, with tokens of their own."""

    __tablename__ = "members"

    id: Mapped[Id]
    requester_id: Mapped[str] = mapped_column(IdText, ForeignKey("requesters.id"))
    role: Mapped[str]
    # The address that they were invited at.
    masked: Mapped[str]
    created_at: Mapped[Created]
    left_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (one_of("role", MemberRole), Index(None, "requester_id", "id"))

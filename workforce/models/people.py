"""Requesters, workers, and where these stand on their ladders."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Ref, one_of


class WorkerStatus(StrEnum):
    APPLICANT = "applicant"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    OFFBOARDED = "offboarded"


class Requester(Base):
    """Who pays for projects."""

    __tablename__ = "requesters"

    id: Mapped[Id]
    name: Mapped[str]
    created_at: Mapped[Created]


class Worker(Base):
    """A person who answers."""

    __tablename__ = "workers"

    id: Mapped[Id]
    name: Mapped[str]
    country: Mapped[str] = mapped_column(IdText)
    status: Mapped[str]
    payee_id: Mapped[Ref]
    created_at: Mapped[Created]
    activated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (one_of("status", WorkerStatus), Index(None, "status", "id"))


class WorkerTier(Base):
    """A worker's level on the ladder of one skill."""

    __tablename__ = "worker_tiers"

    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"), primary_key=True)
    skill: Mapped[str] = mapped_column(IdText, primary_key=True)
    tier: Mapped[int] = mapped_column(SmallInteger)

    __table_args__ = (CheckConstraint("tier BETWEEN 0 AND 4", name="tier_range"),)


class TierMove(Base):
    """Every move on a ladder: from, to, why and by whom. Append-only."""

    __tablename__ = "tier_moves"

    id: Mapped[Id]
    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"))
    skill: Mapped[str] = mapped_column(IdText)
    tier_from: Mapped[int] = mapped_column(SmallInteger)
    tier_to: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[str]
    moved_by: Mapped[Ref]
    created_at: Mapped[Created]

    __table_args__ = (Index(None, "worker_id", "id"),)

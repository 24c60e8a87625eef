"""Which pools workers are in and which languages they know: what a project may ask of whoever sees it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Ref, one_of


class Pool(StrEnum):
    """By whom a worker came to us."""

    CROWD = "crowd"
    VENDOR = "vendor"
    IN_HOUSE = "in_house"


class LanguageLevel(StrEnum):
    """How well somebody knows a language, as CEFR has it. The order of the levels is that of their letters."""

    A1 = "a1"
    A2 = "a2"
    B1 = "b1"
    B2 = "b2"
    C1 = "c1"
    C2 = "c2"
    NATIVE = "native"


class PoolMembership(Base):
    """That a worker is, or was, in a pool; who put them there, and who took them out."""

    __tablename__ = "pool_memberships"

    id: Mapped[Id]
    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"))
    pool: Mapped[str] = mapped_column(IdText)
    put_by: Mapped[Ref]
    created_at: Mapped[Created]
    ended_by: Mapped[str | None] = mapped_column(IdText)
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index("uq_pool_memberships_live", "worker_id", "pool", unique=True, postgresql_where=text("ended_at IS NULL")),
        CheckConstraint("num_nulls(ended_by, ended_at) IN (0, 2)", name="ended_by_somebody"),
        one_of("pool", Pool),
    )


class WorkerLanguage(Base):
    """A language that a worker knows, and how well."""

    __tablename__ = "worker_languages"

    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"), primary_key=True)
    language: Mapped[str] = mapped_column(IdText, primary_key=True)
    level: Mapped[str] = mapped_column(IdText)
    created_at: Mapped[Created]

    __table_args__ = (one_of("level", LanguageLevel),)

"""What somebody says of themselves and agrees to, how their identity was checked, and their wish to be forgotten."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ARRAY, CheckConstraint, DateTime, ForeignKey, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Moment, Ref, one_of


class DeviceClass(StrEnum):
    PHONE = "phone"
    TABLET = "tablet"
    COMPUTER = "computer"


class CheckState(StrEnum):
    REQUESTED = "requested"
    IN_REVIEW = "in_review"
    PASSED = "passed"
    REFUSED = "refused"
    EXPIRED = "expired"


class ErasureState(StrEnum):
    REQUESTED = "requested"
    DONE = "done"
    REFUSED = "refused"


class WorkerProfile(Base):
    """What a worker says of themselves beside name and country; languages have a table of their own."""

    __tablename__ = "worker_profiles"

    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"), primary_key=True)
    device_class: Mapped[str | None]
    # Claimed, and nothing more: what somebody can do is shown by their work.
    skills: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    payout_region: Mapped[str | None] = mapped_column(IdText)
    updated_at: Mapped[Moment] = mapped_column(server_default=func.now())

    __table_args__ = (one_of("device_class", DeviceClass),)


class ConsentVersion(Base):
    """What people have to agree to, as it was published. The newest is in force."""

    __tablename__ = "consent_versions"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    words: Mapped[str]
    published_by: Mapped[Ref]
    published_at: Mapped[Created]


class Consent(Base):
    """That a worker agreed to a version. Append-only: what was agreed to is never agreed to less."""

    __tablename__ = "consents"

    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"), primary_key=True)
    version: Mapped[int] = mapped_column(ForeignKey("consent_versions.version"), primary_key=True)
    given_at: Mapped[Created]


class IdentityCheck(Base):
    """One look at who somebody is, by whom it is done and what came of it."""

    __tablename__ = "identity_checks"

    id: Mapped[Id]
    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"))
    provider: Mapped[str] = mapped_column(IdText)
    state: Mapped[str]
    reason: Mapped[str | None]
    created_at: Mapped[Created]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    expires_on: Mapped[date | None]

    __table_args__ = (
        one_of("state", CheckState),
        Index(
            "ix_identity_checks_open", "worker_id", unique=True,
            postgresql_where=text("state IN ('requested', 'in_review')"),
        ),
        Index(None, "worker_id", "id"),
        Index(None, "state", "id"),
        Index("ix_identity_checks_passed", "expires_on", postgresql_where=text("state = 'passed'")),
        CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="refused_with_reason"),
        CheckConstraint("state NOT IN ('passed', 'expired') OR expires_on IS NOT NULL", name="passed_until"),
    )  # fmt: skip


class Erasure(Base):
    """That a worker wants to be forgotten, and what ops made of it."""

    __tablename__ = "erasures"

    id: Mapped[Id]
    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"))
    state: Mapped[str]
    reason: Mapped[str | None]
    created_at: Mapped[Created]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        one_of("state", ErasureState),
        Index("ix_erasures_open", "worker_id", unique=True, postgresql_where=text("state = 'requested'")),
        Index(None, "state", "id"),
        CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="refused_with_reason"),
    )

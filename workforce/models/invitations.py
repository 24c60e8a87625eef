"""Who was asked by mail to come, as what, and what came of it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Moment, Ref, one_of
from workforce.models.teams import MemberRole


class Guest(StrEnum):
    """As what ops invite people."""

    WORKER = "worker"
    REQUESTER = "requester"


class StaffRole(StrEnum):
    """As what admins do, two of them for each."""

    ADMIN = "admin"
    APPROVER = "approver"
    AUDITOR = "auditor"
    FINANCE = "finance"
    MONITOR = "monitor"
    OPS = "ops"


class InvitedAs(StrEnum):
    """All of these."""

    WORKER = Guest.WORKER
    REQUESTER = Guest.REQUESTER
    # Of a requester's team.
    MEMBER = "member"
    ADMIN = StaffRole.ADMIN
    APPROVER = StaffRole.APPROVER
    AUDITOR = StaffRole.AUDITOR
    FINANCE = StaffRole.FINANCE
    MONITOR = StaffRole.MONITOR
    OPS = StaffRole.OPS


class InvitationStatus(StrEnum):
    PROPOSED = "proposed"
    SENT = "sent"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Invitation(Base):
    """One person who was asked. The address goes when it is over; that they were asked stays."""

    __tablename__ = "invitations"

    id: Mapped[Id]
    role: Mapped[str]
    email: Mapped[str | None]
    masked: Mapped[str]
    # What staff are called in their tokens; others get an id when they come.
    subject: Mapped[str | None] = mapped_column(IdText)
    # Whose team a member is to be of, and as what.
    requester_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("requesters.id"))
    member_role: Mapped[str | None]
    # Whether a team has said who a worker is (invitation_lists.py).
    is_vouched: Mapped[bool] = mapped_column(server_default=text("false"))
    # Whether a worker may claim as soon as they have come.
    activates: Mapped[bool] = mapped_column(server_default=text("false"))
    status: Mapped[str]
    n_sent: Mapped[int] = mapped_column(server_default=text("0"))
    made_by: Mapped[Ref]
    confirmed_by: Mapped[str | None] = mapped_column(IdText)
    created_at: Mapped[Created]
    expires_at: Mapped[Moment]
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # Who came.
    accepted_by: Mapped[str | None] = mapped_column(IdText)

    __table_args__ = (
        one_of("role", InvitedAs),
        one_of("status", InvitationStatus),
        CheckConstraint("(status IN ('proposed', 'sent')) = (ended_at IS NULL)", name="ended_when"),
        CheckConstraint("(ended_at IS NULL) = (email IS NOT NULL)", name="address_gone"),
        CheckConstraint("(status = 'accepted') = (accepted_by IS NOT NULL)", name="accepted_whole"),
        CheckConstraint("(role IN ('worker', 'requester', 'member')) = (subject IS NULL)", name="staff_named"),
        CheckConstraint(
            "(role = 'member') = (requester_id IS NOT NULL) AND (role = 'member') = (member_role IS NOT NULL)",
            name="member_of_a_team",
        ),
        one_of("member_role", MemberRole),
        # A worker or requester is asked by one person; staff count by two.
        CheckConstraint("subject IS NULL OR confirmed_by IS NOT NULL OR n_sent = 0", name="staff_by_two"),
        CheckConstraint("confirmed_by <> made_by", name="confirmed_by_another"),
        Index(
            "ix_invitations_open", text("lower(email)"), "role", text("coalesce(requester_id, '')"), unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(
            "ix_invitations_open_subject", "subject", unique=True,
            postgresql_where=text("ended_at IS NULL AND subject IS NOT NULL"),
        ),
        Index("ix_invitations_requester", "requester_id", "id", postgresql_where=text("requester_id IS NOT NULL")),
        Index("ix_invitations_due", "expires_at", postgresql_where=text("ended_at IS NULL")),
        Index(None, "status", "id"),
    )  # fmt: skip

    @property
    def person_id(self) -> str | None:
        """The worker, requester or member who came; of staff there are names alone."""
        return self.accepted_by if self.subject is None else None

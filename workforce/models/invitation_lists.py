"""Lists of people whom a team brings along, and what became of each line."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Json, Moment, Ref, one_of
from workforce.models.audience import Pool
from workforce.models.invitations import Invitation


class ListState(StrEnum):
    """Where a list stands: looked through, being invited, and over in one of three ways."""

    CHECKED = "checked"
    INVITING = "inviting"
    DONE = "done"
    CANCELLED = "cancelled"
    # Nobody has let it be invited for a week.
    EXPIRED = "expired"


class Fate(StrEnum):
    """What becomes of a line: it is to be invited, was invited, needs no invitation, or is wrong."""

    NEW = "new"
    INVITED = "invited"
    THERE = "there"
    BAD = "bad"


class TeamPool(StrEnum):
    """Where people come to whom a team brings."""

    VENDOR = Pool.VENDOR
    IN_HOUSE = Pool.IN_HOUSE


class InvitationList(Base):
    """A file of people of one team, whose identity the team stands for. One person sends it, another has it invited."""

    __tablename__ = "invitation_lists"

    id: Mapped[Id]
    # Who brings them: an id of a person is one of this team.
    team: Mapped[str]
    # Whether they may claim as soon as they have come.
    activates: Mapped[bool]
    state: Mapped[str]
    n_lines: Mapped[int]
    n_new: Mapped[int]
    n_invited: Mapped[int] = mapped_column(server_default=text("0"))
    n_there: Mapped[int]
    n_bad: Mapped[int]
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    # Until when somebody has to let it.
    expires_at: Mapped[Moment]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        one_of("state", ListState),
        CheckConstraint("n_new >= 0 AND n_new + n_invited + n_there + n_bad = n_lines", name="lines_add_up"),
        CheckConstraint("(state IN ('checked', 'expired')) = (decided_by IS NULL)", name="decided_when"),
        CheckConstraint("state NOT IN ('inviting', 'done') OR decided_by <> made_by", name="invited_by_another"),
        CheckConstraint("state <> 'done' OR n_new = 0", name="done_whole"),
        Index("ix_invitation_lists_inviting", "id", postgresql_where=text("state = 'inviting'")),
        Index("ix_invitation_lists_checked", "expires_at", postgresql_where=text("state = 'checked'")),
    )


class InvitationLine(Base):
    """One line of a list: a person, or what is wrong. Their name and address go when they are of no more use."""

    __tablename__ = "invitation_lines"

    list_id: Mapped[str] = mapped_column(IdText, ForeignKey("invitation_lists.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fate: Mapped[str]
    # A JSON pointer to the column that is wrong, and why; empty for a whole line.
    pointer: Mapped[str | None]
    reason: Mapped[str | None]
    team: Mapped[str]
    external_id: Mapped[str | None] = mapped_column(IdText)
    email: Mapped[str | None]
    name: Mapped[str | None]
    country: Mapped[str | None] = mapped_column(IdText)
    languages: Mapped[Json]
    pool: Mapped[str | None]
    invitation_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("invitations.id"), unique=True)
    invitation: Mapped[Invitation | None] = relationship(viewonly=True, lazy="raise")

    @property
    def person_id(self) -> str | None:
        """The worker who came."""
        return None if self.invitation is None else self.invitation.person_id

    __table_args__ = (
        one_of("fate", Fate),
        CheckConstraint("line >= 1", name="line_range"),
        CheckConstraint("(fate = 'bad') = (reason IS NOT NULL) AND (fate = 'bad') = (pointer IS NOT NULL)", name="why"),
        CheckConstraint("(fate = 'invited') = (invitation_id IS NOT NULL)", name="invited_whole"),
        CheckConstraint("fate = 'bad' OR num_nulls(external_id, country, pool) = 0", name="person_whole"),
        Index("ix_invitation_lines_new", "list_id", "line", postgresql_where=text("fate = 'new'")),
        Index("ix_invitation_lines_person", "team", "external_id", postgresql_where=text("fate = 'invited'")),
        Index("ix_invitation_lines_named", "list_id", postgresql_where=text("name IS NOT NULL")),
    )

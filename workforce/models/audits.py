"""What requesters made of settled tasks when they looked at them."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, Ref, one_of


class AuditVerdict(StrEnum):
    ACCEPTED = "accepted"
    FIXED = "fixed"
    REWORK = "rework"


class Audit(Base):
    """A requester's look at one settled task: right, fixed with another label, or to be decided anew. Append-only."""

    __tablename__ = "audits"

    id: Mapped[Id]
    project_id: Mapped[Ref]
    task_id: Mapped[Ref]
    requester_id: Mapped[Ref]
    verdict: Mapped[str]
    label_before: Mapped[int] = mapped_column(SmallInteger)
    label_after: Mapped[int | None] = mapped_column(SmallInteger)
    comment: Mapped[str]
    made_by: Mapped[Ref]
    created_at: Mapped[Created]

    __table_args__ = (
        ForeignKeyConstraint(["task_id", "project_id"], ["tasks.id", "tasks.project_id"]),
        one_of("verdict", AuditVerdict),
        CheckConstraint("(verdict = 'fixed') = (label_after IS NOT NULL)", name="fixed_has_label"),
        Index(None, "project_id", "id"),
        Index(None, "task_id", "id"),
    )

"""What workers say is wrong with tasks."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Moment, Ref, one_of


class ReportReason(StrEnum):
    """What is wrong with a task."""

    NOT_SHOWN = "not_shown"
    NO_RIGHT_ANSWER = "no_right_answer"
    CONTRADICTS = "contradicts_instruction"
    PRIVATE_DATA = "private_data"
    DISTRESSING = "distressing"
    OTHER = "other"


class ReportState(StrEnum):
    OPEN = "open"
    UPHELD = "upheld"
    DISMISSED = "dismissed"


class TaskReport(Base):
    """That a worker found a task broken, and what came of it."""

    __tablename__ = "task_reports"

    id: Mapped[Id]
    project_id: Mapped[str] = mapped_column(IdText)
    task_id: Mapped[Ref]
    assignment_id: Mapped[str] = mapped_column(IdText)
    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"))
    reason: Mapped[str]
    note: Mapped[str]
    state: Mapped[str]
    created_at: Mapped[Created]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[Moment | None]

    __table_args__ = (
        ForeignKeyConstraint(["assignment_id", "project_id"], ["assignments.id", "assignments.project_id"]),
        Index(None, "project_id", "id"),
        Index(None, "worker_id", "id"),
        Index("ix_task_reports_open", "task_id", postgresql_where=text("state = 'open'")),
        one_of("reason", ReportReason),
        one_of("state", ReportState),
        CheckConstraint(
            "(state = 'open') = (decided_at IS NULL) AND num_nulls(decided_by, decided_at) IN (0, 2)",
            name="decided_by_somebody",
        ),
    )

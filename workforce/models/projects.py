"""Projects and batches."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Date,
    Double,
    ForeignKey,
    Index,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Json, one_of
from quality.escalation import Basis, Fallback
from workforce.models.audience import LanguageLevel, Pool


class ProjectStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"


class Purpose(StrEnum):
    """What a project is for: work has tasks, the others have questions that are sat (exams.py)."""

    WORK = "work"
    TRAINING = "training"
    EXAM = "exam"


class BatchStatus(StrEnum):
    STAGING = "staging"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


class WhenRevised(StrEnum):
    """What becomes of a settled task that a refit would decide otherwise."""

    REPORT = "report"
    REOPEN = "reopen"


class Acceptance(StrEnum):
    """Who accepts the crowd's answers: the settlement of their task, or its requester, whose silence does."""

    ON_SETTLEMENT = "on_settlement"
    BY_REQUESTER = "by_requester"


class LeasePolicy(StrEnum):
    """How long a lease lasts: as the project says, or as long as answers have taken, and no longer than that."""

    FIXED = "fixed"
    LEARNED = "learned"


class LateRule(StrEnum):
    """What becomes of an answer that comes when its lease is over and its slot is gone.

    It is refused; or taken beside the others and paid like them, as long as its task is open and may have one more.
    """

    REFUSE = "refuse"
    PAID = "paid"


class Project(Base):
    """Tasks of one type with one label set, rate card and quality settings."""

    __tablename__ = "projects"

    id: Mapped[Id]
    requester_id: Mapped[str] = mapped_column(IdText, ForeignKey("requesters.id"))
    name: Mapped[str]
    task_type: Mapped[str]
    purpose: Mapped[str] = mapped_column(server_default=text("'work'"))
    status: Mapped[str]
    instruction: Mapped[str]
    # Class names in the order of their numbers: label 0 is labels[0].
    labels: Mapped[list[str]] = mapped_column(ARRAY(Text))
    # What its type leaves to a project to say of answers (task_types).
    form: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    skill: Mapped[str] = mapped_column(IdText)
    tier_min: Mapped[int] = mapped_column(SmallInteger)
    overlap_min: Mapped[int] = mapped_column(SmallInteger)
    overlap_max: Mapped[int] = mapped_column(SmallInteger)
    confidence_target: Mapped[float] = mapped_column(Double)
    # Whether that is asked of each label or of their mean.
    target_basis: Mapped[str] = mapped_column(server_default=text("'each'"))
    # For so long an answer beyond overlap_min is kept for those who tell more of the task than others.
    keep_seconds: Mapped[int] = mapped_column(server_default=text("600"))
    # Reading a task takes so long at the least; 0 : nobody has said so.
    read_seconds: Mapped[int] = mapped_column(server_default=text("0"))
    # The share of the project's tasks that may go to an expert.
    expert_share: Mapped[float] = mapped_column(Double)
    # The share of them that an expert checks whatever the crowd says.
    spot_share: Mapped[float] = mapped_column(Double, server_default=text("0"))
    # What a wrong label costs, in the currency of the rate card.
    error_cost: Mapped[Decimal | None] = mapped_column(Numeric(20, 6))
    # Experts: so many tasks a day (all that the share allows if null), so long a wait, and what comes of it.
    experts_per_day: Mapped[int | None]
    expert_patience_seconds: Mapped[int] = mapped_column(server_default=text("86400"))
    without_expert: Mapped[str] = mapped_column(server_default=text("'widen'"))
    # The share of their tasks that two decide apart, and how many are asked if those two differ.
    second_opinion_share: Mapped[float] = mapped_column(Double, server_default=text("0"))
    panel_size: Mapped[int] = mapped_column(SmallInteger, server_default=text("3"))
    # The share of a worker's tasks that are gold.
    gold_share: Mapped[float] = mapped_column(Double, server_default=text("0"))
    # Whether settled tasks that a refit would decide otherwise are shown to an expert, or only told.
    when_revised: Mapped[str] = mapped_column(server_default=text("'report'"))
    # Counted by the settlement, so that a decision does not have to count a million tasks.
    n_settled: Mapped[int] = mapped_column(server_default=text("0"))
    error_settled: Mapped[float] = mapped_column(Double, server_default=text("0"))
    n_escalated: Mapped[int] = mapped_column(server_default=text("0"))
    # Of the day, by UTC, on which anything was escalated last.
    escalated_on: Mapped[date | None] = mapped_column(Date)
    escalated_today: Mapped[int] = mapped_column(server_default=text("0"))
    # Who accepts answers; and after how long silence does, where it is the requester.
    acceptance: Mapped[str] = mapped_column(server_default=text("'on_settlement'"))
    accept_within_seconds: Mapped[int] = mapped_column(server_default=text("604800"))
    lease_seconds: Mapped[int]
    lease_policy: Mapped[str] = mapped_column(server_default=text("'fixed'"))
    # What becomes of late answers whose slot is gone.
    late_rule: Mapped[str] = mapped_column(server_default=text("'refuse'"))
    # So many people who find a task broken keep it from everybody, until somebody has looked at it.
    reports_to_park: Mapped[int] = mapped_column(SmallInteger, server_default=text("2"))
    # Which project comes first (precedence.py): the band that was asked for, and how far waiting has raised it.
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("2"))
    raised: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    # How much one worker may do (caps.py): at once, on one day by UTC, and which share of all answers.
    leases_max: Mapped[int | None]
    answers_per_day: Mapped[int | None]
    worker_share: Mapped[float] = mapped_column(Double, server_default=text("1"))
    # Answers of the crowd, counted by the settlement since the upgrade.
    n_answers: Mapped[int] = mapped_column(server_default=text("0"))
    # Who may see it (pools.py): of each sort whoever is in one of these, or everybody if there are none.
    pools: Mapped[list[str]] = mapped_column(ARRAY(IdText), server_default=text("'{}'"))
    countries: Mapped[list[str]] = mapped_column(ARRAY(IdText), server_default=text("'{}'"))
    languages: Mapped[list[str]] = mapped_column(ARRAY(IdText), server_default=text("'{}'"))
    language_level: Mapped[str] = mapped_column(IdText, server_default=text("'a1'"))
    # What somebody must have passed to be given its tasks (required_exams.py).
    required_exams: Mapped[list[str]] = mapped_column(ARRAY(IdText), server_default=text("'{}'"))
    params: Mapped[Json]
    created_at: Mapped[Created]

    __table_args__ = (
        UniqueConstraint("requester_id", "name"),
        CheckConstraint("1 <= overlap_min AND overlap_min <= overlap_max AND overlap_max <= 100", name="overlap_range"),
        CheckConstraint("confidence_target BETWEEN 0.5 AND 1", name="confidence_target_range"),
        CheckConstraint("expert_share BETWEEN 0 AND 1", name="expert_share_range"),
        CheckConstraint("spot_share BETWEEN 0 AND 1", name="spot_share_range"),
        CheckConstraint("error_cost > 0", name="error_cost_positive"),
        CheckConstraint("experts_per_day BETWEEN 0 AND 1000000", name="experts_per_day_range"),
        CheckConstraint("expert_patience_seconds BETWEEN 60 AND 2592000", name="expert_patience_range"),
        CheckConstraint("second_opinion_share BETWEEN 0 AND 1", name="second_opinion_share_range"),
        CheckConstraint("panel_size BETWEEN 3 AND 9", name="panel_size_range"),
        CheckConstraint("keep_seconds BETWEEN 0 AND 86400", name="keep_range"),
        CheckConstraint("read_seconds BETWEEN 0 AND 3600", name="read_range"),
        CheckConstraint("accept_within_seconds BETWEEN 3600 AND 1814400", name="accept_within_range"),
        one_of("acceptance", Acceptance),
        one_of("target_basis", Basis),
        one_of("when_revised", WhenRevised),
        one_of("without_expert", Fallback),
        CheckConstraint("gold_share BETWEEN 0 AND 0.5", name="gold_share_range"),
        CheckConstraint("lease_seconds BETWEEN 10 AND 86400", name="lease_range"),
        CheckConstraint("cardinality(labels) <= 100", name="labels_range"),
        CheckConstraint(f"pools <@ ARRAY{[pool.value for pool in Pool]}", name="pools_known"),
        one_of("language_level", LanguageLevel),
        one_of("lease_policy", LeasePolicy),
        one_of("late_rule", LateRule),
        CheckConstraint("reports_to_park BETWEEN 1 AND 100", name="reports_range"),
        CheckConstraint("cardinality(required_exams) <= 10", name="required_exams_range"),
        CheckConstraint("priority BETWEEN 0 AND 4 AND raised BETWEEN 0 AND 4", name="priority_range"),
        CheckConstraint("leases_max BETWEEN 1 AND 20", name="leases_max_range"),
        CheckConstraint("answers_per_day BETWEEN 1 AND 1000000", name="answers_per_day_range"),
        CheckConstraint("worker_share > 0 AND worker_share <= 1", name="worker_share_range"),
        one_of("status", ProjectStatus),
        one_of("purpose", Purpose),
        Index("ix_projects_to_sit", "id", postgresql_where=text("purpose <> 'work'")),
        Index("ix_projects_that_require", "id", postgresql_where=text("required_exams <> '{}'")),
    )


class Batch(Base):
    """Tasks of a project launched together. Its name is unique for the requester."""

    __tablename__ = "batches"

    id: Mapped[Id]
    project_id: Mapped[str] = mapped_column(IdText, ForeignKey("projects.id"))
    requester_id: Mapped[str] = mapped_column(IdText, ForeignKey("requesters.id"))
    name: Mapped[str]
    status: Mapped[str]
    callback_url: Mapped[str]
    # `metadata` is SQLAlchemy's own name on a mapped class.
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB)
    created_at: Mapped[Created]

    # Of the tasks that named no batch; a project has one.
    standing: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        UniqueConstraint("requester_id", "name"),
        # What a task refers to: its batch is a batch of its own project.
        UniqueConstraint("id", "project_id"),
        Index("uq_batches_standing", "project_id", unique=True, postgresql_where=text("standing")),
        one_of("status", BatchStatus),
    )

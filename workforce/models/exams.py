"""Training and exams: what is asked and what is right, how workers have sat them. None of it is a task or a vote."""

from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Json, Moment, Ref, one_of


class ToSit(StrEnum):
    """What is sat: training tells at once what was right, an exam tells its result alone."""

    TRAINING = "training"
    EXAM = "exam"


class AttemptState(StrEnum):
    """`abandoned` is what ended without a single answer."""

    SITTING = "sitting"
    PASSED = "passed"
    FAILED = "failed"
    ABANDONED = "abandoned"


class Exam(Base):
    """On which terms a project is sat: how many questions and right ones, how long, how often, how soon again."""

    __tablename__ = "exams"

    project_id: Mapped[str] = mapped_column(IdText, ForeignKey("projects.id"), primary_key=True)
    n_questions: Mapped[int] = mapped_column(SmallInteger)
    n_needed: Mapped[int] = mapped_column(SmallInteger)
    seconds: Mapped[int]
    attempts_max: Mapped[int] = mapped_column(SmallInteger)
    cool_down_days: Mapped[int] = mapped_column(SmallInteger)
    # Who of ops lets it bring candidates to the first step of the skill's ladder.
    qualified_by: Mapped[str | None] = mapped_column(IdText)
    qualified_at: Mapped[Moment | None]
    created_at: Mapped[Created]

    __table_args__ = (
        CheckConstraint("1 <= n_needed AND n_needed <= n_questions AND n_questions <= 100", name="needed_range"),
        CheckConstraint("seconds BETWEEN 60 AND 86400", name="seconds_range"),
        CheckConstraint("attempts_max BETWEEN 1 AND 100", name="attempts_range"),
        CheckConstraint("cool_down_days BETWEEN 0 AND 365", name="cool_down_range"),
        CheckConstraint("num_nulls(qualified_by, qualified_at) IN (0, 2)", name="qualified_by_somebody"),
    )


class ExamQuestion(Base):
    """A question whose label is known, and why it is that. It never changes; a wrong one is retired."""

    __tablename__ = "exam_questions"

    id: Mapped[Id]
    project_id: Mapped[str] = mapped_column(IdText, ForeignKey("exams.project_id"))
    params: Mapped[Json]
    label: Mapped[int] = mapped_column(SmallInteger)
    explanation: Mapped[str]
    added_by: Mapped[Ref]
    created_at: Mapped[Created]
    retired_at: Mapped[Moment | None]

    __table_args__ = (Index(None, "project_id", "id"),)


class Attempt(Base):
    """One worker sits one exam once; what it pays is fixed at its start, and set aside in its project's batch."""

    __tablename__ = "attempts"

    id: Mapped[Id]
    project_id: Mapped[str] = mapped_column(IdText, ForeignKey("exams.project_id"))
    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"))
    state: Mapped[str]
    n_questions: Mapped[int] = mapped_column(SmallInteger)
    n_needed: Mapped[int] = mapped_column(SmallInteger)
    n_answered: Mapped[int] = mapped_column(SmallInteger)
    n_right: Mapped[int] = mapped_column(SmallInteger)
    batch_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("batches.id"))
    currency: Mapped[str | None] = mapped_column(IdText)
    amount: Mapped[int | None] = mapped_column(BigInteger)
    exponent: Mapped[int | None] = mapped_column(SmallInteger)
    started_at: Mapped[Moment]
    ends_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]

    __table_args__ = (
        Index(
            "uq_attempts_sitting", "worker_id", "project_id", unique=True, postgresql_where=text("state = 'sitting'")
        ),
        Index(None, "worker_id", "project_id", "id"),
        Index(None, "project_id", "id"),
        Index("ix_attempts_ends_at", "ends_at", postgresql_where=text("state = 'sitting'")),
        one_of("state", AttemptState),
        CheckConstraint("(state = 'sitting') = (ended_at IS NULL)", name="ended_when"),
        CheckConstraint("n_right <= n_answered AND n_answered <= n_questions", name="counts_range"),
        CheckConstraint("amount > 0 AND num_nulls(batch_id, currency, amount, exponent) IN (0, 4)", name="pay_whole"),
    )


class AttemptAnswer(Base):
    """A question of an attempt, and what was answered."""

    __tablename__ = "attempt_answers"

    attempt_id: Mapped[str] = mapped_column(IdText, ForeignKey("attempts.id"), primary_key=True)
    place: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    question_id: Mapped[str] = mapped_column(IdText, ForeignKey("exam_questions.id"))
    label: Mapped[int | None] = mapped_column(SmallInteger)
    answered_at: Mapped[Moment | None]

    __table_args__ = (
        Index("uq_attempt_answers_question_id", "question_id", "attempt_id", unique=True),
        CheckConstraint("num_nulls(label, answered_at) IN (0, 2)", name="answered_when"),
    )

"""training and exams: projects that are sat."""

import sqlalchemy as sa
from alembic import op

revision = "0084"
down_revision = "0083"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_CAUSES = "'promotion', 'demotion', 'decay', 'correction', 'ops', 'override', 'expiry', 'exam', 'earlier'"


def _moment(name: str, *, needed: bool = False, now: bool = False) -> sa.Column[sa.DateTime]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=not (needed or now))


def upgrade() -> None:
    op.create_table(
        "exams",
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("n_questions", sa.SmallInteger(), nullable=False),
        sa.Column("n_needed", sa.SmallInteger(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("attempts_max", sa.SmallInteger(), nullable=False),
        sa.Column("cool_down_days", sa.SmallInteger(), nullable=False),
        sa.Column("qualified_by", _ID, nullable=True),
        _moment("qualified_at"),
        _moment("created_at", now=True),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_exams")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_exams_project_id_projects")),
        sa.CheckConstraint(
            "1 <= n_needed AND n_needed <= n_questions AND n_questions <= 100", name=op.f("ck_exams_needed_range")
        ),
        sa.CheckConstraint("seconds BETWEEN 60 AND 86400", name=op.f("ck_exams_seconds_range")),
        sa.CheckConstraint("attempts_max BETWEEN 1 AND 100", name=op.f("ck_exams_attempts_range")),
        sa.CheckConstraint("cool_down_days BETWEEN 0 AND 365", name=op.f("ck_exams_cool_down_range")),
        sa.CheckConstraint(
            "num_nulls(qualified_by, qualified_at) IN (0, 2)", name=op.f("ck_exams_qualified_by_somebody")
        ),
    )
    op.create_table(
        "exam_questions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("params", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("added_by", _ID, nullable=False),
        _moment("created_at", now=True),
        _moment("retired_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exam_questions")),
        sa.ForeignKeyConstraint(["project_id"], ["exams.project_id"], name=op.f("fk_exam_questions_project_id_exams")),
    )
    op.create_index("ix_exam_questions_project_id_id", "exam_questions", ["project_id", "id"])
    op.create_table(
        "attempts",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("worker_id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("n_questions", sa.SmallInteger(), nullable=False),
        sa.Column("n_needed", sa.SmallInteger(), nullable=False),
        sa.Column("n_answered", sa.SmallInteger(), nullable=False),
        sa.Column("n_right", sa.SmallInteger(), nullable=False),
        sa.Column("batch_id", _ID, nullable=True),
        sa.Column("currency", _ID, nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("exponent", sa.SmallInteger(), nullable=True),
        _moment("started_at", needed=True),
        _moment("ends_at", needed=True),
        _moment("ended_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.ForeignKeyConstraint(["project_id"], ["exams.project_id"], name=op.f("fk_attempts_project_id_exams")),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name=op.f("fk_attempts_worker_id_workers")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_attempts_batch_id_batches")),
        sa.CheckConstraint(
            "state IN ('sitting', 'passed', 'failed', 'abandoned')", name=op.f("ck_attempts_state_known")
        ),
        sa.CheckConstraint("(state = 'sitting') = (ended_at IS NULL)", name=op.f("ck_attempts_ended_when")),
        sa.CheckConstraint(
            "n_right <= n_answered AND n_answered <= n_questions", name=op.f("ck_attempts_counts_range")
        ),
        sa.CheckConstraint(
            "amount > 0 AND num_nulls(batch_id, currency, amount, exponent) IN (0, 4)",
            name=op.f("ck_attempts_pay_whole"),
        ),
    )
    op.create_index(
        "uq_attempts_sitting", "attempts", ["worker_id", "project_id"], unique=True,
        postgresql_where=sa.text("state = 'sitting'"),
    )  # fmt: skip
    op.create_index("ix_attempts_worker_id_project_id_id", "attempts", ["worker_id", "project_id", "id"])
    op.create_index("ix_attempts_project_id_id", "attempts", ["project_id", "id"])
    op.create_index("ix_attempts_ends_at", "attempts", ["ends_at"], postgresql_where=sa.text("state = 'sitting'"))
    op.create_table(
        "attempt_answers",
        sa.Column("attempt_id", _ID, nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("question_id", _ID, nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=True),
        _moment("answered_at"),
        sa.PrimaryKeyConstraint("attempt_id", "place", name=op.f("pk_attempt_answers")),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_attempt_answers_attempt_id_attempts")),
        sa.ForeignKeyConstraint(
            ["question_id"], ["exam_questions.id"], name=op.f("fk_attempt_answers_question_id_exam_questions")
        ),
        sa.CheckConstraint("num_nulls(label, answered_at) IN (0, 2)", name=op.f("ck_attempt_answers_answered_when")),
    )
    op.create_index("uq_attempt_answers_question_id", "attempt_answers", ["question_id", "attempt_id"], unique=True)
    # Last, for nobody reads or writes these until the end.
    op.drop_constraint(op.f("ck_tier_moves_cause_known"), "tier_moves")
    op.create_check_constraint(op.f("ck_tier_moves_cause_known"), "tier_moves", f"cause IN ({_CAUSES})")
    op.add_column("projects", sa.Column("purpose", sa.Text(), server_default=sa.text("'work'"), nullable=False))
    op.create_check_constraint(op.f("ck_projects_purpose_known"), "projects", "purpose IN ('work', 'training', 'exam')")
    op.create_index("ix_projects_to_sit", "projects", ["id"], postgresql_where=sa.text("purpose <> 'work'"))


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

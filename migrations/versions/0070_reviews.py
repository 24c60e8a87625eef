"""projects whose requester accepts answers, and the answers that wait for that."""

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "projects", sa.Column("acceptance", sa.Text(), server_default=sa.text("'on_settlement'"), nullable=False)
    )
    op.add_column(
        "projects", sa.Column("accept_within_seconds", sa.Integer(), server_default=sa.text("604800"), nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_projects_acceptance_known"), "projects", "acceptance IN ('on_settlement', 'by_requester')"
    )
    op.create_check_constraint(
        op.f("ck_projects_accept_within_range"), "projects", "accept_within_seconds BETWEEN 3600 AND 1814400"
    )
    _create_reviews()


def _create_reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("answer_id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("batch_id", _ID, nullable=False),
        sa.Column("requester_id", _ID, nullable=False),
        sa.Column("worker_id", _ID, nullable=False),
        sa.Column("of_gold", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("accept_at", _MOMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("decided_by", _ID, nullable=True),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.Column("appeal_until", _MOMENT, nullable=True),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("answer_id", "project_id", name=op.f("pk_reviews")),
        sa.ForeignKeyConstraint(
            ["answer_id", "project_id"],
            ["answers.id", "answers.project_id"],
            name=op.f("fk_reviews_answer_id_project_id_answers"),
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'accepted', 'rejected', 'final')", name=op.f("ck_reviews_state_known")
        ),
        sa.CheckConstraint(
            "reason IN ('instruction_ignored', 'no_effort', 'too_fast', 'copied', 'unreadable')",
            name=op.f("ck_reviews_reason_known"),
        ),
        sa.CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name=op.f("ck_reviews_decided_when")),
        sa.CheckConstraint(
            "state NOT IN ('rejected', 'final') OR num_nulls(reason, evidence, appeal_until) = 0",
            name=op.f("ck_reviews_rejected_with_reason"),
        ),
        sa.CheckConstraint("NOT of_gold OR state IN ('waiting', 'accepted')", name=op.f("ck_reviews_gold_is_accepted")),
    )
    op.create_index("ix_reviews_project_id_state_answer_id", "reviews", ["project_id", "state", "answer_id"])
    op.create_index("ix_reviews_worker_id_answer_id", "reviews", ["worker_id", "answer_id"])
    op.create_index("ix_reviews_waiting", "reviews", ["accept_at"], postgresql_where=sa.text("state = 'waiting'"))
    op.create_index("ix_reviews_rejected", "reviews", ["appeal_until"], postgresql_where=sa.text("state = 'rejected'"))
    op.create_index(
        "ix_reviews_open", "reviews", ["batch_id"], postgresql_where=sa.text("state IN ('waiting', 'rejected')")
    )
    op.create_index(
        "ix_reviews_of_gold", "reviews", ["worker_id", "project_id"],
        postgresql_where=sa.text("of_gold AND state = 'waiting'"),
    )  # fmt: skip


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

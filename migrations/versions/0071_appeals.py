"""workers' appeals, and brakes on requesters who reject much at once."""

import sqlalchemy as sa
from alembic import op

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)
_NOW = sa.text("now()")


def upgrade() -> None:
    op.create_index(
        "ix_reviews_judged", "reviews", ["requester_id", "decided_at"],
        postgresql_where=sa.text("decided_by IS NOT NULL"),
    )  # fmt: skip
    op.create_table(
        "brakes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("requester_id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", _MOMENT, nullable=False),
        sa.Column("n_rejected", sa.Integer(), nullable=False),
        sa.Column("n_judged", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_by", _ID, nullable=True),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.Column("created_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brakes")),
        sa.ForeignKeyConstraint(["requester_id"], ["requesters.id"], name=op.f("fk_brakes_requester_id_requesters")),
        sa.CheckConstraint("state IN ('on', 'released', 'undone')", name=op.f("ck_brakes_state_known")),
        sa.CheckConstraint(
            "(state = 'on') = (num_nonnulls(reason, decided_by, decided_at) = 0)", name=op.f("ck_brakes_on_undecided")
        ),
        sa.CheckConstraint(
            "state = 'on' OR num_nulls(reason, decided_by, decided_at) = 0", name=op.f("ck_brakes_decided_whole")
        ),
    )
    op.create_index("uq_brakes_on", "brakes", ["requester_id"], unique=True, postgresql_where=sa.text("state = 'on'"))
    op.create_index("ix_brakes_requester_id_decided_at", "brakes", ["requester_id", "decided_at"])
    op.create_index("ix_brakes_state_id", "brakes", ["state", "id"])
    _create_appeals()


def _create_appeals() -> None:
    op.create_table(
        "appeals",
        sa.Column("id", _ID, nullable=False),
        sa.Column("answer_id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("worker_id", _ID, nullable=False),
        sa.Column("requester_id", _ID, nullable=False),
        sa.Column("rejected_by", _ID, nullable=False),
        sa.Column("grounds", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decided_by", _ID, nullable=True),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.Column("created_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeals")),
        sa.ForeignKeyConstraint(
            ["answer_id", "project_id"],
            ["reviews.answer_id", "reviews.project_id"],
            name=op.f("fk_appeals_answer_id_project_id_reviews"),
        ),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name=op.f("fk_appeals_worker_id_workers")),
        sa.ForeignKeyConstraint(["requester_id"], ["requesters.id"], name=op.f("fk_appeals_requester_id_requesters")),
        sa.UniqueConstraint("answer_id", "project_id", name=op.f("uq_appeals_answer_id_project_id")),
        sa.CheckConstraint("state IN ('open', 'upheld', 'denied', 'moot')", name=op.f("ck_appeals_state_known")),
        sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name=op.f("ck_appeals_decided_when")),
        sa.CheckConstraint(
            "state NOT IN ('upheld', 'denied') OR num_nulls(decision, decided_by) = 0",
            name=op.f("ck_appeals_decided_with_reason"),
        ),
        sa.CheckConstraint("decided_by <> rejected_by", name=op.f("ck_appeals_somebody_else_decides")),
    )
    op.create_index("ix_appeals_worker_id_id", "appeals", ["worker_id", "id"])
    op.create_index("ix_appeals_state_id", "appeals", ["state", "id"])
    op.create_index(
        "ix_appeals_upheld", "appeals", ["requester_id", "decided_at"], postgresql_where=sa.text("state = 'upheld'")
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

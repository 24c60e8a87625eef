"""how much one worker may do in a project, and which project comes first."""

import sqlalchemy as sa
from alembic import op

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None

_CHECKS = {
    "priority_range": "priority BETWEEN 0 AND 4 AND raised BETWEEN 0 AND 4",
    "leases_max_range": "leases_max BETWEEN 1 AND 20",
    "answers_per_day_range": "answers_per_day BETWEEN 1 AND 1000000",
    "worker_share_range": "worker_share > 0 AND worker_share <= 1",
    "lease_policy_known": "lease_policy IN ('fixed', 'learned')",
}


def upgrade() -> None:
    op.create_table(
        "worker_shares",
        sa.Column("worker_id", sa.Text(collation="C"), nullable=False),
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("n_taken", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("n_today", sa.Integer(), nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stint_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("n_taken >= 0 AND n_today >= 0", name=op.f("ck_worker_shares_not_negative")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_worker_shares_project_id_projects")),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name=op.f("fk_worker_shares_worker_id_workers")),
        sa.PrimaryKeyConstraint("worker_id", "project_id", name=op.f("pk_worker_shares")),
    )
    for column in (
        sa.Column("priority", sa.SmallInteger(), server_default=sa.text("2"), nullable=False),
        sa.Column("raised", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("leases_max", sa.Integer(), nullable=True),
        sa.Column("answers_per_day", sa.Integer(), nullable=True),
        sa.Column("worker_share", sa.Double(), server_default=sa.text("1"), nullable=False),
        sa.Column("lease_policy", sa.Text(), server_default=sa.text("'fixed'"), nullable=False),
        sa.Column("n_answers", sa.Integer(), server_default=sa.text("0"), nullable=False),
    ):
        op.add_column("projects", column)
    for name, rule in _CHECKS.items():
        op.create_check_constraint(op.f(f"ck_projects_{name}"), "projects", rule)
    known = sa.Column("is_known", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("project_paces", known)


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

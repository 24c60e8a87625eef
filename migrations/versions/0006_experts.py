"""what a project wants of its experts, and what a wrong label costs it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_RANGES = {
    "error_cost_positive": "error_cost > 0",
    "experts_per_day_range": "experts_per_day BETWEEN 0 AND 1000000",
    "expert_patience_range": "expert_patience_seconds BETWEEN 60 AND 2592000",
    "second_opinion_share_range": "second_opinion_share BETWEEN 0 AND 1",
    "panel_size_range": "panel_size BETWEEN 3 AND 9",
    "without_expert_known": "without_expert IN ('widen', 'park', 'settle')",
}


def upgrade() -> None:
    for column in (
        sa.Column("error_cost", sa.Numeric(20, 6)),
        sa.Column("experts_per_day", sa.Integer()),
        sa.Column("expert_patience_seconds", sa.Integer(), server_default=sa.text("86400"), nullable=False),
        sa.Column("without_expert", sa.Text(), server_default=sa.text("'widen'"), nullable=False),
        sa.Column("second_opinion_share", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("panel_size", sa.SmallInteger(), server_default=sa.text("3"), nullable=False),
        sa.Column("escalated_on", sa.Date()),
        sa.Column("escalated_today", sa.Integer(), server_default=sa.text("0"), nullable=False),
    ):
        op.add_column("projects", column)
    for name, rule in _RANGES.items():
        op.create_check_constraint(op.f(f"ck_projects_{name}"), "projects", rule)


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

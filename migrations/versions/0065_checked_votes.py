"""votes whose truth became known, and what they show of each voter in a skill."""

import sqlalchemy as sa
from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)


def _share(name: str, default: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double(), server_default=sa.text(default), nullable=False)


def upgrade() -> None:
    op.create_table(
        "checked_votes",
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("voter_id", _ID, nullable=False),
        sa.Column("skill", _ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("is_right", sa.Boolean(), nullable=True),
        sa.Column("counted", sa.Boolean(), nullable=True),
        sa.Column("seq", sa.Integer(), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "task_id", "voter_id", name=op.f("pk_checked_votes")),
        sa.CheckConstraint("source IN ('gold', 'spot', 'dispute')", name=op.f("ck_checked_votes_source_known")),
        sa.CheckConstraint(
            "seq > 0 AND (counted IS NULL OR seq IS NOT NULL)", name=op.f("ck_checked_votes_counted_in_order")
        ),
        sa.CheckConstraint("source <> 'dispute' OR seq IS NULL", name=op.f("ck_checked_votes_disputes_apart")),
    )
    op.create_index("uq_checked_votes_seq", "checked_votes", ["voter_id", "skill", "seq"], unique=True)
    op.create_index(
        "ix_checked_votes_uncounted", "checked_votes", ["checked_at"],
        postgresql_where=sa.text("source <> 'dispute' AND counted IS DISTINCT FROM is_right"),
    )  # fmt: skip
    op.create_table(
        "voter_records",
        sa.Column("voter_id", _ID, nullable=False),
        sa.Column("skill", _ID, nullable=False),
        _count("n_seen"),
        _count("since"),
        _count("n"),
        _count("n_right"),
        _share("low", "0"),
        _share("high", "1"),
        _count("n_recent"),
        _count("n_recent_right"),
        _share("high_recent", "1"),
        sa.Column("checked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("voter_id", "skill", name=op.f("pk_voter_records")),
        sa.CheckConstraint("0 <= since AND since <= n_seen", name=op.f("ck_voter_records_since_range")),
        sa.CheckConstraint(
            "0 <= n_right AND n_right <= n AND n <= n_seen - since", name=op.f("ck_voter_records_counts_range")
        ),
        sa.CheckConstraint(
            "0 <= n_recent_right AND n_recent_right <= n_recent AND n_recent <= n",
            name=op.f("ck_voter_records_recent_range"),
        ),
        sa.CheckConstraint("0 <= low AND low <= high AND high <= 1", name=op.f("ck_voter_records_interval_order")),
        sa.CheckConstraint("high_recent BETWEEN 0 AND 1", name=op.f("ck_voter_records_high_recent_range")),
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

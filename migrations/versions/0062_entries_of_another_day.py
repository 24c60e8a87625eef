"""entries that count for another day than they were written on."""

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nearly empty; whoever looks for a month's entries finds all others by their ids. Reading a million takes a second.
    op.create_index(
        "ix_journal_entries_another_day", "journal_entries", ["effective_on"],
        postgresql_where=sa.text("effective_on <> CAST(created_at AT TIME ZONE 'UTC' AS date)"),
    )  # fmt: skip


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

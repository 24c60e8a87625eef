"""what 0031 and 0032 ask of new rows holds of all."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("status_known", "due_is_posted", "paid_range", "paid_is_whole", "answer_has_reserve", "kind_known"):
        op.execute(f"ALTER TABLE earnings VALIDATE CONSTRAINT ck_earnings_{name}")
    op.execute("ALTER TABLE journal_entries VALIDATE CONSTRAINT fk_journal_entries_reverses_id_journal_entries")
    op.execute("ALTER TABLE journal_entries VALIDATE CONSTRAINT ck_journal_entries_reverses_another")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

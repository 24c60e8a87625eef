"""entries that take others back."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journal_entries", sa.Column("reverses_id", sa.Text(collation="C")))
    op.create_index(
        "ix_journal_entries_reverses",
        "journal_entries",
        ["reverses_id"],
        unique=True,
        postgresql_where=sa.text("reverses_id IS NOT NULL"),
    )
    op.execute(
        "ALTER TABLE journal_entries ADD CONSTRAINT fk_journal_entries_reverses_id_journal_entries "
        "FOREIGN KEY (reverses_id) REFERENCES journal_entries (id) NOT VALID"
    )
    op.execute(
        "ALTER TABLE journal_entries ADD CONSTRAINT ck_journal_entries_reverses_another "
        "CHECK (reverses_id <> id) NOT VALID"
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

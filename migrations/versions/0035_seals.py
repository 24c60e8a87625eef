"""seals over stretches of the journal."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "seals",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("from_entry", sa.Text(collation="C"), nullable=False),
        sa.Column("to_entry", sa.Text(collation="C"), nullable=False),
        sa.Column("n_entries", sa.Integer(), nullable=False),
        sa.Column("sums", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "number > 0 AND n_entries > 0 AND from_entry <= to_entry", name=op.f("ck_seals_seals_something")
        ),
        sa.ForeignKeyConstraint(
            ["from_entry"], ["journal_entries.id"], name=op.f("fk_seals_from_entry_journal_entries")
        ),
        sa.ForeignKeyConstraint(["to_entry"], ["journal_entries.id"], name=op.f("fk_seals_to_entry_journal_entries")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_seals")),
        sa.UniqueConstraint("to_entry", name=op.f("uq_seals_to_entry")),
        sa.UniqueConstraint("hash", name=op.f("uq_seals_hash")),
        sa.UniqueConstraint("prev_hash", name=op.f("uq_seals_prev_hash")),
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON seals FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON seals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

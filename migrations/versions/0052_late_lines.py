"""a line is written in the transaction of its entry, or never."""

from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

# Entries carry the moment at which their transaction began. Once for a statement, however many lines it writes.
_REFUSE = """
    CREATE FUNCTION refuse_late_lines() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM fresh JOIN journal_entries e ON e.id = fresh.entry_id WHERE e.created_at <> now()) THEN
            RAISE EXCEPTION 'journal_lines is append-only: a line is written with its entry'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NULL;
    END $$
"""


def upgrade() -> None:
    op.execute(_REFUSE)
    op.execute(
        "CREATE TRIGGER late_lines AFTER INSERT ON journal_lines REFERENCING NEW TABLE AS fresh "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_late_lines()"
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

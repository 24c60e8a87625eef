"""words about somebody go when they are forgotten; otherwise they stay as they were written."""

from alembic import op

revision = "0092"
down_revision = "0091"
branch_labels = None
depends_on = None

_WORDS = {
    "appeals": "grounds",
    "bulk_lines": "reason",
    "corrections": "reason",
    "suspensions": "reason",
    "task_reports": "note",
    "tier_moves": "reason",
    "tier_overrides": "reason",
    "withdrawals": "note",
}


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION refuse_words() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'permission denied: what % says goes, or stays as it is', TG_TABLE_NAME
                  USING ERRCODE = 'insufficient_privilege';
        END $$
    """)
    for table, column in _WORDS.items():
        op.execute(f"""
            CREATE TRIGGER words_go_or_stay BEFORE UPDATE OF {column} ON {table} FOR EACH ROW
              WHEN (NEW.{column} IS DISTINCT FROM OLD.{column} AND NEW.{column} IS DISTINCT FROM '***')
              EXECUTE FUNCTION refuse_words()
        """)
    # Of a move nothing else changes, and nothing is written again as it was.
    # Replaced, for dropping one would keep readers waiting until the last grant.
    op.execute("""
        CREATE OR REPLACE TRIGGER append_only BEFORE DELETE ON tier_moves FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """)
    op.execute("""
        CREATE TRIGGER words_alone BEFORE UPDATE ON tier_moves FOR EACH ROW
          WHEN (to_jsonb(NEW) - 'reason' IS DISTINCT FROM to_jsonb(OLD) - 'reason'
                OR NEW.reason IS NOT DISTINCT FROM OLD.reason AND NEW.reason IS DISTINCT FROM '***')
          EXECUTE FUNCTION refuse_change()
    """)


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

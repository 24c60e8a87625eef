"""months of the books that can be closed, the horizon, and what entries are refused for being late."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# Once for a statement, however many entries it writes. Whoever closes a month waits for those who hold its lock; what
# they look at after the locks is what is committed by then, which only holds in read committed.
_REFUSE = """
    CREATE FUNCTION refuse_late_entries() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        this_month constant date := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC');
        opens date;
    BEGIN
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION 'entries are written in read committed, where a month that was closed is seen';
        END IF;
        PERFORM pg_advisory_xact_lock_shared(7265005, month) FROM (
            SELECT (extract(year FROM effective_on) * 12 + extract(month FROM effective_on))::int AS month FROM fresh
            UNION
            SELECT 0 FROM fresh WHERE effective_on < this_month
             ORDER BY month) AS touched;
        SELECT max(month) + interval '1 month' INTO opens FROM periods WHERE state IN ('closed', 'reopening');
        IF EXISTS (SELECT FROM fresh WHERE effective_on < opens) THEN
            RAISE EXCEPTION 'the books are closed before %', opens USING ERRCODE = 'RK001', DETAIL = opens;
        END IF;
        IF (SELECT min(id) FROM fresh) < (SELECT max(before_id) FROM horizons) THEN
            RAISE EXCEPTION 'nothing is written before the horizon any more' USING ERRCODE = 'RK002';
        END IF;
        RETURN NULL;
    END $$
"""


def upgrade() -> None:
    op.create_table(
        "periods",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("closed_by", sa.Text(collation="C"), nullable=True),
        sa.Column("confirmed_by", sa.Text(collation="C"), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trial_hash", sa.LargeBinary(), nullable=True),
        sa.Column("reopening_by", sa.Text(collation="C"), nullable=True),
        sa.Column("reopened_by", sa.Text(collation="C"), nullable=True),
        sa.Column("reopened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('open', 'closing', 'closed', 'reopening')", name=op.f("ck_periods_state_known")),
        sa.CheckConstraint("extract(day FROM month) = 1", name=op.f("ck_periods_month_by_its_first_day")),
        sa.CheckConstraint("confirmed_by <> closed_by", name=op.f("ck_periods_closed_by_two")),
        sa.CheckConstraint("reopened_by <> reopening_by", name=op.f("ck_periods_reopened_by_two")),
        sa.CheckConstraint(
            "num_nulls(closed_by, trial_hash) = CASE state WHEN 'open' THEN 2 ELSE 0 END",
            name=op.f("ck_periods_proposed"),
        ),
        sa.CheckConstraint(
            "num_nulls(confirmed_by, closed_at) = CASE WHEN state IN ('closed', 'reopening') THEN 0 ELSE 2 END",
            name=op.f("ck_periods_confirmed"),
        ),
        sa.CheckConstraint(
            "num_nulls(reopened_by, reopened_at) IN (0, 2) AND (reopened_by IS NULL OR reopening_by IS NOT NULL)"
            " AND (state <> 'reopening' OR (reopening_by IS NOT NULL AND reopened_by IS NULL))",
            name=op.f("ck_periods_reopened"),
        ),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_periods")),
    )
    op.create_table(
        "horizons",
        sa.Column("before_id", sa.Text(collation="C"), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("heard_xact", sa.BigInteger(), nullable=True),
        sa.Column("is_final", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("NOT is_final OR heard_xact IS NOT NULL", name=op.f("ck_horizons_final_when_heard")),
        sa.PrimaryKeyConstraint("before_id", name=op.f("pk_horizons")),
    )
    op.add_column("journal_entries", sa.Column("event_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(_REFUSE)
    op.execute(
        "CREATE TRIGGER late_entries AFTER INSERT ON journal_entries REFERENCING NEW TABLE AS fresh "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_late_entries()"
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

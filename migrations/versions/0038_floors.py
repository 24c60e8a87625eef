"""floors, the weeks that are held against them, and what is added to these."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "floor_rules",
        sa.Column("id", _ID, nullable=False),
        sa.Column("region", _ID, nullable=False),
        sa.Column("currency", _ID, nullable=False),
        sa.Column("hourly", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("citation", sa.Text(), nullable=False),
        sa.Column("entered_by", _ID, nullable=False),
        sa.Column("confirmed_by", _ID, nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_floor_rules")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_floor_rules_currency_currencies")),
        sa.CheckConstraint("hourly > 0", name=op.f("ck_floor_rules_hourly_positive")),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_floor_rules_ends_later")),
        sa.CheckConstraint("confirmed_by <> entered_by", name=op.f("ck_floor_rules_four_eyes")),
        sa.CheckConstraint(
            "num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name=op.f("ck_floor_rules_confirmed_when")
        ),
    )
    op.create_index(
        op.f("ix_floor_rules_region_currency_valid_from"), "floor_rules", ["region", "currency", "valid_from"]
    )
    op.create_table(
        "floor_weeks",
        sa.Column("week", _ID, nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'counting'"), nullable=False),
        sa.Column("begun_by", _ID, nullable=False),
        sa.Column("counted_through", _ID, server_default=sa.text("''"), nullable=False),
        sa.Column("n_payees", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_topped_up", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_left_out", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("week", name=op.f("pk_floor_weeks")),
        sa.CheckConstraint("state IN ('counting', 'closed')", name=op.f("ck_floor_weeks_state_known")),
        sa.CheckConstraint("week ~ '^20[0-9]{2}-W[0-5][0-9]$'", name=op.f("ck_floor_weeks_week_shape")),
        sa.CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name=op.f("ck_floor_weeks_closed_when")),
    )
    op.create_index("ix_floor_weeks_counting", "floor_weeks", ["week"], postgresql_where=sa.text("state = 'counting'"))
    op.create_table(
        "weekly_pay",
        sa.Column("week", _ID, nullable=False),
        sa.Column("payee_id", _ID, nullable=False),
        sa.Column("currency", _ID, nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("left_out_ms", sa.BigInteger(), nullable=False),
        sa.Column("pay", sa.BigInteger(), nullable=False),
        sa.Column("fees", sa.BigInteger(), nullable=False),
        sa.Column("floor", sa.BigInteger(), nullable=False),
        sa.Column("top_up", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", _ID, nullable=True),
        sa.PrimaryKeyConstraint("week", "payee_id", "currency", name=op.f("pk_weekly_pay")),
        sa.ForeignKeyConstraint(["week"], ["floor_weeks.week"], name=op.f("fk_weekly_pay_week_floor_weeks")),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_weekly_pay_payee_id_payees")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_weekly_pay_currency_currencies")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["journal_entries.id"], name=op.f("fk_weekly_pay_entry_id_journal_entries")
        ),
        sa.CheckConstraint(
            "left_out_ms BETWEEN 0 AND milliseconds AND pay >= 0 AND fees >= 0", name=op.f("ck_weekly_pay_not_negative")
        ),
        sa.CheckConstraint(
            "top_up = CASE WHEN floor > 0 THEN greatest(floor - pay + fees, 0) ELSE 0 END",
            name=op.f("ck_weekly_pay_floor_kept"),
        ),
        sa.CheckConstraint("(top_up > 0) = (entry_id IS NOT NULL)", name=op.f("ck_weekly_pay_topped_up_in_the_books")),
    )
    op.create_index(
        "ix_weekly_pay_topped_up", "weekly_pay", ["week", "currency"], postgresql_where=sa.text("top_up > 0")
    )
    # A rule is written once, and confirmed once.
    op.execute("CREATE TRIGGER append_only BEFORE DELETE ON floor_rules FOR EACH ROW EXECUTE FUNCTION refuse_change()")
    op.execute("""
        CREATE TRIGGER confirmed_once BEFORE UPDATE ON floor_rules FOR EACH ROW
          WHEN (OLD.confirmed_by IS NOT NULL OR NEW.confirmed_by IS NULL
                OR to_jsonb(NEW) - '{confirmed_by,confirmed_at}'::text[]
                   IS DISTINCT FROM to_jsonb(OLD) - '{confirmed_by,confirmed_at}'::text[])
          EXECUTE FUNCTION refuse_change()
    """)
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON weekly_pay FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    for table in ("floor_rules", "weekly_pay"):
        op.execute(
            f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    # It allows what 0031 allowed, and one kind more.
    op.drop_constraint(op.f("ck_earnings_kind_known"), "earnings")
    op.execute(
        "ALTER TABLE earnings ADD CONSTRAINT ck_earnings_kind_known "
        "CHECK (kind IN ('answer', 'bonus', 'goodwill', 'floor')) NOT VALID"
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

"""exchange rates, some of which wait for a second person."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "fx_rates",
        sa.Column("id", _ID, nullable=False),
        sa.Column("base", _ID, nullable=False),
        sa.Column("quote", _ID, nullable=False),
        sa.Column("numerator", sa.BigInteger(), nullable=False),
        sa.Column("denominator", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entered_by", _ID, nullable=False),
        sa.Column("needs_confirmation", sa.Boolean(), nullable=False),
        sa.Column("confirmed_by", _ID, nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fx_rates")),
        sa.ForeignKeyConstraint(["base"], ["currencies.code"], name=op.f("fk_fx_rates_base_currencies")),
        sa.ForeignKeyConstraint(["quote"], ["currencies.code"], name=op.f("fk_fx_rates_quote_currencies")),
        sa.CheckConstraint("numerator > 0 AND denominator > 0", name=op.f("ck_fx_rates_above_zero")),
        sa.CheckConstraint("base <> quote", name=op.f("ck_fx_rates_two_currencies")),
        sa.CheckConstraint("valid_until > fetched_at", name=op.f("ck_fx_rates_ends_later")),
        sa.CheckConstraint("needs_confirmation OR confirmed_by IS NULL", name=op.f("ck_fx_rates_confirmed_if_needed")),
        sa.CheckConstraint("confirmed_by <> entered_by", name=op.f("ck_fx_rates_four_eyes")),
        sa.CheckConstraint("num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name=op.f("ck_fx_rates_confirmed_when")),
    )
    op.create_index(op.f("ix_fx_rates_base_quote_fetched_at"), "fx_rates", ["base", "quote", "fetched_at"])
    # A row is written once, and confirmed once.
    op.execute("CREATE TRIGGER append_only BEFORE DELETE ON fx_rates FOR EACH ROW EXECUTE FUNCTION refuse_change()")
    op.execute("""
        CREATE TRIGGER confirmed_once BEFORE UPDATE ON fx_rates FOR EACH ROW
          WHEN (OLD.confirmed_by IS NOT NULL OR NEW.confirmed_by IS NULL
                OR to_jsonb(NEW) - '{confirmed_by,confirmed_at}'::text[]
                   IS DISTINCT FROM to_jsonb(OLD) - '{confirmed_by,confirmed_at}'::text[])
          EXECUTE FUNCTION refuse_change()
    """)
    op.execute(
        "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON fx_rates FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

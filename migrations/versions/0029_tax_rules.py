"""tax rules, each of which waits for a second person."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "tax_rules",
        sa.Column("id", _ID, nullable=False),
        sa.Column("country", _ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("document", _ID, nullable=True),
        sa.Column("basis_points", sa.SmallInteger(), nullable=False),
        sa.Column("threshold", sa.BigInteger(), nullable=True),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("currency", _ID, nullable=False),
        sa.Column("catch_up", sa.Boolean(), nullable=False),
        sa.Column("rounding", sa.Text(), nullable=False),
        sa.Column("unit_exponent", sa.SmallInteger(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("authority", _ID, nullable=False),
        sa.Column("citation", sa.Text(), nullable=False),
        sa.Column("entered_by", _ID, nullable=False),
        sa.Column("confirmed_by", _ID, nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_rules")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_tax_rules_currency_currencies")),
        sa.CheckConstraint("basis_points BETWEEN 0 AND 10000", name=op.f("ck_tax_rules_basis_points_range")),
        sa.CheckConstraint("threshold > 0", name=op.f("ck_tax_rules_threshold_positive")),
        sa.CheckConstraint(
            "threshold IS NOT NULL OR (period = 'none' AND NOT catch_up)",
            name=op.f("ck_tax_rules_period_of_threshold"),
        ),
        sa.CheckConstraint("unit_exponent BETWEEN 0 AND 6", name=op.f("ck_tax_rules_unit_exponent_range")),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_tax_rules_ends_later")),
        sa.CheckConstraint("confirmed_by <> entered_by", name=op.f("ck_tax_rules_four_eyes")),
        sa.CheckConstraint("num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name=op.f("ck_tax_rules_confirmed_when")),
        sa.CheckConstraint("kind IN ('withholding', 'vat')", name=op.f("ck_tax_rules_kind_known")),
        sa.CheckConstraint("basis IN ('accrual', 'payment')", name=op.f("ck_tax_rules_basis_known")),
        sa.CheckConstraint("period IN ('none', 'month', 'year')", name=op.f("ck_tax_rules_period_known")),
        sa.CheckConstraint("rounding IN ('down', 'half_even', 'up')", name=op.f("ck_tax_rules_rounding_known")),
    )
    op.create_index(op.f("ix_tax_rules_country_kind_valid_from"), "tax_rules", ["country", "kind", "valid_from"])
    # A row is written once, and confirmed once.
    op.execute("CREATE TRIGGER append_only BEFORE DELETE ON tax_rules FOR EACH ROW EXECUTE FUNCTION refuse_change()")
    op.execute("""
        CREATE TRIGGER confirmed_once BEFORE UPDATE ON tax_rules FOR EACH ROW
          WHEN (OLD.confirmed_by IS NOT NULL OR NEW.confirmed_by IS NULL
                OR to_jsonb(NEW) - '{confirmed_by,confirmed_at}'::text[]
                   IS DISTINCT FROM to_jsonb(OLD) - '{confirmed_by,confirmed_at}'::text[])
          EXECUTE FUNCTION refuse_change()
    """)
    op.execute(
        "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON tax_rules FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

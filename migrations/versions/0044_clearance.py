"""what is known of payees, lists they are held against, and what is blocked."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "screening_rounds",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("list_version", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(), server_default="running", nullable=False),
        sa.Column("screened_through", sa.Text(collation="C"), server_default=sa.text("''"), nullable=False),
        sa.Column("n_payees", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_reviews", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("begun_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'done') = (ended_at IS NOT NULL)", name=op.f("ck_screening_rounds_done_when")),
        sa.CheckConstraint("state IN ('running', 'done')", name=op.f("ck_screening_rounds_state_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screening_rounds")),
    )
    op.create_index(
        "ix_screening_rounds_running",
        "screening_rounds",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "watch_lists",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("imported_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watch_lists")),
    )
    op.create_table(
        "kyc_records",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("payee_id", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("recorded_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(state = 'verified') <= (num_nulls(provider, reference, expires_on) = 0) AND (state = 'verified' OR expires_on IS NULL)",
            name=op.f("ck_kyc_records_verified_by_whom_until_when"),
        ),
        sa.CheckConstraint("state <> 'none'", name=op.f("ck_kyc_records_says_something")),
        sa.CheckConstraint("state <> 'refused' OR note IS NOT NULL", name=op.f("ck_kyc_records_refused_with_reason")),
        sa.CheckConstraint(
            "state IN ('none', 'pending', 'verified', 'expired', 'refused')", name=op.f("ck_kyc_records_state_known")
        ),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_kyc_records_payee_id_payees")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kyc_records")),
    )
    op.create_index(
        "ix_kyc_records_expires_on",
        "kyc_records",
        ["expires_on"],
        unique=False,
        postgresql_where=sa.text("state = 'verified'"),
    )
    op.create_index(op.f("ix_kyc_records_payee_id_id"), "kyc_records", ["payee_id", "id"], unique=False)
    op.create_table(
        "kyc_rules",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("country", sa.Text(collation="C"), nullable=True),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("threshold", sa.BigInteger(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("citation", sa.Text(), nullable=False),
        sa.Column("entered_by", sa.Text(collation="C"), nullable=False),
        sa.Column("confirmed_by", sa.Text(collation="C"), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("period IN ('rolling_year', 'total')", name=op.f("ck_kyc_rules_period_known")),
        sa.CheckConstraint("confirmed_by <> entered_by", name=op.f("ck_kyc_rules_four_eyes")),
        sa.CheckConstraint("num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name=op.f("ck_kyc_rules_confirmed_when")),
        sa.CheckConstraint("threshold >= 0", name=op.f("ck_kyc_rules_threshold_not_negative")),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_kyc_rules_ends_later")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_kyc_rules_currency_currencies")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kyc_rules")),
    )
    op.create_table(
        "screenings",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("payee_id", sa.Text(collation="C"), nullable=False),
        sa.Column("list_version", sa.Text(collation="C"), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("findings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("match_hash", sa.LargeBinary(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(collation="C"), nullable=False),
        sa.Column("account_fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("asked_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(collation="C"), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("(outcome = 'clear') = (match_hash IS NULL)", name=op.f("ck_screenings_match_of_what")),
        sa.CheckConstraint("decision IN ('clear', 'blocked')", name=op.f("ck_screenings_decision_known")),
        sa.CheckConstraint("outcome <> 'clear' OR decision IS NULL", name=op.f("ck_screenings_something_to_decide")),
        sa.CheckConstraint("outcome IN ('clear', 'review', 'blocked')", name=op.f("ck_screenings_outcome_known")),
        sa.CheckConstraint("decided_by <> asked_by", name=op.f("ck_screenings_four_eyes")),
        sa.CheckConstraint(
            "num_nulls(decision, decided_by, decided_at, reason) IN (0, 4)",
            name=op.f("ck_screenings_decided_by_somebody"),
        ),
        sa.CheckConstraint("score BETWEEN 0 AND 100", name=op.f("ck_screenings_score_range")),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_screenings_payee_id_payees")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screenings")),
    )
    op.create_index(op.f("ix_screenings_payee_id_id"), "screenings", ["payee_id", "id"], unique=False)
    op.create_index(
        "ix_screenings_waiting",
        "screenings",
        ["id"],
        unique=False,
        postgresql_where=sa.text("outcome <> 'clear' AND decision IS NULL"),
    )
    op.create_table(
        "watch_list_rows",
        sa.Column("list_id", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("tokens", sa.ARRAY(sa.Text(collation="C")), nullable=False),
        sa.Column("country", sa.Text(collation="C"), nullable=True),
        sa.Column("account_fingerprint", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "(name IS NULL) = (cardinality(tokens) = 0)", name=op.f("ck_watch_list_rows_name_has_tokens")
        ),
        sa.CheckConstraint(
            "num_nonnulls(name, country, account_fingerprint) > 0", name=op.f("ck_watch_list_rows_means_somebody")
        ),
        sa.ForeignKeyConstraint(["list_id"], ["watch_lists.id"], name=op.f("fk_watch_list_rows_list_id_watch_lists")),
        sa.PrimaryKeyConstraint("list_id", "number", name=op.f("pk_watch_list_rows")),
    )
    op.create_index(
        "ix_watch_list_rows_account",
        "watch_list_rows",
        ["list_id", "account_fingerprint"],
        unique=False,
        postgresql_where=sa.text("account_fingerprint IS NOT NULL"),
    )
    op.create_index("ix_watch_list_rows_tokens", "watch_list_rows", ["tokens"], unique=False, postgresql_using="gin")
    op.create_table(
        "blocks",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("payee_id", sa.Text(collation="C"), nullable=False),
        sa.Column("screening_id", sa.Text(collation="C"), nullable=True),
        sa.Column("state", sa.Text(), server_default="proposed", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", sa.Text(collation="C"), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lift_by", sa.Text(collation="C"), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=True),
        sa.Column("lifted_by", sa.Text(collation="C"), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name=op.f("ck_blocks_decided")),
        sa.CheckConstraint(
            "num_nulls(lifted_by, lifted_at) IN (0, 2) AND (state = 'lifted') = (lifted_by IS NOT NULL)",
            name=op.f("ck_blocks_lifted_by_somebody"),
        ),
        sa.CheckConstraint("state IN ('proposed', 'refused', 'active', 'lifted')", name=op.f("ck_blocks_state_known")),
        sa.CheckConstraint("decided_by <> made_by", name=op.f("ck_blocks_four_eyes")),
        sa.CheckConstraint(
            "lifted_by IS NULL OR (lift_by IS NOT NULL AND lifted_by <> lift_by)", name=op.f("ck_blocks_lifted_by_two")
        ),
        sa.CheckConstraint("num_nulls(decided_by, decided_at) IN (0, 2)", name=op.f("ck_blocks_decided_by_somebody")),
        sa.CheckConstraint("num_nulls(lift_by, lift_reason) IN (0, 2)", name=op.f("ck_blocks_lift_with_reason")),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_blocks_payee_id_payees")),
        sa.ForeignKeyConstraint(["screening_id"], ["screenings.id"], name=op.f("fk_blocks_screening_id_screenings")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blocks")),
    )
    op.create_index(
        "ix_blocks_open",
        "blocks",
        ["payee_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('proposed', 'active')"),
    )
    op.create_index(op.f("ix_blocks_payee_id_id"), "blocks", ["payee_id", "id"], unique=False)
    op.create_table(
        "blocked_amounts",
        sa.Column("block_id", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_blocked_amounts_amount_positive")),
        sa.ForeignKeyConstraint(["block_id"], ["blocks.id"], name=op.f("fk_blocked_amounts_block_id_blocks")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_blocked_amounts_currency_currencies")),
        sa.PrimaryKeyConstraint("block_id", "currency", name=op.f("pk_blocked_amounts")),
    )
    # Said once.
    for table in ("kyc_records", "watch_lists", "watch_list_rows", "blocked_amounts"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    # A rule is written once, and confirmed once.
    op.execute("CREATE TRIGGER append_only BEFORE DELETE ON kyc_rules FOR EACH ROW EXECUTE FUNCTION refuse_change()")
    op.execute("""
        CREATE TRIGGER confirmed_once BEFORE UPDATE ON kyc_rules FOR EACH ROW
          WHEN (OLD.confirmed_by IS NOT NULL OR NEW.confirmed_by IS NULL
                OR to_jsonb(NEW) - '{confirmed_by,confirmed_at}'::text[]
                   IS DISTINCT FROM to_jsonb(OLD) - '{confirmed_by,confirmed_at}'::text[])
          EXECUTE FUNCTION refuse_change()
    """)
    # What was screened stays, and is decided once.
    op.execute("CREATE TRIGGER append_only BEFORE DELETE ON screenings FOR EACH ROW EXECUTE FUNCTION refuse_change()")
    op.execute("""
        CREATE TRIGGER decided_once BEFORE UPDATE ON screenings FOR EACH ROW
          WHEN (OLD.decided_by IS NOT NULL OR NEW.decided_by IS NULL
                OR to_jsonb(NEW) - '{decision,decided_by,decided_at,reason}'::text[]
                   IS DISTINCT FROM to_jsonb(OLD) - '{decision,decided_by,decided_at,reason}'::text[])
          EXECUTE FUNCTION refuse_change()
    """)
    for table in ("kyc_records", "kyc_rules", "watch_lists", "watch_list_rows", "screenings", "blocked_amounts"):
        op.execute(
            f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

"""the first journey."""

import secrets

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


# What is written once and never changed: no login has the grant (grants.py), and a trigger refuses even the owner.
_APPEND_ONLY = ("journal_entries", "journal_lines", "rates", "tier_moves", "known_labels")

_REFUSE = """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END $$
"""
_POSTINGS = """
    CREATE VIEW postings AS
    SELECT entry_id, line, debit_id AS account_id, currency, amount FROM journal_lines
    UNION ALL
    SELECT entry_id, line, credit_id, currency, -amount FROM journal_lines
"""
# ISO 4217 exponents; the ledger's unit is finer where micro-tasks are priced below a cent.
_CURRENCIES = (
    ("EUR", "Euro", 2, 4), ("USD", "US dollar", 2, 4), ("GBP", "Pound sterling", 2, 4),
    ("KES", "Kenyan shilling", 2, 4), ("PHP", "Philippine peso", 2, 4), ("INR", "Indian rupee", 2, 4),
    ("VES", "Venezuelan bolívar", 2, 4), ("NGN", "Nigerian naira", 2, 4), ("BRL", "Brazilian real", 2, 4),
    ("UGX", "Ugandan shilling", 0, 2), ("JPY", "Yen", 0, 2), ("KWD", "Kuwaiti dinar", 3, 4),
)  # fmt: skip


def upgrade() -> None:
    op.execute("CREATE SEQUENCE task_positions")
    op.create_table(
        "claim_cursors",
        sa.Column("worker_id", sa.Text(collation="C"), nullable=False),
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("queue", sa.Text(collation="C"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("next_safe_position", sa.BigInteger(), nullable=False),
        sa.Column("safe_position", sa.BigInteger(), nullable=False),
        sa.Column("safe_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("worker_id", "project_id", "queue", name=op.f("pk_claim_cursors")),
    )
    op.create_table(
        "consensus",
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("task_id", sa.Text(collation="C"), nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("posterior", sa.ARRAY(sa.Double()), nullable=False),
        sa.Column("n_votes", sa.Integer(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name=op.f("ck_consensus_confidence_range")),
        sa.PrimaryKeyConstraint("project_id", "task_id", name=op.f("pk_consensus")),
    )
    op.create_table(
        "currencies",
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("iso_exponent", sa.SmallInteger(), nullable=False),
        sa.Column("ledger_exponent", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint(
            "ledger_exponent BETWEEN iso_exponent AND 6", name=op.f("ck_currencies_ledger_exponent_range")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_currencies")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("actor_id", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("actor_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "journal_entries",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("idempotency_key", sa.Text(collation="C"), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("lines", sa.SmallInteger(), nullable=False),
        sa.Column("cause_ref", sa.Text(collation="C"), nullable=False),
        sa.Column("actor_ref", sa.Text(collation="C"), nullable=False),
        sa.Column("effective_on", sa.Date(), server_default=sa.text("CURRENT_DATE"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("lines >= 1", name=op.f("ck_journal_entries_has_lines")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_entries")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_journal_entries_idempotency_key")),
    )
    op.create_table(
        "known_labels",
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("task_id", sa.Text(collation="C"), nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=False),
        sa.Column("voter_id", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "task_id", name=op.f("pk_known_labels")),
    )
    op.create_table(
        "outbox_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(collation="C"), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_events")),
    )
    op.create_index(
        "ix_outbox_events_waiting",
        "outbox_events",
        ["id"],
        unique=False,
        postgresql_where=sa.text("parked_at IS NULL"),
    )
    op.create_index(
        "ix_outbox_events_stream",
        "outbox_events",
        ["stream", "id"],
        unique=False,
        postgresql_where=sa.text("parked_at IS NULL"),
    )
    op.create_table(
        "owners",
        sa.Column("owner_ref", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("owner_ref", name=op.f("pk_owners")),
    )
    op.create_table(
        "payees",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("owner_ref", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payees")),
        sa.UniqueConstraint("owner_ref", name=op.f("uq_payees_owner_ref")),
    )
    op.create_table(
        "project_fits",
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("n_classes", sa.SmallInteger(), nullable=False),
        sa.Column("prior", sa.LargeBinary(), nullable=False),
        sa.Column("pool", sa.LargeBinary(), nullable=False),
        sa.Column("n_votes", sa.Integer(), nullable=False),
        sa.Column("n_since", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_iter", sa.Integer(), nullable=False),
        sa.Column("converged", sa.Boolean(), nullable=False),
        sa.Column("fitted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_project_fits")),
    )
    op.create_table(
        "reliability",
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("voter_id", sa.Text(collation="C"), nullable=False),
        sa.Column("confusion", sa.LargeBinary(), nullable=False),
        sa.Column("reliability", sa.Double(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("n_votes", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "0 <= low AND low <= reliability AND reliability <= high AND high <= 1",
            name=op.f("ck_reliability_interval_order"),
        ),
        sa.PrimaryKeyConstraint("project_id", "voter_id", name=op.f("pk_reliability")),
    )
    op.create_index(
        op.f("ix_reliability_project_id_reliability"), "reliability", ["project_id", "reliability"], unique=False
    )
    op.create_table(
        "requesters",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requesters")),
    )
    op.create_table(
        "signing_keys",
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_tokens_secret_hash")),
    )
    op.create_index(op.f("ix_tokens_subject_id"), "tokens", ["subject_id"], unique=False)
    op.create_table(
        "votes",
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("task_id", sa.Text(collation="C"), nullable=False),
        sa.Column("voter_id", sa.Text(collation="C"), nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "task_id", "voter_id", name=op.f("pk_votes")),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(collation="C"), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("payee_id", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('applicant', 'active', 'suspended', 'offboarded')", name=op.f("ck_workers_status_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_index(op.f("ix_workers_status_id"), "workers", ["status", "id"], unique=False)
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("owner_ref", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("bounded", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('asset', 'liability', 'income', 'expense')", name=op.f("ck_accounts_kind_known")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_accounts_currency_currencies")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("id", "currency", name=op.f("uq_accounts_id_currency")),
        sa.UniqueConstraint("role", "owner_ref", "currency", name=op.f("uq_accounts_role_owner_ref_currency")),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("requester_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("task_type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("instruction", sa.Text(), nullable=False),
        sa.Column("labels", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("skill", sa.Text(collation="C"), nullable=False),
        sa.Column("tier_min", sa.SmallInteger(), nullable=False),
        sa.Column("overlap_min", sa.SmallInteger(), nullable=False),
        sa.Column("overlap_max", sa.SmallInteger(), nullable=False),
        sa.Column("confidence_target", sa.Double(), nullable=False),
        sa.Column("expert_share", sa.Double(), nullable=False),
        sa.Column("n_settled", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_escalated", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_seconds", sa.Integer(), nullable=False),
        sa.Column("params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status IN ('active', 'paused')", name=op.f("ck_projects_status_known")),
        sa.CheckConstraint(
            "1 <= overlap_min AND overlap_min <= overlap_max AND overlap_max <= 100",
            name=op.f("ck_projects_overlap_range"),
        ),
        sa.CheckConstraint("cardinality(labels) BETWEEN 2 AND 100", name=op.f("ck_projects_labels_range")),
        sa.CheckConstraint("confidence_target BETWEEN 0.5 AND 1", name=op.f("ck_projects_confidence_target_range")),
        sa.CheckConstraint("expert_share BETWEEN 0 AND 1", name=op.f("ck_projects_expert_share_range")),
        sa.CheckConstraint("lease_seconds BETWEEN 10 AND 86400", name=op.f("ck_projects_lease_range")),
        sa.ForeignKeyConstraint(["requester_id"], ["requesters.id"], name=op.f("fk_projects_requester_id_requesters")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("requester_id", "name", name=op.f("uq_projects_requester_id_name")),
    )
    op.create_table(
        "rates",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("owner_ref", sa.Text(collation="C"), nullable=False),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.Column("region", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_rates_amount_positive")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_rates_currency_currencies")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rates")),
        sa.UniqueConstraint(
            "owner_ref", "tier", "region", "valid_from", name=op.f("uq_rates_owner_ref_tier_region_valid_from")
        ),
    )
    op.create_table(
        "reserves",
        sa.Column("cause_ref", sa.Text(collation="C"), nullable=False),
        sa.Column("owner_ref", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("reserved", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("spent", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("released", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "spent >= 0 AND released >= 0 AND reserved >= spent + released", name=op.f("ck_reserves_not_overspent")
        ),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_reserves_currency_currencies")),
        sa.PrimaryKeyConstraint("cause_ref", name=op.f("pk_reserves")),
    )
    op.create_index(op.f("ix_reserves_owner_ref"), "reserves", ["owner_ref"], unique=False)
    op.create_table(
        "tier_moves",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("worker_id", sa.Text(collation="C"), nullable=False),
        sa.Column("skill", sa.Text(collation="C"), nullable=False),
        sa.Column("tier_from", sa.SmallInteger(), nullable=False),
        sa.Column("tier_to", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("moved_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name=op.f("fk_tier_moves_worker_id_workers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tier_moves")),
    )
    op.create_index(op.f("ix_tier_moves_worker_id_id"), "tier_moves", ["worker_id", "id"], unique=False)
    op.create_table(
        "worker_tiers",
        sa.Column("worker_id", sa.Text(collation="C"), nullable=False),
        sa.Column("skill", sa.Text(collation="C"), nullable=False),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("tier BETWEEN 0 AND 4", name=op.f("ck_worker_tiers_tier_range")),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name=op.f("fk_worker_tiers_worker_id_workers")),
        sa.PrimaryKeyConstraint("worker_id", "skill", name=op.f("pk_worker_tiers")),
    )
    op.create_table(
        "balances",
        sa.Column("account_id", sa.Text(collation="C"), nullable=False),
        sa.Column("debits", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("credits", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("credits >= debits AND debits >= 0", name=op.f("ck_balances_not_negative")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_balances_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_balances")),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("requester_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("callback_url", sa.Text(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("standing", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("status IN ('staging', 'in_progress', 'completed')", name=op.f("ck_batches_status_known")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_batches_project_id_projects")),
        sa.ForeignKeyConstraint(["requester_id"], ["requesters.id"], name=op.f("fk_batches_requester_id_requesters")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        sa.UniqueConstraint("id", "project_id", name=op.f("uq_batches_id_project_id")),
        sa.UniqueConstraint("requester_id", "name", name=op.f("uq_batches_requester_id_name")),
    )
    op.create_index("uq_batches_standing", "batches", ["project_id"], unique=True, postgresql_where=sa.text("standing"))
    op.create_table(
        "earnings",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("payee_id", sa.Text(collation="C"), nullable=False),
        sa.Column("answer_ref", sa.Text(collation="C"), nullable=False),
        sa.Column("cause_ref", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(collation="C"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status IN ('pending', 'held')) OR entry_id IS NOT NULL", name=op.f("ck_earnings_due_is_posted")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'due', 'held', 'paid', 'reversed')", name=op.f("ck_earnings_status_known")
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_earnings_amount_positive")),
        sa.ForeignKeyConstraint(["cause_ref"], ["reserves.cause_ref"], name=op.f("fk_earnings_cause_ref_reserves")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_earnings_currency_currencies")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["journal_entries.id"], name=op.f("fk_earnings_entry_id_journal_entries")
        ),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_earnings_payee_id_payees")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_earnings")),
        sa.UniqueConstraint("answer_ref", name=op.f("uq_earnings_answer_ref")),
    )
    op.create_index(op.f("ix_earnings_cause_ref"), "earnings", ["cause_ref"], unique=False)
    op.create_index(op.f("ix_earnings_payee_id_id"), "earnings", ["payee_id", "id"], unique=False)
    op.create_table(
        "journal_lines",
        sa.Column("entry_id", sa.Text(collation="C"), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("debit_id", sa.Text(collation="C"), nullable=False),
        sa.Column("credit_id", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_journal_lines_amount_positive")),
        sa.CheckConstraint("debit_id <> credit_id", name=op.f("ck_journal_lines_two_accounts")),
        sa.ForeignKeyConstraint(
            ["credit_id", "currency"],
            ["accounts.id", "accounts.currency"],
            name=op.f("fk_journal_lines_credit_id_currency_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["debit_id", "currency"],
            ["accounts.id", "accounts.currency"],
            name=op.f("fk_journal_lines_debit_id_currency_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["journal_entries.id"], name=op.f("fk_journal_lines_entry_id_journal_entries")
        ),
        sa.PrimaryKeyConstraint("entry_id", "line", name=op.f("pk_journal_lines")),
    )
    op.create_index(
        op.f("ix_journal_lines_credit_id_entry_id"), "journal_lines", ["credit_id", "entry_id"], unique=False
    )
    op.create_index(op.f("ix_journal_lines_debit_id_entry_id"), "journal_lines", ["debit_id", "entry_id"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("batch_id", sa.Text(collation="C"), nullable=False),
        sa.Column("requester_id", sa.Text(collation="C"), nullable=False),
        sa.Column("unique_id", sa.Text(collation="C"), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("callback_url", sa.Text(), nullable=False),
        sa.Column("overlap", sa.SmallInteger(), nullable=False),
        sa.Column("free_slots", sa.SmallInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(status = 'settled') = (settled_at IS NOT NULL)", name=op.f("ck_tasks_settled_when")),
        sa.CheckConstraint("status <> 'settled' OR label IS NOT NULL", name=op.f("ck_tasks_settled_has_label")),
        sa.CheckConstraint(
            "status IN ('staged', 'open', 'escalated', 'settled', 'cancelled')", name=op.f("ck_tasks_status_known")
        ),
        sa.CheckConstraint("free_slots >= 0 AND free_slots <= overlap", name=op.f("ck_tasks_slots_range")),
        sa.ForeignKeyConstraint(
            ["batch_id", "project_id"],
            ["batches.id", "batches.project_id"],
            name=op.f("fk_tasks_batch_id_project_id_batches"),
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_tasks_project_id_projects")),
        sa.PrimaryKeyConstraint("id", "project_id", name=op.f("pk_tasks")),
    )
    op.create_index(
        "ix_tasks_answered",
        "tasks",
        ["project_id", "updated_at"],
        unique=False,
        postgresql_where=sa.text("free_slots = 0 AND status = 'open'"),
    )
    op.create_index(op.f("ix_tasks_batch_id"), "tasks", ["batch_id"], unique=False)
    op.create_index(op.f("ix_tasks_project_id_status"), "tasks", ["project_id", "status"], unique=False)
    op.create_index(
        "ix_tasks_queue",
        "tasks",
        ["project_id", "status", "position"],
        unique=False,
        postgresql_where=sa.text("free_slots > 0 AND status IN ('open', 'escalated')"),
    )
    op.create_index(op.f("ix_tasks_requester_id_id"), "tasks", ["requester_id", "id"], unique=False)
    op.create_index(
        "uq_tasks_requester_unique_id",
        "tasks",
        ["requester_id", "unique_id"],
        unique=True,
        postgresql_where=sa.text("unique_id IS NOT NULL"),
    )
    op.create_table(
        "assignments",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("task_id", sa.Text(collation="C"), nullable=False),
        sa.Column("worker_id", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("exponent", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('answer', 'adjudication')", name=op.f("ck_assignments_kind_known")),
        sa.CheckConstraint(
            "status IN ('leased', 'answered', 'released', 'expired', 'withdrawn')",
            name=op.f("ck_assignments_status_known"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_assignments_amount_positive")),
        sa.ForeignKeyConstraint(
            ["task_id", "project_id"],
            ["tasks.id", "tasks.project_id"],
            name=op.f("fk_assignments_task_id_project_id_tasks"),
        ),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name=op.f("fk_assignments_worker_id_workers")),
        sa.PrimaryKeyConstraint("id", "project_id", name=op.f("pk_assignments")),
    )
    op.create_index(
        "uq_assignments_live",
        "assignments",
        ["task_id", "worker_id", "kind", "project_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('leased', 'answered')"),
    )
    op.create_index(
        "ix_assignments_held", "assignments", ["worker_id"], unique=False, postgresql_where=sa.text("status = 'leased'")
    )
    op.create_index(
        "ix_assignments_leases",
        "assignments",
        ["lease_expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'leased'"),
    )
    op.create_index(
        "ix_assignments_task_held",
        "assignments",
        ["project_id", "task_id"],
        unique=False,
        postgresql_where=sa.text("status = 'leased'"),
    )
    op.create_index(op.f("ix_assignments_worker_id_id"), "assignments", ["worker_id", "id"], unique=False)
    op.create_table(
        "answers",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("assignment_id", sa.Text(collation="C"), nullable=False),
        sa.Column("task_id", sa.Text(collation="C"), nullable=False),
        sa.Column("worker_id", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('answer', 'adjudication')", name=op.f("ck_answers_kind_known")),
        sa.CheckConstraint("status IN ('submitted', 'accepted', 'rejected')", name=op.f("ck_answers_status_known")),
        sa.ForeignKeyConstraint(
            ["assignment_id", "project_id"],
            ["assignments.id", "assignments.project_id"],
            name=op.f("fk_answers_assignment_id_project_id_assignments"),
        ),
        sa.PrimaryKeyConstraint("id", "project_id", name=op.f("pk_answers")),
        sa.UniqueConstraint("assignment_id", "project_id", name=op.f("uq_answers_assignment_id_project_id")),
    )
    op.create_index(op.f("ix_answers_task_id"), "answers", ["task_id"], unique=False)
    op.create_index(op.f("ix_answers_worker_id_id"), "answers", ["worker_id", "id"], unique=False)
    op.execute(_POSTINGS)
    op.execute(_REFUSE)
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    _seed()


def _seed() -> None:
    keys = sa.table("signing_keys", sa.column("name"), sa.column("secret"))
    op.bulk_insert(keys, [{"name": "cursor", "secret": secrets.token_bytes(32)}])
    names = ("code", "name", "iso_exponent", "ledger_exponent")
    currencies = sa.table("currencies", *(sa.column(name) for name in names))
    op.bulk_insert(currencies, [dict(zip(names, row, strict=True)) for row in _CURRENCIES])


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

"""corrections: what was wrong, what follows from it, and who lets it be put right."""

import sqlalchemy as sa
from alembic import op

revision = "0082"
down_revision = "0081"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "corrections",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("subject_id", _ID, nullable=False),
        sa.Column("label_from", sa.SmallInteger(), nullable=True),
        sa.Column("label_to", sa.SmallInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("n_previews", sa.Integer(), nullable=False),
        sa.Column("n_lines", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("proposed_by", _ID, nullable=False),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", _ID, nullable=True),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
        sa.CheckConstraint("kind IN ('gold', 'appeal')", name=op.f("ck_corrections_kind_known")),
        sa.CheckConstraint("state IN ('proposed', 'applied', 'dropped')", name=op.f("ck_corrections_state_known")),
        sa.CheckConstraint("(kind = 'gold') = (label_from IS NOT NULL)", name=op.f("ck_corrections_label_of_gold")),
        sa.CheckConstraint("kind = 'gold' OR label_to IS NULL", name=op.f("ck_corrections_no_label_of_others")),
        sa.CheckConstraint(
            "(state = 'proposed') = (decided_at IS NULL) AND num_nulls(decided_by, decided_at) IN (0, 2)",
            name=op.f("ck_corrections_decided_by_somebody"),
        ),
        sa.CheckConstraint(
            "state <> 'applied' OR decided_by <> proposed_by", name=op.f("ck_corrections_applied_by_another")
        ),
    )
    op.create_index(
        "uq_corrections_open", "corrections", ["subject_id"], unique=True,
        postgresql_where=sa.text("state = 'proposed'"),
    )  # fmt: skip
    op.create_index("ix_corrections_state_id", "corrections", ["state", "id"])
    _create_lines()


def _create_lines() -> None:
    op.create_table(
        "correction_lines",
        sa.Column("correction_id", _ID, nullable=False),
        sa.Column("preview", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("worker_id", _ID, nullable=True),
        sa.Column("skill", _ID, nullable=True),
        sa.Column("was_right", sa.Boolean(), nullable=True),
        sa.Column("is_right", sa.Boolean(), nullable=True),
        sa.Column("low_before", sa.Double(), nullable=True),
        sa.Column("high_before", sa.Double(), nullable=True),
        sa.Column("low_after", sa.Double(), nullable=True),
        sa.Column("high_after", sa.Double(), nullable=True),
        sa.Column("tier_from", sa.SmallInteger(), nullable=True),
        sa.Column("tier_to", sa.SmallInteger(), nullable=True),
        sa.Column("rule_id", _ID, nullable=True),
        sa.Column("task_id", _ID, nullable=True),
        sa.Column("label_from", sa.SmallInteger(), nullable=True),
        sa.Column("label_to", sa.SmallInteger(), nullable=True),
        sa.Column("quarantine_id", _ID, nullable=True),
        sa.Column("answer_id", _ID, nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", _ID, nullable=True),
        sa.Column("exponent", sa.SmallInteger(), nullable=True),
        sa.Column("paid_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("correction_id", "preview", "number", name=op.f("pk_correction_lines")),
        sa.ForeignKeyConstraint(
            ["correction_id"], ["corrections.id"], name=op.f("fk_correction_lines_correction_id_corrections")
        ),
        sa.CheckConstraint(
            "change IN ('worker', 'task', 'quarantine', 'pay')", name=op.f("ck_correction_lines_change_known")
        ),
        sa.CheckConstraint("paid_by IN ('house', 'requester')", name=op.f("ck_correction_lines_paid_by_known")),
        sa.CheckConstraint(
            "(change = 'pay') = (num_nulls(worker_id, answer_id, amount, currency, exponent, paid_by) = 0) "
            "AND (change = 'pay') = (amount IS NOT NULL) AND amount > 0",
            name=op.f("ck_correction_lines_pay_whole"),
        ),
    )
    op.create_index(
        "ix_correction_lines_answer_id", "correction_lines", ["answer_id"],
        postgresql_where=sa.text("answer_id IS NOT NULL"),
    )  # fmt: skip
    op.execute("""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON correction_lines
           FOR EACH ROW EXECUTE FUNCTION refuse_change()""")
    op.execute("""
        CREATE TRIGGER no_truncate BEFORE TRUNCATE ON correction_lines
           FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

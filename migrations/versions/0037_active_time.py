"""how long answers took."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "active_time",
        sa.Column("answer_ref", _ID, nullable=False),
        sa.Column("payee_id", _ID, nullable=False),
        sa.Column("cause_ref", _ID, nullable=False),
        sa.Column("skill", _ID, nullable=False),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.Column("region", _ID, nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("worked_on", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("answer_ref", name=op.f("pk_active_time")),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_active_time_payee_id_payees")),
        sa.CheckConstraint("milliseconds >= 0", name=op.f("ck_active_time_not_negative")),
    )
    op.create_index(op.f("ix_active_time_cause_ref_milliseconds"), "active_time", ["cause_ref", "milliseconds"])
    op.create_index(op.f("ix_active_time_worked_on"), "active_time", ["worked_on"])
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON active_time FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON active_time FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

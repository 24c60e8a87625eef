"""how much of an earning has been paid, what it is for, and how often it was repaired."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_RULES = {
    "status_known": "status IN ('pending', 'due', 'paid', 'reversed')",
    "due_is_posted": "status = 'pending' OR entry_id IS NOT NULL",
    "paid_range": "paid BETWEEN 0 AND amount",
    "paid_is_whole": "(status = 'paid') = (paid = amount)",
    "answer_has_reserve": "kind <> 'answer' OR cause_ref IS NOT NULL",
    "kind_known": "kind IN ('answer', 'bonus', 'goodwill')",
}


def upgrade() -> None:
    op.add_column("earnings", sa.Column("kind", sa.Text(), server_default=sa.text("'answer'"), nullable=False))
    op.add_column("earnings", sa.Column("paid", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("earnings", sa.Column("revision", sa.SmallInteger(), server_default=sa.text("1"), nullable=False))
    op.alter_column("earnings", "cause_ref", existing_type=sa.Text(collation="C"), nullable=True)
    op.create_index(
        "ix_earnings_due",
        "earnings",
        ["payee_id", "currency", "id"],
        postgresql_where=sa.text("status = 'due'"),
    )
    for name in ("status_known", "due_is_posted"):
        op.drop_constraint(op.f(f"ck_earnings_{name}"), "earnings")
    for name, rule in _RULES.items():
        op.execute(f"ALTER TABLE earnings ADD CONSTRAINT ck_earnings_{name} CHECK ({rule}) NOT VALID")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

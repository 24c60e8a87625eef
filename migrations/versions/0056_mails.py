"""mail that waits to be sent, and where payees are told of changes."""

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)
_NOW = sa.text("now()")


def upgrade() -> None:
    _create_mails()
    op.create_table(
        "payee_contacts",
        sa.Column("id", _ID, nullable=False),
        sa.Column("payee_id", _ID, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("masked", sa.Text(), nullable=False),
        sa.Column("set_by", _ID, nullable=False),
        sa.Column("created_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("retired_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payee_contacts")),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_payee_contacts_payee_id_payees")),
    )
    op.create_index("ix_payee_contacts_payee_id", "payee_contacts", ["payee_id"])
    op.create_index(
        "ix_payee_contacts_active", "payee_contacts", ["payee_id"], unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )  # fmt: skip


def _create_mails() -> None:
    op.create_table(
        "mails",
        sa.Column("id", _ID, nullable=False),
        sa.Column("about", _ID, nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("masked", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("waiting_since", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("due_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'given_up')", name=op.f("ck_mails_state_known")),
        sa.CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name=op.f("ck_mails_ended_when")),
        sa.CheckConstraint("num_nulls(address, body) IN (0, 2)", name=op.f("ck_mails_erased_whole")),
        sa.CheckConstraint("state <> 'waiting' OR body IS NOT NULL", name=op.f("ck_mails_waits_whole")),
        sa.CheckConstraint("address ~ '^[!-~]{1,64}@[!-~]{1,253}$'", name=op.f("ck_mails_address_plain")),
        sa.CheckConstraint(
            "subject !~ '[[:cntrl:]]' AND length(subject) <= 200", name=op.f("ck_mails_subject_one_line")
        ),
    )
    op.create_index("ix_mails_due", "mails", ["due_at"], postgresql_where=sa.text("state = 'waiting'"))
    op.create_index(
        "ix_mails_whole", "mails", ["ended_at"], postgresql_where=sa.text("state <> 'waiting' AND body IS NOT NULL")
    )
    op.create_index("ix_mails_given_up", "mails", ["id"], postgresql_where=sa.text("state = 'given_up'"))


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

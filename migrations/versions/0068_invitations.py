"""proofs of addresses, contacts that were proved, and invitations."""

import sqlalchemy as sa
from alembic import op

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)
_NOW = sa.text("now()")


def upgrade() -> None:
    op.add_column("payee_contacts", sa.Column("proved_at", _MOMENT, nullable=True))
    _create_proofs()
    _create_invitations()


def _create_proofs() -> None:
    op.create_table(
        "proofs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("subject", _ID, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("mail_id", _ID, nullable=False),
        sa.Column("created_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proofs")),
        sa.ForeignKeyConstraint(["mail_id"], ["mails.id"], name=op.f("fk_proofs_mail_id_mails")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_proofs_secret_hash")),
    )
    op.create_index(
        "ix_proofs_living", "proofs", ["purpose", "subject"], unique=True, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_index("ix_proofs_expires_at", "proofs", ["expires_at"])


def _create_invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", _ID, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("masked", sa.Text(), nullable=False),
        sa.Column("subject", _ID, nullable=True),
        sa.Column("activates", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("n_sent", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("made_by", _ID, nullable=False),
        sa.Column("confirmed_by", _ID, nullable=True),
        sa.Column("created_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("accepted_by", _ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.CheckConstraint(
            "role IN ('worker', 'requester', 'admin', 'approver', 'auditor', 'finance', 'monitor', 'ops')",
            name=op.f("ck_invitations_role_known"),
        ),
        sa.CheckConstraint(
            "status IN ('proposed', 'sent', 'accepted', 'revoked', 'expired')",
            name=op.f("ck_invitations_status_known"),
        ),
        sa.CheckConstraint(
            "(status IN ('proposed', 'sent')) = (ended_at IS NULL)", name=op.f("ck_invitations_ended_when")
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (email IS NOT NULL)", name=op.f("ck_invitations_address_gone")),
        sa.CheckConstraint(
            "(status = 'accepted') = (accepted_by IS NOT NULL)", name=op.f("ck_invitations_accepted_whole")
        ),
        sa.CheckConstraint(
            "(role IN ('worker', 'requester')) = (subject IS NULL)", name=op.f("ck_invitations_staff_named")
        ),
        sa.CheckConstraint(
            "subject IS NULL OR confirmed_by IS NOT NULL OR n_sent = 0", name=op.f("ck_invitations_staff_by_two")
        ),
        sa.CheckConstraint("confirmed_by <> made_by", name=op.f("ck_invitations_confirmed_by_another")),
    )
    op.create_index(
        "ix_invitations_open", "invitations", [sa.text("lower(email)"), "role"], unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )  # fmt: skip
    op.create_index(
        "ix_invitations_open_subject", "invitations", ["subject"], unique=True,
        postgresql_where=sa.text("ended_at IS NULL AND subject IS NOT NULL"),
    )  # fmt: skip
    op.create_index("ix_invitations_due", "invitations", ["expires_at"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_index("ix_invitations_status_id", "invitations", ["status", "id"])


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

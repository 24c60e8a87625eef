"""teams of requesters, whose members have tokens of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0078"
down_revision = "0077"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)
_NOW = sa.text("now()")
_ROLES = "'owner', 'manager', 'finance', 'viewer'"
_INVITED_AS = "'worker', 'requester', 'member', 'admin', 'approver', 'auditor', 'finance', 'monitor', 'ops'"


def upgrade() -> None:
    op.add_column("tokens", sa.Column("person_ref", _ID, nullable=True))
    op.create_index(
        "ix_tokens_person_ref", "tokens", ["person_ref"], postgresql_where=sa.text("person_ref IS NOT NULL")
    )
    op.create_table(
        "members",
        sa.Column("id", _ID, nullable=False),
        sa.Column("requester_id", _ID, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("masked", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("left_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
        sa.ForeignKeyConstraint(["requester_id"], ["requesters.id"], name=op.f("fk_members_requester_id_requesters")),
        sa.CheckConstraint(f"role IN ({_ROLES})", name=op.f("ck_members_role_known")),
    )
    op.create_index("ix_members_requester_id_id", "members", ["requester_id", "id"])
    _widen_invitations()


def _widen_invitations() -> None:
    """Few rows: who was invited and has not come yet, and who was."""
    op.add_column("invitations", sa.Column("requester_id", _ID, nullable=True))
    op.add_column("invitations", sa.Column("member_role", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_invitations_requester_id_requesters"), "invitations", "requesters", ["requester_id"], ["id"]
    )
    for name, rule in {
        "role_known": f"role IN ({_INVITED_AS})",
        "staff_named": "(role IN ('worker', 'requester', 'member')) = (subject IS NULL)",
    }.items():
        op.drop_constraint(op.f(f"ck_invitations_{name}"), "invitations")
        op.create_check_constraint(op.f(f"ck_invitations_{name}"), "invitations", rule)
    op.create_check_constraint(
        op.f("ck_invitations_member_of_a_team"),
        "invitations",
        "(role = 'member') = (requester_id IS NOT NULL) AND (role = 'member') = (member_role IS NOT NULL)",
    )
    op.create_check_constraint(op.f("ck_invitations_member_role_known"), "invitations", f"member_role IN ({_ROLES})")
    op.drop_index("ix_invitations_open", "invitations")
    op.create_index(
        "ix_invitations_open", "invitations",
        [sa.text("lower(email)"), "role", sa.text("coalesce(requester_id, '')")], unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )  # fmt: skip


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

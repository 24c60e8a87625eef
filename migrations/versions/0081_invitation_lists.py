"""lists of people whom teams bring along."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)
_NOW = sa.text("now()")
_ZERO = sa.text("0")


def upgrade() -> None:
    op.add_column("invitations", sa.Column("is_vouched", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_table(
        "invitation_lists",
        sa.Column("id", _ID, nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("activates", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("n_lines", sa.Integer(), nullable=False),
        sa.Column("n_new", sa.Integer(), nullable=False),
        sa.Column("n_invited", sa.Integer(), server_default=_ZERO, nullable=False),
        sa.Column("n_there", sa.Integer(), nullable=False),
        sa.Column("n_bad", sa.Integer(), nullable=False),
        sa.Column("made_by", _ID, nullable=False),
        sa.Column("created_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("decided_by", _ID, nullable=True),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.CheckConstraint(
            "state IN ('checked', 'inviting', 'done', 'cancelled', 'expired')",
            name=op.f("ck_invitation_lists_state_known"),
        ),
        sa.CheckConstraint(
            "n_new >= 0 AND n_new + n_invited + n_there + n_bad = n_lines",
            name=op.f("ck_invitation_lists_lines_add_up"),
        ),
        sa.CheckConstraint(
            "(state IN ('checked', 'expired')) = (decided_by IS NULL)", name=op.f("ck_invitation_lists_decided_when")
        ),
        sa.CheckConstraint(
            "state NOT IN ('inviting', 'done') OR decided_by <> made_by",
            name=op.f("ck_invitation_lists_invited_by_another"),
        ),
        sa.CheckConstraint("state <> 'done' OR n_new = 0", name=op.f("ck_invitation_lists_done_whole")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation_lists")),
    )
    op.create_index(
        "ix_invitation_lists_inviting", "invitation_lists", ["id"], postgresql_where=sa.text("state = 'inviting'")
    )
    op.create_index(
        "ix_invitation_lists_checked", "invitation_lists", ["expires_at"], postgresql_where=sa.text("state = 'checked'")
    )
    _create_lines()


def _create_lines() -> None:
    op.create_table(
        "invitation_lines",
        sa.Column("list_id", _ID, nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fate", sa.Text(), nullable=False),
        sa.Column("pointer", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("external_id", _ID, nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("country", _ID, nullable=True),
        sa.Column("languages", postgresql.JSONB(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=True),
        sa.Column("invitation_id", _ID, nullable=True),
        sa.CheckConstraint("fate IN ('new', 'invited', 'there', 'bad')", name=op.f("ck_invitation_lines_fate_known")),
        sa.CheckConstraint("line >= 1", name=op.f("ck_invitation_lines_line_range")),
        sa.CheckConstraint(
            "(fate = 'bad') = (reason IS NOT NULL) AND (fate = 'bad') = (pointer IS NOT NULL)",
            name=op.f("ck_invitation_lines_why"),
        ),
        sa.CheckConstraint(
            "(fate = 'invited') = (invitation_id IS NOT NULL)", name=op.f("ck_invitation_lines_invited_whole")
        ),
        sa.CheckConstraint(
            "fate = 'bad' OR num_nulls(external_id, country, pool) = 0", name=op.f("ck_invitation_lines_person_whole")
        ),
        sa.ForeignKeyConstraint(
            ["list_id"], ["invitation_lists.id"], name=op.f("fk_invitation_lines_list_id_invitation_lists")
        ),
        sa.ForeignKeyConstraint(
            ["invitation_id"], ["invitations.id"], name=op.f("fk_invitation_lines_invitation_id_invitations")
        ),
        sa.PrimaryKeyConstraint("list_id", "line", name=op.f("pk_invitation_lines")),
        sa.UniqueConstraint("invitation_id", name=op.f("uq_invitation_lines_invitation_id")),
    )
    op.create_index(
        "ix_invitation_lines_new", "invitation_lines", ["list_id", "line"], postgresql_where=sa.text("fate = 'new'")
    )
    op.create_index(
        "ix_invitation_lines_person", "invitation_lines", ["team", "external_id"],
        postgresql_where=sa.text("fate = 'invited'"),
    )  # fmt: skip
    op.create_index(
        "ix_invitation_lines_named", "invitation_lines", ["list_id"], postgresql_where=sa.text("name IS NOT NULL")
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

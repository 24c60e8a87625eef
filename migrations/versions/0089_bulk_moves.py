"""moves of many workers at once; invitations by the team that they lead into."""

import sqlalchemy as sa
from alembic import op

revision = "0089"
down_revision = "0088"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)
_ZERO = sa.text("0")
_STATES = "'proposed', 'refused', 'expired', 'applying', 'applied', 'undoing', 'undone'"
_FATES = "'waiting', 'there', 'bad', 'moved', 'skipped', 'returned', 'kept'"


def upgrade() -> None:
    op.create_table(
        "bulk_moves",
        sa.Column("id", _ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("n_lines", sa.Integer(), nullable=False),
        sa.Column("n_waiting", sa.Integer(), nullable=False),
        sa.Column("n_there", sa.Integer(), nullable=False),
        sa.Column("n_bad", sa.Integer(), nullable=False),
        sa.Column("n_moved", sa.Integer(), server_default=_ZERO, nullable=False),
        sa.Column("n_skipped", sa.Integer(), server_default=_ZERO, nullable=False),
        sa.Column("n_returned", sa.Integer(), server_default=_ZERO, nullable=False),
        sa.Column("n_kept", sa.Integer(), server_default=_ZERO, nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("proposed_by", _ID, nullable=False),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("decided_by", _ID, nullable=True),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.Column("undone_by", _ID, nullable=True),
        sa.Column("undone_at", _MOMENT, nullable=True),
        sa.Column("undo_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_moves")),
        sa.CheckConstraint(f"state IN ({_STATES})", name=op.f("ck_bulk_moves_state_known")),
        sa.CheckConstraint("days BETWEEN 1 AND 365", name=op.f("ck_bulk_moves_days_range")),
        sa.CheckConstraint(
            "least(n_waiting, n_there, n_bad, n_moved, n_skipped, n_returned, n_kept) >= 0 "
            "AND n_waiting + n_there + n_bad + n_moved + n_skipped + n_returned + n_kept = n_lines",
            name=op.f("ck_bulk_moves_lines_add_up"),
        ),
        sa.CheckConstraint(
            "(state IN ('proposed', 'expired')) = (decided_at IS NULL) AND num_nulls(decided_by, decided_at) IN (0, 2)",
            name=op.f("ck_bulk_moves_decided_by_somebody"),
        ),
        sa.CheckConstraint(
            "state IN ('proposed', 'refused', 'expired') OR decided_by <> proposed_by",
            name=op.f("ck_bulk_moves_approved_by_another"),
        ),
        sa.CheckConstraint(
            "(state IN ('undoing', 'undone')) = (undone_at IS NOT NULL) "
            "AND num_nulls(undone_by, undone_at, undo_reason) IN (0, 3)",
            name=op.f("ck_bulk_moves_undone_by_somebody"),
        ),
        sa.CheckConstraint("state <> 'applied' OR n_waiting = 0", name=op.f("ck_bulk_moves_applied_whole")),
        sa.CheckConstraint("state <> 'undone' OR n_waiting + n_moved = 0", name=op.f("ck_bulk_moves_undone_whole")),
    )
    op.create_index("ix_bulk_moves_state_id", "bulk_moves", ["state", "id"])
    _create_lines()
    # Last, for whoever invites somebody waits until the end.
    op.create_index(
        "ix_invitations_requester", "invitations", ["requester_id", "id"],
        postgresql_where=sa.text("requester_id IS NOT NULL"),
    )  # fmt: skip


def _create_lines() -> None:
    op.create_table(
        "bulk_lines",
        sa.Column("bulk_id", _ID, nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fate", sa.Text(), nullable=False),
        sa.Column("pointer", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("worker_id", _ID, nullable=True),
        sa.Column("skill", _ID, nullable=True),
        sa.Column("tier_from", sa.SmallInteger(), nullable=True),
        sa.Column("tier_to", sa.SmallInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("days", sa.Integer(), nullable=True),
        sa.Column("expires_at", _MOMENT, nullable=True),
        sa.Column("override_id", _ID, nullable=True),
        sa.PrimaryKeyConstraint("bulk_id", "line", name=op.f("pk_bulk_lines")),
        sa.ForeignKeyConstraint(["bulk_id"], ["bulk_moves.id"], name=op.f("fk_bulk_lines_bulk_id_bulk_moves")),
        sa.ForeignKeyConstraint(
            ["override_id"], ["tier_overrides.id"], name=op.f("fk_bulk_lines_override_id_tier_overrides")
        ),
        sa.UniqueConstraint("override_id", name=op.f("uq_bulk_lines_override_id")),
        sa.CheckConstraint(f"fate IN ({_FATES})", name=op.f("ck_bulk_lines_fate_known")),
        sa.CheckConstraint("line >= 1", name=op.f("ck_bulk_lines_line_range")),
        sa.CheckConstraint(
            "(fate IN ('bad', 'skipped', 'kept')) = (why IS NOT NULL) AND (fate = 'bad') = (pointer IS NOT NULL)",
            name=op.f("ck_bulk_lines_why"),
        ),
        sa.CheckConstraint(
            "(fate IN ('moved', 'returned', 'kept')) = (override_id IS NOT NULL)",
            name=op.f("ck_bulk_lines_moved_whole"),
        ),
        sa.CheckConstraint(
            "fate = 'bad' OR (num_nulls(worker_id, skill, tier_from, tier_to, reason) = 0 "
            "AND num_nulls(days, expires_at) = 1)",
            name=op.f("ck_bulk_lines_move_whole"),
        ),
        sa.CheckConstraint("(fate = 'there') = (tier_from = tier_to)", name=op.f("ck_bulk_lines_there_when")),
        sa.CheckConstraint(
            "tier_from BETWEEN 0 AND 4 AND tier_to BETWEEN 0 AND 4", name=op.f("ck_bulk_lines_tier_range")
        ),
    )
    op.create_index(
        "uq_bulk_lines_person", "bulk_lines", ["bulk_id", "worker_id", "skill"], unique=True,
        postgresql_where=sa.text("fate <> 'bad'"),
    )  # fmt: skip


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

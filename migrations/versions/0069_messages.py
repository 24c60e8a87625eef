"""messages to people, and suspensions by one person or two."""

import sqlalchemy as sa
from alembic import op

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)
_NOW = sa.text("now()")


def upgrade() -> None:
    _create_messages()
    _create_suspensions()


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", _ID, nullable=False),
        sa.Column("person_ref", _ID, nullable=False),
        sa.Column("kind", _ID, nullable=False),
        sa.Column("key", _ID, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("read_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("person_ref", "kind", "key", name=op.f("uq_messages_person_ref_kind_key")),
    )
    op.create_index("ix_messages_person_ref_id", "messages", ["person_ref", "id"])
    op.create_index("ix_messages_unread", "messages", ["person_ref", "id"], postgresql_where=sa.text("read_at IS NULL"))
    op.create_index("ix_messages_created_at", "messages", ["created_at"])
    op.create_table(
        "message_choices",
        sa.Column("person_ref", _ID, nullable=False),
        sa.Column("kind", _ID, nullable=False),
        sa.Column("by_mail", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("person_ref", "kind", name=op.f("pk_message_choices")),
    )


def _create_suspensions() -> None:
    op.create_table(
        "suspensions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_by", _ID, nullable=False),
        sa.Column("decided_by", _ID, nullable=True),
        sa.Column("created_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suspensions")),
        sa.CheckConstraint("state IN ('proposed', 'refused', 'confirmed')", name=op.f("ck_suspensions_state_known")),
        sa.CheckConstraint("hours > 0", name=op.f("ck_suspensions_hours_positive")),
        sa.CheckConstraint("decided_by <> made_by", name=op.f("ck_suspensions_decided_by_another")),
        sa.CheckConstraint(
            "hours <= 72 OR state <> 'confirmed' OR decided_by IS NOT NULL", name=op.f("ck_suspensions_long_by_two")
        ),
    )
    op.create_index("ix_suspensions_state_id", "suspensions", ["state", "id"])
    op.create_table(
        "suspended_workers",
        sa.Column("suspension_id", _ID, nullable=False),
        sa.Column("worker_id", _ID, nullable=False),
        sa.Column("begins_at", _MOMENT, nullable=True),
        sa.Column("until", _MOMENT, nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("suspension_id", "worker_id", name=op.f("pk_suspended_workers")),
        sa.ForeignKeyConstraint(
            ["suspension_id"], ["suspensions.id"], name=op.f("fk_suspended_workers_suspension_id_suspensions")
        ),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name=op.f("fk_suspended_workers_worker_id_workers")),
        sa.CheckConstraint("num_nulls(begins_at, until) IN (0, 2)", name=op.f("ck_suspended_workers_times_whole")),
    )
    op.create_index("ix_suspended_workers_worker_id", "suspended_workers", ["worker_id"])
    op.create_index(
        "ix_suspended_workers_due", "suspended_workers", ["until"], postgresql_where=sa.text("ended_at IS NULL")
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

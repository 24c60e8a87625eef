"""how many experts a task waits for, and since when."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("flagged", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("tasks", sa.Column("escalated_at", sa.DateTime(timezone=True)))
    op.add_column("tasks", sa.Column("experts_asked", sa.SmallInteger(), server_default=sa.text("1"), nullable=False))
    # A panel may be larger than a crowd. What is there needs no look under this lock; the next version looks.
    op.drop_constraint(op.f("ck_tasks_slots_range"), "tasks")
    op.execute(
        "ALTER TABLE tasks ADD CONSTRAINT ck_tasks_slots_range "
        "CHECK (free_slots BETWEEN 0 AND greatest(overlap, experts_asked)) NOT VALID"
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

"""gold: tasks whose label is known beforehand, who has met them, what was proposed and corrected."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_SOURCES = "source IN ('requester', 'expert', 'consensus')"
_APPEND_ONLY = ("exposures", "gold_corrections")


def upgrade() -> None:
    op.add_column("projects", sa.Column("gold_share", sa.Double(), server_default=sa.text("0"), nullable=False))
    op.create_check_constraint(op.f("ck_projects_gold_share_range"), "projects", "gold_share BETWEEN 0 AND 0.5")
    _golds()
    _exposures()
    _proposals()
    _corrections()
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def _golds() -> None:
    op.create_table(
        "golds",
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("task_id", sa.Text(collation="C"), nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("origin_id", sa.Text(collation="C"), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("exposures_max", sa.Integer(), nullable=False),
        sa.Column("exposures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("exposures_judged", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("added_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "task_id", name=op.f("pk_golds")),
        sa.CheckConstraint(_SOURCES, name=op.f("ck_golds_source_known")),
        sa.CheckConstraint("status IN ('active', 'retiring', 'retired')", name=op.f("ck_golds_status_known")),
        sa.CheckConstraint("ended_by IN ('worn', 'leaked', 'contested', 'told')", name=op.f("ck_golds_ended_by_known")),
        sa.CheckConstraint("(status = 'active') = (ended_by IS NULL)", name=op.f("ck_golds_ended_when")),
        sa.CheckConstraint("exposures_max > 0 AND exposures >= 0", name=op.f("ck_golds_exposures_range")),
    )
    active, retiring, made = "status = 'active'", "status = 'retiring'", "origin_id IS NOT NULL"
    drawn = ["project_id", "exposures", "task_id"]
    op.create_index("ix_golds_drawn", "golds", drawn, postgresql_where=sa.text(active))
    unjudged = "status = 'active' AND exposures >= exposures_judged + 10"
    op.create_index("ix_golds_unjudged", "golds", ["task_id"], postgresql_where=sa.text(unjudged))
    op.create_index("ix_golds_retiring", "golds", ["task_id"], postgresql_where=sa.text(retiring))
    origin = ["project_id", "origin_id"]
    op.create_index(op.f("ix_golds_project_id_origin_id"), "golds", origin, unique=True, postgresql_where=sa.text(made))


def _exposures() -> None:
    op.create_table(
        "exposures",
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("task_id", sa.Text(collation="C"), nullable=False),
        sa.Column("voter_id", sa.Text(collation="C"), nullable=False),
        sa.Column("ahead_of", sa.Text(collation="C"), nullable=False),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "task_id", "voter_id", name=op.f("pk_exposures")),
    )
    columns = ["project_id", "ahead_of", "voter_id"]
    op.create_index(op.f("ix_exposures_project_id_ahead_of_voter_id"), "exposures", columns, unique=True)


def _proposals() -> None:
    op.create_table(
        "gold_proposals",
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("task_id", sa.Text(collation="C"), nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("decided_by", sa.Text(collation="C"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "task_id", name=op.f("pk_gold_proposals")),
        sa.CheckConstraint(_SOURCES, name=op.f("ck_gold_proposals_source_known")),
        sa.CheckConstraint(
            "status IN ('proposed', 'approved', 'refused')", name=op.f("ck_gold_proposals_status_known")
        ),
    )


def _corrections() -> None:
    op.create_table(
        "gold_corrections",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("task_id", sa.Text(collation="C"), nullable=False),
        sa.Column("label_from", sa.SmallInteger(), nullable=False),
        sa.Column("label_to", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("corrected_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gold_corrections")),
    )
    columns = ["project_id", "task_id", "id"]
    op.create_index(op.f("ix_gold_corrections_project_id_task_id_id"), "gold_corrections", columns)


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

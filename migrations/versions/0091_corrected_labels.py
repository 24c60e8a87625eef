"""settled labels that were wrong may be corrected."""

import sqlalchemy as sa
from alembic import op

revision = "0091"
down_revision = "0090"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
# What may be said of corrections now; each allows all that is there.
_RULES = {
    "kind_known": "kind IN ('gold', 'appeal', 'label')",
    "label_of_gold": "(kind IN ('gold', 'label')) = (label_from IS NOT NULL)",
    "no_label_of_others": "kind IN ('gold', 'label') OR label_to IS NULL",
}


def upgrade() -> None:
    op.create_table(
        "corrected_labels",
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("nth", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("correction_id", _ID, nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=False),
        sa.Column("is_sample", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("corrected_by", _ID, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "task_id", "nth", name=op.f("pk_corrected_labels")),
        sa.CheckConstraint("nth > 0", name=op.f("ck_corrected_labels_nth_positive")),
    )
    op.execute("""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON corrected_labels
           FOR EACH ROW EXECUTE FUNCTION refuse_change()""")
    op.execute("""
        CREATE TRIGGER no_truncate BEFORE TRUNCATE ON corrected_labels
           FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""")
    # A person makes a correction, so there are few.
    for name, rule in _RULES.items():
        op.drop_constraint(op.f(f"ck_corrections_{name}"), "corrections")
        op.create_check_constraint(op.f(f"ck_corrections_{name}"), "corrections", rule)
    op.create_check_constraint(
        op.f("ck_corrections_label_is_known"), "corrections", "kind <> 'label' OR label_to IS NOT NULL"
    )
    op.create_index(
        "ix_corrections_of_label", "corrections", ["project_id", "subject_id"],
        postgresql_where=sa.text("kind = 'label' AND state = 'applied'"),
    )  # fmt: skip


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

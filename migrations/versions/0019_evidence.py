"""evidence against voters, quarantines, and how far each project has been looked at."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def _moment(name: str, *, nullable: bool = False, now: bool = False) -> sa.Column[datetime]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "evidence",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("statistic", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        _moment("found_at", now=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
        sa.CheckConstraint(
            "kind IN ('clicking', 'copying', 'cluster', 'too_fast', 'pattern', 'lockstep')",
            name=op.f("ck_evidence_kind_known"),
        ),
        sa.CheckConstraint("statistic >= threshold", name=op.f("ck_evidence_statistic_enough")),
    )
    op.create_index(op.f("ix_evidence_project_id"), "evidence", ["project_id"])
    op.create_table(
        "quarantines",
        sa.Column("id", _ID, nullable=False),
        sa.Column("voter_id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("everywhere", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("status", sa.Text(), server_default="proposed", nullable=False),
        sa.Column("factor", sa.Double(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        _moment("proposed_at", now=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_by", _ID, nullable=True),
        _moment("decided_at", nullable=True),
        _moment("ends_at", nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("ended_by", _ID, nullable=True),
        _moment("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantines")),
        sa.CheckConstraint(
            "status IN ('proposed', 'active', 'dismissed', 'ended')", name=op.f("ck_quarantines_status_known")
        ),
        sa.CheckConstraint("factor BETWEEN 0 AND 1", name=op.f("ck_quarantines_factor_range")),
        sa.CheckConstraint("days BETWEEN 1 AND 90", name=op.f("ck_quarantines_days_range")),
        sa.CheckConstraint(
            "(status = 'proposed') = (decided_at IS NULL) AND num_nulls(reason, decided_by, decided_at) IN (0, 3)",
            name=op.f("ck_quarantines_decided_by_somebody"),
        ),
        sa.CheckConstraint(
            "(status IN ('active', 'ended')) = (ends_at IS NOT NULL)", name=op.f("ck_quarantines_ends_when_begun")
        ),
        sa.CheckConstraint("(status = 'ended') = (ended_at IS NOT NULL)", name=op.f("ck_quarantines_ended_when")),
        sa.CheckConstraint("num_nulls(end_reason, ended_by) IN (0, 2)", name=op.f("ck_quarantines_ended_by_somebody")),
    )
    op.create_index(
        "ix_quarantines_open",
        "quarantines",
        ["voter_id", "project_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('proposed', 'active')"),
    )
    op.create_index("ix_quarantines_ends_at", "quarantines", ["ends_at"], postgresql_where=sa.text("status = 'active'"))
    op.create_table(
        "accusations",
        sa.Column("evidence_id", _ID, nullable=False),
        sa.Column("voter_id", _ID, nullable=False),
        sa.Column("quarantine_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("evidence_id", "voter_id", name=op.f("pk_accusations")),
        sa.ForeignKeyConstraint(["evidence_id"], ["evidence.id"], name=op.f("fk_accusations_evidence_id_evidence")),
        sa.ForeignKeyConstraint(
            ["quarantine_id"], ["quarantines.id"], name=op.f("fk_accusations_quarantine_id_quarantines")
        ),
    )
    op.create_index(op.f("ix_accusations_quarantine_id"), "accusations", ["quarantine_id"])
    op.create_index(op.f("ix_accusations_voter_id"), "accusations", ["voter_id"])
    op.create_table(
        "inquiries",
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("n_votes", sa.Integer(), nullable=False),
        _moment("tested_through"),
        _moment("looked_at", now=True),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_inquiries")),
    )
    op.create_table(
        "contested_voters",
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("voter_id", _ID, nullable=False),
        _moment("created_at", now=True),
        sa.PrimaryKeyConstraint("project_id", "voter_id", name=op.f("pk_contested_voters")),
    )
    op.create_table(
        "voter_tests",
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("voter_id", _ID, nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("n_tested", sa.Integer(), nullable=False),
        sa.Column("cleared", sa.Boolean(), nullable=False),
        _moment("updated_at", now=True),
        sa.PrimaryKeyConstraint("project_id", "voter_id", name=op.f("pk_voter_tests")),
    )
    for table in ("evidence", "accusations"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

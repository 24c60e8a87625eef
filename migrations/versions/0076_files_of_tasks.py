"""files of tasks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("id", _ID, nullable=False),
        sa.Column("requester_id", _ID, nullable=False),
        sa.Column("batch_id", _ID, nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("columns", JSONB(none_as_null=True), nullable=True),
        sa.Column("n_parts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_read", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_lines", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_made", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_bad", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_cleared", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", _WHEN, server_default=sa.func.now(), nullable=False),
        sa.Column("moved_at", _WHEN, server_default=sa.func.now(), nullable=False),
        sa.Column("finished_at", _WHEN, nullable=True),
        sa.CheckConstraint("format IN ('csv', 'jsonl')", name=op.f("ck_imports_format_known")),
        sa.CheckConstraint(
            "state IN ('receiving', 'reading', 'stopped', 'finished', 'failed', 'cancelled', 'expired')",
            name=op.f("ck_imports_state_known"),
        ),
        sa.CheckConstraint("n_read BETWEEN 0 AND n_bytes", name=op.f("ck_imports_read_range")),
        sa.CheckConstraint(
            "n_made >= 0 AND n_bad >= 0 AND n_made + n_bad <= n_lines", name=op.f("ck_imports_lines_add_up")
        ),
        sa.CheckConstraint("(state IN ('stopped', 'failed')) = (why IS NOT NULL)", name=op.f("ck_imports_why")),
        sa.CheckConstraint("(state = 'finished') = (finished_at IS NOT NULL)", name=op.f("ck_imports_finished_when")),
        sa.ForeignKeyConstraint(["requester_id"], ["requesters.id"], name=op.f("fk_imports_requester_id_requesters")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_imports_batch_id_batches")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index(op.f("ix_imports_requester_id_id"), "imports", ["requester_id", "id"])
    op.create_index("ix_imports_reading", "imports", ["id"], postgresql_where=sa.text("state = 'reading'"))
    op.create_index(
        "ix_imports_waiting", "imports", ["moved_at"], postgresql_where=sa.text("state IN ('receiving', 'stopped')")
    )
    op.create_index(
        "ix_imports_uncleared",
        "imports",
        ["id"],
        postgresql_where=sa.text("NOT is_cleared AND state IN ('finished', 'failed', 'cancelled', 'expired')"),
    )
    op.create_table(
        "import_parts",
        sa.Column("import_id", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("n_bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("begins", sa.BigInteger(), nullable=True),
        sa.Column("sent_by", _ID, nullable=False),
        sa.Column("created_at", _WHEN, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("ck_import_parts_number_range")),
        sa.CheckConstraint("n_bytes >= 1", name=op.f("ck_import_parts_bytes_range")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_import_parts_import_id_imports")),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_import_parts")),
    )
    op.create_table(
        "import_pieces",
        sa.Column("import_id", _ID, nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("length(bytes) BETWEEN 1 AND 262144", name=op.f("ck_import_pieces_bounded")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_import_pieces_import_id_imports")),
        sa.PrimaryKeyConstraint("import_id", "part", "number", name=op.f("pk_import_pieces")),
    )
    op.create_table(
        "import_faults",
        sa.Column("import_id", _ID, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("pointer", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_import_faults_import_id_imports")),
        sa.PrimaryKeyConstraint("import_id", "line", name=op.f("pk_import_faults")),
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

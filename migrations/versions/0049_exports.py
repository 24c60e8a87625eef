"""exports with their bytes, and what others call our accounts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
# The bytes of a finished export are what its manifest says, for as long as they are there.
_BYTES = """
    CREATE FUNCTION refuse_change_of_ready_export() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        of_export constant text := CASE TG_OP WHEN 'DELETE' THEN OLD.export_id ELSE NEW.export_id END;
    BEGIN
        IF TG_OP = 'UPDATE' OR (SELECT state FROM exports WHERE id = of_export) = 'ready' THEN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END $$
"""
_MANIFEST = """
    CREATE FUNCTION refuse_change_of_manifest() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.state <> 'making' AND (
            to_jsonb(OLD) - 'state' - 'is_cleared' <> to_jsonb(NEW) - 'state' - 'is_cleared'
            OR NOT (OLD.state = NEW.state OR (OLD.state = 'ready' AND NEW.state = 'gone'))) THEN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END $$
"""


def upgrade() -> None:
    op.create_table(
        "exports",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_by", _ID, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True),
        sa.Column("n_drawn", sa.Integer(), nullable=True),
        sa.Column("n_done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("taken_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("n_rows", sa.Integer(), nullable=True),
        sa.Column("n_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sums", postgresql.JSONB(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("is_cleared", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("state IN ('making', 'ready', 'failed', 'gone')", name=op.f("ck_exports_state_known")),
        sa.CheckConstraint(
            "num_nulls(as_of, n_rows, n_bytes, sums, sha256, finished_at)"
            " = CASE WHEN state IN ('ready', 'gone') THEN 0 ELSE num_nulls(as_of) + 5 END",
            name=op.f("ck_exports_manifest"),
        ),
        sa.CheckConstraint("(state = 'failed') = (failure IS NOT NULL)", name=op.f("ck_exports_failed_why")),
        sa.CheckConstraint("num_nulls(as_of, n_drawn) IN (0, 2)", name=op.f("ck_exports_drawn_when")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
    )
    op.create_index("ix_exports_making", "exports", ["id"], postgresql_where=sa.text("state = 'making'"))
    op.create_index(
        "ix_exports_uncleared", "exports", ["id"], postgresql_where=sa.text("state <> 'making' AND NOT is_cleared")
    )
    op.create_index("ix_exports_ready", "exports", ["finished_at"], postgresql_where=sa.text("state = 'ready'"))
    op.create_table(
        "export_rows",
        sa.Column("export_id", _ID, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("cells", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["export_id"], ["exports.id"], name=op.f("fk_export_rows_export_id_exports")),
        sa.PrimaryKeyConstraint("export_id", "number", name=op.f("pk_export_rows")),
    )
    op.create_table(
        "export_chunks",
        sa.Column("export_id", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("length(bytes) BETWEEN 1 AND 262144", name=op.f("ck_export_chunks_bounded")),
        sa.ForeignKeyConstraint(["export_id"], ["exports.id"], name=op.f("fk_export_chunks_export_id_exports")),
        sa.PrimaryKeyConstraint("export_id", "number", name=op.f("pk_export_chunks")),
    )
    op.create_table(
        "export_downloads",
        sa.Column("id", _ID, nullable=False),
        sa.Column("export_id", _ID, nullable=False),
        sa.Column("taken_by", _ID, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["export_id"], ["exports.id"], name=op.f("fk_export_downloads_export_id_exports")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_downloads")),
    )
    op.create_index(op.f("ix_export_downloads_export_id_id"), "export_downloads", ["export_id", "id"])
    op.create_table(
        "account_codes",
        sa.Column("account", _ID, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("set_by", _ID, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_account_codes")),
    )
    _guard()


def _guard() -> None:
    op.execute(_BYTES)
    op.execute(_MANIFEST)
    for table, when, function in (
        ("exports", "BEFORE UPDATE", "refuse_change_of_manifest"),
        ("exports", "BEFORE DELETE", "refuse_change"),
        ("export_chunks", "BEFORE INSERT OR UPDATE OR DELETE", "refuse_change_of_ready_export"),
        ("export_downloads", "BEFORE UPDATE OR DELETE", "refuse_change"),
    ):
        name = "kept" if when == "BEFORE DELETE" else "append_only"
        op.execute(f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()")
    for table in ("exports", "export_chunks", "export_downloads"):
        op.execute(
            f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

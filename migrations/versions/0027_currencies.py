"""all currencies of ISO 4217, those of the past and what became of them."""

import csv
import json
from importlib import resources

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

# Numbers are converted by PostgreSQL, which knows the columns' types.
_FILL = sa.text("""
    INSERT INTO currencies (code, name, iso_exponent, ledger_exponent, iso_code, iso_number, valid_from, valid_to,
                            successor, factor_num, factor_den)
    SELECT code, name, iso_exponent, ledger_exponent, iso_code, iso_number, valid_from, valid_to,
           successor, factor_num, factor_den
      FROM json_populate_recordset(CAST(NULL AS currencies), CAST(:rows AS json))
    ON CONFLICT (code) DO UPDATE
       SET iso_code = excluded.iso_code, iso_number = excluded.iso_number, valid_from = excluded.valid_from,
           valid_to = excluded.valid_to, successor = excluded.successor, factor_num = excluded.factor_num,
           factor_den = excluded.factor_den
""")


def upgrade() -> None:
    op.execute("""
        ALTER TABLE currencies
            ADD COLUMN iso_code text COLLATE "C", ADD COLUMN iso_number smallint,
            ADD COLUMN valid_from date, ADD COLUMN valid_to date, ADD COLUMN successor text COLLATE "C",
            ADD COLUMN factor_num bigint, ADD COLUMN factor_den bigint
    """)
    op.execute(_FILL.bindparams(rows=json.dumps(_read())))
    # A currency that somebody added by hand keeps its name and its units.
    op.execute("UPDATE currencies SET iso_code = split_part(code, '.', 1) WHERE iso_code IS NULL")
    # Migrations alone write this table (grants.py): no earlier version can leave a row without the new columns.
    op.execute("""
        ALTER TABLE currencies
            ALTER COLUMN iso_code SET NOT NULL,
            ADD CONSTRAINT fk_currencies_successor_currencies FOREIGN KEY (successor) REFERENCES currencies (code),
            ADD CONSTRAINT ck_currencies_code_begins_with_iso_code CHECK (iso_code = split_part(code, '.', 1)),
            ADD CONSTRAINT ck_currencies_validity_in_order CHECK (valid_to >= valid_from),
            ADD CONSTRAINT ck_currencies_successor_takes_over
                CHECK (successor IS NULL OR (valid_to IS NOT NULL AND successor <> code)),
            ADD CONSTRAINT ck_currencies_conversion_whole
                CHECK (num_nonnulls(factor_num, factor_den) IN (0, 2)
                       AND (factor_num IS NULL OR successor IS NOT NULL) AND factor_num > 0 AND factor_den > 0)
    """)
    op.create_index(
        op.f("ix_currencies_iso_code"),
        "currencies",
        ["iso_code"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )


def _read() -> list[dict[str, str | None]]:
    """The rows of currencies.csv, an empty cell as nothing."""
    written = (resources.files("payments") / "currencies.csv").read_text(encoding="utf-8")
    lines = [line for line in written.splitlines() if not line.startswith("#")]
    return [{name: cell or None for name, cell in row.items()} for row in csv.DictReader(lines)]


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

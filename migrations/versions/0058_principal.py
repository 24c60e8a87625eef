"""what a principal sells, in what owners spend; and what of a billed month was posted as an agent's."""

import sqlalchemy as sa
from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

# As in 0041, and: what a principal sold is the work that its labour line says, and the fee is the rest of it.
_SPENDING = """
    CREATE OR REPLACE VIEW spending AS
    WITH moves AS NOT MATERIALIZED (
        SELECT entry_id, debit_id AS own_id, credit_id AS other_id, currency, amount FROM journal_lines
        UNION ALL
        SELECT entry_id, credit_id, debit_id, currency, -amount FROM journal_lines
    ), spent AS NOT MATERIALIZED (
        SELECT r.owner_ref, r.cause_ref, m.entry_id, m.other_id, m.currency, m.amount
          FROM reserves r JOIN accounts a ON a.role = 'reserve' AND a.owner_ref = r.cause_ref
          JOIN moves m ON m.own_id = a.id
        UNION ALL
        SELECT a.owner_ref, '', m.entry_id, m.other_id, m.currency, m.amount
          FROM accounts a JOIN moves m ON m.own_id = a.id WHERE a.role = 'funds'
    )
    SELECT s.owner_ref, s.currency, e.effective_on, e.kind, s.cause_ref, s.entry_id,
           CASE o.role WHEN 'platform_fee' THEN 0 WHEN 'labour_revenue' THEN w.amount ELSE s.amount END AS work,
           CASE o.role WHEN 'platform_fee' THEN s.amount WHEN 'labour_revenue' THEN s.amount - w.amount ELSE 0 END AS fee,
           CASE o.role WHEN 'labour_revenue' THEN 'principal' ELSE 'agent' END AS presentation
      FROM spent s
      JOIN accounts o ON o.id = s.other_id
       AND o.role IN ('payable', 'receivable_payee', 'platform_fee', 'labour_revenue')
      JOIN journal_entries e ON e.id = s.entry_id
      LEFT JOIN LATERAL (
            SELECT CAST(coalesce(sum(CASE WHEN l.debit_id = a.id THEN l.amount ELSE -l.amount END), 0) AS bigint) AS amount
              FROM journal_lines l JOIN accounts a ON a.id IN (l.debit_id, l.credit_id) AND a.role = 'labour'
             WHERE l.entry_id = s.entry_id) w ON o.role = 'labour_revenue'
"""


def upgrade() -> None:
    op.add_column("invoices", sa.Column("agent_work", sa.BigInteger(), nullable=True))
    op.add_column("credit_notes", sa.Column("agent_work", sa.BigInteger(), nullable=True))
    op.execute(_SPENDING)


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError

"""How old everything is that has not cleared, by what it waits for; each sum is that of accounts in the books.

What is known one by one has its own age: a payout since it left, a reserve since it was made, pay since it became due,
a bank's line since the day it was booked, a clawback since it was confirmed. What an owner owes has no parts; the
newest debits that come to as much are what is still owed, so that payments settle the oldest first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation.db import patience

# Rows that are shown; what is beyond them is in the sums by account.
MOST = 1000
BUCKETS = ("0-1", "2-7", "8-30", "31-90", ">90")

# what, owner_ref, role of the account whose balance it is, currency, amount, since: above zero on the account's side.
_OPEN = """
    SELECT 'in_transit' AS what, o.run_id AS owner_ref, 'in_transit' AS role, o.currency, o.net AS amount,
           r.exported_at AS since
      FROM payouts o JOIN payout_runs r ON r.id = o.run_id WHERE o.state = 'exported'
     UNION ALL
    SELECT 'reserved', 'house', 'reserve', currency, reserved - spent - released, created_at FROM reserves
     WHERE reserved > spent + released
     UNION ALL
    SELECT CASE WHEN EXISTS (SELECT FROM holds h WHERE h.payee_id = e.payee_id AND h.ended_at IS NULL
                                AND (h.until IS NULL OR h.until > now())
                                AND (h.earning_id IS NULL OR h.earning_id = e.id))
                  OR EXISTS (SELECT FROM blocks b WHERE b.payee_id = e.payee_id AND b.state = 'active')
                THEN 'on_hold' ELSE 'due' END,
           'house', 'payable', e.currency, e.amount - e.paid, e.due_at
      FROM earnings e WHERE e.status = 'due'
     UNION ALL
    SELECT 'suspense', 'house', 'suspense', currency, amount, booked_on FROM bank_entries WHERE state = 'suspense'
     UNION ALL
    SELECT 'fx_clearing', 'house', 'fx_clearing', s.currency, s.amount, r.exported_at
      FROM payouts o JOIN payout_runs r ON r.id = o.run_id
     CROSS JOIN LATERAL (VALUES (o.currency, o.net + o.withheld), (o.earned_currency, -o.gross)) AS s(currency, amount)
     WHERE o.fx_rate_id IS NOT NULL AND o.state IN ('exported', 'settled')
     UNION ALL
    SELECT 'fx_clearing', 'house', 'fx_clearing', s.currency, s.amount, f.decided_at FROM fx_purchases f
     CROSS JOIN LATERAL (VALUES (f.sold_currency, f.sold), (f.bought_currency, -f.bought),
                                (f.earned_currency, f.gain)) AS s(currency, amount)
     WHERE f.state = 'posted'
     UNION ALL
    SELECT 'unclaimed', 'house', 'unclaimed', currency, amount, decided_at FROM unclaimed WHERE state = 'kept'
     UNION ALL
    SELECT 'receivable_payee', 'house', 'receivable_payee', currency, amount - recovered - written_off, decided_at
      FROM clawbacks WHERE state = 'open'
     UNION ALL
    SELECT 'receivable_requester', owner_ref, 'receivable_requester', currency, least(amount, balance - newer), since
      FROM (SELECT a.owner_ref, p.currency, p.amount, e.created_at AS since,
                   sum(p.amount) OVER (PARTITION BY a.id) AS balance,
                   coalesce(sum(greatest(p.amount, 0)) OVER (PARTITION BY a.id ORDER BY e.id DESC, p.line DESC
                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS newer
              FROM accounts a JOIN postings p ON p.account_id = a.id JOIN journal_entries e ON e.id = p.entry_id
             WHERE a.role = 'receivable_requester') AS debts
     WHERE amount > 0 AND newer < balance
"""
_AGED = f"""
    SELECT what, owner_ref, role, currency, amount,
           CASE WHEN age <= 1 THEN 1 WHEN age <= 7 THEN 2 WHEN age <= 30 THEN 3 WHEN age <= 90 THEN 4 ELSE 5 END
               AS bucket
      FROM (SELECT *, CAST(now() AT TIME ZONE 'UTC' AS date) - CAST(since AT TIME ZONE 'UTC' AS date) AS age
              FROM ({_OPEN}) AS open) AS aged
"""
_ROWS = text(f"""
    SELECT o.what, o.owner_ref, o.currency, c.ledger_exponent AS exponent, o.bucket, count(*) AS items,
           sum(o.amount) AS total
      FROM ({_AGED}) o JOIN currencies c ON c.code = o.currency
     GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 3, 5 DESC, 2 LIMIT {MOST + 1}
""")
_TIES = text(f"""
    WITH aged AS (SELECT role, currency, sum(amount) AS aged FROM ({_AGED}) AS o GROUP BY 1, 2),
    held AS (
        SELECT a.role, a.currency,
               sum(CASE WHEN a.kind IN ('asset', 'expense') THEN p.amount ELSE -p.amount END) AS balance
          FROM accounts a JOIN postings p ON p.account_id = a.id
         WHERE a.role IN ('in_transit', 'suspense', 'fx_clearing', 'receivable_payee', 'receivable_requester')
         GROUP BY 1, 2
         UNION ALL
        SELECT CASE a.role WHEN 'payable_blocked' THEN 'payable' ELSE a.role END, a.currency, sum(b.credits - b.debits)
          FROM accounts a JOIN balances b ON b.account_id = a.id
         WHERE a.role IN ('reserve', 'payable', 'payable_blocked', 'unclaimed') GROUP BY 1, 2)
    SELECT role, currency, c.ledger_exponent AS exponent, coalesce(aged, 0) AS aged, coalesce(balance, 0) AS balance
      FROM aged FULL JOIN held USING (role, currency) JOIN currencies c ON c.code = currency
     WHERE coalesce(aged, 0) <> 0 OR coalesce(balance, 0) <> 0
     ORDER BY role, currency
""")


@dataclass(frozen=True, slots=True)
class Row:
    """So many things that wait, of one age, in ledger units together."""

    what: str
    owner_ref: str
    currency: str
    exponent: int
    age: str
    items: int
    total: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that has not cleared. ties : by role and currency what is aged, and the balance that it must be."""

    items: Sequence[Row]
    ties: Sequence[Any]
    complete: bool


def report(db: Session) -> Report:
    """Everything that has not cleared, by what it is, currency and age; runs and owners that owe one by one."""
    with patience(db):
        aged, ties = db.execute(_ROWS).all(), db.execute(_TIES).all()
    rows = [
        Row(
            row.what, row.owner_ref, row.currency, row.exponent, BUCKETS[row.bucket - 1], row.items, int(row.total)
        )
        for row in aged
    ]  # fmt: skip
    return Report(rows[:MOST], ties, len(rows) <= MOST)

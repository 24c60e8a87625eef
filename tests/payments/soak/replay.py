"""The books again from zero."""

from collections import defaultdict

from sqlalchemy import text
from sqlalchemy.orm import Session

_LINES = text("SELECT entry_id, debit_id, credit_id, currency, amount FROM journal_lines ORDER BY entry_id, line")
_ACCOUNTS = text("""
    SELECT a.id, a.currency, a.bounded, b.debits, b.credits FROM accounts a LEFT JOIN balances b ON b.account_id = a.id
""")
_MANY = 10_000


def replay(db: Session) -> int:
    """Add all entries up in Python, and compare every balance that is stored; returns how many entries there were."""
    moved: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    currencies: dict[str, str] = {}
    entries, last = 0, ""
    for row in db.execute(_LINES, execution_options={"yield_per": _MANY}):
        assert row.amount > 0
        for side, account in enumerate((row.debit_id, row.credit_id)):
            moved[account][side] += row.amount
            assert currencies.setdefault(account, row.currency) == row.currency
        entries, last = entries + (row.entry_id != last), row.entry_id
    for row in db.execute(_ACCOUNTS):
        debits, credits_ = moved.pop(row.id, [0, 0])
        assert currencies.get(row.id, row.currency) == row.currency
        if row.bounded:
            assert (row.debits or 0, row.credits or 0) == (debits, credits_), f"{row.id} has another balance"
            assert credits_ >= debits, f"{row.id} is below zero"
    assert not moved, "every line is of an account"
    return entries

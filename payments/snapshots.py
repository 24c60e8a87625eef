"""What has gone through an account before a line: its last snapshot and the lines since, as SQL for whoever asks.

Snapshots are taken once a day by `statements.take_snapshots`, of accounts that keep no live balance; without one, the
lines since are all there are.
"""

# Behind all ids there can be.
END = "jnl_~"
_BEFORE = """
    (SELECT coalesce(s.debits, 0) + coalesce(d.amount, 0) AS debits,
            coalesce(s.credits, 0) + coalesce(c.amount, 0) AS credits
       FROM (SELECT) AS always
       LEFT JOIN LATERAL (SELECT up_to_entry, debits, credits FROM balance_snapshots
                           WHERE account_id = {account} AND up_to_entry <= {entry}
                           ORDER BY up_to_entry DESC LIMIT 1) AS s ON true
      CROSS JOIN LATERAL (SELECT sum(amount) AS amount FROM journal_lines
                           WHERE debit_id = {account} AND entry_id >= coalesce(s.up_to_entry, '')
                             AND (entry_id, line) < ({entry}, {line})) AS d
      CROSS JOIN LATERAL (SELECT sum(amount) AS amount FROM journal_lines
                           WHERE credit_id = {account} AND entry_id >= coalesce(s.up_to_entry, '')
                             AND (entry_id, line) < ({entry}, {line})) AS c)
"""


def before(*, account: str, entry: str, line: str = "0") -> str:
    """SQL of one row: debits and credits of an account before a line of an entry, all three SQL expressions."""
    return _BEFORE.format(account=account, entry=entry, line=line)


def until_now(*, account: str) -> str:
    """SQL of one row: debits and credits of an account by all lines there are."""
    return before(account=account, entry=f"'{END}'")

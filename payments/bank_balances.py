"""What banks say that accounts hold at the end of a day, beside the books. A difference is shown, never plugged.

The books have one account for each currency, whatever banks it lies at. So the other accounts of a currency count as
their banks last said, and all accounts together should be the books.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import pagination
from payments import horizon, snapshots
from payments.models import BankBalance


@dataclass(frozen=True, slots=True)
class Compared:
    """A bank's balance beside the books'; amounts in ledger units.

    others : what the house's other accounts in the currency held by their last statements up to that day. books : what
    the books had at the banks at its end: by the day on which a bank has booked it, if one has said, else by the day it
    counts for. difference : books less closing less others.
    """

    id: str
    file_id: str
    account: str
    currency: str
    exponent: int
    closed_on: date
    closing: int
    others: int
    books: int
    created_at: datetime

    @property
    def difference(self) -> int:
        return self.books - self.closing - self.others


def listed(
    *, account: str | None = None, currency: str | None = None, closed_on: date | None = None
) -> Select[BankBalance]:
    """All balances that statements told of, or those of an account, a currency, a day."""
    rows = select(BankBalance)
    for column, value in {"account": account, "currency": currency, "closed_on": closed_on}.items():
        rows = rows if value is None else rows.where(getattr(BankBalance, column) == value)
    return rows


# The day on which something moved at a bank: `e` is its entry.
_DAY = "coalesce(CAST(e.event_at AT TIME ZONE 'UTC' AS date), e.effective_on)"
# What moved at an account from one id on and before another, line by line: all three are SQL expressions.
_MOVED = f"""
    (SELECT {_DAY} AS day, l.amount FROM journal_lines l JOIN journal_entries e ON e.id = l.entry_id
      WHERE l.debit_id = {{account}} AND l.entry_id >= {{since}} AND l.entry_id < {{until}}
      UNION ALL
     SELECT {_DAY}, -l.amount FROM journal_lines l JOIN journal_entries e ON e.id = l.entry_id
      WHERE l.credit_id = {{account}} AND l.entry_id >= {{since}} AND l.entry_id < {{until}})
"""
# Days that were added up, and the lines since: a few days of them, however much has moved before.
_BOOKS = text(f"""
    WITH asked AS MATERIALIZED (
        SELECT DISTINCT currency, closed_on FROM bank_balances WHERE id = ANY(:ids)
    ), banks AS MATERIALIZED (
        SELECT a.id, a.currency, coalesce(max(d.up_to_entry), '') AS since
          FROM accounts a LEFT JOIN bank_days d ON d.account_id = a.id
         WHERE a.role = 'bank' AND a.currency IN (SELECT currency FROM asked) GROUP BY a.id
    ), moved AS MATERIALIZED (
        SELECT currency, day, sum(amount) AS amount
          FROM (SELECT b.currency, d.day, d.amount FROM banks b JOIN bank_days d ON d.account_id = b.id
                 UNION ALL
                SELECT b.currency, m.day, m.amount FROM banks b
                 CROSS JOIN LATERAL {_MOVED.format(account="b.id", since="b.since", until=f"'{snapshots.END}'")} AS m
               ) AS each
         GROUP BY 1, 2
    )
    SELECT q.currency, q.closed_on, coalesce(sum(m.amount), 0) AS amount
      FROM asked q LEFT JOIN moved m ON m.currency = q.currency AND m.day <= q.closed_on GROUP BY 1, 2
""")
_OTHERS = text("""
    SELECT b.id, coalesce(sum(o.closing), 0) AS amount
      FROM bank_balances b
      LEFT JOIN LATERAL (
            SELECT DISTINCT ON (x.account) x.closing FROM bank_balances x
             WHERE x.currency = b.currency AND x.account <> b.account AND x.closed_on <= b.closed_on
             ORDER BY x.account, x.closed_on DESC, x.id DESC) o ON true
     WHERE b.id = ANY(:ids) GROUP BY b.id
""")


def page(
    db: Session,
    request: pagination.PageRequest,
    *,
    account: str | None = None,
    currency: str | None = None,
    closed_on: date | None = None,
) -> pagination.Page:
    """Balances that statements told of, beside the books; the last file that was read first."""
    rows = listed(account=account, currency=currency, closed_on=closed_on)
    found = pagination.read(db, rows, BankBalance.id, request)
    return replace(found, items=compare(db, found.items))


def compare(db: Session, told: Sequence[BankBalance]) -> list[Compared]:
    """What banks told beside what the books say now of those days."""
    asked = {"ids": [one.id for one in told]}
    books = {(row.currency, row.closed_on): int(row.amount) for row in db.execute(_BOOKS, asked)}
    others = {row.id: int(row.amount) for row in db.execute(_OTHERS, asked)}
    return [
        Compared(
            id=one.id, file_id=one.file_id, account=one.account, currency=one.currency, exponent=one.exponent,
            closed_on=one.closed_on, closing=one.closing, others=others[one.id],
            books=books[one.currency, one.closed_on], created_at=one.created_at,
        )
        for one in told
    ]  # fmt: skip


# Days, added up


# Lines of each side that are added up at once; more than one entry has.
_AT_ONCE = 50_000
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(7265007)")
_NEXT = text("""
    SELECT a.id AS account_id, s.since, least(CAST(:before AS text), d.entry_id, c.entry_id) AS until
      FROM accounts a
     CROSS JOIN LATERAL (SELECT coalesce(max(up_to_entry), '') AS since FROM bank_days WHERE account_id = a.id) AS s
      LEFT JOIN LATERAL (SELECT entry_id FROM journal_lines WHERE debit_id = a.id AND entry_id >= s.since
                          ORDER BY entry_id OFFSET :most LIMIT 1) AS d ON true
      LEFT JOIN LATERAL (SELECT entry_id FROM journal_lines WHERE credit_id = a.id AND entry_id >= s.since
                          ORDER BY entry_id OFFSET :most LIMIT 1) AS c ON true
     WHERE a.role = 'bank'
       AND (EXISTS (SELECT FROM journal_lines WHERE debit_id = a.id AND entry_id >= s.since AND entry_id < :before)
            OR EXISTS (SELECT FROM journal_lines WHERE credit_id = a.id AND entry_id >= s.since AND entry_id < :before))
     ORDER BY a.id LIMIT 1
""")
_ADD_UP = text(f"""
    INSERT INTO bank_days (account_id, up_to_entry, day, amount)
    SELECT :account, :until, day, sum(amount)
      FROM {_MOVED.format(account=":account", since=":since", until=":until")} AS moved GROUP BY day
    ON CONFLICT DO NOTHING
""")


def add_up_days(db: Session, *, at_once: int = _AT_ONCE) -> int:
    """Keep what moved at banks before the horizon by its day, a part of an account's lines at once; how many. A sweep.

    Nothing is ever added before the horizon, so that no line has to be added up again. at_once : lines of each side.
    """
    before = horizon.final(db) if db.scalar(_TRY_LOCK) else None
    # After the lock: what another one has just added up is seen.
    found = None if before is None else db.execute(_NEXT, {"before": before, "most": at_once}).one_or_none()
    if found is None:
        return 0
    db.execute(_ADD_UP, {"account": found.account_id, "since": found.since, "until": found.until})
    return 1

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


# One pass over what has moved at banks, whatever number of days is asked for.
_BOOKS = text("""
    WITH asked AS MATERIALIZED (
        SELECT DISTINCT currency, closed_on FROM bank_balances WHERE id = ANY(:ids)
    ), moved AS MATERIALIZED (
        SELECT p.currency, coalesce(CAST(e.event_at AT TIME ZONE 'UTC' AS date), e.effective_on) AS day,
               sum(p.amount) AS amount
          FROM postings p JOIN accounts a ON a.id = p.account_id AND a.role = 'bank'
          JOIN journal_entries e ON e.id = p.entry_id
         WHERE p.currency IN (SELECT currency FROM asked) GROUP BY 1, 2
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

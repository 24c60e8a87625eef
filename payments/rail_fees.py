"""What rails take for payouts: the house's cost, booked once for each payout however often it is told.

A fee is what a file says, or nothing: what cannot be right, or says two things, is kept as it was told for people to
look at. No rail takes anything from its payee.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import ids
from payments import ledger, spending
from payments.ledger import BANK, HOUSE, RAIL_FEE, AccountName, Entry, Line
from payments.models import FeeReason, PayoutState, UnplacedFee

_ACTOR = "payouts"


@dataclass(frozen=True, slots=True)
class Told:
    """What a file says that a payout cost. amount : a decimal string of its currency, or of the payout's if None.

    event_at : when a bank booked it, if a bank did.
    """

    payout_id: str
    amount: str
    currency: str | None = None
    event_at: datetime | None = None

    @property
    def words(self) -> str:
        return self.amount if self.currency is None else f"{self.amount} {self.currency}"


_PAYOUTS = text("""
    SELECT p.id, p.currency, p.net, p.state, c.ledger_exponent AS exponent,
           (SELECT sum(l.amount) FROM journal_entries e JOIN journal_lines l ON l.entry_id = e.id
             WHERE e.idempotency_key = 'fee:' || p.id) AS booked
      FROM payouts p JOIN currencies c ON c.code = p.currency WHERE p.id = ANY(:ids)
""")


def book(db: Session, file_id: str, told: Sequence[Told]) -> Counter[str]:
    """Book what payouts have cost, and keep what cannot be booked; how many fees are new, and how many unplaced.

    The caller holds the files (`reconciliation.hold_files`) and has settled what they settle.
    """
    rows = {row.id: row for row in db.execute(_PAYOUTS, {"ids": sorted({one.payout_id for one in told})})}
    booked = {row.id: int(row.booked) for row in rows.values() if row.booked is not None}
    entries, unplaced = [], []
    for one in told:
        row, amount = rows[one.payout_id], Decimal(one.amount)
        if not amount:
            continue
        reason = _reason(one, amount, row, booked.get(row.id))
        if reason is not None:
            unplaced.append((one, reason))
        elif row.id not in booked:
            booked[row.id] = int(amount.scaleb(row.exponent))
            entries.append(_entry(one, row, booked[row.id]))
    ledger.post(db, entries)
    return +Counter(fees=len(entries), fees_unplaced=_keep(db, file_id, unplaced))


def _reason(told: Told, amount: Decimal, row: Any, booked: int | None) -> FeeReason | None:
    """Why a fee cannot be booked as it is told."""
    units = amount.scaleb(row.exponent)
    if told.currency not in {None, row.currency}:
        return FeeReason.CURRENCY
    if units < 0:
        return FeeReason.NEGATIVE
    if units != units.to_integral_value():
        return FeeReason.DECIMALS
    if units > row.net:
        return FeeReason.TOO_MUCH
    if booked is not None:
        return None if units == booked else FeeReason.DIFFERS
    return None if row.state == PayoutState.SETTLED else FeeReason.NOT_SETTLED


def _entry(told: Told, row: Any, units: int) -> Entry:
    line = Line(AccountName(RAIL_FEE, HOUSE, row.currency), AccountName(BANK, HOUSE, row.currency), units)
    return Entry(f"fee:{row.id}", "fee", row.id, _ACTOR, (line,), event_at=told.event_at)


_KEEP = text("""
    INSERT INTO unplaced_fees (id, file_id, payout_id, told, reason)
    SELECT id, :file_id, payout_id, told, reason
      FROM unnest(CAST(:ids AS text[]), CAST(:payouts AS text[]), CAST(:told AS text[]), CAST(:reasons AS text[]))
           AS given(id, payout_id, told, reason)
    ON CONFLICT (payout_id, reason, told) DO NOTHING
""")


def _keep(db: Session, file_id: str, unplaced: Sequence[tuple[Told, FeeReason]]) -> int:
    """Keep what was told; returns how much it was, kept before or not."""
    if unplaced:
        columns = {
            "ids": [ids.new("ufe") for _ in unplaced],
            "payouts": [one.payout_id for one, _ in unplaced],
            "told": [one.words for one, _ in unplaced],
            "reasons": [reason.value for _, reason in unplaced],
        }
        db.execute(_KEEP, {"file_id": file_id, **columns})
    return len(unplaced)


# Reading


def unplaced_fees(*, payout_id: str | None = None, reason: str | None = None) -> Select[UnplacedFee]:
    """All fees that were told and not booked, or those for a payout, or for a reason."""
    rows = select(UnplacedFee)
    rows = rows if payout_id is None else rows.where(UnplacedFee.payout_id == payout_id)
    return rows if reason is None else rows.where(UnplacedFee.reason == reason)


# By the account, whose lines are found by it and by when they were written; nothing is dated ahead.
_COSTS = text("""
    SELECT r.rail, e.kind, m.currency, c.ledger_exponent AS exponent, count(DISTINCT e.id) AS entries,
           sum(m.amount) AS amount
      FROM accounts a
      JOIN (SELECT debit_id AS account_id, entry_id, currency, amount FROM journal_lines
             UNION ALL
            SELECT credit_id, entry_id, currency, -amount FROM journal_lines) m ON m.account_id = a.id
      JOIN journal_entries e ON e.id = m.entry_id JOIN currencies c ON c.code = m.currency
      LEFT JOIN payouts p ON p.id = e.cause_ref LEFT JOIN payout_runs r ON r.id = p.run_id
     WHERE a.role = 'rail_fee' AND m.entry_id >= :from_id AND e.effective_on >= :first AND e.effective_on < :next
     GROUP BY 1, 2, 3, 4 ORDER BY 3, 1 NULLS LAST, 2
""")


def costs(db: Session, month: date) -> Sequence[Any]:
    """What payments have cost in a month, by rail, kind of entry and currency: its whole turnover of `rail_fee`.

    month : its first day. What is no payout's has no rail: a bank's charges, and what processors kept of top-ups.
    """
    return db.execute(_COSTS, spending.month_of(month)).all()

"""Refunds: an owner's free money, back to where it came from; proposed by one person, approved by another.

Nothing is posted before it is approved. A refund is of one top-up: no more goes back than came in by it, and none of
what an owner only has on credit.
"""

from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, NotFound
from payments import four_eyes, ledger, money
from payments.ledger import BANK, FUNDS, HOUSE, RECEIVABLE_REQUESTER, AccountName, Entry, InsufficientFunds, Line
from payments.models import Currency, Refund, RefundState


class NoSuchRefund(NotFound):
    """There is no such refund."""


class TopUpUnknown(Conflict):
    """No money came in for this owner by this entry."""


class RefundTooMuch(Conflict):
    """No more goes back than came in."""


class RefundTooFine(Conflict):
    """No bank can pay an amount like this."""


class RefundDecided(Conflict):
    """The refund was approved or refused already."""


_REST = text("""
    SELECT sum(l.amount) - coalesce((SELECT sum(r.amount) FROM refunds r
                                    WHERE r.top_up_id = e.id AND r.state <> 'refused'), 0) AS rest
      FROM journal_entries e JOIN journal_lines l ON l.entry_id = e.id
     WHERE e.id = :id AND e.kind = 'top_up' AND e.cause_ref = :owner_ref AND l.currency = :currency
     GROUP BY e.id
""")
# Whoever spends of these funds waits, so that what is looked at stays true until it is posted.
_LOCK_FUNDS = text("""
    SELECT b.credits - b.debits FROM accounts a JOIN balances b ON b.account_id = a.id
     WHERE a.role = 'funds' AND a.owner_ref = :owner_ref AND a.currency = :currency FOR UPDATE OF b
""")


def propose(
    db: Session, *, owner_ref: str, currency: Currency, amount: int, top_up_id: str, requested_by: str
) -> Refund:
    """Ask for so much of a top-up to go back; for another person to approve.

    top_up_id : of its journal entry, which says where the money came from. amount : ledger units that a bank can pay.
    Raises `RefundTooFine`, `RefundTooMuch`, `InsufficientFunds`.
    """
    if amount % 10 ** (currency.ledger_exponent - currency.iso_exponent):
        raise RefundTooFine(f"A bank pays {currency.code} with at most {currency.iso_exponent} decimals.")
    where = {"owner_ref": owner_ref, "currency": currency.code}
    free = db.scalar(_LOCK_FUNDS, where)
    rest = _rest(db, top_up_id, **where)
    if amount > rest:
        left = money.format_amount(rest, currency.ledger_exponent)
        raise RefundTooMuch(f"Of this top-up {left} {currency.code} can still go back.")
    _refuse_spent(db, free, amount, **where)
    refund = Refund(
        id=ids.new("rfd"), owner_ref=owner_ref, top_up_id=top_up_id, currency=currency.code, amount=amount,
        requested_by=requested_by,
    )  # fmt: skip
    db.add(refund)
    db.flush()
    db.refresh(refund)
    return refund


def _rest(db: Session, top_up_id: str, *, owner_ref: str, currency: str) -> int:
    """What of a top-up nobody has asked back yet, in ledger units."""
    row = db.execute(_REST, {"id": top_up_id, "owner_ref": owner_ref, "currency": currency}).one_or_none()
    if row is None:
        raise TopUpUnknown("Give the journal entry by which this owner's money came, and its currency.")
    return int(row.rest)


def _refuse_spent(db: Session, free: Any, amount: int, *, owner_ref: str, currency: str) -> None:
    """Refuse what an owner has spent, or has on credit alone."""
    if amount > (free or 0) - ledger.debit_balance(db, RECEIVABLE_REQUESTER, owner_ref, currency):
        raise InsufficientFunds("The owner does not have that much of their own to spare.")


def approve(db: Session, refund_id: str, *, approved_by: str) -> Refund:
    """Let a refund go, by another person than who asked for it: from here on the bank is to pay it."""
    refund = _lock(db, refund_id)
    four_eyes.other_person(refund.requested_by, approved_by)
    where = {"owner_ref": refund.owner_ref, "currency": refund.currency}
    _refuse_spent(db, db.scalar(_LOCK_FUNDS, where), refund.amount, **where)
    funds = AccountName(FUNDS, refund.owner_ref, refund.currency)
    line = Line(funds, AccountName(BANK, HOUSE, refund.currency), refund.amount)
    entry = Entry(f"rfd:{refund.id}", "refund", refund.owner_ref, approved_by, (line,))
    entry_id = ledger.post(db, [entry]).ids[entry.key]
    now = clock.now(db)
    refund.state, refund.decided_by, refund.decided_at = RefundState.APPROVED, approved_by, now
    refund.entry_id = entry_id
    db.flush()
    return refund


def refuse(db: Session, refund_id: str, *, reason: str, refused_by: str) -> Refund:
    """Drop a refund that was asked for; nothing moves."""
    refund, now = _lock(db, refund_id), clock.now(db)
    refund.state, refund.decided_by, refund.decided_at = RefundState.REFUSED, refused_by, now
    refund.reason = reason
    db.flush()
    return refund


def _lock(db: Session, refund_id: str) -> Refund:
    refund = db.get(Refund, refund_id, with_for_update={"of": Refund}, populate_existing=True)
    if refund is None:
        raise NoSuchRefund("There is no such refund.")
    if refund.state != RefundState.PROPOSED:
        raise RefundDecided(f"This refund is {refund.state}.")
    return refund


def listed(*, owner_ref: str | None = None, state: str | None = None) -> Select[Refund]:
    """All refunds, or an owner's, or those in a state."""
    rows = select(Refund)
    if owner_ref is not None:
        rows = rows.where(Refund.owner_ref == owner_ref)
    return rows if state is None else rows.where(Refund.state == state)

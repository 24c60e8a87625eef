"""Refunds: an owner's free money, back to where it came from; proposed by one person, approved by another.

Nothing is posted before it is approved. A refund is of one top-up: no more goes back than came in by it, and none of
what an owner only has on credit.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, Invalid, NotFound
from payments import four_eyes, ledger, money
from payments.ledger import BANK, FUNDS, HOUSE, RECEIVABLE_REQUESTER, AccountName, Entry, InsufficientFunds, Line
from payments.models import Currency, Refund, RefundState


class NoSuchRefund(NotFound):
    """There is no such refund."""


class TopUpUnknown(Invalid):
    """No money came in for this owner under this reference."""


class RefundTooMuch(Conflict):
    """No more goes back than came in."""


class RefundDecided(Conflict):
    """The refund was approved or refused already."""


@dataclass(frozen=True, slots=True)
class Source:
    """A top-up as a refund sees it: its entry, and what of it nobody has asked back yet, in ledger units."""

    entry_id: str
    left: int


_SOURCE = text("""
    SELECT e.id,
           sum(l.amount) - coalesce((SELECT sum(r.amount) FROM refunds r
                                      WHERE r.top_up_id = e.id AND r.state <> 'refused'), 0) AS rest
      FROM journal_entries e JOIN journal_lines l ON l.entry_id = e.id
     WHERE e.idempotency_key = :key AND e.kind = 'top_up' AND e.cause_ref = :owner_ref AND l.currency = :currency
     GROUP BY e.id
""")
# Whoever spends of these funds waits, so that what is looked at stays true until it is posted.
_LOCK_FUNDS = text("""
    SELECT b.credits - b.debits FROM accounts a JOIN balances b ON b.account_id = a.id
     WHERE a.role = 'funds' AND a.owner_ref = :owner_ref AND a.currency = :currency FOR UPDATE OF b
""")


def propose(
    db: Session, *, owner_ref: str, currency: Currency, amount: int, bank_reference: str, requested_by: str
) -> Refund:
    """Ask for so much of a top-up, by its bank reference, to go back; for another person to approve.

    amount : ledger units that a bank can pay. Raises `RefundTooMuch`, `InsufficientFunds`.
    """
    if amount % 10 ** (currency.ledger_exponent - currency.iso_exponent):
        wrong = {"pointer": "/amount", "reason": f"Has more than {currency.iso_exponent} decimals."}
        raise money.AmountInvalid(f"A bank pays {currency.code} no finer than that.", errors=[wrong])
    where = {"owner_ref": owner_ref, "currency": currency.code}
    free = db.scalar(_LOCK_FUNDS, where)
    source = _source(db, key=f"fund:{bank_reference}", **where)
    if amount > source.left:
        left = money.format_amount(source.left, currency.ledger_exponent)
        raise RefundTooMuch(f"Of this top-up {left} {currency.code} can still go back.")
    _refuse_spent(db, free, amount, **where)
    refund = Refund(
        id=ids.new("rfd"), owner_ref=owner_ref, top_up_id=source.entry_id, currency=currency.code, amount=amount,
        requested_by=requested_by,
    )  # fmt: skip
    db.add(refund)
    db.flush()
    db.refresh(refund)
    return refund


def _source(db: Session, *, key: str, owner_ref: str, currency: str) -> Source:
    row = db.execute(_SOURCE, {"key": key, "owner_ref": owner_ref, "currency": currency}).one_or_none()
    if row is None:
        wrong = {"pointer": "/bank_reference", "reason": "Is of no such top-up."}
        raise TopUpUnknown("Give the reference under which this owner's money came, and its currency.", errors=[wrong])
    return Source(row.id, int(row.rest))


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

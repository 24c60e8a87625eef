"""What payments keeps of a person: all of it for themselves, and what of it goes when they are to be forgotten.

The books stay whole: payouts say whom they were for as long as finance has to be able to tell.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import clock, proofs
from foundation.db import patience
from payments import contacts, methods, money, payees
from payments.models import MethodStatus, Payee, PayoutMethod

_AT_ONCE = 1000
ERASED = "Erased"
# What is told of each. Whose it is, is said where it is read.
_SECTIONS = {
    "contacts": "SELECT r.id, r.masked, r.created_at, r.proved_at, r.retired_at FROM payee_contacts r",
    "payout_methods": """
        SELECT r.id, r.rail, r.kind, r.masked, r.status, r.created_at, r.retired_at FROM payout_methods r""",
    "earnings": """
        SELECT r.id, r.kind, r.answer_ref, r.currency, r.amount, r.paid, r.withheld, r.status, r.created_at, r.due_at,
               c.ledger_exponent AS exponent
          FROM earnings r JOIN currencies c ON c.code = r.currency""",
    "payouts": """
        SELECT r.id, r.currency, r.withheld, r.net, r.state, r.reason, r.created_at, r.ended_at,
               c.ledger_exponent AS exponent
          FROM (SELECT * FROM payouts WHERE state NOT IN ('prepared', 'dropped')) r
          JOIN currencies c ON c.code = r.currency""",
}
_AMOUNTS = ("amount", "paid", "withheld", "net")
# Whatever is on its way to somebody, or will be.
_OWED = text("""
    SELECT EXISTS (SELECT FROM earnings WHERE payee_id = :payee_id AND status IN ('pending', 'due') AND amount > paid)
        OR EXISTS (SELECT FROM payouts WHERE payee_id = :payee_id AND state IN ('prepared', 'exported'))
""")
_FORGET_CONTACTS = text("DELETE FROM payee_contacts WHERE payee_id = :payee_id RETURNING id")
_FORGET_MAILS = text("""
    UPDATE mails SET address = NULL, body = NULL, masked = '***',
           state = CASE state WHEN 'waiting' THEN 'given_up' ELSE state END, ended_at = coalesce(ended_at, now())
     WHERE about = ANY(:about)
""")


def sections(db: Session, payee_id: str) -> Iterator[tuple[str, Iterator[Mapping[str, Any]]]]:
    """All that is kept about a payee, section by section; each has to be read before the next one."""
    for name, sql in _SECTIONS.items():
        yield name, _rows(db, sql, payee_id)


def _rows(db: Session, sql: str, payee_id: str) -> Iterator[Mapping[str, Any]]:
    theirs = text(f"{sql} WHERE r.payee_id = :payee_id ORDER BY r.id")
    found = db.execute(theirs, {"payee_id": payee_id}, execution_options={"yield_per": _AT_ONCE})
    for row in found.mappings():
        told = dict(row)
        exponent = told.pop("exponent", 0)
        yield {n: money.format_amount(v, exponent) if n in _AMOUNTS else v for n, v in told.items()}


def is_owed(db: Session, payee_id: str) -> bool:
    """Whether anything is still to come to a payee, so that they must be reached."""
    return bool(db.scalar(_OWED, {"payee_id": payee_id}))


def erase(db: Session, payee_id: str) -> Payee:
    """Forget who a payee is: name, contacts, where they were written to. What was earned and paid stays."""
    payees.lock(db, [payee_id])
    payee = payees.find(db, payee_id)
    payee.name = ERASED
    if (method := methods.active(db, payee_id)) is not None:
        method.status, method.retired_at = MethodStatus.RETIRED, clock.now(db)
    gone = list(db.scalars(_FORGET_CONTACTS, {"payee_id": payee_id}))
    for contact_id in gone:
        proofs.end(db, purpose=contacts.PURPOSE, subject=contact_id)
    changed = db.scalars(select(PayoutMethod.id).where(PayoutMethod.payee_id == payee_id))
    forget_mails(db, [*gone, *changed])
    db.flush()
    return payee


def forget_mails(db: Session, about: list[str]) -> None:
    """Erase the letters that tell of these, whether they have left or not."""
    # Nobody looks mails up by what they are about but this, and seldom: all of them are gone through.
    with patience(db):
        db.execute(_FORGET_MAILS, {"about": about})

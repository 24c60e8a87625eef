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
    "kyc": "SELECT r.created_at, r.state, r.expires_on FROM kyc_records r",
    "contacts": "SELECT r.id, r.masked, r.created_at, r.proved_at, r.retired_at FROM payee_contacts r",
    "payout_methods": """
        SELECT r.id, r.rail, r.kind, r.masked, r.status, r.created_at, r.retired_at FROM payout_methods r""",
    "earnings": """
        SELECT r.id, r.kind, r.answer_ref, r.currency, r.amount, r.paid, r.withheld, r.status, r.created_at, r.due_at,
               c.ledger_exponent AS exponent
          FROM earnings r JOIN currencies c ON c.code = r.currency""",
    "working_time": "SELECT r.answer_ref, r.milliseconds, r.worked_on FROM active_time r",
    "adjustments": """
        SELECT a.id, a.earning_id, a.kind, r.currency, a.amount_before AS before, a.amount_after AS after, a.reason,
               a.created_at, c.ledger_exponent AS exponent
          FROM adjustments a JOIN earnings r ON r.id = a.earning_id JOIN currencies c ON c.code = r.currency""",
    "holds": "SELECT r.id, r.earning_id, r.reason, r.until, r.created_at, r.ended_at FROM holds r",
    # What nobody has confirmed is nothing yet.
    "clawbacks": """
        SELECT r.decided_at, r.earning_id, r.currency, r.amount, r.recovered, r.written_off, r.state,
               c.ledger_exponent AS exponent
          FROM (SELECT * FROM clawbacks WHERE entry_id IS NOT NULL) r JOIN currencies c ON c.code = r.currency""",
    "payouts": """
        SELECT r.id, r.earned_currency, r.gross, r.currency, r.fee, r.withheld, r.net, r.state, r.reason, r.created_at,
               r.ended_at, c.ledger_exponent AS exponent, e.ledger_exponent AS earned_exponent
          FROM (SELECT * FROM payouts WHERE state NOT IN ('prepared', 'dropped')) r
          JOIN currencies c ON c.code = r.currency JOIN currencies e ON e.code = r.earned_currency""",
    "unclaimed": """
        SELECT r.id, r.payout_id, r.currency, r.amount, r.state, r.decided_at, r.claimed_at,
               c.ledger_exponent AS exponent
          FROM (SELECT * FROM unclaimed WHERE state IN ('kept', 'claimed')) r
          JOIN currencies c ON c.code = r.currency""",
    "withholdings": """
        SELECT w.payout_id, w.authority, r.currency, w.base, w.amount, r.state, w.created_at,
               c.ledger_exponent AS exponent
          FROM withholdings w JOIN payouts r ON r.id = w.payout_id AND r.state NOT IN ('prepared', 'dropped')
          JOIN currencies c ON c.code = r.currency""",
    "accrued_taxes": """
        SELECT r.id, r.earning_id, r.authority, e.currency, r.base, r.amount, r.counts, r.created_at,
               c.ledger_exponent AS exponent
          FROM (SELECT * FROM accrued_taxes WHERE amount > 0) r
          JOIN earnings e ON e.id = r.earning_id JOIN currencies c ON c.code = e.currency""",
    "tax_documents": """
        SELECT r.id, r.document, r.valid_from, r.valid_to, r.created_at
          FROM (SELECT * FROM tax_documents WHERE confirmed_by IS NOT NULL) r""",
}
_AMOUNTS = frozenset(
    {"amount", "paid", "withheld", "net", "fee", "base", "before", "after", "recovered", "written_off"}
)
# Whatever is on its way to somebody, or will be.
_OWED = text("""
    SELECT EXISTS (SELECT FROM earnings WHERE payee_id = :payee_id AND status IN ('pending', 'due') AND amount > paid)
        OR EXISTS (SELECT FROM payouts WHERE payee_id = :payee_id AND state IN ('prepared', 'exported'))
""")
# A destination that nothing was ever paid to tells nobody anything that they have to know.
_FORGET_DESTINATIONS = text("""
    DELETE FROM payout_methods m WHERE m.payee_id = :payee_id
       AND NOT EXISTS (SELECT FROM payouts p WHERE p.payee_id = m.payee_id AND p.method_id = m.id)
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
    theirs = text(f"{sql} WHERE r.payee_id = :payee_id ORDER BY 1")
    found = db.execute(theirs, {"payee_id": payee_id}, execution_options={"yield_per": _AT_ONCE})
    for row in found.mappings():
        yield written(row)


def written(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row with its amounts as they are told, by the exponents that stand beside them."""
    told = dict(row)
    exponents: dict[str, Any] = dict.fromkeys(_AMOUNTS, told.pop("exponent", None))
    exponents["gross"] = told.pop("earned_exponent", None)
    for name in exponents.keys() & told.keys():
        told[name] = None if told[name] is None else money.format_amount(told[name], exponents[name])
    return told


def is_owed(db: Session, payee_id: str) -> bool:
    """Whether anything is still to come to a payee, so that they must be reached."""
    return bool(db.scalar(_OWED, {"payee_id": payee_id}))


def erase(db: Session, payee_id: str) -> Payee:
    """Forget who a payee is: name, contacts, where they were written to and would have been paid.

    What was earned and paid stays, and with it where it was paid to.
    """
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
    db.execute(_FORGET_DESTINATIONS, {"payee_id": payee_id})
    return payee


def forget_mails(db: Session, about: list[str]) -> None:
    """Erase the letters that tell of these, whether they have left or not."""
    # Nobody looks mails up by what they are about but this, and seldom: all of them are gone through.
    with patience(db):
        db.execute(_FORGET_MAILS, {"about": about})

"""Remittances: what was withheld, on its way to the authority; entered by one person, confirmed by another."""

from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, NotFound
from payments import four_eyes, ledger, money, snapshots
from payments.four_eyes import AlreadyConfirmed
from payments.ledger import BANK, HOUSE, WITHHELD, AccountName, Entry, Line
from payments.models import Currency, Remittance


class NoSuchRemittance(NotFound):
    """There is no such remittance."""


class RemittanceTooFine(Conflict):
    """No bank can pay an amount like this to an authority."""


class RemittanceTooMuch(Conflict):
    """No more is sent to an authority than was withheld for it."""


class FilingRemitted(Conflict):
    """Something was sent for this filing already."""


_HOLD = text("SELECT pg_advisory_xact_lock(hashtextextended('remittances:' || :authority, 0))")


def enter(db: Session, *, authority: str, currency: Currency, amount: int, filing: str, entered_by: str) -> Remittance:
    """Say what an authority is to be sent for one filing; for another person to confirm. Nothing is posted before.

    amount : ledger units that a bank can pay. filing : the authority's own reference, once for each of them.
    """
    if amount % 10 ** (currency.ledger_exponent - currency.iso_exponent):
        raise RemittanceTooFine(f"A bank pays {currency.code} with at most {currency.iso_exponent} decimals.")
    db.execute(_HOLD, {"authority": authority})
    if db.scalar(select(Remittance.id).filter_by(authority=authority, filing=filing)) is not None:
        raise FilingRemitted("Give another filing's reference, or confirm what was entered for this one.")
    _refuse_more(db, authority, currency, amount)
    made = Remittance(
        id=ids.new("rmt"), authority=authority, currency=currency.code, amount=amount, filing=filing,
        entered_by=entered_by,
    )  # fmt: skip
    db.add(made)
    db.flush()
    db.refresh(made)
    return made


def confirm(db: Session, remittance_id: str, *, confirmed_by: str) -> Remittance:
    """Send it, by another person than who entered it: from here on the bank is to pay it."""
    found = db.get(Remittance, remittance_id)
    if found is None:
        raise NoSuchRemittance("There is no such remittance.")
    db.execute(_HOLD, {"authority": found.authority})
    db.refresh(found)
    if found.confirmed_by is not None:
        raise AlreadyConfirmed("This remittance is confirmed already.")
    four_eyes.other_person(found.entered_by, confirmed_by)
    currency = db.get_one(Currency, found.currency)
    _refuse_more(db, found.authority, currency, found.amount)
    withheld, bank = AccountName(WITHHELD, found.authority, found.currency), AccountName(BANK, HOUSE, found.currency)
    entry = Entry(f"rmt:{found.id}", "remittance", found.id, confirmed_by, (Line(withheld, bank, found.amount),))
    entry_id, now = ledger.post(db, [entry]).ids[entry.key], clock.now(db)
    found.entry_id, found.confirmed_by, found.confirmed_at = entry_id, confirmed_by, now
    db.flush()
    return found


def _refuse_more(db: Session, authority: str, currency: Currency, amount: int) -> None:
    held = -ledger.debit_balance(db, WITHHELD, authority, currency.code)
    if amount > held:
        left = money.format_amount(max(held, 0), currency.ledger_exponent)
        raise RemittanceTooMuch(f"{left} {currency.code} are withheld for {authority} and not sent yet.")


def listed(*, authority: str | None = None) -> Select[Remittance]:
    """All remittances, or those to one authority."""
    rows = select(Remittance)
    return rows if authority is None else rows.where(Remittance.authority == authority)


_DUE = text(f"""
    SELECT a.owner_ref AS authority, a.currency, c.ledger_exponent AS exponent, b.credits - b.debits AS amount
      FROM accounts a JOIN currencies c ON c.code = a.currency
     CROSS JOIN LATERAL {snapshots.until_now(account="a.id")} AS b
     WHERE a.role = 'withheld' AND b.credits <> b.debits ORDER BY 1, 2
""")


def due(db: Session) -> list[Any]:
    """What is withheld and not sent, by authority and currency. Below zero where a payout came back after it was."""
    return list(db.execute(_DUE))

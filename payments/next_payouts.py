"""What the next run would pay a payee if it were prepared now, and what of their due pay waits, why and until when.

It is decided as runs decide it (`preparing.py`), and nothing is written or locked. What the house has to do first is
one reason for payees, whatever it is: nobody is told that a list names them, or that somebody looks into it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock
from payments import clawbacks, clearance, fx, methods, preparing, rails, withholding
from payments.fx import FxRateMissing, RateStale
from payments.models import Currency, Payee, PayoutMethod
from payments.preparing import COOLING, HELD, NO_METHOD, TOO_LITTLE, Decided, Rate, Standing
from payments.rails import Rail
from payments.withholding import Taxpayer

# What the house has to do before it can pay: enter a rate or a rule, or finish what it looks into.
NOT_READY = "not_ready"
_TOLD = {NO_METHOD, clearance.KYC, COOLING, HELD, TOO_LITTLE}


@dataclass(frozen=True, slots=True)
class Wait:
    """What of somebody's due pay waits, in ledger units of the currency it was earned in. until : or nobody knows."""

    reason: str
    amount: int
    exponent: int
    until: datetime | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class NextPayout:
    """What comes of the pay that somebody earned in one currency.

    due, gross and netted are in that currency, withheld and net in the one that is paid: due = gross + netted + all
    that waits + what is too little for the rail to move. netted : what goes to debts.
    """

    earned_currency: str
    earned_exponent: int
    due: int
    rail: str | None = None
    currency: str | None = None
    exponent: int = 0
    gross: int = 0
    netted: int = 0
    withheld: int = 0
    net: int = 0
    waiting: list[Wait] = field(default_factory=list)


_CURRENCIES = text("""
    SELECT DISTINCT e.currency FROM earnings e WHERE e.payee_id = :payee_id AND e.status = 'due' ORDER BY 1
""")
# Of several holds the one that ends last, and one without a date after all others.
_HOLDS = text("""
    SELECT DISTINCT ON (e.currency) e.currency, h.until, h.reason
      FROM holds h JOIN earnings e ON e.payee_id = h.payee_id AND (h.earning_id IS NULL OR h.earning_id = e.id)
     WHERE h.payee_id = :payee_id AND e.status = 'due' AND h.ended_at IS NULL AND (h.until IS NULL OR h.until > now())
     ORDER BY e.currency, h.until DESC NULLS FIRST, h.id DESC
""")


def foresee(db: Session, payee: Payee) -> list[NextPayout]:
    """What would be paid of what is due to a payee now, by the currency it was earned in; what is in a run is not."""
    earned, method = db.scalars(_CURRENCIES, {"payee_id": payee.id}).all(), methods.active(db, payee.id)
    held = {row.currency: row for row in db.execute(_HOLDS, {"payee_id": payee.id})}
    if method is None:
        rows = [row for currency in earned for row in _owed(db, payee, rail="", currency=currency)]
        return [_told(db, row, _kept(row), None, held.get(row.currency)) for row in rows]
    rail = rails.find(method.rail)
    owed = _owed(db, payee, rail=rail.name, currency=rail.currency)
    standings = _standings(db, payee, rail, owed)
    return [
        _told(
            db,
            row,
            preparing.decide(row, rail, _rate(db, row.currency, rail), standings[row.currency]),
            method,
            held.get(row.currency),
        )
        for row in owed
    ]


def _owed(db: Session, payee: Payee, *, rail: str, currency: str) -> Sequence[Any]:
    return preparing.owed(db, [payee.id], rail=rail, currency=currency, cut_off=clock.now(db))


def _kept(row: Any) -> Decided:
    """What comes of the pay of somebody who has not said where it should go: nothing is paid."""
    waiting = {HELD: int(row.held), NO_METHOD: sum(int(rest) for rest in row.rests or ())}
    return Decided(reasons={reason: amount for reason, amount in waiting.items() if amount})


def _standings(db: Session, payee: Payee, rail: Rail, owed: Sequence[Any]) -> dict[str, Standing]:
    """How a payee stands, by the currency they earned in: with one account for all, as in a run."""
    bar, debts = clearance.bar(db, payee.id), clawbacks.debts(db, [payee.id])
    spared = clawbacks.spared(db, [name for row in owed if debts for name in row.earnings or ()])
    taxpayer, paid, now = Taxpayer(payee.id, payee.country), db.get_one(Currency, rail.currency), clock.now(db)
    account = withholding.accounts(db, [taxpayer], paid, at=now)[payee.id]
    keys = [(payee.id, row.currency) for row in owed]
    return {key[1]: Standing(bar or account, debts.get(key, ()), spared.get(key, 0)) for key in keys}


def _rate(db: Session, earned: str, rail: Rail) -> Rate | None:
    """What a run would pay by, or none where it could not begin without one."""
    paid_exponent = db.get_one(Currency, rail.currency).ledger_exponent
    if earned == rail.currency:
        return Rate(None, 1, 1, paid_exponent, paid_exponent)
    try:
        rate = fx.in_force(db, earned, rail.currency)
    except (FxRateMissing, RateStale):
        return None
    earned_exponent = db.get_one(Currency, earned).ledger_exponent
    return Rate(rate.id, rate.numerator, rate.denominator, earned_exponent, paid_exponent)


def _told(db: Session, row: Any, decided: Decided, method: PayoutMethod | None, hold: Any) -> NextPayout:
    exponent = db.get_one(Currency, row.currency).ledger_exponent
    untils = {HELD: hold.until if hold else None, COOLING: method.cooling_until if method else None}
    waiting = []
    for reason, amount in decided.reasons.items():
        told = reason if reason in _TOLD else NOT_READY
        note = hold.reason if hold and told == HELD else None
        waiting.append(Wait(told, amount, exponent, untils.get(told), note))
    due = int(row.held) + sum(int(rest) for rest in row.rests or ())
    if method is None:
        return NextPayout(row.currency, exponent, due, waiting=waiting)
    paid = db.get_one(Currency, rails.find(method.rail).currency)
    return NextPayout(
        earned_currency=row.currency,
        earned_exponent=exponent,
        due=due,
        rail=method.rail,
        currency=paid.code,
        exponent=paid.ledger_exponent,
        gross=sum(part.gross for part in decided.parts),
        netted=sum(each.amount for each in decided.netted),
        withheld=sum(part.base - part.net for part in decided.parts),
        net=sum(part.net for part in decided.parts),
        waiting=waiting,
    )

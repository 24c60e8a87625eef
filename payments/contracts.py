"""Contracts and credit limits: on what terms an owner is served, and how much they may owe. Each takes two people."""

from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, Invalid, NotFound
from payments import four_eyes, ledger, money
from payments.funding import FEE_BASIS_POINTS, OwnerUnknown
from payments.ledger import FUNDS, RECEIVABLE_REQUESTER, AccountName, Entry, Line
from payments.models import Billing, Contract, CreditLimit, Currency, Owner, Presentation

# What is agreed for later is for the next year at most, and for earlier since the last one.
DAYS_MAX = 366


class ContractMissing(Conflict):
    """No contract with this owner is in force."""


class NotPostpaid(Conflict):
    """This owner pays beforehand."""


class CreditExceeded(Conflict):
    """The owner may not owe that much."""


class DateTooFar(Invalid):
    """The date is too far away."""


class AlreadyInForce(Conflict):
    """Another person has confirmed this already."""


def propose(
    db: Session,
    *,
    owner_ref: str,
    entity: str,
    presentation: Presentation,
    billing: Billing,
    valid_from: datetime,
    made_by: str,
    fee_basis_points: int = FEE_BASIS_POINTS,
    contingency_basis_points: int = 0,
) -> Contract:
    """New terms for an owner, from a date on; for another person to confirm.

    What was reserved before keeps the fee that it was reserved with. contingency_basis_points : what is set aside for
    lifting pay to the floor, as a share of each reserve.
    """
    _check(db, owner_ref, valid_from)
    contract = Contract(
        id=ids.new("ctr"), owner_ref=owner_ref, entity=entity, presentation=presentation, billing=billing,
        valid_from=valid_from, made_by=made_by, fee_basis_points=fee_basis_points,
        contingency_basis_points=contingency_basis_points,
    )  # fmt: skip
    db.add(contract)
    db.flush()
    return contract


def propose_limit(
    db: Session, *, owner_ref: str, currency: Currency, amount: int, valid_from: datetime, made_by: str
) -> CreditLimit:
    """How much an owner may owe from a date on, in ledger units; for another person to confirm."""
    _check(db, owner_ref, valid_from)
    limit = CreditLimit(
        id=ids.new("crl"), owner_ref=owner_ref, currency=currency.code, amount=amount, valid_from=valid_from,
        made_by=made_by,
    )  # fmt: skip
    db.add(limit)
    db.flush()
    db.refresh(limit)
    return limit


def _check(db: Session, owner_ref: str, valid_from: datetime) -> None:
    if db.get(Owner, owner_ref) is None:
        wrong = {"pointer": "/owner_ref", "reason": "Is nobody's."}
        raise OwnerUnknown("Nobody keeps money here under this name; look the requester up.", errors=[wrong])
    if abs(valid_from - clock.now(db)) > timedelta(days=DAYS_MAX):
        wrong = {"pointer": "/valid_from", "reason": "Is too far away."}
        raise DateTooFar(f"Give a date within {DAYS_MAX} days.", errors=[wrong])


def confirm(db: Session, contract_id: str, *, confirmed_by: str) -> Contract:
    """Let new terms hold, by another person than who wrote them."""
    return _confirm(db, db.get(Contract, contract_id, with_for_update=True, populate_existing=True), confirmed_by)


def confirm_limit(db: Session, limit_id: str, *, confirmed_by: str) -> CreditLimit:
    """Let a limit hold, by another person than who set it."""
    found = db.get(CreditLimit, limit_id, with_for_update={"of": CreditLimit}, populate_existing=True)
    return _confirm(db, found, confirmed_by)


_Agreed = TypeVar("_Agreed", Contract, CreditLimit)


def _confirm(db: Session, agreed: _Agreed | None, confirmed_by: str) -> _Agreed:
    if agreed is None:
        raise NotFound("There is no such agreement.")
    if agreed.confirmed_by is not None:
        raise AlreadyInForce("Another person has confirmed this already.")
    four_eyes.other_person(agreed.made_by, confirmed_by)
    now = clock.now(db)
    agreed.confirmed_by, agreed.confirmed_at = confirmed_by, now
    db.flush()
    return agreed


def in_force(db: Session, owner_ref: str, at: datetime) -> Contract:
    """The terms that hold for an owner at a time. Raises `ContractMissing`."""
    known = select(Contract).where(Contract.owner_ref == owner_ref, Contract.confirmed_by.is_not(None))
    newest = known.where(Contract.valid_from <= at).order_by(Contract.valid_from.desc(), Contract.id.desc())
    found = db.scalars(newest.limit(1)).first()
    if found is None:
        raise ContractMissing("No contract with this owner is in force; have one confirmed first.")
    return found


def _limit(db: Session, owner_ref: str, currency: str, at: datetime) -> int:
    """How much an owner may owe at a time, in ledger units: nothing if nobody has said so."""
    known = select(CreditLimit.amount).where(
        CreditLimit.owner_ref == owner_ref, CreditLimit.currency == currency, CreditLimit.confirmed_by.is_not(None)
    )
    newest = known.where(CreditLimit.valid_from <= at).order_by(CreditLimit.valid_from.desc(), CreditLimit.id.desc())
    return db.scalar(newest.limit(1)) or 0


_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended(:owner_ref, 3))")


def hold_turn(db: Session, owner_ref: str) -> None:
    """Let those who change what an owner owes take turns, until the transaction ends."""
    db.execute(_TURN, {"owner_ref": owner_ref})


def draw(db: Session, *, owner_ref: str, currency: Currency, amount: int, key: str, actor_ref: str) -> str:
    """Let an owner spend on credit: so much becomes free to spend and is owed, once per key; returns the entry's id.

    amount : ledger units. Raises `NotPostpaid`, and `CreditExceeded` beyond the limit in force.
    """
    hold_turn(db, owner_ref)
    now = clock.now(db)
    if in_force(db, owner_ref, now).billing != Billing.POSTPAID:
        raise NotPostpaid("This owner's contract says that they pay beforehand.")
    receivable = AccountName(RECEIVABLE_REQUESTER, owner_ref, currency.code)
    line = Line(receivable, AccountName(FUNDS, owner_ref, currency.code), amount)
    entry = Entry(f"draw:{key}", "draw", owner_ref, actor_ref, (line,))
    posted = ledger.post(db, [entry])
    limit = _limit(db, owner_ref, currency.code, now)
    owed = ledger.debit_balance(db, RECEIVABLE_REQUESTER, owner_ref, currency.code)
    # What was drawn before stays, whatever the limit has become.
    if posted.fresh and owed > limit:
        left = money.format_amount(max(limit - owed + amount, 0), currency.ledger_exponent)
        raise CreditExceeded(f"Within the limit {left} {currency.code} can still be drawn.")
    return posted.ids[entry.key]


def listed(*, owner_ref: str | None = None) -> Select[Contract]:
    """All contracts, or an owner's."""
    rows = select(Contract)
    return rows if owner_ref is None else rows.where(Contract.owner_ref == owner_ref)


def limits(*, owner_ref: str | None = None) -> Select[CreditLimit]:
    """All credit limits, or an owner's."""
    rows = select(CreditLimit)
    return rows if owner_ref is None else rows.where(CreditLimit.owner_ref == owner_ref)

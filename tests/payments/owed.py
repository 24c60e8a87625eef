"""People who are owed something, for tests of payouts: due earnings and somewhere to pay them to."""

import base64
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from foundation import auth, clock, ids
from payments import (
    adjustments,
    destinations,
    earnings,
    funding,
    ledger,
    payees,
    paying_accounts,
    payouts,
    runs,
    sealing,
    taxes,
)
from payments.adjustments import Gift
from payments.earnings import Work
from payments.models import Earning, MethodStatus, Payee, PayoutMethod, PayoutRun, TaxRule
from payments.payouts import Outcome
from payments.taxes import Terms

KEYS = "test:" + base64.b64encode(b"k" * 32).decode()
OWNER, PREPARER, APPROVER = "req_owner", "wanjiru", "oscar"
# What each rail that pays from an account of the house's wants to know of it.
ACCOUNTS = {
    "sepa": {"name": "Rookery Labs", "iban": "DE89370400440532013000", "bic": "COBADEFF"},
    "ach": {"name": "Rookery Labs", "routing": "121000358", "company_id": "1234567890"},
    "imps": {"account": "5550001"},
    "wise": {"currency": "USD"},
}
_numbers = itertools.count(1)
# Where everybody is paid to over a rail that does not go by e-mail.
_TO = {
    "sepa": ("iban", {"iban": "DE89370400440532013000", "bic": "COBADEFF"}),
    "ach": ("ach", {"routing": "021000021", "account": "1234567", "account_type": "checking"}),
    "mpesa": ("wallet", {"wallet": "mpesa", "country": "KE", "msisdn": "0712345678"}),
    "instapay": ("local_bank", {"country": "PH", "bank_code": "BOPIPHMM", "account": "0012345678"}),
    "imps": ("local_bank", {"country": "IN", "bank_code": "HDFC0000001", "account": "50100012345678"}),
}


def payee(db: Session, *amounts: int, currency: str = "USD", rail: str | None = "paypal", cooling: int = 0) -> Payee:
    """Somebody who is owed so much, in ledger units, for one answer each.

    cooling : for so many hours more nothing is paid to their destination.
    """
    number = next(_numbers)
    made = payees.register(db, owner_ref=f"wrk_{number:04}", name=f"Person {number}", country="KE")
    owe(db, made, *amounts, currency=currency)
    if rail is not None:
        set_method(db, made, rail=rail, cooling=cooling)
    return made


def levy(db: Session, basis_points: int = 0, **terms: Any) -> TaxRule:
    """A tax on all pay in a country, in force already; of nothing, unless more is said, and then only once."""
    said = Terms(
        country="KE", kind="withholding", basis="payment", currency="USD", rounding="down", unit_exponent=2,
        valid_from=date(2020, 1, 1), authority="NONE", citation="Nothing is withheld.", basis_points=basis_points,
    )  # fmt: skip
    said = replace(said, **terms)
    known = db.scalar(select(TaxRule).where(TaxRule.country == said.country, TaxRule.authority == said.authority))
    if known is not None and not basis_points:
        return known
    entered = taxes.enter(db, said, entered_by="finance")
    return taxes.confirm(db, entered.id, auth.Actor("tok_a", "approver", "approver", frozenset({"approve"})))


def owe(db: Session, to: Payee, *amounts: int, currency: str = "USD", levied: bool = True) -> list[str]:
    """Owe somebody so much more; returns the answers it is for. levied : somebody has said what is taxed there."""
    if levied:
        levy(db, country=to.country)
    total = sum(funding.with_fee(amount) for amount in amounts)
    if not total:
        return []
    cause = f"bat_{next(_numbers)}"
    funding.register(db, OWNER)
    funding.top_up(db, owner_ref=OWNER, currency=currency, amount=total, bank_reference=cause, actor_ref="finance")
    funding.reserve(db, owner_ref=OWNER, cause_ref=cause, key=cause, currency=currency, amount=total)
    answers = [f"ans_{next(_numbers):06}" for _ in amounts]
    pairs = zip(answers, amounts, strict=True)
    earnings.pend(db, [Work(answer, to.id, cause, currency, amount) for answer, amount in pairs])
    earnings.accept(db, answers)
    return answers


def pay_in(db: Session, amount: int, currency: str = "USD") -> None:
    """Money of the owner that is free to spend."""
    funding.register(db, OWNER)
    reference = f"bank {next(_numbers)}"
    funding.top_up(db, owner_ref=OWNER, currency=currency, amount=amount, bank_reference=reference, actor_ref="finance")


def give_bonus(db: Session, *, owner_ref: str, actor_ref: str, **given: Any) -> Earning:
    """A bonus by a reference of its own."""
    return adjustments.give_bonus(db, _gift(**given), owner_ref=owner_ref, actor_ref=actor_ref)


def give_goodwill(db: Session, *, actor_ref: str, **given: Any) -> Earning:
    """Goodwill by a reference of its own."""
    return adjustments.give_goodwill(db, _gift(**given), actor_ref=actor_ref)


def _gift(**given: Any) -> Gift:
    return Gift(**{"reference": f"gift {next(_numbers)}", **given})


def retire(db: Session, of: Payee) -> None:
    """Pay somebody nowhere any more."""
    rows = update(PayoutMethod).where(PayoutMethod.payee_id == of.id, PayoutMethod.retired_at.is_(None))
    db.execute(rows.values(status=MethodStatus.RETIRED, retired_at=func.now()))


def set_method(
    db: Session, of: Payee, *, rail: str = "paypal", cooling: int = 0, set_by: str | None = None, mark: bytes = b""
) -> PayoutMethod:
    """A destination in place of the one there was, sealed if the session can. cooling : for so many hours more."""
    retire(db, of)
    keys = sealing.keys_of(db)
    kind, given = _TO.get(rail, ("email", {"email": f"{of.id}@example.com"}))
    to = destinations.parse(kind, given)
    made = PayoutMethod(
        id=ids.new("pym"), payee_id=of.id, rail=rail, kind=kind, masked=to.masked,
        sealed=sealing.seal(to, keys, owner=of.id) if keys else b"sealed",
        fingerprint=mark or of.id.encode(), account_fingerprint=mark or f"account of {of.id}".encode(),
        set_by=set_by or of.owner_ref,
        cooling_until=clock.now(db).replace(microsecond=0) + timedelta(hours=cooling),
    )  # fmt: skip
    db.add(made)
    db.flush()
    return made


def set_destination(db: Session, of: Payee, rail: str, kind: str, **given: str) -> PayoutMethod:
    """A real destination, sealed, that has cooled off."""
    db.info.setdefault("destination_keys", KEYS)
    retire(db, of)
    keys, destination = sealing.keys_of(db), destinations.parse(kind, given)
    key = sealing.fingerprint_key(keys)
    made = PayoutMethod(
        id=ids.new("pym"), payee_id=of.id, rail=rail, kind=kind, masked=destination.masked, set_by=of.owner_ref,
        sealed=sealing.seal(destination, keys, owner=of.id), fingerprint=destinations.fingerprint(destination, key),
        account_fingerprint=destinations.account_fingerprint(destination, key), cooling_until=clock.now(db),
    )  # fmt: skip
    db.add(made)
    db.flush()
    return made


def go_through(db: Session, run: PayoutRun) -> PayoutRun:
    """All steps of a run, up to where it waits for somebody."""
    for _ in runs.steps(db, run.id):
        pass
    db.refresh(run)
    return run


def settle(db: Session, run: PayoutRun) -> None:
    """The bank has booked all that was sent."""
    sent = payouts.listed(run_id=run.id, state="exported")
    payouts.settle(db, [Outcome(one.id) for one in db.scalars(sent)])
    db.refresh(run)


@contextmanager
def booked_on(day: date) -> Iterator[None]:
    """What is posted in here carries this date, as if the books had been written then; nobody can date them later."""
    usual = ledger._ENTRIES
    dated = str(usual).replace("CAST(now() AS date)", f"DATE '{day}'")
    ledger._ENTRIES = text(dated)
    try:
        yield
    finally:
        ledger._ENTRIES = usual


def pay_out(db: Session, *, prepared_by: str = PREPARER, approved_by: str = APPROVER) -> None:
    """All that is due leaves over PayPal, and the bank says that it has arrived."""
    run = go_through(db, runs.begin(db, rail="paypal", prepared_by=prepared_by))
    assert run.content_hash is not None
    runs.approve(db, run.id, content_hash=run.content_hash.hex(), approved_by=approved_by)
    go_through(db, runs.release(db, run.id, released_by=prepared_by))
    payouts.settle(db, [payouts.Outcome(payout.id) for payout in db.scalars(payouts.listed(run_id=run.id))])
    db.expire_all()


def paying_account(db: Session, rail: str = "sepa", **details: str) -> None:
    """An account that a rail pays from, entered and confirmed."""
    entered = paying_accounts.enter(db, rail=rail, details=details, entered_by=PREPARER)
    paying_accounts.confirm(db, entered.id, confirmed_by=APPROVER)


def bank_account(db: Session, account: str) -> None:
    """An account of the house's at a bank, of which statements are read, and that no file of payouts names."""
    paying_account(db, "paypal", account=account)


def sent(db: Session, rail: str = "paypal", *, prepared_by: str = PREPARER, approved_by: str = APPROVER) -> PayoutRun:
    """A run of all that is due over a rail, prepared, approved and gone."""
    run = go_through(db, runs.begin(db, rail=rail, prepared_by=prepared_by))
    assert run.content_hash is not None
    runs.approve(db, run.id, content_hash=run.content_hash.hex(), approved_by=approved_by)
    return go_through(db, runs.release(db, run.id, released_by=prepared_by))


def rests(db: Session, of: Payee) -> Sequence[int]:
    """What is unpaid of each of somebody's earnings, in ledger units, oldest first."""
    return list(db.scalars(text("SELECT amount - paid FROM earnings WHERE payee_id = :id ORDER BY id"), {"id": of.id}))

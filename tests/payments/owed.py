"""People who are owed something, for tests of payouts: due earnings and somewhere to pay them to."""

import itertools
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock, ids
from payments import earnings, funding, payees
from payments.earnings import Work
from payments.models import Payee, PayoutMethod, PayoutRun
from payments.runs import steps

OWNER, PREPARER, APPROVER = "req_owner", "wanjiru", "oscar"
_numbers = itertools.count(1)


def payee(db: Session, *amounts: int, currency: str = "USD", rail: str | None = "paypal", cooling: int = 0) -> Payee:
    """Somebody who is owed so much, in ledger units, for one answer each; with a destination that is this long new."""
    number = next(_numbers)
    made = payees.register(db, owner_ref=f"wrk_{number:04}", name=f"Person {number}", country="KE")
    owe(db, made, *amounts, currency=currency)
    if rail is not None:
        set_method(db, made, rail=rail, cooling=cooling)
    return made


def owe(db: Session, to: Payee, *amounts: int, currency: str = "USD") -> list[str]:
    """Owe somebody so much more; returns the answers it is for."""
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


def set_method(
    db: Session, of: Payee, *, rail: str = "paypal", cooling: int = 0, set_by: str | None = None, mark: bytes = b""
) -> PayoutMethod:
    """A destination in place of the one there was."""
    retire = text(
        "UPDATE payout_methods SET status = 'retired', retired_at = now() WHERE payee_id = :id AND retired_at IS NULL"
    )
    db.execute(retire, {"id": of.id})
    made = PayoutMethod(
        id=ids.new("pym"), payee_id=of.id, rail=rail, kind="email", sealed=b"sealed", masked="p***@example.com",
        fingerprint=mark or of.id.encode(), account_fingerprint=mark or of.id.encode(), set_by=set_by or of.owner_ref,
        cooling_until=clock.now(db).replace(microsecond=0) if not cooling else clock.now(db).replace(year=2200),
    )  # fmt: skip
    db.add(made)
    db.flush()
    return made


def go_through(db: Session, run: PayoutRun) -> PayoutRun:
    """All steps of a run, up to where it waits for somebody."""
    for _ in steps(db, run.id):
        pass
    db.refresh(run)
    return run


def rests(db: Session, of: Payee) -> Sequence[int]:
    """What is unpaid of each of somebody's earnings, in ledger units, oldest first."""
    return list(db.scalars(text("SELECT amount - paid FROM earnings WHERE payee_id = :id ORDER BY id"), {"id": of.id}))

"""What payouts find before a siege begins: payees who are owed money, people of finance with tokens, accounts, a rate.

Hundreds of payees are made through the product's own functions before anybody is at work; the siege makes their
destinations older than 72 hours, and lets what they are owed become due bit by bit, so that every run is long.
"""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import db
from payments import earnings, funding, methods, payees
from payments.earnings import Work
from tests.faults.arrival import issue
from tests.faults.bank import HOUSE_IBAN, Bank, Clearing, Provider
from tests.faults.crowd import Client, Worker
from tests.faults.house import House
from tests.faults.payroll import (
    CURRENCIES,
    Approver,
    Courier,
    Holder,
    Mover,
    Operator,
    PayJournal,
    Payroll,
    Preparer,
    Releaser,
    iban_of,
)
from tests.faults.scene import Scene

# For each rail: with both, every run looks at three thousands of payees and sends more than one.
_PAYEES = 1_050
DUE_EVERY_SECONDS = 15
_AT_ONCE = 1_000
_OWNER = "req_payday"
_PEOPLE = {
    "wanjiru": "finance",
    "amina": "finance",
    "noor": "finance",
    "lena": "finance",
    "femi": "finance",
    "oscar": "approver",
}
_SOON = text("""
    UPDATE earnings SET due_at = now() + make_interval(secs => :seconds) WHERE answer_ref LIKE :answers
""")
_COOLED = text("UPDATE payout_methods SET cooling_until = now()")


def prepare(house: House, scene: Scene, folder: Path, *, workers: Sequence[Worker], n_paydays: int) -> Payroll:
    """Everybody who pays and is paid; so many paydays come one after the other."""
    journal, rng = PayJournal(), scene.rng
    with ThreadPoolExecutor(2) as pool:
        tokens = dict(
            zip(_PEOPLE, pool.map(lambda person: issue(house, _PEOPLE[person], person), _PEOPLE), strict=True)
        )
    clients = {person: Client(person, house.doors, token, scene.crowd.journal) for person, token in tokens.items()}
    _enter_accounts(clients["wanjiru"], clients["oscar"])
    owed, paid_to, earned = _owe(house, rng, n_paydays)
    journal.destinations.update(paid_to)
    banks: dict[str, Bank] = {
        "sepa": Clearing(house, folder / "sepa", _fork(rng), fee=30),
        "paypal": Provider(house, folder / "paypal", _fork(rng)),
    }
    movers = [Client(one.client.name, house.doors, one.client.token, scene.crowd.journal) for one in workers]
    return Payroll(
        house,
        journal,
        preparers=[Preparer(clients[name], journal, _fork(rng)) for name in ("wanjiru", "amina")],
        approver=Approver(clients["oscar"], journal, _fork(rng)),
        releaser=Releaser(clients["noor"], journal, _fork(rng)),
        courier=Courier(clients["lena"], journal, _fork(rng), banks),
        holder=Holder(clients["femi"], journal, _fork(rng), owed),
        mover=Mover(movers[0], journal, _fork(rng), house, movers),
        operator=Operator(house, journal, _fork(rng)),
        banks=banks,
        earned=earned,
    )


def _fork(rng: random.Random) -> random.Random:
    """Chance of one's own, for each is in a thread of their own."""
    return random.Random(rng.random())


def _enter_accounts(finance: Client, approver: Client) -> None:
    """Where sepa pays from, and what a dollar is worth in euros."""
    details = {"name": "Besieged", "iban": HOUSE_IBAN, "bic": "COBADEFF"}
    account = finance.post("/api/paying-accounts", {"rail": "sepa", "details": details})
    approver.post(f"/api/paying-accounts/{account['id']}/confirmation")
    now = datetime.now(UTC)
    times = {"fetched_at": now.isoformat(), "valid_until": (now + timedelta(days=1)).isoformat()}
    rate = finance.post("/api/fx-rates", {"base": "USD", "quote": "EUR", "rate": "0.9137", "source": "siege", **times})
    approver.post(f"/api/fx-rates/{rate['id']}/confirmation")


def _owe(
    house: House, rng: random.Random, n_paydays: int
) -> tuple[list[tuple[str, str]], dict[str, str], dict[tuple[str, str], int]]:
    """Payees with the currency they are paid in, their destinations by method, and what they have earned."""
    keys = house.children("sweeper")[0].environ()["ROOKERY_DESTINATION_KEYS"]
    engine = db.make_engine(house.login.database_url, patient=True, pool_size=1)
    try:
        with db.sessions(engine, destination_keys=keys)() as opened:
            made, paid_to = _payees(opened)
            opened.commit()
            earned: dict[tuple[str, str], int] = {}
            for number in range(n_paydays):
                for payee_id, currency, amount in _earn(opened, made, rng, number):
                    earned[payee_id, currency] = earned.get((payee_id, currency), 0) + amount
                opened.commit()
    finally:
        engine.dispose()
    owner = db.make_engine(house.login.database_owner_url, patient=True, pool_size=1)
    with owner.begin() as connection:
        connection.execute(_COOLED)
        for number in range(n_paydays):
            connection.execute(_SOON, {"seconds": number * DUE_EVERY_SECONDS, "answers": f"payday {number} %"})
    owner.dispose()
    return made, paid_to, earned


def _payees(opened: Session) -> tuple[list[tuple[str, str]], dict[str, str]]:
    made, paid_to = [], {}
    for number in range(_PAYEES * len(CURRENCIES)):
        rail, currency = list(CURRENCIES.items())[number % len(CURRENCIES)]
        payee = payees.register(opened, owner_ref=f"payday {number}", name=f"Payee {number}", country="KE")
        text_, kind, to = _destination(rail, number)
        method = methods.choose(opened, payee.id, rail=rail, kind=kind, given=to, set_by=payee.owner_ref)
        made.append((payee.id, currency))
        paid_to[method.id] = text_
    return made, paid_to


def _destination(rail: str, number: int) -> tuple[str, str, dict[str, object]]:
    """As its bank reads it, and as it is given."""
    if rail == "sepa":
        return iban_of(number), "iban", {"iban": iban_of(number)}
    email = f"payee{number}@example.com"
    return email, "email", {"email": email}


def _earn(
    opened: Session, made: Sequence[tuple[str, str]], rng: random.Random, number: int
) -> Iterator[tuple[str, str, int]]:
    """What each earns by one payday: a euro or two with some dust, in ledger units."""
    for currency in CURRENCIES.values():
        theirs = [payee_id for payee_id, paid_in in made if paid_in == currency]
        amounts = [rng.randint(5_000, 25_000) for _ in theirs]
        cause = f"payday {number} {currency}"
        _fund(opened, cause, currency, sum(funding.with_fee(amount) for amount in amounts))
        work = [
            Work(f"payday {number} {payee_id}", payee_id, cause, currency, amount)
            for payee_id, amount in zip(theirs, amounts, strict=True)
        ]
        for first in range(0, len(work), _AT_ONCE):
            some = work[first : first + _AT_ONCE]
            earnings.pend(opened, some)
            earnings.accept(opened, [one.answer_ref for one in some])
        yield from ((one.payee_id, currency, one.amount) for one in work)


def _fund(opened: Session, cause: str, currency: str, amount: int) -> None:
    where: dict[str, Any] = {"owner_ref": _OWNER, "currency": currency, "amount": amount}
    funding.register(opened, _OWNER)
    funding.top_up(opened, **where, bank_reference=cause, actor_ref="siege")
    funding.reserve(opened, **where, cause_ref=cause, key=cause)

"""What payouts find before a siege begins: payees who are owed money, people of finance with tokens, accounts, a rate.

Hundreds of payees are made through the product's own functions before anybody is at work; the siege makes their
destinations older than 72 hours. They all earn something more from time to time, so that runs are long.
"""

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

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
_DUE_EVERY_SECONDS = 12
_OWNER = "req_payday"
_PEOPLE = {
    "wanjiru": "finance",
    "amina": "finance",
    "noor": "finance",
    "lena": "finance",
    "femi": "finance",
    "oscar": "approver",
}
_CAME = text("SELECT true FROM earnings WHERE answer_ref = :answer")


def prepare(house: House, scene: Scene, folder: Path, *, workers: Sequence[Worker]) -> Payroll:
    """Everybody who pays and is paid."""
    journal, rng = PayJournal(), scene.rng
    with ThreadPoolExecutor(2) as pool:
        tokens = dict(
            zip(_PEOPLE, pool.map(lambda person: issue(house, _PEOPLE[person], person), _PEOPLE), strict=True)
        )
    clients = {person: Client(person, house.doors, token, scene.crowd.journal) for person, token in tokens.items()}
    _enter_accounts(clients["wanjiru"], clients["oscar"])
    keys = house.children("sweeper")[0].environ()["ROOKERY_DESTINATION_KEYS"]
    engine = db.make_engine(house.login.database_url, patient=True, pool_size=1)
    sessions = db.sessions(engine, destination_keys=keys)
    owed, paid_to = _take_in(house, sessions)
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
        calendar=Calendar(sessions, owed, rng.random()),
    )


def _fork(rng: random.Random) -> random.Random:
    """Chance of one's own, for each is in a thread of their own."""
    return random.Random(rng.random())


def _enter_accounts(finance: Client, approver: Client) -> None:
    """Where sepa pays from, what is taken of pay, and what a dollar is worth in euros."""
    details = {"name": "Besieged", "iban": HOUSE_IBAN, "bic": "COBADEFF"}
    account = finance.post("/api/paying-accounts", {"rail": "sepa", "details": details})
    approver.post(f"/api/paying-accounts/{account['id']}/confirmation")
    now = datetime.now(UTC)
    times = {"fetched_at": now.isoformat(), "valid_until": (now + timedelta(days=1)).isoformat()}
    # Whatever is taken would have to be told to those who count what everybody got.
    nothing = {"country": "KE", "kind": "withholding", "basis": "payment", "basis_points": 0, "currency": "KES",
               "rounding": "down", "unit_exponent": 0, "valid_from": "2020-01-01", "authority": "NONE",
               "citation": "siege"}  # fmt: skip
    rule = finance.post("/api/tax-rules", nothing)
    approver.post(f"/api/tax-rules/{rule['id']}/confirmation")
    rate = finance.post("/api/fx-rates", {"base": "USD", "quote": "EUR", "rate": "0.9137", "source": "siege", **times})
    approver.post(f"/api/fx-rates/{rate['id']}/confirmation")


def _take_in(house: House, sessions: sessionmaker[Session]) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Payees with the currency they are paid in, and their destinations by method, which have cooled off."""
    with sessions() as opened:
        made, paid_to = _payees(opened)
        opened.commit()
    house.ask("UPDATE payout_methods SET cooling_until = now()")
    return made, paid_to


@dataclass(slots=True)
class Calendar:
    """Every so often everybody has earned something more, by the function that settlements call."""

    sessions: sessionmaker[Session]
    payees: Sequence[tuple[str, str]]
    seed: float
    earned: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By payee and currency, in ledger units."""
    paydays: int = 0

    def work(self, done: threading.Event) -> None:
        while not done.is_set():
            with suppress(SQLAlchemyError):
                self.come()
            done.wait(_DUE_EVERY_SECONDS)

    def come(self) -> None:
        """The next payday, all of it or nothing; where nobody said whether it came, it may have."""
        rng = random.Random(f"{self.seed} {self.paydays}")
        with self.sessions() as opened:
            has_come = opened.scalar(_CAME, {"answer": _answer(self.paydays, self.payees[0][0])})
            earned = list(_earn(opened, self.payees, rng, self.paydays, posts=not has_come))
            opened.commit()
        for payee_id, currency, amount in earned:
            self.earned[payee_id, currency] += amount
        self.paydays += 1


def _answer(payday: int, payee_id: str) -> str:
    return f"payday {payday} {payee_id}"


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
    opened: Session, made: Sequence[tuple[str, str]], rng: random.Random, payday: int, *, posts: bool
) -> Iterator[tuple[str, str, int]]:
    """What each earns by one payday: a euro or two with some dust, in ledger units; posted if it is not yet."""
    for currency in CURRENCIES.values():
        theirs = [payee_id for payee_id, paid_in in made if paid_in == currency]
        cause = f"payday {payday} {currency}"
        work = [Work(_answer(payday, one), one, cause, currency, rng.randint(5_000, 25_000)) for one in theirs]
        if posts:
            _fund(opened, cause, currency, sum(funding.with_fee(one.amount) for one in work))
            earnings.pend(opened, work)
            earnings.accept(opened, [one.answer_ref for one in work])
        yield from ((one.payee_id, currency, one.amount) for one in work)


def _fund(opened: Session, cause: str, currency: str, amount: int) -> None:
    where: dict[str, Any] = {"owner_ref": _OWNER, "currency": currency, "amount": amount}
    funding.register(opened, _OWNER)
    funding.top_up(opened, **where, bank_reference=cause, actor_ref="siege")
    funding.reserve(opened, **where, cause_ref=cause, key=cause)

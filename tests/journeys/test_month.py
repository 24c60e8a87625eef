"""A month of finance over HTTP: three owners, 2,000 payees in eight countries, five rails, and a bank of its own.

What a person does goes over HTTP with that person's token. What stands for other packages - workforce's accepted
answers, and time - goes through payments' own functions, many at once, or moves rows, for the database has the clock.
"""

import itertools
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
import schwifty
from sqlalchemy import create_engine, insert, text
from sqlalchemy.orm import Session

from foundation import auth, clock, ids, jobs
from foundation import db as database
from payments import active_time, destinations, earnings, funding, methods, runs, sealing
from payments.active_time import Piece
from payments.earnings import Work
from payments.models import Payee, PayoutMethod
from tests.conftest import DESTINATION_KEYS, House
from tests.journeys import month_bank
from tests.journeys.month_bank import PAYPAL_FEE, Bank, BankRefuses, Booked, Order
from tests.journeys.test_first_journey import Party
from tests.payments import owed
from workforce.models import Worker, WorkerStatus

# How many payees, where they live, and which rail pays them.
CROWD = {
    "DE": (450, "sepa"), "FR": (400, "sepa"), "ES": (400, "sepa"), "US": (150, "ach"), "KE": (150, "mpesa"),
    "IN": (150, "imps"), "PH": (150, "paypal"), "VE": (150, "paypal"),
}  # fmt: skip
RAILS = ("sepa", "ach", "mpesa", "imps", "paypal")
PAID_IN = {"sepa": "EUR", "ach": "USD", "mpesa": "KES", "imps": "INR", "paypal": "USD"}
# What one unit that was earned is worth where it is paid, as finance enters it.
RATES = {("USD", "KES"): "129.25", ("USD", "INR"): "88.5", ("VES", "USD"): "0.0085"}
# Of pay in Kenya, in hundredths of a per cent.
TAX = 500
# What some in Venezuela have waited for since before October 2021, in ledger units of the bolívar of 2018: a million of
# them are one of today's, so that 500.0001000004 bolívars of today are owed to each.
WAITING = (5_000_000_000_001, 1_000_003)
IBAN = owed.ACCOUNTS["sepa"]["iban"]
# So many of each country say where their pay goes over HTTP; the others' words are written as a batch.
OVER_HTTP = 5
ANSWERS_EACH = 3
SCALE = Decimal("0.0001")


@dataclass
class Person:
    """Somebody who is paid: where they live, what their destination is, and how much they earned."""

    number: int
    country: str
    worker_id: str = field(default_factory=lambda: ids.new("wrk"))
    payee_id: str = field(default_factory=lambda: ids.new("pye"))
    secret: str = ""
    # Whoever moves to another bank counts on from here.
    moved: int = 0

    @property
    def rail(self) -> str:
        return CROWD[self.country][1]

    @property
    def currency(self) -> str:
        """In which they earn: every other Kenyan answers for the Institute, which pays in shillings."""
        if self.rail == "sepa":
            return "EUR"
        return "KES" if self.country == "KE" and self.number % 2 else "USD"

    @property
    def amounts(self) -> list[int]:
        """What their answers are worth, in ledger units: hundredths of a cent, or of a shilling's hundredth."""
        scale = 100 if self.currency == "KES" else 1
        return [scale * (6_000 + (self.number * 7919 + place * 104_729) % 9_973) for place in range(ANSWERS_EACH)]

    @property
    def method(self) -> dict[str, Any]:
        """Where their pay goes, as they would say it."""
        return {"rail": self.rail, **_destination(self.rail, self.country, self.number + self.moved)}

    @property
    def to(self) -> str:
        """The same, as a bank knows the account."""
        given = {name: str(value).replace(" ", "") for name, value in self.method["destination"].items()}
        if self.rail == "ach":
            return f"{given['routing']}/{given['account']}"
        if self.rail == "mpesa":
            return "254" + given["msisdn"].removeprefix("0")
        return next(iter(given.values()))


def _destination(rail: str, country: str, number: int) -> dict[str, Any]:
    if rail == "sepa":
        bank = {"DE": "37040044", "FR": "2004101005", "ES": "21000418"}[country]
        return {"kind": "iban", "destination": {"iban": str(schwifty.IBAN.generate(country, bank, f"{number:010}"))}}
    if rail == "ach":
        account = {"routing": "021000021", "account": f"{10_000_000 + number}", "account_type": "checking"}
        return {"kind": "ach", "destination": account}
    if rail == "mpesa":
        wallet = {"wallet": "mpesa", "country": "KE", "msisdn": f"0712 {100_000 + number}"}
        return {"kind": "wallet", "destination": wallet}
    if rail == "imps":
        return {"kind": "upi", "destination": {"upi": f"payee{number}@okaxis"}}
    return {"kind": "email", "destination": {"email": f"payee{number}@example.com"}}


class Month:
    """The house in the month before this one, with everybody who has a part in it."""

    def __init__(self, house: House) -> None:
        self.house, self.client, self.bank = house, house.app.test_client(), Bank()
        self.ops = self.party("ops", "olga")
        self.preparer, self.approver = self.party("finance", owed.PREPARER), self.party("approver", owed.APPROVER)
        self.auditor = self.party("auditor", "amina")
        # The preparer under a second role: the same person.
        self.preparer_again = self.party("approver", owed.PREPARER)
        with house.sessions() as db:
            today = clock.now(db).date()
        self.first = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
        numbers = itertools.count(1)
        self.people = [Person(next(numbers), country) for country, (many, _) in CROWD.items() for _ in range(many)]

    @property
    def name(self) -> str:
        return self.first.isoformat()[:7]

    def party(self, role: str, subject_id: str) -> Party:
        return Party(self.client, self.house.token(role, subject_id))

    def day(self, number: int) -> date:
        return self.first.replace(day=number)

    @contextmanager
    def on(self, number: int) -> Iterator[None]:
        """What is booked in here counts for a day of the month."""
        with owed.booked_on(self.day(number)):
            yield

    def of(self, rail: str) -> list[Person]:
        return [person for person in self.people if person.rail == rail]

    def as_payee(self, person: Person) -> Party:
        return Party(self.client, person.secret)

    def go_on(self) -> None:
        """What the jobs process does in moments: deliver events, and bring runs and weeks along."""
        self.house.settle()
        assert None not in jobs.work(self.house.background).values()

    def pass_time(self, table: str, column: str, **span: float) -> None:
        """Move moments of a table back, as only its owner can."""
        engine = create_engine(self.house.urls.owner)
        with engine.begin() as connection:
            seconds = timedelta(**span).total_seconds()
            connection.execute(
                text(f"UPDATE {table} SET {column} = {column} - make_interval(secs => :s)"), {"s": seconds}
            )
        engine.dispose()

    def tell(self, content: bytes, format_: str) -> dict[str, int]:
        """Give a file of a bank or provider to the house."""
        path = f"/api/bank-files?format={format_}"
        response = self.client.post(path, data=content, headers=self.preparer.header)
        assert response.status_code == 201, response.text
        outcome: dict[str, int] = response.get_json()["outcome"]
        return outcome

    def refused(self, party: Party, path: str, body: dict[str, Any] | None = None) -> str:
        """The type of problem that somebody is answered with."""
        response = self.client.post(path, json=body, headers=party.header)
        assert 400 <= response.status_code < 500, response.text
        return str(response.get_json()["type"]).removeprefix("/problems/")

    def refused_file(self, run: dict[str, Any]) -> str:
        response = self.client.get(f"/api/payout-runs/{run['id']}/file", headers=self.preparer.header)
        return str(response.get_json()["type"]).removeprefix("/problems/")

    def all_of(self, party: Party, path: str) -> list[dict[str, Any]]:
        """A long list, page by page."""
        items, sign = [], "&" if "?" in path else "?"
        page = party.get(f"{path}{sign}limit=200")
        items += page["items"]
        while page["next_cursor"]:
            page = party.get(f"{path}{sign}limit=200&cursor={page['next_cursor']}")
            items += page["items"]
        return items


# The month, step by step


def _owners_pay_in(month: Month) -> dict[str, str]:
    """Three requesters and their top-ups; returns who pays in which currency."""
    owners = {}
    for name, currency, amount in (
        ("Museum", "EUR", "8000"),
        ("Archive", "USD", "4000"),
        ("Institute", "KES", "60000"),
    ):
        owners[currency] = month.ops.send("/api/requesters", {"name": name})["requester"]["id"]
        top_up = {"owner_ref": owners[currency], "currency": currency, "amount": amount, "bank_reference": f"in {name}"}
        booked = month.preparer.send("/api/top-ups", top_up)
        assert month.preparer.send("/api/top-ups", top_up) == booked
        month.bank.take_in(Decimal(amount), currency)
    return owners


def _people_join(month: Month) -> None:
    """Everybody is an active worker with a payee and a token: what onboarding does, for all at once."""
    workers = [
        {"id": one.worker_id, "name": _name(one), "country": one.country, "status": WorkerStatus.ACTIVE,
         "payee_id": one.payee_id} for one in month.people
    ]  # fmt: skip
    payees = [
        {"id": one.payee_id, "owner_ref": one.worker_id, "name": _name(one), "country": one.country}
        for one in month.people
    ]
    tokens = []
    for one in month.people:
        one.secret = auth._new_secret()
        tokens.append(
            {"id": ids.new("tok"), "secret_hash": auth._hash(one.secret), "role": "worker", "subject_id": one.worker_id,
             "name": "", "scopes": ["work"]}
        )  # fmt: skip
    with month.house.sessions() as db:
        db.execute(insert(Payee), payees)
        db.execute(insert(Worker), workers)
        db.execute(insert(auth.Token), tokens)
        db.commit()


def _name(person: Person) -> str:
    return f"{('Ana', 'Ben', 'Cyn', 'Zoë')[person.number % 4]} {person.country} {person.number}"


def _answers_are_accepted(month: Month, owners: dict[str, str]) -> None:
    """Workforce's part: each owner's batch is reserved for, answered and settled, and the rest goes back."""
    with month.house.sessions() as db:
        for currency, owner_ref in owners.items():
            work = [
                Work(f"ans_{one.number:05}{place}", one.payee_id, f"bat_{currency}", currency, amount)
                for one in month.people if one.currency == currency for place, amount in enumerate(one.amounts)
            ]  # fmt: skip
            spent = sum(funding.with_fee(one.amount) for one in work)
            batch = f"bat_{currency}"
            funding.reserve(
                db, owner_ref=owner_ref, cause_ref=batch, key=batch, currency=currency, amount=spent + 120_000
            )
            earnings.pend(db, work)
            answers = [one.answer_ref for one in work]
            assert earnings.accept(db, answers, rests=[funding.Rest(batch, owner_ref, 120_000)]) == len(work)
        db.commit()
    # It was in the middle of the month.
    month.pass_time("earnings", "due_at", days=(datetime.now(UTC).date() - month.day(14)).days)


def _destinations_are_said(month: Month) -> None:
    """Some people say it over HTTP, in every kind; all others are written as their words would be."""
    seen = Counter[str]()
    kinds = set()
    rest = []
    for one in month.people:
        seen[one.country] += 1
        if seen[one.country] > OVER_HTTP:
            rest.append(one)
            continue
        chosen = month.as_payee(one).send("/api/me/payout-method", one.method, method="PUT", status=200)
        assert one.to not in str(chosen)
        kinds.add(chosen["kind"])
    assert kinds == {"iban", "ach", "wallet", "upi", "email"}
    with month.house.sessions() as db:
        db.execute(insert(PayoutMethod), list(_method_rows(db, rest)))
        db.commit()
    assert len(rest) == len(month.people) - 40


def _method_rows(db: Session, people: Sequence[Person]) -> Iterator[dict[str, Any]]:
    keys, until = sealing.keys_of(db), clock.now(db) + methods.COOLING
    key = sealing.fingerprint_key(keys)
    for one in people:
        to = destinations.parse(one.method["kind"], one.method["destination"])
        yield {
            "id": ids.new("pym"), "payee_id": one.payee_id, "rail": one.rail, "kind": to.kind, "masked": to.masked,
            "sealed": sealing.seal(to, keys, owner=one.payee_id), "fingerprint": destinations.fingerprint(to, key),
            "account_fingerprint": destinations.account_fingerprint(to, key), "set_by": one.worker_id,
            "cooling_until": until,
        }  # fmt: skip


def _slow_weeks_are_lifted_to_the_floor(month: Month) -> list[Person]:
    """Ten people took an hour for one of their answers; the house adds what the floor of their country asks for."""
    slow = [one for one in month.of("mpesa") if one.currency == "USD"][:10]
    submitted = datetime.combine(month.day(14), datetime.min.time(), UTC) + timedelta(hours=9)
    pieces = [
        Piece(f"ans_{one.number:05}{place}", one.payee_id, "bat_USD", "image", 0, "KE",
              submitted - timedelta(seconds=60 if place else 3_600), submitted)
        for one in slow for place in range(ANSWERS_EACH)
    ]  # fmt: skip
    with month.house.sessions() as db:
        active_time.record(db, pieces)
        db.commit()
    rule = {"region": "KE", "currency": "USD", "hourly": "5", "valid_from": f"{month.day(1)}", "citation": "an act"}
    rule_id = month.preparer.send("/api/floor-rules", rule)["id"]
    assert month.refused(month.preparer_again, f"/api/floor-rules/{rule_id}/confirmation") == "same-person"
    month.approver.send(f"/api/floor-rules/{rule_id}/confirmation", status=200)
    year, week, _ = month.day(14).isocalendar()
    month.preparer.send("/api/floor-weeks", {"week": f"{year}-W{week:02}"})
    month.go_on()
    # An hour and two minutes at five dollars an hour, rounded up.
    assert {_totals(month, one)["USD"]["due"] for one in slow} == {"5.1667"}
    return slow


def _totals(month: Month, person: Person) -> dict[str, dict[str, str]]:
    statement = month.as_payee(person).get("/api/me/statement")
    assert statement["payee_id"] == person.payee_id
    return {row["currency"]: row for row in statement["totals"]}


def _some_pay_is_put_right(month: Month) -> tuple[Person, Person]:
    """One earning is worth more than was booked, another nothing: the requester pays, and has money back."""
    better, worse = month.of("ach")[:2]
    raised, taken = (month.as_payee(one).get("/api/me/earnings")["items"][0] for one in (better, worse))
    path, body = f"/api/earnings/{raised['id']}/repair", {"amount": "2.5", "reason": "The picture was blurred."}
    seen = month.preparer.send(f"{path}/preview", {"amount": "2.5"}, status=200)
    assert month.preparer.send(path, body, status=200) == seen
    assert Decimal(seen["returned"]) < 0
    back = month.preparer.send("/api/reversals/preview", {"earning_ids": [taken["id"]]}, status=200)
    reversal = {"earning_ids": [taken["id"]], "reason": "It was a machine's."}
    assert month.preparer.send("/api/reversals", reversal, status=200) == back
    assert month.preparer.send("/api/reversals", reversal, status=200) == {"items": []}
    for one, earning, change in ((better, raised, "2.5"), (worse, taken, "0")):
        owed_before = sum(one.amounts) * SCALE
        assert Decimal(_totals(month, one)["USD"]["due"]) == owed_before - Decimal(earning["amount"]) + Decimal(change)
    return better, worse


def _accounts_and_rates_are_entered(month: Month) -> None:
    for rail in ("sepa", "ach", "imps"):
        made = month.preparer.send("/api/paying-accounts", {"rail": rail, "details": owed.ACCOUNTS[rail]})
        path = f"/api/paying-accounts/{made['id']}/confirmation"
        assert month.refused(month.preparer_again, path) == "same-person"
        month.approver.send(path, status=200)
    for (earned, paid), rate in RATES.items():
        _enter_rate(month, earned, paid, rate)
    # A digit too many waits for another person, who sees it; nobody is paid by it meanwhile.
    wild = _rate(month, "USD", "KES", "1292.5")
    assert wild["needs_confirmation"]
    assert month.refused(month.preparer_again, f"/api/fx-rates/{wild['id']}/confirmation") == "same-person"
    near = _rate(month, "USD", "KES", "129.25")
    assert not near["needs_confirmation"]


def _taxes_are_entered(month: Month) -> None:
    """Kenya takes a twentieth, to whole shillings; elsewhere somebody says that nothing is taken."""
    for country in CROWD:
        is_taxed = country == "KE"
        body = {"country": country, "kind": "withholding", "basis": "payment", "basis_points": TAX if is_taxed else 0,
                "currency": "KES", "rounding": "down", "unit_exponent": 0, "valid_from": "2020-01-01",
                "authority": "KRA" if is_taxed else "NONE", "citation": "an act"}  # fmt: skip
        path = f"/api/tax-rules/{month.preparer.send('/api/tax-rules', body)['id']}/confirmation"
        assert month.refused(month.preparer_again, path) == "same-person"
        month.approver.send(path, status=200)


def _rate(month: Month, base: str, quote: str, rate: str) -> Any:
    now = datetime.now(UTC)
    body = {"base": base, "quote": quote, "rate": rate, "source": "a central bank", "fetched_at": now.isoformat(),
            "valid_until": (now + timedelta(hours=12)).isoformat()}  # fmt: skip
    return month.preparer.send("/api/fx-rates", body)


def _enter_rate(month: Month, base: str, quote: str, rate: str) -> None:
    made = _rate(month, base, quote, rate)
    assert made["needs_confirmation"]
    month.approver.send(f"/api/fx-rates/{made['id']}/confirmation", status=200)


def _old_bolivars_were_never_paid(month: Month, owner_ref: str) -> list[Person]:
    """What workforce booked years ago: the Institute paid in old bolívars, and some have waited ever since."""
    waiting = [one for one in month.people if one.country == "VE"][:3]
    work = [
        Work(f"old_{one.number:05}{place}", one.payee_id, "bat_old", "VES.2018", amount)
        for one in waiting
        for place, amount in enumerate(WAITING)
    ]
    total = sum(funding.with_fee(one.amount) for one in work)
    money: dict[str, Any] = {"owner_ref": owner_ref, "currency": "VES.2018", "amount": total}
    with month.house.sessions() as db:
        funding.top_up(db, **money, bank_reference="old", actor_ref=owed.PREPARER)
        funding.reserve(db, **money, cause_ref="bat_old", key="bat_old")
        earnings.pend(db, work)
        earnings.accept(db, [one.answer_ref for one in work])
        db.commit()
    month.bank.take_in(Decimal(total) * SCALE, "VES.2018")
    return waiting


def _old_bolivars_become_new_ones(month: Month, waiting: list[Person]) -> None:
    """Nobody can be paid by a rate of a money that is over: what is owed goes on in the one that took its place."""
    assert month.refused(month.preparer, "/api/payout-runs", {"rail": "paypal"}) == "fx-rate-missing"
    body = {"currency": "VES.2018"}
    seen = month.approver.send("/api/redenominations/preview", body, status=200)
    assert (seen["payees"], seen["amount_to"]) == (3, "1500.0006")
    made = month.preparer.send("/api/redenominations", body)
    path = f"/api/redenominations/{made['id']}/approval"
    assert month.refused(month.preparer_again, path) == "same-person"
    month.approver.send(path, status=200)
    month.go_on()
    (done,) = month.auditor.get("/api/redenominations")["items"]
    assert (done["state"], done["amount_from"], done["amount_to"]) == ("done", seen["amount_from"], seen["amount_to"])
    for one in waiting:
        totals = _totals(month, one)
        assert (totals["VES.2018"]["due"], totals["VES"]["due"]) == ("0.0000", "500.0002")


# Runs


def _move_account(month: Month, person: Person) -> None:
    """Somebody says - or a thief in their name - that their pay should go elsewhere."""
    person.moved += 50_000
    month.as_payee(person).send("/api/me/payout-method", person.method, method="PUT", status=200)


def _prepare(month: Month, rail: str) -> dict[str, Any]:
    begun = month.preparer.send("/api/payout-runs", {"rail": rail})
    month.go_on()
    shown: dict[str, Any] = month.approver.get(f"/api/payout-runs/{begun['id']}")["run"]
    assert shown["state"] == "draft"
    return shown


def _approve(month: Month, run: dict[str, Any]) -> None:
    path, body = f"/api/payout-runs/{run['id']}/approval", {"content_hash": run["content_hash"]}
    assert month.refused(month.preparer, path, body) == "scope-missing"
    assert month.refused(month.preparer_again, path, body) == "same-person"
    month.approver.send(path, body, status=200)


def _release(month: Month, run: dict[str, Any]) -> bytes:
    """Let a run go and fetch its file; returns its bytes."""
    month.preparer.send(f"/api/payout-runs/{run['id']}/release", status=200)
    month.go_on()
    return _file(month, run)


def _file(month: Month, run: dict[str, Any]) -> bytes:
    response = month.client.get(f"/api/payout-runs/{run['id']}/file", headers=month.auditor.header)
    assert response.status_code == 200, response.text
    assert response.headers["Rookery-Rows"] == str(run["payouts"])
    return bytes(response.data)


def _pay_sepa_through_a_crash(month: Month) -> tuple[dict[str, Any], bytes]:
    """The great run: an account changed an hour before, another one after, and a process that dies on the way."""
    before, after = month.of("sepa")[10:12]
    month.pass_time("payout_methods", "cooling_until", hours=73)
    _move_account(month, before)
    run = _prepare(month, "sepa")
    assert run["payouts"] == len(month.of("sepa")) - 1
    (left,) = month.all_of(month.approver, f"/api/payout-runs/{run['id']}/left-out")
    assert (left["payee_id"], left["reason"]) == (before.payee_id, "cooling")
    _move_account(month, after)
    path, body = f"/api/payout-runs/{run['id']}/approval", {"content_hash": run["content_hash"]}
    assert month.refused(month.approver, path, body) == "run-changed"
    assert month.approver.send(f"/api/payout-runs/{run['id']}/recheck", status=200)["state"] == "rechecking"
    month.go_on()
    run = month.approver.get(f"/api/payout-runs/{run['id']}")["run"]
    assert run["payouts"] == len(month.of("sepa")) - 2
    assert run["content_hash"] != body["content_hash"]
    assert month.refused(month.approver, path, body) == "run-changed"
    _approve(month, run)

    month.preparer.send(f"/api/payout-runs/{run['id']}/release", status=200)
    _let_die(month, run["id"])
    assert month.refused_file(run) == "run-not-exported"
    totals = {row["state"]: row["payouts"] for row in month.approver.get(f"/api/payout-runs/{run['id']}")["payouts"]}
    assert totals == {"dropped": 1, "exported": 1000, "prepared": run["payouts"] - 1000}
    month.go_on()
    # The file is made and its answer gets lost; whoever asks again has the same.
    lost = month.client.get(f"/api/payout-runs/{run['id']}/file", headers=month.preparer.header, buffered=False)
    beginning = next(iter(lost.response))
    lost.close()
    content = _file(month, run)
    assert content.startswith(beginning)
    return run, content


def _let_die(month: Month, run_id: str) -> None:
    """Another process takes the first step of releasing and is killed before the second."""
    spawned = multiprocessing.get_context("spawn")
    process = spawned.Process(target=_release_and_die, args=(month.house.urls.app, run_id, month.day(20)))
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL


def _release_and_die(url: str, run_id: str, day: date) -> None:
    engine = database.make_engine(url)
    with database.sessions(engine, destination_keys=DESTINATION_KEYS)() as db, owed.booked_on(day):
        for _ in jobs.each_step(db, runs.steps(db, run_id)):
            os.kill(os.getpid(), signal.SIGKILL)


def _read_as_its_bank_would(rail: str, content: bytes) -> list[Order]:
    """The orders of a file, by a reader that finds what is wrong with it."""
    for broken in month_bank.planted(rail, content):
        assert broken != content
        with pytest.raises(BankRefuses):
            month_bank.READERS[rail](broken)
    return month_bank.READERS[rail](content)


# What banks say


def _sepa_is_booked(month: Month, run: dict[str, Any], orders: list[Order]) -> tuple[str, str]:
    """One order is refused at once, all others are booked in one sum with details, and one of them comes back.

    Returns the accounts of those that did not get their money.
    """
    refused, back = orders[3], orders[7]
    message = run["id"].replace("_", "")
    report = month_bank.status_report(message, refused=refused, why="AC04")
    assert month.tell(report, "pain.002")["failed"] == 1
    paid = month.bank.pay(orders, but=[refused])
    statement = month.bank.statement(IBAN, Booked(tuple(paid)), on=month.day(21))
    assert month.tell(statement, "camt") == {"matched": len(paid)}
    month.bank.send_back(back)
    month.bank.take_in(Decimal(50), "EUR")
    lines = (Booked((back,), back="AC04"), Booked(sum_only=(Decimal("50.00"), "EUR")))
    assert month.tell(month.bank.statement(IBAN, *lines, on=month.day(23)), "camt") == {"matched": 1, "suspense": 1}
    return refused.to, back.to


def _ach_is_booked(month: Month, orders: list[Order]) -> str:
    """The file is booked in one sum, and one entry comes back the day after."""
    paid = month.bank.pay(orders)
    statement = month.bank.statement(IBAN, Booked(sum_only=(-sum((one.amount for one in paid), Decimal()), "USD")),
                                     on=month.day(21))  # fmt: skip
    assert month.tell(statement, "camt") == {"matched": 1}
    month.bank.send_back(orders[4])
    assert month.tell(month_bank.ach_return(orders[4], "R03"), "nacha-returns")["returned"] == 1
    return orders[4].to


def _providers_report(month: Month, orders: dict[str, list[Order]]) -> tuple[str, str]:
    """Their result files: one wallet is closed, one e-mail is claimed by nobody; rupees are booked by their bank."""
    closed, unclaimed = orders["mpesa"][2], orders["paypal"][2]
    paid = month.bank.pay(orders["mpesa"], but=[closed])
    codes = {one.name: "0" for one in paid} | {closed.name: "2040"}
    assert month.tell(month_bank.mpesa_results(codes), "mpesa") == {"failed": 1, "settled": len(paid)}
    paid = month.bank.pay(orders["paypal"], but=[unclaimed], fee=PAYPAL_FEE)
    words = {one.name: "SUCCESS" for one in paid} | {unclaimed.name: "UNCLAIMED"}
    assert month.tell(month_bank.paypal_results(words), "paypal") == {
        "exported": 1,
        "settled": len(paid),
        "fees": len(paid),
    }
    assert month.tell(month_bank.paypal_results({unclaimed.name: "RETURNED"}), "paypal") == {"returned": 1}
    paid = month.bank.pay(orders["imps"])
    statement = month.bank.statement("5550001", *(Booked((one,)) for one in paid), on=month.day(21))
    assert month.tell(statement, "camt") == {"matched": len(paid)}
    return closed.to, unclaimed.to


# What must be true in the end


def _the_books_tie(month: Month) -> None:
    trial = month.auditor.get("/api/trial-balance")["items"]
    net: Counter[tuple[str, str]] = Counter()
    for row in trial:
        net[row["role"], row["currency"]] = Decimal(row["debits"]) - Decimal(row["credits"])  # type: ignore[assignment]
    currencies = {currency for _, currency in net}
    assert {currency: sum(v for (_, c), v in net.items() if c == currency) for currency in currencies} == dict.fromkeys(
        currencies, 0
    )
    assert all(value == 0 for (role, _), value in net.items() if role == "in_transit")
    # What the books say is at banks and providers is what they say themselves.
    assert {c: v for (role, c), v in net.items() if role == "bank" and v} == {c: v for c, v in month.bank.purse.items()
                                                                             if v}  # fmt: skip
    for row in month.auditor.get("/api/tie-out")["items"]:
        tied = {name: Decimal(value) for name, value in row.items() if name != "currency"}
        assert tied["payable"] == tied["unpaid"]
        assert tied["reserved"] == tied["spent"] + tied["released"] + tied["remaining"]
        assert tied["stored"] == tied["recomputed"]


def _every_statement_adds_up(month: Month) -> None:
    """What each payee sees is what banks have paid to their accounts, and what is left is less than a rail moves."""
    for one in month.people:
        payee = month.as_payee(one)
        mine = payee.get("/api/me/payouts")["items"]
        arrived = sum((Decimal(row["net"]) for row in mine if row["state"] == "settled"), Decimal())
        currency = PAID_IN[one.rail]
        assert {row["state"] for row in mine} <= {"settled", "failed", "returned"}
        assert arrived == _arrived(month, one, currency), one
        totals = payee.get("/api/me/statement")["totals"]
        kept = sum((Decimal(row["withheld"]) for row in mine if row["state"] == "settled"), Decimal())
        assert (kept > 0) == (one.country == "KE" and arrived >= 20)
        # What was converted costs the payee less than a unit of what they earned more than what arrived and was taken.
        over = sum(_worth(Decimal(row["paid"]), row["currency"], currency) for row in totals) - Fraction(arrived + kept)
        converted = [row["currency"] for row in totals if row["currency"] != currency and Decimal(row["paid"])]
        unit = sum(_worth(SCALE, earned, currency) for earned in converted)
        assert over == unit == 0 or 0 <= over < unit, one
        for row in totals:
            assert Decimal(row["pending"]) == 0
            least = Decimal(10) if one.rail == "mpesa" else Decimal(1) if one.rail == "imps" else Decimal("0.01")
            assert _worth(Decimal(row["due"]), row["currency"], currency) < least, one


def _arrived(month: Month, person: Person, currency: str) -> Decimal:
    """What the banks have credited to somebody's accounts, the present one and the one before."""
    places = {person.to}
    if person.moved:
        places.add(Person(person.number, person.country).to)
    return sum((month.bank.arrived.get((place, currency), Decimal()) for place in places), Decimal())


def _worth(amount: Decimal, earned: str, paid: str) -> Fraction:
    return Fraction(amount) * (1 if earned == paid or not amount else Fraction(RATES[earned, paid]))


def _the_month_is_closed(month: Month) -> str:
    path = f"/api/periods/{month.name}"
    month.preparer.send(f"{path}/closing", status=200)
    seen = month.approver.get(path)
    sums = Counter[str]()
    for row in seen["items"]:
        sums[row["currency"]] += Decimal(row["debits"]) - Decimal(row["credits"])  # type: ignore[assignment]
    assert set(sums.values()) == {0}
    body = {"hash": seen["hash"]}
    assert month.refused(month.preparer_again, f"{path}/confirmation", body) == "same-person"
    assert month.refused(month.approver, f"{path}/confirmation", {"hash": "0" * 64}) == "trial-balance-changed"
    closed = month.approver.send(f"{path}/confirmation", body, status=200)
    assert (closed["state"], closed["closed_by"], closed["confirmed_by"]) == ("closed", owed.PREPARER, owed.APPROVER)
    return str(seen["hash"])


def _what_becomes_known_later_is_of_the_next_month(month: Month, back: Order) -> None:
    """A payment came back on the month's last day; the statement that tells of it comes when the books are closed."""
    path = f"/api/periods/{month.name}"
    closed, last = month.approver.get(path), month.day(28)
    (person,) = (one for one in month.people if one.to == back.to)
    month.bank.send_back(back)
    content = month.bank.statement(IBAN, Booked((back,), back="AC04"), on=last)
    assert month.tell(content, "camt") == {"matched": 1}
    entry = month.auditor.get("/api/journal?limit=1")["items"][0]
    assert (entry["kind"], entry["event_at"]) == ("returned", f"{last}T00:00:00.000Z")
    assert date.fromisoformat(entry["effective_on"]) > last
    assert entry["effective_on"][:7] != month.name
    assert month.approver.get(path) == closed
    assert Decimal(_totals(month, person)["EUR"]["due"]) >= back.amount
    assert month.refused(month.preparer, f"{path}/closing") == "period-move-not-allowed"
    _the_books_tie(month)


def test_a_month_from_the_top_ups_to_closed_books(house: House) -> None:
    month = Month(house)
    with month.on(2):
        owners = _owners_pay_in(month)
    _people_join(month)
    with month.on(14):
        _answers_are_accepted(month, owners)
        waiting = _old_bolivars_were_never_paid(month, owners["KES"])
    _destinations_are_said(month)
    with month.on(18):
        _slow_weeks_are_lifted_to_the_floor(month)
        _some_pay_is_put_right(month)
        _accounts_and_rates_are_entered(month)
        _taxes_are_entered(month)

    with month.on(19):
        _old_bolivars_become_new_ones(month, waiting)
    with month.on(20):
        run, content = _pay_sepa_through_a_crash(month)
        files = {"sepa": content}
        others = {rail: _prepare(month, rail) for rail in RAILS[1:]}
        for rail, other in others.items():
            _approve(month, other)
            files[rail] = _release(month, other)
        orders = {rail: _read_as_its_bank_would(rail, file) for rail, file in files.items()}
    with month.on(24):
        unpaid = [*_sepa_is_booked(month, run, orders["sepa"]), _ach_is_booked(month, orders["ach"]),
                  *_providers_report(month, orders)]  # fmt: skip
        assert [_file(month, one) for one in (run, *others.values())] == list(files.values())

    # Whoever did not get it, or had just moved, is paid to a new account by a second run.
    with month.on(27):
        for one in month.people:
            if one.to in unpaid:
                _move_account(month, one)
        month.pass_time("payout_methods", "cooling_until", hours=73)
        for rail in ("sepa", "ach", "mpesa", "paypal"):
            second = _prepare(month, rail)
            _approve(month, second)
            again = _read_as_its_bank_would(rail, _release(month, second))
            assert len(again) == second["payouts"] == (4 if rail == "sepa" else 1)
            fee = PAYPAL_FEE if rail == "paypal" else Decimal()
            _second_is_booked(month, rail, month.bank.pay(again, fee=fee))
    assert month.bank.twice == []

    _the_books_tie(month)
    _every_statement_adds_up(month)
    _the_month_is_closed(month)
    _what_becomes_known_later_is_of_the_next_month(month, orders["sepa"][20])


def _second_is_booked(month: Month, rail: str, paid: list[Order]) -> None:
    if rail == "mpesa":
        told, expected = month_bank.mpesa_results({one.name: "0" for one in paid}), {"settled": len(paid)}
    elif rail == "paypal":
        told = month_bank.paypal_results({one.name: "SUCCESS" for one in paid})
        expected = {"settled": len(paid), "fees": len(paid)}
    else:
        total = -sum((one.amount for one in paid), Decimal())
        whole = Booked(sum_only=(total, PAID_IN[rail]))
        told, rail, expected = month.bank.statement(IBAN, whole, on=month.day(28)), "camt", {"matched": 1}
    assert month.tell(told, rail) == expected

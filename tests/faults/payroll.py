"""Who pays in a siege: people of finance, an approver, payees who move, two banks. They insist like all clients do.

Whatever they are told goes into a journal of theirs; `cashbook.py` holds it, and the banks' books, against the house's.
"""

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import httpx
import psycopg

from tests.faults.bank import Bank, Cheated, sha256
from tests.faults.crowd import Client, Journal, Refused, Said, required
from tests.faults.house import House

RAILS = ("sepa", "paypal")
CURRENCIES = {"sepa": "EUR", "paypal": "USD"}
_LOOK_SECONDS = 0.5
_DRAFT_SECONDS = 60.0
_HOLDS_MAX = 20
# A new destination is as good as 72 hours old after so many seconds: the siege makes it older.
_COOLED_SECONDS = 5
_FINISH_SECONDS = 240.0
_FINAL = ("closed", "cancelled")
_AGED = f"""
    UPDATE payout_methods SET cooling_until = now()
     WHERE cooling_until > now() AND created_at < now() - interval '{_COOLED_SECONDS} seconds'
"""
_ALL_AGED = "UPDATE payout_methods SET cooling_until = now() WHERE cooling_until > now()"


@dataclass(slots=True)
class PayJournal:
    """What those who pay were told, by what it is about."""

    runs: list[Said] = field(default_factory=list)
    released: list[Said] = field(default_factory=list)
    cancelled: list[Said] = field(default_factory=list)
    dropped: list[Said] = field(default_factory=list)
    goodwill: list[Said] = field(default_factory=list)
    holds: list[Said] = field(default_factory=list)
    ended: list[Said] = field(default_factory=list)
    methods: list[Said] = field(default_factory=list)
    files: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    """By run and part: SHA-256 and rows."""
    destinations: dict[str, str] = field(default_factory=dict)
    """By the id of the method that somebody was told."""
    complaints: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Person:
    """Somebody at the counter. name : as their token says; what they see is what the house shows to their role."""

    client: Client
    journal: PayJournal
    rng: random.Random

    def work(self, done: threading.Event) -> None:
        while not done.wait(self.rng.uniform(0.5, 1.5) * _LOOK_SECONDS):
            self.turn()

    def turn(self) -> None:
        """One look, and what there is to do."""
        raise NotImplementedError

    def runs_in(self, state: str) -> list[dict[str, Any]]:
        listed = required(self.client.insist("GET", f"/api/payout-runs?state={state}&limit=100"))
        found: list[dict[str, Any]] = listed["items"]
        self.rng.shuffle(found)
        return found

    def do(self, path: str, body: Any = None) -> Any:
        """What a request says; None where the house says that things have moved on."""
        told = self.client.insist("POST", path, body)
        return None if told.status_code == 409 else required(told)

    def cancel(self, run: Mapping[str, Any]) -> None:
        if self.do(f"/api/payout-runs/{run['id']}/cancellation") is not None:
            self.journal.cancelled.append(Said(run["id"], (True,)))


@dataclass(slots=True)
class Preparer(Person):
    """Prepares runs over one rail after the other, drops single payouts, and gives some runs up."""

    rails: Sequence[str] = RAILS

    def turn(self) -> None:
        rail = self.rng.choice(self.rails)
        run = self.begin(rail)
        if self.rng.random() < 0.05:
            self.cancel(run)
        deadline = time.monotonic() + _DRAFT_SECONDS
        while time.monotonic() < deadline:
            state = self.look(run["id"])["state"]
            if state == "draft" and self.rng.random() < 0.1:
                self._drop(run["id"])
            if state not in ("preparing", "draft", "cancelling"):
                return
            time.sleep(_LOOK_SECONDS)

    def begin(self, rail: str) -> dict[str, Any]:
        run: dict[str, Any] = required(self.client.insist("POST", "/api/payout-runs", {"rail": rail}))
        self.journal.runs.append(Said(run["id"], (rail, run["prepared_by"])))
        return run

    def look(self, run_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = required(self.client.insist("GET", f"/api/payout-runs/{run_id}"))["run"]
        return shown

    def _drop(self, run_id: str) -> None:
        listed = required(self.client.insist("GET", f"/api/payout-runs/{run_id}/payouts?state=prepared&limit=3"))
        for payout in listed["items"]:
            if self.do(f"/api/payouts/{payout['id']}/drop", {"reason": "another time"}) is not None:
                self.journal.dropped.append(Said(payout["id"], ("dropped",)))


@dataclass(slots=True)
class Approver(Person):
    """Approves what is drafted, by its hash; has what went stale rechecked; gives some runs up, the empty ones too."""

    doubts: float = 0.03

    def turn(self) -> None:
        for run in self.runs_in("draft"):
            if not run["payouts"] or self.rng.random() < self.doubts:
                self.cancel(run)
            elif self.do(f"/api/payout-runs/{run['id']}/approval", {"content_hash": run["content_hash"]}) is None:
                self.do(f"/api/payout-runs/{run['id']}/recheck")
            elif self.rng.random() < self.doubts:
                self.do(f"/api/payout-runs/{run['id']}/reopening")


@dataclass(slots=True)
class Releaser(Person):
    """Releases what is approved."""

    def turn(self) -> None:
        for run in self.runs_in("approved"):
            told = self.do(f"/api/payout-runs/{run['id']}/release")
            if told is None:
                self.do(f"/api/payout-runs/{run['id']}/recheck")
            else:
                self.journal.released.append(Said(run["id"], (told["released_by"], True)))


@dataclass(slots=True)
class Courier(Person):
    """Fetches files of runs that have left, new and old, and takes them to the bank."""

    banks: Mapping[str, Bank] = field(default_factory=dict)
    fetched: dict[str, str] = field(default_factory=dict)
    """The rail of each run whose file was had once."""
    fetching: threading.Event = field(default_factory=threading.Event)

    def turn(self) -> None:
        new = {run["id"]: run["rail"] for run in self.runs_in("exported") if run["id"] not in self.fetched}
        again = self.rng.sample(list(self.fetched.items()), min(1, len(self.fetched)))
        for run_id, rail in [*new.items(), *again]:
            self.fetch(run_id, rail)

    def fetch(self, run_id: str, rail: str) -> None:
        part, n_parts = 1, 1
        while part <= n_parts:
            self.fetching.set()
            answer = self.client.insist("GET", f"/api/payout-runs/{run_id}/file?part={part}")
            self.fetching.clear()
            if answer.status_code != 200:
                raise Refused(f"file of {run_id}: {answer.status_code} {answer.text[:300]}")
            self._keep(run_id, part, answer)
            try:
                rows = self.banks[rail].take(answer.content)
            except Cheated as error:
                self.journal.complaints.append(f"{run_id}: {error}")
                rows = int(answer.headers["Rookery-Rows"])
            if rows != int(answer.headers["Rookery-Rows"]):
                self.journal.complaints.append(f"{run_id}: {answer.headers['Rookery-Rows']} rows told, {rows} in it")
            part, n_parts = part + 1, int(answer.headers["Rookery-Parts"])
        self.fetched[run_id] = rail

    def _keep(self, run_id: str, part: int, answer: httpx.Response) -> None:
        told = (answer.headers["Rookery-Sha256"], int(answer.headers["Rookery-Rows"]))
        first = self.journal.files.setdefault((run_id, part), told)
        if first != told or sha256(answer.content) != told[0]:
            self.journal.complaints.append(f"{run_id} part {part}: {told} and {sha256(answer.content)}, first {first}")


@dataclass(slots=True)
class Holder(Person):
    """Holds payees back and lets them go, and gives goodwill."""

    payees: Sequence[tuple[str, str]] = ()
    """Their ids, and the currencies they are paid in."""
    placed: list[str] = field(default_factory=list)

    def turn(self) -> None:
        payee_id, currency = self.rng.choice(self.payees)
        if len(self.placed) < _HOLDS_MAX and self.rng.random() < 0.3:
            until = (datetime.now(UTC) + timedelta(days=30)).isoformat(timespec="seconds")
            made = self.client.post("/api/holds", {"payee_id": payee_id, "reason": "looked into", "until": until})
            self.journal.holds.append(Said(made["id"], (payee_id,)))
            self.placed.append(made["id"])
        elif self.placed and self.rng.random() < 0.4:
            self.let_go(self.placed.pop(self.rng.randrange(len(self.placed))))
        else:
            ten_thousandths = self.rng.randint(1, 50_000)
            amount = f"{ten_thousandths // 10_000}.{ten_thousandths % 10_000:04}"
            given = {"payee_id": payee_id, "currency": currency, "amount": amount, "reason": "our fault"}
            given["reference"] = f"fault {uuid.uuid4()}"
            made = self.client.post("/api/goodwill", given)
            self.journal.goodwill.append(Said(made["id"], (payee_id, currency, ten_thousandths)))

    def let_go(self, hold_id: str) -> None:
        reason = f"seen {uuid.uuid4()}"
        if self.do(f"/api/holds/{hold_id}/end", {"reason": reason}) is not None:
            self.journal.ended.append(Said(hold_id, (reason,)))


@dataclass(slots=True)
class Mover(Person):
    """Workers who say where their pay goes, and think better of it."""

    house: House | None = None
    workers: Sequence[Client] = ()
    moves: int = 0

    def work(self, done: threading.Event) -> None:
        assert self.house is not None
        while not done.wait(self.rng.uniform(0.5, 1.5)):
            self.turn()
            with suppress(psycopg.Error):
                self.house.ask(_AGED)

    def turn(self) -> None:
        # Everybody has a destination before anybody changes theirs.
        worker = self.workers[self.moves] if self.moves < len(self.workers) else self.rng.choice(self.workers)
        self.moves += 1
        self.move(worker)

    def move(self, worker: Client) -> None:
        if self.rng.random() < 0.3:
            iban = iban_of(self.rng.randrange(10**10))
            rail, kind, to, text = "sepa", "iban", {"iban": iban}, iban
        else:
            text = f"{uuid.uuid4().hex[:12]}@example.com"
            rail, kind, to = "paypal", "email", {"email": text}
        told = worker.put("/api/me/payout-method", {"rail": rail, "kind": kind, "destination": to})
        self.journal.destinations[told["id"]] = text
        self.journal.methods.append(Said(told["id"], (rail, kind)))


@dataclass(slots=True)
class Operator:
    """Prepares runs on the machine itself, while others prepare theirs over HTTP."""

    house: House
    journal: PayJournal
    rng: random.Random

    def work(self, done: threading.Event) -> None:
        while not done.wait(self.rng.uniform(8, 20)):
            # It may fail, and leave a run behind that others go on with: nobody was told of it.
            code, said = self.house.attempt("payouts", "prepare", self.rng.choice(RAILS)).ended()
            if code == 0:
                (line,) = [line for line in said.splitlines() if " is draft, prepared by " in line]
                run_id, _, rail, *_, person = line.split()
                self.journal.runs.append(Said(run_id, (rail, person)))


def iban_of(number: int) -> str:
    """A German account by ISO 13616: its check digits make the whole 1 in arithmetic modulo 97."""
    bank_and_account = f"37040044{number:010}"
    check = 98 - int(f"{bank_and_account}131400") % 97
    return f"DE{check:02}{bank_and_account}"


class Earning(Protocol):
    """How payees come by what they are paid, but for answers and goodwill."""

    earned: Counter[tuple[str, str]]
    """By payee and currency, in ledger units."""

    def work(self, done: threading.Event) -> None:
        """Let them earn more from time to time."""


@dataclass(slots=True)
class Payroll:
    """Everybody who has to do with payouts."""

    house: House
    journal: PayJournal
    preparers: Sequence[Preparer]
    approver: Approver
    releaser: Releaser
    courier: Courier
    holder: Holder
    mover: Mover
    operator: Operator
    banks: Mapping[str, Bank]
    calendar: Earning
    _enough: threading.Event = field(default_factory=threading.Event)

    @property
    def people(self) -> list[Person]:
        """Those who speak HTTP."""
        return [*self.preparers, self.approver, self.releaser, self.courier, self.holder, self.mover]

    @contextmanager
    def at_work(self, crowd: Journal) -> Iterator[None]:
        """The banks, the operator and the calendar, each in a thread; what ends one of them is a failure."""

        def run(work: Callable[[threading.Event], None]) -> None:
            try:
                work(self._enough)
            except Exception as failure:  # noqa: BLE001 - a thread of the harness tells what ended it
                crowd.failures.append(f"{type(failure).__name__}: {failure}")

        works = [*(bank.work for bank in self.banks.values()), self.operator.work, self.calendar.work]
        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._enough.set()
            for thread in threads:
                thread.join()

    def stop(self) -> None:
        """Whoever is not of the crowd comes to an end."""
        self._enough.set()

    def finish(self) -> str:
        """Nobody is at work any more: pay all that is due, and let the banks tell all. What is left over, if any is."""
        self.approver.doubts = 0.0
        for bank in self.banks.values():
            bank.is_kind = True
        for hold_id in self.holder.placed:
            self.holder.let_go(hold_id)
        self.house.ask(_ALL_AGED)
        deadline, never = time.monotonic() + _FINISH_SECONDS, threading.Event()
        left_over = set(RAILS)
        while time.monotonic() < deadline:
            told = sum(bank.answer(never) for bank in self.banks.values())
            for person in (self.approver, self.releaser, self.courier):
                person.turn()
            if told or self._open_runs():
                time.sleep(_LOOK_SECONDS)
            elif left_over:
                left_over -= {rail for rail in sorted(left_over) if not self._run_over(rail)}
            else:
                return ""
        return f"after {_FINISH_SECONDS:.0f} s runs are open: {self._open_runs()}"

    def _run_over(self, rail: str) -> int:
        """Prepare one more run; how many payouts are in it."""
        preparer = self.preparers[0]
        run = preparer.begin(rail)
        while (shown := preparer.look(run["id"]))["state"] == "preparing":
            time.sleep(_LOOK_SECONDS)
        return int(shown["payouts"])

    def _open_runs(self) -> list[Any]:
        return self.house.ask("SELECT id, state FROM payout_runs WHERE state <> ALL(%s)", list(_FINAL))

"""One siege: a house, a crowd at work in it, faults one after the other, and a reckoning after each and at the end."""

import math
import random
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import structlog
from redis import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from foundation import db
from tests.faults import arrival, payday, reckoning
from tests.faults.cashbook import Cashbook
from tests.faults.crowd import Refused, Worker
from tests.faults.faults import Fault
from tests.faults.house import CHECKOUT, House, HouseFell, housed
from tests.faults.payroll import Payroll
from tests.faults.reckoning import Books, Reckoning
from tests.faults.scene import Scene, Wrong

# Between two faults so many writes are acknowledged, but this is not waited for longer than so many seconds.
_WRITES_BETWEEN = 100
_SECONDS_BETWEEN = 5.0
_RECOVER_SECONDS = 120.0
_SETTLE_SECONDS = 300.0
_WRITES_SECONDS = 3600.0
_COMPARED_TIMES = 5
# Fewer than otherwise, and slower, so that runs have their share of the machine; a task needs seven of them.
_WORKERS_BESIDE_PAYROLL, _REST_BESIDE_PAYROLL = 9, 0.5

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is besieged, and with what."""

    faults: Sequence[Fault]
    """One after the other."""
    writes: int
    """At least so many acknowledged ones."""
    build: Path = CHECKOUT
    wired: bool = False
    late_share: float = 0.02
    pays: bool = False
    """Whether people are paid as well."""
    seconds: float | None = None
    """No fault is made any more when so many are over."""
    shows: str = ""
    """What a build with a bug does, as `Reckoning` calls it: the siege ends as soon as that is seen. Otherwise it ends
    when everything is settled and paid."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Seconds until work went on, in each respect."""

    answered: float
    """Every client was answered a request that was sent since."""
    delivered: float
    """The event of an answer that was told since was delivered."""
    swept: float
    """Something that fell due since was done."""
    whole: float
    """Every process of the house runs."""

    @property
    def longest(self) -> float:
        return max(self.answered, self.delivered, self.swept, self.whole)


@dataclass(slots=True)
class Outcome:
    """What sieges have shown."""

    writes: int = 0
    faults: int = 0
    kills: int = 0
    pauses: dict[str, list[Pause]] = field(default_factory=lambda: defaultdict(list))
    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds that a single request took while a fault lasted, by fault and request."""
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    wrong: Reckoning = field(default_factory=Reckoning)
    complaints: list[str] = field(default_factory=list)
    """Everything else that must not be: too slow, refused, not up again."""

    @property
    def is_sound(self) -> bool:
        return self.wrong.is_sound and not self.complaints

    def add(self, other: "Outcome") -> None:
        self.writes += other.writes
        self.faults += other.faults
        self.kills += other.kills
        for name, pauses in other.pauses.items():
            self.pauses[name] += pauses
        for name, waits in other.waits.items():
            self.waits[name] += waits
        for name, number in other.counts.items():
            self.counts[name] += number
        self.wrong.add(other.wrong)
        self.complaints += other.complaints


def besiege(folder: Path, plan: Plan, rng: random.Random) -> Outcome:
    """Run one siege in a folder of its own and reckon up."""
    outcome = Outcome()
    with housed(folder, plan.build, wired=plan.wired) as house:
        engine = db.make_engine(house.login.database_url, patient=True, pool_size=2)
        try:
            scene = _settle_in(house, folder, plan, rng)
            _Siege(scene, plan, db.sessions(engine), outcome).run()
        except HouseFell as fallen:
            outcome.complaints.append(str(fallen))
        finally:
            engine.dispose()
    return outcome


def _settle_in(house: House, folder: Path, plan: Plan, rng: random.Random) -> Scene:
    """Those who work; and those who pay, if anybody is paid."""
    if not plan.pays:
        return arrival.settle_in(house, rng, late_share=plan.late_share)
    scene = arrival.settle_in(house, rng, late_share=plan.late_share, n_workers=_WORKERS_BESIDE_PAYROLL)
    workers = [member for member in scene.crowd.members if isinstance(member, Worker)]
    for worker in workers:
        worker.rests_seconds = _REST_BESIDE_PAYROLL
    scene.payroll = payday.prepare(house, scene, folder / "banks", workers=workers)
    scene.crowd.members = [*scene.crowd.members, *scene.payroll.people]
    return scene


class _Siege:
    def __init__(self, scene: Scene, plan: Plan, sessions: sessionmaker[Session], outcome: Outcome) -> None:
        self._scene, self._plan, self._sessions, self._outcome = scene, plan, sessions, outcome
        self._journal = scene.crowd.journal
        self._books = Books(self._journal)
        self._cash = Cashbook(scene.payroll) if scene.payroll else None

    def run(self) -> None:
        payroll = self._scene.payroll
        with payroll.at_work(self._journal) if payroll else nullcontext(), self._scene.crowd:
            self._make_all()
            self._send_no_more()
            if not self._plan.shows:
                self._wait_until_settled()
        log.info("nobody is at work", writes=self._journal.writes)
        if payroll and not self._plan.shows and not self._has_failed and (left_over := payroll.finish()):
            self._outcome.complaints.append(left_over)
        self._reckon()

    def _make_all(self) -> None:
        """One fault after the other, and further writes until there are enough."""
        plan = self._plan
        end = time.monotonic() + (math.inf if plan.seconds is None else plan.seconds)
        for fault in plan.faults:
            if time.monotonic() > end:
                break
            self._wait_for_writes(self._journal.writes + _WRITES_BETWEEN, seconds=_SECONDS_BETWEEN)
            if self._has_failed or self._has_shown:
                break
            self._make(fault)
        if not self._has_shown:
            self._wait_for_writes(plan.writes, seconds=_WRITES_SECONDS)

    def _send_no_more(self) -> None:
        self._scene.crowd.send_no_more()
        if self._scene.payroll:
            self._scene.payroll.stop()
        for member in self._scene.crowd.members:
            if isinstance(member, Worker):
                member.rests_seconds = 0.0

    def _reckon(self) -> None:
        settled = not self._plan.shows
        with self._sessions() as opened:
            # What was found between the faults is found again, and more.
            self._outcome.wrong.add(reckoning.reckon(opened, self._journal, settled=settled))
            if self._cash:
                self._outcome.wrong.add(self._cash.reckon(opened, settled=settled))
        self._outcome.complaints += [*self._journal.failures, *self._journal.differing]
        self._outcome.writes = self._journal.writes
        for what, number in self._journal.counts.items():
            self._outcome.counts[what] += number
        if self._scene.payroll:
            self._count(self._scene.payroll)

    def _count(self, payroll: Payroll) -> None:
        """What came of paying, for the report."""
        journal, counts = payroll.journal, self._outcome.counts
        said = ("runs", "released", "cancelled", "dropped", "goodwill", "holds", "ended", "methods")
        for what in said:
            counts[f"payouts: {what} told"] += len(getattr(journal, what))
        counts["payouts: files had"] += len(journal.files)
        for rail, bank in payroll.banks.items():
            counts[f"payouts: statements of {rail} read"] += len(bank.files)
            for order in bank.orders.values():
                counts[f"payouts: orders of {rail} {order.fate}"] += 1

    @property
    def _has_shown(self) -> bool:
        return bool(self._plan.shows and getattr(self._outcome.wrong, self._plan.shows))

    @property
    def _has_failed(self) -> bool:
        """Whether a client was told what it must not be told. A bug that is to show itself may do that first; the
        others go on.
        """
        return bool(self._journal.failures and not self._plan.shows)

    def _wait_for_writes(self, writes: int, *, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._journal.writes < writes and time.monotonic() < deadline and not self._has_failed:
            self._scene.house.require_up()
            time.sleep(0.02)

    def _make(self, fault: Fault) -> None:
        """Make one fault, see how the house bears it, and hold the books against what was told."""
        self._scene.since = None
        failed = self._failed()
        try:
            with fault.make(self._scene):
                if fault.lasts or fault.survived:
                    self._watch(fault, time.monotonic())
                since = self._scene.since or time.monotonic()
            if fault.lasts or fault.survived:
                since = time.monotonic()
            self._recover(f"{fault.name}, over" if fault.survived else fault.name, fault.bar, since)
            self._scene.outsider.make_sure()
        except (Wrong, Refused, psycopg.Error, RedisError, httpx.HTTPError, OSError) as wrong:
            self._complain(fault, repr(wrong))
        self._outcome.faults += 1
        self._outcome.kills += fault.kills
        log.info("fault", name=fault.name, writes=self._journal.writes)
        failed = self._failed() - failed
        self._outcome.counts[f"failed requests, {fault.name}"] += failed
        if fault.fails is not None and failed > fault.fails:
            self._complain(fault, f"{failed} requests failed, at most {fault.fails} may")
        self._compare(fault)

    def _failed(self) -> int:
        return self._scene.count("broken connections", "answered 503")

    def _complain(self, fault: Fault, what: str) -> None:
        self._outcome.complaints.append(f"{fault.name}: {what}")

    def _watch(self, fault: Fault, since: float) -> None:
        with self._probing(fault):
            if fault.survived:
                self._recover(fault.name, fault.bar, since)
            time.sleep(max(0.0, since + fault.lasts - time.monotonic()))

    @contextmanager
    def _probing(self, fault: Fault) -> Iterator[None]:
        """Strangers ask for the health and for a claim all the time, and are not to wait long for an answer."""
        probes = {"health": (self._scene.house.health, fault.health), "claim": (self._scene.claim, fault.refuses)}
        over = threading.Event()

        def ask(name: str, probe: Callable[[], float], most: float) -> None:
            while not over.wait(0.2):
                try:
                    took = probe()
                except OSError as error:
                    self._complain(fault, f"no answer about {name}: {error!r}")
                    continue
                self._outcome.waits[f"{fault.name}: {name}"].append(took)
                if took > most:
                    self._complain(fault, f"{took:.1f} s to an answer about {name}, at most {most:.0f} allowed")

        asking = [
            threading.Thread(target=ask, args=(name, probe, most))
            for name, (probe, most) in probes.items()
            if most is not None
        ]
        for one in asking:
            one.start()
        try:
            yield
        finally:
            over.set()
            for one in asking:
                one.join()

    def _recover(self, name: str, bar: float, since: float) -> None:
        """Wait until work goes on in every respect, and note how long that took."""
        first, due = len(self._journal.answers), _Due(self._scene)
        open_questions = {
            "answered": lambda: self._scene.crowd.heard_since(since),
            "delivered": lambda: self._is_delivered(first),
            "swept": due.is_done,
            "whole": self._scene.house.is_whole,
        }
        took = dict.fromkeys(open_questions, _RECOVER_SECONDS)
        while open_questions and not self._has_failed and time.monotonic() < since + _RECOVER_SECONDS:
            for what, is_so in list(open_questions.items()):
                with suppress(psycopg.Error):
                    if is_so():
                        took[what] = time.monotonic() - since
                        del open_questions[what]
            time.sleep(0.03)
        pause = Pause(**took)
        self._outcome.pauses[name].append(pause)
        if pause.longest > bar:
            self._outcome.complaints.append(
                f"{name}: work went on after {pause.longest:.0f} s, at most {bar:.0f} allowed; {pause}"
            )

    def _is_delivered(self, first: int) -> bool:
        """Whether the event of the first answer that was told since has been delivered."""
        if len(self._journal.answers) <= first:
            return False
        told = self._journal.answers[first].id
        waiting = "SELECT count(*) FROM outbox_events WHERE payload ->> 'answer_id' = %s"
        return bool(self._scene.house.ask(waiting, told) == [(0,)])

    def _compare(self, fault: Fault) -> None:
        for _ in range(_COMPARED_TIMES):
            try:
                with self._sessions() as opened:
                    found = self._books.compare(opened)
                    if self._cash:
                        found.add(self._cash.compare(opened))
            except SQLAlchemyError as error:
                log.warning("the books cannot be read", error=str(error.args))
                time.sleep(1)
                continue
            for complaint in found.complaints():
                self._complain(fault, f"after it {complaint}")
            self._outcome.wrong.add(found)
            return
        self._complain(fault, "after it the books cannot be read")

    def _wait_until_settled(self) -> None:
        """Let the crowd and the expert finish: every task settled, every event delivered."""
        left = text("""SELECT (SELECT count(*) FROM tasks WHERE status <> 'settled'), count(*) FROM outbox_events""")
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not self._has_failed:
            self._scene.house.require_up()
            with self._sessions() as opened:
                open_tasks, events = opened.execute(left).one()
            if (open_tasks, events) == (0, 0):
                return
            if time.monotonic() > deadline:
                self._outcome.complaints.append(f"{open_tasks} tasks and {events} events are left over.")
                return
            time.sleep(0.2)


class _Due:
    """Something that only the sweeper does: a key past its thirty days is to be forgotten."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._key = scene, ""

    def is_done(self) -> bool:
        if not self._key:
            key = str(uuid.uuid4())
            self._scene.house.ask(
                "INSERT INTO idempotency_keys (actor_id, key, fingerprint, created_at)"
                " VALUES ('siege', %s, '', now() - interval '31 days')",
                key,
            )
            self._key = key
        count = "SELECT count(*) FROM idempotency_keys WHERE key = %s"
        return bool(self._scene.house.ask(count, self._key) == [(0,)])

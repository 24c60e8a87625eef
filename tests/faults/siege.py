"""One siege: a house of its own, sixteen clients and an expert, faults at random, and then the reckoning."""

import os
import random
import signal
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import psutil
from redis import Redis
from sqlalchemy import text
from sqlalchemy.orm import Session

import wsgi
from foundation import auth, db, serving, settings
from foundation.installation import Installation
from foundation.processes import Supervisor
from tests.faults.crowd import CATEGORIES, Client, Journal, Person

CLIENTS = 16
OVERLAP = 7
_EXPERT_SHARE = 0.02
_PRICE = "0.02"
_EXPERT_PRICE = "0.60"
# A fault comes when work has gone on for so many answers since the last one, and at the latest after so many seconds.
_ANSWERS_BETWEEN = 60
_SECONDS_BETWEEN = 4.0
_PAUSE_MAX = 60.0
_END_SECONDS = 240.0

FAULTS = ("web", "jobs parent", "jobs parent and child", "sweeper", "redis", "redis flush")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is besieged, and how hard: at least so many faults and acknowledged answers."""

    application: str
    seed: int
    kills: int
    answers: int
    faults: Sequence[str] = FAULTS


@dataclass(slots=True)
class Outcome:
    """What the clients were told beside what the books hold."""

    acknowledged: int
    faults: Counter[str]
    pauses: list[float]
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unpaid: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return not (self.lost or self.doubled or self.unpaid or self.vanished or self.broken or self.failures)

    @property
    def pause_median(self) -> float:
        return statistics.median(self.pauses or [0.0])

    @property
    def pause_worst(self) -> float:
        return max(self.pauses, default=0.0)


def besiege(data_dir: Path, plan: Plan, rng: random.Random) -> Outcome:
    """Run one siege in a data folder of its own and reckon up."""
    configured = replace(settings.read(), database_url=None, redis_url=None, data_dir=data_dir, port=_free_port())
    with serving.serving(configured, quiet=True, application=plan.application) as (address, supervisor, installation):
        engine = db.make_engine(installation.database_url, patient=True, pool_size=2)
        sessions = db.sessions(engine)
        try:
            people, project_id = _settle_in(address, sessions, n_tasks=-(-plan.answers // OVERLAP) + 20)
            journal = Journal()
            fault = _Faults(supervisor, installation, data_dir, journal, rng)
            with _at_work(people, address, project_id, journal) as done:
                _until_enough(plan, fault, journal)
                if plan.application == "wsgi:app":
                    _until_settled(sessions, project_id, supervisor, journal)
                done.set()
            with sessions() as opened:
                return _reckon(opened, journal, fault)
        finally:
            engine.dispose()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _settle_in(address: str, sessions: Callable[[], Session], *, n_tasks: int) -> tuple[list[Person], str]:
    """Staff, a requester with money, the tasks, the workers and the expert; over HTTP but for the first tokens."""
    with sessions() as opened:
        staff = {role: auth.issue(opened, role=role, subject_id="siege")[1] for role in ("ops", "finance")}
        opened.commit()
    never = threading.Event()
    ops, finance = (Client(address, staff[role], never) for role in ("ops", "finance"))
    made = _sent(ops, "/api/requesters", {"name": "Besieged"})
    money = {"owner_ref": made["requester"]["id"], "currency": "USD", "amount": "100000", "bank_reference": "siege"}
    _sent(finance, "/api/top-ups", money)
    requester = Client(address, made["token"], never)
    rates = [{"tier": 0, "amount": _PRICE, "currency": "USD"}, {"tier": 4, "amount": _EXPERT_PRICE, "currency": "USD"}]
    rules = {"overlap_min": OVERLAP, "overlap_max": OVERLAP, "expert_share": _EXPERT_SHARE, "lease_seconds": 600}
    project = {"name": "siege", "labels": list(CATEGORIES), "rates": rates, **rules}
    project_id = _sent(requester, "/api/projects", project)["id"]
    for number in range(n_tasks):
        _sent(requester, "/v1/task/categorization", {"project": "siege", "unique_id": str(number)})
    people = [_hire(address, ops, f"Worker {number}") for number in range(CLIENTS)]
    expert = replace(_hire(address, ops, "Expert"), kind="adjudication")
    path = f"/api/workers/{expert.worker_id}/tiers/image.categorization"
    assert _answer(ops.insist("PUT", path, {"tier": 4, "reason": "siege"}))["tier"] == 4
    return [*people, expert], project_id


def _hire(address: str, ops: Client, name: str) -> Person:
    applied = httpx.post(f"{address}/api/applications", json={"name": name, "country": "KE"}).json()
    _sent(ops, f"/api/workers/{applied['worker']['id']}/activation")
    return Person(applied["worker"]["id"], applied["token"])


def _sent(client: Client, path: str, body: Any = None) -> Any:
    return _answer(client.insist("POST", path, body))


def _answer(answer: httpx.Response | None) -> Any:
    assert answer is not None
    assert answer.status_code < 400, answer.text
    return answer.json()


class _at_work:  # noqa: N801 - reads as `with _at_work(...)`
    """The crowd at work until the event that this yields is set."""

    def __init__(self, people: Sequence[Person], address: str, project_id: str, journal: Journal) -> None:
        self._done = threading.Event()
        self._pool = ThreadPoolExecutor(len(people))
        self._running: list[Future[None]] = [
            self._pool.submit(person.work, address, project_id, journal, self._done) for person in people
        ]

    def __enter__(self) -> threading.Event:
        return self._done

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._pool.shutdown()
        for one in self._running:
            one.result()


class _Faults:
    """What can go wrong, and how often it did."""

    def __init__(
        self, supervisor: Supervisor, installation: Installation, data_dir: Path, journal: Journal, rng: random.Random
    ) -> None:
        self._supervisor, self._installation = supervisor, installation
        self._redis_pid = data_dir / "redis" / "redis.pid"
        self._journal, self._rng = journal, rng
        self.count: Counter[str] = Counter()
        self.pauses: list[float] = []

    def inject(self, fault: str) -> None:
        """Make one fault, and note how long nobody was told anything after it."""
        {
            "web": lambda: self._kill(*self._family(self._rng.choice(["web 1", "web 2"]))),
            "jobs parent": lambda: self._kill(self._family("worker")[0]),
            "jobs parent and child": lambda: self._kill(*self._family("worker")),
            "sweeper": lambda: self._kill(self._family("sweeper")[0]),
            "redis": lambda: self._kill(psutil.Process(int(self._redis_pid.read_text()))),
            "redis flush": self._flush,
        }[fault]()
        self.count[fault] += 1
        self.pauses.append(self._wait_for_work())

    def tend(self) -> None:
        self._supervisor.tend()

    def _family(self, name: str) -> list[psutil.Process]:
        """A child process of the house and its own children."""
        child = next(child for child in self._supervisor.children if child.name == name)
        while child.process is None or child.process.poll() is not None:
            self.tend()
            time.sleep(0.02)
        parent = psutil.Process(child.process.pid)
        return [parent, *parent.children(recursive=True)]

    def _kill(self, *processes: psutil.Process) -> None:
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    def _flush(self) -> None:
        assert self._installation.redis_url is not None
        with Redis.from_url(self._installation.redis_url) as redis:
            redis.flushall()

    def _wait_for_work(self) -> float:
        started = time.monotonic()
        while self._journal.last < started:
            self.tend()
            if time.monotonic() > started + _PAUSE_MAX:
                raise AssertionError(f"Nothing was acknowledged for {_PAUSE_MAX:.0f} s after a fault.")
            time.sleep(0.02)
        return self._journal.last - started


def _until_enough(plan: Plan, fault: _Faults, journal: Journal) -> None:
    """Faults, each when work has gone on for a while, until there were enough of them and of answers."""
    waiting: list[str] = []
    rng = random.Random(plan.seed)
    while sum(fault.count.values()) < plan.kills:
        _wait(len(journal.answers) + _ANSWERS_BETWEEN, journal, fault)
        if not waiting:
            # Every kind of fault comes about equally often.
            waiting = rng.sample(plan.faults, len(plan.faults))
        fault.inject(waiting.pop())
    deadline = time.monotonic() + _END_SECONDS
    while len(journal.answers) < plan.answers and not journal.failures and time.monotonic() < deadline:
        fault.tend()
        time.sleep(0.05)


def _wait(answers: int, journal: Journal, fault: _Faults) -> None:
    deadline = time.monotonic() + _SECONDS_BETWEEN
    while len(journal.answers) < answers and time.monotonic() < deadline:
        fault.tend()
        time.sleep(0.02)


def _until_settled(sessions: Callable[[], Session], project_id: str, supervisor: Supervisor, journal: Journal) -> None:
    """Let the crowd and the expert finish: every task settled, every event delivered."""
    open_tasks = text("SELECT count(*) FROM tasks WHERE project_id = :id AND status <> 'settled'")
    deadline = time.monotonic() + _END_SECONDS
    while not journal.failures:
        supervisor.tend()
        with sessions() as opened:
            left = (
                opened.scalar(open_tasks, {"id": project_id}),
                opened.scalar(text("SELECT count(*) FROM outbox_events")),
            )
        if left == (0, 0):
            return
        if time.monotonic() > deadline:
            journal.failures.append(f"After {_END_SECONDS:.0f} s still (open tasks, undelivered events) = {left}.")
        time.sleep(0.1)


_STORED = text("SELECT id, worker_id, task_id, payload ->> 'category' AS category FROM answers")
_TWICE = text("""
    SELECT 'answers of assignment ' || assignment_id FROM answers GROUP BY assignment_id HAVING count(*) > 1
    UNION ALL
    SELECT 'answers of ' || worker_id || ' for ' || task_id FROM answers GROUP BY worker_id, task_id HAVING count(*) > 1
    UNION ALL
    SELECT 'earnings of answer ' || answer_ref FROM earnings GROUP BY answer_ref HAVING count(*) > 1
    UNION ALL
    SELECT 'entries of answer ' || cause_ref FROM journal_entries
     WHERE kind = 'earning' GROUP BY cause_ref HAVING count(*) > 1
    UNION ALL
    SELECT 'payable of ' || a.owner_ref || ' beside its answers'
      FROM accounts a JOIN balances b ON b.account_id = a.id JOIN payees p ON p.id = a.owner_ref
     WHERE a.role = 'payable' AND b.credits - b.debits <> (
           SELECT sum(s.amount) FROM answers n JOIN assignments s ON s.id = n.assignment_id
            WHERE n.worker_id = p.owner_ref AND n.status = 'accepted')
""")
_DUE = text("SELECT answer_ref FROM earnings WHERE status = 'due'")


def _reckon(opened: Session, journal: Journal, fault: _Faults) -> Outcome:
    stored = {row.id: (row.worker_id, row.task_id, row.category) for row in opened.execute(_STORED)}
    told = {one.answer_id: (one.worker_id, one.task_id, one.category) for one in journal.answers}
    due = set(opened.scalars(_DUE))
    checks = {name: rows for check in wsgi.program.checks for name, rows in check(opened).items()}
    return Outcome(
        acknowledged=len(told),
        faults=fault.count,
        pauses=fault.pauses,
        lost=[answer for answer, said in told.items() if stored.get(answer) != said],
        doubled=list(opened.scalars(_TWICE)),
        unpaid=[answer for answer in told if answer in stored and answer not in due],
        vanished=journal.vanished,
        broken=[f"{name}: {rows}" for name, rows in checks.items() if rows],
        failures=journal.failures,
    )

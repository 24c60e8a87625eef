"""The clients of a siege: workers, an expert, a requester and ops. They insist until they are told, and remember it.

Whatever they are told goes into one journal. `reckoning.py` holds it against the books.
"""

import email.utils
import itertools
import random
import ssl
import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

import httpx

CATEGORIES = ("crow", "rook")
SKILL = "image.categorization"
LEASE_SECONDS = 10
OVERLAP = 7
# What may be claimed ahead of the workers: few tasks, so that a slot that came back is soon taken again.
_SLOTS_AHEAD = 150
_AGAIN_SECONDS = 0.1
# An open connection may be to a process that was just stopped, or that is frozen.
_TIMEOUT_SECONDS = 10.0
_PATIENCE_SECONDS = 30.0
_GIVE_UP_SECONDS = 180.0
# A request in so many is sent a second time under its key after it was answered.
_REPLAYED_SHARE = 0.04
# After so many requests a client connects anew, so that a process which joins gets its share.
_REQUESTS_A_CONNECTION = 40
# Made once: it takes longer than a request.
_NO_TLS = ssl.create_default_context()
_SHIFTED_SECONDS = 1800.0
_ABANDONED_MAX = 5
# So long after its end a lease that was let run out is answered at most: by then somebody else may have its task.
_LATER_SECONDS = 8.0
# Workers know the answer or guess; so most tasks are settled, and paid, while the siege goes on.
_SKILL = 0.8


class Refused(Exception):
    """An answer that a sound service does not give."""


@dataclass(frozen=True, slots=True)
class Said:
    """One acknowledged write: its id in the books, and what must stand there."""

    id: str
    facts: tuple[Any, ...]


@dataclass(slots=True)
class Journal:
    """What the clients were told, in the order in which they were told it."""

    claims: list[Said] = field(default_factory=list)
    answers: list[Said] = field(default_factory=list)
    releases: list[Said] = field(default_factory=list)
    renewals: list[Said] = field(default_factory=list)
    tasks: list[Said] = field(default_factory=list)
    moves: list[Said] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    """Leases that were given and that the service does not know any more."""
    differing: list[str] = field(default_factory=list)
    """Requests whose replay said something else than their answer."""
    heard: dict[str, float] = field(default_factory=dict)
    """For each client at work when it sent the last request that was answered."""
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def writes(self) -> int:
        kinds = (self.claims, self.answers, self.releases, self.renewals, self.tasks, self.moves)
        return sum(len(said) for said in kinds)

    def hear(self, name: str, sent: float) -> None:
        if name in self.heard:
            self.heard[name] = sent

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1


class Client:
    """One caller who repeats a request under its key until it is answered, and sometimes once more."""

    def __init__(self, name: str, doors: Sequence[str], token: str, journal: Journal) -> None:
        """`doors` are the addresses of the house now; a new connection goes to any of them."""
        self.name, self._doors, self.token, self._journal = name, doors, token, journal
        self._rng = random.Random(name)
        self._http, self._left = self._connect(), _REQUESTS_A_CONNECTION

    def _connect(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        door = self._rng.choice(self._doors)
        return httpx.Client(base_url=door, timeout=_TIMEOUT_SECONDS, headers=headers, verify=_NO_TLS)

    def _reconnect(self) -> None:
        self._http.close()
        self._http, self._left = self._connect(), _REQUESTS_A_CONNECTION

    def insist(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        """The answer that is final: neither "come again" nor a broken connection."""
        key = key or str(uuid.uuid4())
        deadline = time.monotonic() + _GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            sent = time.monotonic()
            answer = self._try(method, path, body, key)
            if answer is not None:
                self._journal.hear(self.name, sent)
                if answer.status_code >= 500:
                    raise Refused(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
                if answer.status_code < 300 and method != "GET" and self._rng.random() < _REPLAYED_SHARE:
                    self._replay(method, path, body, key, answer)
                return answer
        raise Refused(f"{method} {path}: no answer in {_GIVE_UP_SECONDS:.0f} s")

    def request(self, method: str, path: str, body: Any, *, key: str) -> httpx.Request:
        """A request as this client would send it."""
        return self._http.build_request(method, path, json=body, headers={"Idempotency-Key": key})

    def _try(self, method: str, path: str, body: Any, key: str) -> httpx.Response | None:
        headers = {} if method == "GET" else {"Idempotency-Key": key}
        self._left -= 1
        if self._left < 0:
            self._reconnect()
        try:
            answer = self._http.request(method, path, json=body, headers=headers)
        except httpx.TransportError:
            self._reconnect()
            self._journal.count("broken connections")
            self._pause(_AGAIN_SECONDS)
            return None
        self._journal.count("shifted" if _is_shifted(answer) else "answered")
        if "Retry-After" in answer.headers:
            self._journal.count(f"answered {answer.status_code}")
            self._pause(float(answer.headers["Retry-After"]))
            return None
        return answer

    def _replay(self, method: str, path: str, body: Any, key: str, first: httpx.Response) -> None:
        """The same request once more: the same answer, byte for byte."""
        again = self._try(method, path, body, key)
        if again is None:
            return
        self._journal.count("replays")
        if (again.status_code, again.content, again.headers.get("Idempotent-Replayed")) != (
            first.status_code, first.content, "true",
        ):  # fmt: skip
            self._journal.differing.append(f"{method} {path}: {first.text[:200]} then {again.text[:200]}")

    def _pause(self, seconds: float) -> None:
        # They do not all come again in the same moment.
        time.sleep(seconds * self._rng.uniform(0.5, 1.5) if seconds < 1 else seconds * self._rng.uniform(1.0, 1.2))

    def post(self, path: str, body: Any = None) -> Any:
        return required(self.insist("POST", path, body))

    def put(self, path: str, body: Any) -> Any:
        return required(self.insist("PUT", path, body))


def _is_shifted(answer: httpx.Response) -> bool:
    """Whether the process that answered has another time than we."""
    told = email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp() if "Date" in answer.headers else None
    return told is not None and abs(told - time.time()) > _SHIFTED_SECONDS


def required(answer: httpx.Response) -> Any:
    if answer.status_code >= 400:
        raise Refused(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:300]}")
    return answer.json()


@dataclass(frozen=True, slots=True)
class _Lease:
    """A claim as it was told, and since when it may at the earliest have run."""

    id: str
    task_id: str
    fence: int
    truth: str
    since: float

    @property
    def may_be_over(self) -> bool:
        return time.monotonic() - self.since >= LEASE_SECONDS


@dataclass(slots=True)
class Worker:
    """Somebody who is mostly right, gives some tasks back, renews some leases and lets some run out."""

    worker_id: str
    client: Client
    project_id: str
    journal: Journal
    kind: str = "answer"
    late_share: float = 0.02
    abandoned: list[tuple[float, _Lease]] = field(default_factory=list)
    """Leases that are answered late, and when."""
    unsure: list[str] = field(default_factory=list)
    """Keys of claims that were tried and not answered."""
    rests_seconds: float = 0.0
    """Before each claim."""

    def work(self, done: threading.Event) -> None:
        rng = random.Random(self.worker_id)
        while not done.wait(self.rests_seconds):
            lease = self._claim()
            if lease is None:
                time.sleep(_AGAIN_SECONDS)
            elif rng.random() < self.late_share and len(self.abandoned) < _ABANDONED_MAX:
                late = LEASE_SECONDS + rng.uniform(0, _LATER_SECONDS)
                self.abandoned.append((time.monotonic() + late, lease))
            elif rng.random() < 0.03:
                self._release(lease)
            else:
                if rng.random() < 0.05:
                    lease = self._renew(lease)
                self._answer(lease, rng)
            if self.abandoned and self.abandoned[0][0] < time.monotonic():
                self._answer(self.abandoned.pop(0)[1], rng)

    def try_claim(self) -> float:
        """Claim once, on a new connection; seconds until the answer, which may be a refusal or none."""
        key = str(uuid.uuid4())
        started = time.monotonic()
        try:
            with httpx.Client(timeout=_PATIENCE_SECONDS, verify=_NO_TLS) as fresh:
                answer = fresh.send(self.client.request("POST", "/api/claims", self._wanted, key=key))
        except httpx.TransportError:
            self.unsure.append(key)
        else:
            if answer.status_code == 201:
                self._told(answer.json())
        return time.monotonic() - started

    def make_sure(self) -> None:
        """Ask for what came of claims that were not answered: they may have been granted."""
        while self.unsure:
            answer = self.client.insist("POST", "/api/claims", self._wanted, key=self.unsure.pop())
            if answer.status_code == 201:
                self._told(answer.json())

    @property
    def _wanted(self) -> dict[str, str]:
        return {"project_id": self.project_id, "kind": self.kind}

    def _claim(self) -> _Lease | None:
        since = time.monotonic()
        claimed = self.client.insist("POST", "/api/claims", self._wanted)
        if claimed.status_code == 204:
            return None
        lease = required(claimed)
        self._told(lease)
        return _Lease(lease["id"], lease["task_id"], lease["fence"], lease["params"]["attachment"], since)

    def _told(self, lease: dict[str, Any]) -> None:
        facts = (self.worker_id, lease["task_id"], lease["fence"])
        self.journal.claims.append(Said(lease["id"], facts))

    def _answer(self, lease: _Lease, rng: random.Random) -> None:
        category = lease.truth if rng.random() < _SKILL else rng.choice(CATEGORIES)
        told = self._about(lease, "answer", {"payload": {"category": category}})
        if told is not None:
            facts = (lease.id, self.worker_id, lease.task_id, category)
            self.journal.answers.append(Said(told["id"], facts))

    def _release(self, lease: _Lease) -> None:
        told = self._about(lease, "release")
        if told is not None:
            self.journal.releases.append(Said(lease.id, (told["status"],)))

    def _renew(self, lease: _Lease) -> _Lease:
        since = time.monotonic()
        told = self._about(lease, "renewal")
        if told is None:
            return lease
        self.journal.renewals.append(Said(lease.id, (told["lease_expires_at"],)))
        return replace(lease, since=since)

    def _about(self, lease: _Lease, what: str, body: dict[str, Any] | None = None) -> Any:
        """What is told about a lease; None where it is lost, which may only be once its time is over."""
        path = f"/api/assignments/{lease.id}/{what}"
        told = self.client.insist("POST", path, {"fence": lease.fence, **(body or {})})
        if told.status_code == 404:
            self.journal.vanished.append(lease.id)
            return None
        if told.status_code == 409 and lease.may_be_over:
            self.journal.count("leases lost in time")
            return None
        return required(told)


@dataclass(slots=True)
class Requester:
    """Sends tasks, a few ahead of those who work on them."""

    client: Client
    project: str
    project_id: str
    journal: Journal
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def work(self, done: threading.Event) -> None:
        while not done.is_set():
            if len(self.journal.tasks) * OVERLAP - len(self.journal.answers) < _SLOTS_AHEAD:
                self.send(self.next_task(), str(uuid.uuid4()))
            else:
                time.sleep(0.02)

    def next_task(self) -> dict[str, Any]:
        # Every second task is told from its double by nothing but the key it was sent under.
        number = next(self.numbers)
        own = {"unique_id": f"task {number}"} if number % 2 else {}
        truth = CATEGORIES[number % len(CATEGORIES)]
        return {"project": self.project, "metadata": {"number": number}, "attachment": truth, **own}

    def send(self, task: dict[str, Any], key: str) -> None:
        told = required(self.client.insist("POST", "/v1/task/categorization", task, key=key))
        self.journal.tasks.append(Said(told["task_id"], (task["metadata"]["number"],)))


@dataclass(slots=True)
class Ops:
    """Moves workers up and down the ladder."""

    client: Client
    worker_ids: Sequence[str]
    journal: Journal

    def work(self, done: threading.Event) -> None:
        rng = random.Random(0)
        for number in itertools.count():
            if done.wait(0.3):
                return
            worker_id, tier, reason = rng.choice(self.worker_ids), rng.randint(1, 3), f"move {number}"
            # One person places somebody once on each ladder, so each move is on another one.
            ladder = "".join("abcdefghij"[int(digit)] for digit in str(number))
            path = f"/api/workers/{worker_id}/tiers/{SKILL}.{ladder}"
            self.client.put(path, {"tier": tier, "reason": reason})
            self.journal.moves.append(Said(reason, (worker_id, tier)))


class Member(Protocol):
    """Somebody of the crowd."""

    client: Client

    def work(self, done: threading.Event) -> None:
        """Be at it until told that it is enough."""


@dataclass(slots=True)
class Crowd:
    """Everybody at once, each in a thread, until told that it is enough."""

    members: Sequence[Member]
    journal: Journal
    _enough: threading.Event = field(default_factory=threading.Event)
    _sold_out: threading.Event = field(default_factory=threading.Event)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(32))

    def __enter__(self) -> Self:
        for member in self.members:
            self.journal.heard[member.client.name] = 0.0
            stop = self._enough if isinstance(member, Worker | Ops) else self._sold_out
            self._pool.submit(self._work, member, stop)
        return self

    def send_no_more(self) -> None:
        """No further tasks and no further payouts; what is there is worked off."""
        self._sold_out.set()

    def __exit__(self, *_: object) -> None:
        """Everybody finishes what they are at: after this nobody waits for an answer."""
        self._sold_out.set()
        self._enough.set()
        self._pool.shutdown()

    def _work(self, member: Member, stop: threading.Event) -> None:
        try:
            member.work(stop)
        except (Refused, KeyError, httpx.HTTPError) as failure:
            self.journal.failures.append(f"{type(failure).__name__}: {failure}")
        finally:
            self.journal.heard.pop(member.client.name, None)

    def heard_since(self, moment: float) -> bool:
        """Whether every client who is at work was answered a request that they sent after this moment."""
        return all(sent > moment for sent in list(self.journal.heard.values()))

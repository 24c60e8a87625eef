"""The clients of a siege: they claim and answer over HTTP, insist until they are told, and remember it."""

import random
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx

CATEGORIES = ("crow", "rook")
_AGAIN_SECONDS = 0.1
# An open connection may be to a process that was just stopped.
_TIMEOUT_SECONDS = 5.0


class Refused(Exception):
    """An answer that a sound service does not give."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An answer that the service said it has."""

    answer_id: str
    worker_id: str
    task_id: str
    category: str


@dataclass(slots=True)
class Journal:
    """What the clients were told, in the order in which they were told it."""

    answers: list[Acknowledged] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    """Leases that were given and that the service does not know any more."""
    failures: list[str] = field(default_factory=list)
    last: float = field(default_factory=time.monotonic)

    def note(self, answer: Acknowledged) -> None:
        # Appending is atomic.
        self.answers.append(answer)
        self.last = time.monotonic()


class Client:
    """One caller who repeats a request under its key until it is answered."""

    def __init__(self, address: str, token: str, done: threading.Event) -> None:
        self._http = httpx.Client(base_url=address, timeout=_TIMEOUT_SECONDS)
        self._token, self._done = token, done

    def insist(self, method: str, path: str, body: Any = None) -> httpx.Response | None:
        """The answer below 500; None when the siege ended first."""
        key = str(uuid.uuid4())
        headers = {"Authorization": f"Bearer {self._token}"} | ({"Idempotency-Key": key} if method == "POST" else {})
        while not self._done.is_set():
            try:
                answer = self._http.request(method, path, json=body, headers=headers)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code != 503:
                if answer.status_code >= 500:
                    raise Refused(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
                return answer
            time.sleep(_AGAIN_SECONDS * random.uniform(0.5, 1.5))
        return None


@dataclass(frozen=True, slots=True)
class Person:
    """A worker who answers at random, or the expert who decides at random."""

    worker_id: str
    token: str
    kind: str = "answer"

    def work(self, address: str, project_id: str, journal: Journal, done: threading.Event) -> None:
        client = Client(address, self.token, done)
        rng = random.Random(self.worker_id)
        try:
            while not done.is_set():
                self._one(client, project_id, journal, rng)
        except (Refused, KeyError) as failure:
            journal.failures.append(f"{type(failure).__name__}: {failure}")

    def _one(self, client: Client, project_id: str, journal: Journal, rng: random.Random) -> None:
        claimed = client.insist("POST", "/api/claims", {"project_id": project_id, "kind": self.kind})
        if claimed is None:
            return
        if claimed.status_code == 204:
            time.sleep(_AGAIN_SECONDS)
            return
        if claimed.status_code != 201:
            raise Refused(f"claim: {claimed.status_code} {claimed.text[:300]}")
        lease = claimed.json()
        category = rng.choice(CATEGORIES)
        body = {"fence": lease["fence"], "payload": {"category": category}}
        told = client.insist("POST", f"/api/assignments/{lease['id']}/answer", body)
        if told is None:
            return
        if told.status_code == 404:
            journal.vanished.append(lease["id"])
        elif told.status_code != 201:
            raise Refused(f"answer: {told.status_code} {told.text[:300]}")
        else:
            journal.note(Acknowledged(told.json()["id"], self.worker_id, lease["task_id"], category))

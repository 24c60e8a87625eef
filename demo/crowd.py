"""The recorded people at work: each comes in over HTTP, claims, and answers what they really answered.

Nothing here knows how the house decides: this is a requester, a finance clerk, an ops person, 39 workers and an
expert, all clients of the public API.
"""

import itertools
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from demo.recorded import CATEGORIES, Recorded

ANSWER_PRICE = "0.02"
EXPERT_PRICE = "0.60"
CURRENCY = "USD"
_SKILL = "image.categorization"
_TOP_UP = "200.00"
_SEATS = 8
_SESSION_TASKS = 15
_PAUSE_SECONDS = 0.02
_GIVE_UP_SECONDS = 300.0


class DemoFailure(Exception):
    """The service answered something that the demo did not expect."""


class Api:
    """One caller of the service, with their token."""

    def __init__(self, http: httpx.Client, token: str = "") -> None:
        self._http = http
        self.token = token

    def __call__(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """The JSON of a successful answer, None for 204. A failed connection is tried again under the same key."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if key is not None:
            headers["Idempotency-Key"] = key
        answer = self._http.request(method, path, json=body, headers=headers)
        if answer.status_code == 204:
            return None
        if answer.status_code >= 400:
            raise DemoFailure(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def pages(self, path: str) -> list[Any]:
        """All items of a list."""
        items: list[Any] = []
        cursor = ""
        while True:
            page = self("GET", f"{path}{'&' if '?' in path else '?'}limit=200{cursor}")
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = f"&cursor={page['next_cursor']}"

    def as_(self, token: str) -> "Api":
        return Api(self._http, token)


@dataclass(slots=True)
class Journey:
    """One run of the whole job: who takes part, and what came of it."""

    recorded: Recorded
    ops: Api
    finance: Api
    requester: Api
    project: str
    project_id: str
    workers: dict[str, tuple[str, Api]]
    expert: Api
    answers: int = 0
    decisions: int = 0
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def count(self, *, answers: int = 0, decisions: int = 0) -> None:
        """Add to what has been done; called from every thread."""
        with self._counting:
            self.answers += answers
            self.decisions += decisions


def prepare(recorded: Recorded, ops: Api, finance: Api, *, tag: str, order: int) -> Journey:
    """Open the accounts, top up, make the project, send every photograph as a task, and let everybody in."""
    opened = ops("POST", "/api/requesters", {"name": f"Bird atlas {tag}"})
    requester = ops.as_(opened["token"])
    top_up = {"owner_ref": opened["requester"]["id"], "currency": CURRENCY, "amount": _TOP_UP}
    finance("POST", "/api/top-ups", {**top_up, "bank_reference": f"DEMO {tag}"})
    name = f"Bluebirds {tag}"
    rates = [
        {"tier": 0, "amount": ANSWER_PRICE, "currency": CURRENCY},
        {"tier": 4, "amount": EXPERT_PRICE, "currency": CURRENCY},
    ]
    params = {"instruction": "Which bird is this?", "categories": list(CATEGORIES), "rates": rates}
    project = requester("POST", "/v1/projects", {"name": name, "type": "categorization", "params": params})
    photos = recorded.photos
    random.Random(order).shuffle(photos)
    for photo in photos:
        task = {"project": name, "unique_id": f"{photo} {tag}", "attachment": f"bluebird/{photo}.jpg"}
        requester("POST", "/v1/task/categorization", {**task, "metadata": {"photo": photo}})
    with ThreadPoolExecutor(_SEATS) as pool:
        workers = dict(zip(recorded.people, pool.map(lambda person: _hire(ops, person), recorded.people), strict=True))
    expert_id, expert = _hire(ops, "The ornithologist")
    ops("PUT", f"/api/workers/{expert_id}/tiers/{_SKILL}", {"tier": 4, "reason": "Wrote the book on blue birds."})
    return Journey(recorded, ops, finance, requester, name, project["id"], workers, expert)


def _hire(ops: Api, name: str) -> tuple[str, Api]:
    applied = ops.as_("")("POST", "/api/applications", {"name": name, "country": "US"})
    worker_id = applied["worker"]["id"]
    ops("POST", f"/api/workers/{worker_id}/activation")
    worker = ops.as_(applied["token"])
    # Nobody is there (RFC 2606); without a mail server what they are told is a file in the data folder.
    worker("PUT", "/api/me/contact", {"email": f"{worker_id}@example.com"})
    return worker_id, worker


def work(journey: Journey, *, order: int, told: Callable[[Journey, int], None]) -> None:
    """Let everybody work until every task is settled; `told` hears how far it is."""
    people = list(journey.workers)
    random.Random(order).shuffle(people)
    rotation = itertools.cycle(people)
    busy: set[str] = set()
    turn, done = threading.Lock(), threading.Event()

    def seat(number: int) -> None:
        rng = random.Random(order * 1000 + number)
        while not done.is_set():
            with turn:
                person = next(one for one in rotation if one not in busy)
                busy.add(person)
            worked = _session(journey, person, 1 + int(rng.expovariate(1 / _SESSION_TASKS)), done)
            with turn:
                busy.discard(person)
            if not worked:
                done.wait(_PAUSE_SECONDS)

    with ThreadPoolExecutor(_SEATS + 1) as pool:
        running = [pool.submit(seat, number) for number in range(_SEATS)]
        running.append(pool.submit(_adjudicate, journey, done))
        try:
            _watch(journey, running, told)
        finally:
            done.set()
        for one in running:
            one.result()


def _session(journey: Journey, person: str, n_tasks: int, done: threading.Event) -> int:
    api = journey.workers[person][1]
    for worked in range(n_tasks):
        lease = None if done.is_set() else api("POST", "/api/claims", {"project_id": journey.project_id})
        if lease is None:
            return worked
        category = journey.recorded.answers[_photo(lease), person]
        _answer(api, lease, category)
        journey.count(answers=1)
    return n_tasks


def _adjudicate(journey: Journey, done: threading.Event) -> None:
    wanted = {"project_id": journey.project_id, "kind": "adjudication"}
    while not done.is_set():
        lease = journey.expert("POST", "/api/claims", wanted)
        if lease is None:
            done.wait(_PAUSE_SECONDS)
            continue
        journey.expert("GET", f"/api/assignments/{lease['id']}/dossier")
        _answer(journey.expert, lease, journey.recorded.truth[_photo(lease)])
        journey.count(decisions=1)


def _answer(api: Api, lease: Any, category: str) -> None:
    body = {"fence": lease["fence"], "payload": {"category": category}}
    api("POST", f"/api/assignments/{lease['id']}/answer", body, key=f"answer-{lease['id']}")


def _photo(lease: Any) -> str:
    return str(lease["params"]["attachment"]).removeprefix("bluebird/").removesuffix(".jpg")


def _watch(journey: Journey, running: list[Any], told: Callable[[Journey, int], None]) -> None:
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    while time.monotonic() < deadline:
        settled = progress(journey)["tasks"]["settled"]
        told(journey, settled)
        if settled == len(journey.recorded.truth):
            return
        for one in running:
            if one.done():
                one.result()
        time.sleep(0.2)
    raise DemoFailure(f"Not every task was settled within {_GIVE_UP_SECONDS:.0f} s.")


def progress(journey: Journey) -> Any:
    """Where the project stands, as its requester sees it."""
    return journey.requester("GET", f"/api/projects/{journey.project_id}/progress")


def labels(journey: Journey) -> dict[str, str]:
    """The label of every photograph, as its requester reads it."""
    found: dict[str, str] = {}
    token = ""
    while True:
        page = journey.requester("GET", f"/v1/tasks?project={journey.project}&status=completed{token}")
        found.update({task["metadata"]["photo"]: task["response"]["category"] for task in page["docs"]})
        if not page["has_more"]:
            return found
        token = f"&next_token={page['next_token']}"

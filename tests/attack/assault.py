"""The whole corpus against a whole house: over real sockets, with every answer timed and the memory watched.

What must be refused goes first, and nothing in any table may have changed by it; then what may succeed, each with
objects of its own; then the bytes that are no sound HTTP.
"""

import math
import socket
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse

import psutil
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import http
from foundation.db import Base
from foundation.processes import Supervisor
from tests.attack import cells, corpus, credentials, verdict
from tests.attack.cells import ROUTES, Cell
from tests.attack.corpus import Entry
from tests.attack.credentials import Credentials
from tests.attack.good import GOOD
from tests.attack.request import Good

SECONDS_MAX = 1.0
GROWTH_MAX = 50 * 1024 * 1024
# Until nothing changes any more: so often it is looked, so long after the time before.
_RESTS = 20
_REST_SECONDS = 0.3
# How long a silent connection is listened to, and how long any answer is waited for at all.
_SILENCE_SECONDS = 2.0
_PATIENCE_SECONDS = 30.0
_PIECE = 64 * 1024
_WARM_ROUNDS = 20

Sessions = Callable[[], AbstractContextManager[Session]]


@dataclass(slots=True)
class Outcome:
    """What the house said to the corpus."""

    answers: int = 0
    failures: int = 0
    """How many answers were 5xx, other than what an entry asks for (an unknown version of HTTP is 505)."""
    seconds: list[float] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    largest_error: int = 0
    growth: int = 0
    """Of the resident memory of the web process that grew most, in bytes."""
    wrong: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.seconds) or [0.0]
        return ordered[math.ceil(share * len(ordered)) - 1]

    def note(self, name: object, answer: "Answer", expected: Container[int | str]) -> None:
        self.answers += 1
        self.failures += answer.status >= 500 and answer.status not in expected
        self.seconds.append(answer.seconds)
        if answer.seconds > SECONDS_MAX:
            self.slow.append(f"{name}: {answer.seconds:.1f} s")
        if answer.status >= 400:
            self.largest_error = max(self.largest_error, len(answer.body))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how long after the first byte went out."""

    status: int
    content_type: str | None
    body: bytes
    seconds: float


def assault(address: tuple[str, int], sessions: Sessions, supervisor: Supervisor) -> Outcome:
    """Send every cell and every piece of bad HTTP, and tend the house meanwhile."""
    found = Outcome()
    _warm_up(address)
    before = _memory(supervisor)
    for step in (_refused, _allowed):
        for name, route in ROUTES.items():
            step(address, sessions, name, route, found)
            supervisor.tend()
    for entry in corpus.entering("raw"):
        _raw(address, entry, found)
        supervisor.tend()
    found.growth = max(after - before.get(pid, after) for pid, after in _memory(supervisor).items())
    if before.keys() != _memory(supervisor).keys():
        found.wrong.append("a web process has ended")
    return found


def _warm_up(address: tuple[str, int]) -> None:
    """Let every web process import and prepare what it does at its first requests."""
    for _ in range(_WARM_ROUNDS):
        with closing(HTTPConnection(*address, timeout=_PATIENCE_SECONDS)) as connection:
            for path in ("/ready", "/api/openapi.json", "/api/me", "/v1/tasks"):
                connection.request("GET", path)
                connection.getresponse().read()


def _memory(supervisor: Supervisor) -> dict[int, int]:
    """The resident memory of each web process, by its id."""
    webs = [child.process.pid for child in supervisor.children if child.name.startswith("web") and child.process]
    return {pid: psutil.Process(pid).memory_info().rss for pid in webs}


def _refused(address: tuple[str, int], sessions: Sessions, name: str, route: http.Route, found: Outcome) -> None:
    good, tokens = _staged(sessions, name)
    before = _at_rest(sessions)
    _judge(address, [cell for cell in cells.of_route(route, good) if not cell.may_succeed], tokens, found)
    after = everything(sessions)
    changed = [table for table, rows in after.items() if rows != before[table] and table not in _ITS_OWN]
    if changed:
        found.wrong.append(f"{name}: something that was refused has changed {', '.join(changed)}")


def _at_rest(sessions: Sessions) -> dict[str, str]:
    """Every table once what was staged has had its consequences: reactions, sweeps, mails."""
    before, after = dict[str, str](), everything(sessions)
    for _ in range(_RESTS):
        if before == after:
            break
        time.sleep(_REST_SECONDS)
        before, after = after, everything(sessions)
    return after


def _staged(sessions: Sessions, name: str) -> tuple[Good, Credentials]:
    with sessions() as db:
        good = GOOD[name](db)
        tokens = credentials.issue(db, good)
        db.commit()
    return good, tokens


def _allowed(address: tuple[str, int], sessions: Sessions, name: str, route: http.Route, found: Outcome) -> None:
    good, tokens = _staged(sessions, name)
    for cell in [cell for cell in cells.of_route(route, good) if cell.may_succeed]:
        if route.changes:
            # It is answered or launched or taken by now: the same entry, about something new.
            good, tokens = _staged(sessions, name)
            anew = cells.of_route(route, good, [cell.entry])
            cell = next(one for one in anew if one.place == cell.place)  # noqa: PLW2901
        _judge(address, [cell], tokens, found)


def _judge(address: tuple[str, int], tried: Sequence[Cell], tokens: Credentials, found: Outcome) -> None:
    for cell, answer in _sent(address, tried, tokens):
        found.note(cell, answer, cell.expected)
        told = verdict.complaints(cell, answer.status, answer.content_type, answer.body)
        found.wrong += [f"{cell}: {complaint}" for complaint in told]


def _sent(address: tuple[str, int], tried: Sequence[Cell], tokens: Credentials) -> Iterator[tuple[Cell, Answer]]:
    """Each cell with its answer, over one connection as long as the house keeps it open."""
    with closing(HTTPConnection(*address, timeout=_PATIENCE_SECONDS)) as connection:
        for cell in tried:
            yield cell, _ask(connection, cell, tokens)


def _ask(connection: HTTPConnection, cell: Cell, tokens: Credentials) -> Answer:
    body = cell.body()
    headers = credentials.headers(cell, tokens)
    if connection.sock is None:
        connection.connect()
    began = time.perf_counter()
    named = {name.lower() for name, _ in headers}
    connection.putrequest(
        cell.method, credentials.fill(cell.path, tokens), skip_host="host" in named, skip_accept_encoding=True
    )
    for name, value in headers:
        connection.putheader(name, value)
    if body or cell.route.changes:
        connection.putheader("Content-Length", str(len(body)))
    # A body that is too large is refused before it was sent to its end.
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.endheaders(body or None)
    try:
        response = connection.getresponse()
        return Answer(response.status, response.headers["Content-Type"], response.read(), time.perf_counter() - began)
    except (ConnectionError, HTTPException) as error:
        connection.close()
        return Answer(0, f"no answer: {error!r}", b"", time.perf_counter() - began)


# Bytes that are no sound HTTP


def _raw(address: tuple[str, int], entry: Entry, found: Outcome) -> None:
    said, answer = _spoken(address, entry)
    if answer is not None:
        found.note(entry, answer, entry.statuses["server"])
        if answer.status >= 400:
            problem = verdict.a_problem(answer.content_type, answer.body)
            wrong = ["is no problem"] if problem is None else verdict.wrong_in(problem, answer.status)
            found.wrong += [f"{entry}: {complaint}" for complaint in wrong]
    if said not in entry.statuses["server"]:
        found.wrong.append(f"{entry}: {said}, not {entry.statuses['server']}")
    _still_there(address, entry, found)


def _spoken(address: tuple[str, int], entry: Entry) -> tuple[int | str, Answer | None]:
    """Say something over a connection of its own, and what was answered first."""
    sent = corpus.build(entry.sends).replace(b"$host", f"{address[0]}:{address[1]}".encode())
    began = time.perf_counter()
    with closing(socket.create_connection(address, timeout=_PATIENCE_SECONDS)) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            for start in range(0, len(sent), _PIECE):
                connection.sendall(sent[start : start + _PIECE])
        connection.settimeout(_SILENCE_SECONDS)
        response = HTTPResponse(connection)
        try:
            response.begin()
            answer = Answer(
                response.status, response.headers["Content-Type"], response.read(), time.perf_counter() - began
            )
        except TimeoutError:
            return "silence", None
        except (ConnectionError, HTTPException):
            return "closed", None
    return answer.status, answer


def _still_there(address: tuple[str, int], entry: Entry, found: Outcome) -> None:
    began = time.perf_counter()
    with closing(HTTPConnection(*address, timeout=_PATIENCE_SECONDS)) as connection:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    if status != 200 or time.perf_counter() - began > SECONDS_MAX:
        found.wrong.append(f"{entry}: the next one got {status} after {time.perf_counter() - began:.1f} s")


# What the house itself changes as time passes: events are delivered, exports made and deleted, sums taken.
_ITS_OWN = {"outbox_events", "exports", "export_rows", "horizons", "balance_snapshots", "bank_days", "seals", "mails"}
_ALL = " UNION ALL ".join(
    f"SELECT '{name}', md5(string_agg(t::text, '' ORDER BY t::text)) FROM {name} t"
    for name in sorted(Base.metadata.tables)
)


def everything(sessions: Sessions) -> dict[str, str]:
    """Every row of every table, in short."""
    with sessions() as db:
        return dict(db.execute(text(_ALL)).all())

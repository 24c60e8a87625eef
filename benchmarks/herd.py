"""A herd: 1,000 and 5,000 workers claim at the same moment, in the database alone and over HTTP beside the floor.

Whether anybody comes away with nothing, or a task is left waiting: where there is one task for each of them, and where
all tasks at the head of the line are in the hands of fifty others.
"""

import json
import multiprocessing
import resource
import selectors
import socket
import statistics
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text

import wsgi
from benchmarks.house import House, opened
from benchmarks.web import Web, serving_web
from foundation import clock, db
from workforce import assignment

HERDS = (1_000, 5_000)
_ROUNDS = 3
# Processes, and connections of each: as the product has them, and far more than two processors serve.
_POOLS = ((2, 4), (4, 16))
_OVERLAP = 5
_FILES = 16_384
_PATIENCE_SECONDS = 120.0
_RETRY_SECONDS = 1.0
_IMPATIENCE_SECONDS = 2.0
_HOLDERS = 50

_OVERBOOKED = text("""
    SELECT t.id FROM tasks t JOIN assignments a ON a.task_id = t.id AND a.project_id = t.project_id
     WHERE t.project_id = :project_id AND a.status IN ('leased', 'answered')
     GROUP BY t.id, t.overlap, t.free_slots HAVING count(*) > t.overlap OR count(*) + t.free_slots <> t.overlap
""")
_TWICE = text("""
    SELECT worker_id FROM assignments WHERE project_id = :project_id GROUP BY worker_id, task_id HAVING count(*) > 1
""")


@dataclass(slots=True)
class Rush:
    """What a herd met: seconds from the signal until each got a task, and how many were put off or sent away."""

    # Until the last claim was sent, and the last one answered.
    release: float = 0.0
    seconds: float = 0.0
    # Seconds of the web processes' processors.
    cpu: float = 0.0
    times: list[float] = field(default_factory=list)
    refused: int = 0
    starved: int = 0

    def mark(self, share: float) -> float:
        return sorted(self.times)[int(len(self.times) * share)] * 1000


def run() -> None:
    """Print rates, waits, refusals, who got nothing and what was sold twice, for each size of herd."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard), hard))
    print(f"Herds: all workers claim at once, {_ROUNDS} rounds in turn with the floor (benchmarks/floor.py)")
    for size in HERDS:
        with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder, opened(Path(folder)) as house:
            workers = house.workers(size)
            for processes, connections in _POOLS:
                _in_the_database(house, workers, processes, connections)
            _one_each(house, workers)
            _behind_the_head(house, workers)
            _over_http(house, workers)
            _impatient(house, workers)


def _in_the_database(house: House, workers: Sequence[tuple[str, str]], processes: int, connections: int) -> None:
    """Claims straight from the function, over so many connections of each of so many processes."""
    name = f"database over {processes * connections}"
    project_id = house.filled_project(name=name, overlap=_OVERLAP, n_tasks=len(workers))
    ids = [worker_id for worker_id, _ in workers]
    url = house.engines.database_url
    shares = [(url, project_id, connections, ids[number::processes]) for number in range(processes)]
    rushes = []
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for number in range(_ROUNDS + 1):
            started = time.perf_counter()
            rush = Rush()
            for times, starved in pool.map(_claim_share, shares):
                rush.times += times
                rush.starved += starved
            rush.seconds = time.perf_counter() - started
            if number:
                rushes.append(rush)
    _tell(name, len(workers), rushes)
    _require_sound(house, project_id, (_ROUNDS + 1) * len(workers))


# How long each task waited for its first claim, since the signal.
_WAITS = text("""
    SELECT extract(epoch FROM min(a.created_at) - CAST(:started AS timestamptz))::float AS seconds
      FROM tasks t LEFT JOIN assignments a ON a.task_id = t.id AND a.project_id = t.project_id
     WHERE t.project_id = :project_id GROUP BY t.id ORDER BY seconds
""")


def _one_each(house: House, workers: Sequence[tuple[str, str]]) -> None:
    """A task for each worker: every one is claimed, nobody gets nothing, and no task waits much longer than others."""
    processes, connections = _POOLS[-1]
    project_id = house.filled_project(name="one each", overlap=1, n_tasks=len(workers))
    ids = [worker_id for worker_id, _ in workers]
    url = house.engines.database_url
    shares = [(url, project_id, connections, ids[number::processes]) for number in range(processes)]
    with house.sessions() as opened_session:
        started = clock.now(opened_session)
    times, starved = _claimed_at_once(shares)
    with house.sessions() as opened_session:
        opened_session.execute(text("SET statement_timeout = 0"))
        waits = list(opened_session.scalars(_WAITS, {"project_id": project_id, "started": started}))
    assert None not in waits, "a task was left over"
    first = waits[0]
    since_first = [seconds - first for seconds in waits]
    _tell_waits(f"{len(workers):>5,} with a task each", times, starved, since_first)


def _behind_the_head(house: House, workers: Sequence[tuple[str, str]]) -> None:
    """Fifty hold as many tasks as they may, those at the head of the line; fifty others claim as many, all at once."""
    holders, others = ([worker_id for worker_id, _ in workers[at : at + _HOLDERS]] for at in (0, _HOLDERS))
    n_tasks = 2 * _HOLDERS * assignment.LEASES_MAX
    project_id = house.filled_project(name="behind the head", overlap=1, n_tasks=n_tasks)
    with house.sessions() as opened_session:
        opened_session.execute(_ALL_ANSWERED)
        for holder in holders:
            held = assignment.claim_several(opened_session, holder, count=assignment.LEASES_MAX, project_id=project_id)
            assert len(held) == assignment.LEASES_MAX
        opened_session.commit()
        started = clock.now(opened_session)
    # Each connection claims for one of them, time and again.
    parts = [others[number::5] for number in range(5)]
    shares = [(house.engines.database_url, project_id, len(part), part * assignment.LEASES_MAX) for part in parts]
    times, starved = _claimed_at_once(shares)
    with house.sessions() as opened_session:
        waits = list(opened_session.scalars(_WAITS, {"project_id": project_id, "started": started}))
    assert None not in waits, "a task was left over"
    behind = waits[n_tasks // 2 :]
    _tell_waits(f"{_HOLDERS:>5} behind {_HOLDERS} holders", times, starved, [seconds - behind[0] for seconds in behind])


# Room for all of them again.
_ALL_ANSWERED = text("UPDATE assignments SET status = 'answered' WHERE status = 'leased'")


def _claimed_at_once(shares: Sequence[tuple[str, str, int, list[str]]]) -> tuple[list[float], int]:
    """How long each claim took, and how many got nothing."""
    times, starved = list[float](), 0
    with ProcessPoolExecutor(len(shares), mp_context=multiprocessing.get_context("spawn")) as pool:
        for some, none in pool.map(_claim_share, shares):
            times += some
            starved += none
    return times, starved


def _tell_waits(name: str, times: Sequence[float], starved: int, waits: Sequence[float]) -> None:
    ordered, middle = sorted(times), statistics.median(waits)
    print(
        f"  {name:26}: got nothing {starved}; a task waits {middle:.2f} s, the longest {max(waits) / middle:.1f} times "
        f"that; a claim takes {statistics.median(ordered) * 1000:.0f} ms, the longest {ordered[-1] * 1000:.0f} ms",
        flush=True,
    )
    assert starved == 0


def _claim_share(share: tuple[str, str, int, list[str]]) -> tuple[list[float], int]:
    """One process's part: each of its connections claims for one worker after the other."""
    url, project_id, connections, worker_ids = share
    engine = db.make_engine(url, pool_size=connections)
    sessions = db.sessions(engine)
    times: list[float] = []
    starved: list[str] = []

    def claim(for_these: Sequence[str]) -> None:
        for worker_id in for_these:
            started = time.perf_counter()
            with sessions() as opened_session:
                lease = assignment.claim(opened_session, worker_id, project_id=project_id)
                opened_session.commit()
            times.append(time.perf_counter() - started)
            if lease is None:
                starved.append(worker_id)

    threads = [threading.Thread(target=claim, args=(worker_ids[n::connections],)) for n in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()
    return times, len(starved)


def _over_http(house: House, workers: Sequence[tuple[str, str]]) -> None:
    with serving_web(house, "wsgi:app") as ours, serving_web(house, "benchmarks.floor:app") as bare:
        sides = {
            name: (web, house.filled_project(name=name, overlap=_OVERLAP, n_tasks=len(workers)))
            for name, web in (("HTTP", ours), ("floor", bare))
        }
        rushes: dict[str, list[Rush]] = {name: [] for name in sides}
        for number in range(_ROUNDS + 1):
            for name in sides if number % 2 else reversed(sides):
                web, project_id = sides[name]
                rush = _rush(web, project_id, [token for _, token in workers])
                if number:
                    rushes[name].append(rush)
    for name in sides:
        _tell(name, len(workers), rushes[name])
    rates = [[len(workers) / rush.seconds for rush in rushes[name]] for name in sides]
    ratios = sorted(mine / floor for mine, floor in zip(*rates, strict=True))
    print(f"           rate to the floor's: {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    _require_sound(house, sides["HTTP"][1], (_ROUNDS + 1) * len(workers))


def _rush(web: Web, project_id: str, tokens: Sequence[str]) -> Rush:
    """Open all connections, send all claims at once, and wait until everybody has a task or is told there is none."""
    body = json.dumps({"project_id": project_id}).encode()
    clients = [Client(web.port, token, body) for token in tokens]
    rush = Rush()
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.connection, selectors.EVENT_READ, client)
        before, started = web.cpu(), time.perf_counter()
        for client in clients:
            client.send()
        rush.release = time.perf_counter() - started
        _await_all(selector, rush, started)
        rush.seconds, rush.cpu = time.perf_counter() - started, web.cpu() - before
    for client in clients:
        client.connection.close()
    assert len(rush.times) == len(clients), f"{len(clients) - len(rush.times)} workers got no answer"
    return rush


def _await_all(selector: selectors.BaseSelector, rush: Rush, started: float) -> None:
    left, put_off = len(selector.get_map()), deque[tuple[float, Client]]()
    while left and time.perf_counter() < started + _PATIENCE_SECONDS:
        for key, _ in selector.select(0.05):
            status = key.data.read()
            if status in {429, 503}:
                rush.refused += 1
                put_off.append((time.perf_counter() + _RETRY_SECONDS, key.data))
            elif status is not None:
                rush.times.append(time.perf_counter() - started)
                rush.starved += status == 204
                left -= 1
        while put_off and put_off[0][0] <= time.perf_counter():
            put_off.popleft()[1].send()


def _impatient(house: House, workers: Sequence[tuple[str, str]]) -> None:
    """Workers who give up after two seconds and come again, until each has a task: work for those who have gone would
    keep the others waiting, until they give up too.
    """
    project_id = house.filled_project(name="impatient", overlap=_OVERLAP, n_tasks=len(workers))
    body = json.dumps({"project_id": project_id}).encode()
    with serving_web(house) as web, selectors.DefaultSelector() as selector:
        started, waiting, comings = time.perf_counter(), {token for _, token in workers}, 0
        while waiting and time.perf_counter() < started + _PATIENCE_SECONDS:
            clients = {Client(web.port, token, body): token for token in waiting}
            comings += len(clients)
            for client in clients:
                selector.register(client.connection, selectors.EVENT_READ, client)
                client.send()
            end = time.perf_counter() + _IMPATIENCE_SECONDS
            while time.perf_counter() < end and waiting:
                for key, _ in selector.select(0.05):
                    if key.data.read() is not None:
                        waiting.discard(clients[key.data])
            for client in clients:
                selector.unregister(client.connection)
                client.connection.close()
        seconds = time.perf_counter() - started
    with house.sessions() as opened_session:
        leased = opened_session.scalar(
            text("SELECT count(*) FROM assignments WHERE project_id = :p"), {"p": project_id}
        )
    print(
        f"  {len(workers):>5,} impatient: {len(workers) - len(waiting)} have a task after {seconds:.1f} s; "
        f"{comings} claims were sent and {leased} leases given",
        flush=True,
    )


class Client:
    """A worker's connection, and their claim ready to be sent."""

    def __init__(self, port: int, token: str, body: bytes) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port))
        head = (
            f"POST /api/claims HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._request, self._got = head.encode() + body, b""

    def send(self) -> None:
        self.connection.sendall(self._request)

    def read(self) -> int | None:
        """The status of an answer that is complete now."""
        got = self.connection.recv(65536)
        if not got:
            raise ConnectionError("The server closed the connection.")
        self._got += got
        head, end, rest = self._got.partition(b"\r\n\r\n")
        if not end:
            return None
        lengths = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        if len(rest) < sum(lengths):
            return None
        self._got = b""
        status = int(head[9:12])
        assert status in {200, 201, 204, 429, 503}, head + rest
        return status


def _tell(name: str, size: int, rushes: Sequence[Rush]) -> None:
    rate, p50, p99, cpu = (
        statistics.median(values)
        for values in (
            [size / rush.seconds for rush in rushes],
            [rush.mark(0.5) for rush in rushes],
            [rush.mark(0.99) for rush in rushes],
            [rush.cpu / size * 1000 for rush in rushes],
        )
    )
    print(
        f"  {size:>5,} {name:16}: {rate:5.0f} claims/s; p50 {p50:5.0f} ms, p99 {p99:5.0f} ms; "
        + (f"sent within {max(rush.release for rush in rushes) * 1000:.0f} ms; " if cpu else "")
        + (f"server time a claim {cpu:.2f} ms; " if cpu else "")
        + f"refused {sum(rush.refused for rush in rushes)}, got nothing {sum(rush.starved for rush in rushes)}",
        flush=True,
    )


def _require_sound(house: House, project_id: str, claimed: int) -> None:
    """No slot sold twice, no worker twice on a task, every lease of ours there, and every check of the house."""
    with house.sessions() as opened_session:
        opened_session.execute(text("SET statement_timeout = 0"))
        where = {"project_id": project_id}
        leased = opened_session.scalar(text("SELECT count(*) FROM assignments WHERE project_id = :project_id"), where)
        wrong = [*opened_session.scalars(_OVERBOOKED, where), *opened_session.scalars(_TWICE, where)]
        broken = {name: rows for check in wsgi.program.checks for name, rows in check(opened_session).items() if rows}
    print(f"           {leased:,} leases of {claimed:,} claims; sold twice {len(wrong)}; broken checks {len(broken)}")
    assert (leased, wrong, broken) == (claimed, [], {})

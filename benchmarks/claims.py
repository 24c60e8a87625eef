"""Claim and submit over HTTP with 16 clients, beside the floor, interleaved; at two sizes of the project."""

import json
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.house import LABELS, House, opened
from benchmarks.web import Web, serving_web

CLIENTS = 16
SIZES = (2_000, 100_000)
_ROUNDS = 5
_WORKERS_EACH = 4
_TASKS_EACH = 60


@dataclass(frozen=True, slots=True)
class Block:
    """What one side did in one block: requests a second, and seconds of its server's processors per request."""

    rate: float
    cpu: float


class Side:
    """One application under load: its processes, its project, and its workers in equal shares for the clients."""

    def __init__(self, house: House, web: Web, name: str, n_tasks: int) -> None:
        self.web = web
        self.project_id = house.filled_project(name=name, overlap=13, n_tasks=n_tasks)
        self.seats = [Seat(self.project_id, [house.worker() for _ in range(_WORKERS_EACH)]) for _ in range(CLIENTS)]

    def run(self, act: str) -> Block:
        """Let every client do its share of one block at once."""
        for seat in self.seats:
            # The server closes connections that were idle while the other side had its turn.
            seat.connect(self.web.port)
        threads = [threading.Thread(target=getattr(seat, act)) for seat in self.seats]
        before, started = self.web.cpu(), time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds, used = time.perf_counter() - started, self.web.cpu() - before
        n_requests = CLIENTS * _TASKS_EACH
        assert sum(seat.done for seat in self.seats) == n_requests
        return Block(rate=n_requests / seconds, cpu=used / n_requests)


class Seat:
    """One client on one kept connection, as cheap as Python makes it, so that the server is what is measured."""

    def __init__(self, project_id: str | None, tokens: Sequence[str], *, n_tasks: int = _TASKS_EACH) -> None:
        self._project_id, self._tokens, self._n_tasks = project_id, tokens, n_tasks
        self._socket: socket.socket | None = None
        self._held: list[tuple[str, Any]] = []
        self.done = 0

    def claims(self) -> None:
        self.done = 0
        body = {} if self._project_id is None else {"project_id": self._project_id}
        for number in range(self._n_tasks):
            token = self._tokens[number % len(self._tokens)]
            self._held.append((token, self._post("/api/claims", token, body)))
            self.done += 1

    def submits(self) -> None:
        self.done = 0
        for token, lease in self._held:
            body = {"fence": lease["fence"], "payload": {"category": LABELS[1]}}
            self._post(f"/api/assignments/{lease['id']}/answer", token, body)
            self.done += 1
        self._held.clear()

    def connect(self, port: int) -> None:
        """Open a fresh connection."""
        self.close()
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _post(self, path: str, token: str, body: Any) -> Any:
        sent = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
        )
        connection = self._socket
        assert connection is not None
        connection.sendall(head.encode() + sent)
        answer = _received(connection)
        while b"\r\n\r\n" not in answer:
            answer += _received(connection)
        headers, _, rest = answer.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in headers.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        while len(rest) < length:
            rest += _received(connection)
        assert b" 20" in headers[:12], answer
        return json.loads(rest)


def run() -> None:
    """Print the ratio of both rates to the floor's, with the spread of the rounds."""
    print(
        f"Claim and submit over HTTP, {CLIENTS} clients, {_ROUNDS} rounds in turn with the floor (benchmarks/floor.py)"
    )
    for n_tasks in SIZES:
        with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder, opened(Path(folder)) as house:
            _measure(house, n_tasks)


def _measure(house: House, n_tasks: int) -> None:
    with serving_web(house, "wsgi:app") as ours, serving_web(house, "benchmarks.floor:app") as bare:
        product, floor = Side(house, ours, "product", n_tasks), Side(house, bare, "floor", n_tasks)
        rounds: dict[str, list[tuple[Block, Block]]] = {"claims": [], "submits": []}
        for number in range(_ROUNDS + 1):
            for act, pairs in rounds.items():
                # Who goes first changes from round to round; the first round warms up.
                sides = (product, floor) if number % 2 else (floor, product)
                blocks = {id(side): side.run(act) for side in sides}
                if number:
                    pairs.append((blocks[id(product)], blocks[id(floor)]))
        for seat in (*product.seats, *floor.seats):
            seat.close()
    for act, pairs in rounds.items():
        _tell(act, n_tasks, pairs)


def _tell(act: str, n_tasks: int, pairs: Sequence[tuple[Block, Block]]) -> None:
    ratios = sorted(ours.rate / floor.rate for ours, floor in pairs)
    costs = sorted(floor.cpu / ours.cpu for ours, floor in pairs)
    ours, floor = (statistics.median(pair[side].rate for pair in pairs) for side in (0, 1))
    cpu = statistics.median(pair[0].cpu for pair in pairs)
    print(
        f"  {act:8} {n_tasks:>7,} tasks: {ours:5.0f}/s of the floor's {floor:5.0f}/s, ratio "
        f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}); server time a request "
        f"{cpu * 1000:.2f} ms, ratio {statistics.median(costs):.2f}",
        flush=True,
    )


def _received(connection: socket.socket) -> bytes:
    got = connection.recv(65536)
    if not got:
        raise ConnectionError("The server closed the connection.")
    return got

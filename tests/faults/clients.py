"""Faults of clients: they send too slowly, or vanish in the middle."""

import socket
import struct
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx

from tests.faults.scene import Scene


@contextmanager
def slow_clients(scene: Scene) -> Iterator[None]:
    """Three hundred senders who give a byte a second, some in the head and some in the body."""
    head = f"POST /api/claims HTTP/1.1\r\nHost: siege\r\nAuthorization: Bearer {scene.outsider.client.token}\r\n"
    body = f"{head}Content-Type: application/json\r\nContent-Length: 200\r\n\r\n"
    sockets = [socket.create_connection(("127.0.0.1", scene.house.port), timeout=5) for _ in range(300)]
    for number, one in enumerate(sockets):
        with suppress(OSError):
            one.sendall((head if number % 2 else body).encode())
    over = threading.Event()
    dripping = threading.Thread(target=_drip, args=(sockets, over))
    dripping.start()
    try:
        yield
    finally:
        over.set()
        dripping.join()
        for one in sockets:
            _hang_up(one)


def _drip(sockets: list[socket.socket], over: threading.Event) -> None:
    while not over.wait(1):
        for one in sockets:
            with suppress(OSError):
                one.sendall(b"x")


def _hang_up(one: socket.socket) -> None:
    """Close with a reset, as a client that has vanished would."""
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


@contextmanager
def hanging_up(scene: Scene) -> Iterator[None]:
    """Senders of tasks vanish at any byte, before or while they are answered; then they ask again under the key."""
    requester = scene.vanishing
    lists = f"GET /api/projects/{requester.project_id}/tasks?limit=100 HTTP/1.1\r\nHost: siege\r\n"
    for number in range(20):
        task, key = requester.next_task(), str(uuid.uuid4())
        sent = _request(requester.client.request("POST", "/v1/task/categorization", task, key=key))
        cut = len(sent) if number % 2 else scene.rng.randrange(len(sent))
        with socket.create_connection(("127.0.0.1", scene.house.port), timeout=5) as one:
            one.sendall(sent[:cut])
            time.sleep(scene.rng.uniform(0, 0.02))
            _hang_up(one)
        with socket.create_connection(("127.0.0.1", scene.house.port), timeout=5) as one:
            one.sendall(f"{lists}Authorization: Bearer {requester.client.token}\r\n\r\n".encode())
            with suppress(OSError):
                one.recv(10)
            _hang_up(one)
        requester.send(task, key)
    yield


def _request(request: httpx.Request) -> bytes:
    """A request as it goes over the wire."""
    head = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n"
    lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"{head}{lines}\r\n".encode() + request.content

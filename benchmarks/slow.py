"""Hostile sockets: how long good requests take beside a thousand that drip, wait, never read or break off."""

import contextlib
import http.client
import itertools
import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.house import opened
from benchmarks.web import Web, serving_web

SIZES = (100, 1_000)
_ROUNDS = 5
_REQUESTS = 300
_FILES = 4_096
_UPLOAD = (
    b"POST /api/applications HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100000\r\n\r\n"
)
# Larger than what the kernel keeps for a client that does not read.
_DOWNLOAD = b"GET /api/docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: bench\r\n\r\n"


def heads(port: int, number: int) -> None:
    """Begin a head and add a byte a second."""
    _drip(port, number, b"POST / HTTP/1.1\r\nHost: bench\r\nX: ")


def bodies(port: int, number: int) -> None:
    """Announce a body and add a byte a second."""
    _drip(port, number, _UPLOAD)


def silent(port: int, number: int) -> None:
    """Connect and say nothing."""
    crowd = [_connected(port) for _ in range(number)]
    _tell_and_wait(crowd)


def readers(port: int, number: int) -> None:
    """Ask for much, read its beginning and no more."""
    crowd = [_connected(port) for _ in range(number)]
    for one in crowd:
        one.sendall(_DOWNLOAD)
        one.recv(1)
    _tell_and_wait(crowd)


def breaks(port: int, number: int) -> None:
    """Break off in the middle of an upload or a download, so many times a second."""
    print("there", flush=True)
    for ours in itertools.cycle([_UPLOAD + b" " * 50_000, _DOWNLOAD]):
        with contextlib.suppress(ConnectionError), _connected(port) as one:
            one.sendall(ours)
            # The kernel sends a reset instead of a farewell.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        time.sleep(1 / number)


KINDS: dict[str, Callable[[int, int], None]] = {act.__name__: act for act in (heads, bodies, silent, readers, breaks)}


def _drip(port: int, number: int, begin: bytes) -> None:
    crowd = [_connected(port) for _ in range(number)]
    for one in crowd:
        one.sendall(begin)
    print("there", flush=True)
    for one in itertools.cycle(crowd):
        one.sendall(b" ")
        time.sleep(1 / number)


def _connected(port: int) -> socket.socket:
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    one.connect(("127.0.0.1", port))
    return one


def _tell_and_wait(crowd: list[socket.socket]) -> None:
    print("there", flush=True)
    while crowd:
        time.sleep(60)


def run() -> None:
    """Print, for each kind and size of crowd, what good requests took without it and beside it, in turn."""
    print(f"Hostile sockets: {_ROUNDS} times {_REQUESTS} requests without and beside them, in turn; one web process")
    with (
        tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder,
        opened(Path(folder)) as house,
        serving_web(house, processes=1) as web,
    ):
        _times(web.port)
        for kind, number in itertools.product(KINDS, SIZES):
            _measure(web, kind, number)


def _times(port: int) -> list[float]:
    """Milliseconds of good requests, one after the other on a kept connection. A failure ends the benchmark."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    times = []
    for _ in range(_REQUESTS):
        started = time.perf_counter()
        client.request("GET", "/ready")
        answer = client.getresponse()
        answer.read()
        times.append((time.perf_counter() - started) * 1000)
        assert answer.status == 200
    client.close()
    return times


def _measure(web: Web, kind: str, number: int) -> None:
    without: list[float] = []
    beside: list[float] = []
    before, most = web.memory(), 0.0
    for _ in range(_ROUNDS):
        without += _times(web.port)
        with _crowd(kind, web.port, number):
            beside += _times(web.port)
            most = max(most, web.memory())
    alone, then = _marks(without), _marks(beside)
    print(
        f"  {number:>5,} {kind:7}: median {alone[0]:.1f} -> {then[0]:.1f} ms, p99 {alone[1]:.1f} -> {then[1]:.1f} ms, "
        f"ratio {then[1] / alone[1]:.2f}; memory {most - before:+.0f} MB",
        flush=True,
    )


def _marks(times: list[float]) -> tuple[float, float]:
    return statistics.median(times), sorted(times)[int(len(times) * 0.99)]


@contextmanager
def _crowd(kind: str, port: int, number: int) -> Iterator[None]:
    """A crowd in a process of its own, so that its work is not taken for the server's."""
    command = [sys.executable, "-m", "benchmarks.slow", kind, str(port), str(number)]
    crowd = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert crowd.stdout is not None
    try:
        assert crowd.stdout.readline() == b"there\n"
        yield
        assert crowd.poll() is None, "the crowd has left"
    finally:
        crowd.kill()
        crowd.wait()
        crowd.stdout.close()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    KINDS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))

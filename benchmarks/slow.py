"""Slow senders: how long a request takes while hundreds of others keep their bodies back and drip."""

import os
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from benchmarks.claims import free_port
from benchmarks.house import House, opened
from foundation import serving, settings

# Below what a process may usually have open.
SENDERS = (100, 900)
_REQUESTS = 300
_HEAD = (
    b"POST /api/applications HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100000\r\n\r\n"
)


def run() -> None:
    """Print median and 99th percentile of GET /ready without slow senders and beside more and more of them."""
    print(f"Slow senders: {_REQUESTS} requests one after the other, beside senders who drip a byte a second")
    with (
        tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder,
        opened(Path(folder)) as house,
        _serving(house) as port,
    ):
        for n_senders in (0, *SENDERS):
            with _dripping(port, n_senders):
                times = sorted(_times(port))
            worst = times[int(len(times) * 0.99)]
            print(
                f"  {n_senders:>5,} senders: median {statistics.median(times):.1f} ms, p99 {worst:.1f} ms", flush=True
            )


def _times(port: int) -> list[float]:
    times = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        for _ in range(_REQUESTS):
            started = time.perf_counter()
            assert client.get("/ready").status_code == 200
            times.append((time.perf_counter() - started) * 1000)
    return times


@contextmanager
def _dripping(port: int, n_senders: int) -> Iterator[None]:
    senders = [socket.create_connection(("127.0.0.1", port)) for _ in range(n_senders)]
    for sender in senders:
        sender.sendall(_HEAD)
    done = threading.Event()

    def drip() -> None:
        while not done.wait(1.0):
            for sender in senders:
                sender.sendall(b" ")

    dripper = threading.Thread(target=drip)
    dripper.start()
    try:
        yield
    finally:
        done.set()
        dripper.join()
        for sender in senders:
            sender.close()


@contextmanager
def _serving(house: House) -> Iterator[int]:
    """One web process with the settings of production."""
    configured = replace(settings.read(), port=free_port())
    environment = {
        **os.environ,
        **configured.environment(),
        "DATABASE_URL": house.engines.database_url,
        "REDIS_URL": "",
    }
    process = subprocess.Popen(serving.web_command(), env=environment, stderr=subprocess.DEVNULL)
    try:
        _await(configured.port)
        yield configured.port
    finally:
        process.terminate()
        process.wait()


def _await(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return

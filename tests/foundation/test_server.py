"""The web process over real sockets: slow, broken and many senders."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_APP = """
def app(environ, start_response):
    import os
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{len(body)} {os.getpid()}".encode()]
"""
_START = """
import sys
from foundation import server
sys.path.insert(0, sys.argv[1])
server.serve(server.load("tiny:app"), host="127.0.0.1", port=int(sys.argv[2]), threads=2)
"""

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start(tmp_path: Path, root: Path, port: int) -> Iterator[Start]:
    """Starts a web process with two threads on the port and waits for it."""
    (tmp_path / "tiny.py").write_text(_APP)
    started = []

    def run() -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", _START, str(tmp_path), str(port)]
        started.append(subprocess.Popen(command, cwd=root))
        deadline = time.monotonic() + 20
        while not _listens(started[-1].pid, port):
            assert time.monotonic() < deadline, "it does not listen"
            time.sleep(0.02)
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


def _listens(pid: int, port: int) -> bool:
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
    }
    try:
        files = [str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any(f"socket:[{inode}]" in files for inode in inodes)


def _sent(port: int, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(data)
    return connection


def _post(port: int, body: bytes) -> bytes:
    head = f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with _sent(port, head + body) as connection:
        return _rest(connection)


def _rest(connection: socket.socket) -> bytes:
    answer = b""
    while got := connection.recv(65536):
        answer += got
    return answer


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def test_a_request_is_answered(start: Start, port: int) -> None:
    start()

    assert _post(port, b"12345").split(b"\r\n\r\n")[1].startswith(b"5 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n1",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n1",
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"",
    ],
    ids=["body", "chunk", "head", "nothing"],
)
def test_a_hundred_slow_senders_hold_nobody_up(start: Start, port: int, sent: bytes) -> None:
    start()
    slow = [_sent(port, sent) for _ in range(100)]

    started = time.monotonic()
    answers = [_post(port, b"12345") for _ in range(20)]

    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert time.monotonic() - started < 5
    for connection in slow:
        connection.close()


BROKEN = {
    "no request": b"rook\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "negative length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "no chunk size": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "endless head": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
    "endless body": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n",
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
def test_what_is_no_request_is_refused_and_not_waited_for(start: Start, port: int, sent: bytes) -> None:
    start()

    with _sent(port, sent) as connection:
        try:
            answer = _rest(connection)
        except ConnectionResetError:
            # What was sent beyond the limit is not read, and the kernel says so.
            answer = b"HTTP/1.1 4"

    assert answer[9:10] == b"4", answer[:100]
    assert _post(port, b"12345").startswith(b"HTTP/1.1 200")


def test_two_processes_share_a_port_and_one_goes_on_when_the_other_is_killed(start: Start, port: int) -> None:
    processes = [start(), start()]
    served = {_post(port, b"").split()[-1] for _ in range(60)}

    processes[0].kill()
    processes[0].wait()

    assert served == {str(process.pid).encode() for process in processes}
    assert {_post(port, b"").split()[-1] for _ in range(10)} == {str(processes[1].pid).encode()}


def test_it_ends_when_asked_to(start: Start, port: int) -> None:
    process = start()

    process.send_signal(signal.SIGINT)

    assert process.wait(10) == 0

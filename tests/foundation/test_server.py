"""The web process over real sockets: slow, broken and many senders, and the end of a process."""

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from foundation import errors, framing, processes, server

_APP = """
def app(environ, start_response):
    import os, sys, time
    with open(f"{sys.argv[1]}/served", "a") as served:
        print(environ["PATH_INFO"], file=served)
    time.sleep(float(environ["QUERY_STRING"] or 0))
    body = environ["wsgi.input"].read() + b"x" * (1 << 40 if environ["PATH_INFO"] == "/large" else 0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['PATH_INFO']} {len(body)} {os.getpid()}".encode()]
"""
_START = """
import os, sys
from foundation import processes, server
sys.path.insert(0, sys.argv[1])
server.DRAIN_SECONDS = 3.0
server._STUCK_SECONDS = 1.0
how, where = sys.argv[2].split("=")
listening = server.inherited(int(where)) if how == "fd" else server.listen("127.0.0.1", int(where), beside_others=True)
beat = processes.Pulse(int(os.environ["ROOKERY_PULSE_FD"])).beat
server.serve(server.load("tiny:app"), listening=listening, threads=2, beat=beat)
"""

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start(tmp_path: Path, root: Path, port: int) -> Iterator[Start]:
    """Starts a web process with two threads, on the port or on a listening socket, and waits for it."""
    started = []

    def run(listening: socket.socket | None = None, **how: Any) -> "subprocess.Popen[bytes]":
        where = f"port={port}" if listening is None else f"fd={listening.fileno()}"
        fds = [] if listening is None else [listening.fileno()]
        started.append(_begin(root, tmp_path, where, fds, **how))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


def _begin(root: Path, folder: Path, where: str, fds: list[int], **how: Any) -> "subprocess.Popen[bytes]":
    (folder / "tiny.py").write_text(_APP)
    ear, mouth = os.pipe()
    command, environment = [sys.executable, "-c", _START, str(folder), where], {"ROOKERY_PULSE_FD": str(mouth)}
    process = subprocess.Popen(command, cwd=root, env={**os.environ, **environment}, pass_fds=[mouth, *fds], **how)
    os.close(mouth)
    assert os.read(ear, 1), "it did not begin"
    os.close(ear)
    return process


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


def _get(query: str = "", path: str = "/") -> bytes:
    return f"GET {path}?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def _answer(connection: socket.socket) -> http.client.HTTPResponse:
    """The next answer on a connection that may stay open."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer


def _rest(connection: socket.socket) -> bytes:
    answer = b""
    while got := connection.recv(65536):
        answer += got
    return answer


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def test_a_request_is_answered(start: Start, port: int) -> None:
    start()

    assert _post(port, b"12345").split(b"\r\n\r\n")[1].startswith(b"/ 5 ")


def test_slashes_at_the_beginning_are_not_taken_for_one(start: Start, port: int) -> None:
    start()

    with _sent(port, _get(path="//a")) as connection:
        assert _answer(connection).read().startswith(b"//a ")


@pytest.mark.parametrize("first", ["GET http://x HTTP/1.1", "GET ? HTTP/1.1"])
def test_an_address_without_a_path_is_the_root(running: int, first: str) -> None:
    with _sent(running, _head(first=first)) as connection:
        assert _answer(connection).read().startswith(b"/ ")


def test_a_request_that_takes_too_much_memory_fails_alone(start: Start, port: int) -> None:
    start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)))
    with _sent(port, _get(path="/large")) as connection:
        answer = _answer(connection)

        assert (answer.status, json.load(answer)["type"]) == (500, "/problems/internal")
    assert _post(port, b"12345").startswith(b"HTTP/1.1 200")


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


def test_a_process_says_that_it_is_up_while_all_its_threads_are_at_work(start: Start, port: int) -> None:
    start()
    at_work = [_sent(port, _get("3")) for _ in range(2)]
    behind = _sent(port, _get(path="/behind"))

    with _sent(port, _get(path="/health")) as asking:
        assert _answer(asking).read().startswith(b"/health ")

    for connection in [*at_work, behind]:
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
        connection.close()


def _head(*lines: str, first: str = "POST / HTTP/1.1") -> bytes:
    return "\r\n".join([first, "Host: x", *lines, "", ""]).encode()


_CHUNKED = "Transfer-Encoding: chunked"
_BODY = b"canary" * 200_000
BROKEN = {
    "no request": (b"canary\r\n\r\n", 400),
    "no version": (b"GET /canary\r\n\r\n", 400),
    "no method": (_head(first="get /canary HTTP/1.1"), 400),
    "no address": (_head(first="GET http://[canary/ HTTP/1.1"), 400),
    "another version": (_head(first="GET /canary HTTP/2.0"), 505),
    "a version between": (_head(_CHUNKED, first="POST /canary HTTP/1.2") + b"0\r\n\r\n", 505),
    "no host": (b"GET /canary HTTP/1.1\r\n\r\n", 400),
    "two hosts": (_head("Host: canary"), 400),
    "no colon": (_head("canary"), 400),
    "space before colon": (_head("canary : 1"), 400),
    "folded header": (_head("X: 1", " canary"), 400),
    "folded first header": (b"GET / HTTP/1.1\r\n Host: canary\r\n\r\n", 400),
    "half a quotation": (_head('X-Forwarded-For: "canary, 127.0.0.1'), 400),
    "bare carriage return": (_head("X: canary\rcanary"), 400),
    "bare line feed": (_head("X: canary\ncanary"), 400),
    "zero byte": (_head("X: canary\0"), 400),
    "two lengths": (_head("Content-Length: 1", "Content-Length: 2") + b"ab", 400),
    "the same length twice": (_head("Content-Length: 1", "Content-Length: 1") + b"a", 400),
    "negative length": (_head("Content-Length: -1"), 400),
    "signed length": (_head("Content-Length: +1") + b"a", 400),
    "endless length": (_head("Content-Length: " + "1" * 5_000), 400),
    "length and chunks": (_head("Content-Length: 5", _CHUNKED) + b"0\r\n\r\n", 400),
    "length and no coding": (_head("Content-Length: 1", "Transfer-Encoding: ") + b"a", 400),
    "coded twice": (_head(_CHUNKED, _CHUNKED) + b"0\r\n\r\n", 400),
    "coded twice on one line": (_head("Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n", 400),
    "refused whatever is expected": (_head("Expect: 100-continue", "Content-Length: canary"), 400),
    "expected and too large": (_head("Expect: 100-continue", "Content-Length: 10000000000"), 413),
    "chunks in HTTP/1.0": (_head(_CHUNKED, first="POST / HTTP/1.0") + b"0\r\n\r\n", 400),
    "another coding": (_head("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 501),
    "no chunk size": (_head(_CHUNKED) + b"canary\r\n", 400),
    "negative chunk size": (_head(_CHUNKED) + b"-1\r\n", 400),
    "a chunk that goes on": (_head(_CHUNKED) + b"1\r\ncanary\r\n0\r\n\r\n", 400),
    "large head": (_head("X: " + "canary" * 10_000), 431),
    "large body that comes": (_head(f"Content-Length: {len(_BODY)}") + _BODY, 413),
    "large body that is announced": (_head("Content-Length: 10000000000"), 413),
    "large chunk": (_head(_CHUNKED) + b"%x\r\n" % len(_BODY) + _BODY, 413),
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[int]:
    """The port of a web process for tests that leave it as it is."""
    with server.listen("127.0.0.1", 0) as listening:
        fd = listening.fileno()
        process = _begin(root, tmp_path_factory.mktemp("tiny"), f"fd={fd}", [fd])
        yield listening.getsockname()[1]
        process.kill()
        process.wait()


@pytest.mark.parametrize(("sent", "status"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_request_is_refused_with_a_problem(running: int, sent: bytes, status: int) -> None:
    with _sent(running, sent) as connection:
        answer = _answer(connection)
        problem = json.load(answer)

        assert (answer.status, answer.getheader("Content-Type")) == (status, "application/problem+json")
        assert (answer.getheader("Connection"), connection.recv(1)) == ("close", b"")
    kind = errors.registry[problem["type"].removeprefix("/problems/")]
    assert (problem["status"], problem["title"]) == (status, kind.title())
    assert set(problem) == {"type", "title", "status", "detail"}
    assert "canary" not in json.dumps([problem, answer.getheaders()])
    assert _post(running, b"12345").startswith(b"HTTP/1.1 200")


def test_every_status_that_waitress_can_refuse_with_has_its_problem() -> None:
    from waitress import utilities  # noqa: PLC0415 - its errors are nobody else's business

    codes = {kind.code for kind in vars(utilities).values() if hasattr(kind, "to_response")}

    assert codes == set(framing._REFUSED)


def test_a_client_that_sends_too_much_before_it_reads_is_told_why(running: int) -> None:
    client = http.client.HTTPConnection("127.0.0.1", running, timeout=10)

    client.request("POST", "/", body=b"x" * 20_000_000)

    assert client.getresponse().status == 413
    client.close()


def test_a_client_that_never_stops_sending_is_cut_off(running: int) -> None:
    with _sent(running, _head("Content-Length: 10000000000")) as connection:
        began = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            _send_until(connection, began + 20)

    assert time.monotonic() - began < 10


def _send_until(connection: socket.socket, end: float) -> None:
    while time.monotonic() < end:
        connection.sendall(b"x" * 10_000)
        time.sleep(0.01)


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n"], ids=["plain", "after blank lines"])
def test_what_is_a_request_is_not_refused(running: int, sent: bytes) -> None:
    with _sent(running, sent + b"GET / HTTP/1.0\r\n\r\n") as connection:
        assert _rest(connection).startswith(b"HTTP/1.0 200")


def test_a_client_that_waits_for_a_word_gets_it_only_if_its_body_is_wanted(running: int) -> None:
    with _sent(running, _head("Expect: 100-continue", "Content-Length: 2")) as connection:
        told = connection.recv(1000)
        connection.sendall(b"ab")
        answer = connection.recv(1000)
    with _sent(running, _head("Expect: 100-continue", first="GET / HTTP/1.1")) as connection:
        bodiless = connection.recv(1000)

    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 200")
    assert bodiless.startswith(b"HTTP/1.1 200")


def test_two_processes_share_a_port_and_one_goes_on_when_the_other_is_killed(start: Start, port: int) -> None:
    processes = [start(), start()]
    served = {_post(port, b"").split()[-1] for _ in range(60)}

    processes[0].kill()
    processes[0].wait()

    assert served == {str(process.pid).encode() for process in processes}
    assert {_post(port, b"").split()[-1] for _ in range(10)} == {str(processes[1].pid).encode()}


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_when_asked_to(start: Start, port: int, told: signal.Signals) -> None:
    process = start()

    process.send_signal(told)

    assert process.wait(10) == 0


def test_what_has_come_before_the_end_is_answered_however_many_wait(start: Start, port: int) -> None:
    process = start()
    sent = [_sent(port, _get("0.2")) for _ in range(9)]

    process.terminate()

    answers = [_rest(connection) for connection in sent]
    for connection in sent:
        connection.close()
    assert all(answer.startswith(b"HTTP/1.1 200") and b"Connection: close" in answer for answer in answers)
    assert process.wait(10) == 0


def test_requests_that_came_at_once_on_one_connection_are_all_answered_before_it_ends(start: Start, port: int) -> None:
    process = start()
    with _sent(port, _get("0.5") + _get("0.1") + _get("0.1")) as connection:
        _until(lambda: bool(_open(process)))
        process.terminate()

        assert _rest(connection).count(b"HTTP/1.1 200") == 3


def test_an_open_connection_is_answered_during_the_end_and_told_to_go(start: Start, port: int) -> None:
    process = start()
    with _sent(port, _get()) as connection:
        before = _answer(connection)
        before.read()
        process.terminate()
        _until(lambda: not _listens(process.pid, port))

        connection.sendall(_get())

        answer = _answer(connection)
        answer.read()
        assert (before.getheader("Connection"), answer.getheader("Connection")) == (None, "close")
        assert connection.recv(1) == b""


@pytest.mark.parametrize("sent", [b"", _get(), b"POST / HTTP/1.1\r\nHost: x\r\nX: "], ids=["new", "used", "head"])
def test_a_silent_connection_does_not_hold_the_end_up(start: Start, port: int, sent: bytes) -> None:
    process = start()
    with _sent(port, sent):
        process.terminate()

        assert process.wait(10) == 0


def test_the_end_comes_in_time_whatever_is_being_answered(start: Start, port: int) -> None:
    process = start()
    with _sent(port, _get("60")):
        _until(lambda: bool(_open(process)))

        process.terminate()

        assert process.wait(10) == 0


def test_nobody_works_for_a_client_that_has_given_up(start: Start, port: int, tmp_path: Path) -> None:
    start()
    served = tmp_path / "served"
    busy = [_sent(port, _get("2.5", path="/busy")) for _ in range(2)]
    _until(lambda: served.exists() and served.read_text() == "/busy\n" * 2)
    gone, waiting = _sent(port, _get(path="/gone")), _sent(port, _get(path="/waiting"))

    gone.close()

    assert _answer(waiting).status == 200
    assert served.read_text() == "/busy\n" * 2 + "/waiting\n"
    for connection in (*busy, waiting):
        connection.close()


def test_a_client_may_close_its_own_half_and_is_answered(running: int) -> None:
    with _sent(running, _get("0.5")) as connection:
        connection.shutdown(socket.SHUT_WR)

        assert _answer(connection).status == 200


def test_who_connects_while_no_process_lives_is_answered_by_the_next(start: Start, port: int) -> None:
    with server.listen("127.0.0.1", port) as listening:
        first = start(listening)
        assert _post(port, b"").startswith(b"HTTP/1.1 200")
        first.kill()
        first.wait()
        with _sent(port, _get()) as connection:
            second = start(listening)

            assert _answer(connection).read().endswith(str(second.pid).encode())


def test_a_killed_process_loses_only_what_it_was_answering(start: Start, port: int) -> None:
    with server.listen("127.0.0.1", port) as listening:
        first = start(listening)
        with _sent(port, _get("60")) as lost:
            _until(lambda: bool(_open(first)))
            start(listening)
            first.kill()
            first.wait()

            assert all(_post(port, b"").startswith(b"HTTP/1.1 200") for _ in range(20))
            assert lost.recv(1) == b""


def test_a_process_whose_threads_answer_nobody_is_killed_and_started_again(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_SILENCE_SECONDS", 3.0)
    (tmp_path / "tiny.py").write_text(_APP)
    with server.listen("127.0.0.1", 0) as listening:
        port, fd = listening.getsockname()[1], listening.fileno()
        child = processes.Child("web", [sys.executable, "-c", _START, str(tmp_path), f"fd={fd}"], [fd], beats=True)
        supervisor = processes.Supervisor([child], {}, first=lambda: None)
        supervisor.start()
        first = child.process
        assert first is not None
        _until(child.is_ready)
        stuck = [_sent(port, _get("60")) for _ in range(2)]
        _until(lambda: len(_open(first)) == 2)
        with _sent(port, _get()) as waiting:
            # That it says to be up does not help it.
            _until(lambda: _asked(port) and _tended(supervisor).process is not first)

            assert first.returncode == -signal.SIGKILL
            assert waiting.recv(1) == b""
        _until(lambda: _tended(supervisor).process)
        assert _post(port, b"").startswith(b"HTTP/1.1 200")
    supervisor.stop(patience=0)
    for connection in stuck:
        connection.close()


def _asked(port: int) -> bool:
    """Ask a process whether it is up, whatever it says."""
    with suppress(OSError, http.client.HTTPException), _sent(port, _get(path="/health")) as asking:
        _answer(asking)
    return True


def _tended(supervisor: processes.Supervisor) -> processes.Child:
    supervisor.tend()
    return supervisor.children[0]


def test_without_files_for_more_connections_it_waits_and_goes_on(start: Start, port: int) -> None:
    process = start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    crowd = [_sent(port, b"") for _ in range(100)]
    with _sent(port, _get()) as waiting:
        used = psutil.Process(process.pid).cpu_times().user
        time.sleep(1)
        idle = psutil.Process(process.pid).cpu_times().user - used < 0.5

        for connection in crowd:
            connection.close()

        assert _answer(waiting).status == 200
        assert idle


def test_files_that_were_taken_away_are_waited_for(start: Start, port: int) -> None:
    process = start()
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (20, 20))
    crowd = [_sent(port, b"") for _ in range(50)]
    with _sent(port, _get()) as waiting:
        used = psutil.Process(process.pid).cpu_times().user
        time.sleep(1)
        idle = psutil.Process(process.pid).cpu_times().user - used < 0.5

        for connection in crowd:
            connection.close()

        assert _answer(waiting).status == 200
        assert idle


def _open(process: "subprocess.Popen[bytes]") -> list[Any]:
    return [one for one in psutil.Process(process.pid).net_connections() if one.status == "ESTABLISHED"]


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)

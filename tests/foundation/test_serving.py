"""A whole house running: it stays up, is renewed under traffic, and ends."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from foundation import processes, server, serving, settings
from tests.conftest import Urls

_APP = """
def app(environ, start_response):
    import os
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


@dataclass
class Told:
    """What clients saw who never tried anything twice."""

    answers: list[bytes] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@contextmanager
def hammering(port: int, path: str = "/") -> Iterator[Told]:
    """Eight clients at work, half of them on connections they keep."""
    told, done = Told(), threading.Event()

    def run(*, keeps: bool) -> None:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
        while not done.is_set():
            try:
                client.request("GET", path)
                answer = client.getresponse()
                body = answer.read()
                if answer.status == 200:
                    told.answers.append(body)
                else:
                    told.failures.append(f"{answer.status} {body!r}")
            except (OSError, http.client.HTTPException) as error:
                told.failures.append(repr(error))
                client.close()
            if not keeps:
                client.close()
            time.sleep(0.002)
        client.close()

    clients = [threading.Thread(target=run, kwargs={"keeps": number % 2 == 0}) for number in range(8)]
    for client in clients:
        client.start()
    try:
        yield told
    finally:
        done.set()
        for client in clients:
            client.join()


def test_no_request_fails_while_web_processes_are_renewed_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(_APP)
    configured = replace(settings.read(), web_processes=2)
    with server.listen("127.0.0.1", 0) as listening:
        children = serving._web_children(configured, listening, "tiny:app")
        supervisor = processes.Supervisor(children, {"PYTHONPATH": str(tmp_path)}, first=lambda: None)
        supervisor.start()
        with hammering(listening.getsockname()[1]) as told:
            renewed = [supervisor.renew() for _ in range(2)]
            time.sleep(0.5)
    supervisor.stop()

    assert renewed == [True, True]
    assert told.failures == []
    assert len(told.answers) > 500
    assert len(set(told.answers)) >= 5


def test_rookery_up_is_renewed_at_a_signal_and_nobody_notices(
    new_database: Callable[[], Urls], tmp_path: Path, root: Path
) -> None:
    with server.listen("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
    urls = new_database()
    environment = {"DATABASE_URL": urls.app, "DATABASE_OWNER_URL": urls.owner, "REDIS_URL": ""}
    log = tmp_path / "log"
    command = [sys.executable, "-m", "wsgi", "up", "--port", str(port)]
    with log.open("wb") as out:
        up = subprocess.Popen(command, cwd=root, env={**os.environ, **environment}, stdout=out, stderr=out)
    try:
        _until(lambda: b"is up at" in log.read_bytes())
        with hammering(port, "/ready") as told:
            up.send_signal(signal.SIGUSR2)
            _until(lambda: b"all processes are new" in log.read_bytes())
        up.terminate()
        assert up.wait(60) == 0
    finally:
        up.kill()
        up.wait()

    assert told.failures == []
    assert len(told.answers) > 50
    assert b"process ended" not in log.read_bytes()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


@pytest.fixture
def signals() -> Iterator[None]:
    """Puts the handlers of this process back; meanwhile it hears Ctrl-C, which one in the background does not."""
    before = {told: signal.getsignal(told) for told in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for told, handler in before.items():
        signal.signal(told, handler)


def test_whoever_stays_tends_the_children_until_a_signal(signals: None, monkeypatch: pytest.MonkeyPatch) -> None:
    tended: list[int] = []

    def tend() -> None:
        tended.append(len(tended))
        if len(tended) == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(processes, "end_in_peace", lambda: None)
    serving.stay(processes.Supervisor([], {}, first=tend))

    assert tended == [0, 1, 2]

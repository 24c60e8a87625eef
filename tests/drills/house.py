"""A whole house that serves, with clients who write down what they were told and when; and the end of all of it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy.orm import Session

from foundation import db, embedded
from foundation.migrating import migrate

_ROOT = Path(__file__).parent.parent.parent
_READY_SECONDS = 60.0
_WORKERS = 6
CATEGORIES = ("crow", "rook")
_UNLIMITED = ",".join(f"{name}=1000000000" for name in ("worker", "requester", "finance", "strangers", "tasks"))


@dataclass(frozen=True, slots=True)
class Told:
    """A row that somebody was told is stored: when the request was sent, and when its answer had come."""

    table: str
    id: str
    sent: float
    at: float


@dataclass(slots=True)
class Journal:
    """All that the clients were told."""

    told: list[Told] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cast:
    """Who works in a drill."""

    project_id: str
    requester_id: str
    requester: str
    finance: str
    workers: Sequence[str]


class House:
    """`rookery up` in a data folder, with its backups in another."""

    def __init__(self, data_dir: Path, backup_dir: Path | None = None, *, root: Path = _ROOT) -> None:
        """Without a backup folder nothing is copied; `root` is the checkout whose code serves."""
        self.data_dir, self.backup_dir, self._root = data_dir, backup_dir, root
        self.port = _free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._up: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve until `stop` or `kill`; its log goes beside the data folder."""
        command = [*self._command(), "up", "--port", str(self.port)]
        with self.data_dir.with_name(f"{self.data_dir.name}.log").open("ab") as log:
            self._up = subprocess.Popen(command, cwd=self._root, env=_environment(), stdout=log, stderr=log)
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and self._up.poll() is None:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.address}/ready").status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(f"The house does not start; see {log.name}.")

    def stop(self) -> None:
        assert self._up is not None
        self._up.terminate()
        self._up.wait()

    def kill(self) -> float:
        """End every process of the house at once, and return when that was."""
        assert self._up is not None
        # First those who start others again.
        running = [psutil.Process(self._up.pid), *psutil.Process(self._up.pid).children(recursive=True)]
        known = {process.pid for process in running}
        running += [each for each in psutil.process_iter() if each.pid not in known and self._is_ours(each)]
        killed_at = time.time()
        for process in running:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        self._up.wait()
        return killed_at

    def lose(self) -> float:
        """Kill it and remove its data folder: what a burnt machine leaves."""
        killed_at = self.kill()
        shutil.rmtree(self.data_dir)
        return killed_at

    def begin(self, *words: str) -> "subprocess.Popen[str]":
        """A command of this house."""
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*self._command(), *words], cwd=self._root, env=_environment(), text=True, **pipes)

    def run(self, *words: str) -> str:
        """A command of this house that must succeed; what it printed."""
        command = self.begin(*words)
        out, err = command.communicate()
        assert command.returncode == 0, f"{words}: {out}{err}"
        return out

    def _command(self) -> list[str]:
        backups = ["--backup-dir", str(self.backup_dir)] if self.backup_dir else []
        return [sys.executable, "-m", "wsgi", "--data-dir", str(self.data_dir), *backups]

    def _is_ours(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            return str(self.data_dir) in " ".join(process.cmdline())
        return False


def _environment() -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    return {**kept, "ROOKERY_LIMITS": _UNLIMITED, "ROOKERY_LOG_LEVEL": "warning"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def opened(data_dir: Path) -> Iterator[tuple[embedded.Engines, Callable[[], Session]]]:
    """The engines and sessions of a house, migrated, for whoever prepares or inspects it."""
    with embedded.engines(data_dir) as engines:
        migrate(engines.database_owner_url, engines.database_url)
        engine = db.make_engine(engines.database_url, patient=True, pool_size=2)
        try:
            yield engines, db.sessions(engine)
        finally:
            engine.dispose()


def cast(house: House) -> Cast:
    """A requester with money and a project with open tasks, and workers; over HTTP but for the first tokens."""
    staff = {role: _secret(house, role) for role in ("ops", "finance")}
    made = _sent(house, staff["ops"], "/api/requesters", {"name": f"Requester {uuid.uuid4()}"})
    requester_id = made["requester"]["id"]
    money = {"owner_ref": requester_id, "currency": "USD", "amount": "100000", "bank_reference": str(uuid.uuid4())}
    _sent(house, staff["finance"], "/api/top-ups", money)
    rates = [{"tier": 0, "amount": "0.02", "currency": "USD"}, {"tier": 4, "amount": "0.60", "currency": "USD"}]
    rules = {"overlap_min": 3, "overlap_max": 3, "expert_share": 0.0}
    project = {"name": "drill", "labels": list(CATEGORIES), "rates": rates, **rules}
    project_id = _sent(house, made["token"], "/api/projects", project)["id"]
    workers = [_hired(house, staff["ops"]) for _ in range(_WORKERS)]
    return Cast(project_id, requester_id, made["token"], staff["finance"], workers)


def _secret(house: House, role: str) -> str:
    return house.run("token", "issue", "--role", role, "--subject", "drill").split()[-1]


def _hired(house: House, ops: str) -> str:
    applied = _sent(house, "", "/api/applications", {"name": "Worker", "country": "KE"})
    _sent(house, ops, f"/api/workers/{applied['worker']['id']}/activation", None)
    return str(applied["token"])


def _sent(house: House, token: str, path: str, body: Any) -> Any:
    headers = {"Idempotency-Key": str(uuid.uuid4())} | ({"Authorization": f"Bearer {token}"} if token else {})
    answer = httpx.post(f"{house.address}{path}", json=body, headers=headers, timeout=10)
    assert answer.status_code < 300, answer.text
    return answer.json()


class _at_work:  # noqa: N801 - reads as `with at_work(...)`
    """Everybody at work, each in a thread, until the block ends."""

    def __init__(self, address: str, actors: Cast, journal: Journal) -> None:
        self._address, self._actors, self._journal = address, actors, journal
        self._done = threading.Event()

    def __enter__(self) -> None:
        actors = self._actors
        acts = [(token, self._answer) for token in actors.workers]
        acts += [(actors.requester, self._send_task), (actors.finance, self._top_up)]
        self._pool = ThreadPoolExecutor(len(acts))
        self._running = [self._pool.submit(self._repeat, token, act) for token, act in acts]

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._pool.shutdown()
        for one in self._running:
            one.result()

    def _repeat(self, token: str, act: Callable[[httpx.Client], None]) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=self._address, headers=headers, timeout=5) as client:
            while not self._done.is_set():
                act(client)

    def _answer(self, client: httpx.Client) -> None:
        lease = self._post(client, "/api/claims", {"project_id": self._actors.project_id}, "assignments", "id")
        if lease is None:
            time.sleep(0.05)
            return
        answer = {"fence": lease["fence"], "payload": {"category": "rook"}}
        self._post(client, f"/api/assignments/{lease['id']}/answer", answer, "answers", "id")

    def _send_task(self, client: httpx.Client) -> None:
        task = {"project": "drill", "attachment": "a bird", "unique_id": str(uuid.uuid4())}
        self._post(client, "/v1/task/categorization", task, "tasks", "task_id")

    def _top_up(self, client: httpx.Client) -> None:
        money = {"owner_ref": self._actors.requester_id, "currency": "USD", "amount": "1"}
        booked = {**money, "bank_reference": str(uuid.uuid4())}
        self._post(client, "/api/top-ups", booked, "journal_entries", "entry_id")
        time.sleep(0.05)

    def _post(self, client: httpx.Client, path: str, body: Any, table: str, name: str) -> Any:
        """What was acknowledged, noted; None if nothing was, for whatever reason."""
        sent = time.time()
        try:
            answer = client.post(path, json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
        except httpx.TransportError:
            return None
        if answer.status_code in {200, 201}:
            told = answer.json()
            self._journal.told.append(Told(table, told[name], sent, time.time()))
            return told
        if answer.status_code not in {204, 503}:
            self._journal.refused.append(f"{path}: {answer.status_code} {answer.text[:200]}")
        return None


at_work = _at_work

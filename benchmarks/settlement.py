"""Settlement: answers a second through the whole reaction, beside its SQL alone; and from submit to decision.

The reaction prices, weighs, decides, writes and pays, 200 answers at once, in a project that has seen so many votes.
The SQL alone is the time that the driver spends in these very statements and commits. Then 16 clients claim and submit
over HTTP without a pause, or with one, and a decision is seen when its transaction has committed.
"""

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import event, text

from benchmarks.house import LABELS, House, opened
from benchmarks.web import Web, serving_web
from quality import reliability
from workforce import assignment, projects, settlement, tasks
from workforce.models import BatchStatus, Project

SIZES = (10_000, 100_000)
CLIENTS = 16
_BATCH = 200
_BATCHES = 20
_OVERLAP = 5
_WORKERS = 50
_SECONDS = 20.0
_PAUSES = (0.0, 0.5)
_LOOK_SECONDS = 0.01

_STAGED = text("""
    INSERT INTO tasks (id, project_id, batch_id, requester_id, status, params, metadata, callback_url, overlap,
                       free_slots, position, reserved)
    SELECT 'tsk_' || lpad(n::text, 10, '0') || substr(md5(project_id), 1, 16), project_id, batch_id, requester_id,
           status, params, metadata, callback_url, overlap, free_slots, nextval('task_positions'), 0
      FROM tasks, generate_series(1, :n_tasks) n WHERE batch_id = :batch_id
""")
# Everybody is right nine times in ten; one in two hundred votes is a voter's first.
_EARLIER = text("""
    INSERT INTO votes (project_id, task_id, voter_id, label)
    SELECT :project_id, 'tsk_' || lpad(task::text, 26, '0'),
           'wrk_' || lpad(((task * 7 + slot * 13) % greatest(:n_votes / 200, 5))::text, 26, '0'),
           CASE WHEN hashtext(task || ':' || slot) % 10 = 0 THEN 1 - task % 2 ELSE task % 2 END
      FROM generate_series(1, :n_votes / 5) task, generate_series(1, 5) slot ON CONFLICT DO NOTHING
""")
_DECIDED = text("SELECT answer_ref FROM earnings WHERE answer_ref = ANY(:answer_ids)")


def run() -> None:
    """Print the rate of the reaction and its SQL at each size of project, then the trip of an answer."""
    print(f"Settlement of {_BATCHES} batches of {_BATCH} answers, {_OVERLAP} answers a task")
    for n_votes in SIZES:
        with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder, opened(Path(folder)) as house:
            _throughput(house, n_votes)
    print(f"From submit to decision, {CLIENTS} clients")
    with (
        tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder,
        opened(Path(folder)) as house,
        serving_web(house) as web,
        _background(house),
    ):
        for pause in _PAUSES:
            _trips(house, web, pause)


def _throughput(house: House, n_votes: int) -> None:
    # More than are answered: where nothing is left to come, every batch would be followed by a refit.
    project_id = _project(house, n_votes, n_tasks=_BATCH * _BATCHES // _OVERLAP + _BATCH)
    _answer(house, project_id, _BATCH * _BATCHES)
    spent, begun = _Spent(), time.perf_counter()
    times = []
    with _timed(house, spent):
        for _ in range(_BATCHES):
            started = time.perf_counter()
            house.deliver_once()
            times.append(time.perf_counter() - started)
    seconds = time.perf_counter() - begun
    refits = _count(house, "SELECT count(*) FROM refits WHERE project_id = :id", project_id) - 1
    print(
        f"  {n_votes:8,} votes before: {_BATCH * _BATCHES / seconds:6.0f} answers a second, the middle batch "
        f"{statistics.median(times) * 1000:.0f} ms, the slowest {max(times) * 1000:.0f} ms; of it SQL "
        f"{spent.seconds / seconds:.2f} in {spent.statements / _BATCHES:.0f} statements a batch; {refits} refits in it",
        flush=True,
    )
    for told, (number, taken) in sorted(spent.by_statement.items(), key=lambda one: -one[1][1])[:6]:
        print(f"      {taken / _BATCHES * 1000:6.1f} ms in {number / _BATCHES:5.1f} of  {told}")
    started = time.perf_counter()
    with house.sessions() as opened_session:
        n_steps = 0
        for _ in settlement.refit(opened_session, project_id, cause="asked"):
            opened_session.commit()
            n_steps += 1
    print(
        f"      a refit of all of it, apart from settlements: {time.perf_counter() - started:.2f} s in {n_steps} steps"
    )


def _count(house: House, query: str, project_id: str) -> int:
    with house.sessions() as opened_session:
        return int(opened_session.scalar(text(query), {"id": project_id}) or 0)


def _project(house: House, n_votes: int, *, n_tasks: int) -> str:
    """A project with so many votes on earlier tasks, fitted, and so many open tasks that are paid for."""
    project_id = house.project(name=f"After {n_votes}", overlap=_OVERLAP, overlap_max=_OVERLAP + 2, expert_share=0.1)
    with house.sessions() as opened_session:
        project = opened_session.get_one(Project, project_id)
        batch = projects.create_batch(opened_session, project, name=f"Open {n_votes}", status=BatchStatus.STAGING)
        question = tasks.Question(params={"attachment": "a bird"}, metadata={})
        tasks.create(opened_session, project, batch, question)
        opened_session.execute(_STAGED, {"batch_id": batch.id, "n_tasks": n_tasks - 1})
        tasks.launch(opened_session, batch)
        if n_votes:
            opened_session.execute(_EARLIER, {"project_id": project_id, "n_votes": n_votes})
            reliability.refit(opened_session, project_id, n_classes=len(LABELS))
        opened_session.commit()
    with house.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    return project_id


def _answer(house: House, project_id: str, n_answers: int) -> None:
    """Answers to the open tasks, each of a task by somebody else, stored and told as a request does it."""
    workers = [worker_id for worker_id, _ in house.workers(_WORKERS)]
    for number in range(n_answers):
        with house.sessions() as opened_session:
            worker_id = workers[number % _WORKERS]
            lease = assignment.claim(opened_session, worker_id, project_id=project_id)
            assert lease is not None, "there is open work for everybody"
            category = LABELS[_label(lease.task_id, number)]
            assignment.submit(opened_session, worker_id, lease.id, fence=lease.fence, payload={"category": category})
            opened_session.commit()


def _label(task_id: str, number: int) -> int:
    """What is right nine times in ten."""
    right = sum(map(ord, task_id)) % 2
    return 1 - right if number % 10 == 0 else right


@dataclass(slots=True)
class _Spent:
    """Seconds in the driver, and how many statements they went to."""

    seconds: float = 0.0
    statements: int = 0
    by_statement: dict[str, tuple[int, float]] = field(default_factory=dict)


@contextmanager
def _timed(house: House, spent: _Spent) -> Iterator[None]:
    """Add up what statements and commits take."""

    def before(*given: Any) -> None:
        *_, context, _many = given
        context.begun = time.perf_counter()

    def after(*given: Any) -> None:
        _connection, _cursor, statement, _parameters, context, _many = given
        taken = time.perf_counter() - context.begun
        spent.seconds += taken
        spent.statements += 1
        told = " ".join(statement.split())[:90]
        number, so_far = spent.by_statement.get(told, (0, 0.0))
        spent.by_statement[told] = number + 1, so_far + taken

    plain = house.engine.dialect.do_commit

    def commit(connection: Any) -> None:
        begun = time.perf_counter()
        plain(connection)
        spent.seconds += time.perf_counter() - begun

    event.listen(house.engine, "before_cursor_execute", before)
    event.listen(house.engine, "after_cursor_execute", after)
    house.engine.dialect.do_commit = commit  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        house.engine.dialect.do_commit = plain  # type: ignore[method-assign]
        event.remove(house.engine, "before_cursor_execute", before)
        event.remove(house.engine, "after_cursor_execute", after)


@contextmanager
def _background(house: House) -> Iterator[None]:
    """The jobs processes of `rookery up`."""
    urls = {"DATABASE_URL": house.engines.database_url, "REDIS_URL": house.engines.redis_url or ""}
    command = [sys.executable, "-m", "wsgi", "jobs", "--only"]
    started = [
        subprocess.Popen([*command, name], env={**os.environ, **urls}, stderr=subprocess.DEVNULL)
        for name in ("sweeper", "worker")
    ]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


@dataclass(slots=True)
class _Watch:
    """When each answer was sent, until its decision is seen; and how long that took."""

    sent: dict[str, float] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def look(self, house: House) -> None:
        """See decisions as they are committed, until the end and nothing is waited for."""
        give_up = time.perf_counter() + _SECONDS + 30.0
        while not (self.ended.is_set() and not self.sent) and time.perf_counter() < give_up:
            waiting = list(self.sent)
            with house.sessions() as opened_session:
                decided = opened_session.scalars(_DECIDED, {"answer_ids": waiting}).all()
            now = time.perf_counter()
            self.took += [now - self.sent.pop(answer_id) for answer_id in decided]
            time.sleep(_LOOK_SECONDS)

    def mark(self, share: float) -> float:
        return sorted(self.took)[int(len(self.took) * share)] * 1000


def _trips(house: House, web: Web, pause: float) -> None:
    project_id = _project(house, 10_000 + int(pause * 10), n_tasks=4000)
    watch = _Watch()
    tokens = [token for _, token in house.workers(CLIENTS * 4)]
    clients = [
        threading.Thread(target=_client, args=(web, project_id, tokens[n::CLIENTS], pause, watch))
        for n in range(CLIENTS)
    ]
    looking = threading.Thread(target=watch.look, args=(house,))
    for thread in (looking, *clients):
        thread.start()
    for thread in clients:
        thread.join()
    watch.ended.set()
    looking.join()
    print(
        f"  pause {pause:.1f} s: {len(watch.took) / _SECONDS:5.0f} answers a second; to the decision p50 "
        f"{watch.mark(0.5):.0f} ms, p99 {watch.mark(0.99):.0f} ms, longest {max(watch.took) * 1000:.0f} ms; a submit "
        f"{statistics.median(watch.requests) * 1000:.0f} ms; {len(watch.sent)} not decided",
        flush=True,
    )


def _client(web: Web, project_id: str, tokens: Sequence[str], pause: float, watch: _Watch) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
    end, number = time.perf_counter() + _SECONDS, 0
    while time.perf_counter() < end:
        token = tokens[number % len(tokens)]
        lease = _sent(connection, "/api/claims", token, {"project_id": project_id})
        if lease is None:
            return
        label = LABELS[_label(lease["task_id"], number)]
        begun = time.perf_counter()
        answer = _sent(
            connection, f"/api/assignments/{lease['id']}/answer", token,
            {"fence": lease["fence"], "payload": {"category": label}},
        )  # fmt: skip
        now = time.perf_counter()
        watch.requests.append(now - begun)
        watch.sent[answer["id"]] = now
        number += 1
        time.sleep(pause)


def _sent(connection: http.client.HTTPConnection, path: str, token: str, body: Any) -> Any:
    """The JSON of a successful POST; nothing where there is nothing."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps(body), headers)
    response = connection.getresponse()
    said = response.read()
    assert response.status < 400, said
    return json.loads(said) if said else None

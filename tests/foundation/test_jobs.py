"""The background: sweeps by the clock, a bell that never fails, and a worker that runs nothing but its own."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from foundation import db as database
from foundation import jobs, outbox
from tests import factories
from tests.conftest import House, age
from workforce import assignment

_DEAD = "redis://127.0.0.1:1/0"


@dataclass(frozen=True, slots=True)
class _Told(outbox.Event):
    """Something was told."""

    name: str


def _note(db: Session, events: Sequence[_Told]) -> None:
    for told in events:
        db.execute(text("INSERT INTO requesters (id, name) VALUES (:name, :name)"), {"name": told.name})


def _background(engine: Engine) -> jobs.Background:
    sessions = database.sessions(engine)
    return jobs.Background(engine, sessions, outbox.reactions([outbox.On(_Told, _note)]), [assignment.expire])


def _tell(house: House) -> None:
    with house.sessions() as db:
        outbox.publish(db, _Told("rook"))
        db.commit()


def _noted(house: House) -> list[str]:
    with house.sessions() as db:
        return list(db.scalars(text("SELECT name FROM requesters")))


def test_a_sweep_delivers_and_does_what_is_due_by_the_clock(house: House) -> None:
    with house.sessions() as db:
        factories.create_task(db, factories.create_project(db))
        assignment.claim(db, factories.create_worker(db).id)
        age(db, "assignments", "lease_expires_at", 86_400)
        db.commit()
    _tell(house)

    done = [jobs.sweep(_background(house.engine)) for _ in range(2)]

    assert done == [
        {"delivered": 1, "workforce.assignment.expire": 1},
        {"delivered": 0, "workforce.assignment.expire": 0},
    ]
    assert "rook" in _noted(house)


def test_a_sweep_that_fails_holds_up_neither_the_others_nor_delivery(house: House) -> None:
    def write(name: str) -> Callable[[Session], int]:
        def sweep(db: Session) -> int:
            db.execute(text("INSERT INTO requesters (id, name) VALUES (:name, :name)"), {"name": name})
            return 1

        sweep.__name__ = name
        return sweep

    def fail(db: Session) -> int:
        db.execute(text("INSERT INTO requesters (id, name) VALUES ('half', 'done')"))
        raise RuntimeError("broken sweep")

    _tell(house)
    background = replace(_background(house.engine), sweeps=[write("before"), fail, write("after")])

    done = {name.rpartition(".")[2]: result for name, result in jobs.sweep(background).items()}

    assert done == {"before": 1, "fail": None, "after": 1, "delivered": 1}
    assert sorted(_noted(house)) == ["after", "before", "rook"]


def test_events_without_end_do_not_keep_the_sweeps_from_their_turn(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_SWEEP_DELIVER_SECONDS", 0.2)

    def again(db: Session, events: Sequence[_Told]) -> None:
        for told in events:
            outbox.publish(db, told)

    _tell(house)
    background = replace(_background(house.engine), reactions=outbox.reactions([outbox.On(_Told, again)]))
    started = time.monotonic()

    assert (jobs.sweep(background)["delivered"] or 0) > 1
    assert time.monotonic() - started < 5


def test_a_sweeper_that_met_a_lock_leads_again(house: House) -> None:
    with jobs._own_connection(house.engine) as connection:
        assert connection.scalar(text("SELECT pg_try_advisory_lock(1)"))

    # Had the connection gone back to the pool, it would still hold the lock there.
    with jobs._own_connection(house.engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1")) == 0
        assert connection.scalar(text("SELECT pg_try_advisory_lock(1)"))


# The bell


def test_without_redis_the_bell_is_silent() -> None:
    jobs.Bell(None).ring()


def test_a_dead_redis_costs_a_request_next_to_nothing() -> None:
    bell = jobs.Bell(_DEAD)

    started = time.monotonic()
    for _ in range(1000):
        bell.ring()

    assert time.monotonic() - started < 1.0


def test_a_redis_that_does_not_answer_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        bell = jobs.Bell(f"redis://127.0.0.1:{mute.getsockname()[1]}/0")

        started = time.monotonic()
        for _ in range(10):
            bell.ring()

    # Half a second for the first ring, and none for the others.
    assert time.monotonic() - started < 2.0


def test_after_a_pause_the_bell_tries_a_lost_redis_again(monkeypatch: pytest.MonkeyPatch, redis: Redis) -> None:
    monkeypatch.setattr(jobs, "_REDIS_PAUSE_SECONDS", 0.0)
    bell = jobs.Bell(_DEAD)
    bell.ring()

    bell._redis = redis
    bell.ring()

    assert len(_queue(redis)) == 1


def test_an_act_aside_is_done_once_for_all_who_asked_while_it_was_under_way() -> None:
    begun, free = threading.Event(), threading.Event()
    acts: list[int] = []

    def act() -> None:
        acts.append(len(acts))
        begun.set()
        free.wait(10)

    ask = jobs.aside(act)
    ask()
    assert begun.wait(10)
    for _ in range(100):
        ask()
    begun.clear()
    free.set()

    assert begun.wait(10)
    time.sleep(5 * jobs._RINGS_APART_SECONDS)
    assert acts == [0, 1]


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """The real Redis of the tests, emptied before and after."""
    with jobs.connect(redis_url) as connection:
        connection.flushdb()
        yield connection
        connection.flushdb()


def _queue(redis: Redis) -> Any:
    return Queue(jobs._QUEUE, connection=redis, job_class=jobs.AllowedJob, serializer=JSONSerializer)


def test_many_rings_are_one_wake_up(redis: Redis, redis_url: str) -> None:
    bell = jobs.Bell(redis_url)

    for _ in range(50):
        bell.ring()

    assert [job.func_name for job in _queue(redis).get_jobs()] == ["deliver"]


def test_a_lost_wake_up_silences_the_bell_for_two_seconds_at_most(redis: Redis, redis_url: str) -> None:
    jobs.Bell(redis_url).ring()

    assert 0 < redis.pttl(jobs._AWAKE) <= 2000


def test_there_is_no_pickle_in_redis(redis: Redis, redis_url: str) -> None:
    jobs.Bell(redis_url).ring()

    stored = [value for key in redis.keys("rq:job:*") for value in redis.hgetall(key).values()]

    assert stored
    assert not any(value.startswith("\x80") if isinstance(value, str) else value[:1] == b"\x80" for value in stored)


# The allow-list


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "subprocess.run", "foundation.jobs.run_sweeper", ""])
def test_a_job_names_a_function_of_the_allow_list_or_none(redis: Redis, name: str) -> None:
    planted = Queue(jobs._QUEUE, connection=redis, serializer=JSONSerializer).enqueue_call(name or "x", ("true",))
    job = jobs.AllowedJob.fetch(planted.id, connection=redis, serializer=JSONSerializer)

    with pytest.raises(KeyError):
        _ = job.func


def test_a_callback_cannot_bring_in_a_function(redis: Redis) -> None:
    planted = Job.create("deliver", connection=redis, serializer=JSONSerializer)
    for field in ("_success_callback_name", "_failure_callback_name", "_stopped_callback_name"):
        setattr(planted, field, "os.system")
    planted.save()

    job = jobs.AllowedJob.fetch(planted.id, connection=redis, serializer=JSONSerializer)

    assert (job.success_callback, job.failure_callback, job.stopped_callback) == (None, None, None)


# Real processes


def _serve(only: str, database_url: str, redis_url: str) -> NoReturn:
    """One background process, as `rookery jobs` runs it, with this file's event and reaction."""
    jobs._SILENCE_SECONDS = 2
    background = _background(database.make_engine(database_url))
    if only == "worker":
        jobs.run_worker(background, redis_url)
    jobs.run_sweeper(background)


@pytest.fixture
def start(root: Path, house: House, redis_url: str) -> Iterator[Callable[[str], "subprocess.Popen[bytes]"]]:
    """Starts a background process that ends with the test."""
    running: list[subprocess.Popen[bytes]] = []

    def run(only: str) -> "subprocess.Popen[bytes]":
        program = "import sys; from tests.foundation import test_jobs; test_jobs._serve(*sys.argv[1:])"
        command = [sys.executable, "-c", program, only, house.urls.app, redis_url]
        running.append(subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.wait()


def _until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_a_rung_bell_makes_the_worker_deliver_and_run_nothing_else(
    house: House, redis: Redis, redis_url: str, start: Callable[[str], object], tmp_path: Path
) -> None:
    touched = tmp_path / "touched"
    planted = Queue(jobs._QUEUE, connection=redis, serializer=JSONSerializer)
    planted.enqueue_call("os.system", (f"touch {touched}",))
    _tell(house)

    start("worker")
    jobs.Bell(redis_url).ring()

    _until(lambda: _noted(house) == ["rook"])
    assert not touched.exists()


def test_without_a_bell_the_sweeper_delivers(house: House, start: Callable[[str], object]) -> None:
    _tell(house)

    start("sweeper")

    _until(lambda: _noted(house) == ["rook"])


def test_when_the_leading_sweeper_dies_the_next_one_leads(
    house: House, start: Callable[[str], "subprocess.Popen[bytes]"]
) -> None:
    first = start("sweeper")
    _until(lambda: _leads(house))
    start("sweeper")

    first.kill()
    first.wait()
    _tell(house)

    _until(lambda: _noted(house) == ["rook"])


def test_a_frozen_leader_loses_the_lead_and_does_nothing_more_when_it_thaws(
    house: House, start: Callable[[str], "subprocess.Popen[bytes]"]
) -> None:
    frozen = start("sweeper")
    _until(lambda: _leads(house))
    start("sweeper")

    frozen.send_signal(signal.SIGSTOP)
    _tell(house)
    _until(lambda: _noted(house) == ["rook"])
    leader = _leader(house)
    frozen.send_signal(signal.SIGCONT)
    time.sleep(2)

    assert _leader(house) == leader


def _leader(house: House) -> int | None:
    """The server process of the session that leads."""
    held = text("""SELECT pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                    WHERE datname = current_database() AND locktype = 'advisory' AND objid = :lock AND granted""")
    with house.sessions() as db:
        return db.scalar(held, {"lock": jobs._LEADER_LOCK})  # type: ignore[no-any-return]


def test_whoever_no_longer_leads_begins_no_further_sweep(house: House) -> None:
    asked: list[bool] = []

    def still_leads() -> None:
        asked.append(True)
        if len(asked) > 1:
            raise ConnectionError

    _tell(house)

    with pytest.raises(ConnectionError):
        jobs.sweep(_background(house.engine), still_leads=still_leads)

    assert _noted(house) == []


def _leads(house: House) -> bool:
    return _leader(house) is not None


# What takes long


def _background_with(house: House, *works: jobs.Work) -> jobs.Background:
    return replace(_background(house.engine), works=works)


def _three_steps(db: Session) -> Iterator[None]:
    for name in ("first", "second", "third"):
        db.execute(text("INSERT INTO requesters (id, name) VALUES (:name, :name)"), {"name": name})
        yield


def test_each_step_of_a_work_is_a_transaction_of_its_own(house: House) -> None:
    seen = []

    def watched(db: Session) -> Iterator[None]:
        for _ in _three_steps(db):
            yield
            seen.append(len(_noted(house)))

    done = jobs.work(_background_with(house, watched))

    assert list(done.values()) == [3]
    assert seen == [1, 2, 3]


def test_a_work_that_fails_keeps_the_steps_it_took_and_holds_up_no_other(house: House) -> None:
    def fails(db: Session) -> Iterator[None]:
        yield from _three_steps(db)
        db.execute(text("INSERT INTO requesters (id, name) VALUES ('fourth', 'fourth')"))
        raise ValueError

    def after(db: Session) -> Iterator[None]:
        db.execute(text("INSERT INTO requesters (id, name) VALUES ('after', 'after')"))
        yield

    done = jobs.work(_background_with(house, fails, after))

    assert list(done.values()) == [None, 1]
    assert sorted(_noted(house)) == ["after", "first", "second", "third"]

"""The rq side: wake up, deliver, sweep, work. Redis carries wake-ups and nothing else, so it may be lost at any moment.

The worker runs one function out of an allow-list; the sweeper, one leader by advisory lock, does by the clock what a
lost wake-up would have done, and beside it, step by step, what takes minutes.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, NoReturn

import structlog
from prometheus_client import Histogram
from redis import Redis, RedisError
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from foundation import outbox, worlds
from foundation.metrics import Gauge, redis_failures
from foundation.worlds import World

_QUEUE = "rookery"
_AWAKE = "rookery:awake"
# While a wake-up is on its way no second one is sent; if it gets lost this is how long the silence lasts.
_AWAKE_SECONDS = 2
# A process rings no more often than this, whatever many requests ask for it.
_RINGS_APART_SECONDS = 0.02
_REDIS_PAUSE_SECONDS = 1.0
_REDIS_TIMEOUT_SECONDS = 0.5
_TICK_SECONDS = 1.0
# How long one wake-up delivers, and how long one tick may before the sweeps have their turn again.
_DELIVER_SECONDS = 60.0
_SWEEP_DELIVER_SECONDS = 2.0
# rq would raise its time-out into whatever reaction is running; delivery ends by itself long before this.
_JOB_SECONDS = 600
_LEADER_LOCK = 7_265_001
# A leader that says nothing for so long is taken for frozen, and its session is ended; a sweep should not take longer.
_SILENCE_SECONDS = 15

Sweep = Callable[[Session], int]
# Work of minutes: at each `yield` what has been done may be committed, and nothing is held between two of them.
Work = Callable[[Session], Iterator[None]]
log = structlog.get_logger()
# Seen once a tick by the sweeper, which lives long: the worker's children end with their work.
lag_seconds = Histogram(
    "rookery_delivery_lag_seconds",
    "Age of the oldest event that is due, at each tick of the sweeper",
    buckets=(0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)


@dataclass(frozen=True, slots=True)
class Background:
    """What background work needs from the composition root."""

    engine: Engine
    sessions: sessionmaker[Session]
    reactions: outbox.Reactions
    sweeps: Sequence[Sweep]
    works: Sequence[Work] = ()
    # Works that wait for servers of others, so that nothing of ours waits behind them.
    errands: Sequence[Work] = ()
    # The same for the test world, if there is one. It has no errands: nothing leaves it.
    test: "Background | None" = None


class Bell:
    """Wakes the worker after a commit. Never fails and never waits long: the sweeper is behind it."""

    def __init__(self, redis_url: str | None) -> None:
        self._redis = connect(redis_url, timeout=_REDIS_TIMEOUT_SECONDS) if redis_url else None
        self._silent_until = 0.0

    def ring(self) -> None:
        if self._redis is None or time.monotonic() < self._silent_until:
            return
        try:
            if self._redis.set(_AWAKE, 1, nx=True, ex=_AWAKE_SECONDS):
                queue = Queue(_QUEUE, connection=self._redis, job_class=AllowedJob, serializer=JSONSerializer)
                queue.enqueue_call("deliver", result_ttl=0, failure_ttl=60, ttl=60, timeout=_JOB_SECONDS)
        except RedisError as error:
            self._silent_until = time.monotonic() + _REDIS_PAUSE_SECONDS
            redis_failures.labels("wake-ups").inc()
            log.warning("redis away, the sweeper will deliver", error=type(error).__name__)


def aside(act: Callable[[], None]) -> Callable[[], None]:
    """Ask a thread of its own to act, and go on: it does so once for all who have asked since the last time."""
    asked = threading.Event()

    def run() -> None:
        while asked.wait():
            asked.clear()
            act()
            time.sleep(_RINGS_APART_SECONDS)

    threading.Thread(target=run, name=act.__qualname__, daemon=True).start()
    return asked.set


class AllowedJob(Job):
    """A job that can only name a function of the allow-list: write access to Redis must not run code here."""

    functions: ClassVar[dict[str, Callable[[], None]]] = {}

    @property
    def func(self) -> Callable[[], None]:
        return self.functions[str(self.func_name)]

    # A callback is another dotted name that rq would import.
    success_callback = failure_callback = stopped_callback = property(lambda _: None)


def connect(redis_url: str, *, timeout: float | None = None) -> Redis:
    return Redis.from_url(redis_url, socket_timeout=timeout, socket_connect_timeout=_REDIS_TIMEOUT_SECONDS)


def run_worker(background: Background, redis_url: str) -> NoReturn:
    """Work on wake-ups until a signal or a lost Redis ends the process; the supervisor starts it again."""
    redis = connect(redis_url)

    def deliver() -> None:
        # In the forked work-horse: its parent's connections must not be used, nor closed, by the child.
        background.engine.dispose(close=False)
        if background.test is not None:
            background.test.engine.dispose(close=False)
        redis.delete(_AWAKE)
        for world in _worlds(background):
            deliver_all(world, seconds=_DELIVER_SECONDS)

    AllowedJob.functions = {"deliver": deliver}
    worker = Worker(
        [Queue(_QUEUE, connection=redis, job_class=AllowedJob, serializer=JSONSerializer)],
        connection=redis,
        job_class=AllowedJob,
        serializer=JSONSerializer,
        worker_ttl=30,
        maintenance_interval=10,
        job_monitoring_interval=5,
        log_job_description=False,
    )
    try:
        worker.work(with_scheduler=False, logging_level="WARNING")
    except RedisError as error:
        log.warning("worker has no redis, the sweeper delivers", error=type(error).__name__)
        raise SystemExit(1) from None
    raise SystemExit(0)


def _worlds(background: Background) -> Iterator[Background]:
    """The live one, and the test world once somebody has come into it."""
    yield background
    if background.test is not None and _attempt(background.test, _is_open):
        yield background.test


def _is_open(db: Session) -> int:
    return int(worlds.is_open(db.connection()))


def deliver_all(background: Background, *, seconds: float = math.inf) -> int:
    """Deliver until nothing waits or the time is up; returns the number of events taken."""
    total, end = 0, time.monotonic() + seconds
    while time.monotonic() < end and (taken := outbox.deliver(background.sessions, background.reactions)):
        total += taken
    return total


def run_sweeper(background: Background) -> NoReturn:
    """Lead or stand by for ever. The lock belongs to a database session: it is free the moment its holder dies.

    A holder that is frozen does not die, but falls silent, and the database ends its session after a while. When it
    thaws it does nothing more before it leads again; what it had begun was rolled back.
    """
    leads = threading.Event()
    for name, act in {"works": work, "test works": work_in_test, "errands": run_errands}.items():
        threading.Thread(target=_work_along, args=(background, leads, act), name=name, daemon=True).start()
    while True:
        try:
            with _own_connection(background.engine) as connection:
                while not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LEADER_LOCK}):
                    time.sleep(_TICK_SECONDS)
                log.info("sweeper leads")
                leads.set()
                while True:
                    for world in _worlds(background):
                        sweep(world, still_leads=lambda: connection.execute(text("SELECT true")))
                    time.sleep(_TICK_SECONDS)
        except SQLAlchemyError as error:
            leads.clear()
            log.warning("sweeper lost the database", error=type(error).__name__)
            time.sleep(_TICK_SECONDS)


# The leader's session says "SELECT true" before each sweep.
_LEADER = text("""
    SELECT extract(epoch FROM now() - activity.state_change)::float
      FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
     WHERE held.locktype = 'advisory' AND held.granted AND activity.datname = current_database()
       AND held.classid = 0 AND held.objid = :lock AND held.objsubid = 1
""")


def gauges(db: Session) -> Iterable[Gauge]:
    """Whether a sweeper leads, and how long ago it began its last sweep."""
    age = db.scalar(_LEADER, {"lock": _LEADER_LOCK})
    yield Gauge("rookery_sweepers_leading", "1 while a sweeper leads", float(age is not None))
    if age is not None:
        yield Gauge("rookery_sweeper_tick_age_seconds", "Seconds since the leading sweeper began a sweep", age)


@contextmanager
def _own_connection(engine: Engine) -> Iterator[Connection]:
    # Out of the pool for good: a connection that went back there would keep the lock and nobody could lead again.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()
        connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
        connection.execute(text(f"SET idle_session_timeout = '{_SILENCE_SECONDS}s'"))
        yield connection


def sweep(background: Background, *, still_leads: Callable[[], object] = bool) -> dict[str, int | None]:
    """One tick: everything that is due by the clock, then a while of delivery. None stands for a sweep that failed.

    Each sweep has its own transaction, and one that fails holds up neither the others nor the tick. `still_leads` is
    called before each, and raises where somebody else leads by now.
    """
    still_leads()
    _attempt(background, _watch_lag)
    done: dict[str, int | None] = {}
    for act in background.sweeps:
        still_leads()
        done[f"{act.__module__}.{act.__name__}"] = _attempt(background, act)
    still_leads()
    return {**done, "delivered": deliver_all(background, seconds=_SWEEP_DELIVER_SECONDS)}


def _work_along(background: Background, leads: threading.Event, act: Callable[[Background], object]) -> None:
    """Do what takes long, beside the sweeps, while this process leads. Two may for a while: works allow for it."""
    while leads.wait():
        act(background)
        time.sleep(_TICK_SECONDS)


def work(background: Background) -> dict[str, int | None]:
    """Everything that takes long and is due; how many steps each took. None stands for one that failed."""
    return _attempt_all(background, background.works)


def work_in_test(background: Background) -> dict[str, int | None]:
    """The same in the test world, which nothing of the live one waits for."""
    done: dict[str, int | None] = {}
    for world in list(_worlds(background))[1:]:
        done |= work(world)
    return done


def run_errands(background: Background) -> dict[str, int | None]:
    """The same for what waits for servers of others."""
    return _attempt_all(background, background.errands)


def _attempt_all(background: Background, acts: Sequence[Work]) -> dict[str, int | None]:
    return {f"{act.__module__}.{act.__name__}": _attempt(background, _all_of(act)) for act in acts}


def _all_of(act: Work) -> Sweep:
    def run(db: Session) -> int:
        return run_steps(db, act(db))

    run.__name__ = act.__name__
    return run


def run_steps(db: Session, steps: Iterator[None]) -> int:
    """Take every step in a transaction of its own; returns how many there were."""
    return sum(1 for _ in each_step(db, steps))


def each_step(db: Session, steps: Iterator[None]) -> Iterator[int]:
    """Take every step in a transaction of its own, and say how many there were so far: for whoever shows progress."""
    for taken, _ in enumerate(steps, 1):
        db.commit()
        yield taken


def _watch_lag(db: Session) -> int:
    # How long somebody's test waits says nothing about work.
    if worlds.of(db) is World.LIVE:
        lag_seconds.observe(outbox.oldest_seconds(db))
    return 1


def _attempt(background: Background, act: Sweep) -> int | None:
    with background.sessions() as db:
        try:
            done = act(db)
            db.commit()
        except Exception:
            # The edge of background work: a sweep is tried again at the next tick, whatever it raised.
            db.rollback()
            log.warning("sweep failed", name=act.__name__, exc_info=True)
            return None
    return done

"""Every kind of event, by several people at once; what must hold at every moment is read while they are at it."""

import itertools
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.queues import SimpleQueue

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from foundation import db as database
from foundation import logs
from foundation.errors import Problem
from tests import travel
from tests.payments import owed
from tests.payments.soak.replay import replay
from tests.payments.test_everything import Books, check, found

# Between two readings of the books, that they take no more than a share of the time.
_PAUSE_SECONDS = 5.0
_PAUSES = 4
# What each person numbers is told from what the others do.
_NUMBERS = 10**9


def soak(url: str, seed: int, n_events: int, n_people: int) -> None:
    """So many events; an `AssertionError` where a check is red, or somebody met what is no problem."""
    engine = database.make_engine(url, patient=True)
    try:
        _live_together(engine, url, seed, n_events, n_people)
    finally:
        engine.dispose()


def _live_together(engine: Engine, url: str, seed: int, n_events: int, n_people: int) -> None:
    with database.sessions(engine)() as db:
        found(db)
        db.commit()
    # What a parent has open is no child's: connections, threads, the state of its tests.
    fresh = multiprocessing.get_context("spawn")
    done = fresh.SimpleQueue()
    people = [fresh.Process(target=_live, args=(url, seed, who, n_events // n_people, done)) for who in range(n_people)]
    for person in people:
        person.start()
    _watch(engine, people)
    assert [person.exitcode for person in people] == [0] * n_people, "somebody met what they should not"
    refused, passing = Counter[str](), Counter[str]()
    for _ in people:
        theirs, met = done.get()
        refused += theirs
        passing += met
    with database.sessions(engine)() as db:
        check(db, "at the end")
        _report(db, n_events, refused, passing)


def _watch(engine: Engine, people: Sequence[multiprocessing.process.BaseProcess]) -> None:
    """Read the books in whole, at one moment, again and again for as long as people are at work."""
    pause = _PAUSE_SECONDS
    while any(person.is_alive() for person in people):
        time.sleep(pause)
        started = time.monotonic()
        with _at_one_moment(engine) as db:
            check(db, "while people were at work")
            n_entries = db.scalar(text("SELECT count(*) FROM journal_entries"))
        pause = max(_PAUSE_SECONDS, _PAUSES * (time.monotonic() - started))
        print(f"  {n_entries:,} entries, sound", flush=True)


@contextmanager
def _at_one_moment(engine: Engine) -> Iterator[Session]:
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, Session(connection) as db:
        yield db


def _report(db: Session, n_events: int, refused: Counter[str], passing: Counter[str]) -> None:
    rows = db.execute(text("SELECT kind, count(*) AS n FROM journal_entries GROUP BY 1 ORDER BY 2 DESC"))
    kinds = {row.kind: row.n for row in rows}
    print(f"  {n_events:,} events by several at once, {refused.total():,} refused; met and done again: {dict(passing)}")
    print(f"  replayed {replay(db):,} entries from zero, of kinds {kinds}", flush=True)


# Somebody's life


def _live(url: str, seed: int, who: int, n_events: int, done: "SimpleQueue[tuple[Counter[str], Counter[str]]]") -> None:
    logs.configure("error")
    owed._numbers = itertools.count(who * _NUMBERS + 1)
    engine = database.make_engine(url)
    refused, passing = Counter[str](), Counter[str]()
    with travel.ids_following(engine), database.sessions(engine)() as db:
        life = Books(db, seed * 1_000 + who, f"{who}_", between=db.commit)
        for _ in range(n_events):
            event = life.draw_event()
            try:
                event(life)
                db.commit()
            except Problem as problem:
                refused[f"{event.__name__}: {type(problem).__name__}"] += 1
            except DBAPIError as error:
                if not database.is_passing(error):
                    raise
                passing[database.sqlstate(error) or "lost"] += 1
            db.rollback()
            db.expunge_all()
    engine.dispose()
    done.put((refused, passing))

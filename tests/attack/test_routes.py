"""Every bad input of the corpus on every route, in this process; `make attack` sends them to a real house."""

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import pytest
from sqlalchemy.orm import Session, sessionmaker
from structlog.testing import capture_logs
from werkzeug.test import EnvironBuilder, run_wsgi_app

from foundation import http
from foundation.limits import Limits
from foundation.worlds import World
from tests import conftest
from tests.attack import cells, corpus, credentials, verdict
from tests.attack.assault import Sessions, everything
from tests.attack.cells import NO_LIMITS, ROUTES, Cell
from tests.attack.credentials import Credentials
from tests.attack.good import GOOD
from tests.conftest import beside

# What is larger goes to one place of each route here, and what is much larger to the real house alone.
_LARGE = 20_000
_HUGE = 2_000_000
_SECONDS_MAX = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a cell, and how long this process worked on it."""

    status: int
    content_type: str | None
    body: bytes
    seconds: float


Send = Callable[[Cell, Credentials], Answer]


def test_every_route_has_a_good_request() -> None:
    assert GOOD.keys() == ROUTES.keys()


@pytest.fixture
def send(sessions: sessionmaker[Session]) -> Iterator[Send]:
    """Hands a cell to the application as a server would, and closes the answer."""
    house = http.House(sessions, lambda: None, Limits(amounts=NO_LIMITS), beside(sessions))
    application = conftest.application(house)

    def hand_over(cell: Cell, tokens: Credentials) -> Answer:
        headers = [(name, value.decode("latin-1")) for name, value in credentials.headers(cell, tokens)]
        environ = EnvironBuilder(headers=headers, data=cell.body()).get_environ()
        path, _, query = credentials.fill(cell.path, tokens).partition("?")
        environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")
        environ.update({"QUERY_STRING": query, "REQUEST_METHOD": cell.method})
        began = time.thread_time()
        pieces, status, answered = run_wsgi_app(application, environ, buffered=True)
        body = b"".join(pieces)
        return Answer(int(status.split()[0]), answered.get("Content-Type"), body, time.thread_time() - began)

    # What thousands of tests have left is not swept through while an answer is timed.
    gc.freeze()
    # Nobody reads ten thousand lines of a log.
    with capture_logs():
        yield hand_over
    gc.unfreeze()


@pytest.mark.parametrize("name", ROUTES)
def test_a_route_refuses_what_is_bad_and_changes_nothing(
    name: str, sessions: sessionmaker[Session], send: Send
) -> None:
    with sessions() as db:
        good = GOOD[name](db)
        tokens = credentials.issue(db, good)
        db.commit()
    tried = list(_fewer(cells.of_route(ROUTES[name], good)))
    wrong: list[str] = []

    world: Sessions = sessions if good.world is World.LIVE else beside(sessions)
    before = everything(world)
    with _undone(sessions):
        for cell in tried:
            if not cell.may_succeed:
                wrong += _wrong(cell, send(cell, tokens))
        changed = everything(world) != before
    for cell in tried:
        if cell.may_succeed:
            with _undone(sessions):
                wrong += _wrong(cell, send(cell, tokens))

    assert not wrong, f"{len(wrong)} answers are wrong:\n" + "\n".join(wrong[:30])
    assert not changed, "something that was refused has changed a table"


def _fewer(every: Iterable[Cell]) -> Iterator[Cell]:
    """Not what is huge, what is large once for each route, and at one place of each kind what every such place gets."""
    seen: set[tuple[str, str]] = set()
    for cell in every:
        size = corpus.size(cell.sends)
        alike = "any" in cell.entry.at or cell.may_succeed
        kind = "" if size > _LARGE else (alike and cell.kind) or cell.place
        if size <= _HUGE and (cell.entry.id, kind) not in seen:
            seen.add((cell.entry.id, kind))
            yield cell


def _wrong(cell: Cell, answer: Answer) -> list[str]:
    found = verdict.complaints(cell, answer.status, answer.content_type, answer.body)
    if answer.seconds > _SECONDS_MAX:
        found.append(f"took {answer.seconds:.1f} s of this process")
    return [f"{cell}: {complaint}" for complaint in found]


@contextmanager
def _undone(sessions: sessionmaker[Session]) -> Iterator[None]:
    """Whatever is committed in here is taken back."""
    savepoint = sessions.kw["bind"].begin_nested()
    yield
    savepoint.rollback()

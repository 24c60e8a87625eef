"""The machinery of the tests: real engines, a database for each test process, and two ways to use it.

`db` and `client` live in one transaction that is rolled back. `house` commits for real in a database of its own, for
what needs several connections: concurrency, background work, crashes.
"""

import base64
import copy
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

import wsgi
from foundation import app as foundation_app
from foundation import auth, checks, embedded, http, jobs, outbox, worlds
from foundation import db as database
from foundation.migrating import migrate
from foundation.worlds import World
from tests import factories, travel
from workforce.models import WorkerStatus

# What is tried is the same each time, so that a red test is about the change before it; busy machines are no fault.
settings.register_profile(
    "house",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("house")

# Speed over durability: a test machine may lose its data.
_CONF = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_TEMPLATE = "rookery_template"
# What sessions seal destinations with.
DESTINATION_KEYS = f"test:{base64.b64encode(b'k' * 32).decode()}"


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """A command that a test runs in this process sets up logging for all of it; the next test finds it as it was."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@dataclass(frozen=True)
class Urls:
    """The two logins of one database."""

    app: str
    owner: str


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a program that runs few tests many times keep engines and a migrated database for all of them."""
    parser.addoption("--engines", type=Path, help="use the engines of this data folder instead of starting some")
    parser.addoption("--template", help="a migrated database there, to make others from")


@pytest.fixture(scope="session")
def engines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Engines]:
    """Engines that all test processes of one run share."""
    theirs: Path | None = request.config.getoption("--engines")
    if theirs is not None:
        with embedded.engines(theirs, conf=_CONF) as running:
            yield running
        return
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with embedded.engines(shared / "engines", conf=_CONF) as running:
        yield running


@pytest.fixture(scope="session")
def new_database(
    request: pytest.FixtureRequest, engines: embedded.Engines, worker_name: str
) -> Iterator[Callable[[], Urls]]:
    """Makes a migrated database that is this test's alone."""
    # Others may use the same engines, in this run or beside it.
    mine = f"{worker_name}_{os.getpid()}"
    template, made = request.config.getoption("--template"), []

    def urls(name: str) -> Urls:
        return Urls(_named(engines.database_url, name), _named(engines.database_owner_url, name))

    if template is None:
        template = f"{_TEMPLATE}_{mine}"
        made.append(template)
        embedded.create_database(engines.superuser, template)
        migrate(urls(template).owner, urls(template).app, with_test_world=True)

    def make() -> Urls:
        name = f"test_{mine}_{len(made)}"
        made.append(name)
        embedded.create_database(engines.superuser, name, template=template)
        return urls(name)

    yield make
    # Engines of our own go with all they hold.
    if request.config.getoption("--engines") is not None:
        for name in made:
            embedded.drop_database(engines.superuser, name)


@pytest.fixture(scope="session")
def worker_name() -> str:
    """The name of this test process."""
    return os.environ.get("PYTEST_XDIST_WORKER", "only")


@pytest.fixture(scope="session")
def redis_url(engines: embedded.Engines, worker_name: str) -> str:
    """A Redis that no other test process counts in or empties: each has a database of its own."""
    if engines.redis_url is None:
        pytest.skip("there is no Redis for this platform")
    number = int(worker_name.removeprefix("gw")) + 1 if worker_name != "only" else 0
    return f"{engines.redis_url}?db={number}"


def _named(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def shared_engine(new_database: Callable[[], Urls]) -> Iterator[Engine]:
    """The application's engine on the database whose changes are always rolled back."""
    engine = database.make_engine(new_database().app)
    yield engine
    engine.dispose()


@contextmanager
def travelling_house(engines: embedded.Engines, name: str) -> Iterator[str]:
    """The application's login to a fresh database whose clock can be moved."""
    embedded.create_database(engines.superuser, name)
    travel.install(engines.superuser, name)
    url = _named(engines.database_url, name)
    migrate(_named(engines.database_owner_url, name), url)
    yield url
    embedded.drop_database(engines.superuser, name)


@pytest.fixture(scope="session")
def travelling(engines: embedded.Engines, worker_name: str) -> Iterator[Engine]:
    """An engine on such a database, whose changes are always rolled back."""
    with travelling_house(engines, f"travelling_{worker_name}_{os.getpid()}") as url:
        # What was never committed was never counted: its plans may be slow.
        engine = database.make_engine(url, patient=True)
        yield engine
        engine.dispose()


@contextmanager
def rolled_back(engine: Engine) -> Iterator[Session]:
    """A session on a travelling house whose commits are savepoints of one transaction that is rolled back."""
    with travel.ids_following(engine), engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint", autoflush=False) as session:
            yield session
        outer.rollback()


@pytest.fixture
def sessions(shared_engine: Engine) -> Iterator[sessionmaker[Session]]:
    """A session factory whose commits are savepoints of one transaction that is rolled back."""
    with shared_engine.connect() as connection:
        outer = connection.begin()
        yield sessionmaker(
            connection, class_=database.PlainSession, join_transaction_mode="create_savepoint", expire_on_commit=False,
            autoflush=False, info={"destination_keys": DESTINATION_KEYS},
        )  # fmt: skip
        outer.rollback()


@pytest.fixture
def db(sessions: sessionmaker[Session]) -> Iterator[Session]:
    """A session in the transaction that is rolled back."""
    with sessions() as session:
        yield session


@pytest.fixture
def client(sessions: sessionmaker[Session]) -> FlaskClient:
    """An HTTP client of the whole application, in the transaction that is rolled back."""
    application: Flask = _app(sessions, beside(sessions))
    return application.test_client()


def beside(sessions: sessionmaker[Session]) -> Callable[[], AbstractContextManager[Session]]:
    """Sessions of the test world in the one transaction of these."""
    return lambda: worlds.beside(sessions.kw["bind"], destination_keys=DESTINATION_KEYS)


def _app(factory: sessionmaker[Session], test: Callable[[], AbstractContextManager[Session]] | None = None) -> Any:
    return application(http.House(factory, wake=lambda: None, test_sessions=test))


def application(house: http.House) -> Flask:
    """The whole application on a house. Routes are mounted once for all tests of a process: they never change."""
    made = copy.copy(_mounted())
    made.extensions = {**made.extensions, "rookery": house}
    return made


@cache
def _mounted() -> Flask:
    nowhere = http.House(sessionmaker(), wake=lambda: None)
    return foundation_app.build_app(nowhere, wsgi.program.routes, version=wsgi.VERSION)


@dataclass(frozen=True)
class House:
    """A whole installation of its own that commits for real."""

    urls: Urls
    engine: Engine
    sessions: sessionmaker[Session]
    app: Any
    # The engine and the sessions of its test world.
    test_engine: Engine
    test_sessions: sessionmaker[Session]

    @property
    def background(self) -> jobs.Background:
        """What the jobs process works with."""
        live = jobs.Background(
            self.engine,
            self.sessions,
            outbox.reactions(wsgi.program.reactions),
            wsgi.program.sweeps,
            wsgi.program.works,
            wsgi.program.errands,
        )
        return replace(live, test=replace(live, engine=self.test_engine, sessions=self.test_sessions, errands=()))

    def settle(self) -> int:
        """Deliver everything that waits, as the jobs process would; returns how many events were taken."""
        return jobs.deliver_all(self.background)

    def token(self, role: str, subject_id: str) -> str:
        """A token for anybody."""
        with self.sessions() as session:
            _, secret = auth.issue(session, role=role, subject_id=subject_id)
            session.commit()
        return secret


@pytest.fixture
def house(new_database: Callable[[], Urls]) -> Iterator[House]:
    """A database of this test's own, committed for real, with the invariants checked at the end."""
    with a_house(new_database()) as house:
        yield house


@contextmanager
def a_house(urls: Urls) -> Iterator[House]:
    """An installation on a database, with the invariants checked at the end."""
    engine = database.make_engine(urls.app, pool_size=20)
    test_engine = database.make_engine(urls.app, pool_size=5, schema=worlds.SCHEMA)
    factory = database.sessions(engine, destination_keys=DESTINATION_KEYS)
    test = database.sessions(test_engine, destination_keys=DESTINATION_KEYS, world=World.TEST)
    yield House(urls, engine, factory, _app(factory, test), test_engine, test)
    with factory() as session:
        found = checks.of_both_worlds(session, wsgi.program.checks)
    broken = {name: rows for name, rows in found.items() if rows}
    engine.dispose()
    test_engine.dispose()
    assert broken == {}


@pytest.fixture
def books(sessions: sessionmaker[Session]) -> Iterator[None]:
    """Every invariant of the house holds after the test; ask for it wherever money moves."""
    yield
    with sessions() as session:
        found = checks.of_both_worlds(session, wsgi.program.checks)
    assert {name: rows for name, rows in found.items() if rows} == {}


@pytest.fixture
def token(sessions: sessionmaker[Session]) -> Callable[..., str]:
    """Makes a token: `token("ops")`, `token("requester", subject_id)`; without an id, of somebody new."""

    def issue(role: str, subject_id: str | None = None, **options: Any) -> str:
        with sessions() as session:
            subject_id = subject_id or _somebody(session, role)
            _, secret = auth.issue(session, role=role, subject_id=subject_id, **options)
            session.commit()
        return secret

    return issue


def _somebody(session: Session, role: str) -> str:
    if role == "worker":
        return factories.create_worker(session, status=WorkerStatus.APPLICANT).id
    return factories.create_requester(session, funds=None).id if role == "requester" else "somebody"


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the checkout."""
    return Path(__file__).parent.parent


@contextmanager
def held_up(house: House, act: Callable[[Session], Any]) -> Iterator[Future[Any]]:
    """An act in a transaction of its own, begun beside the caller's and by now waiting for a lock that the caller has.

    Let go of the lock inside the block; what the act returned is the future's result then.
    """

    def run() -> Any:
        with house.sessions() as session:
            result = act(session)
            session.commit()
            return result

    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(run)
        with house.engine.connect() as watch:
            end = time.monotonic() + 10
            while not acting.done() and time.monotonic() < end and not watch.execute(waiting).scalar():
                watch.rollback()
                time.sleep(0.01)
        yield acting


def age(session: Session, table: str, column: str, seconds: int) -> None:
    """Let time pass for one column: the clock is the database's, so its rows are moved instead."""
    session.execute(text(f"UPDATE {table} SET {column} = {column} - make_interval(secs => :s)"), {"s": seconds})

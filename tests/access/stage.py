"""Where the world is played in: every scene is a transaction that is rolled back, so each begins in the same world."""

import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import structlog
from flask.testing import FlaskClient
from sqlalchemy import Connection
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.test import TestResponse

import wsgi
from foundation import auth, db, http, logs
from foundation.limits import STRANGERS, Limits
from tests import conftest
from tests.access.world import World
from tests.conftest import DESTINATION_KEYS, beside


@dataclass(frozen=True, slots=True)
class Stage:
    """A client of the whole application, and the one connection that all its requests and our questions share."""

    world: World
    connection: Connection
    sessions: sessionmaker[Session]
    client: FlaskClient

    @contextmanager
    def scene(self) -> Iterator[Session]:
        """A transaction in which requests see what was done before; at its end nothing has happened."""
        outer = self.connection.begin()
        try:
            with self.sessions() as session:
                yield session
        finally:
            outer.rollback()

    def send(self, caller: str, method: str, path: str, **options: Any) -> TestResponse:
        """One request by a caller of the world."""
        return self.send_as(self.world.callers[caller].header, method, path, **options)

    def send_as(self, header: str | None, method: str, path: str, **options: Any) -> TestResponse:
        """One request with some Authorization header, or none."""
        headers: Mapping[str, str] = options.pop("headers", {})
        return self.client.open(
            path, method=method, headers={**headers, **({"Authorization": header} if header else {})}, **options
        )


# Nobody here is refused for asking too often.
_QUOTAS = {route.quota.name for group in wsgi.program.routes for route in group.routes if route.quota}
_PLENTY = dict.fromkeys({STRANGERS.name, *auth.roles, *_QUOTAS}, 10**9)


@contextmanager
def open_stage(world: World) -> Iterator[Stage]:
    """The stage of a world, for as long as this lasts."""
    engine = db.make_engine(world.urls.app, pool_size=1)
    with engine.connect() as connection:
        sessions = sessionmaker(
            connection, join_transaction_mode="create_savepoint", expire_on_commit=False, autoflush=False,
            info={"destination_keys": DESTINATION_KEYS},
        )  # fmt: skip
        house = http.House(sessions, lambda: None, Limits(amounts=_PLENTY), beside(sessions))
        yield Stage(world, connection, sessions, conftest.application(house).test_client())
    engine.dispose()


@contextmanager
def logged(level: str) -> Iterator[io.StringIO]:
    """All that the process logs at this level, as it logs it when it serves; at `debug` all that it ever logs."""
    book, before = io.StringIO(), structlog.get_config()
    handlers, threshold = logging.root.handlers[:], logging.root.level
    with mock.patch("sys.stderr", book):
        logs.configure(level)
    try:
        yield book
    finally:
        structlog.configure(**before)
        logging.root.handlers[:] = handlers
        logging.root.setLevel(threshold)

"""Faults of what is stored in: Redis, PostgreSQL, the wire to it and the disk under it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from tests.faults.scene import Making, Scene


@contextmanager
def flushed(scene: Scene) -> Iterator[None]:
    with scene.house.redis() as redis:
        redis.flushall()
    yield


@contextmanager
def redis_away(scene: Scene) -> Iterator[None]:
    """Nobody finds it, and whoever was connected is cut off; it lives, so nobody starts another."""
    listening = scene.house.data_dir / "run" / "redis.sock"
    hidden = listening.with_suffix(".away")
    with scene.house.redis() as redis:
        redis.ping()
        listening.rename(hidden)
        try:
            redis.client_kill_filter(_type="normal", skipme=True)
            yield
        finally:
            hidden.rename(listening)


@contextmanager
def storm(scene: Scene) -> Iterator[None]:
    """Three sessions end every few hundredths of a second."""
    terminate = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rookery'"
        " AND usename = 'rookery_app' ORDER BY random() LIMIT 3"
    )
    end = time.monotonic() + 3
    with scene.house.superuser() as connection:
        while time.monotonic() < end:
            connection.execute(terminate)
            time.sleep(scene.rng.uniform(0.01, 0.05))
    yield


@contextmanager
def no_connection_left(scene: Scene) -> Iterator[None]:
    """Others hold every connection that the server gives; the house's own are ended until it has none."""
    where = make_url(scene.house.login.database_url)
    login = where.set(drivername="postgresql").render_as_string(hide_password=False)
    hoard: list[psycopg.Connection[Any]] = []
    try:
        with scene.house.superuser() as connection:
            end = time.monotonic() + 15
            while time.monotonic() < end:
                try:
                    hoard.append(psycopg.connect(login, application_name="hoarder", connect_timeout=5))
                except psycopg.OperationalError:
                    ended = connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rookery'"
                    ).fetchall()
                    if not ended:
                        break
        yield
    finally:
        for held in hoard:
            held.close()


@contextmanager
def locked(scene: Scene) -> Iterator[None]:
    with scene.house.superuser() as connection, connection.transaction():
        connection.execute("LOCK TABLE assignments IN ACCESS EXCLUSIVE MODE")
        yield


def wiring(mode: str, *, then: str = "pass") -> Making:
    @contextmanager
    def make(scene: Scene) -> Iterator[None]:
        assert scene.house.wire is not None
        scene.house.wire.set(mode)
        try:
            yield
        finally:
            scene.house.wire.set(then)
            scene.house.wire.set("pass")

    return make


@contextmanager
def disk_full(scene: Scene) -> Iterator[None]:
    """The data folder is a small file system of its own here; a file takes all that is left."""
    ballast = scene.house.data_dir / "ballast"
    try:
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(65536))
        yield
    finally:
        ballast.unlink()

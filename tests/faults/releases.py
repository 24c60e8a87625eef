"""Faults of releases: migrations that are killed, and new processes in the place of old ones under traffic."""

import itertools
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import psycopg
from sqlalchemy.engine import make_url

from foundation import embedded
from tests.faults.scene import Scene, Wrong

_DEPLOY_SECONDS = 120.0
_SCHEMA = """
    SELECT md5(string_agg(line, E'\n' ORDER BY line)) FROM (
        SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default) AS line
          FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT relname || ' ' || coalesce(relacl::text, '') FROM pg_class
                   WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT attrelid::regclass || ' ' || attname || ' ' || attacl::text FROM pg_attribute
                   WHERE attacl IS NOT NULL AND attrelid::regclass::text NOT LIKE 'pg_%'
        UNION ALL SELECT version_num FROM alembic_version) AS lines
"""
_numbers = itertools.count(1)


@contextmanager
def fresh_migration_killed(scene: Scene) -> Iterator[None]:
    name = f"siege_{next(_numbers)}"
    login = scene.house.login
    embedded.create_database(login.superuser, name)
    urls = {
        variable: make_url(url).set(database=name).render_as_string(hide_password=False)
        for variable, url in (("DATABASE_URL", login.database_url), ("DATABASE_OWNER_URL", login.database_owner_url))
    }
    try:
        _kill_in_migration(scene, name, urls)
        _migrate_again(scene, urls)
        if _schema(scene, name) != _schema(scene, "rookery"):
            raise Wrong("A migration that was killed and run again left another schema.")
    finally:
        embedded.drop_database(login.superuser, name)
    yield


@contextmanager
def serving_migration_killed(scene: Scene) -> Iterator[None]:
    before = _schema(scene, "rookery")
    _kill_in_migration(scene, "rookery", {})
    _migrate_again(scene, {})
    if _schema(scene, "rookery") != before:
        raise Wrong("A migration that was killed beside a running house changed its schema.")
    yield


def _kill_in_migration(scene: Scene, name: str, urls: dict[str, str]) -> None:
    migrating = scene.house.run("migrate", environment=urls)
    owner = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND usename = 'rookery_owner'"
    while migrating.poll() is None and scene.house.ask(owner, name) == [(0,)]:
        time.sleep(0.005)
    time.sleep(scene.rng.uniform(0, 0.5))
    migrating.kill()
    migrating.wait()


def _migrate_again(scene: Scene, urls: dict[str, str]) -> None:
    if scene.house.run("migrate", environment=urls).wait(60) != 0:
        raise Wrong(f"A killed migration does not run again; the log is {scene.house.log.name}.")


def _schema(scene: Scene, name: str) -> Any:
    with psycopg.connect(scene.house.login.superuser, dbname=name) as connection:
        return connection.execute(_SCHEMA).fetchone()


@contextmanager
def deployed(scene: Scene) -> Iterator[None]:
    """`rookery up` is told that there is new code: new processes take the place of the old ones."""
    house = scene.house
    assert house.up is not None
    old = {child.pid for role in ("web", "worker", "sweeper") for child in house.children(role)}
    house.up.send_signal(signal.SIGUSR2)
    deadline = time.monotonic() + _DEPLOY_SECONDS
    while any(psutil.pid_exists(pid) for pid in old):
        if time.monotonic() > deadline:
            raise Wrong(f"After {_DEPLOY_SECONDS:.0f} s an old process still runs.")
        time.sleep(0.1)
    yield

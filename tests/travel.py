"""A database whose clock can be moved: the house asks no other, so that a month passes between two statements.

The functions that tell the time are hidden behind others of the same names, which add what is said. They have to be
there before the tables, whose defaults are bound to what is found first. The clock moves between transactions: whoever
moves it waits for those that have asked, as none takes a month. Ids tell the time too, and follow.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from unittest.mock import patch

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.orm import Session

from foundation import ids

# A transaction keeps the time at which it first asked, as it does without travelling.
_CLOCK = """
    CREATE SCHEMA travel;
    CREATE TABLE travel.ahead (by interval NOT NULL);
    INSERT INTO travel.ahead VALUES (interval '0');
    CREATE FUNCTION travel.by() RETURNS interval LANGUAGE plpgsql VOLATILE AS $$
        BEGIN
            IF coalesce(current_setting('travel.by', true), '') = '' THEN
                PERFORM pg_advisory_xact_lock_shared(7265099);
                PERFORM set_config('travel.by', (SELECT CAST(by AS text) FROM travel.ahead), true);
            END IF;
            RETURN current_setting('travel.by');
        END $$;
    CREATE FUNCTION travel.now() RETURNS timestamptz LANGUAGE sql STABLE
        AS 'SELECT pg_catalog.now() + travel.by()';
    CREATE FUNCTION travel.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
        AS 'SELECT pg_catalog.statement_timestamp() + travel.by()';
    CREATE FUNCTION travel.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
        AS 'SELECT pg_catalog.clock_timestamp() + travel.by()';
    -- Which transactions there are, and since when by this clock.
    CREATE VIEW travel.pg_stat_activity AS
        SELECT datname, pid, xact_start + travel.by() AS xact_start FROM pg_catalog.pg_stat_activity;
    GRANT SELECT ON travel.pg_stat_activity TO PUBLIC;
    GRANT USAGE ON SCHEMA travel TO PUBLIC;
    GRANT SELECT, UPDATE ON travel.ahead TO PUBLIC;
"""
_ALONE = text("SELECT pg_advisory_xact_lock(7265099)")
_MOVE = text("UPDATE travel.ahead SET by = by + :by RETURNING set_config('travel.by', CAST(by AS text), true)")
_AHEAD = "SELECT CAST(1000000 * extract(epoch FROM travel.by()) AS bigint)"


def install(superuser: str, database: str) -> None:
    """Give a database that is still empty such a clock. superuser : a connection string to any database beside it."""
    with psycopg.connect(superuser, dbname=database, autocommit=True) as connection:
        connection.execute(_CLOCK)
        path = sql.SQL("ALTER DATABASE {} SET search_path = public, travel, pg_catalog")
        connection.execute(path.format(sql.Identifier(database)))


def move(db: Session, by: timedelta) -> None:
    """Move the clock, also for what else this transaction does; for others, in their next one, when it is committed."""
    db.execute(_ALONE)
    db.execute(_MOVE, {"by": by})
    _Ahead.read(db.connection())


class _Ahead:
    """The time that ids tell: that of the transaction which this process began last, and which keeps it from there."""

    microseconds = 0

    @classmethod
    def time_ns(cls) -> int:
        return time.time_ns() + 1000 * cls.microseconds

    @classmethod
    def read(cls, connection: Connection, *_: object) -> None:
        # Not by the connection itself, whose transaction is only about to begin.
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute(_AHEAD)
            (cls.microseconds,) = cursor.fetchone() or (0,)


@contextmanager
def ids_following(engine: Engine) -> Iterator[None]:
    """Ids that this process makes tell the time of such a database, whatever becomes of who moves it."""
    begun = ("begin", "rollback_savepoint")
    for name in begun:
        event.listen(engine, name, _Ahead.read)
    try:
        with patch.object(ids, "time", _Ahead):
            yield
    finally:
        _Ahead.microseconds = 0
        for name in begun:
            event.remove(engine, name, _Ahead.read)

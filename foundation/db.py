"""The mapped base class, naming convention, engine and session factory. No Flask here."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, ClassVar

import psycopg
from psycopg.abc import Buffer
from psycopg.types.array import ListDumper
from sqlalchemy import (
    CheckConstraint,
    DateTime,
    Engine,
    ExceptionContext,
    MetaData,
    Text,
    TextClause,
    create_engine,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, sessionmaker

# A claim or a submission that waits longer than this has met a fault; the caller gets a 503 and may come again.
_LOCK_TIMEOUT = "3s"
_STATEMENT_TIMEOUT = "5s"
_IDLE_TIMEOUT = "10s"
# The server stops a statement by itself before this. Whoever has no answer by then has a frozen server, or none.
_SILENCE_SECONDS = 7.0
# So long a statement may take that adds up all there ever was, where `patience` is asked for.
_PATIENCE_SECONDS = 240
_READ_ONLY = "25006"
LOCK_NOT_AVAILABLE = "55P03"
# What text in a list is not sent with as it is; the last one is refused.
_NEEDS_CARE = re.compile(r'["\\\0]')
# What PostgreSQL says when it is not the statement's fault and the same request may succeed in a moment.
_PASSING = {
    "08000", "08003", "08006",  # the connection broke
    "25006",  # read-only: a server that was failed over
    "25P03", LOCK_NOT_AVAILABLE, "57014",  # something took too long
    "40001", "40P01",  # others came first, however often `http` tried
    "53100", "53200", "53300", "58030",  # disk, memory, connections, input and output
    "57P01", "57P02", "57P03",  # the server stops or starts
}  # fmt: skip

# Ids compare byte by byte: their order is their age, whatever the database's language.
IdText = Text(collation="C")

Id = Annotated[str, mapped_column(IdText, primary_key=True)]
Ref = Annotated[str, mapped_column(IdText)]
Created = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Json = Annotated[dict[str, Any], mapped_column(JSONB)]


class Base(DeclarativeBase):
    """Every table of the house; each package declares its own in its `models.py`."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {str: Text()}


def one_of(column: str, values: type) -> CheckConstraint:
    """A check that a text column holds one value of a `StrEnum`: the states are written once, in Python."""
    allowed = ", ".join(f"'{value}'" for value in values)  # type: ignore[attr-defined]  # an enum iterates
    return CheckConstraint(f"{column} IN ({allowed})", name=f"{column}_known")


def make_engine(url: str, *, pool_size: int = 8, patient: bool = False, schema: str | None = None) -> Engine:
    """An engine whose every session has limits on waiting.

    `patient` lifts the statement limit, for migrations, exports and checks. schema : the only one that its statements
    find tables in (worlds.py), if it is not the login's own.
    """
    limits = {"lock_timeout": _LOCK_TIMEOUT, "idle_in_transaction_session_timeout": _IDLE_TIMEOUT}
    if not patient:
        limits["statement_timeout"] = _STATEMENT_TIMEOUT
    if schema is not None:
        limits["search_path"] = schema
    engine = create_engine(
        url,
        # A statement that fails is logged without what people sent.
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=2,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 5,
            "tcp_user_timeout": 5000,
            # A host that is gone says nothing, and would be waited for while it owes an answer.
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "application_name": "rookery",
            "options": "-c timezone=UTC " + " ".join(f"-c {name}={value}" for name, value in limits.items()),
        },
    )
    event.listen(engine, "handle_error", _leave_a_standby)
    event.listen(engine, "connect", lambda connection, _record: connection.adapters.register_dumper(list, _PlainLists))
    if not patient:
        event.listen(engine, "do_connect", lambda _dialect, _record, _args, named: _Impatient.connect(**named))
    return engine


class _Impatient(psycopg.Connection[Any]):
    """A connection that breaks when its server, which may be frozen, has been silent for too long."""

    # Beyond what is usual.
    patience_seconds = 0.0

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, timeout or _SILENCE_SECONDS + self.patience_seconds)
        except psycopg.OperationalError as error:
            # psycopg's own class for this is private; whatever the server said has a state.
            if error.sqlstate is None:
                self.pgconn.finish()
            raise


class _PlainLists(ListDumper):
    """Lists as they are sent: those of plain text or whole numbers at once, where psycopg looks at each element.

    A posting sends twenty of them, and so spends half as long in this process.
    """

    def dump(self, obj: list[Any]) -> Buffer | None:
        kinds = set(map(type, obj))
        if kinds == {int}:
            return f"{{{','.join(map(str, obj))}}}".encode()
        if kinds == {str} and not _NEEDS_CARE.search("".join(obj)):
            return '{{"{}"}}'.format('","'.join(obj)).encode()
        return super().dump(obj)


def _leave_a_standby(context: ExceptionContext) -> None:
    # After a failover a pooled connection may lead to a server that only reads, and answers every ping: to write again,
    # all of them must be made anew.
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True


_LIMIT = text("SELECT CAST(setting AS integer) FROM pg_settings WHERE name = 'statement_timeout'")
_SET_LIMIT = text("SELECT set_config('statement_timeout', CAST(CAST(:milliseconds AS integer) AS text), true)")


@contextmanager
def patience(session: Session) -> Iterator[None]:
    """Let each statement inside take minutes, then the usual again. Who has that long, or no limit, keeps it.

    For what adds up all there ever was, and holds up nobody meanwhile. After an error the end of the transaction, or of
    its savepoint, brings the usual back.
    """
    usual, longer = session.scalars(_LIMIT).one(), _PATIENCE_SECONDS * 1000
    if not 0 < usual < longer:
        yield
        return
    connection = session.connection().connection.driver_connection
    session.execute(_SET_LIMIT, {"milliseconds": longer})
    if isinstance(connection, _Impatient):
        connection.patience_seconds = _PATIENCE_SECONDS
    try:
        yield
    finally:
        if isinstance(connection, _Impatient):
            connection.patience_seconds = 0.0
    session.execute(_SET_LIMIT, {"milliseconds": usual})


def sqlstate(error: BaseException) -> str | None:
    """The five characters with which PostgreSQL says what went wrong, if it was PostgreSQL that failed."""
    return getattr(getattr(error, "orig", None), "sqlstate", None)


def is_passing(error: BaseException) -> bool:
    """Whether the same transaction may succeed in a moment: the database was away, busy or held by others."""
    state = sqlstate(error)
    lost = (isinstance(error, OperationalError | InterfaceError) and state is None) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )
    return isinstance(error, PoolTimeout) or lost or state in _PASSING


class PlainSession(Session):
    """A session that hands statements written as text to its connection, as they are.

    The ORM has nothing to add to them, and looks into each of them whether it has.
    """

    def execute(self, statement: Any, params: Any = None, **options: Any) -> Any:
        if type(statement) is TextClause and not options:
            return self.connection().execute(statement, params)
        return super().execute(statement, params, **options)


def sessions(engine: Engine, **info: Any) -> sessionmaker[Session]:
    """The session factory. Only the edges commit: http, jobs, work and a command at its end.

    info : what every session carries along, such as keys that no table may hold.
    """
    return sessionmaker(engine, class_=PlainSession, expire_on_commit=False, autoflush=False, info=info)

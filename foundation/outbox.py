"""Events: facts committed with their cause and delivered in batches to the reactions of other packages. No Flask here.

An event's row is deleted in the transaction of the reaction it caused, so an effect happens exactly once although
delivery is tried at least once. Events belong to streams, and one transaction at a time delivers the events of one
stream: reactions of one project never wait for each other, nor for another project's. Nothing here needs Redis: a
wake-up only makes delivery prompt.
"""

import dataclasses
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import BigInteger, DateTime, Identity, Index, Select, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from foundation.db import Base, Created, Json, Moment, Ref, is_passing, sqlstate
from foundation.errors import NotFound
from foundation.metrics import Gauge

BATCH = 200
ATTEMPTS_MAX = 8
_ERROR_LENGTH = 500
# A statement that took too long: of a large batch perhaps because it is large.
_TOO_LONG = "57014"
_ID_DIGITS_MAX = 18
# Waiting events that are looked at to find a stream which nobody delivers.
_LOOK_AHEAD = 2000

log = structlog.get_logger()


class Event:
    """A fact, told in the past tense. Subclasses are frozen dataclasses of ids and plain values."""

    @property
    def stream(self) -> str:
        """The thing whose events are delivered by one transaction at a time; events that name none share one."""
        return ""


type_of: dict[str, type[Event]] = {}

Reaction = Callable[[Session, Sequence[Any]], None]
Reactions = Mapping[type[Event], Sequence[Reaction]]


@dataclass(frozen=True, slots=True)
class On:
    """One line of the map in wsgi.py: when this happens, that reacts."""

    event: type[Event]
    reaction: Reaction


class OutboxEvent(Base):
    """An event waiting for delivery, or parked after too many failures."""

    __tablename__ = "outbox_events"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    topic: Mapped[str]
    stream: Mapped[Ref]
    payload: Mapped[Json]
    created_at: Mapped[Created]
    due_at: Mapped[Moment] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None]
    parked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index("ix_outbox_events_waiting", "id", postgresql_where=text("parked_at IS NULL")),
        Index("ix_outbox_events_stream", "stream", "id", postgresql_where=text("parked_at IS NULL")),
    )


INSERT = text("""
    INSERT INTO outbox_events (topic, stream, payload) VALUES (:topic, :stream, CAST(:payload AS jsonb))
""")

_STREAMS = text("""
    SELECT stream FROM (SELECT stream, id FROM outbox_events WHERE parked_at IS NULL AND due_at <= now()
                         ORDER BY id LIMIT :look_ahead) AS waiting
     GROUP BY stream ORDER BY min(id)
""")
_TRY = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:stream, 2))")
_HOLD = text("SELECT pg_advisory_xact_lock(hashtextextended(:stream, 2))")
# An array is made once. A set after IN may be planned as one that is made anew for every row, each time of other rows
# that are not locked yet: then a batch takes everything.
_TAKE = text("""
    DELETE FROM outbox_events
     WHERE id = ANY(ARRAY(SELECT id FROM outbox_events
                           WHERE stream = :stream AND parked_at IS NULL AND due_at <= now()
                           ORDER BY id LIMIT :batch FOR UPDATE SKIP LOCKED))
    RETURNING id, topic, payload
""")
_TAKE_THESE = text("""
    DELETE FROM outbox_events
     WHERE id = ANY(ARRAY(SELECT id FROM outbox_events WHERE id = ANY(:ids) AND parked_at IS NULL ORDER BY id
                             FOR UPDATE SKIP LOCKED))
    RETURNING id, topic, stream, payload
""")
_POSTPONE = text("UPDATE outbox_events SET due_at = now() + CAST(:delay AS interval) WHERE id = ANY(:ids)")
_FAILED = text("""
    UPDATE outbox_events
       SET attempts = attempts + 1, last_error = :error,
           due_at = now() + CAST(:delay AS interval) * power(2, attempts),
           parked_at = CASE WHEN attempts + 1 >= :attempts_max THEN now() END
     WHERE id = :id
    RETURNING parked_at IS NOT NULL
""")


def reactions(pairs: Sequence[On]) -> Reactions:
    """The delivery table from the composition root's list."""
    table: dict[type[Event], list[Reaction]] = defaultdict(list)
    for pair in pairs:
        table[pair.event].append(pair.reaction)
        type_of[pair.event.__name__] = pair.event
    return table


def publish(db: Session, event: Event) -> None:
    """Tell a fact: it is delivered if, and only if, the transaction commits."""
    db.execute(INSERT, telling(db, event))


def telling(db: Session, event: Event) -> dict[str, str]:
    """What `INSERT` wants to know, for whoever tells a fact within a statement of their own."""
    db.info["published"] = True
    return {"topic": type(event).__name__, "stream": event.stream, "payload": _dump(event)}


def was_told(db: Session) -> bool:
    """Whether this session has published since it was last asked; the edge that committed then wakes delivery."""
    return bool(db.info.pop("published", False))


def deliver(sessions: sessionmaker[Session], table: Reactions, *, batch: int = BATCH) -> int:
    """Deliver one batch of waiting events and return how many were taken; 0 means there is nothing to do.

    A batch is of one stream and commits together. If a reaction fails, its events are delivered in halves and halves of
    halves, so that a poisoned event neither blocks nor spoils the others.
    """
    taken: Sequence[Any] = ()
    try:
        with sessions() as db:
            taken = _take(db, batch)
            _react(db, table, taken)
            db.commit()
    except Exception as error:  # noqa: BLE001 - a reaction may raise anything
        _after_failure(sessions, table, sorted(row.id for row in taken), error)
    return len(taken)


def _take(db: Session, batch: int) -> Sequence[Any]:
    """The oldest events of the first stream that nobody else delivers, now this transaction's alone."""
    for stream in db.scalars(_STREAMS, {"look_ahead": _LOOK_AHEAD}).all():
        if try_stream(db, stream) and (taken := db.execute(_TAKE, {"stream": stream, "batch": batch}).all()):
            return taken
    return ()


def try_stream(db: Session, stream: str) -> bool:
    """Take a stream for this transaction, unless somebody has it: then False at once."""
    return bool(db.scalar(_TRY, {"stream": stream}))


def hold_stream(db: Session, stream: str) -> None:
    """Take a stream for this transaction, waiting for whoever has it. A transaction that has it goes on at once."""
    db.execute(_HOLD, {"stream": stream})


def _deliver_these(sessions: sessionmaker[Session], table: Reactions, event_ids: Sequence[int]) -> None:
    try:
        with sessions() as db:
            taken = db.execute(_TAKE_THESE, {"ids": event_ids}).all()
            for stream in {event.stream for event in taken}:
                hold_stream(db, stream)
            _react(db, table, taken)
            db.commit()
    except Exception as error:  # noqa: BLE001 - see `deliver`
        _after_failure(sessions, table, event_ids, error)


def _after_failure(
    sessions: sessionmaker[Session], table: Reactions, event_ids: Sequence[int], error: Exception
) -> None:
    """The edge of background work: whatever a reaction raised becomes a state of the events it belongs to.

    What passes by itself is nobody's fault: the events come again in a moment, and other streams before them.
    """
    if not event_ids:
        log.warning("no event could be taken", exc_info=error)
    elif is_passing(error) and sqlstate(error) != _TOO_LONG:
        log.warning("delivery postponed", events=len(event_ids), sqlstate=sqlstate(error))
        _postpone(sessions, event_ids)
    elif len(event_ids) > 1:
        log.warning("batch failed, delivering its halves", events=len(event_ids), exc_info=error)
        middle = len(event_ids) // 2
        _deliver_these(sessions, table, event_ids[:middle])
        _deliver_these(sessions, table, event_ids[middle:])
    else:
        for event_id in event_ids:
            _count_failure(sessions, event_id, error)


def _postpone(sessions: sessionmaker[Session], event_ids: Sequence[int]) -> None:
    with sessions() as session:
        session.execute(_POSTPONE, {"ids": event_ids, "delay": _pause()})
        session.commit()


def _count_failure(sessions: sessionmaker[Session], event_id: int, error: Exception) -> None:
    told = {"id": event_id, "error": _storable(error), "delay": _pause(), "attempts_max": ATTEMPTS_MAX}
    with sessions() as db:
        parked = db.execute(_FAILED, told).scalar()
        db.commit()
    log.warning("event failed", event_id=event_id, parked=bool(parked), error=_storable(error))


def _pause() -> timedelta:
    return timedelta(seconds=random.uniform(1, 2))  # noqa: S311 - jitter, not a secret


_RETRY = text("""
    UPDATE outbox_events SET parked_at = NULL, attempts = 0, due_at = now()
     WHERE parked_at IS NOT NULL AND id = coalesce(CAST(:id AS bigint), id)
""")
_OLDEST_DUE = text("""
    SELECT extract(epoch FROM now() - min(created_at))
      FROM (SELECT created_at FROM outbox_events
             WHERE parked_at IS NULL AND due_at <= now() ORDER BY id LIMIT 100) AS due
""")
_AGES = text("""
    SELECT count(*) FILTER (WHERE parked_at IS NULL) AS waiting,
           count(*) FILTER (WHERE parked_at IS NOT NULL) AS parked,
           coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE parked_at IS NULL)), 0)::float AS oldest
      FROM outbox_events
""")


def parked() -> Select[OutboxEvent]:
    """The events that wait for somebody of ops."""
    return select(OutboxEvent).where(OutboxEvent.parked_at.is_not(None))


def retry_parked(db: Session, event_id: int | None = None) -> int:
    """Let a parked event, or every one, be delivered again from the first attempt on; returns how many."""
    retried = db.execute(_RETRY, {"id": event_id}).rowcount  # type: ignore[attr-defined]
    if retried:
        db.info["published"] = True
    return int(retried)


def retry_one_parked(db: Session, event_id: str) -> int:
    """The same for the one event with this id, as it comes from outside."""
    known = event_id.isascii() and event_id.isdigit() and len(event_id) <= _ID_DIGITS_MAX
    if not known or not retry_parked(db, int(event_id)):
        raise NotFound("There is no such parked event.")
    return 1


def oldest_seconds(db: Session) -> float:
    """How long the oldest event that is due has been waiting."""
    return float(db.scalar(_OLDEST_DUE) or 0)


def gauges(db: Session) -> Iterable[Gauge]:
    """How much waits, for how long, and what is parked."""
    row = db.execute(_AGES).one()
    yield Gauge("rookery_outbox_waiting", "Events that wait for delivery", row.waiting)
    yield Gauge("rookery_outbox_oldest_seconds", "Age of the oldest event that waits", row.oldest)
    yield Gauge("rookery_outbox_parked", "Events that ops must look at", row.parked)


def _storable(error: Exception) -> str:
    # The text may quote what made the reaction fail; if it could not be stored, the event would block for ever.
    told = f"{type(error).__name__}: {error}"[:_ERROR_LENGTH].replace("\x00", "\\x00")
    return told.encode(errors="backslashreplace").decode()


def _react(db: Session, table: Reactions, rows: Sequence[Any]) -> None:
    by_topic: dict[str, list[Any]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.id):
        by_topic[row.topic].append(row)
    for topic, told in by_topic.items():
        # An unknown topic is a deployment mistake: the KeyError parks the event, where ops can see it.
        kind = type_of[topic]
        events = [kind(**row.payload) for row in told]
        for reaction in table[kind]:
            reaction(db, events)


def _dump(event: Event) -> str:
    return json.dumps(dataclasses.asdict(event))  # type: ignore[call-overload]

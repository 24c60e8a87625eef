"""Events: delivered if and only if their cause commits, once, and no poisoned one stands in the way."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker

from foundation import outbox
from foundation.outbox import Event, On
from tests.conftest import House


@dataclass(frozen=True, slots=True)
class _Seen(Event):
    """A bird was seen."""

    bird: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class _Heard(Event):
    """A bird was heard."""

    bird: str


@dataclass(frozen=True, slots=True)
class _Elsewhere(Event):
    """A bird was seen somewhere else."""

    bird: str

    @property
    def stream(self) -> str:
        return "elsewhere"


@dataclass
class _Reaction:
    """Remembers what it was told in transactions that were committed, and fails where the test says."""

    told: list[Any] = field(default_factory=list)
    fails: Callable[[Any], bool] = lambda _event: False
    error: str = "cannot"

    def __call__(self, db: Session, events: Sequence[Any]) -> None:
        for one in events:
            if self.fails(one):
                raise RuntimeError(self.error)
        event.listen(db, "after_commit", lambda _db: self.told.extend(events), once=True)

    @property
    def table(self) -> outbox.Reactions:
        return outbox.reactions([On(_Seen, self), On(_Heard, self)])


def _publish(sessions: sessionmaker[Session], *events: Event, topic: str | None = None) -> None:
    with sessions() as db:
        for told in events:
            outbox.publish(db, told)
        if topic is not None:
            db.execute(outbox.INSERT, {"stream": "", "topic": topic, "payload": "{}"})
        db.commit()


def _waiting(sessions: sessionmaker[Session]) -> list[Any]:
    with sessions() as db:
        return list(db.execute(text("SELECT *, due_at > now() AS later FROM outbox_events ORDER BY id")).all())


def _make_due(sessions: sessionmaker[Session]) -> None:
    with sessions() as db:
        db.execute(text("UPDATE outbox_events SET due_at = now()"))
        db.commit()


def test_a_committed_event_is_delivered_once_as_it_was_told(sessions: sessionmaker[Session]) -> None:
    reaction = _Reaction()
    _publish(sessions, _Seen("rook 😀", 2**53))

    assert outbox.deliver(sessions, reaction.table) == 1
    assert outbox.deliver(sessions, reaction.table) == 0
    assert reaction.told == [_Seen("rook 😀", 2**53)]
    assert _waiting(sessions) == []


def test_an_event_of_a_transaction_that_is_rolled_back_is_never_delivered(sessions: sessionmaker[Session]) -> None:
    reaction = _Reaction()
    with sessions() as db:
        outbox.publish(db, _Seen("rook"))
        db.rollback()

    assert outbox.deliver(sessions, reaction.table) == 0
    assert reaction.told == []


def test_nobody_is_told_before_the_commit(house: House) -> None:
    reaction = _Reaction()
    with house.sessions() as db:
        outbox.publish(db, _Seen("rook"))
        before = outbox.deliver(house.sessions, reaction.table)
        db.commit()

    assert before == 0
    assert outbox.deliver(house.sessions, reaction.table) == 1


def test_a_session_says_once_that_it_has_told_something(db: Session) -> None:
    assert not outbox.was_told(db)

    outbox.publish(db, _Seen("rook"))

    assert outbox.was_told(db)
    assert not outbox.was_told(db)


def test_events_of_one_kind_come_together_in_the_order_they_were_told(sessions: sessionmaker[Session]) -> None:
    batches: list[Sequence[Any]] = []
    table = outbox.reactions([On(_Seen, lambda _db, events: batches.append(list(events)))])
    _publish(sessions, *(_Seen("rook", number) for number in range(10)))

    outbox.deliver(sessions, table)

    assert batches == [[_Seen("rook", number) for number in range(10)]]


def test_a_batch_is_bounded_and_the_rest_follows(sessions: sessionmaker[Session]) -> None:
    reaction = _Reaction()
    _publish(sessions, *(_Seen("rook", number) for number in range(5)))

    assert [outbox.deliver(sessions, reaction.table, batch=2) for _ in range(4)] == [2, 2, 1, 0]
    assert [seen.number for seen in reaction.told] == list(range(5))


def test_a_batch_is_bounded_however_its_statement_is_planned(sessions: sessionmaker[Session]) -> None:
    reaction = _Reaction()
    _publish(sessions, *(_Seen("rook", number) for number in range(5)))

    def planned_badly(_db: Session, _transaction: SessionTransaction, connection: Connection) -> None:
        for plan in ("hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize", "indexscan", "bitmapscan"):
            connection.execute(text(f"SET LOCAL enable_{plan} = off"))

    event.listen(sessions, "after_begin", planned_badly)

    assert [outbox.deliver(sessions, reaction.table, batch=2) for _ in range(4)] == [2, 2, 1, 0]


def test_an_event_and_the_effect_of_its_reaction_are_one_transaction(sessions: sessionmaker[Session]) -> None:
    def half(db: Session, _events: Sequence[Any]) -> None:
        outbox.publish(db, _Heard("half done"))
        raise RuntimeError("crash")

    _publish(sessions, _Seen("rook"))
    outbox.deliver(sessions, outbox.reactions([On(_Seen, half)]))

    assert [row.topic for row in _waiting(sessions)] == ["_Seen"]


def test_a_poisoned_event_does_not_block_the_others(sessions: sessionmaker[Session]) -> None:
    reaction = _Reaction(fails=lambda seen: seen.number == 3)
    _publish(sessions, *(_Seen("rook", number) for number in range(6)))

    outbox.deliver(sessions, reaction.table)

    assert [seen.number for seen in reaction.told] == [0, 1, 2, 4, 5]
    (left,) = _waiting(sessions)
    assert (left.payload["number"], left.attempts, left.last_error) == (3, 1, "RuntimeError: cannot")
    assert left.later


@pytest.mark.parametrize("error", ["a\x00b", "a\ud800b", "x" * 5_000, ""], ids=["NUL", "surrogate", "long", "empty"])
def test_no_error_text_keeps_a_failure_from_being_recorded(sessions: sessionmaker[Session], error: str) -> None:
    reaction = _Reaction(fails=lambda seen: seen.number == 0, error=error)
    _publish(sessions, _Seen("rook", 0), _Seen("rook", 1))

    outbox.deliver(sessions, reaction.table)

    (left,) = _waiting(sessions)
    assert left.attempts == 1
    assert left.last_error.startswith("RuntimeError: ")
    assert [seen.number for seen in reaction.told] == [1]


def test_a_failing_event_waits_longer_each_time_and_is_parked_at_last(sessions: sessionmaker[Session]) -> None:
    reaction = _Reaction(fails=lambda _event: True)
    _publish(sessions, _Seen("rook"))

    delays = []
    for _ in range(outbox.ATTEMPTS_MAX):
        _make_due(sessions)
        outbox.deliver(sessions, reaction.table)
        (left,) = _waiting(sessions)
        delays.append((left.due_at - left.created_at).total_seconds())

    assert all(2**n <= delay <= 2 * 2**n for n, delay in enumerate(delays))
    assert left.attempts == outbox.ATTEMPTS_MAX
    assert left.parked_at is not None


def test_a_parked_event_is_left_alone_and_stays_visible(sessions: sessionmaker[Session]) -> None:
    reaction = _Reaction()
    _publish(sessions, _Seen("rook"))
    with sessions() as db:
        db.execute(text("UPDATE outbox_events SET parked_at = now(), last_error = 'E: x'"))
        db.commit()

    assert outbox.deliver(sessions, reaction.table) == 0
    assert [row.last_error for row in _waiting(sessions)] == ["E: x"]


def test_only_parked_events_are_retried_one_of_them_or_all(sessions: sessionmaker[Session]) -> None:
    _publish(sessions, *(_Seen("rook", number) for number in range(4)))
    with sessions() as db:
        failing, *parked = db.scalars(text("SELECT id FROM outbox_events ORDER BY id")).all()
        db.execute(text("UPDATE outbox_events SET attempts = 5, due_at = now() + interval '1 day'"))
        db.execute(text("UPDATE outbox_events SET parked_at = now() WHERE id <> :id"), {"id": failing})

        assert outbox.retry_parked(db, failing) == 0
        assert outbox.retry_parked(db, parked[0]) == 1
        assert outbox.retry_parked(db) == 2
        db.commit()

    assert [(row.attempts, row.later) for row in _waiting(sessions)] == [(5, True)] + [(0, False)] * 3


def test_an_event_that_has_failed_is_delivered_once_the_cause_is_mended(sessions: sessionmaker[Session]) -> None:
    reaction = _Reaction(fails=lambda _event: True)
    _publish(sessions, _Seen("rook"))
    outbox.deliver(sessions, reaction.table)
    early = outbox.deliver(sessions, reaction.table)

    reaction.fails = lambda _event: False
    _make_due(sessions)

    assert early == 0
    assert outbox.deliver(sessions, reaction.table) == 1
    assert reaction.told == [_Seen("rook")]
    assert _waiting(sessions) == []


def test_an_unknown_topic_is_kept_and_parked_while_others_pass(sessions: sessionmaker[Session]) -> None:
    reaction = _Reaction()
    _publish(sessions, _Seen("rook"), topic="NeverHeardOf")

    for _ in range(outbox.ATTEMPTS_MAX):
        outbox.deliver(sessions, reaction.table)
        _make_due(sessions)

    (left,) = _waiting(sessions)
    assert reaction.told == [_Seen("rook")]
    assert left.topic == "NeverHeardOf"
    assert left.last_error == "KeyError: 'NeverHeardOf'"
    assert left.parked_at is not None


def test_a_payload_of_another_version_is_kept_and_not_lost(sessions: sessionmaker[Session]) -> None:
    reaction = _Reaction()
    with sessions() as db:
        db.execute(outbox.INSERT, {"stream": "", "topic": "_Heard", "payload": '{"bird": "rook", "colour": "black"}'})
        db.commit()

    outbox.deliver(sessions, reaction.table)

    (left,) = _waiting(sessions)
    assert left.last_error.startswith("TypeError: ")


def test_two_deliverers_at_once_never_deliver_an_event_twice(house: House) -> None:
    together, reaction = threading.Barrier(2), _Reaction()
    _publish(house.sessions, *(_Seen("rook", number) for number in range(400)))
    table = reaction.table

    def work(_number: int) -> int:
        together.wait()
        total = 0
        while taken := outbox.deliver(house.sessions, table, batch=7):
            total += taken
        return total

    with ThreadPoolExecutor(2) as threads:
        totals = list(threads.map(work, range(2)))

    assert sum(totals) == 400
    assert sorted(seen.number for seen in reaction.told) == list(range(400))


def test_an_event_in_the_hands_of_one_deliverer_is_invisible_to_another(house: House) -> None:
    counts: list[int] = []
    waited: list[float] = []
    reaction = _Reaction()

    def slow(_db: Session, _events: Sequence[Any]) -> None:
        started = time.monotonic()
        counts.append(outbox.deliver(house.sessions, reaction.table))
        waited.append(time.monotonic() - started)

    _publish(house.sessions, _Seen("rook"))
    outbox.deliver(house.sessions, outbox.reactions([On(_Seen, slow)]))

    assert counts == [0]
    assert waited[0] < 1.0
    assert reaction.told == []


def test_without_a_database_delivery_takes_nothing_and_loses_nothing(house: House) -> None:
    reaction = _Reaction()
    _publish(house.sessions, _Seen("rook"))

    def cut(db: Session, _events: Sequence[Any]) -> None:
        db.connection().invalidate()
        db.execute(text("SELECT 1"))

    outbox.deliver(house.sessions, outbox.reactions([On(_Seen, cut)]))
    _make_due(house.sessions)
    with house.sessions() as db:
        # The server may notice a while later that a connection is gone, and keep its stream until then.
        outbox.hold_stream(db, "")
        db.rollback()

    assert outbox.deliver(house.sessions, reaction.table) == 1
    assert reaction.told == [_Seen("rook")]


def test_one_poisoned_event_among_many_costs_few_deliveries(sessions: sessionmaker[Session]) -> None:
    tried: list[int] = []
    reaction = _Reaction(fails=lambda seen: seen.number == 77)
    _publish(sessions, *(_Seen("rook", number) for number in range(128)))

    def counted(db: Session, events: Sequence[Any]) -> None:
        tried.append(len(events))
        reaction(db, events)

    outbox.deliver(sessions, outbox.reactions([On(_Seen, counted)]))

    # The batch, then two halves at each of seven steps, where 128 events alone would be as many deliveries.
    assert len(tried) == 1 + 2 * 7
    assert sorted(seen.number for seen in reaction.told) == [number for number in range(128) if number != 77]


def test_events_whose_reaction_met_a_lock_come_again_and_are_not_counted_as_failed(house: House) -> None:
    reaction = _Reaction()
    _publish(house.sessions, *(_Seen("rook", number) for number in range(3)), _Elsewhere("crow"))

    def locking(db: Session, events: Sequence[Any]) -> None:
        if isinstance(events[0], _Seen):
            db.execute(text("SET LOCAL lock_timeout = '50ms'"))
            db.execute(text("SELECT pg_advisory_xact_lock(1)"))
        reaction(db, events)

    table = outbox.reactions([On(_Seen, locking), On(_Elsewhere, locking)])
    with house.sessions() as holder:
        holder.execute(text("SELECT pg_advisory_xact_lock(1)"))
        while outbox.deliver(house.sessions, table):
            pass
        meanwhile = list(reaction.told)
    left = [(row.attempts, row.last_error, row.later) for row in _waiting(house.sessions)]
    _make_due(house.sessions)
    outbox.deliver(house.sessions, table)

    # The other stream was not held up by the one that waited.
    assert meanwhile == [_Elsewhere("crow")]
    assert left == [(0, None, True)] * 3
    assert [seen.number for seen in reaction.told[1:]] == [0, 1, 2]


def test_a_batch_that_takes_too_long_is_delivered_in_smaller_ones(house: House) -> None:
    reaction = _Reaction()
    _publish(house.sessions, *(_Seen("rook", number) for number in range(4)))

    def slow(db: Session, events: Sequence[Any]) -> None:
        db.execute(text("SET LOCAL statement_timeout = '150ms'"))
        db.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": 0.06 * len(events)})
        reaction(db, events)

    outbox.deliver(house.sessions, outbox.reactions([On(_Seen, slow)]))

    assert [seen.number for seen in reaction.told] == [0, 1, 2, 3]
    assert _waiting(house.sessions) == []

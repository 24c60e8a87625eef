"""The horizon: nothing is written before it once it was told, and it is final when nobody can be unaware of it."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from foundation import clock, ids
from payments import horizon
from payments.ledger import ClockBehind
from payments.models import Horizon
from tests.conftest import House
from tests.payments.posted import alone, post, settle, until_final

_RAW = text("""
    INSERT INTO journal_entries (id, idempotency_key, request_hash, kind, lines, cause_ref, actor_ref)
    VALUES (:id, :id, '', 'test', 1, 'c', 'a')
""")


def _told(db: Session) -> list[Horizon]:
    return list(db.scalars(select(Horizon).order_by(Horizon.before_id)))


def _midnight(db: Session, late: timedelta = horizon.LATENESS) -> datetime:
    return (clock.now(db) - late).replace(hour=0, minute=0, second=0, microsecond=0)


def test_the_end_of_the_last_day_is_told_once(house: House) -> None:
    for _ in range(3):
        alone(house, horizon.advance)
    settle(house)

    assert alone(house, horizon.advance) == 0
    with house.sessions() as db:
        assert _told(db)[0].before_id == ids.earliest("jnl", _midnight(db))


def test_a_new_day_is_told_when_the_one_before_is_final(db: Session) -> None:
    yesterday = ids.earliest("jnl", _midnight(db) - timedelta(days=1))
    db.add(Horizon(before_id=yesterday, heard_xact=1, is_final=True))
    db.flush()

    assert horizon.advance(db) == 1
    assert [one.before_id for one in _told(db)] == [yesterday, ids.earliest("jnl", _midnight(db))]
    assert horizon.final(db) == yesterday


def test_a_horizon_never_moves_back(db: Session) -> None:
    horizon.tell(db, datetime(2026, 6, 2, tzinfo=UTC))

    assert horizon.tell(db, datetime(2026, 6, 2, tzinfo=UTC)) == 0
    assert horizon.tell(db, datetime(2026, 6, 1, tzinfo=UTC)) == 0
    assert len(_told(db)) == 1


def test_whoever_told_of_it_does_not_hear_of_it(db: Session) -> None:
    horizon.tell(db, datetime(2026, 6, 2, tzinfo=UTC))

    assert sum(horizon.advance(db) for _ in range(5)) == 0


def test_nothing_is_written_before_what_was_told(house: House) -> None:
    alone(house, lambda db: horizon.tell(db, datetime(2026, 6, 2, tzinfo=UTC)))
    day = ids.earliest("jnl", datetime(2026, 6, 1, tzinfo=UTC))

    with pytest.raises(DBAPIError, match="before the horizon"):
        alone(house, lambda db: db.execute(_RAW, {"id": day}))


def test_whoever_has_a_clock_far_behind_is_told_so(house: House) -> None:
    alone(house, lambda db: horizon.tell(db, clock.now(db) + timedelta(hours=1)))

    with pytest.raises(ClockBehind):
        alone(house, lambda db: post(db, "late"))

    with house.sessions() as db:
        assert db.scalar(text("SELECT count(*) FROM journal_entries")) == 0


def test_the_horizon_is_not_final_while_somebody_who_wrote_before_it_is_open(house: House) -> None:
    with house.sessions() as slow:
        post(slow, "slow")
        alone(house, lambda db: horizon.tell(db, clock.now(db)))
        for _ in range(5):
            alone(house, horizon.advance)
        seen = alone(house, horizon.final)
        slow.commit()

    assert seen is None
    assert settle(house)


def test_whoever_writes_while_it_is_being_told_is_waited_for_though_their_number_is_the_highest(house: House) -> None:
    with house.sessions() as teller, house.sessions() as slow:
        horizon.tell(teller, clock.now(teller) + timedelta(hours=1))
        # Not committed, so nobody hears of it: this id lies before it.
        post(slow, "slow")
        teller.commit()
        for _ in range(5):
            alone(house, horizon.advance)
        seen = alone(house, horizon.final)
        slow.commit()

    assert seen is None
    assert until_final(house)


def test_whoever_began_before_it_was_told_and_writes_afterwards_is_refused(house: House) -> None:
    """An old snapshot would not help them: what they look at is what is committed when they write."""
    with house.sessions() as slow:
        slow.execute(text("SELECT 1 FROM journal_entries"))
        final = settle(house)
        with pytest.raises(DBAPIError, match="before the horizon"):
            slow.execute(_RAW, {"id": ids.earliest("jnl", datetime(2026, 6, 1, tzinfo=UTC))})

    assert final


def test_two_who_advance_it_do_not_wait_for_each_other(house: House) -> None:
    with house.sessions() as one:
        assert horizon.advance(one) == 1

        assert alone(house, horizon.advance) == 0

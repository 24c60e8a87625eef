"""Finished batches and the floor: who is lifted, by whose money, and that no hour is lifted twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from foundation import clock
from payments import (
    active_time,
    adjustments,
    batch_floors,
    checks,
    clawbacks,
    earnings,
    floor_weeks,
    floors,
    funding,
    ledger,
    payees,
)
from payments.active_time import Piece
from payments.batch_floors import NoSuchReserve
from payments.earnings import Work
from payments.ledger import FUNDS, PAYABLE, RESERVE
from payments.models import Payee
from tests.conftest import House, age, held_up
from tests.payments import owed
from tests.payments.owed import OWNER

BATCH = "bat_1"
HOUR = 3_600
_numbers = iter(range(10**9))


@dataclass(frozen=True)
class Did:
    """An answer: how long it took and what it pays, in ledger units; where."""

    seconds: float
    amount: int
    region: str = "KE"


def _rule(db: Session, hourly: str = "5.00", **changes: Any) -> None:
    given = {"region": "KE", "currency": "USD", "valid_from": date(2026, 1, 1), "citation": "an act", **changes}
    made = floors.enter(db, floors.Terms(hourly=hourly, **given), entered_by="finance")
    floors.confirm(db, made.id, confirmed_by="approver")


def _person(db: Session) -> Payee:
    return payees.register(db, owner_ref=f"wrk_{next(_numbers):09}", name="Ada", country="KE")


def _work(
    db: Session, payee: Payee, *done: Did, cause: str = BATCH, contingency: int = 0, days_ago: int = 0
) -> list[str]:
    """Have somebody paid for answers of a batch, all of whose money is reserved for it."""
    made = [f"ans_{next(_numbers):09}" for _ in done]
    cost = sum(funding.with_fee(one.amount) for one in done)
    owed.pay_in(db, cost + contingency)
    funding.reserve(
        db, owner_ref=OWNER, cause_ref=cause, key=made[0], currency="USD", amount=cost + contingency,
        contingency=contingency,
    )  # fmt: skip
    earnings.pend(db, [Work(a, payee.id, cause, "USD", d.amount) for a, d in zip(made, done, strict=True)])
    earnings.accept(db, made)
    db.execute(
        text("UPDATE earnings SET due_at = due_at - make_interval(days => :n) WHERE answer_ref = ANY(:made)"),
        {"n": days_ago, "made": made},
    )
    now = clock.now(db) - timedelta(days=days_ago)
    active_time.record(
        db,
        [
            Piece(a, payee.id, cause, "image", 1, d.region, now - timedelta(seconds=d.seconds), now)
            for a, d in zip(made, done, strict=True)
        ],
    )
    return made


def _lift(db: Session, cause: str = BATCH) -> Any:
    """Hold a finished batch against the floor; the round as it ends."""
    batch_floors.begin(db, [cause])
    floor_id = db.scalars(text("SELECT id FROM batch_floors WHERE state <> 'closed'")).one()
    for _ in batch_floors.steps(db, floor_id):
        db.expire_all()
    return db.execute(text("SELECT * FROM batch_floors WHERE id = :id"), {"id": floor_id}).one()


def _close_week(db: Session) -> None:
    """Hold the week of eight days ago against the floor."""
    week = f"{clock.now(db) - timedelta(days=8):%G-W%V}"
    floor_weeks.begin(db, week, begun_by="finance")
    for _ in floor_weeks.steps(db, week):
        pass


def _got(db: Session, payee: Payee) -> list[int]:
    rows = text("SELECT amount FROM earnings WHERE payee_id = :id AND kind = 'floor' ORDER BY id")
    return list(db.scalars(rows, {"id": payee.id}))


def _funds(db: Session) -> tuple[int, int]:
    """What the owner has free, and what is reserved for the batch."""
    return ledger.balance(db, FUNDS, OWNER, "USD"), ledger.balance(db, RESERVE, BATCH, "USD")


# Who is lifted


def test_where_the_median_is_below_the_floor_whoever_is_below_it_is_lifted_to_it(db: Session, books: None) -> None:
    _rule(db)
    slow, middle, fast = (_person(db) for _ in range(3))
    _work(db, slow, Did(HOUR, 10_000))
    _work(db, middle, Did(HOUR / 2, 20_000))
    _work(db, fast, Did(HOUR, 60_000))
    owed.pay_in(db, 100_000)

    done = _lift(db)

    # Wages of 1.00, 4.00 and 6.00 an hour; the floor is 5.00.
    assert [_got(db, one) for one in (slow, middle, fast)] == [[40_000], [5_000], []]
    assert (done.state, done.lacking, done.funded, done.paid, done.n_payees) == ("closed", 45_000, 45_000, 45_000, 2)
    assert ledger.balance(db, PAYABLE, slow.id, "USD") == 50_000
    assert _funds(db) == (55_000, 0)


def test_where_the_median_keeps_the_floor_nobody_is_lifted(db: Session, books: None) -> None:
    _rule(db)
    slow, middle, fast = (_person(db) for _ in range(3))
    _work(db, slow, Did(HOUR, 10_000), contingency=9_000)
    _work(db, middle, Did(HOUR, 50_000))
    _work(db, fast, Did(HOUR, 60_000))

    done = _lift(db)

    assert (done.lacking, done.n_payees, _got(db, slow)) == (0, 0, [])
    assert _funds(db) == (9_000, 0)


def test_each_region_has_its_own_median_and_floor(db: Session, books: None) -> None:
    _rule(db, "5.00")
    _rule(db, "2.00", region="PH")
    ada, ben = _person(db), _person(db)
    _work(db, ada, Did(HOUR, 30_000))
    _work(db, ben, Did(HOUR, 30_000, region="PH"), Did(HOUR, 100, region="IN"))
    owed.pay_in(db, 100_000)

    _lift(db)

    assert (_got(db, ada), _got(db, ben)) == ([20_000], [])


def test_time_counts_up_to_the_cap_of_the_batch(db: Session, books: None) -> None:
    _rule(db)
    idle, busy = _person(db), _person(db)
    _work(db, idle, Did(10 * HOUR, 10))
    _work(db, busy, *[Did(36, 10)] * 9)
    owed.pay_in(db, 10_000_000)

    _lift(db)

    # 36 s at 5.00 an hour are 0.05 each; the idle ones count like the others.
    assert (_got(db, idle), _got(db, busy)) == ([490], [4_410])


def test_the_difference_is_rounded_up_for_the_payee(db: Session, books: None) -> None:
    _rule(db, "0.0001")
    ada = _person(db)
    _work(db, ada, Did(90 * HOUR, 1))
    owed.pay_in(db, 1_000)

    _lift(db)

    assert _got(db, ada) == [89]


# Whose money it is


def test_what_was_set_aside_is_used_first_and_the_rest_goes_back(db: Session, books: None) -> None:
    _rule(db)
    ada = _person(db)
    _work(db, ada, Did(HOUR, 10_000), contingency=70_000)
    owed.pay_in(db, 5_000)

    done = _lift(db)

    assert (_got(db, ada), done.funded) == ([40_000], 40_000)
    assert _funds(db) == (35_000, 0)
    assert db.scalar(text("SELECT contingency FROM reserves")) == 0


def test_free_funds_are_taken_for_what_was_not_set_aside(db: Session, books: None) -> None:
    _rule(db)
    ada = _person(db)
    _work(db, ada, Did(HOUR, 10_000), contingency=15_000)
    owed.pay_in(db, 30_000)

    _lift(db)

    assert (_got(db, ada), _funds(db)) == ([40_000], (5_000, 0))


def test_what_nobody_holds_is_shared_out_and_kept_as_owed(db: Session, books: None) -> None:
    _rule(db)
    ada, ben = _person(db), _person(db)
    _work(db, ada, Did(HOUR, 10_000))
    _work(db, ben, Did(HOUR, 20_000), contingency=10_001)

    done = _lift(db)

    # 40,000 and 30,000 are lacking; 10,001 are there.
    assert (_got(db, ada), _got(db, ben)) == ([5_714], [4_286])
    assert (done.lacking, done.funded, done.paid) == (70_000, 10_001, 10_000)
    assert _funds(db) == (1, 0)
    assert [row.owed for row in db.scalars(batch_floors.listed())] == [60_000]


def test_with_no_money_at_all_it_is_all_owed(db: Session, books: None) -> None:
    _rule(db)
    ada = _person(db)
    _work(db, ada, Did(HOUR, 10_000))

    done = _lift(db)

    assert (_got(db, ada), done.lacking, done.paid, done.state) == ([], 40_000, 0, "closed")


def test_money_for_open_tasks_is_never_taken_for_the_floor(db: Session, books: None) -> None:
    _rule(db)
    ada = _person(db)
    _work(db, ada, Did(HOUR, 10_000))
    owed.pay_in(db, 500)
    funding.reserve(db, owner_ref=OWNER, cause_ref=BATCH, key="next", currency="USD", amount=500)

    _lift(db)

    assert (_got(db, ada), _funds(db)) == ([], (0, 500))


def test_nobody_earns_a_fee_by_paying_too_little(db: Session, books: None) -> None:
    _rule(db)
    _work(db, _person(db), Did(HOUR, 10_000), contingency=40_000)

    _lift(db)

    assert -ledger.debit_balance(db, ledger.PLATFORM_FEE, ledger.HOUSE, "USD") == 2_000


# Once


def test_a_batch_that_is_finished_twice_is_lifted_by_what_is_new(db: Session, books: None) -> None:
    _rule(db)
    ada = _person(db)
    owed.pay_in(db, 1_000_000)
    _work(db, ada, Did(HOUR, 10_000))
    _lift(db)
    _lift(db)
    _work(db, ada, Did(HOUR, 20_000))

    third = _lift(db)

    assert (_got(db, ada), third.round) == ([40_000, 30_000], 3)
    keys = text("SELECT idempotency_key FROM journal_entries WHERE kind = 'floor' ORDER BY id")
    assert list(db.scalars(keys)) == [f"flr:{BATCH}:{ada.id}", f"flr:{BATCH}:{ada.id}:3"]


def test_steps_can_be_left_at_any_time_and_taken_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_floors, "_AT_ONCE", 1)
    with house.sessions() as db:
        _rule(db)
        people = [_person(db) for _ in range(3)]
        for one in people:
            _work(db, one, Did(HOUR, 10_000))
        owed.pay_in(db, 10**6)
        batch_floors.begin(db, [BATCH])
        floor_id = db.scalars(text("SELECT id FROM batch_floors")).one()
        db.commit()
    n_steps = 0
    while True:
        with house.sessions() as db:
            steps = batch_floors.steps(db, floor_id)
            if next(steps, "over") == "over":
                break
            if n_steps % 2:
                db.commit()
            n_steps += 1

    with house.sessions() as db:
        assert [_got(db, one) for one in people] == [[40_000]] * 3


def test_a_week_that_was_lifted_by_the_house_is_left_out(db: Session, books: None) -> None:
    _rule(db)
    ada = _person(db)
    _work(db, ada, Did(HOUR, 10_000), days_ago=8)
    _close_week(db)
    owed.pay_in(db, 100_000)

    done = _lift(db)

    assert (_got(db, ada), done.lacking) == ([40_000], 0)


def test_what_lifted_a_batch_is_pay_of_the_week_of_its_answers(db: Session, books: None) -> None:
    _rule(db)
    ada, ben = _person(db), _person(db)
    owed.pay_in(db, 100_000)
    _work(db, ada, Did(HOUR, 10_000), days_ago=8)
    _work(db, ben, Did(HOUR, 30_000), cause="bat_2", days_ago=8)
    _lift(db)

    _close_week(db)

    rows = db.execute(text("SELECT payee_id, pay, top_up FROM weekly_pay")).all()
    assert {row.payee_id: (row.pay, row.top_up) for row in rows} == {ada.id: (50_000, 0), ben.id: (30_000, 20_000)}


def test_a_week_that_is_lifted_between_counting_and_paying_is_not_lifted_again(db: Session, books: None) -> None:
    _rule(db)
    ada = _person(db)
    _work(db, ada, Did(HOUR, 10_000), contingency=40_000, days_ago=8)
    batch_floors.begin(db, [BATCH])
    steps = batch_floors.steps(db, db.scalars(text("SELECT id FROM batch_floors")).one())
    for _ in range(3):
        next(steps)

    _close_week(db)
    for _ in steps:
        pass

    assert (_got(db, ada), _funds(db)) == ([40_000], (40_000, 0))


def test_what_lifted_a_batch_can_be_taken_back_and_asked_back_by_what_it_cost(db: Session, books: None) -> None:
    _rule(db)
    ada = owed.payee(db)
    _work(db, ada, Did(HOUR, 10_000), contingency=40_000)
    _lift(db)
    (earning,) = db.scalars(text("SELECT id FROM earnings WHERE kind = 'floor'"))

    with pytest.raises(adjustments.EarningNotDue):
        adjustments.preview_repair(db, earning, amount="1")
    with db.begin_nested() as undone:
        (effect,) = adjustments.reverse(db, [earning], reason="r", actor_ref="f")
        assert (effect.returned, _funds(db)) == (40_000, (40_000, 0))
        undone.rollback()
    db.expire_all()
    owed.pay_out(db)
    made = clawbacks.propose(db, earning, reason="r", made_by="wanjiru")
    assert clawbacks.confirm(db, made.id, confirmed_by="oscar").returned == 40_000


# When


def test_a_batch_waits_until_it_has_rested_and_what_comes_begins_it_anew(
    db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    _rule(db)
    _work(db, _person(db), Did(HOUR, 10_000))

    batch_floors.begin(db, [BATCH, BATCH, "bat_unknown"])
    assert batch_floors.due(db) == []
    age(db, "batch_floors", "finished_at", HOUR)
    assert [(one.cause_ref, one.is_overdue) for one in batch_floors.due(db)] == [(BATCH, False)]
    batch_floors.begin(db, [BATCH])
    assert batch_floors.due(db) == []
    monkeypatch.setattr(batch_floors, "PATIENCE", timedelta(0))
    assert [(one.cause_ref, one.is_overdue) for one in batch_floors.due(db)] == [(BATCH, True)]


def test_without_a_floor_or_money_set_aside_nothing_is_begun(db: Session) -> None:
    _work(db, _person(db), Did(HOUR, 10_000))
    batch_floors.begin(db, [BATCH])
    batch_floors.begin(db, [])
    assert db.scalar(text("SELECT count(*) FROM batch_floors")) == 0

    _work(db, _person(db), Did(HOUR, 10_000), contingency=1)
    batch_floors.begin(db, [BATCH])
    assert db.scalar(text("SELECT count(*) FROM batch_floors")) == 1


# The preview


def test_a_preview_shows_each_region_and_writes_nothing(db: Session, books: None) -> None:
    _rule(db)
    ada, ben = _person(db), _person(db)
    _work(db, ada, Did(100, 1_000), Did(90, 1_000), contingency=700)
    _work(db, ben, Did(360, 1_000), Did(30, 1_000, region="PH"))
    owed.pay_in(db, 55)

    found = batch_floors.preview(db, BATCH)
    kenya, philippines = found.regions

    # Wages of 3.60, 4.00 and 1.00 an hour. Ada lacks 0.0639 of 0.2639, Ben 0.40 of 0.50.
    assert (kenya.region, kenya.answers, kenya.payees, kenya.median, kenya.floor) == ("KE", 3, 2, 36_000, 50_000)
    assert (kenya.difference, found.lacking, found.contingency, found.available) == (639 + 4_000, 4_639, 700, 55)
    assert (philippines.median, philippines.floor, philippines.difference) == (120_000, None, 0)
    assert db.scalar(text("SELECT count(*) FROM batch_floors")) == 0
    with pytest.raises(NoSuchReserve):
        batch_floors.preview(db, "bat_none")


def test_a_batch_at_the_floor_lacks_nothing(db: Session) -> None:
    _rule(db, "3.60")
    _work(db, _person(db), Did(100, 1_000))

    assert [(one.median, one.difference) for one in batch_floors.preview(db, BATCH).regions] == [(36_000, 0)]


_DONE = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4_000), st.integers(1, 90_000)), min_size=1, max_size=12)


@given(_DONE, st.integers(0, 100_000), st.integers(0, 100_000))
@settings(max_examples=15, deadline=None, database=None)
def test_a_preview_is_what_lifting_does_and_nobody_gets_more_than_the_floor(
    shared_engine: Engine, done: Sequence[tuple[int, int, int]], contingency: int, free: int
) -> None:
    with shared_engine.connect() as connection, Session(connection, expire_on_commit=False, autoflush=False) as db:
        _rule(db)
        people = [_person(db) for _ in range(4)]
        for number, (who, seconds, amount) in enumerate(done):
            _work(db, people[who], Did(seconds, amount), contingency=0 if number else contingency)
        if free:
            owed.pay_in(db, free)
        foreseen = batch_floors.preview(db, BATCH)
        last = _lift(db)

        got = {one.id: sum(_got(db, one)) for one in people}
        assert last.lacking == foreseen.lacking
        assert last.paid == sum(got.values()) <= min(foreseen.lacking, contingency + free)
        assert last.paid >= min(foreseen.lacking, contingency + free) - 4
        assert batch_floors.preview(db, BATCH).lacking == foreseen.lacking - last.paid or not foreseen.lacking
        assert not any(checks.check(db).values())


def test_free_funds_that_are_spent_at_that_moment_are_not_taken(house: House) -> None:
    with house.sessions() as db:
        _rule(db)
        ada = _person(db)
        _work(db, ada, Did(HOUR, 10_000), contingency=10_000)
        owed.pay_in(db, 30_000)
        batch_floors.begin(db, [BATCH])
        db.commit()

    def lift(db: Session) -> None:
        for _ in batch_floors.steps(db, db.scalars(text("SELECT id FROM batch_floors")).one()):
            pass

    with house.sessions() as first:
        funding.reserve(first, owner_ref=OWNER, cause_ref="bat_2", key="k", currency="USD", amount=30_000)
        with held_up(house, lift) as lifting:
            first.commit()
            lifting.result()
    with house.sessions() as db:
        assert _got(db, ada) == [10_000]


def test_two_acceptances_that_meet_the_last_of_a_reserve_leave_the_contingency_alone(house: House) -> None:
    with house.sessions() as db:
        ada = _person(db)
        _work(db, ada, Did(HOUR, 10_000), contingency=5_000)
        owed.pay_in(db, 1_200)
        funding.reserve(db, owner_ref=OWNER, cause_ref=BATCH, key="last", currency="USD", amount=1_200)
        earnings.pend(db, [Work(answer, ada.id, BATCH, "USD", 1_000) for answer in ("ans_x", "ans_y")])
        db.commit()

    def accept(db: Session) -> None:
        with pytest.raises(IntegrityError, match="contingency_held"), db.begin_nested():
            earnings.accept(db, ["ans_y"])

    with house.sessions() as first:
        earnings.accept(first, ["ans_x"])
        with held_up(house, accept) as accepting:
            first.commit()
            accepting.result()

"""How long answers took, by the database's clock, and for how long they count."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from payments import active_time, payees
from payments.active_time import Piece
from payments.models import Payee
from tests import factories
from tests.conftest import House
from workforce import settlement
from workforce.assignment import Lease
from workforce.models import Worker

MONDAY = datetime(2026, 1, 26, tzinfo=UTC)


@pytest.fixture
def payee(db: Session) -> Payee:
    """Somebody who works."""
    return payees.register(db, owner_ref="wrk_1", name="Ada", country="KE")


def _piece(payee: Payee, answer: str = "ans_1", seconds: float = 30, cause: str = "bat_1") -> Piece:
    return Piece(
        answer_ref=answer,
        payee_id=payee.id,
        cause_ref=cause,
        skill="image",
        tier=1,
        region="KE",
        begun_at=MONDAY,
        submitted_at=MONDAY + timedelta(seconds=seconds),
    )


def _times(db: Session) -> list[int]:
    return list(db.scalars(text("SELECT milliseconds FROM active_time ORDER BY answer_ref")))


def _counted(db: Session, cause: str = "bat_1", until: str = "'infinity'") -> list[int]:
    rows = f"(SELECT * FROM active_time WHERE cause_ref = '{cause}')"
    return list(db.scalars(text(f"SELECT counted_ms FROM ({active_time.capped(rows, until=until)}) c ORDER BY 1")))


@pytest.mark.parametrize(("seconds", "kept"), [(30, 30_000), (0, 0), (0.0001, 1), (1.0005, 1001), (36_000, 36_000_000)])
def test_time_is_kept_in_milliseconds_and_part_of_one_counts(
    db: Session, payee: Payee, seconds: float, kept: int
) -> None:
    active_time.record(db, [_piece(payee, seconds=seconds)])

    assert _times(db) == [kept]


def test_an_answer_that_seems_to_have_come_before_its_claim_took_no_time(db: Session, payee: Payee) -> None:
    active_time.record(db, [_piece(payee, seconds=-5)])

    assert _times(db) == [0]


def test_the_first_word_on_an_answer_stands(db: Session, payee: Payee) -> None:
    active_time.record(db, [_piece(payee)])
    active_time.record(db, [_piece(payee, seconds=999), _piece(payee, "ans_2", 7)])

    assert _times(db) == [30_000, 7_000]


def test_recording_nothing_writes_nothing(db: Session) -> None:
    active_time.record(db, [])

    assert _times(db) == []


def test_time_of_nobody_is_refused(db: Session, payee: Payee) -> None:
    nobody = replace(_piece(payee), payee_id="pye_nobody")

    with pytest.raises(IntegrityError), db.begin_nested():
        active_time.record(db, [nobody])


def test_an_idle_tab_counts_as_long_as_nine_tenths_of_the_batch_took_at_most(db: Session, payee: Payee) -> None:
    ten_hours = 36_000
    active_time.record(
        db, [_piece(payee, f"ans_{n}", seconds) for n, seconds in enumerate([*range(20, 29), ten_hours])]
    )

    assert _counted(db)[-2:] == [28_000, 28_000]


def test_whoever_reads_slowly_loses_nothing_if_a_tenth_is_slower(db: Session, payee: Payee) -> None:
    active_time.record(db, [_piece(payee, f"ans_{n}", seconds) for n, seconds in enumerate([10] * 8 + [60, 3_600])])

    assert _counted(db) == [10_000] * 8 + [60_000, 60_000]


def test_what_others_did_in_another_batch_is_no_measure(db: Session, payee: Payee) -> None:
    active_time.record(db, [_piece(payee, f"ans_{n}", 10) for n in range(20)])
    active_time.record(db, [_piece(payee, "ans_slow", 500, "bat_2")])

    assert _counted(db, "bat_2") == [500_000]


def test_a_cap_is_of_what_was_worked_before_a_moment(db: Session, payee: Payee) -> None:
    active_time.record(db, [_piece(payee, f"ans_{n}", seconds) for n, seconds in enumerate([10] * 9 + [60])])
    active_time.record(db, [_piece(payee, f"ans_late_{n}", 60) for n in range(90)])

    assert _counted(db, until=f"'{MONDAY + timedelta(seconds=60)}'")[-1] == 10_000
    assert _counted(db)[-1] == 60_000


# As the settlement records it


def _earlier(house: House, table: str, seconds: int) -> None:
    """Let time pass since all claims, or since all answers; only the tables' owner can."""
    engine = create_engine(house.urls.owner)
    with engine.begin() as connection:
        past = text(f"UPDATE {table} SET created_at = created_at - make_interval(secs => :s)")
        connection.execute(past, {"s": seconds})
    engine.dispose()


def _claimed(house: House, n_tasks: int) -> tuple[Worker, list[Lease]]:
    with house.sessions() as db:
        project, worker = factories.create_project(db), factories.create_worker(db)
        for _ in range(n_tasks):
            factories.create_task(db, project)
        leases = [factories.claim(db, worker, project) for _ in range(n_tasks)]
        db.commit()
    return worker, leases


def _submit(house: House, worker: Worker, lease: Lease) -> None:
    with house.sessions() as db:
        factories.submit(db, worker, lease)
        db.commit()


def test_a_settled_answer_took_from_its_claim_to_its_submission(house: House) -> None:
    worker, (lease,) = _claimed(house, 1)
    _earlier(house, "assignments", 42)
    _submit(house, worker, lease)

    house.settle()

    with house.sessions() as db:
        row = db.execute(text("SELECT * FROM active_time")).one()
        answer = db.execute(text("SELECT n.id, t.batch_id FROM answers n JOIN tasks t ON t.id = n.task_id")).one()
    assert (row.answer_ref, row.payee_id, row.cause_ref) == (answer.id, worker.payee_id, answer.batch_id)
    assert (row.skill, row.tier, row.region) == (factories.SKILL, 1, "KE")
    assert 42_000 <= row.milliseconds < 60_000


def test_nobodys_minute_counts_twice_who_holds_two_tasks_at_once(house: House) -> None:
    worker, leases = _claimed(house, 2)
    _earlier(house, "assignments", 600)
    _submit(house, worker, leases[0])
    _earlier(house, "answers", 100)
    _submit(house, worker, leases[1])

    house.settle()

    with house.sessions() as db:
        second, first = sorted(_times(db))
    assert 100_000 <= second < 120_000
    assert 500_000 <= first < 520_000


def test_settling_an_answer_again_measures_nothing_again(db: Session, books: None) -> None:
    project = factories.create_project(db)
    factories.create_task(db, project)
    factories.answer(db, factories.create_worker(db), project=project)
    told = factories.settle(db)

    settlement.settle_answers(db, told)

    assert _times(db) == [0]


def test_an_experts_decision_is_of_the_tier_that_it_is_paid_as(db: Session, books: None) -> None:
    project, _ = factories.create_escalated(db)
    expert = factories.create_worker(db, tier=4)
    factories.answer(db, expert, "crow", project=project)
    factories.settle(db)

    tiers = db.scalars(text("SELECT tier FROM active_time WHERE payee_id = :id"), {"id": expert.payee_id}).all()

    assert tiers == [4]

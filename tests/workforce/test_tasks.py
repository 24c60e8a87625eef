"""Tasks: money is set aside before anybody works, and what nobody began can be taken back."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

import payments.checks
from foundation import clock, ids
from foundation.errors import BadRequest, NotFound
from payments import contracts, funding
from payments.ledger import InsufficientFunds
from payments.models import Billing, Presentation
from payments.rates import Price, RateMissing
from tests import factories
from tests.conftest import House, age, held_up
from workforce import assignment, checks, projects, tasks
from workforce.models import BatchStatus, Project, Requester, Task, TaskStatus
from workforce.tasks import BatchClosed, Question, TaskInWork, UniqueIdTaken

# Two answers at 0.02 and a decision at 0.60, a fifth on top: (2 x 200 + 6000) x 1.2.
WORST = 7680
LIMITS: dict[str, Any] = {"overlap_min": 1, "overlap_max": 2}


def _funds(db: Session, project: Project) -> tuple[int, int]:
    (funds,) = funding.of_owner(db, project.requester_id)
    return funds.available, funds.reserved


def _status(db: Session, task: Task) -> str:
    db.refresh(task)
    return task.status


def _cancel(db: Session, task: Task) -> Task:
    return tasks.cancel(db, task.requester_id, task.id, actor_ref="test")


# Made


def test_a_task_reserves_the_most_it_can_cost(db: Session, books: None) -> None:
    project = factories.create_project(db, factories.create_requester(db, funds="10"), **LIMITS)

    task = factories.create_task(db, project)

    assert (task.reserved, task.status, task.overlap, task.free_slots) == (WORST, TaskStatus.OPEN, 1, 1)
    assert _funds(db, project) == (100_000 - WORST, WORST)


def test_without_funds_there_is_no_task(db: Session, books: None) -> None:
    project = factories.create_project(db, factories.create_requester(db, funds="1.5"), **LIMITS)
    factories.create_task(db, project)

    with pytest.raises(InsufficientFunds), db.begin_nested():
        factories.create_task(db, project)

    assert db.scalar(text("SELECT count(*) FROM tasks")) == 1
    assert _funds(db, project) == (15_000 - WORST, WORST)


def test_a_requester_who_never_paid_in_makes_no_task(db: Session, books: None) -> None:
    project = factories.create_project(db, factories.create_requester(db, funds=None))

    with pytest.raises(InsufficientFunds), db.begin_nested():
        factories.create_task(db, project)


def test_the_dearest_region_decides_what_is_reserved(db: Session, books: None) -> None:
    requester = factories.create_requester(db)
    prices = [*factories.PRICES, Price(tier=1, amount="0.05", currency="USD", region="NO")]
    settings = projects.Settings(labels=["crow", "rook"], **LIMITS)
    project = projects.create(db, requester_id=requester.id, name="dear", settings=settings, prices=prices)

    assert tasks.worst_case(db, project).amount == 2 * 600 + 7200


def test_a_card_without_a_price_for_the_crowd_makes_no_task(db: Session, books: None) -> None:
    requester = factories.create_requester(db)
    settings = projects.Settings(labels=["crow", "rook"])
    prices = [Price(tier=4, amount="0.60", currency="USD")]
    project = projects.create(db, requester_id=requester.id, name="experts", settings=settings, prices=prices)

    with pytest.raises(RateMissing):
        factories.create_task(db, project)


def test_a_unique_id_is_taken_once_and_names_its_task(db: Session, books: None) -> None:
    project = factories.create_project(db)
    task = factories.create_task(db, project, unique_id="photo 1")
    other = factories.create_project(db, db.get_one(Requester, project.requester_id))

    with pytest.raises(UniqueIdTaken, match=task.id) as refused:
        factories.create_task(db, other, unique_id="photo 1")

    assert refused.value.body()["task_id"] == task.id


def test_another_requester_may_use_the_same_unique_id(db: Session, books: None) -> None:
    factories.create_task(db, factories.create_project(db), unique_id="photo 1")

    assert factories.create_task(db, factories.create_project(db), unique_id="photo 1").unique_id == "photo 1"


def test_a_unique_id_sent_many_times_at_once_makes_one_task(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db)
        db.commit()

    def send(_: int) -> str:
        with house.sessions() as session:
            own = session.get_one(Project, project.id)
            try:
                task = factories.create_task(session, own, unique_id="photo 1")
            except UniqueIdTaken as taken:
                return str(taken.extensions["task_id"])
            session.commit()
            return task.id

    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(send, range(8)))

    assert len(seen) == 1


def test_first_tasks_at_once_share_one_standing_batch(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db)
        db.commit()

    def send(_: int) -> str:
        with house.sessions() as session:
            task = factories.create_task(session, session.get_one(Project, project.id))
            session.commit()
            return task.batch_id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(send, range(6)))) == 1


def test_nothing_enters_a_completed_batch(db: Session, books: None) -> None:
    project = factories.create_project(db)
    batch = factories.create_batch(db, project, status=BatchStatus.COMPLETED)

    with pytest.raises(BatchClosed):
        factories.create_task(db, project, batch)


# Launched


def test_a_staged_task_reserves_nothing_until_its_batch_is_launched(db: Session, books: None) -> None:
    project = factories.create_project(db, factories.create_requester(db, funds="10"), **LIMITS)
    batch = factories.create_batch(db, project, status=BatchStatus.STAGING)
    staged = [factories.create_task(db, project, batch) for _ in range(3)]
    before = _funds(db, project), [task.status for task in staged]

    tasks.launch(db, batch)

    assert before == ((100_000, 0), [TaskStatus.STAGED] * 3)
    assert _funds(db, project) == (100_000 - 3 * WORST, 3 * WORST)
    assert [(_status(db, task), task.reserved) for task in staged] == [(TaskStatus.OPEN, WORST)] * 3
    assert batch.status == BatchStatus.IN_PROGRESS


def test_a_launch_reserves_for_its_own_batch_alone(db: Session, books: None) -> None:
    project = factories.create_project(db, **LIMITS)
    batch, later = (factories.create_batch(db, project, status=BatchStatus.STAGING) for _ in range(2))
    task, waits = factories.create_task(db, project, batch), factories.create_task(db, project, later)

    tasks.launch(db, batch)

    assert _funds(db, project)[1] == WORST
    assert (_status(db, task), _status(db, waits)) == (TaskStatus.OPEN, TaskStatus.STAGED)
    assert (task.reserved, waits.reserved) == (WORST, 0)


def test_a_batch_is_launched_as_a_whole_or_not_at_all(db: Session, books: None) -> None:
    project = factories.create_project(db, factories.create_requester(db, funds="2"), **LIMITS)
    batch = factories.create_batch(db, project, status=BatchStatus.STAGING)
    staged = [factories.create_task(db, project, batch) for _ in range(3)]

    with pytest.raises(InsufficientFunds), db.begin_nested():
        tasks.launch(db, batch)

    assert [_status(db, task) for task in staged] == [TaskStatus.STAGED] * 3
    assert _funds(db, project) == (20_000, 0)


def test_a_second_launch_changes_nothing(db: Session, books: None) -> None:
    project = factories.create_project(db, **LIMITS)
    batch = factories.create_batch(db, project, status=BatchStatus.STAGING)
    factories.create_task(db, project, batch)
    tasks.launch(db, batch)

    tasks.launch(db, batch)

    assert _funds(db, project)[1] == WORST


def test_an_empty_batch_can_be_launched_and_filled(db: Session, books: None) -> None:
    project = factories.create_project(db, **LIMITS)
    batch = tasks.launch(db, factories.create_batch(db, project, status=BatchStatus.STAGING))

    task = factories.create_task(db, project, batch)

    assert (task.status, task.reserved) == (TaskStatus.OPEN, WORST)


def test_a_task_that_arrives_during_the_launch_is_not_forgotten(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, **LIMITS)
        batch = factories.create_batch(db, project, status=BatchStatus.STAGING)
        factories.create_task(db, project, batch)
        db.commit()

    def arrive() -> None:
        with house.sessions() as session:
            own = session.get_one(Project, project.id)
            factories.create_task(session, own, projects.find_batch(session, own.requester_id, batch.id))
            session.commit()

    with house.sessions() as launching, ThreadPoolExecutor(1) as pool:
        tasks.launch(launching, projects.find_batch(launching, project.requester_id, batch.id))
        arriving = pool.submit(arrive)
        with pytest.raises(TimeoutError):
            arriving.result(timeout=0.3)
        launching.commit()
        arriving.result(timeout=10)

    with house.sessions() as db:
        assert db.scalars(text("SELECT status FROM tasks")).all() == ["open", "open"]


# Taken back


def test_a_cancelled_task_gives_its_reserve_back(db: Session, books: None) -> None:
    project = factories.create_project(db, factories.create_requester(db, funds="10"))
    task = factories.create_task(db, project)

    _cancel(db, task)
    _cancel(db, task)

    assert (_status(db, task), task.free_slots) == (TaskStatus.CANCELLED, 0)
    assert _funds(db, project) == (100_000, 0)


def test_a_staged_task_can_be_cancelled_and_stays_out_of_the_launch(db: Session, books: None) -> None:
    project = factories.create_project(db, **LIMITS)
    batch = factories.create_batch(db, project, status=BatchStatus.STAGING)
    cancelled, kept = (factories.create_task(db, project, batch) for _ in range(2))

    _cancel(db, cancelled)
    tasks.launch(db, batch)

    assert (_status(db, cancelled), _status(db, kept)) == (TaskStatus.CANCELLED, TaskStatus.OPEN)
    assert _funds(db, project)[1] == WORST


def test_a_task_that_was_given_back_can_be_cancelled(db: Session, books: None) -> None:
    task = factories.create_task(db, factories.create_project(db))
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker)
    assignment.release(db, worker.id, lease.id, fence=lease.fence)

    assert tasks.cancel(db, task.requester_id, task.id, actor_ref="test").status == TaskStatus.CANCELLED
    assert assignment.claim(db, worker.id) is None


@pytest.mark.parametrize("begun", ["leased", "answered", "settled", "escalated"])
def test_a_task_that_somebody_began_cannot_be_cancelled(db: Session, books: None, begun: str) -> None:
    if begun == "escalated":
        _, task = factories.create_escalated(db)
    else:
        overlap = 1 if begun == "settled" else 2
        project = factories.create_project(db, overlap_min=overlap, overlap_max=overlap, confidence_target=0.5)
        task = factories.create_task(db, project)
        worker = factories.create_worker(db)
        lease = factories.claim(db, worker)
        if begun in {"answered", "settled"}:
            factories.submit(db, worker, lease)
            factories.settle(db)
    before = _status(db, task)

    with pytest.raises(TaskInWork):
        _cancel(db, task)

    assert _status(db, task) == before


def test_a_claim_and_a_cancel_at_once_do_not_both_succeed(house: House) -> None:
    with house.sessions() as db:
        task = factories.create_task(db, factories.create_project(db))
        worker = factories.create_worker(db)
        db.commit()

    with house.sessions() as cancelling:
        tasks.cancel(cancelling, task.requester_id, task.id, actor_ref="test")
        with held_up(house, lambda session: assignment.claim(session, worker.id)) as given:
            cancelling.commit()

    assert given.result() is None
    with house.sessions() as db:
        assert assignment.claim(db, worker.id) is None


# Found


def test_another_requesters_task_looks_as_if_it_did_not_exist(db: Session, books: None) -> None:
    task = factories.create_task(db, factories.create_project(db))
    stranger = factories.create_requester(db).id

    for requester_id, task_id in ((stranger, task.id), (task.requester_id, ids.new("tsk"))):
        with pytest.raises(NotFound):
            tasks.find(db, requester_id, task_id)
        with pytest.raises(NotFound):
            tasks.cancel(db, requester_id, task_id, actor_ref="test")

    assert tasks.find(db, task.requester_id, task.id) is task


def test_a_batch_alone_decides_the_project(db: Session, books: None) -> None:
    requester = factories.create_requester(db)
    first, second = (factories.create_project(db, requester) for _ in range(2))
    batch = factories.create_batch(db, first)

    assert tasks.batch_for(db, requester.id, project=second.name, batch=batch.name) == (first, batch)


def test_a_project_alone_means_its_standing_batch(db: Session, books: None) -> None:
    project = factories.create_project(db)

    found, batch = tasks.batch_for(db, project.requester_id, project=project.name, batch=None)

    assert (found, batch.project_id) == (project, project.id)
    assert tasks.batch_for(db, project.requester_id, project=project.id, batch=None)[1] is batch


def test_a_task_without_a_home_is_refused(db: Session) -> None:
    with pytest.raises(BadRequest):
        tasks.batch_for(db, ids.new("req"), project=None, batch=None)


def test_the_tasks_of_a_batch_are_counted_by_status(db: Session, books: None) -> None:
    project = factories.create_project(db)
    batch = factories.create_batch(db, project)
    for _ in range(3):
        factories.create_task(db, project, batch)
    _cancel(db, factories.create_task(db, project, batch))
    factories.create_task(db, project)

    assert tasks.status_counts(db, batch.id) == {"open": 3, "cancelled": 1}


def test_a_final_task_is_not_undecided(db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=1, overlap_max=1, confidence_target=0.5)
    task = factories.create_task(db, project)
    factories.answer_all(db, project, "rook")
    before = tasks.undecided(db, project.id)

    factories.settle(db)

    assert (before, tasks.undecided(db, project.id)) == ([task.id], [])


def test_undecided_tasks_have_all_answers_and_no_holder(db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=1)
    worker = factories.create_worker(db)
    answered = factories.create_task(db, project)
    factories.answer(db, worker)
    factories.create_task(db, project)
    factories.claim(db, worker)
    factories.create_task(db, project)

    assert tasks.undecided(db, project.id) == [answered.id]
    every = db.scalars(text("SELECT id FROM tasks ORDER BY id")).all()
    locked = tasks.lock(db, project.id, every, TaskStatus.OPEN)
    assert [task.id for task in locked] == every
    assert [task.id for task in tasks.answered(db, project.id, locked)] == [answered.id]
    assert tasks.answered(db, project.id, []) == []


def test_a_question_keeps_what_was_sent(db: Session, books: None) -> None:
    project = factories.create_project(db)
    batch = projects.standing_batch(db, project)
    question = Question(params={"attachment": "x", "n": [1, 2]}, metadata={"a": None}, callback_url="https://e.test/")

    made = tasks.create(db, project, batch, question)

    db.refresh(made)
    assert (made.params, made.metadata_) == ({"attachment": "x", "n": [1, 2]}, {"a": None})
    assert made.callback_url == "https://e.test/"


def test_a_batch_launched_late_is_within_everybodys_reach(db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=1, overlap_max=1)
    staged = factories.create_batch(db, project, status=BatchStatus.STAGING)
    early = factories.create_task(db, project, staged)
    factories.create_task(db, project)
    worker = factories.create_worker(db)
    factories.answer(db, worker)

    tasks.launch(db, staged)

    assert factories.claim(db, worker).task_id == early.id


def test_a_batch_of_another_project_cannot_take_a_task(db: Session) -> None:
    requester = factories.create_requester(db)
    cheap, dear = (factories.create_project(db, requester) for _ in range(2))
    factories.create_task(db, dear)
    batch = factories.create_batch(db, cheap)

    with pytest.raises(IntegrityError, match="fk_tasks_batch_id_project_id_batches"), db.begin_nested():
        db.execute(text("UPDATE tasks SET batch_id = :id"), {"id": batch.id})


def test_a_batch_with_the_standing_ones_name_does_not_take_its_place(db: Session, books: None) -> None:
    requester = factories.create_requester(db)
    cheap, dear = (factories.create_project(db, requester) for _ in range(2))
    taken = projects.create_batch(db, cheap, name=f"{dear.name} (standing)", status=BatchStatus.IN_PROGRESS)

    task = factories.create_task(db, dear)

    assert task.batch_id != taken.id
    assert projects.standing_batch(db, dear).id == task.batch_id


# What is over


def _agree(db: Session, requester: Requester, *, contingency: int = 0, fee: int = 2_000) -> None:
    """Terms that are in force for a requester."""
    made = contracts.propose(
        db, owner_ref=requester.id, entity="ROOK", presentation=Presentation.AGENT, billing=Billing.PREPAID,
        valid_from=clock.now(db), made_by="finance", fee_basis_points=fee, contingency_basis_points=contingency,
    )  # fmt: skip
    contracts.confirm(db, made.id, confirmed_by="approver")


def _lift(db: Session) -> None:
    """An hour passes, and what has rested is held against the floor."""
    age(db, "batch_floors", "finished_at", 3_600)
    for _ in tasks.lift_finished(db):
        pass


def _kept(db: Session, batch_id: str) -> tuple[int, int]:
    """What a batch's reserve holds, and how much of it is for the floor."""
    rows = text("SELECT reserved - spent - released AS held, contingency FROM reserves WHERE cause_ref = :id")
    row = db.execute(rows, {"id": batch_id}).one()
    return row.held, row.contingency


def test_beside_each_reserve_a_share_is_set_aside_for_the_floor(db: Session, books: None) -> None:
    requester = factories.create_requester(db)
    _agree(db, requester, contingency=1_000)
    task = factories.create_task(db, factories.create_project(db, requester, **LIMITS))

    assert task.reserved == WORST
    assert _kept(db, task.batch_id) == (WORST + 768, 768)


def test_a_batch_is_lifted_when_its_last_task_has_been_over_for_an_hour(house: House) -> None:
    with house.sessions() as db:
        factories.enter_floor_rule(db, "5000.00", confirmed=True)
        requester = factories.create_requester(db)
        _agree(db, requester, contingency=1_000)
        project = factories.create_project(
            db, requester, overlap_min=1, overlap_max=1, expert_share=0.0, confidence_target=0.5
        )
        one, worker = factories.create_task(db, project), factories.create_worker(db)
        lease = factories.claim(db, worker, project)
        db.commit()
        time.sleep(0.05)
        factories.submit(db, worker, lease)
        db.commit()
        factories.settle(db)
        two = factories.create_task(db, project)
        _lift(db)
        db.commit()
        assert (db.scalar(text("SELECT state FROM batch_floors")), _status(db, one)) == ("waiting", "settled")

        _cancel(db, two)
        _lift(db)
        db.commit()

        lifted = db.scalars(text("SELECT amount FROM earnings WHERE kind = 'floor'")).one()
        assert lifted >= 5000 * 10_000 * 0.05 / 3_600 - 200
        assert db.scalar(text("SELECT state FROM batch_floors")) == "closed"
        assert _kept(db, one.batch_id) == (0, 0)


def test_what_was_set_aside_for_tasks_that_nobody_did_comes_back(db: Session, books: None) -> None:
    requester = factories.create_requester(db, funds="1")
    _agree(db, requester, contingency=1_000)
    task = factories.create_task(db, factories.create_project(db, requester, **LIMITS))

    _cancel(db, task)
    _lift(db)

    assert funding.available(db, requester.id, "USD") == 10_000


# Fees


def test_a_task_reserves_the_fee_of_the_contract_in_force_and_its_batch_keeps_it(db: Session, books: None) -> None:
    requester = factories.create_requester(db)
    _agree(db, requester, fee=1_000)
    project = factories.create_project(db, requester, **LIMITS)
    batch = factories.create_batch(db, project)
    first = factories.create_task(db, project, batch)
    _agree(db, requester, fee=500)

    second = factories.create_task(db, project, batch)
    other = factories.create_task(db, project, factories.create_batch(db, project))

    assert (first.reserved, second.reserved, other.reserved) == (7_040, 7_040, 6_720)


def test_a_new_fee_begins_a_new_standing_batch(db: Session, books: None) -> None:
    requester = factories.create_requester(db)
    project = factories.create_project(db, requester, **LIMITS)
    first, second = (factories.create_task(db, project) for _ in range(2))
    _agree(db, requester, fee=1_000)

    third, fourth = (factories.create_task(db, project) for _ in range(2))
    _agree(db, requester, fee=2_000)
    fifth = factories.create_task(db, project)

    assert first.batch_id == second.batch_id != third.batch_id == fourth.batch_id
    assert fifth.batch_id not in {first.batch_id, third.batch_id}
    assert [task.reserved for task in (first, third, fifth)] == [WORST, 7_040, WORST]


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 3)), min_size=1, max_size=4))
@settings(max_examples=10, deadline=None, database=None)
def test_whatever_fees_are_agreed_every_unit_is_accounted_for(
    shared_engine: Engine, agreed: list[tuple[int, int]]
) -> None:
    with shared_engine.connect() as connection, Session(connection, expire_on_commit=False, autoflush=False) as db:
        requester = factories.create_requester(db, funds="100")
        project = factories.create_project(db, requester, **LIMITS, confidence_target=0.5)
        spent = 0
        for fee, n_tasks in agreed:
            _agree(db, requester, fee=fee)
            for _ in range(n_tasks):
                factories.create_task(db, project)
                spent += funding.with_fee(200, fee)
        _agree(db, requester, fee=9_999)
        for _ in range(sum(n_tasks for _, n_tasks in agreed)):
            factories.answer(db, factories.create_worker(db), "rook", project=project)
        factories.settle(db)

        assert funding.of_owner(db, requester.id)[0] == funding.Funds("USD", 4, 1_000_000 - spent, 0, spent)
        assert not any(rows for check in (checks.check, payments.checks.check) for rows in check(db).values())

"""Claim, lease, renew, release, submit: who gets which task, and what an answer may still do."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session, sessionmaker

import wsgi
from foundation import clock, ids
from foundation.errors import Invalid
from foundation.pagination import PageRequest
from payments import ledger, rates
from payments.rates import Price
from tests import factories
from tests.conftest import House, Urls, age
from workforce import assignment, drafts, leases, linked, onboarding, projects, settlement, tasks
from workforce.assignment import (
    LEASES_MAX,
    AlreadyAnswered,
    Lease,
    LeaseCapReached,
    LeaseOver,
    LeaseTaken,
    LeaseWithdrawn,
    NoSuchAssignment,
    NotActive,
)
from workforce.models import Answer, BatchStatus, Kind, LateRule, Project, Task, TaskStatus, Worker, WorkerStatus
from workforce.tasks import TaskInWork


def _claimed(db: Session, worker: Worker, **wanted: Any) -> str | None:
    """The task of a worker's next claim."""
    lease = assignment.claim(db, worker.id, **wanted)
    return None if lease is None else lease.task_id


def _let_expire(db: Session) -> int:
    age(db, "assignments", "lease_expires_at", 86_400 * 2)
    return assignment.expire(db)


def _free(db: Session, task: Task) -> int:
    db.refresh(task)
    return task.free_slots


def _reopened(db: Session, worker: Worker, lease: Lease, *, by: str) -> None:
    if by == "release":
        assignment.release(db, worker.id, lease.id, fence=lease.fence)
    else:
        assert _let_expire(db) == 1


# Who gets what


def test_a_claim_leases_the_task_at_the_price_of_now(db: Session, books: None) -> None:
    project = factories.create_project(db)
    task = factories.create_task(db, project)
    worker = factories.create_worker(db)

    lease = assignment.claim(db, worker.id)

    assert lease is not None
    assert (lease.task_id, lease.amount, lease.currency) == (task.id, 200, "USD")


def test_a_lease_says_what_is_asked_and_until_when(db: Session, books: None) -> None:
    project = factories.create_project(db, instruction="Which bird?", lease_seconds=60)
    factories.create_task(db, project, params={"attachment": "a photograph"})

    lease = factories.claim(db, factories.create_worker(db))

    assert (lease.instruction, lease.params) == ("Which bird?", {"attachment": "a photograph"})
    assert (lease.labels, lease.kind, lease.exponent) == (["crow", "rook"], Kind.ANSWER, 4)
    assert lease.lease_expires_at == clock.now(db) + timedelta(seconds=60)


def test_the_oldest_task_goes_first_and_none_comes_twice(db: Session, books: None) -> None:
    project = factories.create_project(db)
    made = [factories.create_task(db, project).id for _ in range(3)]
    worker = factories.create_worker(db)

    assert [_claimed(db, worker) for _ in range(4)] == [*made, None]


def test_a_task_goes_to_as_many_workers_as_its_overlap(db: Session, books: None) -> None:
    task = factories.create_task(db, factories.create_project(db, overlap_min=2))
    workers = [factories.create_worker(db) for _ in range(3)]

    assert [_claimed(db, worker) for worker in workers] == [task.id, task.id, None]


def test_each_lease_of_a_task_has_a_fence_of_its_own(db: Session, books: None) -> None:
    factories.create_task(db, factories.create_project(db, overlap_min=2))

    fences = [factories.claim(db, factories.create_worker(db)).fence for _ in range(2)]

    assert fences == [1, 2]


def test_where_there_is_nothing_nothing_is_given(db: Session, books: None) -> None:
    assert _claimed(db, factories.create_worker(db)) is None


@pytest.mark.parametrize("status", [WorkerStatus.APPLICANT, WorkerStatus.SUSPENDED, WorkerStatus.OFFBOARDED])
def test_only_active_workers_may_claim(db: Session, books: None, status: WorkerStatus) -> None:
    factories.create_task(db, factories.create_project(db))
    worker = factories.create_worker(db, status=status)

    with pytest.raises(NotActive, match=status.value):
        assignment.claim(db, worker.id)


def test_a_token_of_no_worker_may_not_claim(db: Session) -> None:
    with pytest.raises(NotActive):
        assignment.claim(db, ids.new("wrk"))


def test_a_suspended_worker_still_answers_what_they_hold(db: Session, books: None) -> None:
    factories.create_task(db, factories.create_project(db))
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker)

    onboarding.move(db, worker.id, WorkerStatus.SUSPENDED)

    assert factories.submit(db, worker, lease).status == "submitted"


@pytest.mark.parametrize(("tier", "given"), [(None, False), (1, False), (2, True), (3, True), (4, True)])
def test_a_project_is_open_from_its_least_tier_on(db: Session, books: None, tier: int | None, given: bool) -> None:  # noqa: FBT001
    factories.create_task(db, factories.create_project(db, tier_min=2))
    worker = factories.create_worker(db, tier=tier)

    assert (_claimed(db, worker) is not None) is given


def test_a_tier_counts_for_its_own_skill_alone(db: Session, books: None) -> None:
    factories.create_task(db, factories.create_project(db, tier_min=2, skill="lang.sw"))

    assert _claimed(db, factories.create_worker(db, tier=4)) is None


def test_a_candidate_is_below_the_starting_step(db: Session, books: None) -> None:
    factories.create_task(db, factories.create_project(db, tier_min=1))

    assert _claimed(db, factories.create_worker(db, tier=0)) is None


def test_nobody_holds_more_than_the_cap_and_an_answer_makes_room(db: Session, books: None) -> None:
    project = factories.create_project(db, factories.create_requester(db, funds="10000"))
    for _ in range(LEASES_MAX + 2):
        factories.create_task(db, project)
    worker = factories.create_worker(db)
    held = [factories.claim(db, worker) for _ in range(LEASES_MAX)]

    with pytest.raises(LeaseCapReached):
        assignment.claim(db, worker.id)
    factories.submit(db, worker, held[0])

    assert _claimed(db, worker) is not None


def test_a_claim_may_name_its_project(db: Session, books: None) -> None:
    first, second = factories.create_project(db), factories.create_project(db)
    factories.create_task(db, first)
    wanted = factories.create_task(db, second)
    worker = factories.create_worker(db)

    assert _claimed(db, worker, project_id=second.id) == wanted.id
    assert _claimed(db, worker, project_id=second.id) is None
    assert _claimed(db, worker, project_id=ids.new("prj")) is None


def test_what_is_not_open_is_not_given(db: Session, books: None) -> None:
    project = factories.create_project(db)
    staging = factories.create_batch(db, project, status=BatchStatus.STAGING)
    factories.create_task(db, project, staging)
    taken_back = factories.create_task(db, project)
    tasks.cancel(db, project.requester_id, taken_back.id, actor_ref="test")

    assert _claimed(db, factories.create_worker(db)) is None


def test_a_paused_project_gives_nothing(db: Session, books: None) -> None:
    project = factories.create_project(db)
    factories.create_task(db, project)
    db.execute(text("UPDATE projects SET status = 'paused'"))

    assert _claimed(db, factories.create_worker(db)) is None


def test_a_project_without_a_price_for_a_worker_does_not_stand_in_their_way(db: Session, books: None) -> None:
    requester = factories.create_requester(db)
    dear = [Price(tier=3, amount="0.20", currency="USD")]
    unpriced = projects.create(
        db, requester_id=requester.id, name="dear", settings=projects.Settings(labels=["a", "b"]), prices=dear
    )
    factories.create_task(db, unpriced)
    priced = factories.create_task(db, factories.create_project(db))

    assert _claimed(db, factories.create_worker(db)) == priced.id


def test_many_projects_that_are_done_with_do_not_hide_the_next_one(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    for _ in range(25):
        factories.create_task(db, factories.create_project(db))
        factories.answer(db, worker)

    last = factories.create_task(db, factories.create_project(db))

    assert _claimed(db, worker) == last.id


# Several at once


def _several(db: Session, worker: Worker, count: int, **wanted: Any) -> list[str]:
    return [lease.task_id for lease in assignment.claim_several(db, worker.id, count=count, **wanted)]


def test_several_tasks_are_those_that_single_claims_would_have_given(db: Session, books: None) -> None:
    first, second = factories.create_project(db), factories.create_project(db)
    made = [factories.create_task(db, project).id for project in (first, first, second, second)]
    worker = factories.create_worker(db)

    assert _several(db, worker, 3) == made[:3]
    assert _several(db, worker, 3) == made[3:]
    assert _several(db, worker, 3) == []


def test_each_of_several_has_an_id_a_fence_and_a_slot_of_its_own(db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=2)
    made = [factories.create_task(db, project) for _ in range(3)]
    assert _claimed(db, factories.create_worker(db)) == made[0].id

    leases = assignment.claim_several(db, factories.create_worker(db).id, count=5)

    assert [(lease.task_id, lease.fence) for lease in leases] == [(made[0].id, 2), (made[1].id, 1), (made[2].id, 1)]
    assert sorted(lease.id for lease in leases) == [lease.id for lease in leases]
    assert [_free(db, task) for task in made] == [0, 1, 1]


def test_several_keep_to_the_cap(db: Session, books: None) -> None:
    project = factories.create_project(db, factories.create_requester(db, funds="10000"))
    for _ in range(LEASES_MAX + 5):
        factories.create_task(db, project)
    worker = factories.create_worker(db)

    counts = [len(_several(db, worker, 15)) for _ in range(2)]

    assert counts == [15, LEASES_MAX - 15]
    with pytest.raises(LeaseCapReached):
        assignment.claim_several(db, worker.id, count=1)


def test_gold_comes_among_several_too(db: Session, books: None) -> None:
    project = factories.create_gold_project(db)
    for _ in range(6):
        factories.create_task(db, project)
        factories.create_gold(db, project)
    worker = factories.create_worker(db)

    leases = assignment.claim_several(db, worker.id, count=8)

    golds = db.scalar(text("SELECT count(*) FROM assignments WHERE shown_as IS NOT NULL"))
    assert len(leases) == len({lease.task_id for lease in leases}) == 8
    assert golds
    assert [lease.task_id for lease in leases] == sorted(lease.task_id for lease in leases)


def test_tasks_that_were_stepped_over_are_not_lost_to_who_claims_several(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, overlap_min=2)
        made = [factories.create_task(db, project).id for _ in range(4)]
        one, other = factories.create_worker(db), factories.create_worker(db)
        db.commit()

    with house.sessions() as busy, house.sessions() as db:
        # The second of four is just being claimed.
        busy.execute(text("SELECT id FROM tasks WHERE id = :id FOR UPDATE"), {"id": made[1]})
        assert _several(db, other, 2) == [made[0], made[2]]
        db.commit()
        assert _several(db, other, 2) == [made[3]]
        db.commit()
        busy.commit()
        assert _several(db, other, 2) == [made[1]]
        db.commit()
        assert _several(db, one, 4) == made
        db.commit()


def test_workers_who_claim_several_at_once_share_the_slots(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, overlap_min=2)
        made = [factories.create_task(db, project).id for _ in range(10)]
        workers = [factories.create_worker(db) for _ in range(8)]
        db.commit()

    given = _at_once(house, 8, lambda db, i: _several(db, workers[i], 5))
    with house.sessions() as db:
        given += [_several(db, worker, 5) for worker in workers]
        db.commit()
        holders = db.execute(text("SELECT task_id, worker_id FROM assignments WHERE status = 'leased'")).all()

    assert Counter(task_id for task_ids in given for task_id in task_ids) == dict.fromkeys(made, 2)
    assert len({tuple(row) for row in holders}) == 20


@pytest.mark.parametrize("reason", [None, "unclear"])
def test_who_gives_a_task_back_may_say_why(db: Session, books: None, reason: str | None) -> None:
    project = factories.create_project(db)
    factories.create_task(db, project)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker)

    assignment.release(db, worker.id, lease.id, fence=lease.fence, reason=reason)

    assert projects.progress(db, project).released == ({} if reason is None else {reason: 1})


# Experts


def test_an_expert_is_offered_escalated_tasks_first(db: Session, books: None) -> None:
    project, escalated = factories.create_escalated(db)
    crowd = factories.create_task(db, project)
    expert = factories.create_worker(db, tier=4)

    first, second = factories.claim(db, expert), factories.claim(db, expert)

    assert (first.task_id, first.kind, first.amount) == (escalated.id, Kind.ADJUDICATION, 6000)
    assert (second.task_id, second.kind) == (crowd.id, Kind.ANSWER)


def test_an_expert_beside_the_crowd_is_paid_as_its_best(db: Session, books: None) -> None:
    factories.create_task(db, factories.create_project(db))

    assert factories.claim(db, factories.create_worker(db, tier=4)).amount == 200


def test_a_claim_may_ask_for_one_kind_alone(db: Session, books: None) -> None:
    project, escalated = factories.create_escalated(db)
    crowd = factories.create_task(db, project)
    expert = factories.create_worker(db, tier=4)

    assert _claimed(db, expert, kind=Kind.ANSWER) == crowd.id
    assert _claimed(db, expert, kind=Kind.ANSWER) is None
    assert _claimed(db, expert, kind=Kind.ADJUDICATION) == escalated.id


@pytest.mark.parametrize("kind", [None, Kind.ADJUDICATION])
def test_nobody_below_the_experts_sees_escalated_tasks(db: Session, books: None, kind: Kind | None) -> None:
    factories.create_escalated(db)

    assert _claimed(db, factories.create_worker(db, tier=3), kind=kind) is None


def test_an_escalated_task_goes_to_one_expert(db: Session, books: None) -> None:
    factories.create_escalated(db)
    factories.claim(db, factories.create_worker(db, tier=4))

    assert _claimed(db, factories.create_worker(db, tier=4)) is None


def test_an_expert_does_not_decide_a_dispute_they_are_part_of(db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=2, overlap_max=2, expert_share=1.0, confidence_target=0.95)
    task = factories.create_task(db, project)
    expert = factories.create_worker(db, tier=4)
    factories.answer(db, expert, "crow")
    factories.answer_all(db, project, "rook")
    factories.settle(db)
    assert task.status == TaskStatus.ESCALATED

    assert _claimed(db, expert) is None
    assert _claimed(db, factories.create_worker(db, tier=4)) == task.id


# The price


def test_a_price_is_fixed_at_the_claim_whatever_is_published_later(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, overlap_min=2, overlap_max=2, confidence_target=0.5)
        factories.create_task(db, project)
        early, late = factories.create_worker(db), factories.create_worker(db)
        leased = factories.claim(db, early)
        db.commit()
    with house.sessions() as db:
        rates.publish(db, project.id, [Price(tier=0, amount="0.03", currency="USD")])
        db.commit()

    with house.sessions() as db:
        factories.submit(db, early, leased)
        factories.answer(db, late)
        db.commit()
    house.settle()

    with house.sessions() as db:
        due = {worker.id: ledger.balance(db, ledger.PAYABLE, worker.payee_id, "USD") for worker in (early, late)}
    assert due == {early.id: 200, late.id: 300}


# Slots that come back


@pytest.mark.parametrize("by", ["release", "expiry"])
def test_a_slot_that_comes_back_joins_the_end_of_the_queue(db: Session, books: None, by: str) -> None:
    project = factories.create_project(db, overlap_min=1)
    first, second = factories.create_task(db, project), factories.create_task(db, project)
    holder, other = factories.create_worker(db), factories.create_worker(db)

    _reopened(db, holder, factories.claim(db, holder), by=by)

    assert [_claimed(db, other) for _ in range(3)] == [second.id, first.id, None]


@pytest.mark.parametrize("by", ["release", "expiry"])
def test_a_slot_that_comes_back_is_past_the_cursor_of_those_who_came_by(db: Session, books: None, by: str) -> None:
    project = factories.create_project(db, overlap_min=1)
    first = factories.create_task(db, project)
    factories.create_task(db, project)
    holder, other = factories.create_worker(db), factories.create_worker(db)
    lease = factories.claim(db, holder)
    factories.answer(db, other)

    _reopened(db, holder, lease, by=by)

    assert _claimed(db, other) == first.id


@pytest.mark.parametrize("by", ["release", "expiry"])
def test_who_gave_a_task_back_may_take_it_again_after_the_others(db: Session, books: None, by: str) -> None:
    project = factories.create_project(db)
    first, second = factories.create_task(db, project), factories.create_task(db, project)
    worker = factories.create_worker(db)

    _reopened(db, worker, factories.claim(db, worker), by=by)

    assert [_claimed(db, worker) for _ in range(3)] == [second.id, first.id, None]


def test_an_answer_to_a_lease_that_ran_out_is_refused_once_the_task_is_held_again(db: Session, books: None) -> None:
    factories.create_task(db, factories.create_project(db))
    worker = factories.create_worker(db)
    old = factories.claim(db, worker)
    _reopened(db, worker, old, by="expiry")
    again = factories.claim(db, worker)

    with pytest.raises(LeaseTaken), db.begin_nested():
        factories.submit(db, worker, old)

    assert factories.submit(db, worker, again).task_id == old.task_id


def test_only_leases_past_their_time_expire(db: Session, books: None) -> None:
    factories.create_task(db, factories.create_project(db, lease_seconds=100))
    factories.claim(db, factories.create_worker(db))

    age(db, "assignments", "lease_expires_at", 99)
    early = assignment.expire(db)
    age(db, "assignments", "lease_expires_at", 2)

    assert (early, assignment.expire(db), assignment.expire(db)) == (0, 1, 0)


def test_an_expert_who_gives_back_makes_room_for_another(db: Session, books: None) -> None:
    _, task = factories.create_escalated(db)
    first, second = factories.create_worker(db, tier=4), factories.create_worker(db, tier=4)

    _reopened(db, first, factories.claim(db, first), by="release")

    assert (_claimed(db, second), _claimed(db, first)) == (task.id, None)


# Answers


def test_an_answer_is_stored_as_a_vote_and_told(db: Session) -> None:
    task = factories.create_task(db, factories.create_project(db))
    worker = factories.create_worker(db)

    answer = factories.answer(db, worker, "rook")

    vote = db.execute(text("SELECT task_id, voter_id, label FROM votes")).one()
    assert tuple(vote) == (task.id, worker.id, 1)
    assert (answer.label, answer.late, answer.status) == (1, False, "submitted")
    assert [event.answer_id for event in factories.told(db)] == [answer.id]


def test_an_adjudication_is_no_vote(db: Session, books: None) -> None:
    factories.create_escalated(db)

    factories.answer(db, factories.create_worker(db, tier=4), "rook")

    assert db.scalar(text("SELECT count(*) FROM votes")) == 2


@pytest.mark.parametrize("payload", [{}, {"category": "raven"}, {"category": "rook", "sure": True}, {"category": None}])
def test_an_answer_that_is_none_of_the_labels_is_refused(db: Session, books: None, payload: dict[str, Any]) -> None:
    factories.create_task(db, factories.create_project(db))
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker)

    with pytest.raises(Invalid):
        assignment.submit(db, worker.id, lease.id, fence=lease.fence, payload=payload)

    assert factories.submit(db, worker, lease).label == 1


def test_the_first_answer_stands(db: Session, books: None) -> None:
    factories.create_task(db, factories.create_project(db))
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker)
    factories.submit(db, worker, lease, "rook")

    with pytest.raises(AlreadyAnswered):
        factories.submit(db, worker, lease, "crow")

    assert db.scalars(text("SELECT label FROM answers")).all() == [1]


@pytest.fixture
def owner(new_database: Callable[[], Urls]) -> Iterator[Session]:
    """A session that may move what the application may not, such as when a task was claimed."""
    engine = create_engine(new_database().owner)
    with Session(engine) as session:
        yield session
    engine.dispose()


def _were_too_fast(db: Session) -> list[bool]:
    return list(db.scalars(text("SELECT too_fast FROM votes ORDER BY task_id")))


@pytest.mark.parametrize(("held", "marked"), [(4, [True]), (5, [False])])
def test_an_answer_that_comes_before_its_task_can_be_read_is_marked(
    owner: Session, held: int, marked: list[bool]
) -> None:
    factories.create_task(owner, factories.create_project(owner, read_seconds=5))
    worker = factories.create_worker(owner)
    lease = factories.claim(owner, worker)
    age(owner, "assignments", "created_at", held)

    factories.submit(owner, worker, lease)

    assert _were_too_fast(owner) == marked


def test_no_answer_is_too_fast_where_nobody_has_said_how_long_reading_takes(db: Session) -> None:
    factories.create_task(db, factories.create_project(db))

    factories.answer(db, factories.create_worker(db))

    assert _were_too_fast(db) == [False]


def test_of_tasks_that_were_claimed_together_each_has_to_be_read(owner: Session) -> None:
    project = factories.create_project(owner, read_seconds=5)
    for _ in range(3):
        factories.create_task(owner, project)
    worker = factories.create_worker(owner)
    leases = [factories.claim(owner, worker) for _ in range(3)]
    age(owner, "assignments", "created_at", 60)

    for lease, pause in zip(leases, (0, 5, 0), strict=True):
        age(owner, "answers", "created_at", pause)
        factories.submit(owner, worker, lease)

    assert _were_too_fast(owner) == [False, False, True]


def test_a_late_answer_counts_while_its_lease_was_not_ended(db: Session, books: None) -> None:
    task = factories.create_task(db, factories.create_project(db, overlap_min=2))
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker)
    age(db, "assignments", "lease_expires_at", 86_400)

    assert factories.submit(db, worker, lease).late

    assert _free(db, task) == 1


def test_a_late_answer_takes_its_free_slot_back(db: Session, books: None) -> None:
    task = factories.create_task(db, factories.create_project(db, overlap_min=2))
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker)
    _let_expire(db)

    assert factories.submit(db, worker, lease).late

    assert _free(db, task) == 1


def test_a_late_answer_is_refused_once_somebody_took_the_task(db: Session, books: None) -> None:
    factories.create_task(db, factories.create_project(db, overlap_min=1))
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker)
    _let_expire(db)
    factories.claim(db, factories.create_worker(db))

    with pytest.raises(LeaseTaken):
        factories.submit(db, worker, lease)


def _late(db: Session, **settings: Any) -> tuple[Task, Worker, Lease]:
    """A lease that ended, and whose slot somebody else has taken."""
    project = factories.create_project(db, overlap_min=1, late_rule=LateRule.PAID, **settings)
    task = factories.create_task(db, project)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker)
    _let_expire(db)
    factories.claim(db, factories.create_worker(db))
    return task, worker, lease


def test_a_late_answer_is_taken_beside_the_others_and_paid_where_the_project_says_so(db: Session, books: None) -> None:
    task, worker, lease = _late(db, overlap_max=3)

    answer = factories.submit(db, worker, lease)
    factories.settle(db)

    db.refresh(task)
    assert (answer.late, task.overlap, task.free_slots) == (True, 2, 0)
    assert db.scalars(text("SELECT voter_id FROM votes")).all() == [worker.id]
    assert db.scalars(text("SELECT amount FROM earnings")).all() == [lease.amount]
    with pytest.raises(AlreadyAnswered):
        factories.submit(db, worker, lease)


def test_no_late_answer_is_taken_beyond_what_was_set_aside(db: Session, books: None) -> None:
    _, worker, lease = _late(db, overlap_max=1)

    with pytest.raises(LeaseTaken):
        factories.submit(db, worker, lease)


def test_whoever_took_the_task_again_answers_it_once(db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=1, overlap_max=3, late_rule=LateRule.PAID)
    factories.create_task(db, project)
    worker = factories.create_worker(db)
    late = factories.claim(db, worker)
    _let_expire(db)
    factories.claim(db, worker)

    with pytest.raises(LeaseTaken):
        factories.submit(db, worker, late)


def test_a_late_answer_to_a_settled_task_is_refused(db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=1, overlap_max=1, confidence_target=0.5)
    factories.create_task(db, project)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker)
    _let_expire(db)
    factories.answer_all(db, project, "rook")
    factories.settle(db)

    with pytest.raises(LeaseTaken):
        factories.submit(db, worker, lease)


def test_a_late_answer_of_the_crowd_does_not_take_the_experts_place(db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=2, overlap_max=2, expert_share=1.0, confidence_target=0.95)
    task = factories.create_task(db, project)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker)
    _let_expire(db)
    factories.answer_all(db, project, "crow", "rook")
    factories.settle(db)

    with pytest.raises(LeaseTaken):
        factories.submit(db, worker, lease)

    assert (_free(db, task), task.status) == (1, TaskStatus.ESCALATED)
    assert factories.claim(db, factories.create_worker(db, tier=4)).kind == Kind.ADJUDICATION


# Whose lease it is

ACTS: dict[str, Callable[[Session, str, str, int], object]] = {
    "submit": lambda db, worker, lease, fence: assignment.submit(
        db, worker, lease, fence=fence, payload={"category": "rook"}
    ),
    "renew": lambda db, worker, lease, fence: assignment.renew(db, worker, lease, fence=fence),
    "release": lambda db, worker, lease, fence: assignment.release(db, worker, lease, fence=fence),
}


@pytest.fixture
def holder(db: Session) -> Worker:
    """A worker with a task to claim."""
    factories.create_task(db, factories.create_project(db, overlap_min=1, lease_seconds=600))
    return factories.create_worker(db)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_a_wrong_fence_is_refused(db: Session, holder: Worker, books: None, act: Callable[..., object]) -> None:
    lease = factories.claim(db, holder)

    with pytest.raises(LeaseTaken):
        act(db, holder.id, lease.id, lease.fence + 1)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_another_workers_lease_looks_as_if_it_did_not_exist(
    db: Session, holder: Worker, books: None, act: Callable[..., object]
) -> None:
    lease = factories.claim(db, holder)
    messages = []

    for lease_id in (lease.id, ids.new("asg")):
        with pytest.raises(NoSuchAssignment) as refused:
            act(db, factories.create_worker(db).id, lease_id, lease.fence)
        messages.append(refused.value.body())

    assert messages[0] == messages[1]


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_what_was_released_is_over(db: Session, holder: Worker, books: None, act: Callable[..., object]) -> None:
    lease = factories.claim(db, holder)
    assignment.release(db, holder.id, lease.id, fence=lease.fence)

    with pytest.raises(LeaseOver, match="released"):
        act(db, holder.id, lease.id, lease.fence)

    assert db.scalar(text("SELECT free_slots FROM tasks")) == 1


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_what_was_answered_stays_answered(db: Session, holder: Worker, books: None, act: Callable[..., object]) -> None:
    lease = factories.claim(db, holder)
    factories.submit(db, holder, lease)

    with pytest.raises(AlreadyAnswered):
        act(db, holder.id, lease.id, lease.fence)


def test_a_renewed_lease_begins_its_time_again(db: Session, holder: Worker, books: None) -> None:
    lease = factories.claim(db, holder)
    age(db, "assignments", "lease_expires_at", 599)

    renewed = assignment.renew(db, holder.id, lease.id, fence=lease.fence)

    assert renewed.lease_expires_at == lease.lease_expires_at
    assert renewed.status == "leased"


def test_a_renewal_is_of_one_lease_alone(db: Session, holder: Worker, books: None) -> None:
    renewed = factories.claim(db, holder)
    factories.create_task(db, db.get_one(Project, renewed.project_id))
    other = factories.claim(db, factories.create_worker(db))
    age(db, "assignments", "lease_expires_at", 60)

    assignment.renew(db, holder.id, renewed.id, fence=renewed.fence)

    ends = {row.id: row.lease_expires_at for row in db.execute(text("SELECT id, lease_expires_at FROM assignments"))}
    assert ends == {renewed.id: renewed.lease_expires_at, other.id: other.lease_expires_at - timedelta(seconds=60)}


def test_a_lease_that_was_ended_is_not_renewed(db: Session, holder: Worker, books: None) -> None:
    lease = factories.claim(db, holder)
    _let_expire(db)

    with pytest.raises(LeaseOver):
        assignment.renew(db, holder.id, lease.id, fence=lease.fence)


def test_giving_back_what_was_ended_changes_nothing(db: Session, holder: Worker, books: None) -> None:
    lease = factories.claim(db, holder)
    _let_expire(db)

    given = assignment.release(db, holder.id, lease.id, fence=lease.fence)

    assert given.status == "expired"
    assert db.scalar(text("SELECT free_slots FROM tasks")) == 1


def test_a_worker_lists_what_they_hold_and_what_they_answered(db: Session, books: None) -> None:
    project = factories.create_project(db)
    for _ in range(3):
        factories.create_task(db, project)
    worker, other = factories.create_worker(db), factories.create_worker(db)
    first, second, third = (factories.claim(db, worker) for _ in range(3))
    given = factories.submit(db, worker, first)
    factories.answer(db, other)

    held = assignment.leases(db, worker.id, PageRequest(10)).items
    answered = assignment.answers(db, worker.id, PageRequest(10)).items

    assert [row.id for row in held] == [third.id, second.id]
    assert [row.id for row in answered] == [given.id]


def test_what_one_look_back_finds_does_not_hide_the_rest_from_the_next(db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=1)
    unseen = [factories.create_task(db, project).id for _ in range(2)]
    db.execute(text("UPDATE tasks SET status = 'staged'"))
    seen = [factories.create_task(db, project).id for _ in range(3)]
    worker = factories.create_worker(db)
    assert _claimed(db, worker) == seen[0]
    age(db, "claim_cursors", "safe_at", 31)
    assert _claimed(db, worker) == seen[1]
    db.execute(text("UPDATE tasks SET status = 'open' WHERE status = 'staged'"))

    found = []
    for _ in range(2):
        age(db, "claim_cursors", "safe_at", 31)
        found.append(_claimed(db, worker))

    assert found == unseen


# Many at once


def test_a_task_whose_place_became_visible_late_is_found(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, overlap_min=1)
        slow = factories.create_task(db, project)
        holder, worker = factories.create_worker(db), factories.create_worker(db)
        lease = factories.claim(db, holder)
        db.commit()
    with house.sessions() as slower, house.sessions() as db:
        assignment.release(slower, holder.id, lease.id, fence=lease.fence)
        quick = factories.create_task(db, project)
        db.commit()
        assert _claimed(db, worker) == quick.id
        db.commit()
        slower.commit()

    found = []
    for _ in range(2):
        with house.sessions() as db:
            age(db, "claim_cursors", "safe_at", 31)
            found.append(_claimed(db, worker))
            db.commit()

    assert slow.id in found


def test_a_cursor_goes_back_again_and_again(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, overlap_min=1)
        holder, worker = factories.create_worker(db), factories.create_worker(db)
        db.commit()
    for _ in range(3):
        with house.sessions() as db:
            slow = factories.create_task(db, project)
            lease = factories.claim(db, holder)
            db.commit()
        with house.sessions() as slower, house.sessions() as db:
            assignment.release(slower, holder.id, lease.id, fence=lease.fence)
            quick = factories.create_task(db, project)
            db.commit()
            assert _claimed(db, worker) == quick.id
            db.commit()
            slower.commit()
        with house.sessions() as db:
            age(db, "claim_cursors", "safe_at", 31)
            assert _claimed(db, worker) == slow.id
            db.commit()


def test_a_task_that_was_stepped_over_is_not_lost(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, overlap_min=2)
        first, second = factories.create_task(db, project), factories.create_task(db, project)
        one, other = factories.create_worker(db), factories.create_worker(db)
        db.commit()

    with house.sessions() as busy, house.sessions() as db:
        assert _claimed(busy, one) == first.id
        assert _claimed(db, other) == second.id
        db.commit()
        busy.commit()
        assert _claimed(db, other) == first.id
        db.commit()


def _at_once(house: House, n: int, act: Callable[[Session, int], Any]) -> list[Any]:
    """Run an act n times at the same moment, each in a transaction of its own."""
    start = threading.Barrier(n)

    def run(number: int) -> Any:
        start.wait(timeout=20)
        with house.sessions() as db:
            result = act(db, number)
            db.commit()
            return result

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(run, range(n)))


def test_thirty_two_workers_never_get_more_leases_than_slots(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, overlap_min=3)
        made = [factories.create_task(db, project).id for _ in range(5)]
        workers = [factories.create_worker(db) for _ in range(32)]
        db.commit()

    given = _at_once(house, 32, lambda db, i: _claimed(db, workers[i]))
    with house.sessions() as db:
        # Who came away empty because all tasks were just being claimed may come again.
        given += [_claimed(db, worker) for worker, had in zip(workers, given, strict=True) if had is None]
        db.commit()
        holders = db.execute(text("SELECT task_id, worker_id FROM assignments WHERE status = 'leased'")).all()

    assert Counter(task_id for task_id in given if task_id) == dict.fromkeys(made, 3)
    assert Counter(row.task_id for row in holders) == dict.fromkeys(made, 3)
    assert len({tuple(row) for row in holders}) == 15


def test_one_worker_in_many_windows_keeps_to_the_cap(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, factories.create_requester(db, funds="10000"))
        for _ in range(LEASES_MAX + 10):
            factories.create_task(db, project)
        worker = factories.create_worker(db)
        db.commit()

    def claim(db: Session, _: int) -> str | None:
        try:
            return _claimed(db, worker)
        except LeaseCapReached:
            return None

    given = [task_id for task_id in _at_once(house, LEASES_MAX + 8, claim) if task_id]

    assert len(given) == len(set(given)) == LEASES_MAX


def test_one_lease_answered_in_many_windows_has_one_answer(house: House) -> None:
    with house.sessions() as db:
        factories.create_task(db, factories.create_project(db))
        worker = factories.create_worker(db)
        lease = factories.claim(db, worker)
        db.commit()

    def submit(db: Session, number: int) -> str | None:
        try:
            return factories.submit(db, worker, lease, "rook" if number % 2 else "crow").id
        except AlreadyAnswered:
            return None

    stored = [answer_id for answer_id in _at_once(house, 8, submit) if answer_id]

    assert len(stored) == 1


def test_an_answer_and_the_end_of_its_lease_do_not_both_happen(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, overlap_min=1)
        held: list[tuple[Worker, Lease]] = []
        for _ in range(6):
            factories.create_task(db, project)
            worker = factories.create_worker(db)
            held.append((worker, factories.claim(db, worker)))
        age(db, "assignments", "lease_expires_at", 86_400)
        db.commit()

    def act(db: Session, number: int) -> Any:
        return assignment.expire(db) if number == 6 else factories.submit(db, *held[number]).late

    _at_once(house, 7, act)

    with house.sessions() as db:
        assert db.execute(text("SELECT DISTINCT status FROM assignments")).scalars().all() == ["answered"]
        assert db.scalar(text("SELECT sum(free_slots) FROM tasks")) == 0


def test_a_position_that_becomes_visible_late_is_found_at_the_next_look_back(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, overlap_min=1)
        worker = factories.create_worker(db)
        factories.create_task(db, project)
        factories.answer(db, worker)
        db.commit()
    with house.sessions() as slow:
        late = factories.create_task(slow, slow.get_one(Project, project.id))
        slow.flush()
        for _ in range(2):
            with house.sessions() as db:
                # Past the one that nobody sees yet, the second time just when the cursor looks back.
                later = _copy(db, project.id)
                age(db, "claim_cursors", "safe_at", 31)
                assert _claimed(db, worker) == later
                db.commit()
        slow.commit()

    found = []
    for _ in range(3):
        with house.sessions() as db:
            found.append(_claimed(db, worker))
            age(db, "claim_cursors", "safe_at", 31)
            db.commit()

    assert late.id in found
    # Nothing was ever set aside for the copies.
    with house.sessions() as db:
        copies = "(SELECT id FROM tasks WHERE reserved = 0 AND status = 'open')"
        db.execute(text(f"UPDATE assignments SET status = 'expired' WHERE task_id IN {copies}"))
        db.execute(text(f"UPDATE tasks SET status = 'cancelled', free_slots = 0 WHERE id IN {copies}"))
        db.commit()


def _copy(db: Session, project_id: str) -> str:
    """A task more, without the balances that a task being created elsewhere holds locked."""
    return str(
        db.scalar(
            text("""
            INSERT INTO tasks (id, project_id, batch_id, requester_id, status, params, metadata, callback_url, overlap,
                               free_slots, position, reserved)
            SELECT :id, project_id, batch_id, requester_id, 'open', params, metadata, '', 1, 1,
                   nextval('task_positions'), 0 FROM tasks WHERE project_id = :project_id LIMIT 1 RETURNING id
        """),
            {"id": ids.new("tsk"), "project_id": project_id},
        )
    )


# A model of the slots

_PICKS = st.integers(0, 59)


class Floor(RuleBasedStateMachine):
    """One small project: everybody does anything in any order, beside a model of who has held what.

    A step that finds nothing to do does nothing: what is drawn must not depend on what the house drew by chance before.
    """

    engine: Engine

    def __init__(self) -> None:
        super().__init__()
        self.connection = self.engine.connect()
        self.outer = self.connection.begin()
        self.db = sessionmaker(
            self.connection, join_transaction_mode="create_savepoint", expire_on_commit=False, autoflush=False
        )()
        self.workers: list[Worker] = []
        self.tasks: dict[str, Task] = {}
        # By task and worker and kind: the lease and how it stands.
        self.leases: dict[tuple[str, str, str], Lease] = {}
        self.state: dict[tuple[str, str, str], str] = {}
        self.links: dict[frozenset[str], str] = {}

    def teardown(self) -> None:
        self.db.close()
        self.outer.rollback()
        self.connection.close()

    @initialize(late_rule=st.sampled_from(LateRule))
    def open_the_project(self, late_rule: LateRule) -> None:
        self.project: Project = factories.create_project(
            self.db, overlap_min=2, overlap_max=3, expert_share=0.5, confidence_target=0.9, late_rule=late_rule
        )
        self.workers = [factories.create_worker(self.db) for _ in range(4)]
        self.workers.append(factories.create_worker(self.db, tier=4))
        self.create_task()

    @rule()
    def create_task(self) -> None:
        task = factories.create_task(self.db, self.project)
        self.tasks[task.id] = task

    @rule(who=st.integers(0, 4))
    def claim(self, who: int) -> None:
        worker = self.workers[who]
        expected = self._next(worker)
        if worker.status != WorkerStatus.ACTIVE:
            with pytest.raises(NotActive):
                assignment.claim(self.db, worker.id)
            return
        lease = assignment.claim(self.db, worker.id)
        assert (None if lease is None else (lease.task_id, lease.kind)) == expected
        if lease is not None:
            key = (lease.task_id, worker.id, str(lease.kind))
            self.leases[key], self.state[key] = lease, "leased"

    @rule(who=st.integers(0, 4), count=st.integers(1, 4))
    def claim_several(self, who: int, count: int) -> None:
        worker = self.workers[who]
        if worker.status != WorkerStatus.ACTIVE:
            return
        expected = []
        for _ in range(count):
            if (following := self._next(worker)) is None:
                break
            expected.append(following)
            self.state[following[0], worker.id, str(following[1])] = "leased"
        leases = assignment.claim_several(self.db, worker.id, count=count)
        assert [(lease.task_id, lease.kind) for lease in leases] == expected
        for lease in leases:
            self.leases[lease.task_id, worker.id, str(lease.kind)] = lease

    @rule(pick=_PICKS)
    def take_back(self, pick: int) -> None:
        if (key := self._one_of(self._held(), pick)) is None:
            return
        leases.take_back(self.db, self.leases[key].id, reason="other", note="", taken_by="ops")
        self.state[key] = "withdrawn"

    @rule(pick=_PICKS, category=st.sampled_from(["crow", "rook"]))
    def save_a_draft(self, pick: int, category: str) -> None:
        if (key := self._one_of(self._held(), pick)) is None:
            return
        lease = self.leases[key]
        drafts.save(self.db, key[1], lease.id, fence=lease.fence, payload={"category": category})

    def _held(self) -> list[tuple[str, str, str]]:
        return [key for key, state in self.state.items() if state == "leased"]

    @staticmethod
    def _one_of(keys: list[tuple[str, str, str]], pick: int) -> tuple[str, str, str] | None:
        """One of what was leased, in the order of the claims; none where there is none."""
        return keys[pick % len(keys)] if keys else None

    def _next(self, worker: Worker) -> tuple[str, str] | None:
        """The first task in the queue with a free slot that this worker neither holds nor has answered."""
        kinds = [(Kind.ADJUDICATION, TaskStatus.ESCALATED)] if worker is self.workers[-1] else []
        for kind, status in [*kinds, (Kind.ANSWER, TaskStatus.OPEN)]:
            mine = [
                task
                for task in self.tasks.values()
                if task.status == status and self._free(task) and not self._has(task.id, worker.id, kind)
            ]
            if mine:
                return min(mine, key=lambda task: task.position).id, kind
        return None

    def _has(self, task_id: str, worker_id: str, kind: Kind) -> bool:
        # Who answered with the crowd does not decide the dispute.
        kinds = [kind] if kind == Kind.ANSWER else list(Kind)
        return any(
            self.state.get((task_id, mate, str(one))) in {"leased", "answered"}
            for one in kinds
            for mate in self._mates(worker_id)
        )

    def _mates(self, worker_id: str) -> set[str]:
        """A worker and all who count as the same."""
        mates, before = {worker_id}, set[str]()
        while mates != before:
            before = mates
            mates = mates.union(*(pair for pair in self.links if pair & mates))
        return mates

    @rule(one=st.integers(0, 4), other=st.integers(0, 4))
    def link_or_unlink(self, one: int, other: int) -> None:
        pair = frozenset({self.workers[one].id, self.workers[other].id})
        if pair in self.links:
            linked.withdraw(self.db, self.links.pop(pair), reason="A family.", withdrawn_by="ops")
        elif len(pair) == 2:
            said = {"kind": "device", "evidence": "One telephone.", "recorded_by": "ops"}
            self.links[pair] = linked.declare(self.db, *sorted(pair), **said).id

    def _taken(self, task: Task, kind: Kind) -> int:
        return sum(
            state in {"leased", "answered"}
            for (task_id, _, held), state in self.state.items()
            if (task_id, held) == (task.id, kind)
        )

    def _free(self, task: Task) -> int:
        """How many slots the model thinks are free."""
        if task.status == TaskStatus.OPEN:
            return task.overlap - self._taken(task, Kind.ANSWER)
        return 1 - self._taken(task, Kind.ADJUDICATION) if task.status == TaskStatus.ESCALATED else 0

    @rule(pick=_PICKS, category=st.sampled_from(["crow", "rook"]))
    def submit(self, pick: int, category: str) -> None:
        if (key := self._one_of(list(self.state), pick)) is None:
            return
        task, worker = self.tasks[key[0]], self._worker(key)
        queue = TaskStatus.OPEN if key[2] == Kind.ANSWER else TaskStatus.ESCALATED
        refusal = {"answered": AlreadyAnswered, "released": LeaseOver, "withdrawn": LeaseWithdrawn}.get(self.state[key])
        taken = any(self.state.get((key[0], mate, key[2])) in {"leased", "answered"} for mate in self._mates(worker.id))
        if self.state[key] == "expired" and (task.status != queue or not self._free(task) or taken):
            refusal = None if not taken and self._has_room_beside(task, key[2]) else LeaseTaken
        if refusal is None:
            factories.submit(self.db, worker, self.leases[key], category)
            self.state[key] = "answered"
        else:
            with pytest.raises(refusal), self.db.begin_nested():
                factories.submit(self.db, worker, self.leases[key], category)

    def _has_room_beside(self, task: Task, kind: str) -> bool:
        """Whether a late answer is taken beside those that the task has."""
        takes = self.project.late_rule == LateRule.PAID and kind == Kind.ANSWER
        return takes and task.status == TaskStatus.OPEN and task.overlap < self.project.overlap_max

    @rule(pick=_PICKS)
    def release(self, pick: int) -> None:
        if (key := self._one_of(self._held(), pick)) is None:
            return
        assignment.release(self.db, key[1], self.leases[key].id, fence=self.leases[key].fence)
        self.state[key] = "released"

    @rule(picks=st.sets(_PICKS, min_size=1, max_size=5))
    def expire(self, picks: set[int]) -> None:
        held = self._held()
        late = {key for pick in picks if (key := self._one_of(held, pick)) is not None}
        self.db.execute(
            text("UPDATE assignments SET lease_expires_at = now() - interval '1 s' WHERE id = ANY(:ids)"),
            {"ids": [self.leases[key].id for key in late]},
        )
        assert assignment.expire(self.db) == len(late)
        self.state |= dict.fromkeys(late, "expired")

    @rule(pick=_PICKS)
    def cancel(self, pick: int) -> None:
        task = list(self.tasks.values())[pick % len(self.tasks)]
        begun = any(key[0] == task.id and state in {"leased", "answered"} for key, state in self.state.items())
        if begun:
            with pytest.raises(TaskInWork):
                tasks.cancel(self.db, self.project.requester_id, task.id, actor_ref="test")
        else:
            tasks.cancel(self.db, self.project.requester_id, task.id, actor_ref="test")
            assert task.status == TaskStatus.CANCELLED

    @rule(who=st.integers(0, 4))
    def suspend_or_activate(self, who: int) -> None:
        worker = self.workers[who]
        active = worker.status == WorkerStatus.ACTIVE
        onboarding.move(self.db, worker.id, WorkerStatus.SUSPENDED if active else WorkerStatus.ACTIVE)

    @rule()
    def settle(self) -> None:
        before = {task_id: (task.status, task.overlap) for task_id, task in self.tasks.items()}
        events = factories.settle(self.db)
        self._refresh()
        for task_id, (status, overlap) in before.items():
            task = self.tasks[task_id]
            assert overlap <= task.overlap <= self.project.overlap_max
            if status in {TaskStatus.SETTLED, TaskStatus.CANCELLED}:
                assert task.status == status
            if task.status != status:
                assert task_id in {event.task_id for event in events} or task.free_slots <= 1
        self.reaction_again(events)

    def reaction_again(self, events: list[Any]) -> None:
        """Delivered a second time, nothing changes that anybody is paid."""
        before = self._paid()
        if events:
            settlement.settle_answers(self.db, events)
        assert self._paid() == before

    def _paid(self) -> list[Any]:
        return [
            tuple(row) for row in self.db.execute(text("SELECT answer_ref, status, amount FROM earnings ORDER BY 1"))
        ]

    def _worker(self, key: tuple[str, str, str]) -> Worker:
        return next(worker for worker in self.workers if worker.id == key[1])

    def _refresh(self) -> None:
        for task in self.tasks.values():
            self.db.refresh(task)

    @invariant()
    def slots_are_what_the_model_says(self) -> None:
        self._refresh()
        for task in self.tasks.values():
            assert task.free_slots == self._free(task)
            assert self._taken(task, Kind.ANSWER) <= task.overlap
            assert self._taken(task, Kind.ADJUDICATION) <= 1

    @invariant()
    def counts_are_what_the_model_says(self) -> None:
        counted = self.db.execute(text("SELECT worker_id, n_taken, n_today FROM worker_shares")).all()
        live = Counter(
            key[1] for key, state in self.state.items() if key[2] == Kind.ANSWER and state in {"leased", "answered"}
        )
        assert {row.worker_id: (row.n_taken, row.n_today) for row in counted if row.n_taken or row.n_today} == {
            worker_id: (n, n) for worker_id, n in live.items()
        }

    @invariant()
    def every_check_is_empty(self) -> None:
        for check in wsgi.program.checks:
            assert not any(check(self.db).values())

    @invariant()
    def every_answer_is_stored(self) -> None:
        answered = sorted(key[:2] for key, state in self.state.items() if state == "answered")
        stored = self.db.query(Answer.task_id, Answer.worker_id).all()
        assert sorted(map(tuple, stored)) == answered


def test_whatever_everybody_does_slots_and_pay_stay_right(shared_engine: Engine) -> None:
    machine = type("FloorHere", (Floor,), {"engine": shared_engine})

    run_machine(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=20,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("tier", [None, 3, 4])
def test_a_vote_says_whether_an_expert_cast_it(db: Session, tier: int | None) -> None:
    project = factories.create_project(db)
    factories.create_task(db, project)
    worker = factories.create_worker(db, tier=tier)

    factories.answer(db, worker, project=project, kind=Kind.ANSWER)

    assert db.scalars(text("SELECT is_expert FROM votes")).all() == [tier == 4]


def test_an_expert_of_another_skill_votes_with_the_crowd(db: Session) -> None:
    project = factories.create_project(db, skill="text.transcription")
    factories.create_task(db, project)
    worker = factories.create_worker(db, tier=4)

    factories.answer(db, worker, project=project, kind=Kind.ANSWER)

    assert db.scalars(text("SELECT is_expert FROM votes")).all() == [False]

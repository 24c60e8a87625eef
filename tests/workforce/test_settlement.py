"""Settlement: answers are weighed, tasks are decided, honest work is paid, and a second delivery changes nothing."""

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from foundation import jobs, outbox
from foundation.pagination import PageRequest
from payments import funding, ledger, rates
from quality import quarantine, reliability, votes
from quality.escalation import Rule
from quality.events import ConsensusRevised
from tests import factories
from tests.conftest import House, age, held_up
from workforce import assignment, settlement, tasks
from workforce.models import Answer, Batch, Kind, Project, Task, TaskStatus, Worker
from workforce.settlement import PATIENCE

# Settings that decide fast, whatever the defaults are.
QUICK: dict[str, Any] = {"overlap_min": 3, "overlap_max": 3, "confidence_target": 0.8, "expert_share": 0.0}
PRICE, COST = 200, 240


def _due(db: Session, worker_id: str) -> int:
    payee_id = db.execute(text("SELECT payee_id FROM workers WHERE id = :id"), {"id": worker_id}).scalar_one()
    return ledger.balance(db, ledger.PAYABLE, payee_id, "USD")


def _funds(db: Session, project: Project) -> funding.Funds:
    (funds,) = funding.of_owner(db, project.requester_id)
    return funds


def _decision(db: Session, task: Task) -> tuple[str, str]:
    row = db.execute(text("SELECT decision, reason FROM consensus WHERE task_id = :id"), {"id": task.id}).one()
    return row.decision, row.reason


def _snapshot(db: Session) -> list[Any]:
    """Everything a second delivery could spoil."""
    tables = ("tasks", "answers", "earnings", "journal_lines", "reserves", "votes", "known_labels", "balances")
    return [sorted(map(str, db.execute(text(f"SELECT * FROM {table}")))) for table in tables]


# Settled by the crowd


def test_agreeing_answers_settle_a_task_and_are_paid(db: Session, books: None) -> None:
    project = factories.create_project(db, **QUICK)
    task = factories.create_task(db, project)

    answers = factories.answer_all(db, project, "rook", "rook", "rook")
    factories.settle(db)

    db.refresh(task)
    assert (task.status, task.label, task.settled_by) == (TaskStatus.SETTLED, 1, "consensus")
    assert task.confidence is not None
    assert 0.8 <= task.confidence <= 1
    assert [_due(db, answer.worker_id) for answer in answers] == [PRICE] * 3


def test_an_outvoted_honest_answer_is_paid_like_any_other(db: Session, books: None) -> None:
    project = factories.create_project(db, **QUICK)
    factories.create_task(db, project)

    outvoted, *others = factories.answer_all(db, project, "crow", "rook", "rook")
    factories.settle(db)

    assert db.scalar(text("SELECT label FROM tasks")) == 1
    assert _due(db, outvoted.worker_id) == _due(db, others[0].worker_id) == PRICE
    assert set(db.scalars(text("SELECT status FROM answers"))) == {"accepted"}


def test_what_was_reserved_and_not_spent_comes_back(db: Session, books: None) -> None:
    project = factories.create_project(db, **{**QUICK, "overlap_max": 5})
    factories.create_task(db, project)
    before = _funds(db, project)

    factories.answer_all(db, project, "rook", "rook", "rook")
    factories.settle(db)

    after = _funds(db, project)
    assert (after.reserved, after.spent) == (0, 3 * COST)
    assert after.available == before.available + before.reserved - 3 * COST


def test_a_task_waits_for_all_its_answers(db: Session, books: None) -> None:
    project = factories.create_project(db, **QUICK)
    task = factories.create_task(db, project)

    answers = factories.answer_all(db, project, "rook", "rook")
    factories.settle(db)

    db.refresh(task)
    assert (task.status, _decision(db, task)[0]) == (TaskStatus.OPEN, "open")
    assert [_due(db, answer.worker_id) for answer in answers] == [0, 0]
    assert set(db.scalars(text("SELECT status FROM earnings"))) == {"pending"}


def test_a_task_that_somebody_still_holds_is_not_decided(db: Session, books: None) -> None:
    project = factories.create_project(db, **QUICK)
    task = factories.create_task(db, project)
    factories.answer_all(db, project, "rook", "rook")
    late = factories.create_worker(db)
    lease = factories.claim(db, late)
    factories.settle(db)

    factories.submit(db, late, lease)
    factories.settle(db)

    db.refresh(task)
    assert task.status == TaskStatus.SETTLED


def test_disagreement_asks_one_more_worker(db: Session, books: None) -> None:
    project = factories.create_project(db, **{**QUICK, "overlap_min": 2})
    task = factories.create_task(db, project)
    answers = factories.answer_all(db, project, "crow", "rook")

    factories.settle(db)

    db.refresh(task)
    assert (task.status, task.overlap, task.free_slots) == (TaskStatus.OPEN, 3, 1)
    assert assignment.claim(db, answers[0].worker_id) is None
    factories.answer_all(db, project, "rook")
    factories.settle(db)
    db.refresh(task)
    assert (task.status, task.label) == (TaskStatus.SETTLED, 1)


def test_a_widened_task_joins_the_end_of_the_queue(db: Session, books: None) -> None:
    project = factories.create_project(db, **{**QUICK, "overlap_min": 2})
    first = factories.create_task(db, project)
    factories.answer_all(db, project, "crow", "rook")
    second = factories.create_task(db, project)

    factories.settle(db)

    worker = factories.create_worker(db)
    assert [factories.claim(db, worker).task_id for _ in range(2)] == [second.id, first.id]


def test_without_answers_or_experts_left_the_best_guess_settles(db: Session, books: None) -> None:
    project = factories.create_project(db, **{**QUICK, "overlap_min": 2, "overlap_max": 2})
    task = factories.create_task(db, project)

    factories.answer_all(db, project, "crow", "rook")
    factories.settle(db)

    db.refresh(task)
    assert task.status == TaskStatus.SETTLED
    assert task.confidence == pytest.approx(0.5)


# Settled by an expert


def test_an_expert_settles_what_the_crowd_could_not(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db)
    expert = factories.create_worker(db, tier=4)

    factories.answer(db, expert, "crow", project=project)
    factories.settle(db)

    db.refresh(task)
    assert (task.status, task.label, task.settled_by) == (TaskStatus.SETTLED, 0, "expert")
    assert task.confidence == 1.0
    assert _due(db, expert.id) == 6000


def test_an_adjudication_pays_the_crowd_too_and_frees_the_rest(db: Session, books: None) -> None:
    project, _ = factories.create_escalated(db)

    factories.answer(db, factories.create_worker(db, tier=4), "crow")
    factories.settle(db)

    crowd = db.scalars(text("SELECT worker_id FROM answers WHERE kind = 'answer'")).all()
    assert [_due(db, worker_id) for worker_id in crowd] == [PRICE, PRICE]
    assert _funds(db, project).reserved == 0
    assert _funds(db, project).spent == 2 * COST + 7200


def test_an_adjudication_is_certain_and_measures_those_who_answered(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db)

    factories.answer(db, factories.create_worker(db, tier=4), "crow")
    factories.settle(db)

    assert db.execute(text("SELECT task_id, label FROM known_labels")).one() == (task.id, 0)
    rows = db.execute(
        text("""SELECT n.label, r.reliability FROM answers n JOIN reliability r ON r.voter_id = n.worker_id
                 WHERE n.kind = 'answer' AND r.project_id = :id ORDER BY n.label"""),
        {"id": project.id},
    ).all()
    assert rows[0].reliability > rows[1].reliability


def test_a_task_that_closes_accepts_no_answer_of_another(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db)
    factories.create_task(db, project)
    (other,) = factories.answer_all(db, project, "rook")

    factories.answer(db, factories.create_worker(db, tier=4), "crow", kind=Kind.ADJUDICATION)
    factories.settle(db)

    db.refresh(task)
    assert task.status == TaskStatus.SETTLED
    of_other = text("SELECT n.status, e.status FROM answers n JOIN earnings e ON e.answer_ref = n.id WHERE n.id = :id")
    assert db.execute(of_other, {"id": other.id}).one() == ("submitted", "pending")


def test_an_experts_word_measures_the_crowd_at_once_while_other_tasks_are_open(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db)
    factories.create_task(db, project)
    crowd = db.scalars(select(Answer.worker_id).where(Answer.task_id == task.id).order_by(Answer.label)).all()
    before = reliability.of_voters(db, project.id, crowd)

    factories.answer(db, factories.create_worker(db, tier=4), "crow", kind=Kind.ADJUDICATION)
    factories.settle(db)

    after = reliability.of_voters(db, project.id, crowd)
    assert before[crowd[0]] == before[crowd[1]]
    assert after[crowd[0]] > after[crowd[1]]


def test_nobody_is_paid_before_the_expert_has_decided(db: Session, books: None) -> None:
    factories.create_escalated(db)

    assert set(db.scalars(text("SELECT status FROM earnings"))) == {"pending"}


# Delivered late, together, again


def test_an_answer_is_paid_although_its_task_settled_before_its_event_came(db: Session, books: None) -> None:
    project = factories.create_project(db, **QUICK)
    factories.create_task(db, project)
    answers = factories.answer_all(db, project, "rook", "rook", "rook")
    first, *others = factories.told(db)

    settlement.settle_answers(db, others)
    unpaid = _due(db, answers[0].worker_id)
    settlement.settle_answers(db, [first])

    assert db.scalar(text("SELECT status FROM tasks")) == "settled"
    assert (unpaid, _due(db, answers[0].worker_id)) == (0, PRICE)


def test_events_delivered_again_change_nothing(db: Session, books: None) -> None:
    project = factories.create_project(db, **QUICK)
    for _ in range(2):
        factories.create_task(db, project)
    workers = [factories.create_worker(db) for _ in range(3)]
    for worker in workers:
        factories.answer(db, worker)
        factories.answer(db, worker)
    events = factories.settle(db)
    before = _snapshot(db)

    for told in (events, events[::-1], events[:1], [*events, *events]):
        settlement.settle_answers(db, told)

    assert _snapshot(db) == before


def test_an_adjudication_delivered_again_changes_nothing(db: Session, books: None) -> None:
    factories.create_escalated(db)
    factories.answer(db, factories.create_worker(db, tier=4), "crow")
    events = factories.settle(db)
    before = _snapshot(db)

    settlement.settle_answers(db, events)

    assert _snapshot(db) == before


def test_nothing_waiting_is_no_work(db: Session) -> None:
    assert (settlement.revisit(db), list(settlement.refit_grown(db))) == (0, [])


@pytest.mark.parametrize("n_at_once", [2, 4])
def test_settlements_at_once_pay_everybody_once(house: House, n_at_once: int) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, **QUICK)
        for _ in range(6):
            factories.create_task(db, project)
        workers = [factories.create_worker(db) for _ in range(3)]
        for worker in workers:
            for _ in range(6):
                factories.answer(db, worker)
        events = factories.told(db)
        db.commit()
    start = threading.Barrier(n_at_once)

    def settle(number: int) -> None:
        with house.sessions() as session:
            start.wait(timeout=10)
            # Each has most of the events, in another order.
            told = events[number:] + events[: number + 3]
            settlement.settle_answers(session, told)
            session.commit()

    with ThreadPoolExecutor(n_at_once) as pool:
        list(pool.map(settle, range(n_at_once)))

    with house.sessions() as db:
        assert db.scalars(text("SELECT DISTINCT status FROM tasks")).all() == ["settled"]
        assert [_due(db, worker.id) for worker in workers] == [6 * PRICE] * 3


def test_settlements_of_one_project_take_turns_and_count_every_task(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, **QUICK)
        workers = [factories.create_worker(db) for _ in range(3)]
        for _ in range(3):
            factories.create_task(db, project)
        for worker in workers:
            factories.answer(db, worker, project=project)
        factories.settle(db)
        # So well known that neither settlement fits again, nor decides more than its own task.
        db.execute(text("UPDATE reliability SET n_votes = 1000"))
        db.execute(text("UPDATE project_fits SET n_votes = 1000"))
        factories.create_task(db, project)
        told = []
        for _ in range(2):
            for worker in workers:
                factories.answer(db, worker, project=project)
            told.append(factories.told(db))
        db.commit()
    with house.sessions() as one:
        settlement.settle_answers(one, told[0])
        with held_up(house, lambda other: settlement.settle_answers(other, told[1])) as acting:
            one.commit()
            acting.result()

    with house.sessions() as db:
        settled = db.scalar(text("SELECT count(*) FROM tasks WHERE status = 'settled'"))
        assert settled == db.get_one(Project, project.id).n_settled == 2


# Waiting


def test_settling_and_sending_tasks_at_once_do_not_wait_for_each_other_in_a_circle(house: House) -> None:
    with house.sessions() as db:
        requester = factories.create_requester(db)
        project = factories.create_project(db, requester, overlap_min=1, overlap_max=1, confidence_target=0.5)
        batch = factories.create_batch(db, project)
        worker = factories.create_worker(db)
        for _ in range(80):
            factories.create_task(db, project, batch)
        db.commit()
    done = threading.Event()

    def send() -> int:
        sent = 0
        while not done.is_set():
            with house.sessions() as db:
                factories.create_task(db, db.get_one(Project, project.id), db.get_one(Batch, batch.id))
                db.commit()
            sent += 1
        return sent

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        for _ in range(80):
            with house.sessions() as db:
                factories.answer(db, worker)
                db.commit()
            house.settle()
        done.set()
        assert sending.result() > 0
    house.settle()

    with house.sessions() as db:
        assert db.scalar(text("SELECT count(*) FROM earnings WHERE status = 'due'")) > 20
        deadlocks = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert db.scalar(deadlocks) == 0


def test_a_project_that_cannot_be_decided_does_not_keep_others_waiting(house: House) -> None:
    with house.sessions() as db:
        waiting = [_waiting(db) for _ in range(2)]
        age(db, "tasks", "updated_at", int(PATIENCE.total_seconds()) + 60)
        db.commit()
    with house.sessions() as holder:
        outbox.hold_stream(holder, waiting[0][0].id)

        for _ in range(20):
            with house.sessions() as db:
                settlement.revisit(db)
                db.commit()

    with house.sessions() as db:
        assert db.get_one(Task, (waiting[0][1].id, waiting[0][0].id)).status == TaskStatus.OPEN
        assert db.get_one(Task, (waiting[1][1].id, waiting[1][0].id)).status == TaskStatus.SETTLED


def test_a_late_answer_leaves_the_consensus_of_a_final_task_alone(db: Session, books: None) -> None:
    project = factories.create_project(db, **QUICK)
    task = factories.create_task(db, project)
    answers = factories.answer_all(db, project, "rook", "rook", "rook")
    events = factories.told(db)
    settlement.settle_answers(db, events[1:])
    before = _decision(db, task)

    settlement.settle_answers(db, events[:1])

    assert task.status == TaskStatus.SETTLED
    assert _decision(db, task) == before
    assert _due(db, answers[0].worker_id) > 0


def _waiting(db: Session) -> tuple[Project, Task]:
    """A task whose answers agree, by voters whom nobody knows yet, while another task is still open."""
    project = factories.create_project(db, **{**QUICK, "expert_share": 0.1})
    task = factories.create_task(db, project)
    workers = [factories.create_worker(db) for _ in range(3)]
    for worker in workers:
        factories.answer(db, worker, project=project)
    factories.create_task(db, project)
    factories.settle(db)
    return project, task


def test_a_consensus_of_unknown_voters_waits_while_more_is_to_come(db: Session, books: None) -> None:
    _, task = _waiting(db)

    db.refresh(task)
    assert task.status == TaskStatus.OPEN
    assert _decision(db, task)[0] == "wait"


def test_work_in_other_projects_keeps_no_task_waiting(db: Session, books: None) -> None:
    factories.create_escalated(db)
    other = factories.create_project(db)
    factories.create_task(db, other)
    factories.claim(db, factories.create_worker(db), other)
    project = factories.create_project(db, **QUICK)
    task = factories.create_task(db, project)

    factories.answer_all(db, project, "rook", "rook", "rook")
    factories.settle(db)

    db.refresh(task)
    assert task.status == TaskStatus.SETTLED


def test_a_task_that_waits_is_decided_with_the_last_answer(db: Session, books: None) -> None:
    project, task = _waiting(db)

    factories.answer_all(db, project, "rook", "rook", "rook")
    factories.settle(db)

    assert db.scalars(text("SELECT status FROM tasks")).all() == ["settled", "settled"]
    db.refresh(task)
    assert task.label == 1


def test_a_task_that_waits_too_long_is_decided_as_if_nothing_more_came(db: Session, books: None) -> None:
    _, task = _waiting(db)
    early = settlement.revisit(db)

    age(db, "tasks", "updated_at", int(PATIENCE.total_seconds()) + 1)
    revisited = settlement.revisit(db)

    db.refresh(task)
    assert (early, revisited) == (0, 1)
    assert task.status == TaskStatus.SETTLED
    assert settlement.revisit(db) == 0


def test_a_project_too_large_to_fit_beside_its_settlement_is_fitted_by_the_clock(
    db: Session, books: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reliability, "INLINE_VOTES_MAX", 0)
    project, task = _waiting(db)
    others = factories.answer_all(db, project, "rook", "rook", "rook")
    factories.settle(db)
    before = db.scalar(text("SELECT n_votes FROM project_fits")), task.status

    assert [len(list(settlement.refit_grown(db))) > 0 for _ in range(2)] == [True, False]

    db.refresh(task)
    assert (before, task.status) == ((3, TaskStatus.OPEN), TaskStatus.SETTLED)
    assert db.scalar(text("SELECT n_votes FROM project_fits")) == 6
    assert reliability.of_voters(db, project.id, [answer.worker_id for answer in others]).keys() == {
        answer.worker_id for answer in others
    }
    assert set(db.scalars(text("SELECT status FROM earnings"))) == {"due"}


def test_a_large_project_is_decided_with_its_last_answer_if_no_fit_is_due(
    db: Session, books: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reliability, "INLINE_VOTES_MAX", 0)
    monkeypatch.setattr(reliability, "GROWTH", 10.0)
    project, _ = _waiting(db)

    factories.answer_all(db, project, "rook", "rook", "rook")
    factories.settle(db)

    assert list(settlement.refit_grown(db)) == []
    assert db.scalars(text("SELECT status FROM tasks")).all() == ["settled", "settled"]


def test_settlements_go_on_while_a_large_project_is_fitted_and_nothing_they_count_is_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reliability, "INLINE_VOTES_MAX", 0)
    with house.sessions() as session:
        project, _ = _waiting(session)
        session.commit()
    with house.sessions() as session:
        fitting = settlement.refit(session, project.id, cause="asked")
        for _ in range(3):
            next(fitting)
            session.commit()

        with house.sessions() as other:
            late = factories.answer_all(other, other.get_one(Project, project.id), "rook", "rook", "rook")
            other.commit()
        settled = house.settle()
        jobs.run_steps(session, fitting)

    with house.sessions() as session:
        voters = select(func.unnest(text("voters"))).select_from(text("contributions"))
        assert settled == 3
        assert {answer.worker_id for answer in late} <= set(session.scalars(voters))
        assert session.scalars(text("SELECT state FROM refits ORDER BY number")).all()[-1] == "done"
        assert set(session.scalars(text("SELECT n_votes FROM reliability"))) == {1}


def test_no_open_slot_is_decided_by_the_clock(db: Session, books: None) -> None:
    _waiting(db)

    age(db, "tasks", "updated_at", int(PATIENCE.total_seconds()) + 1)
    settlement.revisit(db)

    assert sorted(db.scalars(text("SELECT status FROM tasks"))) == ["open", "settled"]


def test_a_project_is_decided_by_its_own_settings_and_the_prices_of_its_card(db: Session, books: None) -> None:
    project = factories.create_project(
        db, overlap_min=2, overlap_max=5, confidence_target=0.8, expert_share=0.1, tier_min=1
    )

    rule = settlement._rule(db, project, rates.dearest(db, project.id, tier_max=3))

    # An expert at 0.60 costs as much as thirty answers at 0.02.
    assert rule == Rule(overlap_min=2, overlap_max=5, confidence_min=0.8, expert_price=30, expert_share=0.1)


def test_a_cap_on_answers_is_never_passed(db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=2, overlap_max=4, confidence_target=0.9999, expert_share=0.0)
    task = factories.create_task(db, project)

    for i in range(6):
        worker = factories.create_worker(db)
        if assignment.claim(db, worker.id) is not None:
            (lease,) = assignment.leases(db, worker.id, PageRequest(1)).items
            category = "crow" if i % 2 else "rook"
            assignment.submit(db, worker.id, lease.id, fence=lease.fence, payload={"category": category})
        factories.settle(db)

    db.refresh(task)
    assert (task.status, task.overlap) == (TaskStatus.SETTLED, 4)
    assert db.query(Answer).filter_by(kind=Kind.ANSWER).count() == 4


def test_a_task_drawn_for_a_spot_check_is_decided_by_an_expert_and_tells_of_the_crowd(db: Session) -> None:
    project = factories.create_project(db, **{**QUICK, "expert_share": 1.0, "spot_share": 1.0})
    task = factories.create_task(db, project)
    factories.answer_all(db, project, "crow", "crow", "crow")

    factories.settle(db)

    assert task.status == TaskStatus.ESCALATED
    factories.answer(db, factories.create_worker(db, tier=4), "rook")
    factories.settle(db)
    assert (task.status, task.label) == (TaskStatus.SETTLED, 1)
    assert db.scalars(text("SELECT is_sample FROM known_labels")).all() == [True]


# Experts: a second opinion, a panel, a budget, a wait that ends


def _rule(db: Session, project: Project, *categories: str) -> list[Answer]:
    """The word of one new expert for each category."""
    experts = [factories.create_worker(db, tier=4) for _ in categories]
    pairs = zip(experts, categories, strict=True)
    return [factories.answer(db, expert, said, project=project, kind=Kind.ADJUDICATION) for expert, said in pairs]


def test_two_experts_who_agree_apart_decide_a_task(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db, second_opinion_share=1.0)
    _rule(db, project, "crow")
    factories.settle(db)
    assert (task.status, task.free_slots) == (TaskStatus.ESCALATED, 1)
    assert db.execute(text("SELECT FROM known_labels")).all() == []

    rulings = _rule(db, project, "crow")
    factories.settle(db)

    assert (task.status, task.label, task.settled_by) == (TaskStatus.SETTLED, 0, "expert")
    assert db.execute(text("SELECT task_id, label FROM known_labels")).one() == (task.id, 0)
    assert _due(db, rulings[0].worker_id) == 6000


def test_a_second_opinion_that_is_on_its_way_is_waited_for(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db, second_opinion_share=1.0, panel_size=3)
    _rule(db, project, "crow", "rook")
    first, second = factories.told(db)

    settlement.settle_answers(db, [first])

    assert (task.status, task.free_slots, task.experts_asked) == (TaskStatus.ESCALATED, 0, 2)
    settlement.settle_answers(db, [second])
    assert (task.status, task.free_slots, task.experts_asked) == (TaskStatus.ESCALATED, 1, 3)


def test_nobody_decides_by_the_first_words_of_a_panel_while_another_is_on_its_way(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db, second_opinion_share=1.0, panel_size=5)
    _rule(db, project, "crow", "rook")
    factories.settle(db)
    _rule(db, project, "rook")
    age(db, "tasks", "escalated_at", 86_401)

    settlement.without_expert(db)

    db.refresh(task)
    assert (task.status, task.label) == (TaskStatus.ESCALATED, None)
    factories.settle(db)
    settlement.without_expert(db)
    db.refresh(task)
    assert (task.status, task.label) == (TaskStatus.SETTLED, 1)


def test_two_experts_who_differ_call_a_panel_and_most_of_it_decides(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db, second_opinion_share=1.0, panel_size=5)

    _rule(db, project, "crow", "rook")
    factories.settle(db)

    assert (task.status, task.free_slots, task.experts_asked) == (TaskStatus.ESCALATED, 3, 5)
    _rule(db, project, "rook", "crow", "rook")
    factories.settle(db)
    assert (task.status, task.label, task.settled_by) == (TaskStatus.SETTLED, 1, "expert")
    assert db.scalar(text("SELECT count(*) FROM answers WHERE status = 'accepted' AND kind = 'adjudication'")) == 5


def test_a_panel_larger_than_the_crowd_is_paid_out_of_what_was_reserved(db: Session, books: None) -> None:
    project = factories.create_project(
        db, overlap_min=1, overlap_max=1, expert_share=1.0, confidence_target=0.9999, second_opinion_share=1.0,
        panel_size=9,
    )  # fmt: skip
    task = factories.create_task(db, project)
    factories.answer_all(db, project, "crow")
    factories.settle(db)
    _rule(db, project, "crow", "rook")
    factories.settle(db)

    _rule(db, project, *["crow", "rook"] * 3, "rook")
    factories.settle(db)

    assert (task.status, task.label) == (TaskStatus.SETTLED, 1)
    assert (_funds(db, project).reserved, _funds(db, project).spent) == (0, COST + 9 * 7200)


def test_nobody_rules_on_one_task_twice(db: Session) -> None:
    project, _ = factories.create_escalated(db, second_opinion_share=1.0)
    (ruling,) = _rule(db, project, "crow")
    factories.settle(db)

    assert assignment.claim(db, ruling.worker_id, project_id=project.id) is None


def test_a_share_of_the_tasks_gets_a_second_opinion_whatever_is_drawn_for_a_spot_check(db: Session) -> None:
    project = factories.create_project(db, second_opinion_share=0.5, spot_share=0.5)
    task_ids = [f"tsk_{number}" for number in range(400)]

    second = {task_id for task_id in task_ids if settlement._n_experts(b"secret", project, task_id) == 2}
    spots = {task_id for task_id in task_ids if settlement._is_spot(b"secret", project, task_id)}

    assert 150 < len(second) < 250
    assert 70 < len(second & spots) < 130


def test_a_day_has_so_many_experts_and_the_next_day_as_many_again(db: Session, books: None) -> None:
    project = factories.create_project(
        db, overlap_min=2, overlap_max=2, expert_share=1.0, confidence_target=0.95, experts_per_day=1,
        without_expert="park",
    )  # fmt: skip
    first, second = factories.create_task(db, project), factories.create_task(db, project)
    workers = [factories.create_worker(db), factories.create_worker(db)]
    for worker, category in zip(workers, ("crow", "rook"), strict=True):
        for _ in range(2):
            factories.answer(db, worker, category, project=project)
    factories.settle(db)
    assert sorted([first.status, second.status]) == [TaskStatus.ESCALATED, TaskStatus.OPEN]

    _rule(db, project, "crow")
    factories.settle(db)
    assert sorted([first.status, second.status]) == [TaskStatus.OPEN, TaskStatus.SETTLED]
    db.execute(text("UPDATE projects SET escalated_on = escalated_on - 1"))
    age(db, "tasks", "updated_at", int(PATIENCE.total_seconds()) + 1)
    settlement.revisit(db)

    assert sorted([first.status, second.status]) == [TaskStatus.ESCALATED, TaskStatus.SETTLED]


DRAWN: dict[str, Any] = {"overlap_min": 2, "overlap_max": 3, "confidence_target": 0.6, "spot_share": 1.0}


def _abandoned(db: Session, **settings: Any) -> tuple[Project, Task]:
    """A task, drawn for a spot check, that no expert has taken in its time."""
    project = factories.create_project(db, **{**DRAWN, "expert_share": 1.0, **settings})
    task = factories.create_task(db, project)
    factories.answer_all(db, project, "rook", "rook")
    factories.settle(db)
    assert task.status == TaskStatus.ESCALATED
    age(db, "tasks", "escalated_at", 86_401)
    assert settlement.without_expert(db) == (0 if settings.get("without_expert") == "park" else 1)
    db.refresh(task)
    return project, task


def test_a_task_that_no_expert_takes_asks_one_more_worker(db: Session, books: None) -> None:
    project, task = _abandoned(db)

    assert (task.status, task.overlap, task.free_slots) == (TaskStatus.OPEN, 3, 1)
    assert project.n_escalated == 0
    factories.answer_all(db, project, "rook")
    factories.settle(db)
    assert (task.status, task.free_slots) == (TaskStatus.ESCALATED, 1)
    _rule(db, project, "crow")
    factories.settle(db)
    assert (task.status, task.label, task.flagged) == (TaskStatus.SETTLED, 0, False)


def test_a_task_that_no_expert_takes_is_settled_and_flagged_where_no_more_may_be_asked(
    db: Session, books: None
) -> None:
    project, task = _abandoned(db, overlap_max=2)

    assert (task.status, task.label, task.settled_by, task.flagged) == (TaskStatus.SETTLED, 1, "consensus", True)
    assert (project.n_settled, project.n_escalated) == (1, 0)
    assert _funds(db, project).reserved == 0


def test_a_task_that_no_expert_takes_is_settled_and_flagged_if_its_project_says_so(db: Session, books: None) -> None:
    _, task = _abandoned(db, without_expert="settle")

    assert (task.status, task.flagged) == (TaskStatus.SETTLED, True)


def test_a_task_that_no_expert_takes_stays_parked_if_its_project_says_so(db: Session, books: None) -> None:
    _, task = _abandoned(db, without_expert="park")

    assert task.status == TaskStatus.ESCALATED


def test_a_task_that_an_expert_holds_is_not_taken_away(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db)
    expert = factories.create_worker(db, tier=4)
    lease = factories.claim(db, expert, project)
    age(db, "tasks", "escalated_at", 86_401)

    assert settlement.without_expert(db) == 0

    factories.submit(db, expert, lease, "crow")
    assert settlement.without_expert(db) == 0
    factories.settle(db)
    assert (task.status, task.label) == (TaskStatus.SETTLED, 0)


def test_the_one_word_of_two_decides_when_nobody_else_comes(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db, second_opinion_share=1.0)
    _rule(db, project, "crow")
    factories.settle(db)
    age(db, "tasks", "escalated_at", 86_401)

    assert settlement.without_expert(db) == 1

    db.refresh(task)
    assert (task.status, task.label, task.settled_by) == (TaskStatus.SETTLED, 0, "expert")


def test_what_a_wrong_label_costs_is_weighed_in_answers(db: Session) -> None:
    project = factories.create_project(db)
    answer = rates.dearest(db, project.id, tier_max=3)

    assert settlement._stake(Decimal("2.50"), answer) == 125
    assert settlement._stake(None, answer) == 0


@pytest.mark.parametrize(("of_project", "of_task", "action"), [
    (None, None, "settle"), ("100", None, "escalate"), ("100", "0.01", "settle"), (None, "100", "escalate"),
])  # fmt: skip
def test_a_task_whose_wrong_label_costs_much_goes_to_an_expert_above_the_target(
    db: Session, books: None, of_project: str | None, of_task: str | None, action: str
) -> None:
    project = factories.create_project(db, **{**QUICK, "expert_share": 1.0, "error_cost": of_project})
    task = factories.create_task(db, project, error_cost=of_task)

    factories.answer_all(db, project, "rook", "rook", "rook")
    factories.settle(db)

    assert _decision(db, task)[0] == action


# The next answer: kept for a while for those who stand out


def _kept(db: Session, **settings: Any) -> tuple[Project, Task, Worker]:
    """A task beyond its least overlap, and the one known worker who tells much of it and has not answered."""
    chosen = {"overlap_min": 2, "overlap_max": 6, "confidence_target": 0.99, "expert_share": 0.0, **settings}
    project = factories.create_project(db, **chosen)
    task = factories.create_task(db, project)
    sharp = factories.create_worker(db)
    for number in range(40):
        label = number % 2
        for voter in ("a", "b", "c", sharp.id):
            wrong = voter != sharp.id and (number + ord(voter)) % 3 == 0
            votes.cast(
                db, project_id=project.id, task_id=f"t{number}", voter_id=voter, label=1 - label if wrong else label
            )
    factories.answer_all(db, project, "crow", "rook")
    db.execute(text("DELETE FROM project_fits"))
    factories.settle(db)
    assert (task.status, task.overlap, task.free_slots) == (TaskStatus.OPEN, 3, 1)
    return project, task, sharp


def test_an_answer_beyond_the_least_is_kept_for_who_tells_more_of_the_task(db: Session) -> None:
    project, task, sharp = _kept(db)

    assert task.kept_for is not None
    assert sharp.id in task.kept_for
    assert assignment.claim(db, factories.create_worker(db).id, project_id=project.id) is None
    assert factories.claim(db, sharp, project).task_id == task.id


def test_a_kept_task_is_everybodys_after_a_while_even_of_those_who_passed_it(db: Session) -> None:
    project, task, _ = _kept(db)
    passing = factories.create_worker(db)
    factories.create_task(db, project)
    factories.claim(db, passing, project)
    age(db, "tasks", "kept_until", 601)

    assert tasks.free_kept(db) == 1

    db.refresh(task)
    assert (task.kept_for, task.kept_until) == (None, None)
    assert factories.claim(db, passing, project).task_id == task.id


def test_a_kept_task_that_goes_to_an_expert_is_kept_for_nobody(db: Session) -> None:
    project, task, sharp = _kept(db, overlap_max=3, confidence_target=0.9999, expert_share=1.0)
    factories.submit(db, sharp, factories.claim(db, sharp, project), "rook")
    factories.settle(db)
    assert task.status == TaskStatus.ESCALATED

    _rule(db, project, "crow")
    factories.settle(db)

    assert (task.status, task.label) == (TaskStatus.SETTLED, 0)


def test_nothing_is_kept_in_a_project_that_does_not_want_it(db: Session) -> None:
    _, task, _ = _kept(db, keep_seconds=0)

    assert (task.kept_for, task.kept_until) == (None, None)


def test_a_target_on_average_is_reached_by_surer_labels(db: Session, books: None) -> None:
    project = factories.create_project(db, **{**QUICK, "confidence_target": 0.8, "target_basis": "mean"})
    sure, split = factories.create_task(db, project), factories.create_task(db, project)
    for worker, second in zip([factories.create_worker(db) for _ in range(3)], ("rook", "rook", "crow"), strict=True):
        factories.answer(db, worker, "rook", project=project)
        factories.answer(db, worker, second, project=project)
    factories.settle(db)

    assert (sure.status, split.status) == (TaskStatus.SETTLED, TaskStatus.SETTLED)
    assert project.error_settled == pytest.approx(2 - (sure.confidence or 0) - (split.confidence or 0))


def _confidence(house: House, task_id: str) -> float:
    with house.sessions() as db:
        found = db.execute(text("SELECT confidence FROM consensus WHERE task_id = :id"), {"id": task_id})
        return float(found.scalar_one())


def test_what_waits_is_weighed_again_when_a_quarantine_begins_and_when_it_ends(house: House) -> None:
    with house.sessions() as db:
        project, task = _waiting(db)
        worker = db.get_one(Worker, db.scalars(select(Answer.worker_id)).first())
        factories.propose(db, project, worker)
        (proposed,) = db.scalars(quarantine.listed())
        db.commit()
    house.settle()
    before = _confidence(house, task.id)

    with house.sessions() as db:
        quarantine.activate(db, proposed.id, reason="Seen.", decided_by="ops")
        db.commit()
    house.settle()
    during = _confidence(house, task.id)
    with house.sessions() as db:
        age(db, "quarantines", "decided_at", 14 * 86_400)
        age(db, "quarantines", "ends_at", 14 * 86_400)
        quarantine.expire(db)
        db.commit()
    house.settle()

    assert during < before
    assert _confidence(house, task.id) == before


def test_a_worker_in_quarantine_answers_and_is_paid(db: Session, books: None) -> None:
    project = factories.create_project(db, **QUICK)
    factories.create_task(db, project)
    worker = factories.create_worker(db)
    factories.propose(db, project, worker)
    (proposed,) = db.scalars(quarantine.listed())
    quarantine.activate(db, proposed.id, reason="Seen.", decided_by="ops")

    factories.answer(db, worker)
    factories.answer_all(db, project, "rook", "rook")
    factories.settle(db)

    assert _due(db, worker.id) == PRICE


def test_a_final_task_keeps_its_label_when_a_quarantine_begins(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, **QUICK)
        task = factories.create_task(db, project)
        answers = factories.answer_all(db, project, "rook", "rook", "rook")
        factories.settle(db)
        factories.propose(db, project, *(db.get_one(Worker, answer.worker_id) for answer in answers))
        for proposed in db.scalars(quarantine.listed()).all():
            quarantine.activate(db, proposed.id, reason="Seen.", decided_by="ops")
        before = _decision(db, task)
        db.commit()

    house.settle()

    with house.sessions() as db:
        assert _decision(db, task) == before


# Settled tasks that a refit would decide otherwise


def _revised(db: Session, **settings: Any) -> tuple[Project, Task]:
    """A task that three settled as a rook, and of which a refit says that it is a crow."""
    project = factories.create_project(db, **{**QUICK, "expert_share": 1.0, **settings})
    task = factories.create_task(db, project)
    factories.answer_all(db, project, "rook", "rook", "rook")
    factories.settle(db)
    assert (task.status, task.label) == (TaskStatus.SETTLED, 1)
    db.execute(
        text("""
        INSERT INTO revisions (project_id, refit, task_id, settled_label, settled_confidence, label, confidence)
        VALUES (:project_id, 7, :task_id, 1, 0.9, 0, 0.8)
        """),
        {"project_id": project.id, "task_id": task.id},
    )
    return project, task


def _told_of_revision(db: Session, project: Project) -> None:
    settlement.reopen(db, [ConsensusRevised(project.id, 7, 1)])


def test_a_revised_task_is_shown_to_an_expert_and_paid_out_of_a_reserve_of_its_own(db: Session, books: None) -> None:
    project, task = _revised(db, when_revised="reopen")

    _told_of_revision(db, project)

    assert (task.status, task.free_slots, project.n_settled, project.n_escalated) == (TaskStatus.ESCALATED, 1, 0, 1)
    assert _funds(db, project).reserved == 3 * COST + 7200
    (ruling,) = _rule(db, project, "crow")
    factories.settle(db)
    assert (task.status, task.label, task.settled_by) == (TaskStatus.SETTLED, 0, "expert")
    assert (_funds(db, project).reserved, _funds(db, project).spent) == (0, 3 * COST + 7200)
    assert _due(db, ruling.worker_id) == 6000


def test_a_revised_task_that_no_expert_takes_is_settled_again(db: Session, books: None) -> None:
    project, task = _revised(db, when_revised="reopen")
    _told_of_revision(db, project)
    age(db, "tasks", "escalated_at", 86_401)

    assert settlement.without_expert(db) == 1

    db.refresh(task)
    assert (task.status, task.settled_by, task.flagged) == (TaskStatus.SETTLED, "consensus", True)
    assert (project.n_settled, project.n_escalated, _funds(db, project).reserved) == (1, 0, 0)


def test_a_revised_task_is_only_told_unless_its_project_says_otherwise(db: Session, books: None) -> None:
    project, task = _revised(db)

    _told_of_revision(db, project)

    assert task.status == TaskStatus.SETTLED


def test_a_revised_task_stays_settled_where_no_expert_or_no_money_is_left(db: Session, books: None) -> None:
    project, task = _revised(db, when_revised="reopen", experts_per_day=0)
    _told_of_revision(db, project)
    assert task.status == TaskStatus.SETTLED

    poor = factories.create_requester(db, funds="0.85")
    other = factories.create_project(db, poor, **{**QUICK, "expert_share": 1.0, "when_revised": "reopen"})
    mine = factories.create_task(db, other)
    factories.answer_all(db, other, "rook", "rook", "rook")
    factories.settle(db)
    db.execute(text("UPDATE revisions SET project_id = :p, task_id = :t"), {"p": other.id, "t": mine.id})
    _told_of_revision(db, other)

    assert (mine.status, mine.reopened) == (TaskStatus.SETTLED, 0)


def test_told_twice_a_revised_task_is_opened_once(db: Session, books: None) -> None:
    project, task = _revised(db, when_revised="reopen")

    _told_of_revision(db, project)
    _told_of_revision(db, project)

    assert (task.reopened, task.free_slots) == (1, 1)

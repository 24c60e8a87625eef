"""Gold among the tasks: who meets it, how it looks to them, what it costs, and how it ends."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import Invalid, NotFound
from payments import funding
from payments.ledger import InsufficientFunds
from quality import gold
from quality.gold_words import Ending
from tests import factories
from tests.conftest import House, age
from workforce import assignment, audits, golds, projects, settlement, tasks
from workforce.models import Answer, AnswerStatus, Assignment, AuditVerdict, Project, Task, TaskStatus, Worker

Token = Callable[..., str]
ONE_ANSWER: dict[str, Any] = {"overlap_min": 1, "overlap_max": 1, "confidence_target": 0.5, "expert_share": 0.0}


def _with_gold(db: Session, *, n_tasks: int = 2, **settings: Any) -> tuple[Project, list[Task], gold.View]:
    project = factories.create_gold_project(db, **settings)
    made = [factories.create_task(db, project) for _ in range(n_tasks)]
    return project, made, factories.create_gold(db, project)


def _row(db: Session, lease: assignment.Lease) -> Assignment:
    rows = select(Assignment).where(Assignment.id == lease.id).execution_options(populate_existing=True)
    return db.scalars(rows).one()


def _status(db: Session, task_id: str) -> str:
    return db.scalars(select(Task.status).where(Task.id == task_id)).one()


# Making it


def test_a_gold_sets_aside_what_all_may_earn_who_may_meet_it(db: Session, books: None) -> None:
    project = factories.create_gold_project(db)

    made = factories.create_gold(db, project, exposures_max=30)

    (funds,) = funding.of_owner(db, project.requester_id)
    assert funds.reserved == 30 * funding.with_fee(200)
    assert (made.status, made.exposures, made.exposures_max) == ("active", 0, 30)


def test_a_gold_that_cannot_be_paid_for_is_refused(db: Session, books: None) -> None:
    project = factories.create_gold_project(db, requester=factories.create_requester(db, funds="1"))

    with pytest.raises(InsufficientFunds), db.begin_nested():
        factories.create_gold(db, project, exposures_max=1000)


def test_a_project_that_gives_no_gold_takes_none(db: Session) -> None:
    with pytest.raises(golds.GoldNotWanted):
        factories.create_gold(db, factories.create_project(db))


def test_a_gold_has_one_of_its_projects_labels(db: Session) -> None:
    project = factories.create_gold_project(db)

    assert golds.label_of(project, "rook") == 1
    with pytest.raises(Invalid):
        golds.label_of(project, "raven")


def test_gold_is_no_work_that_a_requester_waits_for(db: Session, books: None) -> None:
    project, made, given = _with_gold(db)

    listed = db.scalars(tasks.listed(project.requester_id)).all()

    assert {task.id for task in listed} == {task.id for task in made}
    assert projects.progress(db, project).tasks["open"] == 2
    assert tasks.status_counts(db, made[0].batch_id) == {"open": 2}
    with pytest.raises(NotFound):
        tasks.find(db, project.requester_id, given.task_id)


# Meeting it


def test_a_worker_meets_a_gold_before_the_task_that_is_next(db: Session, books: None) -> None:
    project, (first, second), given = _with_gold(db)
    worker = factories.create_worker(db)

    leases = [factories.claim(db, worker, project) for _ in range(3)]

    assert [_row(db, lease).task_id for lease in leases] == [given.task_id, first.id, second.id]
    assert assignment.claim(db, worker.id) is None
    (met,) = gold.stand_ins(db, project.id, ahead_of=[first.id, second.id])
    assert (met.task_id, met.voter_id, met.ahead_of) == (given.task_id, worker.id, first.id)


def test_a_project_without_a_share_for_gold_asks_nothing_about_it(db: Session, books: None) -> None:
    project = factories.create_project(db)
    factories.create_task(db, project)

    lease = factories.claim(db, factories.create_worker(db), project)

    assert _row(db, lease).shown_as is None


def _statements(db: Session, project: Project) -> int:
    """How many statements one claim takes."""
    worker, counted = factories.create_worker(db), []
    connection = db.connection()

    def count(*_: object) -> None:
        counted.append(1)

    event.listen(connection, "before_cursor_execute", count)
    factories.claim(db, worker, project)
    event.remove(connection, "before_cursor_execute", count)
    return len(counted)


def test_a_claim_costs_nothing_more_where_there_is_no_gold(db: Session, books: None) -> None:
    plain = factories.create_project(db)
    factories.create_task(db, plain)
    rare, _, _ = _with_gold(db, gold_share=1e-9)
    often, _, _ = _with_gold(db)

    # Who may, at what price, which task; with gold also which task is next and whose turn it is; then the gold itself.
    assert [_statements(db, project) for project in (plain, rare, often)] == [3, 5, 8]


def test_the_share_of_gold_is_what_was_asked_for() -> None:
    turns = [gold.is_turn(b"secret", "wrk_1", f"tsk_{number}", 0.2) for number in range(4000)]

    # A gold before every fourth task is a fifth of all.
    assert sum(turns) / (len(turns) + sum(turns)) == pytest.approx(0.2, abs=0.02)


def test_whose_turn_it_is_depends_on_the_worker_the_task_and_the_houses_secret() -> None:
    def turns(secret: bytes, voter_id: str) -> list[bool]:
        return [gold.is_turn(secret, voter_id, f"tsk_{number}", 0.3) for number in range(100)]

    assert turns(b"a", "wrk_1") == turns(b"a", "wrk_1")
    assert turns(b"a", "wrk_1") != turns(b"b", "wrk_1")
    assert turns(b"a", "wrk_1") != turns(b"a", "wrk_2")


def test_the_gold_that_the_fewest_have_met_is_next(db: Session, books: None) -> None:
    project, _, given = _with_gold(db)
    other = factories.create_gold(db, project)

    met = [_row(db, factories.claim(db, factories.create_worker(db), project)).task_id for _ in range(4)]

    assert met == [given.task_id, other.task_id, given.task_id, other.task_id]


def test_nobody_meets_a_gold_twice(db: Session, books: None) -> None:
    project, made, given = _with_gold(db, n_tasks=3)
    worker = factories.create_worker(db)

    leases = [factories.claim(db, worker, project) for _ in range(4)]

    assert [_row(db, lease).task_id for lease in leases] == [given.task_id, *(task.id for task in made)]


def test_giving_a_gold_back_leads_on_to_the_ordinary_task(db: Session, books: None) -> None:
    project, (first, second), _ = _with_gold(db)
    factories.create_gold(db, project)
    worker = factories.create_worker(db)

    for expected in (None, first.id, None, second.id):
        lease = factories.claim(db, worker, project)
        assignment.release(db, worker.id, lease.id, fence=lease.fence)
        assert (_row(db, lease).shown_as is not None) == (expected is None)
        assert expected in {None, _row(db, lease).task_id}


def test_a_gold_that_is_given_back_or_lapses_can_be_met_by_as_many(db: Session, books: None) -> None:
    project, _, given = _with_gold(db)
    worker, other = factories.create_worker(db), factories.create_worker(db)
    lease = factories.claim(db, worker, project)
    assignment.release(db, worker.id, lease.id, fence=lease.fence)
    factories.claim(db, other, project)
    age(db, "assignments", "lease_expires_at", 7200)

    assignment.expire(db)

    assert db.get_one(Task, (given.task_id, project.id), populate_existing=True).free_slots == 10


def test_a_late_answer_to_gold_counts(db: Session, books: None) -> None:
    project, _, _ = _with_gold(db)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker, project)
    age(db, "assignments", "lease_expires_at", 7200)
    assignment.expire(db)

    answer = factories.submit(db, worker, lease)

    assert answer.late


def test_whoever_answered_the_task_that_a_gold_was_made_from_never_meets_it(db: Session, books: None) -> None:
    project = factories.create_gold_project(db, **ONE_ANSWER)
    origin = factories.create_task(db, project)
    knows, other = factories.create_worker(db), factories.create_worker(db)
    factories.answer(db, knows, project=project)
    factories.settle(db)
    factories.create_gold(db, project, origin_id=origin.id)
    factories.create_task(db, project)

    leases = [factories.claim(db, worker, project) for worker in (other, knows)]

    assert [_row(db, lease).shown_as is not None for lease in leases] == [True, False]


def test_nobody_is_given_gold_when_nothing_else_is_left(db: Session, books: None) -> None:
    project, _, _ = _with_gold(db, n_tasks=0)

    assert assignment.claim(db, factories.create_worker(db).id, project_id=project.id) is None


def test_gold_counts_among_the_tasks_that_one_may_hold(db: Session, books: None) -> None:
    project, _, _ = _with_gold(db, n_tasks=assignment.LEASES_MAX + 2)
    for _ in range(5):
        factories.create_gold(db, project)
    worker = factories.create_worker(db)
    for _ in range(assignment.LEASES_MAX):
        factories.claim(db, worker, project)

    with pytest.raises(assignment.LeaseCapReached):
        assignment.claim(db, worker.id, project_id=project.id)


# How it looks


def _lives(db: Session, client: FlaskClient, token: Token) -> tuple[list[Any], ...]:
    """What a worker is shown of a gold and of an ordinary task, from the claim to the pay."""
    project, _, _ = _with_gold(db, **ONE_ANSWER)
    worker = factories.create_worker(db)
    db.commit()
    headers = {"Authorization": f"Bearer {token('worker', worker.id)}"}
    shown: tuple[list[Any], ...] = ([], [])
    for life in shown:
        lease = client.post("/api/claims", json={"project_id": project.id}, headers=headers).get_json()
        life += [lease, *client.get("/api/me/assignments", headers=headers).get_json()["items"]]
        body = {"fence": lease["fence"]}
        life.append(client.post(f"/api/assignments/{lease['id']}/renewal", json=body, headers=headers).get_json())
        body["payload"] = {"category": "rook"}
        life.append(client.post(f"/api/assignments/{lease['id']}/answer", json=body, headers=headers).get_json())
        db.rollback()
        factories.settle(db)
        db.commit()
    for address in ("/api/me/answers", "/api/me/earnings"):
        items = client.get(address, headers=headers).get_json()["items"]
        for life, item in zip(shown, reversed(items), strict=True):
            life.append(item)
    return shown


def test_a_gold_and_an_ordinary_task_look_the_same_from_claim_to_pay(
    db: Session, client: FlaskClient, token: Token, books: None
) -> None:
    of_gold, ordinary = _lives(db, client, token)

    ids_and_times = {"id", "task_id", "assignment_id", "answer_ref", "lease_expires_at", "created_at", "due_at"}
    for one, other in zip(of_gold, ordinary, strict=True):
        assert list(one) == list(other)
        assert {key for key in one if one[key] != other[key]} <= ids_and_times
        assert {key: len(str(value)) for key, value in one.items()} == {
            key: len(str(value)) for key, value in other.items()
        }
    assert len({one["task_id"] for one in of_gold if "task_id" in one}) == 1


def test_a_worker_never_learns_the_id_of_a_gold(db: Session, client: FlaskClient, token: Token, books: None) -> None:
    shown = str(_lives(db, client, token)[0])

    assert not any(task_id in shown for task_id in db.scalars(text("SELECT task_id FROM golds")))


def test_a_gold_is_shown_under_an_id_between_its_neighbours(db: Session, books: None) -> None:
    project = factories.create_gold_project(db)
    factories.create_gold(db, project)
    made = [factories.create_task(db, project) for _ in range(3)]
    # A moment after the tasks, as gold may well come.
    factories.create_gold(db, project)
    worker = factories.create_worker(db)

    shown = [factories.claim(db, worker, project).task_id for _ in range(5)]

    assert shown == sorted(shown)
    assert shown[1] == made[0].id
    assert shown[3] == made[1].id


def test_two_workers_know_one_gold_by_two_ids(db: Session, books: None) -> None:
    project, _, _ = _with_gold(db)

    one, other = (factories.claim(db, factories.create_worker(db), project) for _ in range(2))

    assert _row(db, one).task_id == _row(db, other).task_id
    assert one.task_id != other.task_id


def test_the_fence_of_a_gold_is_what_the_ordinary_tasks_would_have_been(db: Session, books: None) -> None:
    project, (first, _), _ = _with_gold(db)
    for _ in range(3):
        worker = factories.create_worker(db)
        factories.claim(db, worker, project)
        lease = factories.claim(db, worker, project)
        assert _row(db, lease).task_id == first.id

    fences = [factories.claim(db, worker, project).fence for worker in [factories.create_worker(db)] for _ in range(2)]

    assert fences == [4, 4]


# Answering it


def test_an_answer_to_gold_is_accepted_with_the_task_before_which_it_was_given(db: Session, books: None) -> None:
    project, (first,), given = _with_gold(db, n_tasks=1, **ONE_ANSWER)
    worker = factories.create_worker(db)
    on_gold = factories.answer(db, worker, "crow", project=project)
    factories.settle(db)
    before = _answer_status(db, on_gold)
    factories.answer(db, worker, project=project)
    factories.settle(db)

    assert (before, _answer_status(db, on_gold)) == (AnswerStatus.SUBMITTED, AnswerStatus.ACCEPTED)
    assert _status(db, first.id) == TaskStatus.SETTLED
    assert _earned(db, worker) == ["due", "due"]
    assert _status(db, given.task_id) == TaskStatus.GOLD


def test_an_answer_to_gold_stays_accepted_when_that_task_is_decided_anew(db: Session, books: None) -> None:
    project, (first,), _ = _with_gold(db, n_tasks=1, **ONE_ANSWER)
    worker = factories.create_worker(db)
    on_gold = factories.answer(db, worker, project=project)
    factories.answer(db, worker, project=project)
    factories.settle(db)

    audits.audit(db, project, first.id, audits.Finding(AuditVerdict.REWORK), made_by=project.requester_id)

    assert (_status(db, first.id), _answer_status(db, on_gold)) == (TaskStatus.ESCALATED, AnswerStatus.ACCEPTED)


def _answer_status(db: Session, answer: Answer) -> str:
    return db.scalars(select(Answer.status).where(Answer.id == answer.id)).one()


def _earned(db: Session, worker: Worker) -> list[str]:
    rows = text("SELECT status FROM earnings WHERE payee_id = :payee ORDER BY id")
    return list(db.scalars(rows, {"payee": worker.payee_id}))


def test_an_answer_to_gold_after_that_task_is_final_is_accepted_when_it_comes(db: Session, books: None) -> None:
    project, (first,), _ = _with_gold(db, n_tasks=1, **ONE_ANSWER)
    slow, quick = factories.create_worker(db), factories.create_worker(db)
    lease = factories.claim(db, slow, project)
    for _ in range(2):
        factories.answer(db, quick, project=project)
    factories.settle(db)
    age(db, "tasks", "updated_at", 7200)
    settlement.revisit(db)
    final = _status(db, first.id)

    answer = factories.submit(db, slow, lease)
    factories.settle(db)

    assert (final, _answer_status(db, answer)) == (TaskStatus.SETTLED, AnswerStatus.ACCEPTED)
    assert _earned(db, slow) == ["due"]


def test_an_answer_to_gold_is_accepted_when_that_task_is_cancelled(db: Session, books: None) -> None:
    project, (first, _), _ = _with_gold(db)
    worker = factories.create_worker(db)
    answer = factories.answer(db, worker, project=project)
    factories.settle(db)

    tasks.cancel(db, project.requester_id, first.id, actor_ref=project.requester_id)
    factories.settle(db)

    assert _answer_status(db, answer) == AnswerStatus.ACCEPTED
    assert _earned(db, worker) == ["due"]


def test_two_answers_to_gold_beside_one_task_are_both_accepted_with_it(db: Session, books: None) -> None:
    project, _, _ = _with_gold(db, n_tasks=1, **{**ONE_ANSWER, "overlap_min": 2, "overlap_max": 2})
    for _ in range(2):
        worker = factories.create_worker(db)
        for _ in range(2):
            factories.answer(db, worker, project=project)
    factories.settle(db)

    assert set(db.scalars(text("SELECT status FROM answers"))) == {"accepted"}


def test_gold_is_never_weighed_widened_or_escalated(db: Session, books: None) -> None:
    project, _, given = _with_gold(db, expert_share=1.0)
    for category in ("rook", "crow", "rook"):
        factories.answer(db, factories.create_worker(db), category, project=project)
    factories.settle(db)

    assert _status(db, given.task_id) == TaskStatus.GOLD
    assert db.scalar(text("SELECT count(*) FROM consensus WHERE task_id = :id"), {"id": given.task_id}) == 0
    assert projects.progress(db, project).answers == 3


def test_one_answer_to_gold_sent_twice_to_the_settlement_is_paid_once(db: Session, books: None) -> None:
    project, _, _ = _with_gold(db, n_tasks=1, **ONE_ANSWER)
    worker = factories.create_worker(db)
    for _ in range(2):
        factories.answer(db, worker, project=project)
    told = factories.settle(db)

    for one in told:
        settlement.settle_answers(db, [one])

    assert _earned(db, worker) == ["due", "due"]


# Its end


def test_a_gold_retires_with_the_last_who_may_meet_it(db: Session, books: None) -> None:
    project = factories.create_gold_project(db)
    for _ in range(2):
        factories.create_task(db, project)
    given = factories.create_gold(db, project, exposures_max=2)

    leases = [factories.claim(db, factories.create_worker(db), project) for _ in range(3)]

    assert [_row(db, lease).shown_as is not None for lease in leases] == [True, True, False]
    ended = gold.find(db, project.id, given.task_id)
    assert (ended.status, ended.ended_by, ended.reason) == ("retiring", "worn", "2 voters have been given it")


def test_a_retired_gold_is_met_by_nobody(db: Session, books: None) -> None:
    project, _, given = _with_gold(db)

    golds.retire(db, project.id, given.task_id, ended_by=Ending.TOLD, reason="too easy")

    assert _row(db, factories.claim(db, factories.create_worker(db), project)).shown_as is None
    assert gold.find(db, project.id, given.task_id).reason == "too easy"


def test_a_gold_that_nobody_met_gives_all_of_its_money_back(db: Session, books: None) -> None:
    project, _, given = _with_gold(db, n_tasks=0)
    golds.retire(db, project.id, given.task_id, ended_by=Ending.TOLD, reason="")

    assert golds.close(db) == 1

    (funds,) = funding.of_owner(db, project.requester_id)
    assert (funds.reserved, funds.spent) == (0, 0)
    assert _status(db, given.task_id) == TaskStatus.RETIRED
    assert golds.close(db) == 0


def test_a_retired_gold_waits_for_who_holds_it_and_pays_them(db: Session, books: None) -> None:
    project, _, given = _with_gold(db, n_tasks=1, **ONE_ANSWER)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker, project)
    golds.retire(db, project.id, given.task_id, ended_by=Ending.TOLD, reason="")
    closed = [golds.close(db)]
    factories.submit(db, worker, lease)
    factories.settle(db)
    closed.append(golds.close(db))
    factories.answer(db, worker, project=project)
    factories.settle(db)
    closed.append(golds.close(db))

    (funds,) = funding.of_owner(db, project.requester_id)
    assert closed == [0, 0, 1]
    assert (funds.reserved, funds.spent) == (0, 2 * funding.with_fee(200))
    assert _earned(db, worker) == ["due", "due"]


def test_a_lease_given_back_after_its_gold_retired_is_nobodys(db: Session, books: None) -> None:
    project, _, given = _with_gold(db)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker, project)
    golds.retire(db, project.id, given.task_id, ended_by=Ending.TOLD, reason="")
    assignment.release(db, worker.id, lease.id, fence=lease.fence)

    closed = golds.close(db)

    assert closed == 1
    assert _status(db, given.task_id) == TaskStatus.RETIRED


def test_the_first_reason_to_retire_stands(db: Session, books: None) -> None:
    project, _, given = _with_gold(db)
    golds.retire(db, project.id, given.task_id, ended_by=Ending.TOLD, reason="first")

    again = golds.retire(db, project.id, given.task_id, ended_by=Ending.LEAKED, reason="second")

    assert (again.ended_by, again.reason) == ("told", "first")


def test_an_unknown_gold_cannot_be_retired(db: Session) -> None:
    with pytest.raises(gold.NoSuchGold):
        golds.retire(db, ids.new("prj"), ids.new("tsk"), ended_by=Ending.TOLD, reason="")


def test_many_at_once_share_gold_and_tasks_and_all_is_paid(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_gold_project(db, overlap_min=8, overlap_max=8, expert_share=0.0)
        for _ in range(4):
            factories.create_task(db, project)
        for _ in range(3):
            factories.create_gold(db, project, exposures_max=6)
        workers = [factories.create_worker(db) for _ in range(8)]
        db.commit()

    with ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(lambda worker: _work(house, project, worker), workers))
    # Whoever met a task that another was just taking went home early.
    done += sum(_work(house, project, worker) for worker in workers)
    house.settle()
    with house.sessions() as db:
        closed = golds.close(db)
        db.commit()
        met = db.scalar(text("SELECT count(*) FROM exposures")) or 0
        statuses = set(db.scalars(text("SELECT status FROM answers")))

    assert done == 32 + met
    assert closed * 6 <= met <= 18
    assert met > 0
    assert statuses == {"accepted"}


def _work(house: House, project: Project, worker: Worker) -> int:
    """Answer until there is nothing left; returns how many."""
    for done in itertools.count():
        with house.sessions() as session:
            lease = assignment.claim(session, worker.id, project_id=project.id)
            if lease is None:
                return done
            factories.submit(session, worker, lease)
            session.commit()
    raise AssertionError


# Over HTTP


@pytest.fixture
def of_owner(db: Session, token: Token) -> tuple[str, dict[str, str]]:
    """The address of the gold of a project with a task, and its requester's header."""
    project = factories.create_gold_project(db)
    factories.create_task(db, project)
    db.commit()
    secret = token("requester", project.requester_id)
    return f"/api/projects/{project.id}/gold", {"Authorization": f"Bearer {secret}"}


NEW: dict[str, Any] = {"params": {"attachment": "a bird"}, "category": "crow", "explanation": "Its beak."}


def test_a_requester_adds_lists_and_retires_gold(
    client: FlaskClient, of_owner: tuple[str, dict[str, str]], books: None
) -> None:
    address, headers = of_owner

    made = client.post(address, json=NEW, headers=headers)
    (listed,) = client.get(address, headers=headers).get_json()["items"]
    task_id = listed["task_id"]
    ended = client.post(f"{address}/{task_id}/retirement", json={"reason": "Too easy."}, headers=headers).get_json()

    assert (made.status_code, made.get_json()) == (201, listed)
    assert (listed["label"], listed["source"], listed["status"], listed["exposures_max"]) == (
        0,
        "requester",
        "active",
        50,
    )
    assert (ended["status"], ended["ended_by"], ended["reason"]) == ("retiring", "told", "Too easy.")


def test_gold_for_a_project_that_wants_none_is_refused(client: FlaskClient, db: Session, token: Token) -> None:
    project = factories.create_project(db)
    db.commit()
    headers = {"Authorization": f"Bearer {token('requester', project.requester_id)}"}

    refused = client.post(f"/api/projects/{project.id}/gold", json=NEW, headers=headers)

    assert (refused.status_code, refused.get_json()["type"]) == (409, "/problems/gold-not-wanted")


def test_gold_that_is_not_there_cannot_be_retired(client: FlaskClient, of_owner: tuple[str, dict[str, str]]) -> None:
    address, headers = of_owner

    refused = client.post(f"{address}/{ids.new('tsk')}/retirement", json={"reason": "No."}, headers=headers)

    assert (refused.status_code, refused.get_json()["type"]) == (404, "/problems/no-such-gold")

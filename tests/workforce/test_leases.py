"""Who holds what, and taking it back: the slot is free again, and the worker's next call says what has happened."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from foundation import ids
from foundation.errors import NotFound
from tests import factories
from tests.conftest import House, age
from workforce import assignment, leases
from workforce.assignment import Lease, LeaseOver, LeaseWithdrawn
from workforce.events import LeaseTakenBack
from workforce.models import Assignment, Worker

Token = Callable[..., str]


def _held(db: Session, **wanted: Any) -> list[str]:
    return list(db.scalars(leases.listed(**wanted).with_only_columns(Assignment.id).order_by(Assignment.id)))


def _take_back(db: Session, lease: Lease, **changes: Any) -> Assignment:
    given = {"reason": "project_over", "note": "The client has left.", "taken_by": "ops", **changes}
    return leases.take_back(db, lease.id, **given)


@pytest.fixture
def worker(db: Session) -> Worker:
    """A worker with a task to claim."""
    factories.create_task(db, factories.create_project(db, overlap_min=1))
    return factories.create_worker(db)


def test_what_is_held_is_listed_by_project_by_worker_and_by_its_end(db: Session) -> None:
    first = factories.create_project(db, lease_seconds=60)
    second = factories.create_project(db, lease_seconds=600)
    for project in (first, second):
        factories.create_task(db, project)
    worker, other = factories.create_worker(db), factories.create_worker(db)
    a, b = factories.claim(db, worker, first), factories.claim(db, worker, second)
    c = factories.claim(db, other, second)
    factories.submit(db, worker, a)
    d = factories.claim(db, other, first)

    assert _held(db) == [b.id, c.id, d.id]
    assert _held(db, project_id=second.id) == [b.id, c.id]
    assert _held(db, worker_id=other.id) == [c.id, d.id]
    assert _held(db, ending_within_seconds=60) == [d.id]
    assert _held(db, worker_id=worker.id, project_id=first.id) == []


def test_a_task_that_was_taken_back_goes_to_somebody_else(db: Session, worker: Worker, books: None) -> None:
    lease = factories.claim(db, worker)

    taken = _take_back(db, lease)
    other = factories.claim(db, factories.create_worker(db))

    assert (taken.status, other.task_id) == ("withdrawn", lease.task_id)
    assert other.fence > lease.fence


ACTS: dict[str, Callable[[Session, Worker, Lease], object]] = {
    "submit": factories.submit,
    "renew": lambda db, worker, lease: assignment.renew(db, worker.id, lease.id, fence=lease.fence),
    "release": lambda db, worker, lease: assignment.release(db, worker.id, lease.id, fence=lease.fence),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_the_workers_next_call_says_what_has_happened(
    db: Session, worker: Worker, books: None, act: Callable[..., object]
) -> None:
    lease = factories.claim(db, worker)
    _take_back(db, lease, reason="private_data", note="It shows a passport.")

    with pytest.raises(LeaseWithdrawn, match=r"private_data.*It shows a passport\."), db.begin_nested():
        act(db, worker, lease)

    assert db.scalar(text("SELECT free_slots FROM tasks")) == 1
    assert db.scalar(text("SELECT count(*) FROM answers")) == 0


def test_a_second_time_changes_nothing(db: Session, worker: Worker, books: None) -> None:
    lease = factories.claim(db, worker)
    _take_back(db, lease)

    again = _take_back(db, lease, reason="other", note="")

    rows = db.execute(text("SELECT reason, taken_by FROM withdrawals")).all()
    assert (again.status, [tuple(row) for row in rows]) == ("withdrawn", [("project_over", "ops")])
    assert db.scalar(text("SELECT free_slots FROM tasks")) == 1


@pytest.mark.parametrize("end", ["answered", "released", "expired"])
def test_what_nobody_holds_is_not_taken_back(db: Session, worker: Worker, books: None, end: str) -> None:
    lease = factories.claim(db, worker)
    if end == "answered":
        factories.submit(db, worker, lease)
    elif end == "released":
        assignment.release(db, worker.id, lease.id, fence=lease.fence)
    else:
        age(db, "assignments", "lease_expires_at", 86_400)
        assignment.expire(db)

    with pytest.raises(LeaseOver, match=end):
        _take_back(db, lease)


def test_what_was_never_claimed_is_not_taken_back(db: Session, worker: Worker) -> None:
    with pytest.raises(NotFound):
        leases.take_back(db, ids.new("asg"), reason="other", note="", taken_by="ops")


def test_a_gold_is_taken_back_like_any_task(db: Session, books: None) -> None:
    project = factories.create_gold_project(db)
    factories.create_gold(db, project)
    factories.create_task(db, project)
    worker = factories.create_worker(db)
    held = [factories.claim(db, worker) for _ in range(2)]

    for lease in held:
        assert _take_back(db, lease).shown_task_id == lease.task_id

    assert db.scalars(text("SELECT status FROM assignments")).all() == ["withdrawn", "withdrawn"]


def test_it_is_told_and_logged_without_the_note(db: Session, worker: Worker) -> None:
    lease = factories.claim(db, worker)
    _take_back(db, lease)

    payload = db.scalars(text("SELECT payload FROM outbox_events WHERE topic = 'LeaseTakenBack'")).one()
    with capture_logs() as logged:
        leases.tell(db, [LeaseTakenBack(**payload)])

    assert payload == {"assignment_id": lease.id, "worker_id": worker.id, "reason": "project_over"}
    assert [entry["worker_id"] for entry in logged] == [worker.id]


def test_an_answer_and_a_taking_back_do_not_both_happen(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, overlap_min=1)
        held = []
        for _ in range(6):
            factories.create_task(db, project)
            worker = factories.create_worker(db)
            held.append((worker, factories.claim(db, worker)))
        db.commit()
    start, ends = threading.Barrier(12), []

    def act(number: int) -> None:
        worker, lease = held[number % 6]
        start.wait(timeout=20)
        with house.sessions() as db:
            try:
                if number < 6:
                    factories.submit(db, worker, lease)
                else:
                    _take_back(db, lease)
            except (LeaseWithdrawn, LeaseOver) as refused:
                ends.append(type(refused).__name__)
            else:
                db.commit()

    threads = [threading.Thread(target=act, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with house.sessions() as db:
        answered = db.scalar(text("SELECT count(*) FROM answers"))
        withdrawn = db.scalar(text("SELECT count(*) FROM withdrawals"))
        assert (answered or 0) + (withdrawn or 0) == len(ends) == 6


# Over HTTP


def _as(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_ops_take_a_task_back_and_its_worker_is_told_why(
    client: FlaskClient, db: Session, worker: Worker, token: Token
) -> None:
    lease = factories.claim(db, worker)
    db.commit()
    ops, mine = _as(token("ops")), _as(token("worker", worker.id))
    body = {"reason": "worker_away", "note": "Nobody has heard of you."}

    (shown,) = client.get(f"/api/leases?worker_id={worker.id}", headers=ops).get_json()["items"]
    taken = client.post(f"/api/assignments/{lease.id}/withdrawal", json=body, headers=ops)
    answer = {"fence": lease.fence, "payload": {"category": "rook"}}
    refused = client.post(f"/api/assignments/{lease.id}/answer", json=answer, headers=mine)

    assert (shown["id"], shown["task_id"]) == (lease.id, lease.task_id)
    assert (taken.status_code, taken.get_json()["status"]) == (200, "withdrawn")
    assert (refused.status_code, refused.get_json()["type"]) == (409, "/problems/lease-withdrawn")
    assert client.get("/api/leases", headers=ops).get_json()["items"] == []


@pytest.mark.parametrize("body", [{}, {"reason": "whim", "note": ""}, {"reason": "other"}])
def test_taking_back_needs_a_reason_that_there_is(
    client: FlaskClient, db: Session, worker: Worker, token: Token, body: dict[str, str]
) -> None:
    lease = factories.claim(db, worker)
    db.commit()

    response = client.post(f"/api/assignments/{lease.id}/withdrawal", json=body, headers=_as(token("ops")))

    assert response.status_code == 422

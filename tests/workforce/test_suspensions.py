"""Suspensions: what one person may do alone, what takes two, and how they end."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import NotFound
from payments.four_eyes import SamePerson
from tests import factories
from tests.conftest import age
from workforce import messages, suspensions
from workforce.models import Suspension, Worker, WorkerStatus
from workforce.onboarding import MoveNotAllowed
from workforce.suspensions import ALONE_HOURS, ALONE_WORKERS, SecondPersonNeeded, SuspensionDecided

HOUR = 3600


def _suspend(db: Session, *workers: Worker, hours: int = 24, made_by: str = "ops") -> Suspension:
    return suspensions.suspend(
        db, [worker.id for worker in workers], hours=hours, reason="Two in one.", made_by=made_by
    )


def _crowd(db: Session, n: int) -> list[Worker]:
    return [factories.create_worker(db) for _ in range(n)]


def _pass(db: Session, hours: float) -> None:
    for column in ("begins_at", "until", "ended_at"):
        age(db, "suspended_workers", column, int(hours * HOUR))
    db.expire_all()


def _kinds(db: Session, worker: Worker) -> list[str]:
    return [one.kind for one in db.scalars(messages.listed(worker.id))]


def test_one_person_stops_somebody_for_three_days_at_most(db: Session) -> None:
    ada, ben = _crowd(db, 2)

    short, long = _suspend(db, ada, hours=ALONE_HOURS), _suspend(db, ben, hours=ALONE_HOURS + 1)

    assert (short.state, ada.status) == ("confirmed", "suspended")
    assert (long.state, ben.status) == ("proposed", "active")
    assert (_kinds(db, ada), _kinds(db, ben)) == (["suspended"], [])


def test_what_takes_two_begins_when_another_person_confirms_it(db: Session) -> None:
    [ada] = _crowd(db, 1)
    proposed = _suspend(db, ada, hours=1000)

    with pytest.raises(SamePerson):
        suspensions.confirm(db, proposed.id, confirmed_by="ops")
    suspensions.confirm(db, proposed.id, confirmed_by="another")

    assert (proposed.state, ada.status) == ("confirmed", "suspended")
    with pytest.raises(SuspensionDecided):
        suspensions.confirm(db, proposed.id, confirmed_by="another")
    with pytest.raises(SuspensionDecided):
        suspensions.refuse(db, proposed.id, refused_by="another")


def test_what_was_refused_stops_nobody(db: Session) -> None:
    [ada] = _crowd(db, 1)
    first, second = _suspend(db, ada, hours=1000), _suspend(db, ada, hours=1000)

    suspensions.refuse(db, first.id, refused_by="another")
    suspensions.refuse(db, second.id, refused_by="ops")

    assert ([first.state, second.state], ada.status) == (["refused", "refused"], "active")
    with pytest.raises(SuspensionDecided):
        suspensions.confirm(db, first.id, confirmed_by="a third")


def test_short_ones_one_after_another_are_a_long_one(db: Session) -> None:
    [ada] = _crowd(db, 1)
    _suspend(db, ada, hours=ALONE_HOURS)
    _pass(db, ALONE_HOURS)
    suspensions.end_due(db)

    again, by_another = _suspend(db, ada, hours=1), _suspend(db, ada, hours=1, made_by="another")

    assert (again.state, by_another.state, ada.status) == ("proposed", "proposed", "active")
    with pytest.raises(SecondPersonNeeded):
        suspensions.suspend_alone(db, ada.id, made_by="ops")


def test_one_person_stops_ten_workers_a_day_at_most(db: Session) -> None:
    crowd = _crowd(db, ALONE_WORKERS + 1)

    at_once = _suspend(db, *crowd)
    for worker in crowd[:-1]:
        _suspend(db, worker)
    last = _suspend(db, crowd[-1])

    assert (at_once.state, last.state) == ("proposed", "proposed")
    assert [worker.status for worker in crowd] == ["suspended"] * ALONE_WORKERS + ["active"]
    assert _suspend(db, crowd[-1], made_by="another").state == "confirmed"


def test_a_suspension_ends_by_itself(db: Session) -> None:
    [ada] = _crowd(db, 1)
    _suspend(db, ada, hours=24)
    _pass(db, 23.9)
    before = suspensions.end_due(db), ada.status
    _pass(db, 0.2)

    assert (before, suspensions.end_due(db), suspensions.end_due(db)) == ((0, "suspended"), 1, 0)
    assert ada.status == "active"
    assert sorted(_kinds(db, ada)) == ["reinstated", "suspended"]


def test_nobody_claims_again_while_another_suspension_holds_them(db: Session) -> None:
    [ada] = _crowd(db, 1)
    _suspend(db, ada, hours=1)
    suspensions.confirm(db, _suspend(db, ada, hours=100).id, confirmed_by="another")
    _pass(db, 2)

    assert (suspensions.end_due(db), ada.status) == (1, "suspended")
    _pass(db, 100)
    assert (suspensions.end_due(db), ada.status) == (1, "active")


def test_one_person_lets_somebody_work_again_and_all_suspensions_are_over(db: Session) -> None:
    [ada] = _crowd(db, 1)
    suspensions.confirm(db, _suspend(db, ada, hours=1000).id, confirmed_by="another")

    suspensions.reinstate(db, ada.id)
    suspensions.reinstate(db, ada.id)

    assert ada.status == "active"
    assert db.scalar(text("SELECT count(*) FROM suspended_workers WHERE ended_at IS NULL")) == 0
    assert sorted(_kinds(db, ada)) == ["reinstated", "suspended"]


@pytest.mark.parametrize("status", [WorkerStatus.APPLICANT, WorkerStatus.OFFBOARDED])
def test_who_does_not_work_is_not_suspended_and_nobody_beside_them(db: Session, status: WorkerStatus) -> None:
    [ada] = _crowd(db, 1)
    other = factories.create_worker(db, status=status)

    with pytest.raises(MoveNotAllowed, match=status.value), db.begin_nested():
        _suspend(db, ada, other)
    with pytest.raises(NotFound), db.begin_nested():
        suspensions.suspend(db, [ada.id, ids.new("wrk")], hours=1, reason="A.", made_by="ops")

    db.refresh(ada)
    assert ada.status == "active"


def test_who_has_left_before_the_second_person_came_is_left_out(db: Session) -> None:
    ada, ben = _crowd(db, 2)
    proposed = _suspend(db, ada, ben, hours=1000)
    ada.status = WorkerStatus.OFFBOARDED
    db.flush()

    suspensions.confirm(db, proposed.id, confirmed_by="another")

    assert (ada.status, ben.status) == ("offboarded", "suspended")


def test_ops_suspend_and_a_worker_leaves_over_http(client: FlaskClient, token: Callable[..., str], db: Session) -> None:
    ada, ben = _crowd(db, 2)
    db.commit()
    ops: Any = {"Authorization": f"Bearer {token('ops', 'one')}"}
    another: Any = {"Authorization": f"Bearer {token('ops', 'two')}"}
    body = {"worker_ids": [ada.id], "hours": 100, "reason": "Two in one."}
    made = client.post("/api/suspensions", headers=ops, json=body)
    address = f"/api/suspensions/{made.get_json()['id']}/confirmation"

    assert (made.status_code, made.get_json()["state"]) == (201, "proposed")
    assert client.post(address, headers=ops).status_code == 409
    assert client.post(address, headers=another).get_json()["worker_ids"] == [ada.id]
    wrongs: list[dict[str, Any]] = [{"worker_ids": []}, {"worker_ids": [ada.id, ada.id]}, {"hours": 0}, {"reason": ""}]
    for wrong in wrongs:
        assert client.post("/api/suspensions", headers=ops, json={**body, **wrong}).status_code == 422
    mine: Any = {"Authorization": f"Bearer {token('worker', ben.id)}"}
    assert client.post("/api/me/leaving", headers=mine).get_json()["status"] == "offboarded"
    assert client.post("/api/claims", headers=mine, json={}).status_code == 403
    assert client.post(f"/api/workers/{ben.id}/activation", headers=ops).status_code == 409

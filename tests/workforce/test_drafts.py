"""Drafts: kept while the task is held, never an answer, and gone with the lease or the answer."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import Invalid
from tests import factories
from tests.conftest import age
from workforce import assignment, drafts, leases
from workforce.assignment import AlreadyAnswered, Lease, LeaseOver, LeaseTaken, NoSuchAssignment
from workforce.drafts import NoDraft
from workforce.models import Worker


@pytest.fixture
def worker(db: Session) -> Worker:
    """A worker with a task to claim."""
    factories.create_task(db, factories.create_project(db))
    return factories.create_worker(db)


def _save(db: Session, worker: Worker, lease: Lease, category: str = "rook", **changes: Any) -> object:
    given = {"fence": lease.fence, "payload": {"category": category}, **changes}
    return drafts.save(db, worker.id, lease.id, **given)


def test_the_last_draft_is_kept_and_is_no_answer(db: Session, worker: Worker, books: None) -> None:
    lease = factories.claim(db, worker)
    _save(db, worker, lease, "crow")

    _save(db, worker, lease, "rook")

    assert drafts.find(db, worker.id, lease.id).payload == {"category": "rook"}
    assert db.scalar(text("SELECT count(*) FROM drafts")) == 1
    assert db.scalar(text("SELECT count(*) FROM answers")) == 0


def _expire(db: Session, worker: Worker, lease: Lease) -> None:
    age(db, "assignments", "lease_expires_at", 86_400)
    assignment.expire(db)


ENDS: dict[str, Callable[[Session, Worker, Lease], object]] = {
    "answer": factories.submit,
    "release": lambda db, worker, lease: assignment.release(db, worker.id, lease.id, fence=lease.fence),
    "expiry": _expire,
    "withdrawal": lambda db, _, lease: leases.take_back(db, lease.id, reason="other", note="", taken_by="ops"),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_a_draft_goes_with_its_lease(db: Session, worker: Worker, books: None, end: Callable[..., object]) -> None:
    lease = factories.claim(db, worker)
    _save(db, worker, lease)

    end(db, worker, lease)

    with pytest.raises(NoDraft):
        drafts.find(db, worker.id, lease.id)


def test_others_drafts_stay(db: Session, worker: Worker) -> None:
    other = factories.create_worker(db)
    mine, theirs = factories.claim(db, worker), factories.claim(db, other)
    for one, lease in ((worker, mine), (other, theirs)):
        _save(db, one, lease)

    factories.submit(db, worker, mine)

    assert drafts.find(db, other.id, theirs.id).assignment_id == theirs.id
    with pytest.raises(NoDraft):
        drafts.find(db, worker.id, theirs.id)


def test_a_draft_has_to_be_an_answer_that_the_task_takes(db: Session, worker: Worker) -> None:
    lease = factories.claim(db, worker)

    with pytest.raises(Invalid):
        _save(db, worker, lease, "raven")


def test_a_draft_is_for_whoever_holds_the_task(db: Session, worker: Worker) -> None:
    lease = factories.claim(db, worker)

    with pytest.raises(LeaseTaken):
        _save(db, worker, lease, fence=lease.fence + 1)
    with pytest.raises(NoSuchAssignment):
        _save(db, factories.create_worker(db), lease)
    with pytest.raises(NoDraft):
        drafts.find(db, worker.id, ids.new("asg"))


def test_what_is_over_takes_no_draft(db: Session, worker: Worker) -> None:
    lease = factories.claim(db, worker)
    _expire(db, worker, lease)

    with pytest.raises(LeaseOver):
        _save(db, worker, lease)
    factories.submit(db, worker, lease)
    with pytest.raises(AlreadyAnswered):
        _save(db, worker, lease)

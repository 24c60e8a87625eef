"""Claim, lease, submit."""

from sqlalchemy.orm import Session

from tests import factories
from workforce import assignment


def test_a_claim_leases_the_task_at_the_price_of_now(db: Session, books: None) -> None:
    project = factories.create_project(db)
    task = factories.create_task(db, project)
    worker = factories.create_worker(db)

    lease = assignment.claim(db, worker.id)

    assert lease is not None
    assert (lease.task_id, lease.amount, lease.currency) == (task.id, 200, "USD")

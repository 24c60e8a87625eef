"""How a claim is planned, in a house so new that nothing is known of its tables."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from tests import factories
from tests.conftest import House
from workforce import assignment
from workforce.models import Kind


@pytest.mark.parametrize("kind", list(Kind))
def test_a_claim_asks_task_by_task_what_its_worker_has_done(house: House, kind: Kind) -> None:
    # As a join, planned before anybody had done anything, it would go on to read all that was ever assigned.
    with house.sessions() as db:
        plan = _plan(db, kind)

    assert plan.count("((task_id = t.id)") + plan.count("((task_id = t_1.id)") == 2
    assert "Anti Join" not in plan


def _plan(db: Session, kind: Kind) -> str:
    project, worker = factories.create_project(db), factories.create_worker(db)
    wanted = {
        "worker_id": worker.id, "project_id": project.id, "leases_max": 20, "lease_seconds": 60, "amount": 1,
        "currency": "USD", "exponent": 6, "assignment_ids": [ids.new("asg")],
    }  # fmt: skip

    return "\n".join(db.scalars(text(f"EXPLAIN {assignment.claim_of(kind, 1).text}"), wanted))

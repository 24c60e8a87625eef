"""From applicant to active worker."""

import pytest
from sqlalchemy.orm import Session

from foundation import auth, ids
from foundation.errors import NotFound
from payments import payees
from tests import factories
from workforce import onboarding
from workforce.models import WorkerStatus
from workforce.onboarding import MoveNotAllowed

APPLICANT, ACTIVE = WorkerStatus.APPLICANT, WorkerStatus.ACTIVE
SUSPENDED, OFFBOARDED = WorkerStatus.SUSPENDED, WorkerStatus.OFFBOARDED


def test_an_applicant_has_a_token_and_a_payee(db: Session) -> None:
    worker, secret = onboarding.apply(db, name="Ada", country="KE")

    actor = auth.authenticate(db, f"Bearer {secret}")
    assert (worker.status, worker.activated_at) == (APPLICANT, None)
    assert actor.subject_id == worker.id
    assert actor.scopes == {"work"}
    assert payees.of_owner(db, worker.id).id == worker.payee_id


ALLOWED = {
    (APPLICANT, ACTIVE), (SUSPENDED, ACTIVE), (ACTIVE, SUSPENDED),
    (APPLICANT, OFFBOARDED), (ACTIVE, OFFBOARDED), (SUSPENDED, OFFBOARDED),
}  # fmt: skip


@pytest.mark.parametrize("start", WorkerStatus)
@pytest.mark.parametrize("end", [ACTIVE, SUSPENDED, OFFBOARDED])
def test_a_worker_goes_only_where_the_table_of_moves_leads(db: Session, start: WorkerStatus, end: WorkerStatus) -> None:
    worker = factories.create_worker(db, status=start)

    if start == end or (start, end) in ALLOWED:
        assert onboarding.move(db, worker.id, end).status == end
    else:
        with pytest.raises(MoveNotAllowed, match=start.value):
            onboarding.move(db, worker.id, end)


def test_the_first_activation_is_kept(db: Session) -> None:
    worker = factories.create_worker(db)
    first = worker.activated_at

    onboarding.move(db, worker.id, SUSPENDED)
    onboarding.move(db, worker.id, ACTIVE)

    assert first is not None
    assert worker.activated_at == first


def test_nobody_can_be_moved_or_found_who_is_not_there(db: Session) -> None:
    with pytest.raises(NotFound):
        onboarding.move(db, ids.new("wrk"), ACTIVE)
    with pytest.raises(NotFound):
        onboarding.find(db, ids.new("wrk"))


def test_workers_are_listed_by_status(db: Session) -> None:
    made = {status: factories.create_worker(db, status=status) for status in WorkerStatus}

    assert db.scalars(onboarding.listed("suspended")).all() == [made[SUSPENDED]]
    assert len(db.scalars(onboarding.listed()).all()) == 4

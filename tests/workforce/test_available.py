"""What a worker could claim now: just what claims would give, at the same prices."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation.pagination import PageRequest
from payments.rates import Price
from tests import factories
from workforce import assignment, available, onboarding, paces, pools, projects
from workforce.available import COUNTED_MOST, Work
from workforce.models import Kind, Pool, Project, Worker, WorkerStatus


def _work(db: Session, worker: Worker, page: PageRequest | None = None) -> list[Work]:
    return list(available.work(db, worker.id, page or PageRequest(200)).items)


def test_a_project_is_shown_with_its_tasks_and_its_price(db: Session, books: None) -> None:
    project = factories.create_project(db, lease_seconds=600)
    for _ in range(3):
        factories.create_task(db, project)
    worker = factories.create_worker(db)
    factories.claim(db, worker)

    (one,) = _work(db, worker)

    assert (one.project_id, one.tasks, one.disputes, one.estimated_seconds) == (project.id, 2, 0, None)
    assert one.price is not None
    assert (one.price.amount, one.currency, one.dispute_price, one.lease_seconds) == (200, "USD", None, 600)


def test_an_expert_is_shown_disputes_at_their_own_price(db: Session, books: None) -> None:
    project, _ = factories.create_escalated(db)

    (one,) = _work(db, factories.create_worker(db, tier=4))

    assert (one.project_id, one.tasks, one.price, one.disputes) == (project.id, 0, None, 1)
    assert one.dispute_price is not None
    assert (one.dispute_price.amount, one.currency) == (6000, "USD")


def test_how_long_an_answer_takes_is_told_once_it_is_known(db: Session) -> None:
    project = factories.create_project(db)
    factories.create_task(db, project)
    paces.note(db, project.id, [7_000] * paces.ENOUGH)

    (one,) = _work(db, factories.create_worker(db))

    assert one.estimated_seconds == 7


def test_tasks_are_counted_to_a_bound(db: Session) -> None:
    project = factories.create_project(db, factories.create_requester(db, funds="10000"))
    for _ in range(COUNTED_MOST + 1):
        factories.create_task(db, project)

    (one,) = _work(db, factories.create_worker(db))

    assert one.tasks == COUNTED_MOST


def test_what_has_no_price_for_a_worker_is_not_shown(db: Session) -> None:
    requester = factories.create_requester(db)
    unpriced = projects.create(
        db,
        requester_id=requester.id,
        name="dear",
        settings=projects.Settings(labels=["a", "b"]),
        prices=[Price(tier=3, amount="0.20", currency="USD")],
    )
    factories.create_task(db, unpriced)

    assert _work(db, factories.create_worker(db)) == []
    assert len(_work(db, factories.create_worker(db, tier=3))) == 1


@pytest.mark.parametrize("status", [WorkerStatus.APPLICANT, WorkerStatus.SUSPENDED, WorkerStatus.OFFBOARDED])
def test_who_may_not_claim_is_shown_nothing(db: Session, status: WorkerStatus) -> None:
    factories.create_task(db, factories.create_project(db))

    assert _work(db, factories.create_worker(db, status=status)) == []


def test_pages_hold_every_project_once(db: Session) -> None:
    requester = factories.create_requester(db)
    made = [factories.create_project(db, requester).id for _ in range(5)]
    for project_id in made:
        factories.create_task(db, db.get_one(Project, project_id))
    worker = factories.create_worker(db)

    seen: list[str] = []
    page = available.work(db, worker.id, PageRequest(2))
    while True:
        seen += [one.project_id for one in page.items]
        if page.last is None:
            break
        page = available.work(db, worker.id, PageRequest(2, page.last))

    assert seen == sorted(made, reverse=True)


_SETTINGS = st.fixed_dictionaries(
    {
        "tier_min": st.integers(0, 3),
        "pools": st.lists(st.sampled_from(list(Pool)), unique=True, max_size=2),
        "countries": st.sampled_from([[], ["KE"], ["DE"]]),
    }
)


@given(
    wanted=st.lists(st.tuples(_SETTINGS, st.integers(0, 2), st.booleans()), max_size=4),
    tier=st.integers(0, 4),
    of=st.lists(st.sampled_from(list(Pool)), unique=True),
    taken=st.integers(0, 3),
)
@settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_what_is_shown_is_what_claims_give(
    db: Session, wanted: list[tuple[dict[str, Any], int, bool]], tier: int, of: list[Pool], taken: int
) -> None:
    with db.begin_nested() as scene:
        requester = factories.create_requester(db)
        for chosen, n_tasks, is_paused in wanted:
            project = factories.create_project(db, requester, overlap_min=1, **chosen)
            for _ in range(n_tasks):
                factories.create_task(db, project)
            if is_paused:
                db.execute(text("UPDATE projects SET status = 'paused' WHERE id = :id"), {"id": project.id})
        worker = factories.create_worker(db, tier=tier)
        pools.put(db, worker.id, of, put_by="ops")
        for _ in range(taken):
            assignment.claim(db, worker.id)

        shown = {(one.project_id, one.tasks, one.price.amount) for one in _work(db, worker) if one.price}
        given: dict[str, list[int]] = {}
        while (lease := assignment.claim(db, worker.id, kind=Kind.ANSWER)) is not None:
            given.setdefault(lease.project_id, []).append(lease.amount)

        assert shown == {(project_id, len(amounts), amounts[0]) for project_id, amounts in given.items()}
        scene.rollback()


def test_a_suspended_worker_is_shown_their_work_again_once_they_are_back(db: Session) -> None:
    factories.create_task(db, factories.create_project(db))
    worker = factories.create_worker(db, status=WorkerStatus.SUSPENDED)

    onboarding.move(db, worker.id, WorkerStatus.ACTIVE)

    assert len(_work(db, worker)) == 1

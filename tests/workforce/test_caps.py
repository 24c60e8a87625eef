"""How much one worker may do in a project: at once, on a day, and of all its answers."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock
from foundation.pagination import PageRequest
from tests import factories
from tests.conftest import House, age
from workforce import assignment, available, caps, leases, paces, settlement, why_nothing
from workforce.models import Kind, Project, Worker
from workforce.why_nothing import Rule


def _project(db: Session, n_tasks: int = 4, **settings: Any) -> Project:
    project = factories.create_project(db, **settings)
    for _ in range(n_tasks):
        factories.create_task(db, project)
    return project


def _is_given(db: Session, worker: Worker) -> bool:
    return assignment.claim(db, worker.id) is not None


def _taken(db: Session) -> list[tuple[int, int]]:
    return [tuple(row) for row in db.execute(text("SELECT n_taken, n_today FROM worker_shares"))]


def test_nobody_holds_more_of_a_project_than_it_allows(db: Session, books: None) -> None:
    capped, free = _project(db, leases_max=2), _project(db)
    worker = factories.create_worker(db)

    given = [lease.project_id for lease in assignment.claim_several(db, worker.id, count=4)]

    assert given == [capped.id, capped.id, free.id, free.id]


def test_an_answer_makes_room_where_leases_are_capped(db: Session, books: None) -> None:
    _project(db, leases_max=1)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker)
    before = _is_given(db, worker)

    factories.submit(db, worker, lease)

    assert (before, _is_given(db, worker)) == (False, True)


def test_an_answer_makes_no_room_on_the_same_day(db: Session, books: None) -> None:
    _project(db, answers_per_day=2)
    worker = factories.create_worker(db)
    for _ in range(2):
        factories.answer(db, worker)

    assert not _is_given(db, worker)
    db.execute(text("UPDATE worker_shares SET day = day - 1"))
    assert _is_given(db, worker)


@pytest.mark.parametrize("end", ["release", "expiry", "withdrawal"])
def test_what_is_given_back_counts_no_more(db: Session, books: None, end: str) -> None:
    _project(db, answers_per_day=1)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker)
    assert not _is_given(db, worker)

    if end == "release":
        assignment.release(db, worker.id, lease.id, fence=lease.fence)
    elif end == "withdrawal":
        leases.take_back(db, lease.id, reason="other", note="", taken_by="ops")
    else:
        age(db, "assignments", "lease_expires_at", 86_400)
        assignment.expire(db)

    assert _taken(db) == [(0, 0)]
    assert _is_given(db, worker)


def test_a_late_answer_counts_again(db: Session, books: None) -> None:
    _project(db, answers_per_day=1)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker)
    age(db, "assignments", "lease_expires_at", 86_400)
    assignment.expire(db)

    factories.submit(db, worker, lease)

    assert _taken(db) == [(1, 1)]
    assert not _is_given(db, worker)


def test_what_was_claimed_on_another_day_is_not_taken_off_today(db: Session) -> None:
    project = _project(db)
    worker = factories.create_worker(db)
    factories.claim(db, worker)
    db.execute(text("UPDATE worker_shares SET n_taken = 5, n_today = 3, day = day + 1"))
    ids = list(db.scalars(text("SELECT id FROM assignments WHERE project_id = :id"), {"id": project.id}))

    caps.give_back(db, ids)

    assert _taken(db) == [(4, 3)]


def test_a_worker_has_their_share_of_a_hundred_answers_from_the_start(db: Session, books: None) -> None:
    project = _project(db, worker_share=0.02)
    worker = factories.create_worker(db)
    given = [_is_given(db, worker) for _ in range(3)]

    db.execute(text("UPDATE projects SET n_answers = 150 WHERE id = :id"), {"id": project.id})

    assert (given, _is_given(db, worker)) == ([True, True, False], True)
    assert not _is_given(db, worker)


def test_the_smallest_share_is_one_answer(db: Session) -> None:
    _project(db, worker_share=0.001)
    worker = factories.create_worker(db)

    assert [_is_given(db, worker) for _ in range(2)] == [True, False]


def test_settled_answers_are_counted_once(db: Session, books: None) -> None:
    project = _project(db, 2)
    worker = factories.create_worker(db)
    for _ in range(2):
        factories.answer(db, worker)
    events = factories.settle(db)
    settlement.settle_answers(db, events)

    db.refresh(project)
    assert project.n_answers == 2


def test_a_gold_counts_like_any_task(db: Session, books: None) -> None:
    project = factories.create_gold_project(db, answers_per_day=3)
    for _ in range(6):
        factories.create_task(db, project)
        factories.create_gold(db, project)
    worker = factories.create_worker(db)

    given = [assignment.claim(db, worker.id) for _ in range(5)]

    assert [one is not None for one in given] == [True] * 3 + [False] * 2
    assert db.scalar(text("SELECT count(*) FROM assignments WHERE shown_as IS NOT NULL"))


def test_decisions_of_experts_are_not_capped(db: Session, books: None) -> None:
    project, _ = factories.create_escalated(db, answers_per_day=1)
    expert = factories.create_worker(db, tier=4)
    factories.create_task(db, project)

    kinds = [lease.kind for lease in assignment.claim_several(db, expert.id, count=3)]

    assert kinds == [Kind.ADJUDICATION, Kind.ANSWER]


def test_what_is_capped_is_neither_shown_nor_hidden(db: Session) -> None:
    _project(db, answers_per_day=1)
    worker = factories.create_worker(db)
    factories.claim(db, worker)

    why = why_nothing.ask(db, worker.id)
    shown = available.work(db, worker.id, PageRequest(10)).items

    assert (why.claimable, {one.rule: one.tasks for one in why.removed}) == (0, {Rule.CAP: 3, Rule.YOURS: 1})
    assert shown == []


def test_one_worker_in_many_windows_keeps_to_a_projects_caps(house: House) -> None:
    with house.sessions() as db:
        _project(db, 12, answers_per_day=5)
        worker = factories.create_worker(db)
        db.commit()

    def claim(_: int) -> int:
        with house.sessions() as db:
            given = len(assignment.claim_several(db, worker.id, count=2))
            db.commit()
            return given

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(8))) == 5


def test_a_learned_lease_is_as_long_as_answers_take(db: Session) -> None:
    project = _project(db, lease_policy="learned", lease_seconds=600)
    worker = factories.create_worker(db)
    found = []
    for seconds in (None, 5, 300, 6_000):
        if seconds is not None:
            paces.note(db, project.id, [seconds * 1000] * paces.NEWEST)
        lease = factories.claim(db, worker)
        found.append(round((lease.lease_expires_at - _now(db)).total_seconds()))

    assert found == [600, 60, 300, 600]


def _now(db: Session) -> datetime:
    return clock.now(db)


def test_a_lease_that_is_not_learned_stays_as_the_project_says(db: Session) -> None:
    project = _project(db, lease_seconds=600)
    paces.note(db, project.id, [5_000] * paces.ENOUGH)

    lease = factories.claim(db, factories.create_worker(db))

    assert round((lease.lease_expires_at - _now(db)).total_seconds()) == 600

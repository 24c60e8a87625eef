"""Which project comes first for a worker: bands, what waiting adds to them, and turns within a band."""

import random
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from tests import factories
from tests.conftest import age
from workforce import assignment, precedence
from workforce.models import Project, Worker
from workforce.tiers import STARTING


def _project(db: Session, n_tasks: int = 6, **settings: Any) -> Project:
    project = factories.create_project(db, **settings)
    for _ in range(n_tasks):
        factories.create_task(db, project)
    return project


def _given(db: Session, worker: Worker) -> str | None:
    lease = assignment.claim(db, worker.id)
    return None if lease is None else lease.project_id


def _raised(db: Session, project: Project) -> int:
    db.refresh(project)
    return project.raised


def test_a_higher_band_comes_first(db: Session, books: None) -> None:
    low, high = _project(db, 1, priority=1), _project(db, 1, priority=3)
    worker = factories.create_worker(db)

    assert [_given(db, worker) for _ in range(3)] == [high.id, low.id, None]


def test_a_higher_band_ends_a_stint(db: Session, books: None) -> None:
    low = _project(db)
    worker = factories.create_worker(db)
    before = _given(db, worker)

    high = _project(db, priority=3)

    assert (before, _given(db, worker)) == (low.id, high.id)


def test_a_worker_stays_for_a_stint_and_then_goes_where_they_were_longest_ago(db: Session, books: None) -> None:
    first, second, third = _project(db), _project(db), _project(db)
    worker = factories.create_worker(db)

    found = []
    for _ in range(4):
        found.append([_given(db, worker) for _ in range(2)])
        age(db, "worker_shares", "stint_at", 601)
        age(db, "worker_shares", "served_at", 1)

    assert found == [[first.id] * 2, [second.id] * 2, [third.id] * 2, [first.id] * 2]


def test_where_nothing_else_is_a_stint_goes_on(db: Session, books: None) -> None:
    project = _project(db)
    worker = factories.create_worker(db)
    _given(db, worker)
    age(db, "worker_shares", "stint_at", 601)

    assert [_given(db, worker) for _ in range(2)] == [project.id] * 2


def test_turns_are_each_workers_own(db: Session, books: None) -> None:
    first, _ = _project(db), _project(db)
    _given(db, factories.create_worker(db))
    age(db, "worker_shares", "stint_at", 601)

    assert _given(db, factories.create_worker(db)) == first.id


def test_more_projects_than_are_tried_at_once_all_have_their_turn(db: Session, books: None) -> None:
    requester = factories.create_requester(db)
    made = []
    for _ in range(25):
        project = factories.create_project(db, requester)
        factories.create_task(db, project)
        made.append(project.id)
    worker = factories.create_worker(db)

    found = [_given(db, worker) for _ in made[:20]]

    assert found == made[:20]


def test_waiting_raises_a_project_by_a_band_an_hour_up_to_the_highest(db: Session) -> None:
    project = _project(db, priority=1)
    found = []
    for _ in range(6):
        precedence.raise_waiting(db)
        found.append(_raised(db, project))
        age(db, "tasks", "updated_at", 3_601)

    assert found == [0, 1, 2, 3, 3, 3]


def test_a_project_that_was_served_falls_back(db: Session) -> None:
    project = _project(db, 1)
    age(db, "tasks", "updated_at", 7_300)
    precedence.raise_waiting(db)
    before = _raised(db, project)

    factories.claim(db, factories.create_worker(db))
    again = precedence.raise_waiting(db)

    assert (before, again, _raised(db, project)) == (2, 1, 0)


def test_what_has_waited_comes_before_a_higher_priority(db: Session, books: None) -> None:
    waiting = _project(db, priority=2)
    age(db, "tasks", "updated_at", 7_300)
    _project(db, priority=3)

    precedence.raise_waiting(db)

    assert _given(db, factories.create_worker(db)) == waiting.id


def test_nothing_due_changes_nothing(db: Session) -> None:
    _project(db)
    db.execute(text("UPDATE projects SET status = 'paused'"))
    age(db, "tasks", "updated_at", 7_300)

    assert precedence.raise_waiting(db) == 0


def test_what_is_looked_at_first_are_the_first_of_all_projects(db: Session) -> None:
    made = [_project(db, n_tasks=2 if number % 3 else 0).id for number in range(9)]
    worker, other = factories.create_worker(db), factories.create_worker(db)
    stint = text("""
        INSERT INTO worker_shares AS k (worker_id, project_id, n_taken, day, n_today, served_at, stint_at)
        VALUES (:who, :project, 1, current_date, 1, now() - make_interval(secs => :served),
                now() - make_interval(mins => :mins))
        ON CONFLICT (worker_id, project_id) DO UPDATE SET served_at = excluded.served_at, stint_at = excluded.stint_at
    """)
    wanted = {"worker_id": worker.id, "starting": int(STARTING), "most": 10, "tried": []}
    chance, seen = random.Random(7), set[int]()
    for _ in range(25):
        for project_id in made:
            db.execute(
                text("UPDATE projects SET priority = :band WHERE id = :id"),
                {"id": project_id, "band": chance.randrange(3)},
            )
            where = {"project": project_id, "served": chance.randrange(900), "mins": chance.choice([1, 20, 20, 20])}
            db.execute(stint, {**where, "who": worker.id})
            db.execute(stint, {**where, "mins": 1, "who": other.id})

        first = [row.project_id for row in db.execute(assignment.ELIGIBLE_AT_HAND, wanted) if row.project_id]
        every = [row.project_id for row in db.execute(assignment.ELIGIBLE, wanted)]

        assert first == every[: len(first)]
        seen.add(len(first))
    assert {0, 1, 2} <= seen


def test_who_stays_where_nothing_is_left_goes_on_to_other_projects(db: Session) -> None:
    project, worker = _project(db, n_tasks=1), factories.create_worker(db)
    assert _given(db, worker) == project.id

    other = _project(db, n_tasks=1)

    assert [_given(db, worker), _given(db, worker)] == [other.id, None]

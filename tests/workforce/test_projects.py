"""Projects and their batches: names are keys, and what is not yours does not exist."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import Invalid
from tests import factories
from tests.conftest import House
from workforce import projects
from workforce.models import BatchStatus, Project
from workforce.projects import NameTaken, NoSuchBatch, NoSuchProject, Settings


def _create(db: Session, requester_id: str, name: str = "birds", **settings: Any) -> Project:
    chosen = Settings(**{"labels": ["crow", "rook"], **settings})
    return projects.create(db, requester_id=requester_id, name=name, settings=chosen, prices=factories.PRICES)


def test_a_project_keeps_its_settings(db: Session) -> None:
    requester = factories.create_requester(db)
    exam = factories.create_exam(db, requester)
    settings: dict[str, Any] = {
        "tier_min": 2,
        "overlap_min": 4,
        "overlap_max": 8,
        "confidence_target": 0.7,
        "expert_share": 0.1,
        "spot_share": 0.05,
        "target_basis": "mean",
        "keep_seconds": 60,
        "read_seconds": 5,
        "when_revised": "reopen",
        "acceptance": "by_requester",
        "accept_within_seconds": 3_600,
        "experts_per_day": 40,
        "expert_patience_seconds": 3600,
        "without_expert": "park",
        "second_opinion_share": 0.1,
        "panel_size": 5,
        "pools": ["vendor", "crowd"],
        "countries": ["KE", "UG"],
        "languages": ["sw"],
        "language_level": "b2",
        "lease_policy": "learned",
        "late_rule": "paid",
        "reports_to_park": 3,
        "priority": 3,
        "leases_max": 5,
        "answers_per_day": 40,
        "worker_share": 0.1,
        "required_exams": [exam.project_id],
    }

    made = _create(db, requester.id, **settings, lease_seconds=60, instruction="Look.")

    db.refresh(made)
    assert {name: getattr(made, name) for name in settings} == settings
    assert (made.lease_seconds, made.instruction, made.status) == (60, "Look.", "active")
    assert made.labels == ["crow", "rook"]


def test_labels_must_differ(db: Session) -> None:
    with pytest.raises(Invalid, match="differ"):
        _create(db, factories.create_requester(db).id, labels=["crow", "crow"])


@pytest.mark.parametrize("overlaps", [{"overlap_min": 5, "overlap_max": 4}, {"overlap_min": 99}, {"overlap_max": 1}])
def test_overlaps_must_be_in_order_with_the_defaults_filled_in(db: Session, overlaps: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="overlap_max"):
        _create(db, factories.create_requester(db).id, **overlaps)


IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "overlap_range": {"overlap_max": 101},
    "confidence_target_range": {"confidence_target": 0.4},
    "expert_share_range": {"expert_share": 1.1},
    "spot_share_range": {"spot_share": 1.1},
    "lease_range": {"lease_seconds": 9},
}


@pytest.mark.parametrize("constraint", IMPOSSIBLE)
def test_the_table_refuses_settings_that_make_no_sense(db: Session, constraint: str) -> None:
    requester = factories.create_requester(db)

    with pytest.raises(IntegrityError, match=constraint), db.begin_nested():
        _create(db, requester.id, **IMPOSSIBLE[constraint])


def test_a_requester_uses_a_name_once(db: Session) -> None:
    requester, other = factories.create_requester(db), factories.create_requester(db)
    _create(db, requester.id)

    with pytest.raises(NameTaken, match="birds"):
        _create(db, requester.id)

    assert _create(db, other.id).name == "birds"


def test_a_batch_name_is_used_once_over_all_projects_of_a_requester(db: Session) -> None:
    requester = factories.create_requester(db)
    first, second = _create(db, requester.id, "a"), _create(db, requester.id, "b")
    projects.create_batch(db, first, name="monday", status=BatchStatus.IN_PROGRESS)

    with pytest.raises(NameTaken, match="monday"):
        projects.create_batch(db, second, name="monday", status=BatchStatus.IN_PROGRESS)


NEW: dict[str, Callable[[Session, Project], object]] = {
    "project": lambda db, project: _create(db, project.requester_id, "new"),
    "batch": lambda db, project: projects.create_batch(db, project, name="new", status=BatchStatus.STAGING),
}


@pytest.mark.parametrize("make", NEW.values(), ids=NEW.keys())
def test_of_one_name_posted_many_times_at_once_one_is_made(
    house: House, make: Callable[[Session, Project], object]
) -> None:
    with house.sessions() as db:
        project = factories.create_project(db)
        db.commit()

    def post(_: int) -> bool:
        with house.sessions() as session:
            try:
                make(session, session.get_one(Project, project.id))
            except NameTaken:
                return False
            session.commit()
            return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(post, range(6))) == 1


def test_a_project_is_found_by_its_name_or_id(db: Session) -> None:
    made = factories.create_project(db)

    assert projects.find(db, made.requester_id, made.name) is made
    assert projects.find(db, made.requester_id, made.id) is made


def test_a_batch_is_found_by_its_name_or_id(db: Session) -> None:
    batch = factories.create_batch(db, factories.create_project(db))

    assert projects.find_batch(db, batch.requester_id, batch.name) is batch
    assert projects.find_batch(db, batch.requester_id, batch.id) is batch


@pytest.mark.parametrize("asked", ["Vo\u0308gel", " V\u00f6gel\n", "V\u00f6gel"])
def test_a_name_is_found_however_it_is_composed(db: Session, asked: str) -> None:
    requester = factories.create_requester(db)
    project = _create(db, requester.id, " Vo\u0308gel")
    batch = projects.create_batch(db, project, name="Vo\u0308gel ", status=BatchStatus.IN_PROGRESS)

    assert project.name == batch.name == "V\u00f6gel"
    assert projects.find(db, requester.id, asked) is project
    assert projects.find_batch(db, requester.id, asked) is batch


def test_what_belongs_to_another_requester_does_not_exist(db: Session) -> None:
    batch = factories.create_batch(db, project := factories.create_project(db))
    stranger = factories.create_requester(db).id

    for name in (project.id, project.name, ids.new("prj"), "no such name"):
        with pytest.raises(NoSuchProject):
            projects.find(db, stranger, name)
    for name in (batch.id, batch.name, ids.new("bat"), "no such name"):
        with pytest.raises(NoSuchBatch):
            projects.find_batch(db, stranger, name)
    assert db.scalars(projects.listed(stranger)).all() == []


def test_the_standing_batch_is_made_once(db: Session) -> None:
    project = factories.create_project(db)

    first = projects.standing_batch(db, project)

    assert projects.standing_batch(db, project) is first
    assert first.status == BatchStatus.IN_PROGRESS
    assert projects.standing_batch(db, factories.create_project(db)) is not first


def test_progress_counts_tasks_answers_and_money(db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=1, overlap_max=1, confidence_target=0.5, expert_share=0.0)
    worker = factories.create_worker(db)
    for _ in range(2):
        factories.create_task(db, project)
        factories.answer(db, worker)
    factories.settle(db)
    factories.create_task(db, project)

    found = projects.progress(db, project)

    assert found.tasks == {"staged": 0, "open": 1, "escalated": 0, "settled": 2, "cancelled": 0}
    assert (found.answers, found.adjudications) == (2, 0)
    assert (found.spent, found.currency, found.exponent) == (480, "USD", 4)


def test_a_project_that_nobody_has_worked_on_has_no_answers(db: Session) -> None:
    found = projects.progress(db, factories.create_project(db))

    assert (set(found.tasks.values()), found.answers, found.adjudications, found.spent) == ({0}, 0, 0, 0)


def test_progress_counts_decisions_apart_from_answers(db: Session, books: None) -> None:
    project, _ = factories.create_escalated(db)
    factories.answer(db, factories.create_worker(db, tier=4))
    factories.settle(db)

    found = projects.progress(db, project)

    assert (found.answers, found.adjudications, found.spent) == (2, 1, 2 * 240 + 7200)

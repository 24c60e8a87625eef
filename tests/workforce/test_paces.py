"""How long answers take: the newest ones tell, and too few tell nothing."""

import pytest
from sqlalchemy.orm import Session

from tests import factories
from workforce import paces, settlement
from workforce.models import ProjectPace
from workforce.paces import ENOUGH, NEWEST, Pace


def _of(db: Session, project_id: str) -> Pace | None:
    return paces.of_projects(db, [project_id]).get(project_id)


def test_too_few_answers_tell_nothing(db: Session) -> None:
    project = factories.create_project(db)
    paces.note(db, project.id, [1_000] * (ENOUGH - 1))
    before = _of(db, project.id)

    paces.note(db, project.id, [1_000])

    assert (before, _of(db, project.id)) == (None, Pace(1, 1))


def test_half_of_the_answers_and_nineteen_of_twenty_took_no_longer(db: Session) -> None:
    project = factories.create_project(db)

    paces.note(db, project.id, [1_000 * n for n in range(1, 101)])

    assert _of(db, project.id) == Pace(50, 95)


def test_a_part_of_a_second_counts_as_one_and_nothing_counts_for_longer_than_a_month(db: Session) -> None:
    project = factories.create_project(db)

    paces.note(db, project.id, [0, 1, 1_001, 10**15] * 5)

    assert db.get_one(ProjectPace, project.id).seconds[:4] == [30 * 86_400, 2, 1, 1]


def test_the_newest_answers_tell(db: Session) -> None:
    project = factories.create_project(db)
    paces.note(db, project.id, [60_000] * NEWEST)

    paces.note(db, project.id, [2_000] * NEWEST)

    assert _of(db, project.id) == Pace(2, 2)
    assert len(db.get_one(ProjectPace, project.id).seconds) == NEWEST


def test_each_project_has_its_own_pace(db: Session) -> None:
    first, second = factories.create_project(db), factories.create_project(db)
    paces.note(db, first.id, [3_000] * ENOUGH)

    assert (_of(db, first.id), _of(db, second.id)) == (Pace(3, 3), None)


@pytest.mark.parametrize("times", [1, 2])
def test_answers_are_measured_as_they_are_settled_and_each_once(db: Session, books: None, times: int) -> None:
    project = factories.create_project(db)
    for _ in range(3):
        factories.create_task(db, project)
    worker = factories.create_worker(db)
    for _ in range(3):
        factories.answer(db, worker)
    events = factories.settle(db)

    for _ in range(times - 1):
        settlement.settle_answers(db, events)

    assert len(db.get_one(ProjectPace, project.id).seconds) == 3


def test_a_decision_of_an_expert_is_not_measured_with_the_answers(db: Session) -> None:
    project, _ = factories.create_escalated(db)
    before = len(db.get_one(ProjectPace, project.id).seconds)

    factories.answer(db, factories.create_worker(db, tier=4), project=project)
    factories.settle(db)

    assert len(db.get_one(ProjectPace, project.id).seconds) == before == 2

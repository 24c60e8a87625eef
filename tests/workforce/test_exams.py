"""Making training and exams: questions with known answers, and nothing but these."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation.auth import Actor
from foundation.errors import Invalid, NotFound
from foundation.pagination import PageRequest
from tests import factories
from workforce import exams, projects, tasks
from workforce.exams import NoSuchExam, Question, TooManyQuestions
from workforce.golds import GoldNotWanted
from workforce.models import Project
from workforce.tasks import NothingButQuestions

_PAGE = PageRequest(limit=10)


def test_tasks_and_gold_go_to_other_projects(db: Session) -> None:
    exam = factories.create_exam(db)
    project = db.get_one(Project, exam.project_id)
    batch = projects.standing_batch(db, project)

    with pytest.raises(NothingButQuestions):
        factories.create_task(db, project)
    with pytest.raises(NothingButQuestions):
        tasks.create_many(db, project, batch, {}, key="imp")
    with pytest.raises(GoldNotWanted):
        factories.create_gold(db, project)


def test_a_question_has_one_of_the_labels(db: Session) -> None:
    exam = factories.create_exam(db)

    with pytest.raises(Invalid):
        exams.add_question(db, exam.project_id, Question({}, "hen"), added_by="tok_1")


def test_questions_are_bounded(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    exam = factories.create_exam(db, n=4)
    monkeypatch.setattr(exams, "QUESTIONS_MAX", 5)

    exams.add_question(db, exam.project_id, Question({}, "rook"), added_by="tok_1")
    with pytest.raises(TooManyQuestions):
        exams.add_question(db, exam.project_id, Question({}, "rook"), added_by="tok_1")


def test_how_often_a_question_was_answered_counts_when_attempts_are_over(db: Session) -> None:
    exam = factories.create_exam(db, n=2)
    factories.sit(db, factories.create_worker(db), exam, right=1)
    for right in (2, 0):
        factories.sit(db, factories.create_worker(db), exam, right=right, wrong=2 - right)

    shown = exams.questions(db, exam.project_id, _PAGE).items

    assert [(one.n_answered, one.n_right) for one in shown] == [(2, 1), (2, 1)]
    assert exams.statistics(db, exam).right == 0.5


def test_retiring_twice_changes_nothing_and_only_of_its_own_exam(db: Session) -> None:
    exam, other = factories.create_exam(db), factories.create_exam(db)
    question = exams.questions(db, exam.project_id, _PAGE).items[0].question.id
    first = exams.retire_question(db, exam.project_id, question).retired_at

    assert exams.retire_question(db, exam.project_id, question).retired_at == first
    with pytest.raises(NotFound):
        exams.retire_question(db, other.project_id, question)


def test_requesters_see_their_own_and_ops_all(db: Session) -> None:
    mine, other = factories.create_exam(db), factories.create_exam(db)
    work = factories.create_project(db)
    owner = db.get_one(Project, mine.project_id).requester_id
    requester, ops = (Actor("tok", who, role, frozenset({role})) for who, role in ((owner, "requester"), ("o", "ops")))

    assert [one.exam.project_id for one in exams.page(db, requester, _PAGE).items] == [mine.project_id]
    assert [one.exam.project_id for one in exams.page(db, ops, _PAGE).items] == [other.project_id, mine.project_id]
    assert exams.seen_by(db, ops, other.project_id) is other
    for project_id, actor in ((other.project_id, requester), (work.id, ops)):
        with pytest.raises(NotFound):
            exams.seen_by(db, actor, project_id)
    with pytest.raises(NoSuchExam):
        exams.seen_by(db, ops, work.id)


def test_qualifying_is_said_once_and_can_be_taken_back(db: Session) -> None:
    exam = factories.create_exam(db)
    since = exams.qualify(db, exam, qualifies=True, decided_by="ada").qualified_at

    assert exams.qualify(db, exam, qualifies=True, decided_by="bob").qualified_at == since
    assert exam.qualified_by == "ada"
    assert exams.qualify(db, exam, qualifies=False, decided_by="bob").qualified_at is None


def test_a_project_that_was_made_for_work_stays_one(db: Session) -> None:
    assert factories.create_project(db).purpose == "work"
    assert db.scalar(text("SELECT count(*) FROM exams")) == 0

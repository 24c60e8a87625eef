"""Training and exams, for those who make them: projects whose questions are known beforehand. Sitting is `attempts.py`.

A question is no task: its answer is nobody's vote and says nothing of a task, so it has no slot, no lease and no place
in a fit; and what is openly told to whoever trains can never be gold. Passing brings a candidate to the first step of
the skill's ladder where ops have said so, and counts in nobody's record of checked answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, case, func, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.auth import Actor
from foundation.errors import Conflict, NotFound
from payments.rates import Price
from workforce import golds, projects
from workforce.models import Attempt, AttemptAnswer, AttemptState, Exam, ExamQuestion, Project
from workforce.projects import Settings

QUESTIONS_MAX = 1_000


class NoSuchExam(NotFound):
    """There is no such training or exam."""


class TooManyQuestions(Conflict):
    """An exam has only so many questions."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How many questions an attempt has and how many must be right, how long it lasts, how often and how soon again."""

    n_questions: int
    n_needed: int
    seconds: int = 3_600
    attempts_max: int = 3
    cool_down_days: int = 7


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, which label is right, and why."""

    params: Mapping[str, Any]
    category: str
    explanation: str = ""


def create(
    db: Session, *, requester_id: str, name: str, settings: Settings, terms: Terms, prices: Sequence[Price] = ()
) -> Exam:
    """A new project to be sat. Its card, if it has one, is what an attempt pays; without one nothing is paid."""
    project = projects.create(db, requester_id=requester_id, name=name, settings=settings, prices=prices)
    exam = Exam(project_id=project.id, **{key: getattr(terms, key) for key in Terms.__slots__})
    db.add(exam)
    db.flush()
    return exam


def seen_by(db: Session, actor: Actor, project_id: str) -> Exam:
    """An exam to look at: ops may see any, a requester their own."""
    project = projects.seen_by(db, actor, project_id)
    found = db.get(Exam, project.id)
    if found is None:
        raise NoSuchExam("There is nothing to sit in this project.")
    return found


def listed(actor: Actor) -> Select[Exam]:
    """Exams: all for ops, a requester's own for them."""
    rows = select(Exam).join(Project, Project.id == Exam.project_id)
    return rows if "ops" in actor.scopes else rows.where(Project.requester_id == actor.subject_id)


@dataclass(frozen=True, slots=True)
class Outlined:
    """An exam as its requester and ops see it."""

    exam: Exam
    project: Project


def page(db: Session, actor: Actor, request: pagination.PageRequest) -> pagination.Page:
    """Exams, newest first."""
    found = pagination.read(db, listed(actor), Exam.project_id, request)
    return pagination.Page([outline(db, exam) for exam in found.items], found.last)


def outline(db: Session, exam: Exam) -> Outlined:
    """An exam beside its project."""
    return Outlined(exam, db.get_one(Project, exam.project_id))


def add_question(db: Session, project_id: str, asked: Question, *, added_by: str) -> ExamQuestion:
    """A question that attempts may be made of from now on."""
    project = db.get_one(Project, project_id, with_for_update={"key_share": True})
    rows = select(func.count()).select_from(ExamQuestion).where(ExamQuestion.project_id == project_id)
    if (db.scalar(rows) or 0) >= QUESTIONS_MAX:
        raise TooManyQuestions(f"{QUESTIONS_MAX} at most, with those that are retired.")
    made = ExamQuestion(
        id=ids.new("exq"),
        project_id=project_id,
        params=dict(asked.params),
        label=golds.label_of(project, asked.category),
        explanation=asked.explanation,
        added_by=added_by,
    )
    db.add(made)
    db.flush()
    return made


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and how often it was answered, and rightly, in attempts that are over."""

    question: ExamQuestion
    n_answered: int
    n_right: int


def questions(db: Session, project_id: str, request: pagination.PageRequest) -> pagination.Page:
    """The questions of an exam, newest first."""
    rows = select(ExamQuestion).where(ExamQuestion.project_id == project_id)
    found = pagination.read(db, rows, ExamQuestion.id, request)
    right = func.count(case((AttemptAnswer.label == ExamQuestion.label, 1)))
    counted = (
        select(AttemptAnswer.question_id, func.count(AttemptAnswer.label), right)
        .join(ExamQuestion, ExamQuestion.id == AttemptAnswer.question_id)
        .join(Attempt, Attempt.id == AttemptAnswer.attempt_id)
        .where(ExamQuestion.id.in_([one.id for one in found.items]), Attempt.state != AttemptState.SITTING)
        .group_by(AttemptAnswer.question_id)
    )
    counts = {row[0]: (row[1], row[2]) for row in db.execute(counted)}
    return pagination.Page([Asked(one, *counts.get(one.id, (0, 0))) for one in found.items], found.last)


def retire_question(db: Session, project_id: str, question_id: str) -> ExamQuestion:
    """Ask a question no more. In attempts that have it already it stays, so that all of them stay what they are."""
    rows = select(ExamQuestion).where(ExamQuestion.id == question_id, ExamQuestion.project_id == project_id)
    found = db.scalar(rows.with_for_update())
    if found is None:
        raise NotFound("The exam has no question with this id.")
    if found.retired_at is None:
        found.retired_at = clock.now(db)
        db.flush()
    return found


def qualify(db: Session, exam: Exam, *, qualifies: bool, decided_by: str) -> Exam:
    """Let passing bring candidates to the first step of the skill's ladder, or no more. Nobody is moved by this."""
    db.refresh(exam, with_for_update=True)
    if qualifies != (exam.qualified_at is not None):
        exam.qualified_by, exam.qualified_at = (decided_by, clock.now(db)) if qualifies else (None, None)
        db.flush()
    return exam


@dataclass(frozen=True, slots=True)
class Statistics:
    """What came of an exam's attempts; right : the share of right answers in those that are over."""

    workers: int
    attempts: int
    sitting: int
    passed: int
    failed: int
    abandoned: int
    right: float | None


_STATISTICS = text("""
    SELECT count(DISTINCT worker_id) AS workers, count(*) AS attempts,
           count(*) FILTER (WHERE state = 'sitting') AS sitting, count(*) FILTER (WHERE state = 'passed') AS passed,
           count(*) FILTER (WHERE state = 'failed') AS failed,
           count(*) FILTER (WHERE state = 'abandoned') AS abandoned,
           (sum(n_right) FILTER (WHERE state <> 'sitting'))::float
             / nullif(sum(n_answered) FILTER (WHERE state <> 'sitting'), 0) AS right
      FROM attempts WHERE project_id = :project_id
""")


def statistics(db: Session, exam: Exam) -> Statistics:
    """How the attempts at an exam ended."""
    return Statistics(**db.execute(_STATISTICS, {"project_id": exam.project_id}).mappings().one())


def attempts(
    *, project_id: str | None = None, worker_id: str | None = None, state: str | None = None
) -> Select[Attempt]:
    """Attempts of all, or of an exam, a worker, a state."""
    rows = select(Attempt)
    if project_id is not None:
        rows = rows.where(Attempt.project_id == project_id)
    if worker_id is not None:
        rows = rows.where(Attempt.worker_id == worker_id)
    return rows if state is None else rows.where(Attempt.state == state)

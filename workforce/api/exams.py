"""Training and exams: made by requesters, let count by ops, sat by workers."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from payments.rates import Price
from workforce import attempts, exams, projects, schemas
from workforce.api.edge import routes
from workforce.models import Attempt, ExamQuestion
from workforce.tiers import Tier

_TERMS = {"questions": "n_questions", "right_needed": "n_needed"}


@routes.post(
    "/exams",
    allow=allow("requester"),
    quota=projects.QUOTA,
    body=schemas.NewExam,
    returns=schemas.Exam,
    status=201,
)
def create_exam(call: Call) -> exams.Outlined:
    """Make training or an exam: a project whose questions you know the answers to. It may pay for each attempt."""
    body = call.body
    prices = [Price(**price) for price in body.pop("rates", ())]
    named = {_TERMS.get(name, name): value for name, value in body.items()}
    terms = exams.Terms(**{name: named.pop(name) for name in exams.Terms.__slots__ if name in named})
    name, settings = named.pop("name"), projects.Settings(tier_min=Tier.CANDIDATE, **named)
    made = exams.create(
        call.db, requester_id=call.actor.subject_id, name=name, settings=settings, terms=terms, prices=prices
    )
    return exams.outline(call.db, made)


@routes.get("/exams", allow=allow("requester", "ops"), returns=schemas.Exam, paged=True)
def list_exams(call: Call) -> pagination.Page:
    """Your training and exams, newest first; for ops everybody's."""
    return exams.page(call.db, call.actor, call.page)


@routes.get("/exams/<project_id>/statistics", allow=allow("requester", "ops"), returns=schemas.ExamStatistics)
def exam_statistics(call: Call, project_id: str) -> exams.Statistics:
    """How the attempts at an exam ended. No worker is named."""
    return exams.statistics(call.db, exams.seen_by(call.db, call.actor, project_id))


@routes.post(
    "/exams/<project_id>/questions",
    allow=allow("requester"),
    quota=projects.QUOTA,
    body=schemas.NewQuestion,
    returns=schemas.AddedQuestion,
    status=201,
)
def add_exam_question(call: Call, project_id: str) -> ExamQuestion:
    """Add a question with its answer and why that is right."""
    exam = exams.seen_by(call.db, call.actor, project_id)
    return exams.add_question(call.db, exam.project_id, exams.Question(**call.body), added_by=call.actor.token_id)


@routes.get("/exams/<project_id>/questions", allow=allow("requester", "ops"), returns=schemas.Question, paged=True)
def list_exam_questions(call: Call, project_id: str) -> pagination.Page:
    """The questions of an exam, newest first, with how often each was answered and how often rightly."""
    return exams.questions(call.db, exams.seen_by(call.db, call.actor, project_id).project_id, call.page)


@routes.post(
    "/exams/<project_id>/questions/<question_id>/retirement",
    allow=allow("requester"),
    returns=schemas.RetiredQuestion,
)
def retire_exam_question(call: Call, project_id: str, question_id: str) -> ExamQuestion:
    """Ask a question no more; attempts that have it keep it."""
    exam = exams.seen_by(call.db, call.actor, project_id)
    return exams.retire_question(call.db, exam.project_id, question_id)


@routes.post("/exams/<project_id>/qualification", allow=allow("ops"), body=schemas.Qualifying, returns=schemas.Exam)
def qualify_exam(call: Call, project_id: str) -> exams.Outlined:
    """Let passing an exam bring candidates to the first step of its skill's ladder, or no more."""
    exam = exams.seen_by(call.db, call.actor, project_id)
    return exams.outline(call.db, exams.qualify(call.db, exam, **call.body, decided_by=call.actor.subject_id))


@routes.get(
    "/exam-attempts", allow=allow("ops"), query=schemas.AttemptQuery, returns=schemas.AttemptOfWorker, paged=True
)
def list_attempts(call: Call) -> pagination.Page:
    """Who has sat what, newest first."""
    return pagination.read(call.db, exams.attempts(**call.query), Attempt.id, call.page)


@routes.get("/me/exams", allow=allow("work"), returns=schemas.OfferedExam, paged=True)
def my_exams(call: Call) -> pagination.Page:
    """Training and exams that you may sit: on which terms, what an attempt pays, and what you have done of each."""
    return attempts.offers(call.db, call.actor.subject_id, call.page)


@routes.post("/exams/<project_id>/attempts", allow=allow("work"), returns=schemas.Attempt, status=201)
def start_attempt(call: Call, project_id: str) -> Attempt:
    """Begin to sit an exam or training; its time runs from now on."""
    return attempts.start(call.db, call.actor.subject_id, project_id)


@routes.get("/attempts/<attempt_id>/question", allow=allow("work"), returns=schemas.ShownQuestion)
def next_question(call: Call, attempt_id: str) -> attempts.Shown:
    """The next question of your attempt."""
    return attempts.question(call.db, call.actor.subject_id, attempt_id)


@routes.post(
    "/attempts/<attempt_id>/answers",
    allow=allow("work"),
    body=schemas.AttemptSubmission,
    returns=schemas.MarkedAnswer,
    status=201,
)
def answer_question(call: Call, attempt_id: str) -> attempts.Marked:
    """Answer a question of your attempt. Training says what is right and why; the last answer ends the attempt."""
    return attempts.answer(call.db, call.actor.subject_id, attempt_id, **call.body)


@routes.post("/attempts/<attempt_id>/end", allow=allow("work"), returns=schemas.Attempt)
def end_attempt(call: Call, attempt_id: str) -> Attempt:
    """End your attempt before its time; what is not answered is not right."""
    return attempts.end(call.db, call.actor.subject_id, attempt_id)


@routes.get("/me/attempts", allow=allow("work"), returns=schemas.Attempt, paged=True)
def my_attempts(call: Call) -> pagination.Page:
    """What you have sat and what came of it, newest first."""
    return attempts.listed(call.db, call.actor.subject_id, call.page)

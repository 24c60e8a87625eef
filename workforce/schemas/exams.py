"""What the routes of training and exams take and give."""

from typing import Any

import marshmallow as ma

from foundation.fields import (
    Choice,
    Country,
    Currency,
    Flag,
    Fraction,
    Identifier,
    Integer,
    JsonObject,
    Schema,
    Text,
    Timestamp,
)
from payments import money
from workforce.models import AttemptState, LanguageLevel, Pool, Purpose, ToSit
from workforce.schemas.gold import GoldLabel
from workforce.schemas.parts import Language, Name, Price, Several, Skill


def _pay(row: Any) -> str | None:
    return None if row is None or row.amount is None else money.format_amount(row.amount, row.exponent)


class NewExam(Schema):
    name = Name(required=True)
    purpose = Choice(ToSit, required=True)
    labels = ma.fields.List(
        Text(shortest=1, longest=200, name=True),
        required=True,
        validate=ma.validate.Length(2, 100),
        metadata={"uniqueItems": True, "examples": [["crow", "rook"]]},
    )
    instruction = Text(longest=10_000)
    skill = Skill()
    pools = Several(Choice(Pool), most=len(Pool))
    countries = Several(Country(), most=300)
    languages = Several(Language(), most=50)
    language_level = Choice(LanguageLevel)
    rates = ma.fields.List(
        ma.fields.Nested(Price),
        validate=ma.validate.Length(1, 500),
        metadata={"description": "What an attempt pays; left out: nothing."},
    )
    questions = Integer(required=True, least=1, most=100)
    right_needed = Integer(required=True, least=1, most=100)
    seconds = Integer(least=60, most=86_400)
    attempts_max = Integer(least=1, most=100)
    cool_down_days = Integer(most=365)

    @ma.validates_schema
    def _can_be_passed(self, data: dict[str, int], **_options: object) -> None:
        if data.get("right_needed", 1) > data.get("questions", 100):
            raise ma.ValidationError({"right_needed": ["Must not be above questions."]})


class Exam(Schema):
    project_id = Identifier("prj", attribute="exam.project_id")
    purpose = Choice(Purpose, attribute="project.purpose")
    skill = Text(attribute="project.skill")
    status = Text(attribute="project.status")
    questions = Integer(attribute="exam.n_questions")
    right_needed = Integer(attribute="exam.n_needed")
    seconds = Integer(attribute="exam.seconds")
    attempts_max = Integer(attribute="exam.attempts_max")
    cool_down_days = Integer(attribute="exam.cool_down_days")
    qualified_at = Timestamp(
        attribute="exam.qualified_at",
        allow_none=True,
        metadata={"description": "Since when passing brings candidates to the first step of the skill's ladder."},
    )
    created_at = Timestamp(attribute="exam.created_at")


class NewQuestion(GoldLabel):
    params = JsonObject(required=True, metadata={"examples": [{"attachment": "https://example.com/1.jpg"}]})
    explanation = Text(longest=10_000)


class Question(Schema):
    id = Identifier("exq", attribute="question.id")
    params = JsonObject(attribute="question.params")
    label = Integer(attribute="question.label")
    explanation = Text(attribute="question.explanation")
    answered = Integer(attribute="n_answered", metadata={"description": "In attempts that are over."})
    right = Integer(attribute="n_right")
    created_at = Timestamp(attribute="question.created_at")
    retired_at = Timestamp(attribute="question.retired_at", allow_none=True)


class AddedQuestion(Schema):
    id = Identifier("exq")
    created_at = Timestamp()


class RetiredQuestion(Schema):
    id = Identifier("exq")
    retired_at = Timestamp()


class Qualifying(Schema):
    qualifies = Flag(required=True)


class ExamStatistics(Schema):
    workers = Integer()
    attempts = Integer()
    sitting = Integer()
    passed = Integer()
    failed = Integer()
    abandoned = Integer()
    right = Fraction(allow_none=True, metadata={"description": "The share of right answers in attempts that are over."})


class OfferedExam(Schema):
    project_id = Identifier("prj")
    purpose = Choice(Purpose)
    skill = Text()
    questions = Integer(attribute="n_questions")
    right_needed = Integer(attribute="n_needed")
    seconds = Integer()
    attempts_max = Integer()
    cool_down_days = Integer()
    pay = ma.fields.Function(
        lambda row: _pay(row.price),
        metadata={"type": ["string", "null"], "description": "What an attempt pays you; null: nothing."},
    )
    currency = Currency(attribute="price.currency", dump_default=None, allow_none=True)
    attempts = Integer(attribute="n_attempts", metadata={"description": "Yours so far."})
    passed = Flag()
    attempt_id = Identifier("exm", allow_none=True, metadata={"description": "The one that is under way."})
    again_at = Timestamp(allow_none=True)
    opens = Integer(
        attribute="n_opens", metadata={"description": "Projects with open tasks that ask for having passed it."}
    )


class Attempt(Schema):
    id = Identifier("exm")
    project_id = Identifier("prj")
    state = Choice(AttemptState)
    questions = Integer(attribute="n_questions")
    right_needed = Integer(attribute="n_needed")
    answered = Integer(attribute="n_answered")
    right = ma.fields.Function(
        lambda row: None if row.state == AttemptState.SITTING else row.n_right,
        metadata={"type": ["integer", "null"], "description": "How many were right, once it is over."},
    )
    pay = ma.fields.Function(_pay, metadata={"type": ["string", "null"]})
    currency = Currency(allow_none=True)
    started_at = Timestamp()
    ends_at = Timestamp()
    ended_at = Timestamp(allow_none=True)


class AttemptOfWorker(Attempt):
    worker_id = Identifier("wrk")


class AttemptQuery(Schema):
    project_id = Identifier("prj")
    worker_id = Identifier("wrk")
    state = Choice(AttemptState)


class ShownQuestion(Schema):
    place = Integer()
    of = Integer()
    instruction = Text()
    labels = ma.fields.List(Text())
    params = JsonObject()
    ends_at = Timestamp()


class AttemptSubmission(Schema):
    place = Integer(required=True, least=1, most=100)
    payload = JsonObject(required=True, metadata={"examples": [{"category": "rook"}]})


class MarkedAnswer(Schema):
    place = Integer()
    attempt = ma.fields.Nested(Attempt)
    is_right = Flag(allow_none=True, metadata={"description": "Of training; an exam does not tell."})
    category = Text(allow_none=True, metadata={"description": "The right one, of training."})
    explanation = Text(allow_none=True)

"""What the routes of projects and their prices take and give."""

from typing import Any

import marshmallow as ma

from foundation.fields import (
    Amount,
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
from quality.escalation import Basis, Fallback
from workforce import task_types
from workforce.assignment import LEASES_MAX
from workforce.models import Acceptance, LanguageLevel, LateRule, LeasePolicy, Pool, Purpose, WhenRevised
from workforce.precedence import BAND_MAX
from workforce.required_exams import REQUIRED_MAX
from workforce.schemas.imports import TaskFields
from workforce.schemas.parts import Language, Name, Price, Several, Skill
from workforce.tiers import Tier


def _estimated_seconds() -> Integer:
    told = "How long an answer takes, for a warning of prices below the floor; left out: as long as your last ones."
    return Integer(least=1, most=86_400, metadata={"description": told})


def _in_last_month(name: str, description: str) -> ma.fields.Function:
    return ma.fields.Function(
        lambda row: money.format_amount(getattr(row, name), row.exponent),
        metadata={"type": "string", "description": description},
    )


def _error_cost(row: Any) -> str | None:
    return None if row.error_cost is None else f"{row.error_cost.normalize():f}"


class NewRates(Schema):
    rates = ma.fields.List(ma.fields.Nested(Price), required=True, validate=ma.validate.Length(1, 500))
    valid_from = Timestamp(metadata={"description": "When they begin, within a year; left out: now."})


class PreviewedRates(Schema):
    rates = ma.fields.List(ma.fields.Nested(Price), required=True, validate=ma.validate.Length(1, 500))
    estimated_seconds = _estimated_seconds()


class ProjectRate(Schema):
    id = Identifier("rat")
    tier = Integer()
    region = Text(metadata={"description": "A country; empty: everywhere."})
    amount = ma.fields.Function(
        lambda row: money.format_amount(row.amount, row.exponent),
        metadata={"type": "string", "description": "A decimal string."},
    )
    currency = Currency()
    valid_from = Timestamp()
    created_at = Timestamp()


class RaisedReserves(Schema):
    tasks = Integer(metadata={"description": "Open tasks that may be claimed at these prices."})
    amount = ma.fields.Function(
        lambda row: money.format_amount(row.amount, row.exponent),
        metadata={"type": "string", "description": "What is set aside for them on top, with the fee."},
    )
    available = ma.fields.Function(
        lambda row: money.format_amount(row.available, row.exponent),
        metadata={"type": "string", "description": "What you had free for it."},
    )
    currency = Currency()


class LastMonth(Schema):
    answers = Integer(metadata={"description": "Given in the last thirty days."})
    cost = _in_last_month("cost", "What they cost, with the fee.")
    cheapest = _in_last_month("cheapest", "What they would have cost at least; it depends on tiers.")
    dearest = _in_last_month("dearest", "What they would have cost at most.")
    unpriced = Integer(metadata={"description": "Answers of countries without a price, in neither sum."})


class BelowFloor(Schema):
    region = Text()
    seconds = Integer(metadata={"description": "How long an answer is taken to last."})
    price = ma.fields.Function(
        lambda row: money.format_amount(row.price, row.exponent),
        metadata={"type": "string", "description": "The cheapest that your card pays the crowd there."},
    )
    least = ma.fields.Function(
        lambda row: money.format_amount(row.least, row.exponent),
        metadata={"type": "string", "description": "What is not below the floor."},
    )
    currency = Currency()
    sentence = Text()


class ForeseenRates(Schema):
    raised = ma.fields.Nested(RaisedReserves)
    last_month = ma.fields.Nested(LastMonth)
    below_floor = ma.fields.List(ma.fields.Nested(BelowFloor))


class NewProject(Schema):
    name = Name(required=True)
    task_type = Choice(task_types.TypeName)
    labels = ma.fields.List(
        Text(shortest=1, longest=200, name=True),
        validate=ma.validate.Length(max=100),
        metadata={"uniqueItems": True, "examples": [["crow", "rook"]], "description": "As many as the type asks for."},
    )
    form = JsonObject(metadata={"description": "What the type leaves to a project to say of its answers."})
    rates = ma.fields.List(ma.fields.Nested(Price), required=True, validate=ma.validate.Length(1, 500))
    estimated_seconds = _estimated_seconds()
    instruction = Text(longest=10_000)
    skill = Skill()
    tier_min = Integer(least=Tier.CANDIDATE, most=Tier.SENIOR)
    overlap_min = Integer(least=1, most=100)
    overlap_max = Integer(least=1, most=100)
    confidence_target = Fraction(least=0.5, most=0.9999)
    target_basis = Choice(Basis)
    keep_seconds = Integer(most=86_400)
    read_seconds = Integer(most=3_600)
    expert_share = Fraction()
    spot_share = Fraction()
    error_cost = Amount(metadata={"description": "What a wrong label costs you, in the currency of the rates."})
    experts_per_day = Integer(most=1_000_000)
    expert_patience_seconds = Integer(least=60, most=2_592_000)
    without_expert = Choice(Fallback)
    second_opinion_share = Fraction()
    panel_size = Integer(least=3, most=9)
    when_revised = Choice(WhenRevised)
    gold_share = Fraction(most=0.5)
    acceptance = Choice(Acceptance)
    accept_within_seconds = Integer(least=3_600, most=1_814_400)
    lease_seconds = Integer(least=10, most=86_400)
    lease_policy = Choice(LeasePolicy)
    late_rule = Choice(LateRule)
    reports_to_park = Integer(least=1, most=100)
    priority = Integer(most=BAND_MAX)
    leases_max = Integer(least=1, most=LEASES_MAX)
    answers_per_day = Integer(least=1, most=1_000_000)
    worker_share = Fraction(least=0.001)
    pools = Several(Choice(Pool), most=len(Pool))
    countries = Several(Country(), most=300)
    languages = Several(Language(), most=50)
    language_level = Choice(LanguageLevel)
    required_exams = Several(
        Identifier("prj"),
        most=REQUIRED_MAX,
        metadata={"description": "Exams and training that somebody must have passed to be given tasks."},
    )
    params = JsonObject()

    @ma.validates_schema
    def _overlap_in_order(self, data: dict[str, int], **_options: object) -> None:
        if data.get("overlap_min", 1) > data.get("overlap_max", 100):
            raise ma.ValidationError({"overlap_min": ["Must not be above overlap_max."]})


class Project(Schema):
    id = Identifier("prj")
    name = Text()
    purpose = Choice(Purpose)
    task_type = Text()
    status = Text()
    instruction = Text()
    labels = ma.fields.List(Text())
    form = JsonObject()
    skill = Text()
    tier_min = Integer()
    overlap_min = Integer()
    overlap_max = Integer()
    confidence_target = Fraction()
    target_basis = Choice(Basis)
    keep_seconds = Integer()
    read_seconds = Integer()
    expert_share = Fraction()
    spot_share = Fraction()
    error_cost = ma.fields.Function(_error_cost, metadata={"type": ["string", "null"]})
    experts_per_day = Integer(allow_none=True)
    expert_patience_seconds = Integer()
    without_expert = Choice(Fallback)
    second_opinion_share = Fraction()
    panel_size = Integer()
    when_revised = Choice(WhenRevised)
    gold_share = Fraction()
    acceptance = Choice(Acceptance)
    accept_within_seconds = Integer()
    lease_seconds = Integer()
    lease_policy = Choice(LeasePolicy)
    late_rule = Choice(LateRule)
    reports_to_park = Integer()
    priority = Integer()
    leases_max = Integer(allow_none=True)
    answers_per_day = Integer(allow_none=True)
    worker_share = Fraction()
    pools = ma.fields.List(Text())
    countries = ma.fields.List(Text())
    languages = ma.fields.List(Text())
    language_level = Choice(LanguageLevel)
    required_exams = ma.fields.List(Identifier("prj"))
    params = JsonObject()
    created_at = Timestamp()


class OutlinedProject(Project):
    below_floor = ma.fields.List(ma.fields.Nested(BelowFloor))


class Progress(Schema):
    tasks = ma.fields.Dict(keys=Text(), values=Integer())
    answers = Integer()
    adjudications = Integer()
    released = ma.fields.Dict(
        keys=Text(), values=Integer(), metadata={"description": "Why workers gave tasks back, where they said it."}
    )
    spent = ma.fields.Function(lambda row: money.format_amount(row.spent, row.exponent), metadata={"type": "string"})
    currency = Currency()


class CostPoint(Schema):
    confidence = Fraction(metadata={"description": "The target."})
    reached = Fraction(metadata={"description": "The share of tasks that reach it with the answers they have."})
    answers = ma.fields.Float(metadata={"description": "Answers a task, on average."})
    cost = ma.fields.Function(
        lambda row: money.format_amount(row.cost, row.exponent),
        metadata={"type": "string", "description": "What these cost a task, with the fee; experts come on top."},
    )


class CostCurve(Schema):
    points = ma.fields.List(ma.fields.Nested(CostPoint))
    n_tasks = Integer(metadata={"description": "Tasks that were replayed: the newest that are decided."})
    expert_price = ma.fields.Function(
        lambda row: None if row.expert_price is None else money.format_amount(row.expert_price, row.exponent),
        metadata={"type": ["string", "null"], "description": "What an expert's decision has cost, with the fee."},
    )
    currency = Currency()


class ProjectTask(Schema):
    id = Identifier("tsk", attribute="task.id")
    unique_id = Text(attribute="task.unique_id", allow_none=True)
    status = Text(attribute="task.status")
    overlap = Integer(attribute="task.overlap")
    label = ma.fields.Function(lambda row: row.task.label, metadata={"type": ["integer", "null"]})
    value = JsonObject(allow_none=True, metadata={"description": "What the label says, as a worker would."})
    confidence = Fraction(attribute="task.confidence", allow_none=True)
    settled_by = Text(attribute="task.settled_by", allow_none=True)
    value_before = JsonObject(
        attribute="correction.value_before",
        allow_none=True,
        metadata={"description": "What the label said before it was corrected, if it was."},
    )
    correction_reason = Text(attribute="correction.reason", allow_none=True)
    corrected_at = Timestamp(attribute="correction.at", allow_none=True)
    flagged = Flag(
        attribute="task.flagged", metadata={"description": "Settled below the confidence that you asked for."}
    )
    created_at = Timestamp(attribute="task.created_at")
    settled_at = Timestamp(attribute="task.settled_at", allow_none=True)


class NewTask(TaskFields):
    batch = Text(longest=200, metadata={"description": "By name or id; left out: the project's standing batch."})

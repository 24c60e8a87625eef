"""What comes in and goes out at the workforce routes."""

from collections.abc import Mapping
from typing import Any

import marshmallow as ma

from foundation import ids
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
    Shaped,
    Text,
    Timestamp,
)
from payments import money
from quality import proposals
from quality.escalation import Basis, Fallback
from quality.gold_words import Ending, Source, Status, Verdict
from workforce import golds, tiers
from workforce.models import Kind, WhenRevised, WorkerStatus
from workforce.tiers import Tier


class Skill(Shaped):
    """The name of a skill."""

    def __init__(self, **options: Any) -> None:
        longest = ma.validate.Length(max=tiers.SKILL_MAX)
        wanted, example = "Must be a skill such as image.categorization.", "image.categorization"
        super().__init__(tiers.SKILL, wanted, example, validate=longest, **options)


class Name(Text):
    """A name by which a project or a batch can be found: in the place of an id, and as the end of an address."""

    def __init__(self, **options: Any) -> None:
        super().__init__(shortest=1, longest=200, name=True, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> str:
        name = super()._deserialize(value, attr, data, **options)
        if ids.looks_valid(name, name[:3]):
            raise ma.ValidationError("A name may not look like an id.")
        # A path that has such a step is another path, or is shortened on its way here.
        if name.startswith("/") or name in {".", ".."}:
            raise ma.ValidationError("A name may not begin with a slash, or be one or two dots.")
        return name


class Application(Schema):
    name = Text(required=True, shortest=1, longest=200, name=True)
    country = Country(required=True)


class Worker(Schema):
    id = Identifier("wrk")
    name = Text()
    country = Text()
    status = Choice(WorkerStatus)
    created_at = Timestamp()
    activated_at = Timestamp(allow_none=True)


class WorkerWithToken(Schema):
    worker = ma.fields.Nested(Worker)
    token = Text(metadata={"description": "Shown once; keep it."})


class WorkerQuery(Schema):
    status = Choice(WorkerStatus)


class TierChange(Schema):
    tier = Integer(required=True, least=Tier.CANDIDATE, most=Tier.EXPERT)
    reason = Text(required=True, shortest=1, longest=1000)


class WorkerTier(Schema):
    skill = Text()
    tier = Integer()


class Me(Schema):
    worker = ma.fields.Nested(Worker)
    tiers = ma.fields.List(ma.fields.Nested(WorkerTier))


class RequesterName(Schema):
    name = Text(required=True, shortest=1, longest=200, name=True)


class Requester(Schema):
    id = Identifier("req")
    name = Text()
    created_at = Timestamp()


class RequesterWithToken(Schema):
    requester = ma.fields.Nested(Requester)
    token = Text(allow_none=True, metadata={"description": "Shown once; keep it. A replay has null."})


class Price(Schema):
    tier = Integer(required=True, least=Tier.CANDIDATE, most=Tier.EXPERT)
    amount = Amount(required=True)
    currency = Currency(required=True)
    region = Country(metadata={"description": "A country; left out: everywhere."})


class NewRates(Schema):
    rates = ma.fields.List(ma.fields.Nested(Price), required=True, validate=ma.validate.Length(1, 500))
    valid_from = Timestamp(metadata={"description": "When they begin, within a year; left out: now."})


def _estimated_seconds() -> Integer:
    told = "How long an answer takes, for a warning of prices below the floor; left out: as long as your last ones."
    return Integer(least=1, most=86_400, metadata={"description": told})


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


def _in_last_month(name: str, description: str) -> ma.fields.Function:
    return ma.fields.Function(
        lambda row: money.format_amount(getattr(row, name), row.exponent),
        metadata={"type": "string", "description": description},
    )


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


def _error_cost(row: Any) -> str | None:
    return None if row.error_cost is None else f"{row.error_cost.normalize():f}"


class NewProject(Schema):
    name = Name(required=True)
    labels = ma.fields.List(
        Text(shortest=1, longest=200, name=True),
        required=True,
        validate=ma.validate.Length(2, 100),
        metadata={"uniqueItems": True, "examples": [["crow", "rook"]]},
    )
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
    lease_seconds = Integer(least=10, most=86_400)
    params = JsonObject()

    @ma.validates_schema
    def _overlap_in_order(self, data: dict[str, int], **_options: object) -> None:
        if data.get("overlap_min", 1) > data.get("overlap_max", 100):
            raise ma.ValidationError({"overlap_min": ["Must not be above overlap_max."]})


class Project(Schema):
    id = Identifier("prj")
    name = Text()
    task_type = Text()
    status = Text()
    instruction = Text()
    labels = ma.fields.List(Text())
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
    lease_seconds = Integer()
    params = JsonObject()
    created_at = Timestamp()


class OutlinedProject(Project):
    below_floor = ma.fields.List(ma.fields.Nested(BelowFloor))


class Progress(Schema):
    tasks = ma.fields.Dict(keys=Text(), values=Integer())
    answers = Integer()
    adjudications = Integer()
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
    id = Identifier("tsk")
    unique_id = Text(allow_none=True)
    status = Text()
    overlap = Integer()
    label = ma.fields.Function(lambda row: row.label, metadata={"type": ["integer", "null"]})
    confidence = Fraction(allow_none=True)
    settled_by = Text(allow_none=True)
    flagged = Flag(metadata={"description": "Settled below the confidence that you asked for."})
    created_at = Timestamp()
    settled_at = Timestamp(allow_none=True)


class Exposures(Schema):
    exposures_max = Integer(least=1, most=golds.EXPOSURES_MAX, load_default=golds.EXPOSURES)


class GoldLabel(Schema):
    category = Text(required=True, longest=200, name=True, metadata={"description": "The right one of the labels."})


class NewGold(Exposures, GoldLabel):
    params = JsonObject(
        required=True,
        metadata={
            "description": "What workers see, with the same members as your tasks have.",
            "examples": [{"attachment": "https://example.com/1.jpg"}],
        },
    )
    explanation = Text(longest=10_000, load_default="")


class Reason(Schema):
    reason = Text(required=True, shortest=1, longest=1000)


class Gold(Schema):
    task_id = Identifier("tsk")
    label = Integer()
    source = Choice(Source)
    made_from = Identifier("tsk", attribute="origin_id", allow_none=True)
    explanation = Text()
    status = Choice(Status)
    ended_by = Choice(Ending, allow_none=True)
    reason = Text()
    exposures = Integer()
    exposures_max = Integer()
    first_at = Timestamp(allow_none=True)
    last_at = Timestamp(allow_none=True)
    created_at = Timestamp()


class Passed(Schema):
    answers = Integer()
    right = Integer()


class PassedByTier(Passed):
    tier = Integer()


class PassedByTime(Passed):
    hours = Fraction(most=1e6, metadata={"description": "From the first answer to the last one of this stretch."})


class GoldHealth(Schema):
    task_id = Identifier("tsk")
    status = Choice(Status)
    exposures = Integer()
    answers = Integer()
    right = Integer()
    pass_rate = Fraction(allow_none=True)
    low = Fraction(allow_none=True, metadata={"description": "Lower bound of the 90 % interval."})
    high = Fraction(allow_none=True, metadata={"description": "Upper bound of the 90 % interval."})
    by_tier = ma.fields.List(ma.fields.Nested(PassedByTier))
    over_time = ma.fields.List(ma.fields.Nested(PassedByTime))
    trend = Fraction(
        least=-1e3,
        most=1e3,
        metadata={"description": "How far answers become right more often, in standard deviations."},
    )
    leaked = Flag()
    discrimination = Fraction(
        least=-1.0, allow_none=True, metadata={"description": "Correlation of passing with reliability."}
    )
    confident = Integer()
    rival = Integer(allow_none=True)
    rival_share = Fraction()
    contested = Flag()
    first_at = Timestamp(allow_none=True)
    last_at = Timestamp(allow_none=True)


class GoldSupply(Schema):
    active = Integer()
    worn = Integer()
    leaked = Integer()
    contested = Integer()
    retired_by_word = Integer()
    exposures = Integer()
    answers = Integer()
    right = Integer()
    pass_rate = Fraction(allow_none=True)
    by_tier = ma.fields.List(ma.fields.Nested(PassedByTier))
    left = Integer(metadata={"description": "How many may still meet active gold."})
    a_day = Fraction(most=1e9, metadata={"description": "How many did on each of the last days."})
    days_left = Fraction(most=1e9, allow_none=True)
    through = Integer(metadata={"description": "Workers who have met all active gold."})
    warning = Text(allow_none=True)


class GoldCorrection(GoldLabel, Reason):
    """Another label, and why."""


class MovedVoter(Schema):
    voter_id = Identifier("wrk")
    before = Fraction()
    after = Fraction()


class FlippedTask(Schema):
    task_id = Identifier("tsk")
    before = Integer()
    after = Integer()


class CorrectionPreview(Schema):
    label_from = Integer()
    label_to = Integer()
    become_right = Integer()
    become_wrong = Integer()
    voters_moved = Integer()
    voters = ma.fields.List(ma.fields.Nested(MovedVoter))
    tasks_flipped = Integer()
    tasks = ma.fields.List(ma.fields.Nested(FlippedTask))


class Corrected(Schema):
    id = Identifier("cor")
    label_from = Integer()
    label_to = Integer()
    refitted = Flag()


class GoldSearch(Schema):
    most = Integer(least=1, most=proposals.MOST, load_default=20)


class Proposed(Schema):
    proposed = Integer()


class GoldProposal(Schema):
    task_id = Identifier("tsk")
    label = Integer()
    source = Choice(Source)
    why = Text()
    status = Choice(Verdict)
    reason = Text()
    created_at = Timestamp()


class Claim(Schema):
    project_id = Identifier("prj")
    kind = Choice(Kind)


class Lease(Schema):
    id = Identifier("asg")
    task_id = Identifier("tsk")
    project_id = Identifier("prj")
    kind = Choice(Kind)
    fence = Integer()
    lease_expires_at = Timestamp()
    pay = ma.fields.Function(lambda row: money.format_amount(row.amount, row.exponent), metadata={"type": "string"})
    currency = Currency()
    instruction = Text()
    params = JsonObject()
    labels = ma.fields.List(Text())


class Fence(Schema):
    fence = Integer(required=True, most=2**53 - 1)


class Submission(Fence):
    payload = JsonObject(
        required=True,
        metadata={
            "description": "As the task asks: for a categorization one of its categories.",
            "examples": [{"category": "rook"}],
        },
    )


class Assignment(Schema):
    id = Identifier("asg")
    task_id = Identifier("tsk", attribute="shown_task_id")
    project_id = Identifier("prj")
    kind = Choice(Kind)
    status = Text()
    fence = Integer()
    lease_expires_at = Timestamp()
    pay = ma.fields.Function(lambda row: money.format_amount(row.amount, row.exponent), metadata={"type": "string"})
    currency = Currency()


class Answer(Schema):
    id = Identifier("ans")
    assignment_id = Identifier("asg")
    task_id = Identifier("tsk", attribute="shown_task_id")
    kind = Choice(Kind)
    payload = JsonObject()
    status = Text()
    late = Flag()
    created_at = Timestamp()


class Escalation(Schema):
    task_id = Identifier("tsk")
    project_id = Identifier("prj")
    confidence = Fraction()
    n_votes = Integer()
    reason = Text()
    waiting_since = Timestamp()


class DossierAnswer(Schema):
    pseudonym = Text()
    category = Text()
    reliability = Fraction(allow_none=True)


class Dossier(Schema):
    task_id = Identifier("tsk")
    reason = Text()
    posterior = ma.fields.Dict(keys=Text(), values=Fraction())
    answers = ma.fields.List(ma.fields.Nested(DossierAnswer))

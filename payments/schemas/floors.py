"""What the routes of fair pay take and give."""

from decimal import Decimal

import marshmallow as ma

from foundation.fields import (
    Amount,
    Choice,
    Country,
    Currency,
    Day,
    Flag,
    Identifier,
    Integer,
    QueryInteger,
    Schema,
    Shaped,
    Text,
    Timestamp,
)
from payments import active_time, floor_weeks, money
from payments.models import BatchFloorState
from payments.schemas.parts import amount_of


class NewFloorRule(Schema):
    region = Country(required=True)
    currency = Currency(required=True)
    hourly = Amount(required=True)
    valid_from = Day(required=True)
    valid_to = Day(metadata={"description": "The last day."})
    citation = Text(required=True, shortest=1, longest=500, name=True)


class FloorRuleQuery(Schema):
    region = Country()


class FloorRule(Schema):
    id = Identifier("flr")
    region = Country()
    currency = Currency()
    hourly = amount_of("hourly")
    valid_from = Day()
    valid_to = Day(allow_none=True)
    citation = Text()
    entered_by = Text()
    confirmed_by = Text(allow_none=True)
    confirmed_at = Timestamp(allow_none=True)
    created_at = Timestamp()


class WagesQuery(Schema):
    region = Country()
    tier = QueryInteger(most=100)
    skill = Text(longest=100)
    since = Day(metadata={"description": "The first day, in UTC."})
    until = Day(metadata={"description": "The last day."})


def _bound(name: str) -> ma.fields.Function:
    return ma.fields.Function(
        lambda row: None if getattr(row, name) is None else money.format_amount(getattr(row, name), row.exponent),
        metadata={"type": ["string", "null"], "description": "A decimal string; null for less than six answers."},
    )


class Wages(Schema):
    region = Country()
    tier = Integer()
    skill = Text()
    currency = Currency()
    answers = Integer()
    hours = ma.fields.Function(
        lambda row: f"{Decimal(row.milliseconds) / active_time.HOUR_MS:.4f}",
        metadata={"type": "string", "description": "A decimal string."},
    )
    quartile_1 = amount_of("quartile_1")
    median = amount_of("median")
    quartile_3 = amount_of("quartile_3")
    median_low = _bound("low")
    median_high = _bound("high")


class WagesReport(Schema):
    since = Day()
    until = Day()
    items = ma.fields.List(ma.fields.Nested(Wages))
    complete = Flag(metadata={"description": "Whether these are all groups; if not, narrow them."})


class NewFloorWeek(Schema):
    week = Shaped(floor_weeks.WEEK, "Must be a week such as 2026-W05.", "2026-W05", required=True)


class FloorWeekAdded(Schema):
    currency = Text()
    payees = Integer()
    amount = amount_of("amount")


class FloorWeek(Schema):
    week = Text()
    state = Text()
    begun_by = Text()
    n_payees = Integer()
    n_topped_up = Integer()
    n_left_out = Integer(metadata={"description": "Payees with work that no confirmed rule is for."})
    added = ma.fields.List(ma.fields.Nested(FloorWeekAdded))
    created_at = Timestamp()
    closed_at = Timestamp(allow_none=True)


class BatchFloorQuery(Schema):
    cause_ref = Identifier("bat")
    state = Choice(BatchFloorState)


class BatchFloorPreviewQuery(Schema):
    cause_ref = Identifier("bat", required=True)


class BatchFloor(Schema):
    id = Identifier("bfl")
    cause_ref = Identifier("bat", metadata={"description": "The batch."})
    round = Integer(metadata={"description": "How often it was finished."})
    state = Choice(BatchFloorState)
    currency = Currency()
    lacking = amount_of("lacking")
    paid = amount_of("paid")
    owed = amount_of("owed")
    n_payees = Integer()
    finished_at = Timestamp()
    closed_at = Timestamp(allow_none=True)


class BatchFloorRegion(Schema):
    region = Country()
    answers = Integer()
    payees = Integer()
    milliseconds = Integer()
    median = amount_of("median")
    floor = ma.fields.Function(
        lambda row: None if row.floor is None else money.format_amount(row.floor, row.exponent),
        metadata={"type": ["string", "null"], "description": "A decimal string; none where no rule is in force."},
    )
    difference = amount_of("difference")


class BatchFloorPreview(Schema):
    cause_ref = Identifier("bat")
    currency = Currency()
    lacking = amount_of("lacking")
    contingency = amount_of("contingency")
    available = amount_of("available")
    regions = ma.fields.List(ma.fields.Nested(BatchFloorRegion))

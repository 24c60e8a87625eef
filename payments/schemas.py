"""What comes in and goes out at the payments routes. Money is a decimal string beside its currency."""

from decimal import Decimal

import marshmallow as ma

from foundation.fields import (
    Amount,
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


class TopUp(Schema):
    owner_ref = Identifier("req", required=True)
    currency = Currency(required=True)
    amount = Amount(required=True)
    bank_reference = Text(required=True, shortest=1, longest=140, name=True)


class TopUpBooked(Schema):
    entry_id = Identifier("jnl")
    owner_ref = Identifier("req")
    currency = Currency()
    amount = Amount()


def _amount(name: str) -> ma.fields.Function:
    return ma.fields.Function(
        lambda row: money.format_amount(int(getattr(row, name)), row.exponent),
        metadata={"type": "string", "description": "A decimal string."},
    )


class Funds(Schema):
    currency = Currency()
    available = _amount("available")
    reserved = _amount("reserved")
    spent = _amount("spent")


class FundsList(Schema):
    items = ma.fields.List(ma.fields.Nested(Funds))


class EarningTotals(Schema):
    currency = Currency()
    answers = Integer()
    pending = _amount("pending")
    due = _amount("due")
    paid = _amount("paid")


class Statement(Schema):
    payee_id = Identifier("pye")
    name = Text()
    totals = ma.fields.List(ma.fields.Nested(EarningTotals))


class Earning(Schema):
    id = Identifier("ern")
    answer_ref = Text(metadata={"description": "The answer that it is for, if it is for one."})
    currency = Currency()
    amount = _amount("amount")
    status = Text()
    created_at = Timestamp()
    due_at = Timestamp(allow_none=True)


class TrialBalanceRow(Schema):
    role = Text()
    kind = Text()
    currency = Currency()
    debits = _amount("debits")
    credits = _amount("credits")


class TrialBalance(Schema):
    items = ma.fields.List(ma.fields.Nested(TrialBalanceRow))


class JournalQuery(Schema):
    cause_ref = Text(longest=64)


class JournalLine(Schema):
    debit = Text(metadata={"description": "What the debit account is for, and whose: role:owner."})
    credit = Text()
    currency = Currency()
    amount = _amount("amount")


class JournalEntry(Schema):
    id = Identifier("jnl")
    idempotency_key = Text()
    kind = Text()
    cause_ref = Text()
    actor_ref = Text()
    created_at = Timestamp()
    lines = ma.fields.List(ma.fields.Nested(JournalLine))


class TieOutRow(Schema):
    currency = Currency()
    payable = _amount("payable")
    unpaid = _amount("unpaid")
    reserved = _amount("reserved")
    spent = _amount("spent")
    released = _amount("released")
    remaining = _amount("remaining")
    stored = _amount("stored")
    recomputed = _amount("recomputed")


class TieOut(Schema):
    items = ma.fields.List(ma.fields.Nested(TieOutRow))


# Fair pay


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
    hourly = _amount("hourly")
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
    quartile_1 = _amount("quartile_1")
    median = _amount("median")
    quartile_3 = _amount("quartile_3")
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
    amount = _amount("amount")


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

"""What the routes of KYC, screenings and blocks take and give."""

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
    JsonObject,
    QueryFlag,
    QueryInteger,
    Schema,
    Text,
    Timestamp,
)
from payments import money
from payments.models import BlockState, Decision, KycPeriod, KycState, Outcome, RoundState
from payments.schemas.parts import OfPayee, Reason, amount_of


class NewKycRule(Schema):
    country = Country(metadata={"description": "Left out: everywhere."})
    currency = Currency(required=True)
    threshold = Amount(metadata={"description": "What goes beyond it needs a verification; left out: every payout."})
    period = Choice(KycPeriod, required=True)
    valid_from = Day(required=True)
    valid_to = Day(metadata={"description": "The last day."})
    citation = Text(required=True, shortest=1, longest=500, name=True)


class KycRuleQuery(Schema):
    country = Country()


class KycRule(Schema):
    id = Identifier("kyr")
    country = Country(allow_none=True)
    currency = Currency()
    threshold = amount_of("threshold")
    period = Choice(KycPeriod)
    valid_from = Day()
    valid_to = Day(allow_none=True)
    citation = Text()
    entered_by = Text()
    confirmed_by = Text(allow_none=True)
    confirmed_at = Timestamp(allow_none=True)
    created_at = Timestamp()


class NewKycRecord(Schema):
    state = Choice(KycState, required=True)
    provider = Text(shortest=1, longest=140, name=True)
    reference = Text(shortest=1, longest=140, name=True)
    expires_on = Day(metadata={"description": "The last day on which a verification counts, in the payee's country."})
    note = Text(shortest=1, longest=500, name=True)


class KycRecord(Schema):
    id = Identifier("kyc")
    payee_id = Identifier("pye")
    state = Choice(KycState)
    provider = Text(allow_none=True)
    reference = Text(allow_none=True)
    expires_on = Day(allow_none=True)
    note = Text(allow_none=True)
    recorded_by = Text()
    created_at = Timestamp()


class KycQuery(OfPayee):
    expiring_within_days = QueryInteger(most=3660)


class KycStanding(Schema):
    currency = Currency(attribute="rule.currency")
    period = Choice(KycPeriod, attribute="rule.period")
    threshold = ma.fields.Function(
        lambda row: money.format_amount(row.rule.threshold, row.rule.exponent),
        metadata={"type": "string", "description": "A decimal string."},
    )
    counted = ma.fields.Function(
        lambda row: money.format_amount(row.counted, row.rule.exponent),
        metadata={"type": "string", "description": "What was paid out or is due; a decimal string."},
    )
    needs_verification = Flag()


class MyKyc(Schema):
    state = Choice(KycState)
    expires_on = Day(allow_none=True)
    needs_verification = Flag(metadata={"description": "Whether you are not paid before you are verified."})
    missing = Text(allow_none=True)
    limits = ma.fields.List(ma.fields.Nested(KycStanding), attribute="standings")


class ScreeningRound(Schema):
    id = Identifier("srd")
    list_version = Text()
    state = Choice(RoundState)
    screened = Integer(attribute="n_payees")
    reviews = Integer(attribute="n_reviews")
    begun_by = Text()
    created_at = Timestamp()
    ended_at = Timestamp(allow_none=True)


class ScreeningQuery(OfPayee):
    waiting = QueryFlag()


class Screening(Schema):
    id = Identifier("scr")
    payee_id = Identifier("pye")
    list_version = Text()
    outcome = Choice(Outcome)
    score = Integer(metadata={"description": "Of the best match, 0 to 100."})
    findings = ma.fields.List(JsonObject(), attribute="found", metadata={"description": "What matched."})
    name = Text()
    country = Country()
    account = Text(allow_none=True)
    asked_by = Text()
    created_at = Timestamp()
    decision = Choice(Decision, allow_none=True)
    decided_by = Text(allow_none=True)
    decided_at = Timestamp(allow_none=True)
    reason = Text(allow_none=True)


class NewDecision(Reason):
    decision = Choice(Decision, required=True)


class NewBlock(Reason):
    payee_id = Identifier("pye", required=True)


class BlockQuery(OfPayee):
    state = Choice(BlockState)


class Block(Schema):
    id = Identifier("blk")
    payee_id = Identifier("pye")
    screening_id = Identifier("scr", allow_none=True)
    state = Choice(BlockState)
    reason = Text()
    made_by = Text()
    created_at = Timestamp()
    decided_by = Text(allow_none=True)
    decided_at = Timestamp(allow_none=True)
    lift_by = Text(allow_none=True)
    lift_reason = Text(allow_none=True)
    lifted_by = Text(allow_none=True)
    lifted_at = Timestamp(allow_none=True)

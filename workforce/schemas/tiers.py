"""What the routes of tiers and their ladders take and give."""

from enum import StrEnum

import marshmallow as ma

from foundation.fields import (
    Choice,
    Country,
    Flag,
    Fraction,
    Identifier,
    Integer,
    QueryInteger,
    Schema,
    Text,
    Timestamp,
)
from workforce.models import Cause, OverrideState, WorkerStatus
from workforce.overrides import DAYS_MAX
from workforce.tiers import Tier


class TierChange(Schema):
    tier = Integer(required=True, least=Tier.CANDIDATE, most=Tier.EXPERT)
    reason = Text(
        required=True, shortest=1, longest=1000, metadata={"description": "The worker reads it beside their tier."}
    )


class WorkerTier(Schema):
    skill = Text()
    tier = Integer()


class TierEvidence(Schema):
    n = Integer(
        allow_none=True, metadata={"description": "Checked answers: to gold, and to tasks drawn for a spot check."}
    )
    n_right = Integer(allow_none=True)
    low = Fraction(
        allow_none=True,
        metadata={"description": "The share of right answers is above it: 95 % sure at any time of looking."},
    )
    high = Fraction(allow_none=True, metadata={"description": "And below it."})
    n_recent = Integer(allow_none=True, metadata={"description": "The last of them, looked at by themselves."})
    n_recent_right = Integer(allow_none=True)
    high_recent = Fraction(
        allow_none=True, metadata={"description": "Of these alone, the share is below it: 99.5 % sure."}
    )


class TierMove(TierEvidence):
    """The evidence is what was known then; null of a move by hand."""

    id = Identifier("mov")
    skill = Text()
    tier_from = Integer()
    tier_to = Integer()
    cause = Choice(Cause)
    reason = Text(
        attribute="told", allow_none=True, metadata={"description": "Null where it was written before workers saw it."}
    )
    rule_id = Identifier("lad", allow_none=True, metadata={"description": "The ladder that it goes by."})
    created_at = Timestamp()


class OnLadder(Schema):
    skill = Text()
    tier = Integer()
    name = Text()
    since = Timestamp(allow_none=True)
    rule_id = Identifier("lad", metadata={"description": "The ladder that the skill goes by."})
    pinned_until = Timestamp(allow_none=True, metadata={"description": "Until when people keep you there by hand."})
    move_id = Identifier("mov", allow_none=True, metadata={"description": "The last move; its evidence is with it."})
    cause = Choice(Cause, allow_none=True)
    reason = Text(allow_none=True)
    next_tier = Integer(allow_none=True, metadata={"description": "Null on the highest step."})
    next_name = Text(allow_none=True)
    next_evidence = Integer(
        allow_none=True, metadata={"description": "So many answers have to be checked since the last move."}
    )
    next_reach = Fraction(
        allow_none=True,
        metadata={"description": "What the lower bound must reach; null: the step is given by hand alone."},
    )
    next_from = Timestamp(allow_none=True, metadata={"description": "Not before this."})


class OnLadders(Schema):
    items = ma.fields.List(ma.fields.Nested(OnLadder))


class OnLadderWithRecord(OnLadder, TierEvidence):
    """The evidence is what is known by now; null where nothing was checked yet."""

    n_seen = Integer(
        allow_none=True, metadata={"description": "Answers checked ever; a demotion begins the record anew."}
    )
    checked_at = Timestamp(allow_none=True)


class OnLaddersWithRecords(Schema):
    items = ma.fields.List(ma.fields.Nested(OnLadderWithRecord))


class InSkillQuery(Schema):
    tier = QueryInteger(least=Tier.CANDIDATE, most=Tier.EXPERT)
    country = Country()
    low_percent_min = QueryInteger(least=0, most=100, metadata={"description": "The lower bound is so much or more."})
    high_percent_max = QueryInteger(
        least=0, most=100, metadata={"description": "The upper bound, of all or of the last answers, is this or less."}
    )


class InSkill(TierEvidence):
    worker_id = Identifier("wrk")
    name = Text()
    country = Text()
    status = Choice(WorkerStatus)
    tier = Integer()
    n_seen = Integer(allow_none=True)
    checked_at = Timestamp(allow_none=True)


class NewTierOverride(TierChange):
    skill = Text(required=True, longest=100)
    days = Integer(required=True, least=1, most=DAYS_MAX, metadata={"description": "From its approval on."})


class TierOverride(Schema):
    id = Identifier("ovr")
    worker_id = Identifier("wrk")
    skill = Text()
    tier = Integer()
    reason = Text()
    days = Integer()
    state = Choice(OverrideState)
    created_at = Timestamp()
    decided_at = Timestamp(allow_none=True)
    tier_before = Integer(allow_none=True, metadata={"description": "Where the worker goes back to at its end."})
    ends_at = Timestamp(allow_none=True)
    ended_at = Timestamp(allow_none=True)


class TierOverrideQuery(Schema):
    state = Choice(OverrideState)
    worker_id = Identifier("wrk")
    skill = Text(longest=100)


class LadderStep(Schema):
    name = Text()
    evidence = Integer(metadata={"description": "Answers that must have been checked since the last move."})
    reach = Fraction(
        allow_none=True,
        metadata={"description": "What the lower bound must reach to come here; null: by hand alone."},
    )
    keep = Fraction(allow_none=True, metadata={"description": "What the upper bound must not fall under."})
    cool_down_days = Integer(metadata={"description": "Since the last move, before anybody comes here."})
    decay_days = Integer(allow_none=True, metadata={"description": "Without work, until somebody goes one step down."})


class NewLadderStep(Schema):
    name = Text(required=True, shortest=1, longest=50, name=True)
    evidence = Integer(required=True, least=1, most=10_000)
    # What is left out is not asked; null says nothing that leaving out does not.
    reach = Fraction(load_default=None, allow_none=False)
    keep = Fraction(load_default=None, allow_none=False)
    cool_down_days = Integer(least=0, most=3650, load_default=0)
    decay_days = Integer(least=1, most=3650, load_default=None, allow_none=False)


class NewLadder(Schema):
    reason = Text(required=True, shortest=1, longest=1000)
    steps = ma.fields.List(
        ma.fields.Nested(NewLadderStep),
        required=True,
        validate=ma.validate.Length(equal=len(Tier)),
        metadata={"description": "By their tier, from 0; what they mean is with the ladder that holds."},
    )


class LadderState(StrEnum):
    PROPOSED = "proposed"
    CONFIRMED = "confirmed"


class LadderVersion(Schema):
    id = Identifier("lad")
    skill = Text()
    version = Integer()
    reason = Text()
    state = Choice(LadderState, metadata={"description": "Of those that are confirmed the newest holds."})
    created_at = Timestamp()
    confirmed_at = Timestamp(allow_none=True)
    rolled_out_at = Timestamp(
        attribute="looked_at", allow_none=True, metadata={"description": "Since when everybody stands where it says."}
    )


class ForeseenMoves(Schema):
    tier_from = Integer()
    tier_to = Integer()
    cause = Choice(Cause)
    workers = Integer()


class LadderPreview(Schema):
    people = Integer(metadata={"description": "How many were looked at."})
    complete = Flag(metadata={"description": "Whether these are all who go by the ladder."})
    moves = ma.fields.List(ma.fields.Nested(ForeseenMoves))


class ForeseenMove(Schema):
    worker_id = Identifier("wrk")
    skill = Text()
    tier_from = Integer()
    tier_to = Integer()
    cause = Choice(Cause)
    reason = Text(metadata={"description": "What the worker would read."})
    low = Fraction(allow_none=True)
    high = Fraction(allow_none=True)


class Ladder(Schema):
    id = Identifier("lad")
    skill = Text(metadata={"description": "Whose it is: the skill itself, the nearest above it, or ALL."})
    version = Integer()
    steps = ma.fields.List(ma.fields.Nested(LadderStep), metadata={"description": "By their tier, from 0."})

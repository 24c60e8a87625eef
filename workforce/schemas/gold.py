"""What the routes of gold take and give."""

import marshmallow as ma

from foundation.fields import Choice, Flag, Fraction, Identifier, Integer, JsonObject, Schema, Text, Timestamp
from quality import proposals
from quality.gold_words import Ending, Source, Status, Verdict
from workforce import golds


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

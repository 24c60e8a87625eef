"""What the routes of corrections take and give."""

import re

import marshmallow as ma

from foundation.fields import (
    Choice,
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
from workforce.models import Change, CorrectionKind, CorrectionState, PaidBy
from workforce.schemas.parts import Reason

_HASH = re.compile(r"[0-9a-f]{64}")


class ContentHash(Shaped):
    """A SHA-256 of what was looked at."""

    def __init__(self, **options: object) -> None:
        super().__init__(_HASH, "Must be a SHA-256 in 64 hexadecimal digits.", "0" * 64, **options)


class NewCorrection(Reason):
    kind = Choice(CorrectionKind, required=True)
    task_id = Identifier("tsk", metadata={"description": "The gold, or the settled task, that had the wrong label."})
    category = Text(
        longest=200,
        name=True,
        metadata={
            "description": "The right one of the labels; left out of a gold: nobody knows it, and it is retired."
        },
    )
    value = JsonObject(metadata={"description": "What a settled task is, as a worker would send it; or `category`."})
    appeal_id = Identifier("apl", metadata={"description": "The open appeal that is right."})


class CorrectionQuery(Schema):
    kind = Choice(CorrectionKind)
    state = Choice(CorrectionState)


class CorrectionLineQuery(Schema):
    change = Choice(Change)


class CorrectionApplication(Schema):
    content_hash = ContentHash(
        required=True, metadata={"description": "Of the preview that you have looked at; it has to be the last one."}
    )


class Correction(Schema):
    id = Identifier("cor")
    kind = Choice(CorrectionKind)
    state = Choice(CorrectionState)
    project_id = Identifier("prj")
    task_id = Identifier("tsk", allow_none=True)
    appeal_id = Identifier("apl", allow_none=True)
    label_from = Integer(allow_none=True)
    label_to = Integer(allow_none=True, metadata={"description": "Null where nobody knows it any more."})
    reason = Text()
    content_hash = ContentHash(attribute="hash", metadata={"description": "Of what its last preview shows."})
    lines = Integer(attribute="n_lines")
    created_at = Timestamp()
    decided_at = Timestamp(allow_none=True)


class CorrectedTiers(Schema):
    tier_from = Integer()
    tier_to = Integer()
    workers = Integer()


class _Amount(Schema):
    amount = ma.fields.Function(
        lambda row: None if row.amount is None else money.format_amount(row.amount, row.exponent),
        metadata={"type": ["string", "null"]},
    )


class CorrectedPay(_Amount):
    currency = Text()
    paid_by = Choice(PaidBy)
    workers = Integer()
    answers = Integer()


class CorrectionShown(Schema):
    correction = ma.fields.Nested(Correction)
    value_from = JsonObject(allow_none=True, metadata={"description": "What `label_from` says, as a worker would."})
    value_to = JsonObject(allow_none=True, metadata={"description": "What `label_to` says."})
    rejudged = Integer(metadata={"description": "Workers whose answer is judged otherwise."})
    tasks = Integer(metadata={"description": "Settled tasks that votes would decide otherwise now."})
    quarantines = Integer(metadata={"description": "Those that nothing speaks for any more."})
    moves = ma.fields.List(ma.fields.Nested(CorrectedTiers))
    money = ma.fields.List(ma.fields.Nested(CorrectedPay))


class CorrectionLine(_Amount):
    """What is of another kind of change is null."""

    number = Integer()
    change = Choice(Change)
    worker_id = Identifier("wrk", allow_none=True)
    skill = Text(allow_none=True)
    was_right = Flag(allow_none=True, metadata={"description": "Null where nobody knew."})
    is_right = Flag(allow_none=True)
    low_before = Fraction(allow_none=True, metadata={"description": "Bounds of the worker's record, as in tiers."})
    high_before = Fraction(allow_none=True)
    low_after = Fraction(allow_none=True)
    high_after = Fraction(allow_none=True)
    tier_from = Integer(allow_none=True)
    tier_to = Integer(allow_none=True)
    rule_id = Identifier("lad", allow_none=True, metadata={"description": "The ladder that a move goes by."})
    task_id = Identifier("tsk", allow_none=True)
    label_from = Integer(allow_none=True)
    label_to = Integer(allow_none=True)
    quarantine_id = Identifier("qtn", allow_none=True)
    answer_id = Identifier("ans", allow_none=True)
    currency = Text(allow_none=True)
    paid_by = Choice(PaidBy, allow_none=True)

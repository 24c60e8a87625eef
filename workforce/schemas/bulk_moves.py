"""What the routes of bulk moves take and give, and what stands in a line of one."""

import marshmallow as ma

from foundation.fields import Choice, Identifier, Integer, QueryInteger, Schema, Text, Timestamp
from workforce.models import BulkState, LineFate
from workforce.overrides import DAYS_MAX
from workforce.schemas.corrections import ContentHash
from workforce.schemas.parts import Reason
from workforce.tiers import SKILL_MAX, Tier


class BulkCells(Schema):
    """One line of a file."""

    worker_id = Identifier("wrk", required=True)
    skill = Text(required=True, shortest=1, longest=SKILL_MAX)
    tier = QueryInteger(required=True, least=Tier.CANDIDATE, most=Tier.EXPERT)
    reason = Text(shortest=1, longest=1000)
    days = QueryInteger(least=1, most=DAYS_MAX)
    expires_at = Timestamp()


class NewBulkMove(Schema):
    reason = Text(
        required=True,
        shortest=1,
        longest=1000,
        metadata={"description": "Workers read it beside their tier, unless their line has one of its own."},
    )
    days = QueryInteger(
        least=1,
        most=DAYS_MAX,
        load_default=30,
        metadata={"description": "From its approval on, where a line says nothing else."},
    )


class BulkMoveQuery(Schema):
    state = Choice(BulkState)


class BulkMove(Schema):
    id = Identifier("bmv")
    reason = Text()
    days = Integer()
    state = Choice(BulkState)
    lines = Integer(attribute="n_lines")
    waiting = Integer(attribute="n_waiting", metadata={"description": "To be moved, once somebody else approves it."})
    there = Integer(attribute="n_there", metadata={"description": "Who stand there already."})
    bad = Integer(attribute="n_bad")
    moved = Integer(attribute="n_moved")
    skipped = Integer(attribute="n_skipped", metadata={"description": "Not moved, for something had changed by then."})
    returned = Integer(attribute="n_returned", metadata={"description": "Moved, and brought back by undoing it."})
    kept = Integer(attribute="n_kept", metadata={"description": "Moved, and moved on before it was undone."})
    content_hash = ContentHash(attribute="hash", metadata={"description": "Of what its lines would do."})
    created_at = Timestamp()
    decided_at = Timestamp(allow_none=True)
    undone_at = Timestamp(allow_none=True)
    undo_reason = Text(allow_none=True)


class BulkTiers(Schema):
    tier_from = Integer()
    tier_to = Integer()
    lines = Integer()


class BulkMoveShown(Schema):
    bulk_move = ma.fields.Nested(BulkMove)
    moves = ma.fields.List(ma.fields.Nested(BulkTiers), metadata={"description": "Of all lines that are not bad."})


class BulkApproval(Schema):
    content_hash = ContentHash(required=True, metadata={"description": "Of the preview that you have looked at."})


class BulkUndoing(Reason):
    """The workers read it."""


class BulkLineQuery(Schema):
    fate = Choice(LineFate)
    tier_from = QueryInteger(least=Tier.CANDIDATE, most=Tier.EXPERT)
    tier_to = QueryInteger(least=Tier.CANDIDATE, most=Tier.EXPERT)
    worker_id = Identifier("wrk")
    skill = Text(longest=SKILL_MAX)


class BulkLine(Schema):
    line = Integer(metadata={"description": "From 1, with the header and empty lines counted."})
    fate = Choice(LineFate)
    pointer = Text(allow_none=True, metadata={"description": "The column that is wrong; empty: the whole line."})
    why = Text(allow_none=True, metadata={"description": "What is wrong, or why they were not moved or not returned."})
    worker_id = Identifier("wrk", allow_none=True)
    skill = Text(allow_none=True)
    tier_from = Integer(allow_none=True, metadata={"description": "Where they stood when the file came."})
    tier_to = Integer(allow_none=True)
    reason = Text(allow_none=True, metadata={"description": "What the worker reads."})
    days = Integer(allow_none=True)
    expires_at = Timestamp(allow_none=True)
    override_id = Identifier("ovr", allow_none=True)

"""What the routes of appeals and of brakes on rejections take and give."""

import marshmallow as ma

from foundation.fields import Choice, Identifier, Integer, JsonObject, Schema, Text, Timestamp
from workforce.models import AppealState, BrakeState, RejectReason, ReviewState


class NewAppeal(Schema):
    grounds = Text(
        required=True, shortest=1, longest=2_000, metadata={"description": "Why the rejection is wrong, in your words."}
    )


class AppealQuery(Schema):
    state = Choice(AppealState)


class OwnAppeal(Schema):
    id = Identifier("apl")
    answer_id = Identifier("ans")
    project_id = Identifier("prj")
    state = Choice(AppealState)
    grounds = Text()
    decision = Text(allow_none=True, metadata={"description": "Why it was decided so."})
    created_at = Timestamp()
    decided_at = Timestamp(allow_none=True)


class DecidedAppeal(OwnAppeal):
    worker_id = Identifier("wrk")
    requester_id = Identifier("req")


class Appeal(DecidedAppeal):
    reason = Choice(RejectReason, attribute="review.reason")
    evidence = Text(attribute="review.evidence")


class AppealCase(Schema):
    appeal = ma.fields.Nested(Appeal)
    instruction = Text()
    params = JsonObject()
    payload = JsonObject(metadata={"description": "What the worker answered."})
    value = JsonObject(allow_none=True, metadata={"description": "What the task's label says now."})


class BrakeQuery(Schema):
    state = Choice(BrakeState)


class Brake(Schema):
    id = Identifier("bra")
    requester_id = Identifier("req")
    state = Choice(BrakeState)
    since = Timestamp()
    n_rejected = Integer()
    n_judged = Integer(metadata={"description": "How many answers the requester judged in that hour."})
    reason = Text(allow_none=True)
    created_at = Timestamp()
    decided_at = Timestamp(allow_none=True)


class BrakedRejection(Schema):
    answer_id = Identifier("ans")
    project_id = Identifier("prj")
    task_id = Identifier("tsk")
    worker_id = Identifier("wrk")
    state = Choice(ReviewState)
    reason = Choice(RejectReason)
    evidence = Text()
    decided_at = Timestamp()

"""What the routes of answers that wait for their requester take and give."""

import marshmallow as ma

from foundation.fields import Choice, Identifier, Integer, JsonObject, Schema, Text, Timestamp
from workforce import reviews
from workforce.models import RejectReason, ReviewState
from workforce.schemas.parts import Pseudonym


class ReviewQuery(Schema):
    state = Choice(ReviewState, load_default=ReviewState.WAITING)


class OwnReviewQuery(Schema):
    state = Choice(ReviewState)


class AnswersToAccept(Schema):
    answer_ids = ma.fields.List(
        Identifier("ans"), required=True, validate=ma.validate.Length(1, reviews.ACCEPTED_AT_ONCE)
    )


class Accepted(Schema):
    accepted = Integer(metadata={"description": "How many had not been accepted before."})


class Rejection(Schema):
    reason = Choice(RejectReason, required=True)
    evidence = Text(
        required=True,
        shortest=1,
        longest=2_000,
        metadata={"description": "What shows it, in words that its worker can check."},
    )


class OwnReview(Schema):
    answer_id = Identifier("ans")
    project_id = Identifier("prj")
    state = Choice(ReviewState)
    accept_at = Timestamp(metadata={"description": "When silence accepts it."})
    reason = Choice(RejectReason, allow_none=True)
    evidence = Text(allow_none=True)
    decided_at = Timestamp(allow_none=True)
    appeal_until = Timestamp(allow_none=True)


class JudgedReview(OwnReview):
    task_id = Identifier("tsk")


class Review(Schema):
    answer_id = Identifier("ans", attribute="review.answer_id")
    task_id = Identifier("tsk", attribute="review.task_id")
    project_id = Identifier("prj", attribute="review.project_id")
    pseudonym = Pseudonym()
    state = Choice(ReviewState, attribute="review.state")
    accept_at = Timestamp(attribute="review.accept_at", metadata={"description": "When silence accepts it."})
    reason = Choice(RejectReason, attribute="review.reason", allow_none=True)
    evidence = Text(attribute="review.evidence", allow_none=True)
    decided_at = Timestamp(attribute="review.decided_at", allow_none=True)
    appeal_until = Timestamp(attribute="review.appeal_until", allow_none=True)
    payload = JsonObject(attribute="review.answer.payload")
    answered_at = Timestamp(attribute="review.answer.created_at")

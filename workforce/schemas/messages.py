"""What the routes of messages and suspensions take and give."""

import marshmallow as ma

from foundation.fields import Choice, Flag, Identifier, Integer, QueryFlag, Schema, Shaped, Text, Timestamp
from workforce import messages, suspensions
from workforce.models import SuspensionState
from workforce.schemas.parts import Several


class MessageQuery(Schema):
    unread = QueryFlag(metadata={"description": "Whether to leave out what was marked as read."})


class Message(Schema):
    id = Identifier("msg")
    kind = Text()
    title = Text()
    words = Text()
    created_at = Timestamp()
    read_at = Timestamp(allow_none=True)


class Reading(Schema):
    through = Identifier("msg", required=True, metadata={"description": "The newest message that was read."})


class MarkedRead(Schema):
    marked = Integer(metadata={"description": "How many had not been read."})


class MessageKind(Shaped):
    """A kind of messages."""

    def __init__(self, **options: object) -> None:
        wanted = f"Must be one of: {', '.join(messages.KINDS)}."
        super().__init__(messages.KIND, wanted, "payout_sent", **options)


class NewMessageChoice(Schema):
    kind = MessageKind(required=True)
    by_mail = Flag(required=True)


class MessageChoice(Schema):
    kind = Text()
    by_mail = Flag()


class MessageChoices(Schema):
    items = ma.fields.List(ma.fields.Nested(MessageChoice))


class NewSuspension(Schema):
    worker_ids = Several(Identifier("wrk"), most=suspensions.WORKERS_MAX, required=True, metadata={"minItems": 1})
    hours = Integer(required=True, least=1, most=suspensions.HOURS_MAX)
    reason = Text(required=True, shortest=1, longest=1000)

    @ma.validates("worker_ids")
    def _somebody(self, value: list[str], **_: object) -> None:
        if not value:
            raise ma.ValidationError("Name at least one.")


class SuspensionQuery(Schema):
    state = Choice(SuspensionState)


class Suspension(Schema):
    id = Identifier("sus")
    worker_ids = ma.fields.List(Text())
    hours = Integer()
    reason = Text()
    state = Choice(SuspensionState)
    created_at = Timestamp()
    decided_at = Timestamp(allow_none=True)

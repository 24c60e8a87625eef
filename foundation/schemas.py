"""What goes out at the ground's own routes."""

import marshmallow as ma

from foundation.fields import Choice, Identifier, Integer, JsonObject, Schema, Text, Timestamp
from foundation.mail import MailState


class ParkedEvent(Schema):
    id = ma.fields.Function(lambda event: str(event.id), metadata={"type": "string"})
    topic = Text()
    stream = Text()
    payload = JsonObject()
    attempts = Integer()
    last_error = Text(allow_none=True)
    created_at = Timestamp()
    parked_at = Timestamp()


class Redriven(Schema):
    retried = Integer(metadata={"description": "How many events will be delivered again."})


class TrailEntry(Schema):
    seq = Integer()
    at = Timestamp()
    actor_ref = Text()
    role = Text()
    token_id = Text()
    act = Text()
    target = Text()
    details = Text(metadata={"description": "The body that was sent, as it was sent."})
    hash = ma.fields.Function(lambda entry: entry.hash.hex(), metadata={"type": "string"})


class MailQuery(Schema):
    state = Choice(MailState)


class Mail(Schema):
    id = Identifier("mal")
    to = Text(attribute="masked", metadata={"description": "Enough of the address for its owner to know it by."})
    subject = Text()
    about = Text(metadata={"description": "What it tells of, such as the id of a payout method."})
    state = Choice(MailState)
    attempts = Integer()
    due_at = Timestamp(metadata={"description": "When it is tried next, if it waits."})
    last_error = Text(allow_none=True)
    created_at = Timestamp()
    ended_at = Timestamp(allow_none=True)

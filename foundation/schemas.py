"""What goes out at the ground's own routes."""

import marshmallow as ma

from foundation.fields import Integer, JsonObject, Schema, Text, Timestamp


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

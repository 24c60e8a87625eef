"""What the route of ops' queues gives."""

import marshmallow as ma

from foundation.fields import Integer, Schema, Text, Timestamp


class Queue(Schema):
    name = Text()
    waiting = Integer()
    oldest = Timestamp(allow_none=True, metadata={"description": "Since when the oldest waits."})
    address = Text(metadata={"description": "Of its list, for whoever may read that."})


class Queues(Schema):
    items = ma.fields.List(ma.fields.Nested(Queue))

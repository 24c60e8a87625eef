"""What the routes of workers and requesters take and give."""

import marshmallow as ma

from foundation.fields import Choice, Country, Identifier, Schema, Text, Timestamp
from workforce.models import WorkerStatus
from workforce.schemas.tiers import WorkerTier


class Application(Schema):
    name = Text(required=True, shortest=1, longest=200, name=True)
    country = Country(required=True)


class Worker(Schema):
    id = Identifier("wrk")
    name = Text()
    country = Text()
    status = Choice(WorkerStatus)
    created_at = Timestamp()
    activated_at = Timestamp(allow_none=True)


class WorkerWithToken(Schema):
    worker = ma.fields.Nested(Worker)
    token = Text(metadata={"description": "Shown once; keep it."})


class WorkerQuery(Schema):
    status = Choice(WorkerStatus)


class Me(Schema):
    worker = ma.fields.Nested(Worker)
    tiers = ma.fields.List(ma.fields.Nested(WorkerTier))


class RequesterName(Schema):
    name = Text(required=True, shortest=1, longest=200, name=True)


class Requester(Schema):
    id = Identifier("req")
    name = Text()
    created_at = Timestamp()


class RequesterWithToken(Schema):
    requester = ma.fields.Nested(Requester)
    token = Text(allow_none=True, metadata={"description": "Shown once; keep it. A replay has null."})

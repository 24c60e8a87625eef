"""What the routes of leases take and give."""

import marshmallow as ma

from foundation.fields import Choice, Currency, Identifier, Integer, QueryInteger, Schema, Text, Timestamp
from payments import money
from workforce.models import Kind, WithdrawalReason


class LeaseQuery(Schema):
    project_id = Identifier("prj")
    worker_id = Identifier("wrk")
    ending_within_seconds = QueryInteger(most=86_400)


class TakingBack(Schema):
    reason = Choice(WithdrawalReason, required=True)
    note = Text(required=True, longest=1000, metadata={"description": "What the worker is told beside the reason."})


class HeldLease(Schema):
    id = Identifier("asg")
    worker_id = Identifier("wrk")
    project_id = Identifier("prj")
    task_id = Identifier("tsk", attribute="shown_task_id", metadata={"description": "As its worker knows it."})
    kind = Choice(Kind)
    status = Text()
    fence = Integer()
    pay = ma.fields.Function(lambda row: money.format_amount(row.amount, row.exponent), metadata={"type": "string"})
    currency = Currency()
    claimed_at = Timestamp(attribute="created_at")
    lease_expires_at = Timestamp()

"""What the routes of a worker's tasks take and give."""

import marshmallow as ma

from foundation.fields import Choice, Currency, Flag, Fraction, Identifier, Integer, JsonObject, Schema, Text, Timestamp
from payments import money
from workforce.assignment import LEASES_MAX
from workforce.models import Kind, ReleaseReason


class Claim(Schema):
    project_id = Identifier("prj")
    kind = Choice(Kind)


class Lease(Schema):
    id = Identifier("asg")
    task_id = Identifier("tsk")
    project_id = Identifier("prj")
    kind = Choice(Kind)
    fence = Integer()
    lease_expires_at = Timestamp()
    pay = ma.fields.Function(lambda row: money.format_amount(row.amount, row.exponent), metadata={"type": "string"})
    currency = Currency()
    instruction = Text()
    params = JsonObject()
    task_type = Text()
    labels = ma.fields.List(Text())
    form = JsonObject(metadata={"description": "What the project says of its answers, by their type."})


class Fence(Schema):
    fence = Integer(required=True, most=2**53 - 1)


class ClaimSeveral(Claim):
    count = Integer(required=True, least=1, most=LEASES_MAX)


class Leases(Schema):
    leases = ma.fields.List(ma.fields.Nested(Lease))


class Giving(Fence):
    reason = Choice(ReleaseReason)


class Submission(Fence):
    payload = JsonObject(
        required=True,
        metadata={
            "description": "As the task's type asks: for a categorization one of its categories.",
            "examples": [{"category": "rook"}],
        },
    )


class Assignment(Schema):
    id = Identifier("asg")
    task_id = Identifier("tsk", attribute="shown_task_id")
    project_id = Identifier("prj")
    kind = Choice(Kind)
    status = Text()
    fence = Integer()
    lease_expires_at = Timestamp()
    pay = ma.fields.Function(lambda row: money.format_amount(row.amount, row.exponent), metadata={"type": "string"})
    currency = Currency()


class Answer(Schema):
    id = Identifier("ans")
    assignment_id = Identifier("asg")
    task_id = Identifier("tsk", attribute="shown_task_id")
    kind = Choice(Kind)
    payload = JsonObject()
    status = Text()
    late = Flag()
    created_at = Timestamp()


class Escalation(Schema):
    task_id = Identifier("tsk")
    project_id = Identifier("prj")
    confidence = Fraction()
    n_votes = Integer()
    reason = Text()
    waiting_since = Timestamp()


class DossierAnswer(Schema):
    pseudonym = Text()
    category = Text(allow_none=True, metadata={"description": "The label, where answers are labels."})
    payload = JsonObject(metadata={"description": "The answer as it was given."})
    reliability = Fraction(allow_none=True)


class Dossier(Schema):
    task_id = Identifier("tsk")
    reason = Text()
    posterior = ma.fields.Dict(keys=Text(), values=Fraction())
    answers = ma.fields.List(ma.fields.Nested(DossierAnswer))

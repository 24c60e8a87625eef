"""What the routes of audits take and give."""

import marshmallow as ma

from foundation.fields import Choice, Identifier, Integer, JsonObject, QueryInteger, Schema, Text, Timestamp
from workforce.models import AuditVerdict
from workforce.schemas.projects import ProjectTask


class SampleQuery(Schema):
    most = QueryInteger(least=1, most=100, load_default=20)


class SampledTask(ProjectTask):
    params = JsonObject(attribute="task.params")


class Sample(Schema):
    items = ma.fields.List(ma.fields.Nested(SampledTask))


class NewAudit(Schema):
    verdict = Choice(AuditVerdict, required=True)
    category = Text(longest=200, name=True, metadata={"description": "The right one of the labels, of what is fixed."})
    value = JsonObject(metadata={"description": "The right answer, of what is fixed, as a worker would send it."})
    comment = Text(longest=2_000)


class Audit(Schema):
    id = Identifier("aud")
    task_id = Identifier("tsk")
    verdict = Choice(AuditVerdict)
    label_before = Integer()
    label_after = Integer(allow_none=True)
    comment = Text()
    created_at = Timestamp()

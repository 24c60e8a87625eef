"""Audits: a requester looks at some of the settled tasks."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from workforce import audits, labels, projects, schemas
from workforce.api.edge import routes
from workforce.audits import Finding
from workforce.labels import Labelled
from workforce.models import Audit


@routes.get(
    "/projects/<project_id>/audit-sample", allow=allow("requester"), query=schemas.SampleQuery, returns=schemas.Sample
)
def audit_sample(call: Call, project_id: str) -> dict[str, list[Labelled]]:
    """Settled tasks of your project, drawn at random of the newest 10,000 that you have not audited."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    return {"items": labels.of_tasks(call.db, project, audits.sample(call.db, project, **call.query))}


@routes.post(
    "/projects/<project_id>/tasks/<task_id>/audit",
    allow=allow("requester"),
    body=schemas.NewAudit,
    returns=schemas.Audit,
    status=201,
)
def audit_task(call: Call, project_id: str, task_id: str) -> Audit:
    """Say that a settled task is right, fix its label, or have an expert decide it anew, which costs as one does."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    return audits.audit(call.db, project, task_id, Finding(**call.body), made_by=call.actor.subject_id)


@routes.get("/projects/<project_id>/audits", allow=allow("requester"), returns=schemas.Audit, paged=True)
def list_audits(call: Call, project_id: str) -> pagination.Page:
    """What you found in your project, newest first."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    return pagination.read(call.db, audits.listed(project), Audit.id, call.page)

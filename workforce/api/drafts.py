"""Drafts of answers, for whoever holds the task."""

from foundation.auth import allow
from foundation.http import Call
from workforce import drafts, schemas
from workforce.api.edge import routes
from workforce.models import Draft


@routes.put("/assignments/<assignment_id>/draft", allow=allow("work"), body=schemas.Submission, returns=schemas.Draft)
def save_draft(call: Call, assignment_id: str) -> Draft:
    """Keep what you have so far of the answer to a task you hold. It goes with the lease, or with your answer."""
    return drafts.save(call.db, call.actor.subject_id, assignment_id, **call.body)


@routes.get("/assignments/<assignment_id>/draft", allow=allow("work"), returns=schemas.Draft)
def my_draft(call: Call, assignment_id: str) -> Draft:
    """What you have saved last for a task you hold."""
    return drafts.find(call.db, call.actor.subject_id, assignment_id)

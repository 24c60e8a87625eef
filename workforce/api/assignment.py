"""A worker's tasks: claimed, answered, given back; and what waits for an expert."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from workforce import assignment, dossiers, schemas
from workforce.api.edge import routes
from workforce.models import Answer, Assignment


@routes.post("/claims", allow=allow("work"), body=schemas.Claim, returns=schemas.Lease, status=201, or_nothing=True)
def claim(call: Call) -> assignment.Lease | None:
    """Claim the next task you may do, at the price of now. 204 when there is none."""
    return assignment.claim(call.db, call.actor.subject_id, **call.body)


@routes.post(
    "/claims/several",
    allow=allow("work"),
    body=schemas.ClaimSeveral,
    returns=schemas.Leases,
    status=201,
    or_nothing=True,
)
def claim_several(call: Call) -> dict[str, list[assignment.Lease]] | None:
    """Claim up to 20 of the next tasks you may do, as if one after the other. 204 when there is none."""
    leases = assignment.claim_several(call.db, call.actor.subject_id, **call.body)
    return {"leases": leases} if leases else None


@routes.post(
    "/assignments/<assignment_id>/answer",
    allow=allow("work"),
    body=schemas.Submission,
    returns=schemas.Answer,
    status=201,
)
def submit(call: Call, assignment_id: str) -> Answer:
    """Answer a task you hold. Once you have the 201 the answer cannot be lost, and an accepted one is paid."""
    return assignment.submit(call.db, call.actor.subject_id, assignment_id, **call.body)


@routes.post(
    "/assignments/<assignment_id>/renewal", allow=allow("work"), body=schemas.Fence, returns=schemas.Assignment
)
def renew(call: Call, assignment_id: str) -> Assignment:
    """Begin the time of a task you hold again."""
    return assignment.renew(call.db, call.actor.subject_id, assignment_id, **call.body)


@routes.post(
    "/assignments/<assignment_id>/release", allow=allow("work"), body=schemas.Giving, returns=schemas.Assignment
)
def release(call: Call, assignment_id: str) -> Assignment:
    """Give back a task you hold, and say why if you like; someone else gets it."""
    return assignment.release(call.db, call.actor.subject_id, assignment_id, **call.body)


@routes.get("/me/assignments", allow=allow("work"), returns=schemas.Assignment, paged=True)
def my_assignments(call: Call) -> pagination.Page:
    """The tasks you hold now."""
    return assignment.leases(call.db, call.actor.subject_id, call.page)


@routes.get("/me/answers", allow=allow("work"), returns=schemas.Answer, paged=True)
def my_answers(call: Call) -> pagination.Page:
    """Your answers, newest first."""
    return assignment.answers(call.db, call.actor.subject_id, call.page)


@routes.get("/assignments/<assignment_id>/dossier", allow=allow("work"), returns=schemas.Dossier)
def dossier(call: Call, assignment_id: str) -> dossiers.Dossier:
    """What an expert sees of an escalated task they hold: the answers under pseudonyms and why they were not enough."""
    return dossiers.dossier(call.db, call.actor.subject_id, assignment_id)


@routes.get("/escalations", allow=allow("ops"), returns=schemas.Escalation, paged=True)
def escalations(call: Call) -> pagination.Page:
    """Tasks that wait for an expert, with the reason, oldest first."""
    return dossiers.escalations(call.db, call.page)

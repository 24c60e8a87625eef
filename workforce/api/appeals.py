"""Appeals against rejections, and brakes on requesters who reject much: workers begin the one, ops decide both."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from workforce import appeals, rejections, schemas
from workforce.api.edge import routes
from workforce.models import Appeal, Brake, Review


@routes.post(
    "/answers/<answer_id>/appeal", allow=allow("work"), body=schemas.NewAppeal, returns=schemas.OwnAppeal, status=201
)
def appeal(call: Call, answer_id: str) -> Appeal:
    """Appeal against the rejection of your answer, within seven days. Somebody else than who rejected it decides."""
    return appeals.appeal(call.db, call.actor.subject_id, answer_id, **call.body)


@routes.get("/me/appeals", allow=allow("work"), returns=schemas.OwnAppeal, paged=True)
def my_appeals(call: Call) -> pagination.Page:
    """Your appeals, newest first, and what came of them."""
    return pagination.read(call.db, appeals.of_worker(call.actor.subject_id), Appeal.id, call.page)


@routes.get("/appeals", allow=allow("ops"), query=schemas.AppealQuery, returns=schemas.Appeal, paged=True)
def list_appeals(call: Call) -> pagination.Page:
    """All appeals beside the rejections that they are about, oldest first; `state` narrows the list."""
    return pagination.read(call.db, appeals.listed(**call.query), Appeal.id, call.page, newest_first=False)


@routes.get("/appeals/<appeal_id>", allow=allow("ops"), returns=schemas.AppealCase)
def get_appeal(call: Call, appeal_id: str) -> appeals.Case:
    """An appeal beside what was asked, what was answered and what the task's label is."""
    return appeals.case(call.db, appeal_id)


@routes.post("/appeals/<appeal_id>/upholding", allow=allow("ops"), body=schemas.Reason, returns=schemas.DecidedAppeal)
def uphold_appeal(call: Call, appeal_id: str) -> Appeal:
    """Decide for the worker: the answer is accepted and due, and it counts against whoever rejected it."""
    return appeals.uphold(call.db, appeal_id, decision=call.body["reason"], decided_by=call.actor.subject_id)


@routes.post("/appeals/<appeal_id>/denial", allow=allow("ops"), body=schemas.Reason, returns=schemas.DecidedAppeal)
def deny_appeal(call: Call, appeal_id: str) -> Appeal:
    """Decide that the rejection stands. It is final, and what was kept for the answer goes back to its requester."""
    return appeals.deny(call.db, appeal_id, decision=call.body["reason"], decided_by=call.actor.subject_id)


@routes.get("/brakes", allow=allow("ops"), query=schemas.BrakeQuery, returns=schemas.Brake, paged=True)
def list_brakes(call: Call) -> pagination.Page:
    """Requesters whose rejections are or were on hold, oldest first; `state` narrows the list."""
    return pagination.read(call.db, rejections.brakes(**call.query), Brake.id, call.page, newest_first=False)


@routes.get("/brakes/<brake_id>/rejections", allow=allow("ops"), returns=schemas.BrakedRejection, paged=True)
def list_braked(call: Call, brake_id: str) -> pagination.Page:
    """What was rejected in the hour that set this brake, newest answer first, with reasons and evidence."""
    return pagination.read(call.db, rejections.rejected_under(call.db, brake_id), Review.answer_id, call.page)


@routes.post("/brakes/<brake_id>/release", allow=allow("ops"), body=schemas.Reason, returns=schemas.Brake)
def release_brake(call: Call, brake_id: str) -> Brake:
    """Let a requester reject again. What they rejected stays rejected; workers may appeal as before."""
    return rejections.release(call.db, brake_id, decided_by=call.actor.subject_id, **call.body)


@routes.post("/brakes/<brake_id>/undoing", allow=allow("ops"), body=schemas.Reason, returns=schemas.Brake)
def undo_braked(call: Call, brake_id: str) -> Brake:
    """Accept all that was rejected in the hour that set this brake; it is due at once, and the requester may go on."""
    return rejections.undo(call.db, brake_id, decided_by=call.actor.subject_id, **call.body)

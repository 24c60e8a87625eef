"""Stopping workers for a time, and how a worker leaves."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from workforce import onboarding, schemas, suspensions
from workforce.api.edge import routes
from workforce.models import Suspension, Worker, WorkerStatus


@routes.post("/workers/<worker_id>/activation", allow=allow("ops"), returns=schemas.Worker)
def activate(call: Call, worker_id: str) -> Worker:
    """Let an applicant, or a suspended worker, claim tasks; their suspensions are over."""
    return suspensions.reinstate(call.db, worker_id)


@routes.post("/workers/<worker_id>/suspension", allow=allow("ops"), returns=schemas.Worker)
def suspend(call: Call, worker_id: str) -> Worker:
    """Stop a worker from claiming, from their next request on, for 72 hours: the most that one person may."""
    return suspensions.suspend_alone(call.db, worker_id, made_by=call.actor.subject_id)


@routes.post("/suspensions", allow=allow("ops"), body=schemas.NewSuspension, returns=schemas.Suspension, status=201)
def make_suspension(call: Call) -> Suspension:
    """Stop workers for so many hours. Beyond 72 hours or ten workers it waits for another person."""
    return suspensions.suspend(call.db, **call.body, made_by=call.actor.subject_id)


@routes.get("/suspensions", allow=allow("ops"), query=schemas.SuspensionQuery, returns=schemas.Suspension, paged=True)
def list_suspensions(call: Call) -> pagination.Page:
    """All suspensions, newest first; `state` narrows the list."""
    return pagination.read(call.db, suspensions.listed(**call.query), Suspension.id, call.page)


@routes.post("/suspensions/<suspension_id>/confirmation", allow=allow("ops"), returns=schemas.Suspension)
def confirm_suspension(call: Call, suspension_id: str) -> Suspension:
    """Let a suspension begin that another person has proposed."""
    return suspensions.confirm(call.db, suspension_id, confirmed_by=call.actor.subject_id)


@routes.post("/suspensions/<suspension_id>/refusal", allow=allow("ops"), returns=schemas.Suspension)
def refuse_suspension(call: Call, suspension_id: str) -> Suspension:
    """Drop a suspension that was proposed."""
    return suspensions.refuse(call.db, suspension_id, refused_by=call.actor.subject_id)


@routes.post("/me/leaving", allow=allow("work"), returns=schemas.Worker)
def leave(call: Call) -> Worker:
    """Leave for good: you claim no more. What you hold you may still answer, and what you are owed is paid."""
    return onboarding.move(call.db, call.actor.subject_id, WorkerStatus.OFFBOARDED)

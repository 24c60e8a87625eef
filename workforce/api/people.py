"""Workers and requesters: how they come, what they see of themselves, and how ops moves them."""

from typing import Any

from foundation import pagination
from foundation.auth import PUBLIC, allow
from foundation.http import Call
from foundation.limits import DAY, Limit
from workforce import onboarding, places, requesters, schemas
from workforce.api.edge import routes
from workforce.models import Requester as RequesterRow
from workforce.models import Worker


@routes.post(
    "/applications",
    allow=PUBLIC,
    quota=Limit("applications", 200, DAY, strict=True),
    body=schemas.Application,
    returns=schemas.WorkerWithToken,
    status=201,
    shown_once=("token",),
)
def apply(call: Call) -> dict[str, Any]:
    """Apply as a worker. The token shows you where your application stands; ops activates you."""
    worker, token = onboarding.apply(call.db, **call.body)
    return {"worker": worker, "token": token}


@routes.get("/me", allow=allow("work"), returns=schemas.Me)
def me(call: Call) -> dict[str, Any]:
    """Your profile, your status and your tier in each skill."""
    worker = onboarding.find(call.db, call.actor.subject_id)
    return {"worker": worker, "tiers": places.of_worker(call.db, worker.id)}


@routes.get("/workers", allow=allow("ops"), query=schemas.WorkerQuery, returns=schemas.Worker, paged=True)
def workers(call: Call) -> pagination.Page:
    """All workers, newest first; `status` narrows the list."""
    return pagination.read(call.db, onboarding.listed(**call.query), Worker.id, call.page)


@routes.post(
    "/requesters",
    allow=allow("ops", "admin"),
    body=schemas.RequesterName,
    returns=schemas.RequesterWithToken,
    status=201,
    shown_once=("token",),
)
def register_requester(call: Call) -> dict[str, Any]:
    """Open a requester's account; its first token is shown once."""
    requester, token = requesters.register(call.db, **call.body)
    return {"requester": requester, "token": token}


@routes.get("/requesters", allow=allow("ops", "admin", "finance"), returns=schemas.Requester, paged=True)
def list_requesters(call: Call) -> pagination.Page:
    """All requesters, newest first."""
    return pagination.read(call.db, requesters.listed(), RequesterRow.id, call.page)

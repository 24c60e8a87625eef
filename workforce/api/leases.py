"""Who holds what, for ops."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from workforce import leases, schemas
from workforce.api.edge import routes
from workforce.models import Assignment


@routes.get("/leases", allow=allow("ops"), query=schemas.LeaseQuery, returns=schemas.HeldLease, paged=True)
def held_leases(call: Call) -> pagination.Page:
    """What workers hold now, newest first; of a project, of a worker, or what ends soon."""
    return pagination.read(call.db, leases.listed(**call.query), Assignment.id, call.page)


@routes.post(
    "/assignments/<assignment_id>/withdrawal", allow=allow("ops"), body=schemas.TakingBack, returns=schemas.HeldLease
)
def take_back(call: Call, assignment_id: str) -> Assignment:
    """Take a task back from whoever holds it, for a reason that they are told. Somebody else gets it."""
    return leases.take_back(call.db, assignment_id, taken_by=call.actor.token_id, **call.body)

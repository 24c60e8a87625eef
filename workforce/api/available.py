"""What a worker could claim, and why it is not more: for themselves, and for ops with what is hidden from them."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from workforce import available, schemas, why_nothing
from workforce.api.edge import routes


@routes.get("/me/available-work", allow=allow("work"), returns=schemas.AvailableWork, paged=True)
def available_work(call: Call) -> pagination.Page:
    """Projects with tasks that you could claim now, at which price, and how long an answer takes."""
    return available.work(call.db, call.actor.subject_id, call.page)


@routes.get("/me/why-nothing", allow=allow("work"), query=schemas.WhyNothingQuery, returns=schemas.WhyNothing)
def why_i_get_nothing(call: Call) -> why_nothing.Why:
    """How many open tasks each rule keeps from you, of all projects or of one."""
    return why_nothing.ask(call.db, call.actor.subject_id, **call.query)


@routes.get(
    "/workers/<worker_id>/why-nothing",
    allow=allow("ops"),
    query=schemas.WhyNothingQuery,
    returns=schemas.WhyNothingOfWorker,
)
def why_a_worker_gets_nothing(call: Call, worker_id: str) -> why_nothing.Why:
    """How many open tasks each rule keeps from a worker, with those of projects that are hidden from them."""
    return why_nothing.ask(call.db, worker_id, with_hidden=True, **call.query)

"""Accounts that count as one, for ops."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from workforce import linked, schemas
from workforce.api.edge import routes
from workforce.models import AccountLink


@routes.get(
    "/account-links", allow=allow("ops"), query=schemas.AccountLinkQuery, returns=schemas.AccountLink, paged=True
)
def list_links(call: Call) -> pagination.Page:
    """All links between accounts, newest first; `worker_id`, `kind` and `open` narrow the list."""
    return pagination.read(call.db, linked.listed(**call.query), AccountLink.id, call.page)


@routes.post("/account-links", allow=allow("ops"), body=schemas.NewAccountLink, returns=schemas.AccountLink, status=201)
def declare_link(call: Call) -> AccountLink:
    """Let two accounts count as one from now on: a task gets one answer of them."""
    return linked.declare(call.db, **call.body, recorded_by=call.actor.subject_id)


@routes.post(
    "/account-links/<link_id>/withdrawal", allow=allow("ops"), body=schemas.Reason, returns=schemas.AccountLink
)
def withdraw_link(call: Call, link_id: str) -> AccountLink:
    """Take a link back: accounts that nothing else links count as two again."""
    return linked.withdraw(call.db, link_id, **call.body, withdrawn_by=call.actor.subject_id)


@routes.get("/account-clusters", allow=allow("ops"), query=schemas.ClusterQuery, returns=schemas.Cluster, paged=True)
def list_clusters(call: Call) -> pagination.Page:
    """Workers who count as one, newest first; `worker_id` asks for theirs."""
    return linked.clusters(call.db, call.page, **call.query)

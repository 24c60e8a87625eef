"""Redenominations: what is owed in a currency that is over goes on in its successor, by two people."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from payments import redenomination, schemas
from payments.api.edge import READ, routes
from payments.models import Redenomination
from payments.redenomination import Preview


@routes.post(
    "/redenominations/preview",
    allow=allow("finance", "approve"),
    body=schemas.NewRedenomination,
    returns=schemas.RedenominationPreview,
)
def preview_redenomination(call: Call) -> Preview:
    """What would be moved now out of a currency that is over, and what it would become. Nothing is written."""
    return redenomination.preview(call.db, call.body["currency"])


@routes.post(
    "/redenominations",
    allow=allow("finance"),
    body=schemas.NewRedenomination,
    returns=schemas.Redenomination,
    status=201,
)
def propose_redenomination(call: Call) -> Redenomination:
    """Propose that what is owed in a currency go on in its successor. Nothing moves until another person approves."""
    return redenomination.propose(call.db, call.body["currency"], proposed_by=call.actor.subject_id)


@routes.get(
    "/redenominations", allow=READ, query=schemas.RedenominationQuery, returns=schemas.Redenomination, paged=True
)
def list_redenominations(call: Call) -> pagination.Page:
    """Redenominations, newest first, with how far each has come."""
    return pagination.read(call.db, redenomination.listed(**call.query), Redenomination.id, call.page)


@routes.post("/redenominations/<redenomination_id>/approval", allow=allow("approve"), returns=schemas.Redenomination)
def approve_redenomination(call: Call, redenomination_id: str) -> Redenomination:
    """Have it done; payees are moved in the background. Not for whoever proposed it."""
    return redenomination.approve(call.db, redenomination_id, approved_by=call.actor.subject_id)


@routes.post("/redenominations/<redenomination_id>/refusal", allow=allow("approve"), returns=schemas.Redenomination)
def refuse_redenomination(call: Call, redenomination_id: str) -> Redenomination:
    """Drop one that was proposed; nothing is moved."""
    return redenomination.refuse(call.db, redenomination_id, refused_by=call.actor.subject_id)

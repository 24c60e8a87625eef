"""Versions of ladders: workers and ops read them, ops propose new ones, see who would move, and confirm."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from workforce import ladder_versions, schemas
from workforce.api.edge import routes
from workforce.ladder_versions import Preview
from workforce.ladders import Rule
from workforce.models import LadderRule


@routes.post(
    "/ladders/<skill>/versions", allow=allow("ops"), body=schemas.NewLadder, returns=schemas.LadderVersion, status=201
)
def propose_ladder(call: Call, skill: str) -> LadderRule:
    """Propose a version of a skill's ladder, or of ALL. It holds when another person has confirmed it."""
    return ladder_versions.propose(call.db, skill, **call.body, proposed_by=call.actor.subject_id)


@routes.get("/ladders/<skill>/versions", allow=allow("ops"), returns=schemas.LadderVersion, paged=True)
def list_ladder_versions(call: Call, skill: str) -> pagination.Page:
    """All versions of a skill's own ladder, newest first."""
    return pagination.read(call.db, ladder_versions.listed(skill), LadderRule.id, call.page)


@routes.get("/ladder-versions/<ladder_id>", allow=allow("work", "ops"), returns=schemas.Ladder)
def get_ladder_version(call: Call, ladder_id: str) -> Rule:
    """A version with its steps, such as one that a move names. Workers see those that hold or have held."""
    return ladder_versions.find(call.db, ladder_id, confirmed=call.actor.role == "worker")


@routes.get("/ladder-versions/<ladder_id>/preview", allow=allow("ops"), returns=schemas.LadderPreview)
def preview_ladder(call: Call, ladder_id: str) -> Preview:
    """Whom a version would move now: how many from which tier to which. Nothing is changed."""
    return ladder_versions.preview(call.db, ladder_id)


@routes.get("/ladder-versions/<ladder_id>/moves", allow=allow("ops"), returns=schemas.ForeseenMove, paged=True)
def foreseen_moves(call: Call, ladder_id: str) -> pagination.Page:
    """Those whom a version would move now, each with the reason that they would read. A page may be short."""
    return ladder_versions.page(call.db, ladder_id, call.page)


@routes.post("/ladder-versions/<ladder_id>/approval", allow=allow("ops"), returns=schemas.LadderVersion)
def approve_ladder(call: Call, ladder_id: str) -> LadderRule:
    """Let a version hold that another person has proposed. Workers are moved in the background, and told."""
    return ladder_versions.approve(call.db, ladder_id, approved_by=call.actor.subject_id)

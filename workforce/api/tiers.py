"""Tiers: what workers see of their own and of the rules, what ops see of anybody, and moves by hand."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from workforce import ladders, onboarding, overrides, places, schemas, tiers
from workforce.api.edge import routes
from workforce.models import TierOverride, WorkerTier


@routes.get("/me/tiers", allow=allow("work"), returns=schemas.OnLadders)
def my_tiers(call: Call) -> dict[str, list[places.OnLadder]]:
    """Where you stand on every ladder that you were moved on, why, and what the next step asks for."""
    return {"items": places.mine(call.db, call.actor.subject_id)}


@routes.get("/me/tier-moves", allow=allow("work"), returns=schemas.TierMove, paged=True)
def my_tier_moves(call: Call) -> pagination.Page:
    """Every move of yours, newest first: by which rule, and on which evidence."""
    return places.moves(call.db, call.actor.subject_id, call.page)


@routes.get("/ladders/<skill>", allow=allow("work", "ops"), returns=schemas.Ladder)
def ladder(call: Call, skill: str) -> ladders.Rule:
    """The rules that a skill goes by: what each step asks for. They are its own, or those of what is above it."""
    return ladders.in_force(call.db, tiers.known_skill(skill))


@routes.get(
    "/ladders/<skill>/workers", allow=allow("ops"), query=schemas.InSkillQuery, returns=schemas.InSkill, paged=True
)
def workers_in_skill(call: Call, skill: str) -> pagination.Page:
    """The workers of a skill with their tier and record, newest first; tier, country and bounds narrow the list."""
    return places.in_skill(call.db, tiers.known_skill(skill), call.page, **call.query)


@routes.get("/workers/<worker_id>/tiers", allow=allow("ops"), returns=schemas.OnLaddersWithRecords)
def tiers_of_worker(call: Call, worker_id: str) -> dict[str, list[places.WithRecord]]:
    """Where a worker stands on each ladder, why, and what their checked answers show by now."""
    return {"items": places.with_records(call.db, worker_id)}


@routes.get("/workers/<worker_id>/tier-moves", allow=allow("ops"), returns=schemas.TierMove, paged=True)
def tier_moves_of_worker(call: Call, worker_id: str) -> pagination.Page:
    """Every move of a worker, newest first, as they read it themselves."""
    return places.moves(call.db, onboarding.find(call.db, worker_id).id, call.page)


@routes.put(
    "/workers/<worker_id>/tiers/<skill>", allow=allow("ops"), body=schemas.TierChange, returns=schemas.WorkerTier
)
def set_tier(call: Call, worker_id: str, skill: str) -> WorkerTier:
    """Put a worker on a step of a skill's ladder, once, with a reason that they read. Evidence moves them on."""
    return tiers.place_first(call.db, worker_id, skill=skill, moved_by=call.actor.token_id, **call.body)


@routes.post(
    "/workers/<worker_id>/tier-overrides",
    allow=allow("ops"),
    body=schemas.NewTierOverride,
    returns=schemas.TierOverride,
    status=201,
)
def propose_override(call: Call, worker_id: str) -> TierOverride:
    """Ask that a worker stand on a step for some days, against the rule. Another person has to approve it."""
    return overrides.propose(call.db, worker_id, proposed_by=call.actor.subject_id, **call.body)


@routes.get(
    "/tier-overrides", allow=allow("ops"), query=schemas.TierOverrideQuery, returns=schemas.TierOverride, paged=True
)
def list_overrides(call: Call) -> pagination.Page:
    """Overrides, newest first; `state`, `worker_id` and `skill` narrow the list."""
    return pagination.read(call.db, overrides.listed(**call.query), TierOverride.id, call.page)


@routes.post("/tier-overrides/<override_id>/approval", allow=allow("ops"), returns=schemas.TierOverride)
def approve_override(call: Call, override_id: str) -> TierOverride:
    """Let an override hold that another person has proposed. The worker reads its reason."""
    return overrides.approve(call.db, override_id, approved_by=call.actor.subject_id)


@routes.post("/tier-overrides/<override_id>/refusal", allow=allow("ops"), returns=schemas.TierOverride)
def refuse_override(call: Call, override_id: str) -> TierOverride:
    """Drop a proposed override; whoever made it may do so as well."""
    return overrides.refuse(call.db, override_id, refused_by=call.actor.subject_id)


@routes.post("/tier-overrides/<override_id>/end", allow=allow("ops"), returns=schemas.TierOverride)
def end_override(call: Call, override_id: str) -> TierOverride:
    """End an override before its date: the worker goes back to where they stood, and the rule decides."""
    return overrides.end(call.db, override_id, ended_by=call.actor.subject_id)

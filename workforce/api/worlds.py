"""A requester's test world: how they come into it, and what there is in it alone."""

from typing import Any

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from foundation.limits import DAY, Limit
from foundation.worlds import World
from workforce import schemas, worlds
from workforce.api.edge import routes
from workforce.models import Worker

_IN_EARNEST = allow("requester", world=World.LIVE)
_TRYING = allow("requester", world=World.TEST)


@routes.get("/me/test-world", allow=allow("requester", "funds", world=World.LIVE), returns=schemas.TestWorld)
def my_test_world(call: Call) -> worlds.Entered:
    """Your test world, if it is open: as whom you are known there."""
    return worlds.find(call.db, call.actor.subject_id)


@routes.post(
    "/me/test-world",
    allow=_IN_EARNEST,
    quota=Limit("test-tokens", 100, DAY),
    body=schemas.NewTestToken,
    returns=schemas.TestWorldWithToken,
    status=201,
    shown_once=("token",),
)
def enter_test_world(call: Call) -> worlds.Entered:
    """A token for your test world, where nothing is real; the first one opens it, with some play money."""
    return worlds.enter(call.db, call.actor, **call.body)


@routes.post(
    "/me/test-world/reset",
    allow=_IN_EARNEST,
    quota=Limit("test-worlds", 20, DAY),
    returns=schemas.TestWorldWithToken,
    status=201,
    shown_once=("token",),
)
def reset_test_world(call: Call) -> worlds.Entered:
    """An empty test world in place of yours, all of whose tokens end; for owners of the team."""
    return worlds.begin_anew(call.db, call.actor)


@routes.post("/me/test-funds", allow=_TRYING, body=schemas.NewPlayMoney, returns=schemas.PlayMoney)
def give_play_money(call: Call) -> worlds.PlayMoney:
    """More play money, in any currency; with a test token alone."""
    return worlds.give_money(call.db, call.actor.subject_id, **call.body)


@routes.post(
    "/me/test-workers",
    allow=_TRYING,
    body=schemas.NewTestWorker,
    returns=schemas.WorkerWithToken,
    status=201,
    shown_once=("token",),
)
def employ_test_worker(call: Call) -> dict[str, Any]:
    """Somebody who sees your test projects alone, with their token. One who is there by that name gets another."""
    said = call.body
    worker, token = worlds.employ(
        call.db,
        call.actor.subject_id,
        name=said["name"],
        country=said["country"],
        pools_in=said["pools"],
        languages={one["language"]: one["level"] for one in said["languages"]},
        steps={one["skill"]: one["tier"] for one in said["tiers"]},
    )
    return {"worker": worker, "token": token}


@routes.get("/me/test-workers", allow=_TRYING, returns=schemas.Worker, paged=True)
def my_test_workers(call: Call) -> pagination.Page:
    """Your test workers, newest first; with a test token alone."""
    return pagination.read(call.db, worlds.of_account(call.actor.subject_id), Worker.id, call.page)

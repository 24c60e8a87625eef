"""Which pools a worker is in and which languages they know, for ops."""

from collections.abc import Sequence

from foundation.auth import allow
from foundation.http import Call
from workforce import pools, schemas
from workforce.api.edge import routes
from workforce.models import WorkerLanguage


@routes.put("/workers/<worker_id>/pools", allow=allow("ops"), body=schemas.PoolChange, returns=schemas.Pools)
def put_into_pools(call: Call, worker_id: str) -> pools.Placed:
    """Let a worker be in just these pools, from their next claim on. In none: they are of the crowd."""
    return pools.put(call.db, worker_id, call.body["pools"], put_by=call.actor.token_id)


@routes.get("/workers/<worker_id>/pools", allow=allow("ops"), returns=schemas.Pools)
def pools_of_worker(call: Call, worker_id: str) -> pools.Placed:
    """The pools that a worker is in, and since when."""
    return pools.of_worker(call.db, worker_id)


@routes.put(
    "/workers/<worker_id>/languages", allow=allow("ops"), body=schemas.LanguageChange, returns=schemas.Languages
)
def set_languages(call: Call, worker_id: str) -> dict[str, Sequence[WorkerLanguage]]:
    """Let a worker know just these languages, from their next claim on."""
    levels = {one["language"]: one["level"] for one in call.body["languages"]}
    return {"languages": pools.set_languages(call.db, worker_id, levels)}


@routes.get("/workers/<worker_id>/languages", allow=allow("ops"), returns=schemas.Languages)
def languages_of_worker(call: Call, worker_id: str) -> dict[str, Sequence[WorkerLanguage]]:
    """The languages that a worker knows, and how well."""
    return {"languages": pools.languages(call.db, worker_id)}

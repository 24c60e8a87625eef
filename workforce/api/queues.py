"""What waits for ops."""

from foundation.auth import allow
from foundation.http import Call
from workforce import queues, schemas
from workforce.api.edge import routes


@routes.get("/queues", allow=allow("ops"), returns=schemas.Queues)
def list_queues(call: Call) -> dict[str, object]:
    """How much of each kind waits for somebody, since when, and at which address its list is."""
    return {"items": queues.all_of_them(call.db)}

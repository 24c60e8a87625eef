"""What rails and banks take for payments."""

from foundation import pagination
from foundation.http import Call
from payments import rail_fees, schemas
from payments.api.edge import READ, first_day, routes
from payments.models import UnplacedFee


@routes.get("/rail-fees", allow=READ, query=schemas.MonthQuery, returns=schemas.RailFees)
def costs(call: Call) -> dict[str, object]:
    """What payments have cost in a month, by rail, kind of entry and currency."""
    return {"items": rail_fees.costs(call.db, first_day(call.query["month"]))}


@routes.get("/rail-fees/unplaced", allow=READ, query=schemas.UnplacedFeeQuery, returns=schemas.UnplacedFee, paged=True)
def unplaced(call: Call) -> pagination.Page:
    """Fees that files told and that were not booked, newest first; `payout_id` and `reason` narrow the list."""
    return pagination.read(call.db, rail_fees.unplaced_fees(**call.query), UnplacedFee.id, call.page)

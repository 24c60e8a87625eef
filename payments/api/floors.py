"""Fair pay: floors, wages and weeks."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from payments import batch_floors, floor_weeks, floors, schemas, wages
from payments.api.edge import READ, routes
from payments.floor_weeks import Standing
from payments.models import BatchFloor, FloorRule
from payments.wages import Report


@routes.post("/floor-rules", allow=allow("finance"), body=schemas.NewFloorRule, returns=schemas.FloorRule, status=201)
def enter_floor_rule(call: Call) -> FloorRule:
    """Enter the least that an hour of work in a region must pay. It counts when another person has confirmed it."""
    return floors.enter(call.db, floors.Terms(**call.body), entered_by=call.actor.subject_id)


@routes.post("/floor-rules/<floor_id>/confirmation", allow=allow("approve"), returns=schemas.FloorRule)
def confirm_floor_rule(call: Call, floor_id: str) -> FloorRule:
    """Let a floor rule count that another person has entered. Weeks that are closed stay as they are."""
    return floors.confirm(call.db, floor_id, confirmed_by=call.actor.subject_id)


@routes.get("/floor-rules", allow=READ, query=schemas.FloorRuleQuery, returns=schemas.FloorRule, paged=True)
def floor_rules(call: Call) -> pagination.Page:
    """Floor rules, newest first, confirmed or not; `region` narrows them."""
    return floors.page(call.db, call.page, **call.query)


@routes.get("/wages", allow=READ, query=schemas.WagesQuery, returns=schemas.WagesReport)
def effective_wages(call: Call) -> Report:
    """What an hour of work really pays, by region, tier and skill: median with its 95 % interval, and quartiles."""
    return wages.report(call.db, **call.query)


@routes.post("/floor-weeks", allow=allow("finance"), body=schemas.NewFloorWeek, returns=schemas.FloorWeek, status=201)
def begin_floor_week(call: Call) -> Standing:
    """Have a week that is over held against the floor, step by step; one that was begun before is as it is."""
    begun = floor_weeks.begin(call.db, call.body["week"], begun_by=call.actor.subject_id)
    return floor_weeks.standings(call.db, [begun])[0]


@routes.get("/floor-weeks", allow=READ, returns=schemas.FloorWeek, paged=True)
def weeks(call: Call) -> pagination.Page:
    """Weeks that were held against the floor, newest first: how far each has come, and what was added."""
    return floor_weeks.page(call.db, call.page)


@routes.get("/batch-floors", allow=READ, query=schemas.BatchFloorQuery, returns=schemas.BatchFloor, paged=True)
def floors_of_batches(call: Call) -> pagination.Page:
    """Finished batches that were held against the floor, newest first; `cause_ref` and `state` narrow the list."""
    return pagination.read(call.db, batch_floors.listed(**call.query), BatchFloor.id, call.page)


@routes.get(
    "/batch-floors/preview", allow=READ, query=schemas.BatchFloorPreviewQuery, returns=schemas.BatchFloorPreview
)
def preview_batch_floor(call: Call) -> batch_floors.Preview:
    """How a batch pays now beside the floor, what lifting it would cost, and what there is for it."""
    return batch_floors.preview(call.db, call.query["cause_ref"])

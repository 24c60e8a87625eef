"""Lists of people whom a team brings along, for ops."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call, Upload
from workforce import invitation_lists, schemas
from workforce.api.edge import routes
from workforce.models import InvitationLine, InvitationList

_OPS = allow("ops")


@routes.post(
    "/invitation-lists",
    allow=_OPS,
    quota=invitation_lists.QUOTA,
    upload=Upload(invitation_lists.BYTES_MAX),
    query=schemas.ListQuery,
    returns=schemas.InvitationList,
    status=201,
)
def send_list(call: Call) -> InvitationList:
    """Send a CSV file of people of one team, and see what would become of each line; nobody is invited yet."""
    assert call.file is not None, "a route that takes a file is given one"
    return invitation_lists.check(call.db, call.file, **call.query, made_by=call.actor.subject_id)


@routes.get(
    "/invitation-lists", allow=_OPS, query=schemas.InvitationListQuery, returns=schemas.InvitationList, paged=True
)
def list_lists(call: Call) -> pagination.Page:
    """All lists of people, newest first; `team` and `state` narrow it."""
    return pagination.read(call.db, invitation_lists.listed(**call.query), InvitationList.id, call.page)


@routes.get("/invitation-lists/<list_id>", allow=_OPS, returns=schemas.InvitationList)
def get_list(call: Call, list_id: str) -> InvitationList:
    """How far a list is."""
    return invitation_lists.find(call.db, list_id)


@routes.get(
    "/invitation-lists/<list_id>/lines",
    allow=_OPS,
    query=schemas.LineQuery,
    returns=schemas.InvitationLine,
    paged=True,
)
def list_lines(call: Call, list_id: str) -> pagination.Page:
    """What becomes of each line of a list, in its order; `fate` narrows it."""
    rows = invitation_lists.lines(call.db, list_id, **call.query)
    return pagination.read(call.db, rows, InvitationLine.line, call.page, newest_first=False)


@routes.post("/invitation-lists/<list_id>/application", allow=_OPS, returns=schemas.InvitationList)
def apply_list(call: Call, list_id: str) -> InvitationList:
    """Let everybody new in a list be invited that somebody else has sent."""
    return invitation_lists.apply(call.db, list_id, decided_by=call.actor.subject_id)


@routes.post("/invitation-lists/<list_id>/cancellation", allow=_OPS, returns=schemas.InvitationList)
def cancel_list(call: Call, list_id: str) -> InvitationList:
    """Invite nobody more of a list."""
    return invitation_lists.cancel(call.db, list_id, decided_by=call.actor.subject_id)

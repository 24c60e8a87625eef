"""How people are asked to come, and how they do."""

from foundation import pagination
from foundation.auth import PUBLIC, allow
from foundation.http import Call
from foundation.limits import DAY, Limit
from workforce import invitations, schemas
from workforce.api.edge import routes
from workforce.models import Invitation

_HOSTS = allow("ops", "admin")
_SENT = Limit("invitations", 500, DAY)


@routes.post(
    "/invitations",
    allow=_HOSTS,
    quota=_SENT,
    body=schemas.NewInvitation,
    private=("email",),
    returns=schemas.Invitation,
    status=201,
)
def invite(call: Call) -> Invitation:
    """Ask somebody by mail to come as a worker or requester."""
    return invitations.invite(call.db, **call.body, made_by=call.actor.subject_id)


@routes.post(
    "/staff-invitations",
    allow=allow("admin"),
    quota=_SENT,
    body=schemas.NewStaffInvitation,
    private=("email",),
    returns=schemas.StaffInvitation,
    status=201,
)
def propose_staff(call: Call) -> Invitation:
    """Propose to ask somebody to come as staff; it is sent when another admin has confirmed it."""
    return invitations.propose_staff(call.db, **call.body, made_by=call.actor.subject_id)


@routes.post("/staff-invitations/<invitation_id>/confirmation", allow=allow("admin"), returns=schemas.StaffInvitation)
def confirm_staff(call: Call, invitation_id: str) -> Invitation:
    """Send what another admin has proposed."""
    return invitations.confirm_staff(call.db, invitation_id, confirmed_by=call.actor.subject_id)


@routes.get("/staff-invitations", allow=allow("admin"), returns=schemas.StaffInvitation, paged=True)
def list_staff_invitations(call: Call) -> pagination.Page:
    """Who was asked to come as staff, by whom and what came of it, newest first."""
    return pagination.read(call.db, invitations.of_staff(), Invitation.id, call.page)


@routes.get("/invitations", allow=_HOSTS, query=schemas.InvitationQuery, returns=schemas.Invitation, paged=True)
def list_invitations(call: Call) -> pagination.Page:
    """Who was asked to come and what came of it, newest first; `status`, `role` and `bounced` narrow the list."""
    return pagination.read(call.db, invitations.listed(**call.query), Invitation.id, call.page)


@routes.post("/invitations/<invitation_id>/resend", allow=_HOSTS, quota=_SENT, returns=schemas.Invitation)
def resend(call: Call, invitation_id: str) -> Invitation:
    """Send an invitation again, five times at most in all; what was sent before is of no use then."""
    return invitations.resend(call.db, invitation_id)


@routes.post("/invitations/<invitation_id>/revocation", allow=_HOSTS, returns=schemas.Invitation)
def revoke_invitation(call: Call, invitation_id: str) -> Invitation:
    """End an invitation; what was sent is of no use from now on."""
    return invitations.revoke(call.db, invitation_id)


# Both by a secret in the body, never in an address: those are logged by whoever stands in between.
_HELD = Limit("acceptances", 200, DAY, strict=True)


@routes.post(
    "/invitations/lookup",
    allow=PUBLIC,
    quota=_HELD,
    body=schemas.InvitationSecret,
    returns=schemas.HeldInvitation,
)
def look_up_invitation(call: Call) -> Invitation:
    """See as what you are invited, and until when; the secret stays of use."""
    return invitations.look_up(call.db, **call.body)


@routes.post(
    "/invitations/acceptance",
    allow=PUBLIC,
    quota=_HELD,
    body=schemas.Acceptance,
    returns=schemas.Arrival,
    status=201,
    shown_once=("token",),
)
def accept_invitation(call: Call) -> invitations.Arrival:
    """Come as whom you are invited: the token is your first. Workers say `name` and `country`, requesters a `name`."""
    return invitations.accept(call.db, **call.body)

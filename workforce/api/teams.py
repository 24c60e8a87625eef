"""A requester's team: who is of it, who may come, and who leaves."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from foundation.limits import DAY, Limit
from foundation.worlds import World
from workforce import invitations, schemas, teams
from workforce.api.edge import routes
from workforce.models import Invitation, Member

_TEAM = allow("requester", "funds")


@routes.get("/me/members", allow=_TEAM, returns=schemas.Member, paged=True)
def my_members(call: Call) -> pagination.Page:
    """Who is, or was, of your team, newest first."""
    return pagination.read(call.db, teams.listed(call.actor.subject_id), Member.id, call.page)


@routes.post(
    "/me/member-invitations",
    allow=allow("requester", world=World.LIVE),
    quota=Limit("member-invitations", 100, DAY),
    body=schemas.NewMemberInvitation,
    returns=schemas.MemberInvitation,
    status=201,
)
def invite_member(call: Call) -> Invitation:
    """Ask somebody by mail to come into your team; for its owners."""
    return invitations.invite_member(call.db, call.actor.subject_id, **call.body, made_by=call.actor.person)


@routes.get(
    "/me/member-invitations",
    allow=allow("requester"),
    query=schemas.MemberInvitationQuery,
    returns=schemas.MemberInvitation,
    paged=True,
)
def my_member_invitations(call: Call) -> pagination.Page:
    """Who was asked to come into your team and what came of it, newest first; `status` narrows it. For its owners."""
    rows = invitations.into_team(call.db, call.actor.subject_id, **call.query, asked_by=call.actor.person)
    return pagination.read(call.db, rows, Invitation.id, call.page)


@routes.post(
    "/me/member-invitations/<invitation_id>/revocation", allow=allow("requester"), returns=schemas.MemberInvitation
)
def revoke_member_invitation(call: Call, invitation_id: str) -> Invitation:
    """End an invitation into your team; what was sent is of no use from now on. For its owners."""
    return invitations.revoke_member(call.db, call.actor.subject_id, invitation_id, revoked_by=call.actor.person)


@routes.put("/me/members/<member_id>", allow=allow("requester"), body=schemas.MemberChange, returns=schemas.Member)
def change_member(call: Call, member_id: str) -> Member:
    """Give somebody of your team another role, from their next request on; for its owners."""
    return teams.change(call.db, call.actor.subject_id, member_id, **call.body, person=call.actor.person)


@routes.post("/me/members/<member_id>/removal", allow=allow("requester"), returns=schemas.Member)
def remove_member(call: Call, member_id: str) -> Member:
    """Let somebody leave your team; for its owners, of whom one stays."""
    return teams.remove(call.db, call.actor.subject_id, member_id, person=call.actor.person)


# Whoever only looks on may go as well.
@routes.post("/me/team-leaving", allow=allow("requester", "funds", "view"), returns=schemas.Member)
def leave_team(call: Call) -> Member:
    """Leave the team that you call for; your tokens are of no use from then on. Its last owner cannot."""
    return teams.leave(call.db, call.actor.subject_id, call.actor.person)

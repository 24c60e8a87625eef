"""What the routes of invitations take and give."""

import re

from foundation.fields import Choice, Country, Flag, Identifier, Integer, QueryFlag, Schema, Shaped, Text, Timestamp
from workforce.models import Guest, InvitationStatus, InvitedAs, MemberRole, StaffRole

# No id of ours, and nothing that reads as another one.
_SUBJECT = re.compile("[a-z][a-z0-9.-]{0,63}")


class NewInvitation(Schema):
    email = Text(required=True, shortest=1, longest=254)
    role = Choice(Guest, required=True)
    activates = Flag(load_default=False, metadata={"description": "Whether a worker may claim as soon as they come."})


class NewStaffInvitation(Schema):
    email = Text(required=True, shortest=1, longest=254)
    role = Choice(StaffRole, required=True)
    subject = Shaped(
        _SUBJECT, "Must be small letters, digits, dots and hyphens, from a letter on.", "ada", required=True,
        metadata={"description": "What they are called in their tokens and on the trail."},
    )  # fmt: skip


class NewMemberInvitation(Schema):
    email = Text(required=True, shortest=1, longest=254)
    role = Choice(MemberRole, required=True)


class MemberChange(Schema):
    role = Choice(MemberRole, required=True)


class Member(Schema):
    id = Identifier("mem")
    role = Choice(MemberRole)
    masked = Text(metadata={"description": "Enough of the address they were invited at to know it by."})
    created_at = Timestamp()
    left_at = Timestamp(allow_none=True)


class InvitationQuery(Schema):
    status = Choice(InvitationStatus)
    role = Choice(InvitedAs)
    bounced = QueryFlag(metadata={"description": "Of those that are open: whether their mail was given up."})


class Invitation(Schema):
    id = Identifier("ivt")
    role = Choice(InvitedAs)
    masked = Text(metadata={"description": "Enough of the address to know it by."})
    activates = Flag()
    status = Choice(InvitationStatus)
    n_sent = Integer()
    # Names of staff are not for all who may read this.
    person_id = Text(allow_none=True, metadata={"description": "The worker, requester or member who came."})
    created_at = Timestamp()
    expires_at = Timestamp()
    ended_at = Timestamp(allow_none=True)


class MemberInvitation(Invitation):
    member_role = Choice(MemberRole, metadata={"description": "What they are to be in the team."})


class MemberInvitationQuery(Schema):
    status = Choice(InvitationStatus)


class StaffInvitation(Invitation):
    subject = Text()
    made_by = Text()
    confirmed_by = Text(allow_none=True)


class InvitationSecret(Schema):
    secret = Text(required=True, longest=100, metadata={"description": "What was sent to the address."})


class HeldInvitation(Schema):
    role = Choice(InvitedAs)
    expires_at = Timestamp()


class Acceptance(InvitationSecret):
    name = Text(shortest=1, longest=200, name=True)
    country = Country()


class Arrival(Schema):
    role = Choice(InvitedAs)
    subject_id = Text(metadata={"description": "Who you are: your id, or your name."})
    token = Text(metadata={"description": "Shown once; keep it."})

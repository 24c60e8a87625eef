"""Invitations: people who are asked by mail to come, and their first token.

Whoever is invited proves their address by coming. As what they come is said by whoever asks them: ops ask workers and
requesters, and two admins each member of staff.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Select, exists, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from foundation import addresses, auth, clock, ids, mail, proofs
from foundation.errors import Conflict, NotFound, invalid, within
from payments import contacts, four_eyes
from workforce import identity, onboarding, pools, requesters, teams
from workforce.models import (
    Guest,
    Invitation,
    InvitationLine,
    InvitationList,
    InvitationStatus,
    InvitedAs,
    WorkerStatus,
)

_PURPOSE = "invitation"
# How long one is good for, from when it was sent last, and how often it is sent: the address may be a stranger's.
DAYS = 14
SENT_MAX = 5
_AT_ONCE = 500

# Lines that no mail program breaks.
_TITLE = "You are invited to Rookery"
_WORDS = """\
Somebody who looks after a Rookery service has invited you there, as {role}.

To come, send this back within {days} days, as the `secret` of
POST /api/invitations/acceptance{beside}:

    {{secret}}

The answer shows you a token, once; keep it. If you do not want to come,
do nothing: nobody is told, and this ends by itself.
"""
_BESIDE: dict[str, str] = {
    Guest.WORKER: ", with your `name`\nand the `country` that you live in",
    Guest.REQUESTER: ", with the `name` of your account",
}


_ASKED: dict[str, frozenset[str]] = {
    Guest.WORKER: frozenset({"name", "country"}),
    Guest.REQUESTER: frozenset({"name"}),
}


class AlreadyInvited(Conflict):
    """Somebody is invited already at this address, or under this name."""


class SubjectTaken(Conflict):
    """Somebody else has this name."""


class InvitationOver(Conflict):
    """This invitation is no longer, or not yet, what this needs."""


class InvitationSentOften(Conflict):
    """This invitation has been sent too often."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who came by an invitation, and the secret of their first token."""

    role: str
    subject_id: str
    token: str


def invite(
    db: Session, *, email: str, role: str, activates: bool, made_by: str, is_vouched: bool = False
) -> Invitation:
    """Ask somebody to come as a worker or requester.

    activates : whether a worker may claim at once; is_vouched : whether a line of a list says who they are.
    """
    if activates and role != Guest.WORKER:
        raise invalid({"activates": ["Only workers are activated."]})
    made = _create(
        db, email=email, role=role, activates=activates, is_vouched=is_vouched, status=InvitationStatus.SENT,
        made_by=made_by,
    )  # fmt: skip
    _send(db, made)
    return made


def invite_member(db: Session, requester_id: str, *, email: str, role: str, made_by: str) -> Invitation:
    """Ask somebody to come into a requester's team, as what its owner says. made_by : who of the team asks."""
    teams.require_owner(db, requester_id, made_by)
    made = _create(
        db, email=email, role=InvitedAs.MEMBER, requester_id=requester_id, member_role=role,
        status=InvitationStatus.SENT, made_by=made_by,
    )  # fmt: skip
    _send(db, made)
    return made


def propose_staff(db: Session, *, email: str, role: str, subject: str, made_by: str) -> Invitation:
    """Propose to ask somebody to come as staff; nothing is sent before another person has confirmed it.

    subject : what they will be called in their tokens, which nobody was before: four eyes are told apart by it.
    """
    _require_free(db, subject)
    return _create(db, email=email, role=role, subject=subject, status=InvitationStatus.PROPOSED, made_by=made_by)


def confirm_staff(db: Session, invitation_id: str, *, confirmed_by: str) -> Invitation:
    """Send what another person has proposed."""
    invitation = _locked(db, invitation_id)
    if invitation.status != InvitationStatus.PROPOSED:
        raise InvitationOver("It was sent, or ended, before.")
    invitation.confirmed_by = four_eyes.other_person(invitation.made_by, confirmed_by)
    invitation.status = InvitationStatus.SENT
    _send(db, invitation)
    return invitation


def resend(db: Session, invitation_id: str) -> Invitation:
    """Send an invitation again, as good for as long as the first time; what was sent before is of no use then."""
    invitation = _locked(db, invitation_id)
    if invitation.status != InvitationStatus.SENT:
        raise InvitationOver(f"It is {invitation.status}; make a new one.")
    if invitation.n_sent >= SENT_MAX:
        raise InvitationSentOften(f"It was sent {SENT_MAX} times. Ask whether the address is right, then make another.")
    _send(db, invitation)
    return invitation


def revoke(db: Session, invitation_id: str) -> Invitation:
    """End an invitation that nobody has accepted; what was sent is of no use from now on."""
    invitation = _locked(db, invitation_id)
    if invitation.ended_at is not None:
        raise InvitationOver(f"It is {invitation.status}.")
    proofs.end(db, purpose=_PURPOSE, subject=invitation.id)
    _end(db, invitation, InvitationStatus.REVOKED)
    return invitation


def revoke_member(db: Session, requester_id: str, invitation_id: str, *, revoked_by: str) -> Invitation:
    """End an invitation into a requester's team, as its owner says. revoked_by : who of the team."""
    teams.require_owner(db, requester_id, revoked_by)
    found = db.get(Invitation, invitation_id)
    if found is None or found.requester_id != requester_id:
        raise NotFound("There is no such invitation into your team.")
    return revoke(db, invitation_id)


def look_up(db: Session, *, secret: str) -> Invitation:
    """The invitation that somebody holds; it stays as it is."""
    return find(db, proofs.look_up(db, purpose=_PURPOSE, secret=secret))


def accept(db: Session, *, secret: str, name: str | None = None, country: str | None = None) -> Arrival:
    """Let whoever holds an invitation come, once; what they say of themselves is what their role needs and no more."""
    # Looked up first: whoever ends an invitation locks it before its proof, and so do we.
    invitation = _locked(db, look_up(db, secret=secret).id)
    _require_said(invitation, name=name, country=country)
    proofs.redeem(db, purpose=_PURPOSE, secret=secret)
    arrival = _arrive(db, invitation, name=name or "", country=country or "")
    invitation.accepted_by = arrival.subject_id
    _end(db, invitation, InvitationStatus.ACCEPTED)
    return arrival


def find(db: Session, invitation_id: str) -> Invitation:
    """The invitation with this id."""
    found = db.get(Invitation, invitation_id)
    if found is None:
        raise NotFound("There is no such invitation.")
    return found


def listed(*, status: str | None = None, role: str | None = None, bounced: bool | None = None) -> Select[Invitation]:
    """All invitations, those in a status, those for a role, those that are open and whose mail was given up or not."""
    rows = select(Invitation)
    if bounced is not None:
        sent = exists().where(proofs.Proof.subject == Invitation.id, proofs.Proof.ended_at.is_(None))
        given_up = sent.where(mail.Mail.id == proofs.Proof.mail_id, mail.Mail.state == mail.MailState.GIVEN_UP)
        rows = rows.where(Invitation.ended_at.is_(None), given_up if bounced else ~given_up)
    rows = rows if status is None else rows.where(Invitation.status == status)
    return rows if role is None else rows.where(Invitation.role == role)


def of_staff() -> Select[Invitation]:
    """Those of staff alone."""
    return select(Invitation).where(Invitation.subject.is_not(None))


def into_team(db: Session, requester_id: str, *, asked_by: str, status: str | None = None) -> Select[Invitation]:
    """Those into a requester's team, or those in a status; for its owners. asked_by : who of the team wants to know."""
    teams.require_owner(db, requester_id, asked_by)
    rows = select(Invitation).where(Invitation.requester_id == requester_id)
    return rows.where(Invitation.status == status) if status is not None else rows


_EXPIRE = text("""
    UPDATE invitations SET status = 'expired', email = NULL, ended_at = now()
     WHERE id = ANY(ARRAY(SELECT id FROM invitations WHERE ended_at IS NULL AND expires_at <= now()
                           ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED))
""")


def expire(db: Session) -> int:
    """End invitations that nobody has accepted or confirmed in time; how many. A sweep."""
    return int(db.execute(_EXPIRE, {"limit": _AT_ONCE}).rowcount)  # type: ignore[attr-defined]


def _create(db: Session, *, email: str, status: InvitationStatus, **told: object) -> Invitation:
    with within("/email"):
        address = addresses.parse(email)
    invitation_id = ids.new("ivt")
    row = insert(Invitation).values(
        id=invitation_id,
        email=address,
        masked=addresses.mask(address),
        status=status,
        expires_at=func.now() + timedelta(days=DAYS),
        **told,
    )
    if db.scalar(row.on_conflict_do_nothing().returning(Invitation.id)) is None:
        raise AlreadyInvited("Send that invitation again, or revoke it.")
    return _locked(db, invitation_id)


def _send(db: Session, invitation: Invitation) -> None:
    assert invitation.email is not None, "an invitation that is not over"
    beside = "" if invitation.is_vouched else _BESIDE.get(invitation.role, "")
    words = _WORDS.format(role=invitation.role, days=DAYS, beside=beside)
    proof = proofs.send(
        db, purpose=_PURPOSE, subject=invitation.id, to=invitation.email, title=_TITLE, words=words, days=DAYS
    )
    invitation.n_sent += 1
    invitation.expires_at = proof.expires_at
    db.flush()


def _arrive(db: Session, invitation: Invitation, *, name: str, country: str) -> Arrival:
    """Make the person that an invitation is for."""
    if invitation.role == Guest.WORKER:
        brought = _brought(db, invitation) if invitation.is_vouched else None
        if brought is not None:
            name, country = brought.name or "", brought.country or ""
        worker, token = onboarding.apply(db, name=name, country=country)
        if brought is not None:
            _vouch(db, worker.id, brought)
        if invitation.activates:
            onboarding.move(db, worker.id, WorkerStatus.ACTIVE)
        assert invitation.email is not None, "an invitation that is not over"
        # They have read what was sent there.
        contacts.take_proved(db, worker.payee_id, email=invitation.email, set_by=worker.id)
        return Arrival(invitation.role, worker.id, token)
    if invitation.role == Guest.REQUESTER:
        requester, token = requesters.register(db, name=name)
        return Arrival(invitation.role, requester.id, token)
    if invitation.role == InvitedAs.MEMBER:
        assert invitation.requester_id is not None, "members are of a team"
        assert invitation.member_role is not None, "members are of a team"
        member, token = teams.join(
            db, invitation.requester_id, role=invitation.member_role, masked=invitation.masked
        )  # fmt: skip
        return Arrival(invitation.role, member.id, token)
    assert invitation.subject is not None, "staff have a name before they come"
    # Somebody at the machine may have used it meanwhile.
    _require_free(db, invitation.subject)
    _, token = auth.issue(db, role=invitation.role, subject_id=invitation.subject, name="first token")
    return Arrival(invitation.role, invitation.subject, token)


def _brought(db: Session, invitation: Invitation) -> InvitationLine:
    """What the list says of a worker by which they were invited."""
    return db.scalars(select(InvitationLine).where(InvitationLine.invitation_id == invitation.id)).one()


def _vouch(db: Session, worker_id: str, brought: InvitationLine) -> None:
    """Take what a team says of a worker as known; their name is their own from now on."""
    let = db.get_one(InvitationList, brought.list_id)
    assert let.decided_by is not None, "nobody is invited by a list that nobody has let"
    pools.put(db, worker_id, [str(brought.pool)], put_by=let.decided_by)
    pools.set_languages(db, worker_id, brought.languages)
    identity.vouch(db, worker_id, decided_by=let.decided_by)
    brought.name = None


def _require_said(invitation: Invitation, **said: str | None) -> None:
    role = invitation.role
    needed = frozenset[str]() if invitation.is_vouched else _ASKED.get(role, frozenset())
    wrong = {name: ["Missing data for required field."] for name in needed if said[name] is None}
    wrong |= {name: [f"Is not asked of {role}."] for name in said if name not in needed and said[name] is not None}
    if wrong:
        raise invalid(wrong)


def _require_free(db: Session, subject: str) -> None:
    if auth.is_known(db, subject):
        raise SubjectTaken("Take another name: somebody has, or had, a token under this one.")


def _end(db: Session, invitation: Invitation, status: InvitationStatus) -> None:
    invitation.status, invitation.email, invitation.ended_at = status, None, clock.now(db)
    db.flush()


def _locked(db: Session, invitation_id: str) -> Invitation:
    found = db.get(Invitation, invitation_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotFound("There is no such invitation.")
    return found

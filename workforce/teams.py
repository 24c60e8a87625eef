"""Teams: several people of one requester, each with a role and tokens of their own.

The requester's own tokens, such as the first one, act as an owner does. A member's tokens are the requester's as well,
so that every route knows whose projects they are about; who of the team it was is the actor's `person`.
"""

from collections.abc import Mapping

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from foundation import auth, clock, ids, worlds
from foundation.errors import Conflict, Forbidden, NotFound
from workforce import requesters
from workforce.models import Member, MemberRole, Requester

# What tokens of each may do. Whoever sees the money sees what it is spent on.
SCOPES: Mapping[str, frozenset[str]] = {
    MemberRole.OWNER: frozenset({"requester", "funds"}),
    MemberRole.MANAGER: frozenset({"requester"}),
    MemberRole.FINANCE: frozenset({"funds", "view"}),
    MemberRole.VIEWER: frozenset({"view"}),
}


class OwnersAlone(Forbidden):
    """Only an owner of the team may do this."""


class LastOwner(Conflict):
    """A team keeps an owner."""


def join(db: Session, requester_id: str, *, role: str, masked: str) -> tuple[Member, str]:
    """Let somebody be of a requester's team, with their first token."""
    member = Member(id=ids.new("mem"), requester_id=requester_id, role=role, masked=masked)
    db.add(member)
    db.flush()
    _, secret = auth.issue(
        db, role=requesters.REQUESTER.name, subject_id=requester_id, name="first token", scopes=sorted(SCOPES[role]),
        person_ref=member.id,
    )  # fmt: skip
    return member, secret


def require_owner(db: Session, requester_id: str, person: str) -> None:
    """Refuse whoever of a team is no owner of it."""
    if person == requester_id:
        return
    member = db.get(Member, person, populate_existing=True)
    if member is None or member.left_at is not None or member.role != MemberRole.OWNER:
        raise OwnersAlone("Ask an owner of your team.")


def change(db: Session, requester_id: str, member_id: str, *, role: str, person: str) -> Member:
    """Give a member another role; it acts on their next request. Somebody stays an owner."""
    member = _locked(db, requester_id, member_id)
    require_owner(db, requester_id, person)
    if member.role == MemberRole.OWNER and role != MemberRole.OWNER:
        _require_other_owner(db, member)
    member.role = role
    _narrow(db, member.id, SCOPES[role])
    db.flush()
    return member


def remove(db: Session, requester_id: str, member_id: str, *, person: str) -> Member:
    """Let an owner send a member away; their tokens are of no use then. Twice changes nothing."""
    member = _locked(db, requester_id, member_id)
    require_owner(db, requester_id, person)
    return _end(db, member)


def leave(db: Session, requester_id: str, person: str) -> Member:
    """Let a member go, by themselves."""
    return _end(db, _locked(db, requester_id, person))


def _end(db: Session, member: Member) -> Member:
    if member.left_at is None:
        if member.role == MemberRole.OWNER:
            _require_other_owner(db, member)
        member.left_at = clock.now(db)
        _narrow(db, member.id, frozenset())
        db.flush()
    return member


def _narrow(db: Session, member_id: str, scopes: frozenset[str]) -> None:
    """Let a member's tokens carry just these scopes, those of their test world too; without any they end."""
    auth.narrow(db, member_id, scopes)
    if worlds.is_open(db.connection()):
        with worlds.in_test(db) as test:
            auth.narrow(test, member_id, scopes)


def listed(requester_id: str) -> Select[Member]:
    """All who are or were of a requester's team."""
    return select(Member).where(Member.requester_id == requester_id)


def _require_other_owner(db: Session, member: Member) -> None:
    owners = listed(member.requester_id).where(Member.role == MemberRole.OWNER, Member.left_at.is_(None))
    others = owners.where(Member.id != member.id).with_only_columns(func.count())
    if not db.scalar(others):
        raise LastOwner("Make somebody else an owner first.")


def _locked(db: Session, requester_id: str, member_id: str) -> Member:
    """A member of a team whose changes take turns, or two owners could each be the last one's other."""
    db.get_one(Requester, requester_id, with_for_update=True)
    member = db.get(Member, member_id, populate_existing=True)
    if member is None or member.requester_id != requester_id:
        raise NotFound("There is no such member of your team.")
    return member

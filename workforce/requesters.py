"""Accounts of those who send work."""

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from foundation import auth, ids
from foundation.errors import NotFound
from payments import funding
from workforce.models import Requester


def register(db: Session, *, name: str) -> tuple[Requester, str]:
    """A new requester and the secret of its first token, shown once."""
    requester = Requester(id=ids.new("req"), name=name)
    db.add(requester)
    db.flush()
    funding.register(db, requester.id)
    _, secret = auth.issue(db, role=REQUESTER.name, subject_id=requester.id, name="first token")
    return requester, secret


def find(db: Session, requester_id: str) -> Requester:
    """The requester with this id."""
    requester = db.get(Requester, requester_id)
    if requester is None:
        raise NotFound("There is no such requester.")
    return requester


REQUESTER = auth.Role(
    "requester",
    frozenset({"requester", "funds"}),
    find,
    requests_a_minute=6_000,
    # Whoever only looks on sees all that a requester does, and changes nothing of it.
    views={"view": frozenset({"requester", "funds"})},
)


def listed() -> Select[Requester]:
    """All requesters."""
    return select(Requester)

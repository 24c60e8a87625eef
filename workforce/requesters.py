"""Accounts of those who send work."""

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from foundation import auth, ids
from workforce.models import Requester

REQUESTER = auth.Role("requester", frozenset({"requester", "funds"}))


def register(db: Session, *, name: str) -> tuple[Requester, str]:
    """A new requester and the secret of its first token, shown once."""
    requester = Requester(id=ids.new("req"), name=name)
    db.add(requester)
    db.flush()
    _, secret = auth.issue(db, role=REQUESTER.name, subject_id=requester.id, name="first token")
    return requester, secret


def listed() -> Select[Requester]:
    """All requesters."""
    return select(Requester)

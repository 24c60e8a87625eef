"""Payees: whoever money is owed to. Their methods and destinations come with the payout rooms."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import NotFound
from payments.models import Payee


class NoPayee(NotFound):
    """Nobody is paid under this name."""


def register(db: Session, *, owner_ref: str, name: str, country: str) -> Payee:
    """The payee of a person another package knows; made once."""
    found = db.scalar(select(Payee).where(Payee.owner_ref == owner_ref))
    if found is None:
        found = Payee(id=ids.new("pye"), owner_ref=owner_ref, name=name, country=country)
        db.add(found)
        db.flush()
    return found


def of_owner(db: Session, owner_ref: str) -> Payee:
    """The payee that this caller is."""
    found = db.scalar(select(Payee).where(Payee.owner_ref == owner_ref))
    if found is None:
        raise NoPayee("You have no payee record; apply as a worker first.")
    return found

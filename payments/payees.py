"""Payees: whoever money is owed to. Their methods and destinations come with the payout rooms."""

from collections.abc import Collection

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import NotFound
from payments.models import Payee, PayeeContact


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


def lock(db: Session, payee_ids: Collection[str]) -> list[str]:
    """Lock payees, in the order of their ids, and say which there are: for whoever changes what is paid to whom.

    Whoever only refers to one, as a new earning does, does not wait.
    """
    rows = select(Payee.id).where(Payee.id.in_(payee_ids)).order_by(Payee.id).with_for_update(key_share=True)
    return list(db.scalars(rows))


def find(db: Session, payee_id: str) -> Payee:
    """The payee with this id."""
    found = db.get(Payee, payee_id)
    if found is None:
        raise NotFound("There is no such payee.")
    return found


def listed(
    *, owner_ref: str | None = None, country: str | None = None, has_contact: bool | None = None
) -> Select[Payee]:
    """All payees, or who a person is to payments, those of a country, those whom a notice reaches or does not."""
    wanted = {"owner_ref": owner_ref, "country": country}
    rows = select(Payee)
    for column, value in wanted.items():
        rows = rows if value is None else rows.where(getattr(Payee, column) == value)
    told = exists().where(PayeeContact.payee_id == Payee.id, PayeeContact.retired_at.is_(None))
    return rows if has_contact is None else rows.where(told if has_contact else ~told)


def of_owner(db: Session, owner_ref: str) -> Payee:
    """The payee that this caller is."""
    found = db.scalar(select(Payee).where(Payee.owner_ref == owner_ref))
    if found is None:
        raise NoPayee("You have no payee record; apply as a worker first.")
    return found

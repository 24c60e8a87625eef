"""Contacts: the e-mail address at which a payee is told of changes. It is sealed, and shown masked alone.

Nothing here proves that an address is its payee's; it is where they have asked to be told.
"""

from collections.abc import Sequence
from datetime import timedelta
from types import MappingProxyType

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from foundation import addresses, clock, ids, mail
from foundation.errors import Conflict, NotFound, within
from payments import destinations, notices, payees, sealing
from payments.destinations import Destination, Kind
from payments.models import PayeeContact
from payments.notices import Notice

# Who was a contact within this is told like the present one: for as long as a new method cools off, so that whoever
# changes the contact first and the method after silences nobody.
KNOWN_FOR = timedelta(hours=72)
# So often within that, for each change tells all of them, and an address may be somebody's who never asked.
CHANGES_MAX = 5


class NoContact(NotFound):
    """No contact is set."""


class ContactChangedOften(Conflict):
    """The contact has been changed too often."""


def choose(db: Session, payee_id: str, *, email: str, set_by: str) -> PayeeContact:
    """Tell a payee there from now on; both are told of it, old and new. The same again changes nothing."""
    with within("/email"):
        address = Destination(Kind.EMAIL, MappingProxyType({"email": addresses.parse(email)}))
    payees.lock(db, [payee_id])
    keys = sealing.keys_of(db)
    mark = destinations.fingerprint(address, sealing.fingerprint_key(keys))
    before = active(db, payee_id)
    if before is not None and bytes(before.fingerprint) == mark:
        return before
    if len(known(db, payee_id)) > CHANGES_MAX:
        hours = KNOWN_FOR // timedelta(hours=1)
        raise ContactChangedOften(f"It was changed {CHANGES_MAX} times in {hours} hours; wait, or ask finance.")
    if before is not None:
        before.retired_at = clock.now(db)
        db.flush()
    made = PayeeContact(
        id=ids.new("pct"),
        payee_id=payee_id,
        sealed=sealing.seal(address, keys, owner=_owner(payee_id)),
        fingerprint=mark,
        masked=address.masked,
        set_by=set_by,
    )
    db.add(made)
    db.flush()
    tell(db, payee_id, notices.of_contact(made))
    return made


def tell(db: Session, payee_id: str, notice: Notice) -> int:
    """Queue a notice to every contact that is known, once to each address; how many. Hold the payee's lock."""
    keys = sealing.keys_of(db)
    told = {bytes(one.fingerprint): one for one in known(db, payee_id)}
    for one in told.values():
        opened = sealing.unseal(bytes(one.sealed), keys, owner=_owner(payee_id))
        mail.queue(db, to=opened.fields["email"], subject=notice.subject, body=notice.body, about=notice.about)
    return len(told)


def known(db: Session, payee_id: str) -> Sequence[PayeeContact]:
    """The present contact and all that were one in the last 72 hours, the oldest first."""
    lately = or_(PayeeContact.retired_at.is_(None), PayeeContact.retired_at > func.now() - KNOWN_FOR)
    rows = select(PayeeContact).where(PayeeContact.payee_id == payee_id, lately)
    return db.scalars(rows.order_by(PayeeContact.id).execution_options(populate_existing=True)).all()


def active(db: Session, payee_id: str) -> PayeeContact | None:
    """Where a payee is told, if they have said so."""
    rows = select(PayeeContact).where(PayeeContact.payee_id == payee_id, PayeeContact.retired_at.is_(None))
    return db.scalar(rows.execution_options(populate_existing=True))


def find_active(db: Session, payee_id: str) -> PayeeContact:
    """Where a payee is told."""
    found = active(db, payee_id)
    if found is None:
        raise NoContact("You have not said yet where you are to be told of changes.")
    return found


def _owner(payee_id: str) -> str:
    # Not the payee's alone: what is sealed as a contact is never opened as somewhere to pay to.
    return f"contact:{payee_id}"

"""Contacts: the e-mail address at which a payee is told of changes. It is sealed, and shown masked alone.

A contact is told of changes from the beginning, and is **proved** once its payee has brought back what was sent there.
An address that somebody proved is told for as long as the one in its place is not proved.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from foundation import addresses, clock, ids, mail, proofs
from foundation.errors import Conflict, NotFound, within
from foundation.proofs import ProofRefused
from payments import destinations, notices, payees, sealing
from payments.destinations import Destination, Kind
from payments.models import PayeeContact
from payments.notices import Notice

# Who was a contact within this is told like the present one: for as long as a new method cools off, so that whoever
# changes the contact first and the method after silences nobody.
KNOWN_FOR = timedelta(hours=72)
# So often within that, for each change tells all of them, and an address may be somebody's who never asked.
CHANGES_MAX = 5
PURPOSE = "contact"
PROOF_DAYS = 7


class NoContact(NotFound):
    """No contact is set."""


class ContactChangedOften(Conflict):
    """The contact has been changed too often."""


class ContactProved(Conflict):
    """This contact was proved before."""


def choose(db: Session, payee_id: str, *, email: str, set_by: str) -> PayeeContact:
    """Tell a payee there from now on; both are told of it, old and new. The same again changes nothing."""
    address = _read(email)
    payees.lock(db, [payee_id])
    before = active(db, payee_id)
    if before is not None and bytes(before.fingerprint) == _mark(db, address):
        return before
    if len(_lately(db, payee_id)) > CHANGES_MAX:
        hours = KNOWN_FOR // timedelta(hours=1)
        raise ContactChangedOften(f"It was changed {CHANGES_MAX} times in {hours} hours; wait, or ask finance.")
    made = _replace(db, payee_id, address, set_by=set_by)
    notice = notices.of_contact(made)
    _tell(db, payee_id, notice, but=bytes(made.fingerprint))
    _ask_for_proof(db, made, address, notices.asking_for_proof(notice, days=PROOF_DAYS))
    return made


def take_proved(db: Session, payee_id: str, *, email: str, set_by: str) -> PayeeContact:
    """Tell a payee, who has none yet, at an address that was proved in another way; nobody is told of it."""
    address = _read(email)
    payees.lock(db, [payee_id])
    assert active(db, payee_id) is None, "the first contact of a payee"
    made = _replace(db, payee_id, address, set_by=set_by)
    made.proved_at = clock.now(db)
    db.flush()
    return made


def prove(db: Session, payee_id: str, *, secret: str) -> PayeeContact:
    """Take it that a payee's contact is theirs: they have brought back what was sent there."""
    payees.lock(db, [payee_id])
    contact = active(db, payee_id)
    # Somebody else's secret is not used up by whoever finds it.
    if contact is None or proofs.look_up(db, purpose=PURPOSE, secret=secret) != contact.id:
        raise ProofRefused(proofs.OF_NO_USE)
    proofs.redeem(db, purpose=PURPOSE, secret=secret)
    contact.proved_at = clock.now(db)
    db.flush()
    return contact


def ask_again(db: Session, payee_id: str) -> PayeeContact:
    """Send another secret to a contact that is not proved; the one before is of no use then."""
    payees.lock(db, [payee_id])
    contact = find_active(db, payee_id)
    if contact.proved_at is not None:
        raise ContactProved("You have shown before that this address is yours.")
    _ask_for_proof(db, contact, _open(db, contact), notices.of_proof(contact, days=PROOF_DAYS))
    return contact


def tell(db: Session, payee_id: str, notice: Notice) -> int:
    """Queue a notice to every contact that is known, once to each address; how many. Hold the payee's lock."""
    return _tell(db, payee_id, notice, but=b"")


def proved_address(db: Session, payee_id: str) -> str | None:
    """The address of a payee's present contact, if they have shown that it is theirs. For mail alone."""
    contact = active(db, payee_id)
    return None if contact is None or contact.proved_at is None else _open(db, contact).fields["email"]


def known(db: Session, payee_id: str) -> Sequence[PayeeContact]:
    """The present contact, all of the last 72 hours and the last that was proved, the oldest first."""
    theirs = select(func.max(PayeeContact.id)).where(PayeeContact.payee_id == payee_id)
    proved = theirs.where(PayeeContact.proved_at.is_not(None)).scalar_subquery()
    lately = {one.id: one for one in _lately(db, payee_id)}
    owners = db.scalars(select(PayeeContact).where(PayeeContact.id == proved))
    return [one for _, one in sorted({**lately, **{one.id: one for one in owners}}.items())]


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


def _lately(db: Session, payee_id: str) -> Sequence[PayeeContact]:
    """The present contact and all that were one in the last 72 hours, the oldest first."""
    lately = or_(PayeeContact.retired_at.is_(None), PayeeContact.retired_at > func.now() - KNOWN_FOR)
    rows = select(PayeeContact).where(PayeeContact.payee_id == payee_id, lately)
    return db.scalars(rows.order_by(PayeeContact.id).execution_options(populate_existing=True)).all()


def _read(email: str) -> Destination:
    with within("/email"):
        return Destination(Kind.EMAIL, MappingProxyType({"email": addresses.parse(email)}))


def _mark(db: Session, address: Destination) -> bytes:
    return destinations.fingerprint(address, sealing.fingerprint_key(sealing.keys_of(db)))


def _replace(db: Session, payee_id: str, address: Destination, *, set_by: str) -> PayeeContact:
    """A new contact; the one before is retired, and what was sent to it proves nothing any more."""
    before = active(db, payee_id)
    if before is not None:
        before.retired_at = clock.now(db)
        proofs.end(db, purpose=PURPOSE, subject=before.id)
        db.flush()
    made = PayeeContact(
        id=ids.new("pct"),
        payee_id=payee_id,
        sealed=sealing.seal(address, sealing.keys_of(db), owner=_owner(payee_id)),
        fingerprint=_mark(db, address),
        masked=address.masked,
        set_by=set_by,
    )
    db.add(made)
    db.flush()
    return made


def _tell(db: Session, payee_id: str, notice: Notice, *, but: bytes) -> int:
    """The same, without one address, named by its fingerprint."""
    told: Mapping[bytes, PayeeContact] = {bytes(one.fingerprint): one for one in known(db, payee_id)}
    others = [one for mark, one in told.items() if mark != but]
    for one in others:
        to = _open(db, one).fields["email"]
        mail.queue(db, to=to, subject=notice.subject, body=notice.body, about=notice.about)
    return len(others)


def _ask_for_proof(db: Session, contact: PayeeContact, address: Destination, letter: Notice) -> None:
    proofs.send(
        db, purpose=PURPOSE, subject=contact.id, to=address.fields["email"],
        title=letter.subject, words=letter.body, days=PROOF_DAYS,
    )  # fmt: skip


def _open(db: Session, contact: PayeeContact) -> Destination:
    return sealing.unseal(bytes(contact.sealed), sealing.keys_of(db), owner=_owner(contact.payee_id))


def _owner(payee_id: str) -> str:
    # Not the payee's alone: what is sealed as a contact is never opened as somewhere to pay to.
    return f"contact:{payee_id}"

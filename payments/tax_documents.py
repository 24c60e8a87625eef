"""What payees have shown to authorities, and for how long it is good: which tax rules are for whom hangs on it."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Invalid, NotFound, within
from payments import four_eyes, payees
from payments.four_eyes import AlreadyConfirmed
from payments.models import TaxDocument


class NoSuchTaxDocument(NotFound):
    """There is no such tax document."""


class TaxDocumentInvalid(Invalid):
    """A document cannot be good for these days."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A document as rules call it, and its days; valid_to : the last one, or for ever. note : where it is kept."""

    document: str
    valid_from: date
    note: str
    valid_to: date | None = None


def enter(db: Session, payee_id: str, shown: Shown, *, entered_by: str) -> TaxDocument:
    """Keep that a payee has shown a document; it counts as soon as another person has confirmed it.

    The one that became good last is looked at, of those that are good on the day.
    """
    payees.find(db, payee_id)
    with within("/valid_to"):
        if shown.valid_to is not None and shown.valid_to < shown.valid_from:
            raise TaxDocumentInvalid("The last day lies before the first one.")
    made = TaxDocument(
        id=ids.new("txd"), payee_id=payee_id, document=shown.document, valid_from=shown.valid_from,
        valid_to=shown.valid_to, note=shown.note, entered_by=entered_by,
    )  # fmt: skip
    db.add(made)
    db.flush()
    return made


def confirm(db: Session, document_id: str, *, confirmed_by: str) -> TaxDocument:
    """Let a document count, by another person than who entered it. Runs that were begun before do not fit it."""
    found = db.get(TaxDocument, document_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NoSuchTaxDocument("There is no such tax document.")
    if found.confirmed_by is not None:
        raise AlreadyConfirmed("This document is confirmed already.")
    four_eyes.other_person(found.entered_by, confirmed_by)
    found.confirmed_by, found.confirmed_at = confirmed_by, clock.now(db)
    db.flush()
    return found


def listed(*, payee_id: str | None = None) -> Select[TaxDocument]:
    """All documents, or a payee's."""
    rows = select(TaxDocument)
    return rows if payee_id is None else rows.where(TaxDocument.payee_id == payee_id)


def of_payee(payee_id: str) -> Select[TaxDocument]:
    """What a payee may see: what counts of their documents."""
    return listed(payee_id=payee_id).where(TaxDocument.confirmed_by.is_not(None))

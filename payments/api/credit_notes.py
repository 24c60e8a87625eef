"""Credit notes: finance drafts them, approvers issue them, owners see theirs."""

from foundation import pagination
from foundation.auth import allow
from foundation.errors import within
from foundation.http import Call
from payments import credit_notes, money, schemas
from payments.api.edge import READ, first_day, routes
from payments.models import CreditNote


@routes.post(
    "/credit-notes", allow=allow("finance"), body=schemas.NewCreditNote, returns=schemas.CreditNote, status=201
)
def draft_credit_note(call: Call) -> CreditNote:
    """Draft the credit note of a month that is over, in which more came back to a requester than they spent."""
    with within("/currency"):
        currency = money.currency(call.db, call.body["currency"])
    given = {**call.body, "currency": currency, "month": first_day(call.body["month"])}
    return credit_notes.draft(call.db, **given, made_by=call.actor.subject_id)


@routes.get("/credit-notes", allow=READ, query=schemas.CreditNoteQuery, returns=schemas.CreditNote, paged=True)
def all_credit_notes(call: Call) -> pagination.Page:
    """Credit notes, newest first; `owner_ref` and `state` narrow the list."""
    return pagination.read(call.db, credit_notes.listed(**call.query), CreditNote.id, call.page)


@routes.get("/credit-notes/<note_id>/lines", allow=READ, returns=schemas.CreditNoteLine, paged=True)
def credit_note_lines(call: Call, note_id: str) -> pagination.Page:
    """What a credit note is made of; what came back is below zero, what was spent above."""
    return credit_notes.lines(call.db, note_id, call.page)


@routes.post("/credit-notes/<note_id>/issue", allow=allow("approve"), returns=schemas.CreditNote)
def issue_credit_note(call: Call, note_id: str) -> CreditNote:
    """Give a draft its number, and its tax back to the requester's free funds. Not for whoever drafted it."""
    return credit_notes.issue(call.db, note_id, issued_by=call.actor.subject_id)


@routes.post("/credit-notes/<note_id>/void", allow=allow("finance"), body=schemas.Reason, returns=schemas.CreditNote)
def void_credit_note(call: Call, note_id: str) -> CreditNote:
    """Make a draft or a wrong credit note count no more. Its number stays taken."""
    return credit_notes.void(call.db, note_id, **call.body, voided_by=call.actor.subject_id)


@routes.get("/me/credit-notes", allow=allow("funds"), returns=schemas.MyCreditNote, paged=True)
def my_credit_notes(call: Call) -> pagination.Page:
    """Your credit notes, newest first."""
    return pagination.read(call.db, credit_notes.of_owner(call.actor.subject_id), CreditNote.id, call.page)


@routes.get("/me/credit-notes/<note_id>/lines", allow=allow("funds"), returns=schemas.CreditNoteLine, paged=True)
def my_credit_note_lines(call: Call, note_id: str) -> pagination.Page:
    """What one of your credit notes is made of."""
    return credit_notes.lines(call.db, note_id, call.page, owner_ref=call.actor.subject_id)

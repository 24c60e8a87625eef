"""What the routes of credit notes take and give."""

from foundation.fields import Choice, Currency, Identifier, Integer, Schema, Text, Timestamp
from payments.models import CreditNoteState, Presentation
from payments.schemas.parts import LegalEntity, Month, OwnersQuery, amount_of


class NewCreditNote(Schema):
    owner_ref = Identifier("req", required=True)
    currency = Currency(required=True)
    month = Month(required=True)
    vat_basis_points = Integer(
        required=True,
        most=10_000,
        metadata={"description": "The tax on the fee when it was invoiced, in hundredths of a per cent."},
    )


class MyCreditNote(Schema):
    id = Identifier("crn")
    number = Text()
    currency = Currency()
    month = Month(attribute="period")
    entity = LegalEntity()
    presentation = Choice(Presentation)
    work = amount_of("work")
    fee = amount_of("fee")
    sold = amount_of("sold")
    passed_on = amount_of("passed_on")
    vat_basis_points = Integer()
    vat = amount_of("vat")
    total = amount_of("total")
    state = Choice(CreditNoteState)
    issued_at = Timestamp()


class CreditNote(MyCreditNote):
    owner_ref = Identifier("req")
    number = Text(allow_none=True)
    issued_at = Timestamp(allow_none=True)
    made_by = Text()
    created_at = Timestamp()
    issued_by = Text(allow_none=True)
    voided_by = Text(allow_none=True)
    voided_at = Timestamp(allow_none=True)
    void_reason = Text(allow_none=True)


class CreditNoteQuery(OwnersQuery):
    state = Choice(CreditNoteState)


class CreditNoteLine(Schema):
    line = Integer()
    kind = Text(metadata={"description": "Of the journal entries it sums: earning, bonus, reversal, clawback."})
    cause_ref = Text(metadata={"description": "The batch it was reserved for; empty for what came of free funds."})
    entries = Integer()
    work = amount_of("work")
    fee = amount_of("fee")

"""What the routes of credit notes take and give."""

from foundation.fields import Choice, Currency, Identifier, Integer, Schema, Text
from payments.models import CreditNoteState
from payments.schemas.parts import BilledMonth, Month, MyBilledMonth, OwnersQuery, amount_of


class NewCreditNote(Schema):
    owner_ref = Identifier("req", required=True)
    currency = Currency(required=True)
    month = Month(required=True)
    vat_basis_points = Integer(
        required=True,
        most=10_000,
        metadata={"description": "The tax on the fee when it was invoiced, in hundredths of a per cent."},
    )


class MyCreditNote(MyBilledMonth):
    id = Identifier("crn")
    state = Choice(CreditNoteState)


class CreditNote(BilledMonth, MyCreditNote):
    """All of one, drafts too."""


class CreditNoteQuery(OwnersQuery):
    state = Choice(CreditNoteState)


class CreditNoteLine(Schema):
    line = Integer()
    kind = Text(metadata={"description": "Of the journal entries it sums: earning, bonus, reversal, clawback."})
    cause_ref = Text(metadata={"description": "The batch it was reserved for; empty for what came of free funds."})
    entries = Integer()
    work = amount_of("work")
    fee = amount_of("fee")

"""What the routes of owners' money take and give."""

import marshmallow as ma

from foundation.fields import Amount, AmountOrNothing, Choice, Currency, Identifier, Integer, Schema, Text, Timestamp
from payments import money
from payments.models import Billing, InvoiceState, Presentation, RefundState
from payments.schemas.parts import BilledMonth, LegalEntity, Month, MyBilledMonth, OwnersQuery, amount_of


class TopUp(Schema):
    owner_ref = Identifier("req", required=True)
    currency = Currency(required=True)
    amount = Amount(required=True)
    bank_reference = Text(required=True, shortest=1, longest=140, name=True)
    fee = AmountOrNothing(
        load_default="0", metadata={"description": "What a processor kept of the amount; the house bears it."}
    )


class TopUpBooked(Schema):
    entry_id = Identifier("jnl")
    owner_ref = Identifier("req")
    currency = Currency()
    amount = Amount()
    fee = AmountOrNothing()


class Funds(Schema):
    currency = Currency()
    available = amount_of("available")
    reserved = amount_of("reserved")
    spent = amount_of("spent")


class FundsList(Schema):
    items = ma.fields.List(ma.fields.Nested(Funds))


class NewRefund(Schema):
    owner_ref = Identifier("req", required=True)
    top_up_id = Identifier(
        "jnl", required=True, metadata={"description": "The journal entry by which the money came: it goes back there."}
    )
    currency = Currency(required=True)
    amount = Amount(required=True)


class Refund(Schema):
    id = Identifier("rfd")
    owner_ref = Identifier("req")
    top_up_id = Identifier("jnl", metadata={"description": "The journal entry of the top-up that goes back."})
    currency = Currency()
    amount = amount_of("amount")
    state = Choice(RefundState)
    reason = Text(allow_none=True, metadata={"description": "Why it was refused."})
    requested_by = Text()
    created_at = Timestamp()
    decided_by = Text(allow_none=True)
    decided_at = Timestamp(allow_none=True)


class RefundQuery(OwnersQuery):
    state = Choice(RefundState)


class NewContract(Schema):
    owner_ref = Identifier("req", required=True)
    entity = LegalEntity(required=True)
    presentation = Choice(Presentation, required=True)
    billing = Choice(Billing, required=True)
    valid_from = Timestamp(required=True)
    fee_basis_points = Integer(
        most=10_000, metadata={"description": "The fee on pay, in hundredths of a per cent; left out: 2000."}
    )
    contingency_basis_points = Integer(
        most=10_000,
        metadata={"description": "Set aside for lifting pay to the floor, as a share of each reserve; left out: 0."},
    )


class Contract(Schema):
    id = Identifier("ctr")
    owner_ref = Identifier("req")
    entity = LegalEntity()
    presentation = Choice(Presentation)
    billing = Choice(Billing)
    fee_basis_points = Integer()
    contingency_basis_points = Integer()
    valid_from = Timestamp()
    made_by = Text()
    created_at = Timestamp()
    confirmed_by = Text(allow_none=True)
    confirmed_at = Timestamp(allow_none=True)


class NewCreditLimit(Schema):
    owner_ref = Identifier("req", required=True)
    currency = Currency(required=True)
    amount = Amount(required=True)
    valid_from = Timestamp(required=True)


class CreditLimit(Schema):
    id = Identifier("crl")
    owner_ref = Identifier("req")
    currency = Currency()
    amount = amount_of("amount")
    valid_from = Timestamp()
    made_by = Text()
    created_at = Timestamp()
    confirmed_by = Text(allow_none=True)
    confirmed_at = Timestamp(allow_none=True)


class Draw(Schema):
    owner_ref = Identifier("req", required=True)
    currency = Currency(required=True)
    amount = Amount(required=True)
    reference = Text(
        required=True, shortest=1, longest=140, name=True, metadata={"description": "Draws once for ever."}
    )


class Drawn(Schema):
    entry_id = Identifier("jnl")
    owner_ref = Identifier("req")
    currency = Currency()
    amount = Amount()


class NewInvoice(Schema):
    owner_ref = Identifier("req", required=True)
    currency = Currency(required=True)
    month = Month(required=True)
    vat_basis_points = Integer(
        required=True,
        most=10_000,
        metadata={"description": "The tax on the fee that was in force, in hundredths of a per cent."},
    )


class MyInvoice(MyBilledMonth):
    id = Identifier("inv")
    due = amount_of("due")
    state = Choice(InvoiceState)
    paid_at = Timestamp(allow_none=True)


class Invoice(BilledMonth, MyInvoice):
    billing = Choice(Billing)
    due = ma.fields.Function(
        lambda row: None if row.due is None else money.format_amount(row.due, row.exponent),
        metadata={"type": ["string", "null"], "description": "A decimal string; a draft has none."},
    )


class InvoiceQuery(OwnersQuery):
    state = Choice(InvoiceState)


class InvoiceLine(Schema):
    line = Integer()
    kind = Text(metadata={"description": "Of the journal entries it sums: earning, bonus, reversal, clawback."})
    cause_ref = Text(metadata={"description": "The batch it was reserved for; empty for what came of free funds."})
    entries = Integer()
    work = amount_of("work")
    fee = amount_of("fee")


class Payment(Schema):
    currency = Currency(required=True)
    amount = Amount(required=True)
    bank_reference = Text(required=True, shortest=1, longest=140, name=True)


class MonthQuery(Schema):
    month = Month(required=True)


class RevenueRow(Schema):
    currency = Currency()
    presentation = Choice(Presentation)
    revenue = amount_of("revenue")
    labour = amount_of("labour")
    passed_on = amount_of("passed_on")


class Revenue(Schema):
    items = ma.fields.List(ma.fields.Nested(RevenueRow))

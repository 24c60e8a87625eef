"""What comes in and goes out at the payments routes. Money is a decimal string beside its currency."""

import re
from typing import Any

import marshmallow as ma

from foundation.fields import (
    Amount,
    Choice,
    Currency,
    Identifier,
    Integer,
    Schema,
    Shaped,
    Text,
    Timestamp,
)
from payments import money
from payments.models import Billing, ClawbackState, InvoiceState, Presentation, RefundState


class TopUp(Schema):
    owner_ref = Identifier("req", required=True)
    currency = Currency(required=True)
    amount = Amount(required=True)
    bank_reference = Text(required=True, shortest=1, longest=140, name=True)


class TopUpBooked(Schema):
    entry_id = Identifier("jnl")
    owner_ref = Identifier("req")
    currency = Currency()
    amount = Amount()


def _amount(name: str) -> ma.fields.Function:
    return ma.fields.Function(
        lambda row: money.format_amount(int(getattr(row, name)), row.exponent),
        metadata={"type": "string", "description": "A decimal string."},
    )


class Funds(Schema):
    currency = Currency()
    available = _amount("available")
    reserved = _amount("reserved")
    spent = _amount("spent")


class FundsList(Schema):
    items = ma.fields.List(ma.fields.Nested(Funds))


class EarningTotals(Schema):
    currency = Currency()
    answers = Integer()
    pending = _amount("pending")
    due = _amount("due")
    paid = _amount("paid")


class Statement(Schema):
    payee_id = Identifier("pye")
    name = Text()
    totals = ma.fields.List(ma.fields.Nested(EarningTotals))


class Earning(Schema):
    id = Identifier("ern")
    answer_ref = Identifier("ans")
    currency = Currency()
    amount = _amount("amount")
    status = Text()
    created_at = Timestamp()
    due_at = Timestamp(allow_none=True)


class TrialBalanceRow(Schema):
    role = Text()
    kind = Text()
    currency = Currency()
    debits = _amount("debits")
    credits = _amount("credits")


class TrialBalance(Schema):
    items = ma.fields.List(ma.fields.Nested(TrialBalanceRow))


class JournalQuery(Schema):
    cause_ref = Text(longest=64)


class JournalLine(Schema):
    debit = Text(metadata={"description": "What the debit account is for, and whose: role:owner."})
    credit = Text()
    currency = Currency()
    amount = _amount("amount")


class JournalEntry(Schema):
    id = Identifier("jnl")
    idempotency_key = Text()
    kind = Text()
    cause_ref = Text()
    actor_ref = Text()
    created_at = Timestamp()
    lines = ma.fields.List(ma.fields.Nested(JournalLine))


class TieOutRow(Schema):
    currency = Currency()
    payable = _amount("payable")
    unpaid = _amount("unpaid")
    reserved = _amount("reserved")
    spent = _amount("spent")
    released = _amount("released")
    remaining = _amount("remaining")
    stored = _amount("stored")
    recomputed = _amount("recomputed")


class TieOut(Schema):
    items = ma.fields.List(ma.fields.Nested(TieOutRow))


# Refunds, credit, invoices and clawbacks

_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
_ENTITY = re.compile(r"[A-Z][A-Z0-9]{1,11}")


class Month(Shaped):
    """A month of a year, such as 2026-10."""

    def __init__(self, **options: Any) -> None:
        super().__init__(_MONTH, "Must be a month such as 2026-10.", "2026-10", **options)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **options: Any) -> str | None:
        return f"{value:%Y-%m}"


class LegalEntity(Shaped):
    """The short name of a legal entity, as the numbers of its invoices begin."""

    def __init__(self, **options: Any) -> None:
        super().__init__(_ENTITY, "Must be two to twelve capitals and digits such as ROOK.", "ROOK", **options)


class Reason(Schema):
    reason = Text(required=True, shortest=1, longest=1000)


class OwnersQuery(Schema):
    owner_ref = Identifier("req")


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
    amount = _amount("amount")
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


class Contract(Schema):
    id = Identifier("ctr")
    owner_ref = Identifier("req")
    entity = LegalEntity()
    presentation = Choice(Presentation)
    billing = Choice(Billing)
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
    amount = _amount("amount")
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


class MyInvoice(Schema):
    id = Identifier("inv")
    number = Text()
    currency = Currency()
    month = Month(attribute="period")
    entity = LegalEntity()
    presentation = Choice(Presentation)
    work = _amount("work")
    fee = _amount("fee")
    sold = _amount("sold")
    passed_on = _amount("passed_on")
    vat_basis_points = Integer()
    vat = _amount("vat")
    total = _amount("total")
    due = _amount("due")
    state = Choice(InvoiceState)
    issued_at = Timestamp()
    paid_at = Timestamp(allow_none=True)


class Invoice(MyInvoice):
    owner_ref = Identifier("req")
    billing = Choice(Billing)
    number = Text(allow_none=True)
    due = ma.fields.Function(
        lambda row: None if row.due is None else money.format_amount(row.due, row.exponent),
        metadata={"type": ["string", "null"], "description": "A decimal string; a draft has none."},
    )
    issued_at = Timestamp(allow_none=True)
    made_by = Text()
    created_at = Timestamp()
    issued_by = Text(allow_none=True)
    voided_by = Text(allow_none=True)
    voided_at = Timestamp(allow_none=True)
    void_reason = Text(allow_none=True)


class InvoiceQuery(OwnersQuery):
    state = Choice(InvoiceState)


class InvoiceLine(Schema):
    line = Integer()
    kind = Text(metadata={"description": "Of the journal entries it sums: earning, bonus, reversal, clawback."})
    cause_ref = Text(metadata={"description": "The batch it was reserved for; empty for what came of free funds."})
    entries = Integer()
    work = _amount("work")
    fee = _amount("fee")


class Payment(Schema):
    currency = Currency(required=True)
    amount = Amount(required=True)
    bank_reference = Text(required=True, shortest=1, longest=140, name=True)


class MonthQuery(Schema):
    month = Month(required=True)


class RevenueRow(Schema):
    currency = Currency()
    presentation = Choice(Presentation)
    revenue = _amount("revenue")
    labour = _amount("labour")
    passed_on = _amount("passed_on")


class Revenue(Schema):
    items = ma.fields.List(ma.fields.Nested(RevenueRow))


class NewClawback(Reason):
    earning_id = Identifier("ern", required=True)


class Clawback(Schema):
    id = Identifier("clw")
    earning_id = Identifier("ern")
    payee_id = Identifier("pye")
    currency = Currency()
    amount = _amount("amount")
    returned = _amount("returned")
    recovered = _amount("recovered")
    written_off = _amount("written_off")
    owed = _amount("owed")
    state = Choice(ClawbackState)
    reason = Text()
    made_by = Text()
    created_at = Timestamp()
    decided_by = Text(allow_none=True)
    decided_at = Timestamp(allow_none=True)
    write_off_by = Text(allow_none=True)
    write_off_reason = Text(allow_none=True)
    written_off_by = Text(allow_none=True)
    written_off_at = Timestamp(allow_none=True)


class ClawbackQuery(Schema):
    payee_id = Identifier("pye")
    state = Choice(ClawbackState)

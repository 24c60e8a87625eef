"""What comes in and goes out at the payments routes. Money is a decimal string beside its currency."""

import marshmallow as ma

from foundation.fields import Amount, Currency, Identifier, Integer, Schema, Text, Timestamp
from payments import money


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

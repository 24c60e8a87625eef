"""What comes in and goes out at the payments routes. Money is a decimal string beside its currency."""

import re

import marshmallow as ma

from foundation.fields import Amount, Currency, Flag, Identifier, Integer, Schema, Shaped, Text, Timestamp
from payments import ledger, money


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
    effective_on = ma.fields.Date(metadata={"description": "The day it counts for; a closed month takes no more."})
    event_at = Timestamp(allow_none=True, metadata={"description": "When it really happened, if that is known apart."})
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


# Months of the books, accounts and their statements


_HASH = re.compile(r"[0-9a-f]{64}")
_ROLE = re.compile("|".join(ledger.ROLES))
_MONTH = ma.fields.Function(
    lambda period: period.month.isoformat()[:7], metadata={"type": "string", "description": "Such as 2026-10."}
)


class ClosingConfirmed(Schema):
    hash = Shaped(_HASH, "Must be 64 hexadecimal digits, as the month shows them.", "0" * 64, required=True)


class Period(Schema):
    month = _MONTH
    state = Text()
    closed_by = Text(allow_none=True)
    confirmed_by = Text(allow_none=True)
    closed_at = Timestamp(allow_none=True)
    trial_hash = ma.fields.Function(
        lambda period: None if period.trial_hash is None else period.trial_hash.hex(),
        metadata={"type": ["string", "null"], "description": "SHA-256 of its trial balance when that was proposed."},
    )
    reopening_by = Text(allow_none=True)
    reopened_by = Text(allow_none=True)
    reopened_at = Timestamp(allow_none=True)


class Closing(Schema):
    period = ma.fields.Nested(Period)
    items = ma.fields.List(ma.fields.Nested(TrialBalanceRow))
    hash = Text()


class AccountQuery(Schema):
    role = Shaped(_ROLE, "Must be what an account is for, such as bank.", "bank")
    owner_ref = Text(longest=64)
    currency = Text(longest=16)


class Account(Schema):
    id = Identifier("acc")
    role = Text()
    owner_ref = Text()
    currency = Text()
    kind = Text()
    bounded = Flag()
    debits = _amount("debits")
    credits = _amount("credits")
    balance = _amount("balance")


class StatementQuery(Schema):
    since = Timestamp()
    until = Timestamp()


class Move(Schema):
    type = Text(metadata={"description": "opening and closing are balances; line is one line of an entry."})
    entry_id = Identifier("jnl", allow_none=True)
    line = Integer(allow_none=True)
    kind = Text(allow_none=True)
    cause_ref = Text(allow_none=True)
    other = Text(allow_none=True, metadata={"description": "The account on the other side, role:owner."})
    effective_on = ma.fields.Date(allow_none=True)
    created_at = Timestamp(allow_none=True)
    debit = _amount("debit")
    credit = _amount("credit")
    balance = _amount("balance")

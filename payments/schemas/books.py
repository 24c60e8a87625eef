"""What the routes of the books take and give."""

import re

import marshmallow as ma

from foundation.fields import Currency, Day, Flag, Identifier, Integer, Schema, Shaped, Text, Timestamp
from payments import ledger
from payments.schemas.parts import HASH, amount_of


class TrialBalanceRow(Schema):
    role = Text()
    kind = Text()
    currency = Currency()
    debits = amount_of("debits")
    credits = amount_of("credits")


class TrialBalance(Schema):
    items = ma.fields.List(ma.fields.Nested(TrialBalanceRow))


class JournalQuery(Schema):
    cause_ref = Text(longest=64)
    kind = Text(longest=40)
    first_day = Day(metadata={"description": "The first day that entries count for."})
    last_day = Day(metadata={"description": "The last one."})


class JournalLine(Schema):
    debit = Text(metadata={"description": "What the debit account is for, and whose: role:owner."})
    credit = Text()
    currency = Currency()
    amount = amount_of("amount")


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
    payable = amount_of("payable")
    unpaid = amount_of("unpaid")
    reserved = amount_of("reserved")
    spent = amount_of("spent")
    released = amount_of("released")
    remaining = amount_of("remaining")
    stored = amount_of("stored")
    recomputed = amount_of("recomputed")


class TieOut(Schema):
    items = ma.fields.List(ma.fields.Nested(TieOutRow))


_ROLE = re.compile("|".join(ledger.ROLES))


_PERIOD_MONTH = ma.fields.Function(
    lambda period: period.month.isoformat()[:7], metadata={"type": "string", "description": "Such as 2026-10."}
)


class ClosingConfirmed(Schema):
    hash = Shaped(HASH, "Must be 64 hexadecimal digits, as the month shows them.", "0" * 64, required=True)


class Period(Schema):
    month = _PERIOD_MONTH
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
    debits = amount_of("debits")
    credits = amount_of("credits")
    balance = amount_of("balance")


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
    debit = amount_of("debit")
    credit = amount_of("credit")
    balance = amount_of("balance")

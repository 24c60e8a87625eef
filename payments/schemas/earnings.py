"""What the routes of pay take and give."""

import marshmallow as ma

from foundation.fields import (
    Amount,
    Choice,
    Country,
    Currency,
    Flag,
    Identifier,
    Integer,
    QueryFlag,
    Schema,
    Text,
    Timestamp,
)
from payments.models import ClawbackState, EarningKind, EarningStatus
from payments.schemas.parts import OfPayee, Reason, amount_of


class EarningTotals(Schema):
    currency = Currency()
    answers = Integer()
    pending = amount_of("pending")
    due = amount_of("due")
    held = amount_of("held")
    withheld = amount_of("withheld")
    paid = amount_of("paid")


class Statement(Schema):
    payee_id = Identifier("pye")
    name = Text()
    totals = ma.fields.List(ma.fields.Nested(EarningTotals))


class Earning(Schema):
    id = Identifier("ern")
    answer_ref = Text(metadata={"description": "The answer that it is for, if it is for one."})
    currency = Currency()
    amount = amount_of("amount")
    withheld = amount_of("withheld")
    status = Text()
    created_at = Timestamp()
    due_at = Timestamp(allow_none=True)


class EarningOfPayee(Earning):
    payee_id = Identifier("pye")
    kind = Choice(EarningKind)
    cause_ref = Text(allow_none=True, metadata={"description": "The batch that it is paid out of, if it is of one."})
    paid = amount_of("paid_out")


class EarningQuery(OfPayee):
    status = Choice(EarningStatus)
    kind = Choice(EarningKind)
    cause_ref = Text(longest=64)
    since = Timestamp(metadata={"description": "Due from this moment on."})
    until = Timestamp(metadata={"description": "Due before this moment."})


class Payee(Schema):
    id = Identifier("pye")
    owner_ref = Text()
    name = Text()
    country = Text()
    created_at = Timestamp()


class PayeeQuery(Schema):
    owner_ref = Text(longest=64)
    country = Country()
    has_contact = QueryFlag(metadata={"description": "Whether a notice would reach them."})


class NewHold(Reason):
    payee_id = Identifier("pye", required=True)
    earning_id = Identifier("ern")
    until = Timestamp()
    is_legal = Flag(data_key="legal")


class MyHold(Schema):
    id = Identifier("hld")
    earning_id = Identifier("ern", allow_none=True)
    reason = Text()
    until = Timestamp(allow_none=True)
    created_at = Timestamp()


class Hold(MyHold):
    payee_id = Identifier("pye")
    is_legal = Flag(data_key="legal")
    made_by = Text()
    ended_by = Text(allow_none=True)
    ended_at = Timestamp(allow_none=True)
    end_reason = Text(allow_none=True)


class HoldQuery(OfPayee):
    active = QueryFlag()


class EarningIds(Schema):
    earning_ids = ma.fields.List(Identifier("ern"), required=True, validate=ma.validate.Length(1, 1000))


class Reversal(EarningIds, Reason):
    pass


class Worth(Schema):
    amount = Amount(required=True)


class Repair(Worth, Reason):
    pass


class Effect(Schema):
    earning_id = Identifier("ern")
    payee_id = Identifier("pye")
    currency = Currency()
    before = amount_of("amount_before")
    after = amount_of("amount_after")
    returned = amount_of("returned")


class Effects(Schema):
    items = ma.fields.List(ma.fields.Nested(Effect))


class NewGoodwill(Reason):
    payee_id = Identifier("pye", required=True)
    currency = Currency(required=True)
    amount = Amount(required=True)
    reference = Text(
        required=True, shortest=1, longest=140, name=True, metadata={"description": "Yours; it pays once for ever."}
    )


class NewBonus(NewGoodwill):
    owner_ref = Identifier("req", required=True)


class BonusCost(Schema):
    currency = Currency()
    amount = amount_of("amount")
    fee = amount_of("fee")
    cost = amount_of("cost")
    available = amount_of("available")


class MyAdjustment(Schema):
    id = Identifier("adj")
    earning_id = Identifier("ern")
    kind = Text()
    currency = Currency()
    before = amount_of("amount_before")
    after = amount_of("amount_after")
    reason = Text()
    created_at = Timestamp()


class Adjustment(MyAdjustment):
    made_by = Text()


class NewClawback(Reason):
    earning_id = Identifier("ern", required=True)


class Clawback(Schema):
    id = Identifier("clw")
    earning_id = Identifier("ern")
    payee_id = Identifier("pye")
    currency = Currency()
    amount = amount_of("amount")
    returned = amount_of("returned")
    recovered = amount_of("recovered")
    written_off = amount_of("written_off")
    owed = amount_of("owed")
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

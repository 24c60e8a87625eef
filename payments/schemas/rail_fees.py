"""What the routes of rails' fees take and give."""

import marshmallow as ma

from foundation.fields import Choice, Currency, Identifier, Integer, Schema, Text, Timestamp
from payments.models import FeeReason
from payments.schemas.parts import amount_of


class RailFee(Schema):
    rail = Text(allow_none=True, metadata={"description": "Of the payouts; none of what is no payout's."})
    kind = Text(metadata={"description": "Of the journal entries: fee, returned, own or top_up."})
    currency = Currency()
    entries = Integer()
    amount = amount_of("amount")


class RailFees(Schema):
    items = ma.fields.List(ma.fields.Nested(RailFee))


class UnplacedFee(Schema):
    id = Identifier("ufe")
    file_id = Identifier("bfl")
    payout_id = Identifier("pyo")
    told = Text(metadata={"description": "As the file has it."})
    reason = Choice(FeeReason)
    created_at = Timestamp()


class UnplacedFeeQuery(Schema):
    payout_id = Identifier("pyo")
    reason = Choice(FeeReason)

"""What the routes of exports, account codes, ageing and statements take and give."""

import re
from datetime import date
from typing import Any

import marshmallow as ma

from foundation.fields import (
    Choice,
    Country,
    Currency,
    Day,
    Identifier,
    Integer,
    JsonObject,
    Schema,
    Shaped,
    Text,
    Timestamp,
)
from payments import account_codes
from payments.export_kinds import KINDS
from payments.export_kinds.books import Detail
from payments.export_kinds.kind import Format
from payments.models import ExportState
from payments.schemas.parts import Month, amount_of

_KIND = re.compile("|".join(KINDS))


class ExportParameters(Schema):
    month = Month()
    first_day = Day()
    last_day = Day(metadata={"description": "The last one that counts."})
    detail = Choice(Detail, metadata={"description": "A document for each entry, or for each day and kind."})
    run_id = Identifier("run")
    payee_id = Identifier("pye")
    country = Country()
    year = Integer(least=2000, most=2998, metadata={"description": "In which the tax year begins."})
    invoice_id = Identifier("inv")

    @ma.post_load
    def plain(self, given: dict[str, Any], **_options: Any) -> dict[str, Any]:
        """As they are kept: days as text."""
        return {name: value.isoformat() if isinstance(value, date) else value for name, value in given.items()}


class NewExport(Schema):
    kind = Text(required=True, longest=40, metadata={"enum": list(KINDS)})
    format = Choice(Format, required=True)
    parameters = ma.fields.Nested(ExportParameters, load_default=dict)


class ExportQuery(Schema):
    kind = Shaped(_KIND, "Must be a kind of export, such as journal.", "journal")
    state = Choice(ExportState)


class Export(Schema):
    id = Identifier("exp")
    kind = Text()
    format = Text()
    parameters = JsonObject()
    state = Choice(ExportState)
    made_by = Text()
    created_at = Timestamp()
    as_of = Timestamp(allow_none=True, metadata={"description": "The moment that all of it is of."})
    drawn = Integer(attribute="n_drawn", allow_none=True, metadata={"description": "Rows that it is made of."})
    done = Integer(attribute="n_done", metadata={"description": "How many of these are read."})
    rows = Integer(attribute="n_rows", allow_none=True)
    bytes = Integer(attribute="n_bytes", allow_none=True)
    sums = JsonObject(allow_none=True, metadata={"description": "Control totals: decimal strings by currency."})
    sha256 = Text(attribute="hash_text", allow_none=True)
    finished_at = Timestamp(allow_none=True)
    failure = Text(allow_none=True)


class ExportDownload(Schema):
    id = Identifier("exd")
    taken_by = Text()
    created_at = Timestamp()


class NewAccountCode(Schema):
    account = Shaped(account_codes.ACCOUNT, "Must be a role, or role:owner.", "bank", required=True)
    code = Text(required=True, shortest=1, longest=account_codes.CODE_LONGEST, name=True)


class AccountCodes(Schema):
    items = ma.fields.List(
        ma.fields.Nested(NewAccountCode), required=True, validate=ma.validate.Length(max=account_codes.MOST)
    )


class AccountCodesSet(Schema):
    codes = Integer()


class AccountCode(Schema):
    account = Text()
    code = Text()
    set_by = Text()
    created_at = Timestamp()


class AgeingRow(Schema):
    what = Text()
    owner_ref = Text(metadata={"description": "A run or whose account; house where it is all of one."})
    currency = Currency()
    age = Text(metadata={"description": "Days: 0-1, 2-7, 8-30, 31-90 or >90."})
    items = Integer()
    total = amount_of("total")


class AgeingTie(Schema):
    role = Text()
    currency = Currency()
    aged = amount_of("aged")
    balance = amount_of("balance")


class Ageing(Schema):
    items = ma.fields.List(ma.fields.Nested(AgeingRow))
    ties = ma.fields.List(ma.fields.Nested(AgeingTie))
    complete = ma.fields.Boolean()


class StatementLine(Schema):
    currency = Text()
    type = Text(metadata={"description": "opening and closing are balances; else what was booked."})
    day = Text()
    reference = Text()
    amount = Text(metadata={"description": "A decimal string; below zero if it was paid or taken back."})
    balance = Text()
    gross = Text()
    fee = Text()
    withheld = Text()
    withheld_by = Text()
    net_currency = Text()
    net = Text()
    fx_rate = Text()
    fx_source = Text()
    reason = Text()
    entry_id = Text()

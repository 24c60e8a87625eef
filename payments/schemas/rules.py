"""What the routes of exchange rates and taxes take and give."""

import re
from typing import Any

import marshmallow as ma

from foundation.fields import (
    Amount,
    Choice,
    Country,
    Currency,
    Day,
    Flag,
    Identifier,
    Integer,
    Schema,
    Shaped,
    Text,
    Timestamp,
)
from payments import fx, money, taxes
from payments.models import PayoutState, Rounding, TaxBasis, TaxKind, TaxPeriod
from payments.schemas.parts import OfPayee, amount_of


class FxRateValue(Shaped):
    """An exchange rate on the wire: a plain decimal string, exact."""

    def __init__(self, **options: Any) -> None:
        super().__init__(fx.RATE, 'Must be a rate as a string such as "129.25".', "129.25", **options)


class NewFxRate(Schema):
    base = Currency(required=True)
    quote = Currency(required=True)
    rate = FxRateValue(required=True, metadata={"description": "What one unit of base is worth in units of quote."})
    source = Text(required=True, shortest=1, longest=140, name=True)
    fetched_at = Timestamp(required=True)
    valid_until = Timestamp(required=True)


class FxRateQuery(Schema):
    base = Currency()
    quote = Currency()


class FxRate(Schema):
    id = Identifier("fxr")
    base = Currency()
    quote = Currency()
    rate = ma.fields.Function(
        lambda row: fx.format_rate(row.numerator, row.denominator),
        metadata={"type": "string", "description": "A decimal string."},
    )
    source = Text()
    fetched_at = Timestamp()
    valid_until = Timestamp()
    needs_confirmation = Flag()
    entered_by = Text()
    confirmed_by = Text(allow_none=True)
    confirmed_at = Timestamp(allow_none=True)
    created_at = Timestamp()


_DOCUMENT = re.compile(r"[a-z][a-z0-9_]{1,39}")


_AUTHORITY = re.compile(r"[A-Z][A-Z0-9_]{1,19}")


class NewTaxRule(Schema):
    country = Country(required=True)
    kind = Choice(TaxKind, required=True)
    basis = Choice(TaxBasis, required=True)
    document = Shaped(_DOCUMENT, "Must be a short word such as sworn_declaration.", "sworn_declaration")
    basis_points = Integer(required=True, most=taxes.ALL_BASIS_POINTS)
    threshold = Amount(metadata={"description": "What is above it is taxed; left out: all of it."})
    period = Choice(TaxPeriod)
    currency = Currency(required=True)
    catch_up = Flag()
    rounding = Choice(Rounding, required=True)
    unit_exponent = Integer(required=True, most=6)
    valid_from = Day(required=True)
    valid_to = Day(metadata={"description": "The last day."})
    authority = Shaped(_AUTHORITY, "Must be a short code in capitals such as KRA.", "KRA", required=True)
    citation = Text(required=True, shortest=1, longest=500, name=True)


class TaxRuleQuery(Schema):
    country = Country()


class TaxRule(Schema):
    id = Identifier("txr")
    country = Country()
    kind = Choice(TaxKind)
    basis = Choice(TaxBasis)
    document = Text(allow_none=True)
    basis_points = Integer()
    threshold = ma.fields.Function(
        lambda row: None if row.threshold is None else money.format_amount(row.threshold, row.exponent),
        metadata={"type": ["string", "null"], "description": "A decimal string."},
    )
    period = Choice(TaxPeriod)
    currency = Currency()
    catch_up = Flag()
    rounding = Choice(Rounding)
    unit_exponent = Integer()
    valid_from = Day()
    valid_to = Day(allow_none=True)
    authority = Text()
    citation = Text()
    entered_by = Text()
    confirmed_by = Text(allow_none=True)
    confirmed_at = Timestamp(allow_none=True)
    created_at = Timestamp()


class NewTaxDocument(Schema):
    payee_id = Identifier("pye", required=True)
    document = Shaped(_DOCUMENT, "Must be a short word such as sworn_declaration.", "sworn_declaration", required=True)
    valid_from = Day(required=True)
    valid_to = Day(metadata={"description": "The last day."})
    note = Text(required=True, shortest=1, longest=500, name=True, metadata={"description": "Where it is kept."})


class MyTaxDocument(Schema):
    id = Identifier("txd")
    document = Text()
    valid_from = Day()
    valid_to = Day(allow_none=True)
    created_at = Timestamp()


class TaxDocument(MyTaxDocument):
    payee_id = Identifier("pye")
    note = Text()
    entered_by = Text()
    confirmed_by = Text(allow_none=True)
    confirmed_at = Timestamp(allow_none=True)


class MyWithholding(Schema):
    payout_id = Identifier("pyo")
    authority = Text()
    currency = Currency()
    base = amount_of("base")
    amount = amount_of("amount")
    state = Choice(PayoutState, metadata={"description": "Of the payout."})
    created_at = Timestamp()


class Withholding(MyWithholding):
    payee_id = Identifier("pye")
    rule_id = Identifier("txr")


class MyAccruedTax(Schema):
    id = Identifier("wht")
    earning_id = Identifier("ern")
    authority = Text()
    currency = Currency()
    base = amount_of("base")
    amount = amount_of("amount")
    counts = Flag(metadata={"description": "Until it is taken back, with its earning."})
    created_at = Timestamp()


class AccruedTax(MyAccruedTax):
    payee_id = Identifier("pye")
    rule_id = Identifier("txr")
    entry_id = Identifier("jnl")


class AccruedTaxQuery(OfPayee):
    authority = Shaped(_AUTHORITY, "Must be a short code in capitals such as KRA.", "KRA")


class WithholdingQuery(OfPayee):
    run_id = Identifier("run")
    authority = Shaped(_AUTHORITY, "Must be a short code in capitals such as KRA.", "KRA")


class NewRemittance(Schema):
    authority = Shaped(_AUTHORITY, "Must be a short code in capitals such as KRA.", "KRA", required=True)
    currency = Currency(required=True)
    amount = Amount(required=True)
    filing = Text(required=True, shortest=1, longest=140, name=True)


class Remittance(Schema):
    id = Identifier("rmt")
    authority = Text()
    currency = Currency()
    amount = amount_of("amount")
    filing = Text()
    entered_by = Text()
    confirmed_by = Text(allow_none=True)
    confirmed_at = Timestamp(allow_none=True)
    entry_id = Identifier("jnl", allow_none=True)
    created_at = Timestamp()


class RemittanceQuery(Schema):
    authority = Shaped(_AUTHORITY, "Must be a short code in capitals such as KRA.", "KRA")


class WithheldRow(Schema):
    authority = Text()
    currency = Currency()
    amount = amount_of("amount")


class Withheld(Schema):
    items = ma.fields.List(ma.fields.Nested(WithheldRow))

"""What several of the routes' schemas have in common."""

import re
from typing import Any

import marshmallow as ma

from foundation.fields import Choice, Currency, Identifier, Integer, Schema, Shaped, Text, Timestamp
from payments import money
from payments.models import Presentation

# A SHA-256, as people compare it.
HASH = re.compile(r"[0-9a-f]{64}")
_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
_ENTITY = re.compile(r"[A-Z][A-Z0-9]{1,11}")


def amount_of(name: str, *, exponent: str = "exponent") -> ma.fields.Function:
    """An attribute in ledger units as the decimal string that it is."""
    return ma.fields.Function(
        lambda row: money.format_amount(int(getattr(row, name)), getattr(row, exponent)),
        metadata={"type": "string", "description": "A decimal string."},
    )


class OfPayee(Schema):
    payee_id = Identifier("pye")


class Reason(Schema):
    reason = Text(required=True, shortest=1, longest=500, name=True)


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


class OwnersQuery(Schema):
    owner_ref = Identifier("req")


class MyBilledMonth(Schema):
    """What an owner sees of an invoice or a credit note: only one that was issued, so it has a number."""

    number = Text()
    currency = Currency()
    month = Month(attribute="period")
    entity = LegalEntity()
    presentation = Choice(Presentation)
    work = amount_of("work")
    fee = amount_of("fee")
    sold = amount_of("sold")
    passed_on = amount_of("passed_on")
    vat_basis_points = Integer()
    vat = amount_of("vat")
    total = amount_of("total")
    issued_at = Timestamp()


class BilledMonth(Schema):
    """What finance sees beside that."""

    owner_ref = Identifier("req")
    number = Text(allow_none=True)
    issued_at = Timestamp(allow_none=True)
    made_by = Text()
    created_at = Timestamp()
    issued_by = Text(allow_none=True)
    voided_by = Text(allow_none=True)
    voided_at = Timestamp(allow_none=True)
    void_reason = Text(allow_none=True)

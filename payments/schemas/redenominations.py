"""What the routes of redenominations take and give."""

import re

from foundation.fields import Choice, Identifier, Integer, Schema, Shaped, Text, Timestamp
from payments.models import RedenominationState
from payments.schemas.parts import amount_of

_OF_THE_BOOKS = re.compile(r"[A-Z]{3}(\.[0-9]{4})?")


def _currency(**options: bool) -> Shaped:
    """A currency by its code in the books, which has a year where a later one took ISO's code over."""
    return Shaped(_OF_THE_BOOKS, "Must be a currency of the books such as VES.2018.", "VES.2018", **options)


class NewRedenomination(Schema):
    currency = _currency(required=True)


class RedenominationQuery(Schema):
    currency = _currency()


class RedenominationPreview(Schema):
    currency = _currency()
    successor = _currency()
    payees = Integer(attribute="n_payees")
    amount_from = amount_of("amount_from")
    amount_to = amount_of("amount_to", exponent="successor_exponent")


class Redenomination(RedenominationPreview):
    id = Identifier("rdn")
    state = Choice(RedenominationState)
    proposed_by = Text()
    created_at = Timestamp()
    decided_by = Text(allow_none=True)
    decided_at = Timestamp(allow_none=True)
    ended_at = Timestamp(allow_none=True)

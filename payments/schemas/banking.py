"""What the routes of bank files, of lines in suspense, of changed money and of balances take and give."""

import marshmallow as ma

from foundation.fields import Amount, Choice, Currency, Identifier, Integer, Schema, Text, Timestamp
from payments import reconciliation, suspense
from payments.models import BankEntryState, PayoutState, ProposalState, ResolutionKind
from payments.schemas.parts import amount_of
from payments.schemas.payouts import BankFile


class BankFileQuery(Schema):
    format = Text(
        required=True, longest=40, metadata={"description": f"What the file is: {', '.join(reconciliation.FORMATS)}."}
    )


class BankFileLines(Schema):
    state = Choice(BankEntryState)
    currency = Currency()
    lines = Integer()
    amount = amount_of("amount")


class BankFileShown(Schema):
    file = ma.fields.Nested(BankFile)
    lines = ma.fields.List(ma.fields.Nested(BankFileLines))


class Candidate(Schema):
    id = Identifier("pyo")
    payee_id = Identifier("pye")
    run_id = Identifier("run")
    rail = Text()
    currency = Currency()
    net = amount_of("net")
    state = Choice(PayoutState)
    end_to_end_id = Text()
    exported_at = Timestamp()


class Candidates(Schema):
    items = ma.fields.List(ma.fields.Nested(Candidate))


class NewResolution(Schema):
    kind = Choice(ResolutionKind, required=True)
    reason = Text(required=True, shortest=1, longest=500, name=True)
    owner_ref = Identifier("req", metadata={"description": "Whose top-up it is; for top_up alone."})
    payout_id = Identifier("pyo", metadata={"description": "Which it settles or brings back; for payout alone."})
    role = Text(longest=40, metadata={"description": f"{' or '.join(sorted(suspense.OWN_ROLES))}; for own alone."})
    booked_id = Identifier("jnl", metadata={"description": "The entry that holds it already; for booked alone."})


class Resolution(Schema):
    id = Identifier("sol")
    bank_entry_id = Identifier("ben")
    kind = Choice(ResolutionKind)
    owner_ref = Identifier("req", allow_none=True)
    payout_id = Identifier("pyo", allow_none=True)
    role = Text(allow_none=True)
    booked_id = Identifier("jnl", allow_none=True)
    reason = Text()
    state = Choice(ProposalState)
    made_by = Text()
    created_at = Timestamp()
    decided_by = Text(allow_none=True)
    decided_at = Timestamp(allow_none=True)
    entry_id = Identifier("jnl", allow_none=True)


class ResolutionConfirmed(Schema):
    resolution_id = Identifier("sol", required=True, metadata={"description": "Of the proposal that you looked at."})


class ProposalQuery(Schema):
    state = Choice(ProposalState)


class NewFxPurchase(Schema):
    run_id = Identifier("run", required=True)
    bank_reference = Text(required=True, shortest=1, longest=140, name=True)
    sold_currency = Currency(required=True)
    sold = Amount(required=True)
    bought_currency = Currency(required=True)
    bought = Amount(required=True)


class FxPurchase(Schema):
    id = Identifier("fxp")
    run_id = Identifier("run")
    bank_reference = Text()
    sold_currency = Currency()
    sold = amount_of("sold", exponent="sold_exponent")
    bought_currency = Currency()
    bought = amount_of("bought", exponent="bought_exponent")
    earned_currency = Currency()
    gain = amount_of("gain", exponent="earned_exponent")
    state = Choice(ProposalState)
    made_by = Text()
    created_at = Timestamp()
    decided_by = Text(allow_none=True)
    decided_at = Timestamp(allow_none=True)
    entry_id = Identifier("jnl", allow_none=True)


class FxPurchaseQuery(ProposalQuery):
    run_id = Identifier("run")


class FxPosition(Schema):
    currency = Currency()
    paid = amount_of("paid")
    earned_currency = Currency()
    earned = amount_of("earned", exponent="earned_exponent")
    open = amount_of("open")
    residue = amount_of("residue", exponent="earned_exponent")
    gain = amount_of("gain", exponent="earned_exponent")


class FxPositions(Schema):
    items = ma.fields.List(ma.fields.Nested(FxPosition))

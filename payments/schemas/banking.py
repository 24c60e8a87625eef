"""What the routes of bank files, of lines in suspense, of changed money and of balances take and give."""

import marshmallow as ma

from foundation.fields import Amount, Choice, Currency, Day, Identifier, Integer, Schema, Text, Timestamp
from payments import reconciliation, suspense, unclaimed
from payments.models import BankEntryState, PayoutState, ProposalState, ResolutionKind, UnclaimedState
from payments.schemas.parts import OfPayee, amount_of
from payments.schemas.payouts import BankFile


class BankFileQuery(Schema):
    format = Text(
        required=True, longest=40, metadata={"enum": list(reconciliation.FORMATS), "description": "What the file is."}
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


class PayoutFailure(Schema):
    id = Identifier("pff")
    payout_id = Identifier("pyo")
    reason = Text()
    state = Choice(ProposalState)
    made_by = Text()
    created_at = Timestamp()
    decided_by = Text(allow_none=True)
    decided_at = Timestamp(allow_none=True)


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


class NewUnclaimed(Schema):
    payout_id = Identifier("pyo", required=True)
    noticed_on = Day(required=True, metadata={"description": "When the payee was told that it came back."})
    notice_days = Integer(least=1, most=365, load_default=unclaimed.NOTICE_DAYS)


class MyUnclaimed(Schema):
    id = Identifier("unc")
    payout_id = Identifier("pyo")
    currency = Currency()
    amount = amount_of("amount")
    state = Choice(UnclaimedState)
    decided_at = Timestamp(allow_none=True)
    claimed_at = Timestamp(allow_none=True)


class Unclaimed(MyUnclaimed):
    payee_id = Identifier("pye")
    noticed_on = ma.fields.Date()
    claimable_until = ma.fields.Date()
    made_by = Text()
    created_at = Timestamp()
    decided_by = Text(allow_none=True)
    claimed_by = Text(allow_none=True)
    filing = Text(allow_none=True)
    filed_by = Text(allow_none=True)
    handed_by = Text(allow_none=True)
    handed_at = Timestamp(allow_none=True)


class UnclaimedQuery(OfPayee):
    state = Choice(UnclaimedState)
    filing = Text(longest=140)


class UnclaimedAge(Schema):
    currency = Currency()
    year = ma.fields.Function(
        lambda row: row.since.year, metadata={"type": "integer", "description": "In which it was found unclaimed."}
    )
    parts = Integer(attribute="n")
    amount = amount_of("amount")
    oldest = ma.fields.Date()


class UnclaimedAges(Schema):
    items = ma.fields.List(ma.fields.Nested(UnclaimedAge))


class FilingNamed(Schema):
    filing = Text(required=True, shortest=1, longest=140, name=True, metadata={"description": "Hands over once."})


class NewFiling(FilingNamed):
    unclaimed_ids = ma.fields.List(
        Identifier("unc"), required=True, validate=ma.validate.Length(1, unclaimed.FILED_MAX)
    )


class FilingConfirmed(FilingNamed):
    currency = Currency(required=True)
    amount = Amount(required=True)


class Filing(Schema):
    filing = Text()
    currency = Currency()
    amount = amount_of("amount")
    parts = Integer()


class BankBalanceQuery(Schema):
    account = Text(longest=64)
    currency = Text(longest=16)
    closed_on = Day()


class BankBalance(Schema):
    id = Identifier("bbl")
    file_id = Identifier("bfl")
    account = Text()
    currency = Currency()
    closed_on = ma.fields.Date()
    closing = amount_of("closing")
    others = amount_of("others")
    books = amount_of("books")
    difference = amount_of("difference")
    created_at = Timestamp()

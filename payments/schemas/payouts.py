"""What the routes of payouts take and give."""

import marshmallow as ma

from foundation.fields import (
    Choice,
    Currency,
    Day,
    Identifier,
    Integer,
    JsonObject,
    QueryInteger,
    Schema,
    Shaped,
    Text,
    Timestamp,
)
from payments import formats, payout_files, rails
from payments.destinations import Kind
from payments.models import BankEntryState, PayoutState, RunState
from payments.schemas.parts import HASH, OfPayee, amount_of


class NewPayoutMethod(Schema):
    rail = Text(required=True, longest=40, metadata={"enum": list(rails.by_name)})
    kind = Choice(Kind, required=True)
    given = JsonObject(
        required=True,
        data_key="destination",
        metadata={
            "description": "By kind: iban and perhaps bic; routing, account, account_type; country, bank_code, "
            "account; wallet, country, msisdn; upi; email."
        },
    )


class PayoutMethod(Schema):
    id = Identifier("pym")
    rail = Text()
    kind = Text()
    masked = Text()
    created_at = Timestamp()
    cooling_until = Timestamp()


class MyPayoutMethod(PayoutMethod):
    status = Text(metadata={"description": "active or retired."})
    retired_at = Timestamp(allow_none=True)


class NewContact(Schema):
    email = Text(required=True, shortest=1, longest=254)


class Contact(Schema):
    id = Identifier("pct")
    masked = Text(metadata={"description": "Enough of the address for you to know it by."})
    created_at = Timestamp()
    proved_at = Timestamp(allow_none=True, metadata={"description": "When you showed that it is yours."})


class ContactProof(Schema):
    secret = Text(required=True, longest=100, metadata={"description": "What was sent to the address."})


class Wait(Schema):
    reason = Text(metadata={"description": "no_method, kyc, cooling, held, too_little or not_ready."})
    amount = amount_of("amount")
    until = Timestamp(allow_none=True)
    note = Text(allow_none=True, metadata={"description": "The reason of the hold that ends last."})


class NextPayout(Schema):
    earned_currency = Currency()
    due = amount_of("due", exponent="earned_exponent")
    rail = Text(allow_none=True)
    currency = Currency(allow_none=True)
    gross = amount_of("gross", exponent="earned_exponent")
    netted = amount_of("netted", exponent="earned_exponent")
    withheld = amount_of("withheld")
    net = amount_of("net")
    waiting = ma.fields.List(ma.fields.Nested(Wait))


class NextPayouts(Schema):
    items = ma.fields.List(ma.fields.Nested(NextPayout))


class PayoutMethodOfPayee(PayoutMethod):
    payee_id = Identifier("pye")
    status = Text()
    set_by = Text()
    retired_at = Timestamp(allow_none=True)


class NewPayingAccount(Schema):
    rail = Text(required=True, longest=40, metadata={"enum": list(rails.by_name)})
    details = JsonObject(
        required=True,
        metadata={
            "description": "By rail: name, iban, bic; name, routing, company_id; account; currency. Each "
            "without an iban may name its account at a bank, account."
        },
    )


class PayingAccount(Schema):
    id = Identifier("pac")
    rail = Text()
    details = JsonObject()
    entered_by = Text()
    created_at = Timestamp()
    confirmed_by = Text(allow_none=True)
    confirmed_at = Timestamp(allow_none=True)


class NewRun(Schema):
    rail = Text(required=True, longest=40, metadata={"enum": list(rails.by_name)})
    cut_off = Timestamp()


class Run(Schema):
    id = Identifier("run")
    rail = Text()
    currency = Currency()
    state = Choice(RunState)
    cut_off = Timestamp()
    payees_looked_at = Integer(attribute="n_payees")
    payouts = Integer(attribute="n_payouts")
    total = amount_of("total")
    content_hash = Text(attribute="hash_text", allow_none=True)
    prepared_by = Text()
    approved_by = Text(allow_none=True)
    approved_at = Timestamp(allow_none=True)
    released_by = Text(allow_none=True)
    exported_at = Timestamp(allow_none=True)
    closed_at = Timestamp(allow_none=True)
    created_at = Timestamp()


class RunQuery(Schema):
    state = Choice(RunState)


class PayoutTotal(Schema):
    state = Choice(PayoutState)
    payouts = Integer()
    net = amount_of("net")


class LeftOutTotal(Schema):
    reason = Text()
    currency = Currency()
    payees = Integer(attribute="n_payees")
    amount = amount_of("amount")


class RunWithTotals(Schema):
    run = ma.fields.Nested(Run)
    payouts = ma.fields.List(ma.fields.Nested(PayoutTotal))
    left_out = ma.fields.List(ma.fields.Nested(LeftOutTotal))


class Approval(Schema):
    content_hash = Shaped(HASH, "Must be the 64 hexadecimal digits that the run shows.", "0" * 64, required=True)


class MyPayout(Schema):
    id = Identifier("pyo")
    earned_currency = Currency()
    gross = amount_of("gross", exponent="earned_exponent")
    currency = Currency()
    fee = amount_of("fee")
    withheld = amount_of("withheld")
    net = amount_of("net")
    state = Choice(PayoutState)
    reason = Text(allow_none=True)
    created_at = Timestamp()
    ended_at = Timestamp(allow_none=True)


class Payout(MyPayout):
    run_id = Identifier("run")
    payee_id = Identifier("pye")
    method_id = Identifier("pym")
    name = Text(allow_none=True, metadata={"description": "To whom, as its file says it."})
    part = Integer()
    fx_rate_id = Identifier("fxr", allow_none=True)
    end_to_end_id = Text()


class PayoutQuery(Schema):
    state = Choice(PayoutState)


class PayoutsQuery(PayoutQuery, OfPayee):
    rail = Text(longest=40)
    currency = Currency(metadata={"description": "In which is paid."})
    first_day = Day(metadata={"description": "The first day, in UTC, on which they were prepared."})
    last_day = Day(metadata={"description": "The last one."})


class LeftOut(Schema):
    payee_id = Identifier("pye")
    reason = Text()
    currency = Currency()
    amount = amount_of("amount")


class PayoutFile(Schema):
    id = Identifier("pfl")
    format = Text()
    part = Integer()
    parts = Integer(attribute="n_parts", allow_none=True, metadata={"description": "Of how many it is one."})
    rows = Integer()
    sums = JsonObject(allow_none=True, metadata={"description": "Control totals: decimal strings by currency."})
    as_of = Timestamp(allow_none=True, metadata={"description": "When its run left the books."})
    sha256 = Text(attribute="hash_text")
    made_by = Text()
    created_at = Timestamp()


class FileQuery(Schema):
    format = Text(
        longest=40,
        metadata={
            "enum": sorted(formats.WRITERS),
            "description": f"For people: {', '.join(payout_files.FOR_PEOPLE)}; left out: the rail's.",
        },
    )
    part = QueryInteger(least=1, most=100_000)


class BankFile(Schema):
    id = Identifier("bfl")
    format = Text()
    sha256 = Text(attribute="hash_text")
    outcome = JsonObject()
    read_by = Text()
    created_at = Timestamp()


class BankEntryQuery(Schema):
    state = Choice(BankEntryState)


class BankEntry(Schema):
    id = Identifier("ben")
    file_id = Identifier("bfl")
    account = Text()
    reference = Text()
    booked_on = ma.fields.Date()
    currency = Currency()
    amount = amount_of("amount")
    end_to_end_id = Text(allow_none=True)
    return_reason = Text(allow_none=True)
    state = Choice(BankEntryState)
    payout_id = Identifier("pyo", allow_none=True)

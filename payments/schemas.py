"""What comes in and goes out at the payments routes. Money is a decimal string beside its currency."""

import re
from decimal import Decimal
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
    JsonObject,
    QueryFlag,
    QueryInteger,
    Schema,
    Shaped,
    Text,
    Timestamp,
)
from payments import active_time, floor_weeks, fx, ledger, money, payout_files, taxes
from payments.destinations import Kind
from payments.models import (
    BankEntryState,
    Billing,
    ClawbackState,
    InvoiceState,
    PayoutState,
    Presentation,
    RefundState,
    Rounding,
    RunState,
    TaxBasis,
    TaxKind,
    TaxPeriod,
)


class TopUp(Schema):
    owner_ref = Identifier("req", required=True)
    currency = Currency(required=True)
    amount = Amount(required=True)
    bank_reference = Text(required=True, shortest=1, longest=140, name=True)


class TopUpBooked(Schema):
    entry_id = Identifier("jnl")
    owner_ref = Identifier("req")
    currency = Currency()
    amount = Amount()


def _amount(name: str, *, exponent: str = "exponent") -> ma.fields.Function:
    return ma.fields.Function(
        lambda row: money.format_amount(int(getattr(row, name)), getattr(row, exponent)),
        metadata={"type": "string", "description": "A decimal string."},
    )


class Funds(Schema):
    currency = Currency()
    available = _amount("available")
    reserved = _amount("reserved")
    spent = _amount("spent")


class FundsList(Schema):
    items = ma.fields.List(ma.fields.Nested(Funds))


class EarningTotals(Schema):
    currency = Currency()
    answers = Integer()
    pending = _amount("pending")
    due = _amount("due")
    paid = _amount("paid")


class Statement(Schema):
    payee_id = Identifier("pye")
    name = Text()
    totals = ma.fields.List(ma.fields.Nested(EarningTotals))


class Earning(Schema):
    id = Identifier("ern")
    answer_ref = Text(metadata={"description": "The answer that it is for, if it is for one."})
    currency = Currency()
    amount = _amount("amount")
    status = Text()
    created_at = Timestamp()
    due_at = Timestamp(allow_none=True)


class TrialBalanceRow(Schema):
    role = Text()
    kind = Text()
    currency = Currency()
    debits = _amount("debits")
    credits = _amount("credits")


class TrialBalance(Schema):
    items = ma.fields.List(ma.fields.Nested(TrialBalanceRow))


class JournalQuery(Schema):
    cause_ref = Text(longest=64)


class JournalLine(Schema):
    debit = Text(metadata={"description": "What the debit account is for, and whose: role:owner."})
    credit = Text()
    currency = Currency()
    amount = _amount("amount")


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
    payable = _amount("payable")
    unpaid = _amount("unpaid")
    reserved = _amount("reserved")
    spent = _amount("spent")
    released = _amount("released")
    remaining = _amount("remaining")
    stored = _amount("stored")
    recomputed = _amount("recomputed")


class TieOut(Schema):
    items = ma.fields.List(ma.fields.Nested(TieOutRow))


# Payees and what holds their money back


class NewPayoutMethod(Schema):
    rail = Text(required=True, longest=40)
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


class PayoutMethodOfPayee(PayoutMethod):
    payee_id = Identifier("pye")
    status = Text()
    set_by = Text()
    retired_at = Timestamp(allow_none=True)


class Payee(Schema):
    id = Identifier("pye")
    owner_ref = Text()
    name = Text()
    country = Text()
    created_at = Timestamp()


class OfPayee(Schema):
    payee_id = Identifier("pye")


class Reason(Schema):
    reason = Text(required=True, shortest=1, longest=500, name=True)


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


# What is put right after the fact


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
    before = _amount("amount_before")
    after = _amount("amount_after")
    returned = _amount("returned")


class Effects(Schema):
    items = ma.fields.List(ma.fields.Nested(Effect))


class NewGoodwill(Reason):
    payee_id = Identifier("pye", required=True)
    currency = Currency(required=True)
    amount = Amount(required=True)


class NewBonus(NewGoodwill):
    owner_ref = Identifier("req", required=True)


class MyAdjustment(Schema):
    id = Identifier("adj")
    earning_id = Identifier("ern")
    kind = Text()
    currency = Currency()
    before = _amount("amount_before")
    after = _amount("amount_after")
    reason = Text()
    created_at = Timestamp()


class Adjustment(MyAdjustment):
    made_by = Text()


# Payout runs


class NewPayingAccount(Schema):
    rail = Text(required=True, longest=40)
    details = JsonObject(
        required=True,
        metadata={"description": "By rail: name, iban, bic; name, routing, company_id; account; currency."},
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
    rail = Text(required=True, longest=40)
    cut_off = Timestamp()


class Run(Schema):
    id = Identifier("run")
    rail = Text()
    currency = Currency()
    state = Choice(RunState)
    cut_off = Timestamp()
    payees_looked_at = Integer(attribute="n_payees")
    payouts = Integer(attribute="n_payouts")
    total = _amount("total")
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
    net = _amount("net")


class RunWithTotals(Schema):
    run = ma.fields.Nested(Run)
    payouts = ma.fields.List(ma.fields.Nested(PayoutTotal))


_HASH = re.compile(r"[0-9a-f]{64}")


class Approval(Schema):
    content_hash = Shaped(_HASH, "Must be the 64 hexadecimal digits that the run shows.", "0" * 64, required=True)


class MyPayout(Schema):
    id = Identifier("pyo")
    currency = Currency()
    net = _amount("net")
    state = Choice(PayoutState)
    reason = Text(allow_none=True)
    created_at = Timestamp()
    ended_at = Timestamp(allow_none=True)


class Payout(MyPayout):
    run_id = Identifier("run")
    payee_id = Identifier("pye")
    method_id = Identifier("pym")
    part = Integer()
    earned_currency = Currency()
    gross = _amount("gross", exponent="earned_exponent")
    fx_rate_id = Identifier("fxr", allow_none=True)
    fee = _amount("fee")
    end_to_end_id = Text()


class PayoutQuery(Schema):
    state = Choice(PayoutState)


class PayoutsQuery(PayoutQuery, OfPayee):
    pass


class LeftOut(Schema):
    payee_id = Identifier("pye")
    reason = Text()
    currency = Currency()
    amount = _amount("amount")


class FileQuery(Schema):
    format = Text(longest=40, metadata={"description": f"Or {', '.join(payout_files.FOR_PEOPLE)}; else the rail's."})
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
    amount = _amount("amount")
    end_to_end_id = Text(allow_none=True)
    return_reason = Text(allow_none=True)
    state = Choice(BankEntryState)
    payout_id = Identifier("pyo", allow_none=True)


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


# Refunds, credit, invoices and clawbacks

_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
_ENTITY = re.compile(r"[A-Z][A-Z0-9]{1,11}")


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


class NewRefund(Schema):
    owner_ref = Identifier("req", required=True)
    top_up_id = Identifier(
        "jnl", required=True, metadata={"description": "The journal entry by which the money came: it goes back there."}
    )
    currency = Currency(required=True)
    amount = Amount(required=True)


class Refund(Schema):
    id = Identifier("rfd")
    owner_ref = Identifier("req")
    top_up_id = Identifier("jnl", metadata={"description": "The journal entry of the top-up that goes back."})
    currency = Currency()
    amount = _amount("amount")
    state = Choice(RefundState)
    reason = Text(allow_none=True, metadata={"description": "Why it was refused."})
    requested_by = Text()
    created_at = Timestamp()
    decided_by = Text(allow_none=True)
    decided_at = Timestamp(allow_none=True)


class RefundQuery(OwnersQuery):
    state = Choice(RefundState)


class NewContract(Schema):
    owner_ref = Identifier("req", required=True)
    entity = LegalEntity(required=True)
    presentation = Choice(Presentation, required=True)
    billing = Choice(Billing, required=True)
    valid_from = Timestamp(required=True)


class Contract(Schema):
    id = Identifier("ctr")
    owner_ref = Identifier("req")
    entity = LegalEntity()
    presentation = Choice(Presentation)
    billing = Choice(Billing)
    valid_from = Timestamp()
    made_by = Text()
    created_at = Timestamp()
    confirmed_by = Text(allow_none=True)
    confirmed_at = Timestamp(allow_none=True)


class NewCreditLimit(Schema):
    owner_ref = Identifier("req", required=True)
    currency = Currency(required=True)
    amount = Amount(required=True)
    valid_from = Timestamp(required=True)


class CreditLimit(Schema):
    id = Identifier("crl")
    owner_ref = Identifier("req")
    currency = Currency()
    amount = _amount("amount")
    valid_from = Timestamp()
    made_by = Text()
    created_at = Timestamp()
    confirmed_by = Text(allow_none=True)
    confirmed_at = Timestamp(allow_none=True)


class Draw(Schema):
    owner_ref = Identifier("req", required=True)
    currency = Currency(required=True)
    amount = Amount(required=True)
    reference = Text(
        required=True, shortest=1, longest=140, name=True, metadata={"description": "Draws once for ever."}
    )


class Drawn(Schema):
    entry_id = Identifier("jnl")
    owner_ref = Identifier("req")
    currency = Currency()
    amount = Amount()


class NewInvoice(Schema):
    owner_ref = Identifier("req", required=True)
    currency = Currency(required=True)
    month = Month(required=True)
    vat_basis_points = Integer(
        required=True,
        most=10_000,
        metadata={"description": "The tax on the fee that was in force, in hundredths of a per cent."},
    )


class MyInvoice(Schema):
    id = Identifier("inv")
    number = Text()
    currency = Currency()
    month = Month(attribute="period")
    entity = LegalEntity()
    presentation = Choice(Presentation)
    work = _amount("work")
    fee = _amount("fee")
    sold = _amount("sold")
    passed_on = _amount("passed_on")
    vat_basis_points = Integer()
    vat = _amount("vat")
    total = _amount("total")
    due = _amount("due")
    state = Choice(InvoiceState)
    issued_at = Timestamp()
    paid_at = Timestamp(allow_none=True)


class Invoice(MyInvoice):
    owner_ref = Identifier("req")
    billing = Choice(Billing)
    number = Text(allow_none=True)
    due = ma.fields.Function(
        lambda row: None if row.due is None else money.format_amount(row.due, row.exponent),
        metadata={"type": ["string", "null"], "description": "A decimal string; a draft has none."},
    )
    issued_at = Timestamp(allow_none=True)
    made_by = Text()
    created_at = Timestamp()
    issued_by = Text(allow_none=True)
    voided_by = Text(allow_none=True)
    voided_at = Timestamp(allow_none=True)
    void_reason = Text(allow_none=True)


class InvoiceQuery(OwnersQuery):
    state = Choice(InvoiceState)


class InvoiceLine(Schema):
    line = Integer()
    kind = Text(metadata={"description": "Of the journal entries it sums: earning, bonus, reversal, clawback."})
    cause_ref = Text(metadata={"description": "The batch it was reserved for; empty for what came of free funds."})
    entries = Integer()
    work = _amount("work")
    fee = _amount("fee")


class Payment(Schema):
    currency = Currency(required=True)
    amount = Amount(required=True)
    bank_reference = Text(required=True, shortest=1, longest=140, name=True)


class MonthQuery(Schema):
    month = Month(required=True)


class RevenueRow(Schema):
    currency = Currency()
    presentation = Choice(Presentation)
    revenue = _amount("revenue")
    labour = _amount("labour")
    passed_on = _amount("passed_on")


class Revenue(Schema):
    items = ma.fields.List(ma.fields.Nested(RevenueRow))


class NewClawback(Reason):
    earning_id = Identifier("ern", required=True)


class Clawback(Schema):
    id = Identifier("clw")
    earning_id = Identifier("ern")
    payee_id = Identifier("pye")
    currency = Currency()
    amount = _amount("amount")
    returned = _amount("returned")
    recovered = _amount("recovered")
    written_off = _amount("written_off")
    owed = _amount("owed")
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


# Fair pay


class NewFloorRule(Schema):
    region = Country(required=True)
    currency = Currency(required=True)
    hourly = Amount(required=True)
    valid_from = Day(required=True)
    valid_to = Day(metadata={"description": "The last day."})
    citation = Text(required=True, shortest=1, longest=500, name=True)


class FloorRuleQuery(Schema):
    region = Country()


class FloorRule(Schema):
    id = Identifier("flr")
    region = Country()
    currency = Currency()
    hourly = _amount("hourly")
    valid_from = Day()
    valid_to = Day(allow_none=True)
    citation = Text()
    entered_by = Text()
    confirmed_by = Text(allow_none=True)
    confirmed_at = Timestamp(allow_none=True)
    created_at = Timestamp()


class WagesQuery(Schema):
    region = Country()
    tier = QueryInteger(most=100)
    skill = Text(longest=100)
    since = Day(metadata={"description": "The first day, in UTC."})
    until = Day(metadata={"description": "The last day."})


def _bound(name: str) -> ma.fields.Function:
    return ma.fields.Function(
        lambda row: None if getattr(row, name) is None else money.format_amount(getattr(row, name), row.exponent),
        metadata={"type": ["string", "null"], "description": "A decimal string; null for less than six answers."},
    )


class Wages(Schema):
    region = Country()
    tier = Integer()
    skill = Text()
    currency = Currency()
    answers = Integer()
    hours = ma.fields.Function(
        lambda row: f"{Decimal(row.milliseconds) / active_time.HOUR_MS:.4f}",
        metadata={"type": "string", "description": "A decimal string."},
    )
    quartile_1 = _amount("quartile_1")
    median = _amount("median")
    quartile_3 = _amount("quartile_3")
    median_low = _bound("low")
    median_high = _bound("high")


class WagesReport(Schema):
    since = Day()
    until = Day()
    items = ma.fields.List(ma.fields.Nested(Wages))
    complete = Flag(metadata={"description": "Whether these are all groups; if not, narrow them."})


class NewFloorWeek(Schema):
    week = Shaped(floor_weeks.WEEK, "Must be a week such as 2026-W05.", "2026-W05", required=True)


class FloorWeekAdded(Schema):
    currency = Text()
    payees = Integer()
    amount = _amount("amount")


class FloorWeek(Schema):
    week = Text()
    state = Text()
    begun_by = Text()
    n_payees = Integer()
    n_topped_up = Integer()
    n_left_out = Integer(metadata={"description": "Payees with work that no confirmed rule is for."})
    added = ma.fields.List(ma.fields.Nested(FloorWeekAdded))
    created_at = Timestamp()
    closed_at = Timestamp(allow_none=True)


# Months of the books, accounts and their statements


_HASH = re.compile(r"[0-9a-f]{64}")
_ROLE = re.compile("|".join(ledger.ROLES))
_PERIOD_MONTH = ma.fields.Function(
    lambda period: period.month.isoformat()[:7], metadata={"type": "string", "description": "Such as 2026-10."}
)


class ClosingConfirmed(Schema):
    hash = Shaped(_HASH, "Must be 64 hexadecimal digits, as the month shows them.", "0" * 64, required=True)


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
    debits = _amount("debits")
    credits = _amount("credits")
    balance = _amount("balance")


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
    debit = _amount("debit")
    credit = _amount("credit")
    balance = _amount("balance")

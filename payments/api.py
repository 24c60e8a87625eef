"""The payments routes: finance's side of the books, and what owners and payees see of their own."""

from datetime import date
from typing import Any

from flask import Response

from foundation import pagination
from foundation.auth import Role, allow
from foundation.errors import within
from foundation.http import Call, Routes
from payments import (
    adjustments,
    clawbacks,
    contracts,
    earnings,
    exports,
    floor_weeks,
    floors,
    funding,
    fx,
    holds,
    invoices,
    ledger,
    methods,
    money,
    payees,
    paying_accounts,
    payout_files,
    payouts,
    periods,
    reconciliation,
    refunds,
    runs,
    schemas,
    statements,
    taxes,
    wages,
)
from payments.adjustments import Effect
from payments.floor_weeks import Standing
from payments.models import (
    BankEntry,
    BankFile,
    Clawback,
    Contract,
    CreditLimit,
    Currency,
    Earning,
    FloorRule,
    FxRate,
    Hold,
    Invoice,
    Payee,
    PayingAccount,
    Payout,
    PayoutMethod,
    PayoutRun,
    Period,
    Refund,
    TaxRule,
)
from payments.periods import Closing
from payments.taxes import Terms
from payments.wages import Report

FINANCE = Role("finance", frozenset({"finance"}))
# Whoever puts into force what finance has prepared; a person who is both is refused (four_eyes.py).
APPROVER = Role("approver", frozenset({"approve"}))
# Who may read what finance and approvers decide about.
READ = allow("finance", "approve", "audit")

routes = Routes("payments", "/api")


@routes.post("/top-ups", allow=allow("finance"), body=schemas.TopUp, returns=schemas.TopUpBooked, status=201)
def top_up(call: Call) -> dict[str, str]:
    """Book money that has arrived at the bank. The bank's reference is the key: it books once for ever."""
    with within("/currency"):
        currency = money.currency(call.db, call.body["currency"])
    with within("/amount"):
        units = money.parse(call.body["amount"], currency)
    given = {**call.body, "amount": units}
    entry_id = funding.top_up(call.db, **given, actor_ref=call.actor.subject_id)
    return {**call.body, "entry_id": entry_id}


@routes.get("/trial-balance", allow=READ, returns=schemas.TrialBalance)
def trial_balance(call: Call) -> dict[str, object]:
    """Debits and credits of every account role and currency, summed from the lines themselves."""
    return {"items": ledger.trial_balance(call.db)}


@routes.get("/tie-out", allow=READ, returns=schemas.TieOut)
def tie_out(call: Call) -> dict[str, object]:
    """The sums that must agree: payable = unpaid, reserved = spent + released + remaining, stored = recomputed."""
    return {"items": ledger.tie_out(call.db)}


@routes.get("/journal", allow=READ, query=schemas.JournalQuery, returns=schemas.JournalEntry, paged=True)
def journal(call: Call) -> pagination.Page:
    """The journal, newest first; `cause_ref` narrows it to one answer, batch or requester."""
    return ledger.journal(call.db, call.page, **call.query)


@routes.get("/payables.csv", allow=READ, content_type="text/csv")
def payables_csv(call: Call) -> Response:
    """What is owed to every payee now, as CSV; the header fields carry the row count and SHA-256."""
    export = exports.payables(call.db)
    response = Response(export.chunks(), content_type="text/csv; charset=utf-8; header=present")
    # Nobody may ask for the chunks: a HEAD, or a client that is gone.
    response.call_on_close(export.file.close)
    response.headers["Content-Disposition"] = 'attachment; filename="payables.csv"'
    response.headers["Rookery-Rows"] = str(export.rows)
    response.headers["Rookery-Sha256"] = export.sha256
    return response


@routes.post("/fx-rates", allow=allow("finance"), body=schemas.NewFxRate, returns=schemas.FxRate, status=201)
def enter_fx_rate(call: Call) -> FxRate:
    """Enter an exchange rate. The first of its pair, and one a tenth away from the last, wait for another person."""
    return fx.enter(call.db, **call.body, entered_by=call.actor.subject_id)


@routes.post("/fx-rates/<rate_id>/confirmation", allow=allow("approve"), returns=schemas.FxRate)
def confirm_fx_rate(call: Call, rate_id: str) -> FxRate:
    """Let an exchange rate count that another person has entered."""
    return fx.confirm(call.db, rate_id, call.actor)


@routes.get("/fx-rates", allow=READ, query=schemas.FxRateQuery, returns=schemas.FxRate, paged=True)
def fx_rates(call: Call) -> pagination.Page:
    """Exchange rates, newest first, whether they count or not; `base` and `quote` narrow them."""
    return fx.page(call.db, call.page, **call.query)


@routes.post("/tax-rules", allow=allow("finance"), body=schemas.NewTaxRule, returns=schemas.TaxRule, status=201)
def enter_tax_rule(call: Call) -> TaxRule:
    """Enter a tax rule. It counts when another person has confirmed it."""
    return taxes.enter(call.db, Terms(**call.body), entered_by=call.actor.subject_id)


@routes.post("/tax-rules/<rule_id>/confirmation", allow=allow("approve"), returns=schemas.TaxRule)
def confirm_tax_rule(call: Call, rule_id: str) -> TaxRule:
    """Let a tax rule count that another person has entered."""
    return taxes.confirm(call.db, rule_id, call.actor)


@routes.get("/tax-rules", allow=READ, query=schemas.TaxRuleQuery, returns=schemas.TaxRule, paged=True)
def tax_rules(call: Call) -> pagination.Page:
    """Tax rules, newest first, confirmed or not; `country` narrows them."""
    return taxes.page(call.db, call.page, **call.query)


@routes.get("/funds", allow=allow("funds"), returns=schemas.FundsList)
def funds(call: Call) -> dict[str, object]:
    """What you hold, have reserved and have spent, in every currency."""
    return {"items": funding.of_owner(call.db, call.actor.subject_id)}


@routes.get("/me/statement", allow=allow("work"), returns=schemas.Statement)
def statement(call: Call) -> dict[str, object]:
    """Your pay: pending (weighed, not yet accepted), due (accepted, in the books) and paid."""
    payee = payees.of_owner(call.db, call.actor.subject_id)
    return {"payee_id": payee.id, "name": payee.name, "totals": earnings.totals(call.db, payee.id)}


@routes.get("/me/earnings", allow=allow("work"), returns=schemas.Earning, paged=True)
def my_earnings(call: Call) -> pagination.Page:
    """What each of your answers is worth and where its pay stands, newest first."""
    payee = payees.of_owner(call.db, call.actor.subject_id)
    return earnings.page(call.db, payee.id, call.page)


# What payees say and see of their pay


@routes.put("/me/payout-method", allow=allow("work"), body=schemas.NewPayoutMethod, returns=schemas.PayoutMethod)
def choose_method(call: Call) -> PayoutMethod:
    """Say where your pay should go. A new place is paid to after 72 hours; the same one again changes nothing."""
    return methods.choose(call.db, _payee(call).id, **call.body, set_by=call.actor.subject_id)


@routes.get("/me/payout-method", allow=allow("work"), returns=schemas.PayoutMethod)
def my_method(call: Call) -> PayoutMethod:
    """Where your pay goes; its last characters alone."""
    return methods.find_active(call.db, _payee(call).id)


@routes.get("/me/payouts", allow=allow("work"), returns=schemas.MyPayout, paged=True)
def my_payouts(call: Call) -> pagination.Page:
    """What has been paid to you, or is on its way, newest first."""
    rows = payouts.of_payee(_payee(call).id)
    return pagination.read(call.db, rows, Payout.id, call.page)


@routes.get("/me/holds", allow=allow("work"), returns=schemas.MyHold, paged=True)
def my_holds(call: Call) -> pagination.Page:
    """What of your pay is held back now, why, and until when."""
    return pagination.read(call.db, holds.listed(payee_id=_payee(call).id, active=True), Hold.id, call.page)


@routes.get("/me/adjustments", allow=allow("work"), returns=schemas.MyAdjustment, paged=True)
def my_adjustments(call: Call) -> pagination.Page:
    """What of your pay was changed after the fact, and why, newest first."""
    return adjustments.page(call.db, call.page, payee_id=_payee(call).id)


def _payee(call: Call) -> Payee:
    return payees.of_owner(call.db, call.actor.subject_id)


# Payees, as finance sees them


@routes.get("/payees", allow=READ, returns=schemas.Payee, paged=True)
def list_payees(call: Call) -> pagination.Page:
    """Everybody whom money may be owed to, newest first."""
    return pagination.read(call.db, payees.listed(), Payee.id, call.page)


@routes.get("/payout-methods", allow=READ, query=schemas.OfPayee, returns=schemas.PayoutMethodOfPayee, paged=True)
def list_methods(call: Call) -> pagination.Page:
    """Where payees are and were paid to, masked, newest first."""
    return pagination.read(call.db, methods.listed(**call.query), PayoutMethod.id, call.page)


@routes.post("/holds", allow=allow("finance"), body=schemas.NewHold, returns=schemas.Hold, status=201)
def place_hold(call: Call) -> Hold:
    """Keep an earning, or all that a payee is owed, from being paid out for now. Nothing is posted."""
    return holds.place(call.db, **call.body, made_by=call.actor.subject_id)


@routes.post("/holds/<hold_id>/end", allow=allow("finance", "approve"), body=schemas.Reason, returns=schemas.Hold)
def end_hold(call: Call, hold_id: str) -> Hold:
    """End a hold before its date; a legal one as another person than who placed it."""
    return holds.end(call.db, hold_id, **call.body, ended_by=call.actor.subject_id)


@routes.get("/holds", allow=READ, query=schemas.HoldQuery, returns=schemas.Hold, paged=True)
def list_holds(call: Call) -> pagination.Page:
    """All holds, newest first; `active` tells those that hold now from those that are over."""
    return pagination.read(call.db, holds.listed(**call.query), Hold.id, call.page)


# What is put right after the fact


@routes.post("/reversals/preview", allow=allow("finance"), body=schemas.EarningIds, returns=schemas.Effects)
def preview_reversal(call: Call) -> dict[str, object]:
    """What taking these earnings back would change. Nothing is written."""
    return {"items": adjustments.preview_reversal(call.db, call.body["earning_ids"])}


@routes.post("/reversals", allow=allow("finance"), body=schemas.Reversal, returns=schemas.Effects)
def reverse(call: Call) -> dict[str, object]:
    """Take due earnings back and give their requesters what they cost. Twice changes nothing."""
    return {"items": adjustments.reverse(call.db, **call.body, actor_ref=call.actor.subject_id)}


@routes.post(
    "/earnings/<earning_id>/repair/preview", allow=allow("finance"), body=schemas.Worth, returns=schemas.Effect
)
def preview_repair(call: Call, earning_id: str) -> Effect:
    """What another amount of a due earning would change. Nothing is written."""
    return adjustments.preview_repair(call.db, earning_id, **call.body)


@routes.post("/earnings/<earning_id>/repair", allow=allow("finance"), body=schemas.Repair, returns=schemas.Effect)
def repair(call: Call, earning_id: str) -> Effect:
    """Make a due earning worth another amount; its requester pays the difference or gets it back."""
    return adjustments.repair(call.db, earning_id, **call.body, actor_ref=call.actor.subject_id)


@routes.post("/bonuses", allow=allow("finance"), body=schemas.NewBonus, returns=schemas.Earning, status=201)
def give_bonus(call: Call) -> Earning:
    """Pay somebody beyond their answers out of a requester's funds, with the fee; due at once."""
    return adjustments.give_bonus(call.db, **_in_units(call), actor_ref=call.actor.subject_id)


@routes.post("/goodwill", allow=allow("finance"), body=schemas.NewGoodwill, returns=schemas.Earning, status=201)
def give_goodwill(call: Call) -> Earning:
    """Pay somebody at the house's own expense; due at once."""
    return adjustments.give_goodwill(call.db, **_in_units(call), actor_ref=call.actor.subject_id)


def _in_units(call: Call) -> dict[str, Any]:
    with within("/currency"):
        currency = money.currency(call.db, call.body["currency"])
    with within("/amount"):
        return {**call.body, "amount": money.parse(call.body["amount"], currency)}


@routes.get("/adjustments", allow=READ, query=schemas.OfPayee, returns=schemas.Adjustment, paged=True)
def list_adjustments(call: Call) -> pagination.Page:
    """What was put right after the fact, newest first."""
    return adjustments.page(call.db, call.page, **call.query)


# Payout runs


@routes.post(
    "/paying-accounts", allow=allow("finance"), body=schemas.NewPayingAccount, returns=schemas.PayingAccount, status=201
)
def enter_account(call: Call) -> PayingAccount:
    """Enter the account that a rail is to pay from; it counts once another person has confirmed it."""
    return paying_accounts.enter(call.db, **call.body, entered_by=call.actor.subject_id)


@routes.post("/paying-accounts/<paying_id>/confirmation", allow=allow("approve"), returns=schemas.PayingAccount)
def confirm_account(call: Call, paying_id: str) -> PayingAccount:
    """Put a paying account into force for runs that begin from now on."""
    return paying_accounts.confirm(call.db, paying_id, confirmed_by=call.actor.subject_id)


@routes.get("/paying-accounts", allow=READ, returns=schemas.PayingAccount, paged=True)
def list_paying_accounts(call: Call) -> pagination.Page:
    """The accounts that rails pay and paid from, newest first."""
    return pagination.read(call.db, paying_accounts.listed(), PayingAccount.id, call.page)


@routes.post("/payout-runs", allow=allow("finance"), body=schemas.NewRun, returns=schemas.Run, status=201)
def begin_run(call: Call) -> PayoutRun:
    """Begin to prepare a run of all that is due over a rail. It is a draft, with its totals and hash, in moments."""
    return runs.begin(call.db, **call.body, prepared_by=call.actor.subject_id)


@routes.get("/payout-runs", allow=READ, query=schemas.RunQuery, returns=schemas.Run, paged=True)
def list_runs(call: Call) -> pagination.Page:
    """All runs, newest first; `state` narrows the list."""
    return pagination.read(call.db, runs.listed(**call.query), PayoutRun.id, call.page)


@routes.get("/payout-runs/<run_id>", allow=READ, returns=schemas.RunWithTotals)
def show_run(call: Call, run_id: str) -> dict[str, object]:
    """One run, with how many of its payouts are in which state."""
    run = runs.find(call.db, run_id)
    return {"run": run, "payouts": payouts.totals(call.db, run)}


@routes.get("/payout-runs/<run_id>/payouts", allow=READ, query=schemas.PayoutQuery, returns=schemas.Payout, paged=True)
def payouts_of_run(call: Call, run_id: str) -> pagination.Page:
    """The payouts of a run, newest first; `state` narrows the list."""
    rows = payouts.listed(run_id=runs.find(call.db, run_id).id, **call.query)
    return pagination.read(call.db, rows, Payout.id, call.page)


@routes.get("/payout-runs/<run_id>/left-out", allow=READ, returns=schemas.LeftOut, paged=True)
def left_out_of_run(call: Call, run_id: str) -> pagination.Page:
    """Who is not paid although something is owed to them, and why: no_method, cooling, held or too_little."""
    return runs.left_out(call.db, run_id, call.page)


@routes.post("/payout-runs/<run_id>/approval", allow=allow("approve"), body=schemas.Approval, returns=schemas.Run)
def approve_run(call: Call, run_id: str) -> PayoutRun:
    """Let a run go out as it is; give the hash that you have looked at. Not for who prepared it."""
    return runs.approve(call.db, run_id, **call.body, approved_by=call.actor.subject_id)


@routes.post("/payout-runs/<run_id>/recheck", allow=allow("finance", "approve"), returns=schemas.Run)
def recheck_run(call: Call, run_id: str) -> PayoutRun:
    """Drop what has become stale: changed destinations, payees who are held now. That ends an approval."""
    return runs.recheck(call.db, run_id)


@routes.post("/payout-runs/<run_id>/reopening", allow=allow("finance", "approve"), returns=schemas.Run)
def reopen_run(call: Call, run_id: str) -> PayoutRun:
    """Take an approval back."""
    return runs.reopen(call.db, run_id)


@routes.post("/payout-runs/<run_id>/release", allow=allow("finance"), returns=schemas.Run)
def release_run(call: Call, run_id: str) -> PayoutRun:
    """Let an approved run leave the books; its file is there when it is exported."""
    return runs.release(call.db, run_id, released_by=call.actor.subject_id)


@routes.post("/payout-runs/<run_id>/cancellation", allow=allow("finance", "approve"), returns=schemas.Run)
def cancel_run(call: Call, run_id: str) -> PayoutRun:
    """Give up a run that has not left; what it would have paid is due as before."""
    return runs.cancel(call.db, run_id)


@routes.get("/payout-runs/<run_id>/file", allow=READ, query=schemas.FileQuery, content_type="application/octet-stream")
def run_file(call: Call, run_id: str) -> Response:
    """The file of an exported run: for its rail, or as csv, xlsx or parquet. The same bytes whenever it is asked."""
    asked = {"format_": call.query.get("format"), "part": call.query.get("part", 1)}
    with within("?"):
        made = payout_files.write(call.db, run_id, made_by=call.actor.subject_id, **asked)
    response = Response(made.chunks(), content_type=made.content_type)
    response.call_on_close(made.file.close)
    response.headers["Content-Disposition"] = f'attachment; filename="{made.name}"'
    response.headers["Rookery-Rows"] = str(made.rows)
    response.headers["Rookery-Parts"] = str(made.n_parts)
    response.headers["Rookery-Sha256"] = made.sha256
    return response


@routes.post("/payouts/<payout_id>/drop", allow=allow("finance", "approve"), body=schemas.Reason, returns=schemas.Run)
def drop_payout(call: Call, payout_id: str) -> PayoutRun:
    """Take one payout out of a run that has not left. That ends an approval."""
    return runs.drop(call.db, payout_id, **call.body)


@routes.get("/payouts", allow=READ, query=schemas.PayoutsQuery, returns=schemas.Payout, paged=True)
def list_payouts(call: Call) -> pagination.Page:
    """All payouts, newest first; `state` and `payee_id` narrow the list."""
    return pagination.read(call.db, payouts.listed(**call.query), Payout.id, call.page)


@routes.get("/bank-files", allow=READ, returns=schemas.BankFile, paged=True)
def list_bank_files(call: Call) -> pagination.Page:
    """The files of banks and providers that were read, with what came of each, newest first."""
    return pagination.read(call.db, reconciliation.files(), BankFile.id, call.page)


@routes.get("/bank-entries", allow=READ, query=schemas.BankEntryQuery, returns=schemas.BankEntry, paged=True)
def list_bank_entries(call: Call) -> pagination.Page:
    """Booked lines of bank files, newest first; `state` narrows the list: suspense is what nobody could place."""
    return pagination.read(call.db, reconciliation.entries(**call.query), BankEntry.id, call.page)


# Refunds, credit, invoices and clawbacks


def _money(call: Call) -> tuple[Currency, int]:
    """The currency of a body and its amount in ledger units."""
    with within("/currency"):
        currency = money.currency(call.db, call.body["currency"])
    with within("/amount"):
        return currency, money.parse(call.body["amount"], currency)


def _first_day(month: str) -> date:
    return date.fromisoformat(f"{month}-01")


@routes.post("/refunds", allow=allow("finance"), body=schemas.NewRefund, returns=schemas.Refund, status=201)
def propose_refund(call: Call) -> Refund:
    """Ask for a part of a top-up to go back to where it came from. Nothing moves until another person approves."""
    currency, units = _money(call)
    given = {**call.body, "currency": currency, "amount": units}
    return refunds.propose(call.db, **given, requested_by=call.actor.subject_id)


@routes.get("/refunds", allow=READ, query=schemas.RefundQuery, returns=schemas.Refund, paged=True)
def all_refunds(call: Call) -> pagination.Page:
    """Refunds, newest first; `owner_ref` and `state` narrow the list."""
    return pagination.read(call.db, refunds.listed(**call.query), Refund.id, call.page)


@routes.post("/refunds/<refund_id>/approval", allow=allow("approve"), returns=schemas.Refund)
def approve_refund(call: Call, refund_id: str) -> Refund:
    """Let a refund go: it leaves the funds, and the bank is to pay it."""
    return refunds.approve(call.db, refund_id, approved_by=call.actor.subject_id)


@routes.post("/refunds/<refund_id>/refusal", allow=allow("approve"), body=schemas.Reason, returns=schemas.Refund)
def refuse_refund(call: Call, refund_id: str) -> Refund:
    """Drop a refund that was asked for; nothing moves."""
    return refunds.refuse(call.db, refund_id, **call.body, refused_by=call.actor.subject_id)


@routes.post("/contracts", allow=allow("finance"), body=schemas.NewContract, returns=schemas.Contract, status=201)
def propose_contract(call: Call) -> Contract:
    """Write down new terms for a requester, from a date on. They hold once another person has confirmed them."""
    return contracts.propose(call.db, **call.body, made_by=call.actor.subject_id)


@routes.get("/contracts", allow=READ, query=schemas.OwnersQuery, returns=schemas.Contract, paged=True)
def all_contracts(call: Call) -> pagination.Page:
    """Terms, newest first; `owner_ref` narrows the list."""
    return pagination.read(call.db, contracts.listed(**call.query), Contract.id, call.page)


@routes.post("/contracts/<contract_id>/confirmation", allow=allow("approve"), returns=schemas.Contract)
def confirm_contract(call: Call, contract_id: str) -> Contract:
    """Let new terms hold from their date on."""
    return contracts.confirm(call.db, contract_id, confirmed_by=call.actor.subject_id)


@routes.post(
    "/credit-limits", allow=allow("finance"), body=schemas.NewCreditLimit, returns=schemas.CreditLimit, status=201
)
def propose_credit_limit(call: Call) -> CreditLimit:
    """Say how much a requester may owe, from a date on. It holds once another person has confirmed it."""
    currency, units = _money(call)
    given = {**call.body, "currency": currency, "amount": units}
    return contracts.propose_limit(call.db, **given, made_by=call.actor.subject_id)


@routes.get("/credit-limits", allow=READ, query=schemas.OwnersQuery, returns=schemas.CreditLimit, paged=True)
def all_credit_limits(call: Call) -> pagination.Page:
    """Credit limits, newest first; `owner_ref` narrows the list."""
    return pagination.read(call.db, contracts.limits(**call.query), CreditLimit.id, call.page)


@routes.post("/credit-limits/<limit_id>/confirmation", allow=allow("approve"), returns=schemas.CreditLimit)
def confirm_credit_limit(call: Call, limit_id: str) -> CreditLimit:
    """Let a credit limit hold from its date on."""
    return contracts.confirm_limit(call.db, limit_id, confirmed_by=call.actor.subject_id)


@routes.post("/credit-draws", allow=allow("finance"), body=schemas.Draw, returns=schemas.Drawn, status=201)
def draw_credit(call: Call) -> dict[str, str]:
    """Let a requester spend so much on credit, within the limit in force. The reference is the key: it draws once."""
    currency, units = _money(call)
    entry_id = contracts.draw(
        call.db, owner_ref=call.body["owner_ref"], currency=currency, amount=units, key=call.body["reference"],
        actor_ref=call.actor.subject_id,
    )  # fmt: skip
    return {**call.body, "entry_id": entry_id}


@routes.post("/invoices", allow=allow("finance"), body=schemas.NewInvoice, returns=schemas.Invoice, status=201)
def draft_invoice(call: Call) -> Invoice:
    """Draft the invoice of what a requester spent in a month that is over. It has no number until it is issued."""
    with within("/currency"):
        currency = money.currency(call.db, call.body["currency"])
    given = {**call.body, "currency": currency, "month": _first_day(call.body["month"])}
    return invoices.draft(call.db, **given, made_by=call.actor.subject_id)


@routes.get("/invoices", allow=READ, query=schemas.InvoiceQuery, returns=schemas.Invoice, paged=True)
def all_invoices(call: Call) -> pagination.Page:
    """Invoices, newest first; `owner_ref` and `state` narrow the list."""
    return pagination.read(call.db, invoices.listed(**call.query), Invoice.id, call.page)


@routes.get("/invoices/<invoice_id>/lines", allow=READ, returns=schemas.InvoiceLine, paged=True)
def invoice_lines(call: Call, invoice_id: str) -> pagination.Page:
    """What an invoice is made of: answers, bonuses and what came back, by the batch they were reserved for."""
    return invoices.lines(call.db, invoice_id, call.page)


@routes.post("/invoices/<invoice_id>/issue", allow=allow("finance"), returns=schemas.Invoice)
def issue_invoice(call: Call, invoice_id: str) -> Invoice:
    """Give a draft its number and book its tax. What the requester had on credit is due; the rest was paid before."""
    return invoices.issue(call.db, invoice_id, issued_by=call.actor.subject_id)


@routes.post("/invoices/<invoice_id>/payment", allow=allow("finance"), body=schemas.Payment, returns=schemas.Invoice)
def pay_invoice(call: Call, invoice_id: str) -> Invoice:
    """Book the payment of all that is due. The bank's reference is the key: it books once for ever."""
    currency, units = _money(call)
    given = {**call.body, "currency": currency.code, "amount": units}
    return invoices.pay(call.db, invoice_id, **given, actor_ref=call.actor.subject_id)


@routes.post("/invoices/<invoice_id>/void", allow=allow("finance"), body=schemas.Reason, returns=schemas.Invoice)
def void_invoice(call: Call, invoice_id: str) -> Invoice:
    """Make a draft or a wrong invoice count no more. Its number stays taken, and its month can be invoiced again."""
    return invoices.void(call.db, invoice_id, **call.body, voided_by=call.actor.subject_id)


@routes.get("/me/invoices", allow=allow("funds"), returns=schemas.MyInvoice, paged=True)
def my_invoices(call: Call) -> pagination.Page:
    """Your invoices, newest first."""
    return pagination.read(call.db, invoices.of_owner(call.actor.subject_id), Invoice.id, call.page)


@routes.get("/me/invoices/<invoice_id>/lines", allow=allow("funds"), returns=schemas.InvoiceLine, paged=True)
def my_invoice_lines(call: Call, invoice_id: str) -> pagination.Page:
    """What one of your invoices is made of."""
    return invoices.lines(call.db, invoice_id, call.page, owner_ref=call.actor.subject_id)


@routes.get("/revenue", allow=READ, query=schemas.MonthQuery, returns=schemas.Revenue)
def revenue(call: Call) -> dict[str, object]:
    """What a month brought, presented as contracts say: an agent sells its fee, a principal the work as well."""
    return {"items": invoices.revenue(call.db, _first_day(call.query["month"]))}


@routes.post("/clawbacks", allow=allow("finance"), body=schemas.NewClawback, returns=schemas.Clawback, status=201)
def propose_clawback(call: Call) -> Clawback:
    """Ask a paid earning back from its payee. Nothing moves until another person confirms."""
    return clawbacks.propose(call.db, **call.body, made_by=call.actor.subject_id)


@routes.get("/clawbacks", allow=READ, query=schemas.ClawbackQuery, returns=schemas.Clawback, paged=True)
def all_clawbacks(call: Call) -> pagination.Page:
    """Clawbacks, newest first; `payee_id` and `state` narrow the list."""
    return pagination.read(call.db, clawbacks.listed(**call.query), Clawback.id, call.page)


@routes.post("/clawbacks/<clawback_id>/confirmation", allow=allow("approve"), returns=schemas.Clawback)
def confirm_clawback(call: Call, clawback_id: str) -> Clawback:
    """Ask back for good: the requester has price and fee again, and the payee owes the price."""
    return clawbacks.confirm(call.db, clawback_id, confirmed_by=call.actor.subject_id)


@routes.post("/clawbacks/<clawback_id>/refusal", allow=allow("approve"), returns=schemas.Clawback)
def refuse_clawback(call: Call, clawback_id: str) -> Clawback:
    """Drop a clawback that was proposed; nothing moves."""
    return clawbacks.refuse(call.db, clawback_id, refused_by=call.actor.subject_id)


@routes.post(
    "/clawbacks/<clawback_id>/write-off", allow=allow("finance"), body=schemas.Reason, returns=schemas.Clawback
)
def propose_write_off(call: Call, clawback_id: str) -> Clawback:
    """Say that what is still owed will not come back. Nothing moves until another person confirms."""
    return clawbacks.propose_write_off(call.db, clawback_id, **call.body, proposed_by=call.actor.subject_id)


@routes.post("/clawbacks/<clawback_id>/write-off/confirmation", allow=allow("approve"), returns=schemas.Clawback)
def confirm_write_off(call: Call, clawback_id: str) -> Clawback:
    """Give up what is still owed: it is the house's loss."""
    return clawbacks.write_off(call.db, clawback_id, confirmed_by=call.actor.subject_id)


# Fair pay


@routes.post("/floor-rules", allow=allow("finance"), body=schemas.NewFloorRule, returns=schemas.FloorRule, status=201)
def enter_floor_rule(call: Call) -> FloorRule:
    """Enter the least that an hour of work in a region must pay. It counts when another person has confirmed it."""
    return floors.enter(call.db, floors.Terms(**call.body), entered_by=call.actor.subject_id)


@routes.post("/floor-rules/<floor_id>/confirmation", allow=allow("approve"), returns=schemas.FloorRule)
def confirm_floor_rule(call: Call, floor_id: str) -> FloorRule:
    """Let a floor rule count that another person has entered. Weeks that are closed stay as they are."""
    return floors.confirm(call.db, floor_id, confirmed_by=call.actor.subject_id)


@routes.get("/floor-rules", allow=READ, query=schemas.FloorRuleQuery, returns=schemas.FloorRule, paged=True)
def floor_rules(call: Call) -> pagination.Page:
    """Floor rules, newest first, confirmed or not; `region` narrows them."""
    return floors.page(call.db, call.page, **call.query)


@routes.get("/wages", allow=READ, query=schemas.WagesQuery, returns=schemas.WagesReport)
def effective_wages(call: Call) -> Report:
    """What an hour of work really pays, by region, tier and skill: median with its 95 % interval, and quartiles."""
    return wages.report(call.db, **call.query)


@routes.post("/floor-weeks", allow=allow("finance"), body=schemas.NewFloorWeek, returns=schemas.FloorWeek, status=201)
def begin_floor_week(call: Call) -> Standing:
    """Have a week that is over held against the floor, step by step; one that was begun before is as it is."""
    begun = floor_weeks.begin(call.db, call.body["week"], begun_by=call.actor.subject_id)
    return floor_weeks.standings(call.db, [begun])[0]


@routes.get("/floor-weeks", allow=READ, returns=schemas.FloorWeek, paged=True)
def weeks(call: Call) -> pagination.Page:
    """Weeks that were held against the floor, newest first: how far each has come, and what was added."""
    return floor_weeks.page(call.db, call.page)


# Months of the books, accounts and their statements


@routes.get("/periods", allow=READ, returns=schemas.Period, paged=True)
def list_periods(call: Call) -> pagination.Page:
    """The months of the books that somebody has proposed to close, the last one first; all others are open."""
    return periods.page(call.db, call.page)


@routes.get("/periods/<month>", allow=READ, returns=schemas.Closing)
def period(call: Call, month: str) -> Closing:
    """A month with its trial balance as it is now, and the hash that a confirmation gives."""
    return periods.shown(call.db, periods.parse(month))


@routes.post("/periods/<month>/closing", allow=allow("finance"), returns=schemas.Period)
def close_period(call: Call, month: str) -> Period:
    """Propose that a month that is over be closed. Another person confirms it."""
    return periods.close(call.db, periods.parse(month), closed_by=call.actor.subject_id)


@routes.post(
    "/periods/<month>/confirmation", allow=allow("approve"), body=schemas.ClosingConfirmed, returns=schemas.Period
)
def confirm_period(call: Call, month: str) -> Period:
    """Close a month whose trial balance you have looked at: `hash` is its hash. Nothing is booked in it afterwards."""
    given, confirmed_by = call.body["hash"], call.actor.subject_id
    return periods.confirm(call.db, periods.parse(month), trial_hash=given, confirmed_by=confirmed_by)


@routes.post("/periods/<month>/reopening", allow=allow("finance"), returns=schemas.Period)
def reopen_period(call: Call, month: str) -> Period:
    """Propose that the last closed month be opened again. It stays closed until another person confirms that."""
    return periods.reopen(call.db, periods.parse(month), reopening_by=call.actor.subject_id)


@routes.post("/periods/<month>/reopening/confirmation", allow=allow("approve"), returns=schemas.Period)
def confirm_reopening(call: Call, month: str) -> Period:
    """Open a month again that somebody else wants opened."""
    return periods.confirm_reopening(call.db, periods.parse(month), reopened_by=call.actor.subject_id)


@routes.get("/accounts", allow=READ, query=schemas.AccountQuery, returns=schemas.Account, paged=True)
def list_accounts(call: Call) -> pagination.Page:
    """The accounts of the books, newest first, with what went through them; by role, owner and currency."""
    return statements.accounts(call.db, call.page, **call.query)


@routes.get(
    "/accounts/<account_id>/statement", allow=READ, query=schemas.StatementQuery, returns=schemas.Move, paged=True
)
def account_statement(call: Call, account_id: str) -> pagination.Page:
    """An account's lines from `since` on and before `until`, between the balances that they open and close with."""
    return statements.page(call.db, account_id, call.page, **call.query)

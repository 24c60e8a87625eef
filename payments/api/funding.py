"""Owners' money: top-ups, refunds, contracts, credit and invoices."""

from foundation import pagination
from foundation.auth import allow
from foundation.errors import within
from foundation.http import Call
from payments import contracts, funding, invoices, money, refunds, schemas
from payments.api.edge import READ, amount_in, first_day, routes
from payments.models import Contract, CreditLimit, Invoice, Refund


@routes.post("/top-ups", allow=allow("finance"), body=schemas.TopUp, returns=schemas.TopUpBooked, status=201)
def top_up(call: Call) -> dict[str, str]:
    """Book money that has arrived at the bank. The bank's reference is the key: it books once for ever."""
    currency, units = amount_in(call)
    with within("/fee"):
        fee = money.parse_or_zero(call.body["fee"], currency)
    given = {**call.body, "amount": units, "fee": fee}
    entry_id = funding.top_up(call.db, **given, actor_ref=call.actor.subject_id)
    return {**call.body, "entry_id": entry_id}


@routes.get("/funds", allow=allow("funds"), returns=schemas.FundsList)
def funds(call: Call) -> dict[str, object]:
    """What you hold, have reserved and have spent, in every currency."""
    return {"items": funding.of_owner(call.db, call.actor.subject_id)}


@routes.post("/refunds", allow=allow("finance"), body=schemas.NewRefund, returns=schemas.Refund, status=201)
def propose_refund(call: Call) -> Refund:
    """Ask for a part of a top-up to go back to where it came from. Nothing moves until another person approves."""
    currency, units = amount_in(call)
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
    currency, units = amount_in(call)
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
    currency, units = amount_in(call)
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
    given = {**call.body, "currency": currency, "month": first_day(call.body["month"])}
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
    currency, units = amount_in(call)
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
    return {"items": invoices.revenue(call.db, first_day(call.query["month"]))}

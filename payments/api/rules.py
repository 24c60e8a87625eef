"""Exchange rates, tax rules, and what is withheld by them."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from payments import accruals, fx, remittances, schemas, tax_documents, taxes, withholding
from payments.api.edge import READ, amount_in, routes
from payments.models import AccruedTax, FxRate, Remittance, TaxDocument, TaxRule, Withholding
from payments.tax_documents import Shown
from payments.taxes import Terms


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


@routes.post(
    "/tax-documents", allow=allow("finance"), body=schemas.NewTaxDocument, returns=schemas.TaxDocument, status=201
)
def enter_tax_document(call: Call) -> TaxDocument:
    """Enter that a payee has shown a document; it counts when another person has confirmed it."""
    payee_id = call.body.pop("payee_id")
    return tax_documents.enter(call.db, payee_id, Shown(**call.body), entered_by=call.actor.subject_id)


@routes.post("/tax-documents/<document_id>/confirmation", allow=allow("approve"), returns=schemas.TaxDocument)
def confirm_tax_document(call: Call, document_id: str) -> TaxDocument:
    """Let a document count that another person has entered. Runs that are not approved yet have to be begun anew."""
    return tax_documents.confirm(call.db, document_id, confirmed_by=call.actor.subject_id)


@routes.get("/tax-documents", allow=READ, query=schemas.OfPayee, returns=schemas.TaxDocument, paged=True)
def list_tax_documents(call: Call) -> pagination.Page:
    """What payees have shown to authorities, newest first; `payee_id` narrows the list."""
    return pagination.read(call.db, tax_documents.listed(**call.query), TaxDocument.id, call.page)


@routes.get("/withholdings", allow=READ, query=schemas.WithholdingQuery, returns=schemas.Withholding, paged=True)
def list_withholdings(call: Call) -> pagination.Page:
    """What authorities take of payouts, newest first; by payee, run and authority."""
    return pagination.read(call.db, withholding.listed(**call.query), Withholding.place, call.page)


@routes.get("/accrued-taxes", allow=READ, query=schemas.AccruedTaxQuery, returns=schemas.AccruedTax, paged=True)
def list_accrued_taxes(call: Call) -> pagination.Page:
    """What authorities took of pay when it was earned, newest first; by payee and authority."""
    return pagination.read(call.db, accruals.listed(**call.query), AccruedTax.id, call.page)


@routes.get("/withheld", allow=READ, returns=schemas.Withheld)
def withheld(call: Call) -> dict[str, object]:
    """What is withheld for each authority and was not sent to it yet."""
    return {"items": remittances.due(call.db)}


@routes.post("/remittances", allow=allow("finance"), body=schemas.NewRemittance, returns=schemas.Remittance, status=201)
def enter_remittance(call: Call) -> Remittance:
    """Say what an authority is to be sent for a filing. Nothing moves until another person confirms."""
    currency, units = amount_in(call)
    given = {**call.body, "currency": currency, "amount": units}
    return remittances.enter(call.db, **given, entered_by=call.actor.subject_id)


@routes.post("/remittances/<remittance_id>/confirmation", allow=allow("approve"), returns=schemas.Remittance)
def confirm_remittance(call: Call, remittance_id: str) -> Remittance:
    """Send to an authority what was withheld for it: from here on the bank is to pay it."""
    return remittances.confirm(call.db, remittance_id, confirmed_by=call.actor.subject_id)


@routes.get("/remittances", allow=READ, query=schemas.RemittanceQuery, returns=schemas.Remittance, paged=True)
def list_remittances(call: Call) -> pagination.Page:
    """What was sent to authorities, newest first; `authority` narrows the list."""
    return pagination.read(call.db, remittances.listed(**call.query), Remittance.id, call.page)

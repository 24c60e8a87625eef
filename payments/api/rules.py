"""Exchange rates and tax rules."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from payments import fx, schemas, taxes
from payments.api.edge import READ, routes
from payments.models import FxRate, TaxRule
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

"""What payees say and see of their own pay."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from foundation.limits import DAY, Limit
from payments import (
    accruals,
    adjustments,
    contacts,
    earnings,
    holds,
    methods,
    next_payouts,
    payees,
    payouts,
    schemas,
    tax_documents,
    withholding,
)
from payments.api.edge import routes
from payments.models import AccruedTax, Hold, Payee, PayeeContact, Payout, PayoutMethod, TaxDocument, Withholding


@routes.get("/me/statement", allow=allow("work"), returns=schemas.Statement)
def statement(call: Call) -> dict[str, object]:
    """Your pay: pending (weighed, not yet accepted), due (accepted, in the books), held of that, and paid."""
    payee = payees.of_owner(call.db, call.actor.subject_id)
    return {"payee_id": payee.id, "name": payee.name, "totals": earnings.totals(call.db, payee.id)}


@routes.get("/me/earnings", allow=allow("work"), returns=schemas.Earning, paged=True)
def my_earnings(call: Call) -> pagination.Page:
    """What each of your answers is worth and where its pay stands, newest first."""
    payee = payees.of_owner(call.db, call.actor.subject_id)
    return earnings.page(call.db, payee.id, call.page)


# Each tells every contact that is known; an address may be somebody's who never asked.
_METHODS = Limit("payout-methods", 20, DAY)


@routes.put(
    "/me/payout-method",
    allow=allow("work"),
    quota=_METHODS,
    body=schemas.NewPayoutMethod,
    returns=schemas.PayoutMethod,
)
def choose_method(call: Call) -> PayoutMethod:
    """Say where your pay should go. A new place is paid to after 72 hours; the same one again changes nothing."""
    return methods.choose(call.db, _payee(call).id, **call.body, set_by=call.actor.subject_id)


@routes.get("/me/payout-method", allow=allow("work"), returns=schemas.PayoutMethod)
def my_method(call: Call) -> PayoutMethod:
    """Where your pay goes; its last characters alone."""
    return methods.find_active(call.db, _payee(call).id)


@routes.get("/me/payout-methods", allow=allow("work"), returns=schemas.MyPayoutMethod, paged=True)
def my_methods(call: Call) -> pagination.Page:
    """Every place that your pay was ever to go to, newest first. Tell ops of one that you have not set."""
    return pagination.read(call.db, methods.listed(payee_id=_payee(call).id), PayoutMethod.id, call.page)


@routes.post("/me/payout-method/freeze", allow=allow("work"), returns=schemas.MyHold)
def freeze_pay(call: Call) -> Hold:
    """Stop all of your pay, if somebody else may change where it goes; for 90 days, unless finance ends that before."""
    return holds.freeze(call.db, _payee(call).id, made_by=call.actor.subject_id)


@routes.put("/me/contact", allow=allow("work"), body=schemas.NewContact, returns=schemas.Contact)
def choose_contact(call: Call) -> PayeeContact:
    """Say at which address you are told of changes to your pay. The address before is told too, for 72 hours."""
    return contacts.choose(call.db, _payee(call).id, **call.body, set_by=call.actor.subject_id)


@routes.get("/me/contact", allow=allow("work"), returns=schemas.Contact)
def my_contact(call: Call) -> PayeeContact:
    """Where you are told of changes to your pay, masked."""
    return contacts.find_active(call.db, _payee(call).id)


@routes.post("/me/contact/proof", allow=allow("work"), body=schemas.ContactProof, returns=schemas.Contact)
def prove_contact(call: Call) -> PayeeContact:
    """Show that the address is yours, by what was sent there."""
    return contacts.prove(call.db, _payee(call).id, **call.body)


@routes.post(
    "/me/contact/proof-mail",
    allow=allow("work"),
    quota=Limit("contact-proofs", 5, DAY),
    returns=schemas.Contact,
)
def ask_for_contact_proof(call: Call) -> PayeeContact:
    """Have another secret sent to your contact; the one before is of no use then."""
    return contacts.ask_again(call.db, _payee(call).id)


@routes.get("/me/next-payout", allow=allow("work"), returns=schemas.NextPayouts)
def my_next_payout(call: Call) -> dict[str, object]:
    """What you would be paid if it were done now, by the currency you earned in; and what waits, why and until when."""
    return {"items": next_payouts.foresee(call.db, _payee(call))}


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


@routes.get("/me/tax-documents", allow=allow("work"), returns=schemas.MyTaxDocument, paged=True)
def my_tax_documents(call: Call) -> pagination.Page:
    """What you have shown to authorities and counts, newest first."""
    return pagination.read(call.db, tax_documents.of_payee(_payee(call).id), TaxDocument.id, call.page)


@routes.get("/me/withholdings", allow=allow("work"), returns=schemas.MyWithholding, paged=True)
def my_withholdings(call: Call) -> pagination.Page:
    """What authorities have taken of your payouts, newest first."""
    return pagination.read(call.db, withholding.of_payee(_payee(call).id), Withholding.place, call.page)


@routes.get("/me/accrued-taxes", allow=allow("work"), returns=schemas.MyAccruedTax, paged=True)
def my_accrued_taxes(call: Call) -> pagination.Page:
    """What authorities have taken of your pay when it was earned, newest first."""
    return pagination.read(call.db, accruals.listed(payee_id=_payee(call).id), AccruedTax.id, call.page)

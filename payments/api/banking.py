"""What comes back from banks: their files, and what people say of lines that nobody could place."""

from foundation import pagination
from foundation.auth import allow
from foundation.errors import within
from foundation.http import Call, Upload
from payments import bank_balances, exchange, money, payout_failures, reconciliation, schemas, suspense
from payments.api.edge import READ, routes
from payments.models import BankFile, Currency, FxPurchase, PayoutFailure, Resolution


@routes.post(
    "/bank-files",
    allow=allow("finance"),
    upload=Upload(reconciliation.UPLOAD_BYTES_MAX),
    query=schemas.BankFileQuery,
    returns=schemas.BankFile,
    status=201,
)
def read_bank_file(call: Call) -> BankFile:
    """Take in the file of a bank or provider, as it is: all of it counts, or nothing. The same bytes count once."""
    assert call.file is not None, "a route that takes a file is given one"
    read_by = call.actor.subject_id
    if call.query["format"] not in reconciliation.FORMATS:
        with within("?/format"):
            raise reconciliation.FileFormatUnknown(f"Formats are {', '.join(reconciliation.FORMATS)}.")
    return reconciliation.read(call.db, call.file, format_=call.query["format"], read_by=read_by)


@routes.get("/bank-files/<file_id>", allow=READ, returns=schemas.BankFileShown)
def show_bank_file(call: Call, file_id: str) -> dict[str, object]:
    """One file, with the lines that came by it first, by what they are now."""
    return reconciliation.find_file(call.db, file_id)


@routes.get("/bank-entries/<bank_entry_id>/candidates", allow=READ, returns=schemas.Candidates)
def candidates(call: Call, bank_entry_id: str) -> dict[str, object]:
    """Payouts of a line's amount and currency that left within three weeks of its day, nearest first, 50 at most."""
    return {"items": suspense.candidates(call.db, bank_entry_id)}


@routes.post(
    "/bank-entries/<bank_entry_id>/resolution",
    allow=allow("finance"),
    body=schemas.NewResolution,
    returns=schemas.Resolution,
    status=201,
)
def propose_resolution(call: Call, bank_entry_id: str) -> Resolution:
    """Say what a line in suspense is: a top-up, a payout's, sent back, the house's own, or booked already."""
    return suspense.propose(call.db, bank_entry_id, **call.body, made_by=call.actor.subject_id)


@routes.post(
    "/bank-entries/<bank_entry_id>/resolution/confirmation",
    allow=allow("approve"),
    body=schemas.ResolutionConfirmed,
    returns=schemas.Resolution,
)
def confirm_resolution(call: Call, bank_entry_id: str) -> Resolution:
    """Post what somebody else has said of a line; give the id of what you have looked at."""
    return suspense.confirm(call.db, bank_entry_id, **call.body, confirmed_by=call.actor.subject_id)


@routes.post(
    "/bank-entries/<bank_entry_id>/resolution/refusal", allow=allow("finance", "approve"), returns=schemas.Resolution
)
def refuse_resolution(call: Call, bank_entry_id: str) -> Resolution:
    """Drop what was said of a line; it stays in suspense."""
    return suspense.refuse(call.db, bank_entry_id, refused_by=call.actor.subject_id)


@routes.get("/resolutions", allow=READ, query=schemas.ProposalQuery, returns=schemas.Resolution, paged=True)
def list_resolutions(call: Call) -> pagination.Page:
    """What was said of lines in suspense, newest first; `state` narrows the list: proposed waits for an approver."""
    return pagination.read(call.db, suspense.listed(**call.query), Resolution.id, call.page)


@routes.post(
    "/payouts/<payout_id>/failure",
    allow=allow("finance"),
    body=schemas.Reason,
    returns=schemas.PayoutFailure,
    status=201,
)
def propose_failure(call: Call, payout_id: str) -> PayoutFailure:
    """Say that a payout in transit was not paid, where no file of a bank tells. Payees will see the reason."""
    return payout_failures.propose(call.db, payout_id, **call.body, made_by=call.actor.subject_id)


@routes.post("/payouts/<payout_id>/failure/confirmation", allow=allow("approve"), returns=schemas.PayoutFailure)
def confirm_failure(call: Call, payout_id: str) -> PayoutFailure:
    """Let what somebody else has said of a payout count: what it paid is due again."""
    return payout_failures.confirm(call.db, payout_id, confirmed_by=call.actor.subject_id)


@routes.post("/payouts/<payout_id>/failure/refusal", allow=allow("finance", "approve"), returns=schemas.PayoutFailure)
def refuse_failure(call: Call, payout_id: str) -> PayoutFailure:
    """Drop what was said of a payout; it stays as it is."""
    return payout_failures.refuse(call.db, payout_id, refused_by=call.actor.subject_id)


@routes.get("/payout-failures", allow=READ, query=schemas.ProposalQuery, returns=schemas.PayoutFailure, paged=True)
def list_failures(call: Call) -> pagination.Page:
    """What was said of payouts that no bank told of, newest first; `state` narrows the list."""
    return pagination.read(call.db, payout_failures.listed(**call.query), PayoutFailure.id, call.page)


@routes.post(
    "/fx-purchases", allow=allow("finance"), body=schemas.NewFxPurchase, returns=schemas.FxPurchase, status=201
)
def propose_purchase(call: Call) -> FxPurchase:
    """Say that a bank has changed money for a run that pays in another currency; for another person to confirm."""
    return exchange.propose(
        call.db,
        run_id=call.body["run_id"],
        bank_reference=call.body["bank_reference"],
        sold=_changed(call, "sold"),
        bought=_changed(call, "bought"),
        made_by=call.actor.subject_id,
    )


def _changed(call: Call, name: str) -> tuple[Currency, int]:
    with within(f"/{name}_currency"):
        currency = money.currency(call.db, call.body[f"{name}_currency"])
    with within(f"/{name}"):
        return currency, money.parse(call.body[name], currency)


@routes.post("/fx-purchases/<purchase_id>/confirmation", allow=allow("approve"), returns=schemas.FxPurchase)
def confirm_purchase(call: Call, purchase_id: str) -> FxPurchase:
    """Book a purchase that somebody else has entered, with its gain or loss against the run's rate."""
    return exchange.confirm(call.db, purchase_id, confirmed_by=call.actor.subject_id)


@routes.post("/fx-purchases/<purchase_id>/refusal", allow=allow("finance", "approve"), returns=schemas.FxPurchase)
def refuse_purchase(call: Call, purchase_id: str) -> FxPurchase:
    """Drop a purchase that was entered; nothing is booked."""
    return exchange.refuse(call.db, purchase_id, refused_by=call.actor.subject_id)


@routes.get("/fx-purchases", allow=READ, query=schemas.FxPurchaseQuery, returns=schemas.FxPurchase, paged=True)
def list_purchases(call: Call) -> pagination.Page:
    """Purchases of currencies, newest first; `run_id` and `state` narrow the list."""
    return pagination.read(call.db, exchange.listed(**call.query), FxPurchase.id, call.page)


@routes.get("/payout-runs/<run_id>/fx-positions", allow=READ, returns=schemas.FxPositions)
def fx_positions(call: Call, run_id: str) -> dict[str, object]:
    """What is still to be bought for a run, by the currency that was earned in, and the gain and loss so far."""
    return {"items": exchange.positions(call.db, run_id)}


@routes.get("/bank-balances", allow=READ, query=schemas.BankBalanceQuery, returns=schemas.BankBalance, paged=True)
def list_bank_balances(call: Call) -> pagination.Page:
    """What statements say that accounts held at the end of a day, beside the books; the last statement read first."""
    return bank_balances.page(call.db, call.page, **call.query)

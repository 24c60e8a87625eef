"""Payout runs: where the money comes from and goes to, what leaves, and what banks say of it."""

from flask import Response

from foundation import pagination
from foundation.auth import allow
from foundation.errors import within
from foundation.http import Call
from payments import formats, methods, paying_accounts, payout_files, payouts, reconciliation, runs, schemas
from payments.api.edge import READ, handed_over, routes
from payments.models import BankEntry, BankFile, PayingAccount, Payout, PayoutFile, PayoutMethod, PayoutRun


@routes.get("/payout-methods", allow=READ, query=schemas.OfPayee, returns=schemas.PayoutMethodOfPayee, paged=True)
def list_methods(call: Call) -> pagination.Page:
    """Where payees are and were paid to, masked, newest first."""
    return pagination.read(call.db, methods.listed(**call.query), PayoutMethod.id, call.page)


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
    """One run, with how many of its payouts are in which state, and how many it leaves out for what reason."""
    run = runs.find(call.db, run_id)
    return {"run": run, "payouts": payouts.totals(call.db, run), "left_out": runs.reasons(call.db, run.id)}


@routes.get("/payout-runs/<run_id>/payouts", allow=READ, query=schemas.PayoutQuery, returns=schemas.Payout, paged=True)
def payouts_of_run(call: Call, run_id: str) -> pagination.Page:
    """The payouts of a run, newest first; `state` narrows the list."""
    rows = payouts.listed(run_id=runs.find(call.db, run_id).id, **call.query)
    return pagination.read(call.db, rows, Payout.id, call.page)


@routes.get("/payout-runs/<run_id>/left-out", allow=READ, returns=schemas.LeftOut, paged=True)
def left_out_of_run(call: Call, run_id: str) -> pagination.Page:
    """Who is not paid although something is owed to them, and why: no_method, kyc, held and others."""
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


@routes.get(
    "/payout-runs/<run_id>/file",
    allow=READ,
    query=schemas.FileQuery,
    file_types=tuple(sorted({writer.content_type for writer in formats.WRITERS.values()})),
)
def run_file(call: Call, run_id: str) -> Response:
    """The file of an exported run: for its rail, or as csv, xlsx or parquet. The same bytes whenever it is asked."""
    asked = {"format_": call.query.get("format"), "part": call.query.get("part", 1)}
    with within("?"):
        made = payout_files.write(call.db, run_id, made_by=call.actor.subject_id, **asked)
    response = handed_over(made)
    response.headers["Rookery-Parts"] = str(made.n_parts)
    return response


@routes.get("/payout-runs/<run_id>/files", allow=READ, returns=schemas.PayoutFile, paged=True)
def files_of_run(call: Call, run_id: str) -> pagination.Page:
    """Who has made which file of a run, and when, newest first; the hash is that of its bytes."""
    return pagination.read(call.db, payout_files.listed(runs.find(call.db, run_id).id), PayoutFile.id, call.page)


@routes.post("/payouts/<payout_id>/drop", allow=allow("finance", "approve"), body=schemas.Reason, returns=schemas.Run)
def drop_payout(call: Call, payout_id: str) -> PayoutRun:
    """Take one payout out of a run that has not left. That ends an approval."""
    return runs.drop(call.db, payout_id, **call.body)


@routes.get("/payouts", allow=READ, query=schemas.PayoutsQuery, returns=schemas.Payout, paged=True)
def list_payouts(call: Call) -> pagination.Page:
    """All payouts, newest first; `payee_id`, `state`, `rail`, `currency` and days of preparing narrow the list."""
    return pagination.read(call.db, payouts.searched(**call.query), Payout.id, call.page)


@routes.get("/bank-files", allow=READ, returns=schemas.BankFile, paged=True)
def list_bank_files(call: Call) -> pagination.Page:
    """The files of banks and providers that were read, with what came of each, newest first."""
    return pagination.read(call.db, reconciliation.files(), BankFile.id, call.page)


@routes.get("/bank-entries", allow=READ, query=schemas.BankEntryQuery, returns=schemas.BankEntry, paged=True)
def list_bank_entries(call: Call) -> pagination.Page:
    """Booked lines of bank files, newest first; `state` narrows the list: suspense is what nobody could place."""
    return pagination.read(call.db, reconciliation.entries(**call.query), BankEntry.id, call.page)

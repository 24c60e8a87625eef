"""The books: journal, trial balance, accounts and months."""

from flask import Response

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from payments import export_making, ledger, periods, schemas, statements
from payments.api.edge import READ, handed_over, routes
from payments.models import Period
from payments.periods import Closing


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
    """The journal, newest first; `cause_ref`, such as an answer or a batch, `kind` and days in UTC narrow it."""
    return ledger.journal(call.db, call.page, **call.query)


@routes.get("/payables.csv", allow=READ, file_types=("text/csv",))
def payables_csv(call: Call) -> Response:
    """What is owed to every payee now, as CSV; the header fields carry the row count and SHA-256."""
    made = export_making.payables(call.db, made_by=call.actor.subject_id)
    return handed_over(made, name="payables.csv")


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

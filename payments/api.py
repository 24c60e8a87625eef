"""The payments routes: finance's side of the books, and what owners and payees see of their own."""

from flask import Response

from foundation import pagination
from foundation.auth import Role, allow
from foundation.errors import within
from foundation.http import Call, Routes
from payments import earnings, exports, floor_weeks, floors, funding, ledger, money, payees, schemas, wages
from payments.floor_weeks import Standing
from payments.floors import Terms
from payments.models import FloorRule
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


@routes.get("/trial-balance", allow=allow("finance"), returns=schemas.TrialBalance)
def trial_balance(call: Call) -> dict[str, object]:
    """Debits and credits of every account role and currency, summed from the lines themselves."""
    return {"items": ledger.trial_balance(call.db)}


@routes.get("/tie-out", allow=allow("finance"), returns=schemas.TieOut)
def tie_out(call: Call) -> dict[str, object]:
    """The sums that must agree: payable = unpaid, reserved = spent + released + remaining, stored = recomputed."""
    return {"items": ledger.tie_out(call.db)}


@routes.get("/journal", allow=allow("finance"), query=schemas.JournalQuery, returns=schemas.JournalEntry, paged=True)
def journal(call: Call) -> pagination.Page:
    """The journal, newest first; `cause_ref` narrows it to one answer, batch or requester."""
    return ledger.journal(call.db, call.page, **call.query)


@routes.get("/payables.csv", allow=allow("finance"), content_type="text/csv")
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


# Fair pay


@routes.post("/floor-rules", allow=allow("finance"), body=schemas.NewFloorRule, returns=schemas.FloorRule, status=201)
def enter_floor_rule(call: Call) -> FloorRule:
    """Enter the least that an hour of work in a region must pay. It counts when another person has confirmed it."""
    return floors.enter(call.db, Terms(**call.body), entered_by=call.actor.subject_id)


@routes.post("/floor-rules/<rule_id>/confirmation", allow=allow("approve"), returns=schemas.FloorRule)
def confirm_floor_rule(call: Call, rule_id: str) -> FloorRule:
    """Let a floor rule count that another person has entered. Weeks that are closed stay as they are."""
    return floors.confirm(call.db, rule_id, confirmed_by=call.actor.subject_id)


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

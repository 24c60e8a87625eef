"""Pay that nobody claims: what finance keeps apart, what its payees claim, and what goes to a state."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from payments import payees, schemas, unclaimed
from payments.api.edge import READ, amount_in, routes
from payments.models import Unclaimed
from payments.unclaimed import Filing


@routes.post("/unclaimed", allow=allow("finance"), body=schemas.NewUnclaimed, returns=schemas.Unclaimed, status=201)
def propose_unclaimed(call: Call) -> Unclaimed:
    """Say that nobody claims what a returned payout had paid.

    It stays owed until the notice is over and another person confirms it.
    """
    return unclaimed.propose(call.db, **call.body, made_by=call.actor.subject_id)


@routes.post("/unclaimed/<unclaimed_id>/confirmation", allow=allow("approve"), returns=schemas.Unclaimed)
def confirm_unclaimed(call: Call, unclaimed_id: str) -> Unclaimed:
    """Keep pay apart that nobody has claimed in time; no run pays it any more."""
    return unclaimed.confirm(call.db, unclaimed_id, confirmed_by=call.actor.subject_id)


@routes.post("/unclaimed/<unclaimed_id>/refusal", allow=allow("finance", "approve"), returns=schemas.Unclaimed)
def refuse_unclaimed(call: Call, unclaimed_id: str) -> Unclaimed:
    """Drop what was proposed; it is owed as before."""
    return unclaimed.refuse(call.db, unclaimed_id, refused_by=call.actor.subject_id)


@routes.post("/unclaimed/<unclaimed_id>/claim", allow=allow("finance"), returns=schemas.Unclaimed)
def claim_unclaimed(call: Call, unclaimed_id: str) -> Unclaimed:
    """Owe it again to its payee, who was found: the next run pays it."""
    return unclaimed.claim(call.db, unclaimed_id, claimed_by=call.actor.subject_id)


@routes.get("/unclaimed", allow=READ, query=schemas.UnclaimedQuery, returns=schemas.Unclaimed, paged=True)
def list_unclaimed(call: Call) -> pagination.Page:
    """Unclaimed pay, newest first; `payee_id`, `state` and `filing` narrow the list."""
    return pagination.read(call.db, unclaimed.listed(**call.query), Unclaimed.id, call.page)


@routes.get("/unclaimed-ages", allow=READ, returns=schemas.UnclaimedAges)
def unclaimed_ages(call: Call) -> dict[str, object]:
    """What is kept, by currency and by the year in which it was found unclaimed."""
    return {"items": unclaimed.ages(call.db)}


@routes.post("/unclaimed-filings", allow=allow("finance"), body=schemas.NewFiling, returns=schemas.Filing, status=201)
def file_unclaimed(call: Call) -> Filing:
    """Say by which filing kept pay goes to the state; the same filing again adds to it."""
    return unclaimed.file(call.db, **call.body, filed_by=call.actor.subject_id)


@routes.post(
    "/unclaimed-filings/confirmation", allow=allow("approve"), body=schemas.FilingConfirmed, returns=schemas.Filing
)
def confirm_filing(call: Call) -> Filing:
    """Let a filing of somebody else leave the bank; give the sum that you have looked at."""
    currency, units = amount_in(call)
    return unclaimed.hand_over(
        call.db, call.body["filing"], currency=currency.code, amount=units, confirmed_by=call.actor.subject_id
    )


@routes.post(
    "/unclaimed-filings/refusal", allow=allow("finance", "approve"), body=schemas.FilingNamed, returns=schemas.Filing
)
def refuse_filing(call: Call) -> Filing:
    """Drop a filing before it is confirmed; what it was of is kept as before."""
    return unclaimed.unfile(call.db, **call.body)


@routes.get("/me/unclaimed", allow=allow("work"), returns=schemas.MyUnclaimed, paged=True)
def my_unclaimed(call: Call) -> pagination.Page:
    """What of your pay came back and is kept for you, and what you have claimed of it, newest first."""
    rows = unclaimed.of_payee(payees.of_owner(call.db, call.actor.subject_id).id)
    return pagination.read(call.db, rows, Unclaimed.id, call.page)


@routes.post("/me/unclaimed/<unclaimed_id>/claim", allow=allow("work"), returns=schemas.MyUnclaimed)
def claim_my_unclaimed(call: Call, unclaimed_id: str) -> Unclaimed:
    """Claim what is kept for you: it is owed to you again, and the next run pays it to where your pay goes then."""
    payee_id = payees.of_owner(call.db, call.actor.subject_id).id
    return unclaimed.claim(call.db, unclaimed_id, claimed_by=call.actor.subject_id, payee_id=payee_id)

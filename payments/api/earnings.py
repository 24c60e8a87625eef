"""Pay, as finance sees it: payees, holds, what is put right after the fact, and what is asked back."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from payments import adjustments, clawbacks, earnings, holds, payees, schemas
from payments.adjustments import BonusCost, Effect, Gift
from payments.api.edge import READ, in_units, routes
from payments.models import Clawback, Earning, Hold, Payee


@routes.get("/payees", allow=READ, query=schemas.PayeeQuery, returns=schemas.Payee, paged=True)
def list_payees(call: Call) -> pagination.Page:
    """Everybody whom money may be owed to, newest first; `owner_ref`, `country` and `has_contact` narrow the list."""
    return pagination.read(call.db, payees.listed(**call.query), Payee.id, call.page)


@routes.get("/earnings", allow=READ, query=schemas.EarningQuery, returns=schemas.EarningOfPayee, paged=True)
def list_earnings(call: Call) -> pagination.Page:
    """Earnings, newest first; `payee_id`, `cause_ref`, `status`, `kind` and when they became due narrow the list."""
    return pagination.read(call.db, earnings.listed(**call.query), Earning.id, call.page)


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
    """Pay somebody beyond their answers out of a requester's funds, with the fee; due at once, once per reference."""
    owner_ref, gift = _gift(call)
    return adjustments.give_bonus(call.db, gift, owner_ref=owner_ref, actor_ref=call.actor.subject_id)


@routes.post("/bonuses/preview", allow=allow("finance"), body=schemas.NewBonus, returns=schemas.BonusCost)
def preview_bonus(call: Call) -> BonusCost:
    """What a bonus would cost its requester. Nothing is changed."""
    owner_ref, gift = _gift(call)
    return adjustments.preview_bonus(call.db, gift, owner_ref=owner_ref)


def _gift(call: Call) -> tuple[str, Gift]:
    """Whose money it is, if it is somebody's, and what is given."""
    given = in_units(call)
    return given.pop("owner_ref", ""), Gift(**given)


@routes.post("/goodwill", allow=allow("finance"), body=schemas.NewGoodwill, returns=schemas.Earning, status=201)
def give_goodwill(call: Call) -> Earning:
    """Pay somebody at the house's own expense; due at once, once per reference."""
    return adjustments.give_goodwill(call.db, _gift(call)[1], actor_ref=call.actor.subject_id)


@routes.get("/adjustments", allow=READ, query=schemas.OfPayee, returns=schemas.Adjustment, paged=True)
def list_adjustments(call: Call) -> pagination.Page:
    """What was put right after the fact, newest first."""
    return adjustments.page(call.db, call.page, **call.query)


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

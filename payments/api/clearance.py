"""Who may be paid out: KYC, screenings and blocks."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from payments import blocks, clearance, kyc, kyc_rules, payees, reviews, schemas, screening
from payments.api.edge import READ, routes
from payments.clearance import OwnStanding
from payments.models import Block, KycRecord, KycRule, Screening, ScreeningRound

_BOTH = allow("finance", "approve")


@routes.post("/kyc-rules", allow=allow("finance"), body=schemas.NewKycRule, returns=schemas.KycRule, status=201)
def enter_kyc_rule(call: Call) -> KycRule:
    """Enter how much is paid out to somebody who is not verified. It counts when another person has confirmed it."""
    return kyc_rules.enter(call.db, kyc_rules.Terms(**call.body), entered_by=call.actor.subject_id)


@routes.post("/kyc-rules/<kyc_rule_id>/confirmation", allow=allow("approve"), returns=schemas.KycRule)
def confirm_kyc_rule(call: Call, kyc_rule_id: str) -> KycRule:
    """Let a KYC rule count that another person has entered."""
    return kyc_rules.confirm(call.db, kyc_rule_id, confirmed_by=call.actor.subject_id)


@routes.get("/kyc-rules", allow=READ, query=schemas.KycRuleQuery, returns=schemas.KycRule, paged=True)
def list_kyc_rules(call: Call) -> pagination.Page:
    """KYC rules, newest first, confirmed or not; `country` narrows them to its own."""
    return kyc_rules.page(call.db, call.page, **call.query)


@routes.post("/payees/<payee_id>/kyc", allow=_BOTH, body=schemas.NewKycRecord, returns=schemas.KycRecord, status=201)
def record_kyc(call: Call, payee_id: str) -> KycRecord:
    """Record what was found out about a payee: pending, verified until a day, refused, or expired before its day."""
    return kyc.record(call.db, payee_id, kyc.Finding(**call.body), recorded_by=call.actor.subject_id)


@routes.get("/kyc", allow=READ, query=schemas.KycQuery, returns=schemas.KycRecord, paged=True)
def list_kyc(call: Call) -> pagination.Page:
    """What was recorded, newest first; `expiring_within_days` finds the verifications in force that end soon."""
    return pagination.read(call.db, kyc.listed(call.db, **call.query), KycRecord.id, call.page)


@routes.get("/me/kyc", allow=allow("work"), returns=schemas.MyKyc)
def my_kyc(call: Call) -> OwnStanding:
    """Whether you are verified, whether you have to be, and what can be paid out to you without."""
    return clearance.of_payee(call.db, payees.of_owner(call.db, call.actor.subject_id).id)


@routes.post("/screening-rounds", allow=_BOTH, returns=schemas.ScreeningRound, status=201)
def begin_round(call: Call) -> ScreeningRound:
    """Hold everybody against the lists as they are now, step by step; whoever is freshly screened is left alone."""
    return screening.begin_round(call.db, begun_by=call.actor.subject_id)


@routes.get("/screening-rounds", allow=READ, returns=schemas.ScreeningRound, paged=True)
def list_rounds(call: Call) -> pagination.Page:
    """Rounds, newest first: how far each has come, and how many wait for a person since."""
    return pagination.read(call.db, screening.rounds(), ScreeningRound.id, call.page)


@routes.get("/screenings", allow=READ, query=schemas.ScreeningQuery, returns=schemas.Screening, paged=True)
def list_screenings(call: Call) -> pagination.Page:
    """Screenings, newest first; `waiting` finds those that a person has to decide."""
    return pagination.read(call.db, screening.listed(**call.query), Screening.id, call.page)


@routes.post(
    "/screenings/<screening_id>/decision",
    allow=allow("approve"),
    body=schemas.NewDecision,
    returns=schemas.Screening,
)
def decide_screening(call: Call, screening_id: str) -> Screening:
    """Say whether a payee is whom the list means: `clear` lets runs pay them, `blocked` proposes a block."""
    return reviews.decide(call.db, screening_id, **call.body, decided_by=call.actor.subject_id)


@routes.post("/blocks", allow=_BOTH, body=schemas.NewBlock, returns=schemas.Block, status=201)
def propose_block(call: Call) -> Block:
    """Ask for a payee to be blocked, as by a court. Runs leave them out from now on; money moves when confirmed."""
    return blocks.propose(call.db, **call.body, made_by=call.actor.subject_id)


@routes.get("/blocks", allow=READ, query=schemas.BlockQuery, returns=schemas.Block, paged=True)
def list_blocks(call: Call) -> pagination.Page:
    """Blocks, newest first; `payee_id` and `state` narrow the list."""
    return pagination.read(call.db, blocks.listed(**call.query), Block.id, call.page)


@routes.post("/blocks/<block_id>/confirmation", allow=allow("approve"), returns=schemas.Block)
def confirm_block(call: Call, block_id: str) -> Block:
    """Block for good: out of every run that has not left, and what is owed lies apart in the books."""
    return blocks.confirm(call.db, block_id, confirmed_by=call.actor.subject_id)


@routes.post("/blocks/<block_id>/refusal", allow=allow("approve"), returns=schemas.Block)
def refuse_block(call: Call, block_id: str) -> Block:
    """Drop a block that was proposed; nothing moves, and runs pay them again."""
    return blocks.refuse(call.db, block_id, refused_by=call.actor.subject_id)


@routes.post("/blocks/<block_id>/lift", allow=_BOTH, body=schemas.Reason, returns=schemas.Block)
def propose_lift(call: Call, block_id: str) -> Block:
    """Say that a block should end. Nothing moves until another person confirms."""
    return blocks.propose_lift(call.db, block_id, **call.body, proposed_by=call.actor.subject_id)


@routes.post("/blocks/<block_id>/lift/confirmation", allow=allow("approve"), returns=schemas.Block)
def confirm_lift(call: Call, block_id: str) -> Block:
    """End a block: what lay apart is payable again."""
    return blocks.lift(call.db, block_id, confirmed_by=call.actor.subject_id)

"""Corrections of golds and rejections, with all that follows: proposed by one of ops, applied by another."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from workforce import corrections, schemas
from workforce.api.edge import routes
from workforce.corrections import Shown, Wanted
from workforce.models import Correction, CorrectionLine


@routes.post(
    "/corrections", allow=allow("ops"), body=schemas.NewCorrection, returns=schemas.CorrectionShown, status=201
)
def propose_correction(call: Call) -> Shown:
    """Say what was wrong, and see what would change by putting it right, with the money. Nothing is changed."""
    made = corrections.propose(call.db, Wanted(**call.body), proposed_by=call.actor.subject_id)
    return corrections.shown(call.db, made)


@routes.get("/corrections", allow=allow("ops"), query=schemas.CorrectionQuery, returns=schemas.Correction, paged=True)
def list_corrections(call: Call) -> pagination.Page:
    """Corrections, newest first; `kind` and `state` narrow the list."""
    return pagination.read(call.db, corrections.listed(**call.query), Correction.id, call.page)


@routes.get("/corrections/<correction_id>", allow=allow("ops"), returns=schemas.CorrectionShown)
def get_correction(call: Call, correction_id: str) -> Shown:
    """A correction with what its last preview comes to: who moves, what is lifted, and the money."""
    return corrections.shown(call.db, corrections.find(call.db, correction_id))


@routes.get(
    "/corrections/<correction_id>/lines",
    allow=allow("ops"),
    query=schemas.CorrectionLineQuery,
    returns=schemas.CorrectionLine,
    paged=True,
)
def correction_lines(call: Call, correction_id: str) -> pagination.Page:
    """Everything that its last preview showed; `change` narrows the list."""
    rows = corrections.lines(call.db, correction_id, **call.query)
    return pagination.read(call.db, rows, CorrectionLine.number, call.page, newest_first=False)


@routes.post("/corrections/<correction_id>/preview", allow=allow("ops"), returns=schemas.CorrectionShown)
def preview_correction_again(call: Call, correction_id: str) -> Shown:
    """See what a proposed correction would change by now."""
    again = corrections.preview_again(call.db, correction_id, asked_by=call.actor.subject_id)
    return corrections.shown(call.db, again)


@routes.post(
    "/corrections/<correction_id>/application",
    allow=allow("ops"),
    body=schemas.CorrectionApplication,
    returns=schemas.CorrectionShown,
)
def apply_correction(call: Call, correction_id: str) -> Shown:
    """Do all that the last preview showed, or nothing. Another person than who proposed it, who has looked at it."""
    applied = corrections.apply(call.db, correction_id, **call.body, applied_by=call.actor.subject_id)
    return corrections.shown(call.db, applied)


@routes.post("/corrections/<correction_id>/drop", allow=allow("ops"), returns=schemas.Correction)
def drop_correction(call: Call, correction_id: str) -> Correction:
    """Let a proposed correction be."""
    return corrections.drop(call.db, correction_id, dropped_by=call.actor.subject_id)

"""Bulk moves on ladders, for ops: proposed by one with a preview, approved by another, undone as a whole."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call, Upload
from workforce import bulk_lines, bulk_moves, schemas
from workforce.api.edge import routes
from workforce.bulk_moves import Shown
from workforce.models import BulkLine, BulkMove

_OPS = allow("ops")


@routes.post(
    "/bulk-moves",
    allow=_OPS,
    quota=bulk_moves.QUOTA,
    upload=Upload(bulk_lines.BYTES_MAX),
    query=schemas.NewBulkMove,
    returns=schemas.BulkMoveShown,
    status=201,
)
def propose_bulk_move(call: Call) -> Shown:
    """Send a CSV file of moves, and see what would become of each line; nobody is moved yet."""
    assert call.file is not None, "a route that takes a file is given one"
    made = bulk_moves.propose(call.db, call.file, **call.query, proposed_by=call.actor.subject_id)
    return bulk_moves.shown(call.db, made)


@routes.get("/bulk-moves", allow=_OPS, query=schemas.BulkMoveQuery, returns=schemas.BulkMove, paged=True)
def list_bulk_moves(call: Call) -> pagination.Page:
    """All bulk moves, newest first; `state` narrows the list."""
    return pagination.read(call.db, bulk_moves.listed(**call.query), BulkMove.id, call.page)


@routes.get("/bulk-moves/<bulk_id>", allow=_OPS, returns=schemas.BulkMoveShown)
def get_bulk_move(call: Call, bulk_id: str) -> Shown:
    """How far a bulk move is, and how many lines lead from which tier to which."""
    return bulk_moves.shown(call.db, bulk_moves.find(call.db, bulk_id))


@routes.get(
    "/bulk-moves/<bulk_id>/lines", allow=_OPS, query=schemas.BulkLineQuery, returns=schemas.BulkLine, paged=True
)
def list_bulk_lines(call: Call, bulk_id: str) -> pagination.Page:
    """What becomes of each line of a bulk move, in its order; fate, tiers, worker and skill narrow the list."""
    rows = bulk_moves.lines(call.db, bulk_id, **call.query)
    return pagination.read(call.db, rows, BulkLine.line, call.page, newest_first=False)


@routes.post("/bulk-moves/<bulk_id>/approval", allow=_OPS, body=schemas.BulkApproval, returns=schemas.BulkMove)
def approve_bulk_move(call: Call, bulk_id: str) -> BulkMove:
    """Let workers be moved as the preview shows that you have looked at. Another person than who proposed it."""
    return bulk_moves.approve(call.db, bulk_id, **call.body, approved_by=call.actor.subject_id)


@routes.post("/bulk-moves/<bulk_id>/refusal", allow=_OPS, returns=schemas.BulkMove)
def refuse_bulk_move(call: Call, bulk_id: str) -> BulkMove:
    """Drop a proposed bulk move; whoever made it may do so as well."""
    return bulk_moves.refuse(call.db, bulk_id, refused_by=call.actor.subject_id)


@routes.post("/bulk-moves/<bulk_id>/undo", allow=_OPS, body=schemas.BulkUndoing, returns=schemas.BulkMove)
def undo_bulk_move(call: Call, bulk_id: str) -> BulkMove:
    """Bring everybody back who still stands where a bulk move has put them; who was not moved yet will not be."""
    return bulk_moves.undo(call.db, bulk_id, **call.body, undone_by=call.actor.subject_id)

"""Good requests to the routes of bulk moves."""

import io
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from tests import factories
from tests.attack.request import Good
from workforce import bulk_moves

_BULK_MOVES = "limit=1&state=proposed"


def _moves_of(db: Session) -> str:
    """A file of one move, in a skill of one project."""
    factories.create_project(db)
    return f"worker_id,skill,tier,days\r\n{factories.create_worker(db).id},{factories.SKILL},3,7\r\n"


def _moving_many(db: Session) -> Good:
    return Good("ops", query="reason=Tested.&days=30", sends=_moves_of(db))


def _bulk_move(query: str = "", *, body: Any = None, let: bool = False) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        file = io.BytesIO(_moves_of(db).encode())
        made = bulk_moves.propose(db, file, reason="Tested.", days=30, proposed_by="ada")
        if let:
            bulk_moves.approve(db, made.id, content_hash=made.hash, approved_by="bob")
        hash_ = {"content_hash": made.hash} if body == "hash" else body
        known = {"/content_hash": 409} if body == "hash" else {}
        names = {} if query == _BULK_MOVES else {"bulk_id": made.id}
        return Good("ops", names=names, body=hash_, query=query, known=known)

    return good


GOOD: dict[str, Callable[[Session], Good]] = {
    "POST /api/bulk-moves": _moving_many,
    "GET /api/bulk-moves": _bulk_move(_BULK_MOVES),
    "GET /api/bulk-moves/<bulk_id>": _bulk_move(),
    "GET /api/bulk-moves/<bulk_id>/lines": _bulk_move(
        f"limit=1&fate=waiting&tier_from=1&tier_to=3&skill={factories.SKILL}"
    ),
    "POST /api/bulk-moves/<bulk_id>/approval": _bulk_move(body="hash"),
    "POST /api/bulk-moves/<bulk_id>/refusal": _bulk_move(),
    "POST /api/bulk-moves/<bulk_id>/undo": _bulk_move(body={"reason": "The wrong file."}, let=True),
}

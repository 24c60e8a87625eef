"""Bulk moves in the world."""

import io
from collections.abc import Iterator

from sqlalchemy.orm import Session

from foundation.jobs import run_steps
from tests import factories
from tests.access import canaries
from workforce import bulk_moves, bulk_steps, linked

Found = tuple[str, str, str, str]


def things(session: Session, ops: str) -> Iterator[Found]:
    """Bulk moves in every state that lasts, some proposed by that one of ops, or about somebody linked with them."""
    [own] = linked.circle(session, ops) - {ops}
    for state in ("proposed", "refused", "applied", "undone", "theirs", "about_them", "about_them_applied"):
        worker_id = own if state.startswith("about_them") else factories.create_worker(session).id
        lines = f"{worker_id},{factories.SKILL},3,{canaries.new()}\nnobody,{factories.SKILL},3,\n"
        made = bulk_moves.propose(
            session, io.BytesIO(f"worker_id,skill,tier,reason\n{lines}".encode()), reason="Tested.", days=30,
            proposed_by=ops if state == "theirs" else "another",
        )  # fmt: skip
        if state == "refused":
            bulk_moves.refuse(session, made.id, refused_by="finance")
        if state in {"applied", "undone", "about_them_applied"}:
            bulk_moves.approve(session, made.id, content_hash=made.hash, approved_by="finance")
            run_steps(session, bulk_steps.go_on(session))
        if state == "undone":
            bulk_moves.undo(session, made.id, reason="The wrong file.", undone_by="finance")
            run_steps(session, bulk_steps.go_on(session))
        yield "bulk_move", state, "", made.id

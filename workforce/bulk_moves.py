"""Bulk moves: many workers are given other steps by one file, by two people, and all of it can be undone as a whole.

What a file would do is told line by line when it comes; another person approves just that. Each worker who is moved
gets an override of their own, with its date, its record and its message. Undoing ends these overrides. What a line says
and what stands against it is in `bulk_lines.py`; workers are moved and returned in `bulk_steps.py`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, NotFound
from foundation.limits import DAY, Limit
from payments import four_eyes
from workforce import bulk_lines, linked
from workforce.models import BulkLine, BulkMove, BulkState, LineFate

QUOTA = Limit("bulk-moves", 20, DAY)
_DAYS_KEPT = 7


class NoSuchBulkMove(NotFound):
    """There is no such bulk move."""


class BulkMoveDecided(Conflict):
    """The bulk move is not where this can be done."""


class NotWhatWasShown(Conflict):
    """This is the hash of something else than what the bulk move would do."""


def propose(db: Session, file: IO[bytes], *, reason: str, days: int, proposed_by: str) -> BulkMove:
    """Look through a file of moves, and keep what would become of each line. Nobody is moved yet."""
    lines = bulk_lines.judged(db, file, reason=reason, days=days, proposed_by=proposed_by)
    counts = Counter(one.fate for one in lines)
    made = BulkMove(
        id=ids.new("bmv"),
        reason=reason,
        days=days,
        state=BulkState.PROPOSED,
        n_lines=len(lines),
        n_waiting=counts[LineFate.WAITING],
        n_there=counts[LineFate.THERE],
        n_bad=counts[LineFate.BAD],
        content_hash=bulk_lines.content_hash(lines),
        proposed_by=proposed_by,
        expires_at=clock.now(db) + timedelta(days=_DAYS_KEPT),
    )
    db.add(made)
    db.flush()
    for one in lines:
        one.bulk_id = made.id
    db.add_all(lines)
    db.flush()
    db.refresh(made)
    return made


def approve(db: Session, bulk_id: str, *, content_hash: str, approved_by: str) -> BulkMove:
    """Let everybody be moved, in the background, whom the preview with this hash shows; not by who proposed it."""
    bulk = _in(db, bulk_id, BulkState.PROPOSED)
    other = four_eyes.other_person(bulk.proposed_by, approved_by)
    _refuse_own(db, bulk, other)
    # Of the lines as they are, not as they were when their hash was kept.
    rows = select(BulkLine).where(BulkLine.bulk_id == bulk.id, BulkLine.fate == LineFate.WAITING)
    if content_hash != bulk_lines.content_hash(db.scalars(rows.order_by(BulkLine.line)).all()).hex():
        raise NotWhatWasShown("Look at what it would do, and send the hash that is shown with it.")
    return _decide(db, bulk, BulkState.APPLYING if bulk.n_waiting else BulkState.APPLIED, other)


def refuse(db: Session, bulk_id: str, *, refused_by: str) -> BulkMove:
    """Drop a proposal; whoever made it may take it back so."""
    return _decide(db, _in(db, bulk_id, BulkState.PROPOSED), BulkState.REFUSED, refused_by)


def undo(db: Session, bulk_id: str, *, reason: str, undone_by: str) -> BulkMove:
    """Bring everybody back who still stands where a bulk move has put them, in the background. Twice changes nothing.

    Also before all are moved: the rest is not. reason : what they read.
    """
    bulk = find(db, bulk_id, lock=True)
    if bulk.state in {BulkState.UNDOING, BulkState.UNDONE}:
        return bulk
    _require(bulk, BulkState.APPLYING, BulkState.APPLIED)
    _refuse_own(db, bulk, undone_by)
    bulk.state, bulk.undo_reason = BulkState.UNDOING, reason
    bulk.undone_by, bulk.undone_at = undone_by, clock.now(db)
    db.flush()
    return bulk


def _in(db: Session, bulk_id: str, state: BulkState) -> BulkMove:
    bulk = find(db, bulk_id, lock=True)
    _require(bulk, state)
    return bulk


def _require(bulk: BulkMove, *states: BulkState) -> None:
    if bulk.state not in states:
        raise BulkMoveDecided(f"This bulk move is {bulk.state}; only one that is {' or '.join(states)} allows that.")


_ABOUT = text("SELECT EXISTS (SELECT FROM bulk_lines WHERE bulk_id = :id AND fate <> 'bad' AND worker_id = ANY(:own))")


def _refuse_own(db: Session, bulk: BulkMove, person: str) -> None:
    """Refuse whoever is in it, or is linked with somebody who is."""
    if db.scalar(_ABOUT, {"id": bulk.id, "own": list(linked.circle(db, person))}):
        raise linked.LinkedToYou("An account in this file counts as yours; let others decide about it.")


def _decide(db: Session, bulk: BulkMove, state: BulkState, decided_by: str) -> BulkMove:
    bulk.state, bulk.decided_by, bulk.decided_at = state, decided_by, clock.now(db)
    db.flush()
    return bulk


_EXPIRE = text("""
    UPDATE bulk_moves SET state = 'expired' WHERE id = ANY(ARRAY(
        SELECT id FROM bulk_moves WHERE state = 'proposed' AND expires_at <= now()
         ORDER BY id LIMIT 20 FOR UPDATE SKIP LOCKED))
""")


def expire(db: Session) -> int:
    """End proposals that nobody has decided for a week; how many. A sweep."""
    return int(db.execute(_EXPIRE).rowcount)  # type: ignore[attr-defined]  # cursor results have it


# What ops see


@dataclass(frozen=True, slots=True)
class Shown:
    """A bulk move with what its file comes to. moves : rows of tier_from, tier_to and lines."""

    bulk_move: BulkMove
    moves: Sequence[Any]


_MOVES = text("""
    SELECT tier_from, tier_to, count(*) AS lines FROM bulk_lines
     WHERE bulk_id = :id AND fate NOT IN ('bad', 'there') GROUP BY 1, 2 ORDER BY 1, 2
""")


def shown(db: Session, bulk: BulkMove) -> Shown:
    """A bulk move with what its file comes to."""
    return Shown(bulk, db.execute(_MOVES, {"id": bulk.id}).all())


def find(db: Session, bulk_id: str, *, lock: bool = False) -> BulkMove:
    """The bulk move with this id."""
    found = db.get(BulkMove, bulk_id, with_for_update=lock or None, populate_existing=True)
    if found is None:
        raise NoSuchBulkMove("There is no bulk move with this id.")
    return found


def listed(*, state: str | None = None) -> Select[BulkMove]:
    """All bulk moves, or those in a state."""
    rows = select(BulkMove)
    return rows if state is None else rows.where(BulkMove.state == state)


def lines(db: Session, bulk_id: str, **wanted: Any) -> Select[BulkLine]:
    """The lines of a bulk move, all or those whose columns are what is wanted."""
    rows = select(BulkLine).where(BulkLine.bulk_id == find(db, bulk_id).id)
    return rows.where(*(getattr(BulkLine, name) == value for name, value in wanted.items()))

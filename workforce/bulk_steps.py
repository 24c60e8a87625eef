"""What becomes of bulk moves in the background: workers are moved, and returned, some in a transaction.

How far a bulk move is stands with its lines, so whoever goes on after a crash moves nobody twice. What was true when a
file was looked through need not be when its lines come up: then a worker is not moved, and the line says why.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import clock
from workforce import bulk_lines, overrides
from workforce.bulk_lines import Seen
from workforce.models import BulkLine, BulkMove, BulkState, LineFate, OverrideState, TierOverride

_AT_ONCE = 100
# One that is undone comes first: what was wrong holds for each of its workers until then.
_NEXT = (
    select(BulkMove)
    .where(BulkMove.state.in_((BulkState.APPLYING, BulkState.UNDOING)))
    .order_by((BulkMove.state == BulkState.UNDOING).desc(), BulkMove.id)
    .limit(1)
    .with_for_update(skip_locked=True)
    .execution_options(populate_existing=True)
)


def go_on(db: Session) -> Iterator[None]:
    """Move and return people until nobody waits for it. A work."""
    while (bulk := db.scalar(_NEXT)) is not None:
        if bulk.state == BulkState.APPLYING:
            _apply(db, bulk)
        else:
            _undo(db, bulk)
        yield


def _apply(db: Session, bulk: BulkMove) -> None:
    """Move some people, those whom nothing stands against by now."""
    some = _some(db, bulk, LineFate.WAITING)
    before = Counter(one.fate for one in some)
    _lock(db, some)
    assert bulk.decided_by is not None
    # Who decided may be linked with somebody since.
    seen = bulk_lines.look(db, [_pair(one) for one in some], [bulk.proposed_by, bulk.decided_by])
    for one in some:
        until = _until(bulk, one)
        why = _against(one, seen, until, clock.now(db))
        if why is not None:
            one.fate, one.why = LineFate.SKIPPED, why
        else:
            one.fate, one.override_id = LineFate.MOVED, _move(db, bulk, one, until)
    _count(bulk, before, some)
    if bulk.n_waiting == 0:
        bulk.state = BulkState.APPLIED
    db.flush()


def _undo(db: Session, bulk: BulkMove) -> None:
    """Return some people to where they stood, but for those who have moved on; who was not moved yet will not be."""
    some = _some(db, bulk, LineFate.WAITING, LineFate.MOVED)
    before = Counter(one.fate for one in some)
    # All of these before any worker: whoever ends one of them waits here, with nobody of ours in hand.
    rows = select(TierOverride).where(TierOverride.id.in_([one.override_id for one in some if one.override_id]))
    rows = rows.order_by(TierOverride.worker_id, TierOverride.skill).with_for_update()
    held = {row.id: row for row in db.scalars(rows.execution_options(populate_existing=True))}
    for one in some:
        if one.override_id is None:
            one.fate, one.why = LineFate.SKIPPED, "All of it was undone before it was their turn."
        elif (override := held[one.override_id]).state == OverrideState.ACTIVE:
            _return(db, bulk, override)
            one.fate = LineFate.RETURNED
        else:
            one.fate = LineFate.KEPT
            one.why = (
                f"What moved them was over on {override.ended_at:%Y-%m-%d}; they stand where they have come since."
            )
    _count(bulk, before, some)
    if bulk.n_waiting + bulk.n_moved == 0:
        bulk.state = BulkState.UNDONE
    db.flush()


def _some(db: Session, bulk: BulkMove, *fates: LineFate) -> Sequence[BulkLine]:
    """The next lines, in the order in which everybody locks workers."""
    rows = select(BulkLine).where(BulkLine.bulk_id == bulk.id, BulkLine.fate.in_(fates))
    ordered = rows.order_by(BulkLine.worker_id, BulkLine.skill).limit(_AT_ONCE)
    return db.scalars(ordered.execution_options(populate_existing=True)).all()


def _pair(line: BulkLine) -> bulk_lines.Pair:
    assert line.worker_id is not None
    assert line.skill is not None
    return line.worker_id, line.skill


_LOCK = text("SELECT id FROM workers WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")


def _lock(db: Session, lines: Sequence[BulkLine]) -> None:
    """Keep everybody who moves or overrides these workers waiting until the end of the transaction."""
    db.execute(_LOCK, {"ids": list({_pair(one)[0] for one in lines})})


def _until(bulk: BulkMove, line: BulkLine) -> datetime:
    """When what a line says ends; days count from the approval, whenever its turn comes."""
    if line.expires_at is not None:
        return line.expires_at
    assert bulk.decided_at is not None
    assert line.days is not None
    return bulk.decided_at + timedelta(days=line.days)


def _against(line: BulkLine, seen: Seen, until: datetime, now: datetime) -> str | None:
    """Why a line cannot do by now what its preview said."""
    if (wrong := seen.against(_pair(line))) is not None:
        return wrong.why
    if (tier := seen.tier(_pair(line))) != line.tier_from:
        return f"They stand at tier {tier} by now."
    return "Its date has come before their turn." if until <= now else None


def _move(db: Session, bulk: BulkMove, line: BulkLine, until: datetime) -> str:
    worker_id, skill = _pair(line)
    assert line.tier_to is not None
    assert line.reason is not None
    assert bulk.decided_by is not None
    made = overrides.hold(
        db, worker_id, skill=skill, tier=line.tier_to, reason=line.reason, until=until, proposed_by=bulk.proposed_by,
        approved_by=bulk.decided_by,
    )  # fmt: skip
    return made.id


def _return(db: Session, bulk: BulkMove, override: TierOverride) -> None:
    assert bulk.undone_by is not None
    assert bulk.undo_reason is not None
    overrides.take_back(db, override, reason=bulk.undo_reason, taken_by=bulk.undone_by)


def _count(bulk: BulkMove, before: Counter[str], lines: Sequence[BulkLine]) -> None:
    """Keep with the bulk move how far its lines are."""
    now = Counter(one.fate for one in lines)
    for fate in before.keys() | now.keys():
        name = f"n_{fate}"
        setattr(bulk, name, getattr(bulk, name) + now[fate] - before[fate])

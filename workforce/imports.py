"""Files of tasks, sent in parts: whoever is cut off sends the missing parts again, and nothing is made twice.

A file is announced, its parts come in any order, and it is begun; from then on `importing` reads it. What is not gone
on with for a week is forgotten, and so are the bytes of all that is over.
"""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import IO, Any, cast

from sqlalchemy import CursorResult, Select, func, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, NotFound
from foundation.limits import DAY, Limit
from workforce import projects
from workforce.models import Import, ImportFault, ImportPart, ImportState

QUOTA = Limit("imports", 50, DAY)
PARTS_QUOTA = Limit("import-parts", 5_000, DAY)
PART_BYTES_MAX = 8 * 1024 * 1024
PIECE = 256 * 1024
DAYS_KEPT = 7
# Files of one requester that are not over: what they may fill on our disk is bounded by it.
UNFINISHED_MAX = 3
_MISSING_SHOWN = 20


class NoSuchImport(NotFound):
    """There is no such import."""


class TooManyImports(Conflict):
    """Other imports of yours have to end first."""


class ImportMoveNotAllowed(Conflict):
    """The import is in another state."""


class PartDiffers(Conflict):
    """Other bytes were sent as this part before."""


class PartsMissing(Conflict):
    """Not all parts of the file are there."""


_OVER = (ImportState.FINISHED, ImportState.FAILED, ImportState.CANCELLED, ImportState.EXPIRED)


def announce(db: Session, requester_id: str, *, batch: str, format_: str) -> Import:
    """A file that is going to be sent for a batch."""
    home = projects.find_batch(db, requester_id, batch)
    # Two at once take turns, or each would see what is left for one.
    db.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"imports:{requester_id}"})
    rows = select(func.count()).where(Import.requester_id == requester_id, Import.state.not_in(_OVER))
    if (db.scalar(rows) or 0) >= UNFINISHED_MAX:
        raise TooManyImports(f"{UNFINISHED_MAX} imports of yours are not over; finish or cancel one.")
    made = Import(
        id=ids.new("imp"), requester_id=requester_id, batch_id=home.id, format=format_, state=ImportState.RECEIVING
    )
    db.add(made)
    db.flush()
    db.refresh(made)
    return made


_PIECES = text("INSERT INTO import_pieces (import_id, part, number, bytes) VALUES (:id, :part, :number, :bytes)")


def add_part(
    db: Session, requester_id: str, import_id: str, number: int, file: IO[bytes], *, sent_by: str
) -> ImportPart:
    """Keep a part of a file. The same bytes again change nothing; other bytes are refused."""
    found = find(db, requester_id, import_id, lock=True)
    digest = _digest(file)
    known = db.get(ImportPart, (found.id, number))
    if known is not None and known.sha256 == digest:
        return known
    if known is not None:
        raise PartDiffers(f"Part {number} has other bytes, with the SHA-256 {known.hash_text}; make a new import.")
    _require(found, ImportState.RECEIVING)
    n_bytes = file.tell()
    if n_bytes == 0:
        raise PartsMissing("A part has at least one byte.")
    part = ImportPart(import_id=found.id, number=number, n_bytes=n_bytes, sha256=digest, sent_by=sent_by)
    db.add(part)
    db.flush()
    file.seek(0)
    for at, piece in enumerate(iter(lambda: file.read(PIECE), b"")):
        db.execute(_PIECES, {"id": found.id, "part": number, "number": at, "bytes": piece})
    found.n_parts, found.n_bytes, found.moved_at = found.n_parts + 1, found.n_bytes + n_bytes, clock.now(db)
    db.flush()
    db.refresh(part)
    return part


def _digest(file: IO[bytes]) -> bytes:
    digest = hashlib.sha256()
    while piece := file.read(PIECE):
        digest.update(piece)
    return digest.digest()


_BEGINS = text("""
    UPDATE import_parts p SET begins = s.begins
      FROM (SELECT number, sum(n_bytes) OVER (ORDER BY number) - n_bytes AS begins
              FROM import_parts WHERE import_id = :id) s
     WHERE p.import_id = :id AND p.number = s.number
""")


def begin(db: Session, requester_id: str, import_id: str, *, n_parts: int) -> Import:
    """Have a file read whose parts are all there, or go on with one that has stopped. Twice changes nothing."""
    found = find(db, requester_id, import_id, lock=True)
    if found.state in {ImportState.READING, ImportState.FINISHED}:
        return found
    _require(found, ImportState.RECEIVING, ImportState.STOPPED)
    there = set(db.scalars(select(ImportPart.number).where(ImportPart.import_id == found.id)))
    if missing := sorted(set(range(1, n_parts + 1)) - there):
        shown = ", ".join(map(str, missing[:_MISSING_SHOWN]))
        raise PartsMissing(f"{len(missing)} of {n_parts} parts are missing: {shown}.", parts=missing[:_MISSING_SHOWN])
    if len(there) > n_parts:
        raise PartsMissing(f"{len(there)} parts were sent, up to number {max(there)}.")
    db.execute(_BEGINS, {"id": found.id})
    found.state, found.why, found.moved_at = ImportState.READING, None, clock.now(db)
    db.flush()
    return found


def cancel(db: Session, requester_id: str, import_id: str) -> Import:
    """Read no more of a file. Tasks that were made of it stay. Twice changes nothing."""
    found = find(db, requester_id, import_id, lock=True)
    if found.state == ImportState.CANCELLED:
        return found
    _require(found, ImportState.RECEIVING, ImportState.READING, ImportState.STOPPED)
    found.state, found.why, found.moved_at = ImportState.CANCELLED, None, clock.now(db)
    db.flush()
    return found


def _require(found: Import, *states: ImportState) -> None:
    if found.state not in states:
        raise ImportMoveNotAllowed(f"This import is {found.state}.")


def find(db: Session, requester_id: str, import_id: str, *, lock: bool = False) -> Import:
    """A requester's own import; another's looks as if it did not exist."""
    rows = select(Import).where(Import.id == import_id, Import.requester_id == requester_id)
    found = db.scalar(rows.with_for_update() if lock else rows, execution_options={"populate_existing": True})
    if found is None:
        raise NoSuchImport("You have no import with this id.")
    return found


def listed(requester_id: str) -> Select[Import]:
    """All imports of a requester."""
    return select(Import).where(Import.requester_id == requester_id)


def parts(db: Session, requester_id: str, import_id: str) -> Select[ImportPart]:
    """What was sent of a file."""
    return select(ImportPart).where(ImportPart.import_id == find(db, requester_id, import_id).id)


def faults(db: Session, requester_id: str, import_id: str) -> Select[ImportFault]:
    """The first lines of a file that became no task."""
    return select(ImportFault).where(ImportFault.import_id == find(db, requester_id, import_id).id)


# The bytes


_PARTS = text("""
    SELECT number, begins, n_bytes FROM import_parts
     WHERE import_id = :id AND begins + n_bytes > :offset ORDER BY number
""")
_PIECE = text("SELECT bytes FROM import_pieces WHERE import_id = :id AND part = :part AND number = :number")


def bytes_from(db: Session, import_id: str, offset: int) -> Iterator[bytes]:
    """The bytes of a file from one of them on, a piece at a time."""
    for part in db.execute(_PARTS, {"id": import_id, "offset": offset}).all():
        first, rest = divmod(max(offset - part.begins, 0), PIECE)
        for number in range(first, -(-part.n_bytes // PIECE)):
            piece = db.scalar(_PIECE, {"id": import_id, "part": part.number, "number": number})
            assert piece is not None, "the bytes of a file that is not over are there"
            yield piece[rest:] if number == first else piece


# By the clock


_EXPIRE = text("""
    UPDATE imports SET state = 'expired', why = NULL, moved_at = now() WHERE id IN (
        SELECT id FROM imports WHERE state IN ('receiving', 'stopped') AND moved_at < now() - :kept
         ORDER BY moved_at LIMIT 20 FOR UPDATE SKIP LOCKED)
""")
_UNCLEARED = text("""
    SELECT id FROM imports WHERE NOT is_cleared AND state IN ('finished', 'failed', 'cancelled', 'expired')
     ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
""")
_CLEAR = text("""
    DELETE FROM import_pieces WHERE (import_id, part, number) IN (
        SELECT import_id, part, number FROM import_pieces WHERE import_id = :id ORDER BY part, number LIMIT 64)
""")
_CLEARED = text("UPDATE imports SET is_cleared = true WHERE id = :id")


def forget(db: Session) -> int:
    """Let go of files that nobody goes on with, and of the bytes of those that are over, some at once. A sweep."""
    expired = _changed(db.execute(_EXPIRE, {"kept": timedelta(days=DAYS_KEPT)}))
    over = db.scalar(_UNCLEARED)
    if over is None:
        return expired
    if not _changed(db.execute(_CLEAR, {"id": over})):
        db.execute(_CLEARED, {"id": over})
    return expired + 1


def _changed(result: Any) -> int:
    return cast("CursorResult[Any]", result).rowcount

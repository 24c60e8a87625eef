"""Seals: a chain of hashes over stretches of the journal, so that a changed, missing or added entry shows.

They are made behind the horizon and beside the posting, never in its way (PAYMENTS, section 1, Formance). Whoever owns
the database could write all of them anew: each new hash is told to the log, which is kept elsewhere.
"""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from payments import horizon
from payments.models import Seal

# Entries under one seal: what a sweep reads at once.
AT_ONCE = 10_000
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(7265006)")
_END = text("""
    SELECT max(id) FROM (SELECT id FROM journal_entries WHERE id > :after AND id < :before ORDER BY id LIMIT :most) AS s
""")
# One statement, so that entries and their lines are of one moment.
_SEALED = text("""
    SELECT e.id, e.idempotency_key, encode(e.request_hash, 'hex') AS request_hash, e.kind, e.lines, e.cause_ref,
           e.actor_ref, e.reverses_id, e.effective_on, e.event_at, e.created_at, l.line, l.currency, l.amount,
           d.role || ':' || d.owner_ref AS debit, c.role || ':' || c.owner_ref AS credit
      FROM journal_entries e
      LEFT JOIN journal_lines l ON l.entry_id = e.id
      LEFT JOIN accounts d ON d.id = l.debit_id LEFT JOIN accounts c ON c.id = l.credit_id
     WHERE e.id > :after AND e.id <= :to
     ORDER BY e.id, l.line
""")
_ROWS_AT_ONCE = 1000

log = structlog.get_logger()


def seal_due(db: Session) -> int:
    """Seal the next entries behind the horizon, at most `AT_ONCE`; returns how many. A sweep.

    The horizon moves once a day, so there is nothing to do for most of it. What was not done goes on the next time.
    """
    before = horizon.final(db)
    if before is None or not db.scalar(_TRY_LOCK):
        return 0
    last = _last(db)
    number, after, prev_hash = (0, "", b"") if last is None else (last.number, last.to_entry, last.hash)
    to = db.scalar(_END, {"after": after, "before": before, "most": AT_ONCE})
    if to is None:
        return 0
    found = _read(db, after, to, prev_hash)
    assert found.first is not None, "an entry that was found is there"
    seal = Seal(
        number=number + 1,
        from_entry=found.first,
        to_entry=to,
        n_entries=found.n_entries,
        sums=found.sums,
        hash=found.hash,
        prev_hash=prev_hash,
    )
    db.add(seal)
    db.flush()
    log.info("journal sealed", head=head(db), entries=seal.n_entries)
    return found.n_entries


def verify(db: Session) -> list[str]:
    """Every seal that the journal does not bear out any more, or that does not follow the one before; empty if whole.

    The chain goes on from what is stored, so that one changed entry is told once and not with all that follow it.
    """
    broken, number, after, before = [], 0, "", b""
    for seal in db.scalars(select(Seal).order_by(Seal.number)).all():
        found = _read(db, after, seal.to_entry, seal.prev_hash)
        stored = (seal.from_entry, seal.n_entries, seal.sums, seal.hash)
        if (seal.number, seal.prev_hash) != (number + 1, before):
            broken.append(f"seal {seal.number} does not follow seal {number}")
        elif stored != (found.first, found.n_entries, found.sums, found.hash):
            broken.append(f"seal {seal.number}: the entries up to {seal.to_entry} are not those that were sealed")
        number, after, before = seal.number, seal.to_entry, seal.hash
    return broken


def head(db: Session) -> str:
    """The last seal, number and hash: with it, all before are fixed. Number 0 while there is none."""
    last = _last(db)
    return "0:" if last is None else f"{last.number}:{last.hash.hex()}"


def _last(db: Session) -> Seal | None:
    return db.scalars(select(Seal).order_by(Seal.number.desc()).limit(1)).one_or_none()


def check(db: Session) -> dict[str, list[str]]:
    """The seals' invariant for `rookery check`."""
    return {"I31 the journal is as it was sealed": verify(db)}


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What a seal says of the entries it covers."""

    first: str | None
    n_entries: int
    sums: str
    hash: bytes


def _read(db: Session, after: str, to: str, prev_hash: bytes) -> _Stretch:
    """The entries behind one id, up to another, in the order of their ids, row by row."""
    digest, moved = hashlib.sha256(prev_hash), Counter[str]()
    first, entry_id, n_entries = None, None, 0
    for row in db.execute(_SEALED, {"after": after, "to": to}, execution_options={"yield_per": _ROWS_AT_ONCE}):
        if row.id != entry_id:
            first, entry_id, n_entries = first or row.id, row.id, n_entries + 1
            _add(digest, *_entry(row))
        if row.line is not None:
            moved[row.currency] += row.amount
            _add(digest, row.line, row.debit, row.credit, row.currency, row.amount)
    sums = json.dumps(dict(sorted(moved.items())), separators=(",", ":"))
    return _Stretch(first, n_entries, sums, digest.digest())


def _entry(row: Any) -> tuple[Any, ...]:
    return (
        row.id, row.idempotency_key, row.request_hash, row.kind, row.lines, row.cause_ref, row.actor_ref,
        row.reverses_id, row.effective_on.isoformat(), _written(row.event_at), _written(row.created_at),
    )  # fmt: skip


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


def _add(digest: Any, *told: Any) -> None:
    digest.update(json.dumps(told, separators=(",", ":")).encode() + b"\n")

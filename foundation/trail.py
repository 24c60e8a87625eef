"""The trail: what staff and operators changed, chained by hashes, in the transaction of the act itself. No Flask here.

Each entry's hash covers the entry and the hash before it, so that a changed, missing or added one shows. Whoever owns
the database could still write the whole chain anew, or cut off its end: the head is told to the log every minute, and
`verify` compares the chain with heads that were kept elsewhere.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import BigInteger, CheckConstraint, LargeBinary, Select, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from foundation.auth import Actor
from foundation.db import Base, Moment, Ref

_LOCK = text("SELECT pg_advisory_xact_lock(7265003)")
_NOW = text("SELECT clock_timestamp()")
_ROWS_AT_ONCE = 1000
_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")

log = structlog.get_logger()


class TrailEntry(Base):
    """One privileged act: who, when, what, to whom, and the body they sent."""

    __tablename__ = "trail_entries"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[Moment]
    actor_ref: Mapped[Ref]
    role: Mapped[str]
    token_id: Mapped[Ref]
    act: Mapped[str]
    target: Mapped[str]
    # The text that was sent, not jsonb: its hash must be the same for ever.
    details: Mapped[str]
    hash: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (CheckConstraint("seq > 0", name="seq_positive"),)


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry: with it, all before are fixed."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"


_BEGINNING = Head(0, b"")


def record(db: Session, actor: Actor, act: str, *, target: str = "", details: str = "") -> TrailEntry:
    """Add an act to the trail, as the last thing its transaction does: others who have acted wait for its end."""
    db.execute(_LOCK)
    before = head(db)
    entry = TrailEntry(
        seq=before.seq + 1,
        at=db.scalar(_NOW),
        actor_ref=actor.subject_id,
        role=actor.role,
        token_id=actor.token_id,
        act=act,
        target=target,
        details=details,
    )
    entry.hash = _hash(before, entry)
    db.add(entry)
    db.flush()
    return entry


def head(db: Session) -> Head:
    """The newest entry's number and hash; number 0 while there is none."""
    newest = db.execute(select(TrailEntry.seq, TrailEntry.hash).order_by(TrailEntry.seq.desc()).limit(1)).one_or_none()
    return _BEGINNING if newest is None else Head(newest.seq, newest.hash)


def listed() -> Select[TrailEntry]:
    """All entries."""
    return select(TrailEntry)


def verify(db: Session, kept: Iterable[Head] = ()) -> list[str]:
    """Every place where the chain is broken, or differs from a head that was kept elsewhere; empty if it is whole.

    The chain goes on from what is stored, so that one changed entry is told once and not with all that follow it.
    """
    broken, before = [], _BEGINNING
    elsewhere = {one.seq: one for one in kept}
    for entry in db.scalars(select(TrailEntry).order_by(TrailEntry.seq).execution_options(yield_per=_ROWS_AT_ONCE)):
        if entry.seq != before.seq + 1:
            broken.append(f"{entry.seq} follows {before.seq}: entries are missing")
        elif entry.hash != _hash(before, entry):
            broken.append(f"{entry.seq} was changed, or one before it")
        before = Head(entry.seq, entry.hash)
        if (known := elsewhere.pop(entry.seq, before)) != before:
            broken.append(f"{entry.seq} is not the one whose head was kept: {known}")
        db.expunge(entry)
    return broken + [f"{one.seq} is missing; its head was kept: {one}" for one in elsewhere.values()]


def check(db: Session) -> dict[str, list[str]]:
    """The trail's invariant for `rookery check`."""
    return {"T1 the trail is whole": verify(db)}


_told = _BEGINNING


def tell_head(db: Session) -> int:
    """Tell the log where the trail has come to, once for each new head. A sweep; logs are kept outside of the house."""
    global _told  # noqa: PLW0603 - what this process has said already
    newest = head(db)
    # Where there are no staff, as in the test world, there is nothing to tell.
    if newest in {_BEGINNING, _told}:
        return 0
    log.info("trail head", head=str(newest))
    _told = newest
    return 1


def _hash(before: Head, entry: TrailEntry) -> bytes:
    told: Sequence[Any] = (
        before.hash.hex(), entry.seq, _written(entry.at), entry.actor_ref, entry.role, entry.token_id,
        entry.act, entry.target, entry.details,
    )  # fmt: skip
    return hashlib.sha256(json.dumps(told, separators=(",", ":")).encode()).digest()


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def parse_head(written: str) -> Head:
    """A head as `tell_head` writes it. Raises `ValueError` for anything else."""
    found = _HEAD.fullmatch(written)
    if found is None:
        raise ValueError("A head looks like 42: and 64 hexadecimal digits.")
    return Head(int(found[1]), bytes.fromhex(found[2]))

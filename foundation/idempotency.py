"""Same key, same answer: the key row lives in the transaction of the effect it guards. No Flask here.

If the effect is rolled back the key is free again; if it is committed every later request with the key gets the
stored answer, byte for byte (but for members that are shown once). A second request waits a moment for the first.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Index, LargeBinary, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column

from foundation.db import LOCK_NOT_AVAILABLE, Base, Created, IdText, sqlstate
from foundation.errors import BadRequest, Conflict, Invalid

KEPT = timedelta(days=30)
# What a key looks like: printable ASCII without blanks.
KEY = re.compile("[!-~]{1,255}")


class IdempotencyKey(Base):
    """A key as one actor used it, what it was used for, and the answer it got."""

    __tablename__ = "idempotency_keys"

    actor_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    key: Mapped[str] = mapped_column(IdText, primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[Created]

    __table_args__ = (Index(None, "created_at"),)


class IdempotencyKeyMalformed(BadRequest):
    """The Idempotency-Key is not usable."""


class IdempotencyKeyReused(Invalid):
    """The Idempotency-Key was used for another request."""


class IdempotencyKeyInUse(Conflict):
    """A request with this Idempotency-Key is still being answered."""


@dataclass(frozen=True, slots=True)
class Replay:
    """An answer given before."""

    status: int
    body: bytes


# Shorter than any other wait of the house: whoever sends a key twice holds a thread and a connection for each.
_WAIT = text("SET LOCAL lock_timeout = '2s'")
_WAIT_AS_EVER = text("SET LOCAL lock_timeout TO DEFAULT")
_BEGIN = text("""
    INSERT INTO idempotency_keys (actor_id, key, fingerprint) VALUES (:actor_id, :key, :fingerprint)
    ON CONFLICT DO NOTHING RETURNING true
""")
_READ = text("SELECT fingerprint, status, body FROM idempotency_keys WHERE actor_id = :actor_id AND key = :key")
_FINISH = text("UPDATE idempotency_keys SET status = :status, body = :body WHERE actor_id = :actor_id AND key = :key")
_FORGET = text("""
    DELETE FROM idempotency_keys WHERE (actor_id, key) IN
       (SELECT actor_id, key FROM idempotency_keys WHERE created_at < now() - CAST(:kept AS interval) LIMIT 1000)
""")


def begin(db: Session, actor_id: str, key: str, request: bytes) -> Replay | None:
    """Reserve a key, or return the answer it got before. Call it first in the transaction of the effect."""
    if not KEY.fullmatch(key):
        raise IdempotencyKeyMalformed("An Idempotency-Key has 1 to 255 printable ASCII characters.")
    where = {"actor_id": actor_id, "key": key}
    fingerprint = hashlib.sha256(request).digest()
    if _reserve(db, {**where, "fingerprint": fingerprint}):
        return None
    row = db.execute(_READ, where).one()
    if row.fingerprint != fingerprint:
        raise IdempotencyKeyReused("Use a new key for a new request; this key belongs to another body or address.")
    return Replay(status=row.status, body=row.body)


def _reserve(db: Session, row: dict[str, object]) -> bool:
    db.execute(_WAIT)
    try:
        new = db.execute(_BEGIN, row).scalar()
    except OperationalError as error:
        if sqlstate(error) != LOCK_NOT_AVAILABLE:
            raise
        message = "Wait for the answer to the request that was sent first, then send this one again."
        raise IdempotencyKeyInUse(message, headers={"Retry-After": "1"}) from error
    db.execute(_WAIT_AS_EVER)
    return bool(new)


def finish(db: Session, actor_id: str, key: str, *, status: int, body: bytes) -> None:
    """Store the answer beside its effect."""
    db.execute(_FINISH, {"actor_id": actor_id, "key": key, "status": status, "body": body})


def forget(db: Session) -> int:
    """Drop keys past their time, a bounded number at once. A sweep."""
    return db.execute(_FORGET, {"kept": KEPT}).rowcount  # type: ignore[attr-defined,no-any-return]

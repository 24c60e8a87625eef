"""Proofs: a secret that is mailed to an address, and shows that whoever brings it back reads what comes there.

A proof is for one purpose and about one subject, of which one lives at a time. It is of use once: it ends when it is
redeemed, when a newer one takes its place, or by its time. Only its SHA-256 is kept, beside the mail that carries it
until that is erased. What follows from a proof is for whoever asked for it. No Flask here.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import DateTime, ForeignKey, Index, LargeBinary, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from foundation import clock, ids, mail
from foundation.db import Base, Created, Id, IdText, Moment, Ref
from foundation.errors import NotFound

_PREFIX = "rp_"
# Where the words of a letter have the secret.
PLACE = "{secret}"
_FORGOTTEN_AFTER_DAYS = 30
_AT_ONCE = 500


class ProofRefused(NotFound):
    """This proof is of no use."""


# All that anybody is told, whatever is wrong.
OF_NO_USE = "It is not one of ours, was used before, or its time is over. Ask for another one."


class Proof(Base):
    """One secret that was sent. The secret itself is in its letter alone."""

    __tablename__ = "proofs"

    id: Mapped[Id]
    purpose: Mapped[str]
    subject: Mapped[Ref]
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    mail_id: Mapped[str] = mapped_column(IdText, ForeignKey("mails.id"))
    created_at: Mapped[Created]
    expires_at: Mapped[Moment]
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index("ix_proofs_living", "purpose", "subject", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index(None, "expires_at"),
    )


def send(db: Session, *, purpose: str, subject: str, to: str, title: str, words: str, days: int) -> Proof:
    """Mail a fresh secret, which takes the place of any that was sent before for the same. Hold the subject's lock.

    title, words : the letter, of ours alone; the words have `PLACE` where the secret is to stand.
    """
    assert PLACE in words, "a letter that brings its secret"
    end(db, purpose=purpose, subject=subject)
    secret = _PREFIX + secrets.token_hex(32)
    letter = mail.queue(db, to=to, subject=title, body=words.replace(PLACE, secret), about=subject)
    made = Proof(
        id=ids.new("prf"),
        purpose=purpose,
        subject=subject,
        secret_hash=_hash(secret),
        mail_id=letter.id,
        expires_at=clock.now(db) + timedelta(days=days),
    )
    db.add(made)
    db.flush()
    return made


def look_up(db: Session, *, purpose: str, secret: str) -> str:
    """What a living secret is about; it stays of use. One that is wrong, used or over is refused in the same words."""
    return _living(db, purpose, secret).subject


def redeem(db: Session, *, purpose: str, secret: str) -> str:
    """What a secret is about, which is of no use from now on: of two who bring it at once, one is refused."""
    proof = _living(db, purpose, secret)
    proof.ended_at = clock.now(db)
    db.flush()
    return proof.subject


def end(db: Session, *, purpose: str, subject: str) -> None:
    """Let what was sent for this be of no use."""
    db.execute(_END, {"purpose": purpose, "subject": subject})


_END = text("UPDATE proofs SET ended_at = now() WHERE purpose = :purpose AND subject = :subject AND ended_at IS NULL")


def _living(db: Session, purpose: str, secret: str) -> Proof:
    # Looked at again once it is locked: whoever had it before may have redeemed it.
    rows = select(Proof).where(Proof.secret_hash == _hash(secret), Proof.purpose == purpose)
    living = rows.where(Proof.ended_at.is_(None), Proof.expires_at > func.now())
    found = db.scalar(living.with_for_update().execution_options(populate_existing=True))
    if found is None:
        raise ProofRefused(OF_NO_USE)
    return found


_FORGET = text("""
    DELETE FROM proofs
     WHERE id = ANY(ARRAY(SELECT id FROM proofs WHERE expires_at <= now() - make_interval(days => :days)
                           ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED))
""")


def forget(db: Session) -> int:
    """Delete proofs whose time has long been over; how many. A sweep."""
    done = db.execute(_FORGET, {"days": _FORGOTTEN_AFTER_DAYS, "limit": _AT_ONCE})
    return int(done.rowcount)  # type: ignore[attr-defined]


def _hash(secret: str) -> bytes:
    # 256 random bits, as of tokens: a slow hash would add nothing but load.
    return hashlib.sha256(secret.encode()).digest()

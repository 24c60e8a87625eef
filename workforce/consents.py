"""Consents: what people have to agree to, in versions, and who agreed to which and when."""

from collections.abc import Sequence

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import Conflict, NotFound
from workforce import onboarding
from workforce.models import Consent, ConsentVersion


class NoConsentVersion(NotFound):
    """Nothing has been published to agree to."""


class ConsentOutdated(Conflict):
    """This is not the version in force."""


def publish(db: Session, *, words: str, published_by: str) -> ConsentVersion:
    """Let these words be what people agree to from now on; everybody is asked anew."""
    db.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('consent_versions', 3))"))
    before = newest(db)
    version = 1 if before is None else before.version + 1
    made = ConsentVersion(version=version, words=words, published_by=published_by, published_at=clock.now(db))
    db.add(made)
    db.flush()
    return made


def newest(db: Session) -> ConsentVersion | None:
    """The version in force, if there is any."""
    return db.scalar(select(ConsentVersion).order_by(ConsentVersion.version.desc()).limit(1))


def in_force(db: Session) -> ConsentVersion:
    """The version in force."""
    found = newest(db)
    if found is None:
        raise NoConsentVersion("Nothing is asked of you yet.")
    return found


def give(db: Session, worker_id: str, *, version: int) -> Consent:
    """Take it that a worker agrees to the version in force. Once is enough: twice keeps the first time."""
    if (current := newest(db)) is None or current.version != version:
        raise ConsentOutdated("Read the version in force, and agree to that one.")
    onboarding.find(db, worker_id)
    db.execute(_GIVE, {"worker_id": worker_id, "version": version})
    return db.get_one(Consent, (worker_id, version))


_GIVE = text("INSERT INTO consents (worker_id, version) VALUES (:worker_id, :version) ON CONFLICT DO NOTHING")


def of_worker(db: Session, worker_id: str) -> Sequence[Consent]:
    """What a worker agreed to, the newest first."""
    rows = select(Consent).where(Consent.worker_id == worker_id)
    return db.scalars(rows.order_by(Consent.version.desc())).all()


def is_due(db: Session, worker_id: str) -> bool:
    """Whether a worker has not agreed yet to the version in force."""
    current = newest(db)
    return current is not None and db.get(Consent, (worker_id, current.version)) is None

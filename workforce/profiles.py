"""Profiles: what a worker says of themselves. Languages too, until ops have let them in: from then on ops say them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import Conflict
from workforce import onboarding, pools
from workforce.models import WorkerLanguage, WorkerProfile, WorkerStatus


class LanguagesAreOps(Conflict):
    """Languages are for ops to change by now."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A profile with its languages."""

    languages: Sequence[WorkerLanguage]
    device_class: str | None
    skills: Sequence[str]
    payout_region: str | None


def say(
    db: Session,
    worker_id: str,
    *,
    skills: Sequence[str] | None = None,
    device_class: str | None = None,
    payout_region: str | None = None,
    languages: Mapping[str, str] | None = None,
) -> Shown:
    """Take what a worker says of themselves; what they leave out stays as it was."""
    worker = onboarding.find(db, worker_id)
    if languages is not None:
        if worker.status != WorkerStatus.APPLICANT:
            raise LanguagesAreOps("You work already; ask ops to change your languages.")
        pools.set_languages(db, worker_id, languages)
    found = db.get(WorkerProfile, worker_id, with_for_update=True)
    if found is None:
        found = WorkerProfile(worker_id=worker_id, skills=[])
        db.add(found)
    found.skills = list(skills) if skills is not None else found.skills
    found.device_class = device_class or found.device_class
    found.payout_region = payout_region or found.payout_region
    found.updated_at = clock.now(db)
    db.flush()
    return of_worker(db, worker_id)


def of_worker(db: Session, worker_id: str) -> Shown:
    """What a worker has said of themselves, and the languages they are known to know."""
    found = db.get(WorkerProfile, worker_id) or WorkerProfile(skills=[], device_class=None, payout_region=None)
    known = pools.languages(db, worker_id)
    return Shown(known, found.device_class, found.skills, found.payout_region)

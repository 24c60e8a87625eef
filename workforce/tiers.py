"""The ladder of each skill. Ops move workers with a reason; moves by evidence come with the next rooms."""

import re
from collections.abc import Sequence
from enum import IntEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import NotFound
from workforce.models import TierMove, Worker, WorkerTier


class Tier(IntEnum):
    """The default ladder. An expert may settle escalated tasks."""

    CANDIDATE = 0
    NOVICE = 1
    REGULAR = 2
    SENIOR = 3
    EXPERT = 4


# What a skill's name looks like; each has a ladder of its own.
SKILL = re.compile(r"[a-z]+(\.[a-z]+)*")
SKILL_MAX = 100
# Where a worker stands on a ladder that nobody has moved them on.
STARTING = Tier.NOVICE


def set_tier(db: Session, worker_id: str, *, skill: str, tier: int, reason: str, moved_by: str) -> WorkerTier:
    """Put a worker on a step of a ladder and record why. Acts on their next claim."""
    if len(skill) > SKILL_MAX or not SKILL.fullmatch(skill):
        raise NotFound("There is no such skill; its name looks like image.categorization.")
    # Two first moves at once: there is no row of the ladder to wait for yet, so they take turns at the worker's.
    if db.get(Worker, worker_id, with_for_update={"key_share": True}) is None:
        raise NotFound("There is no such worker.")
    place = db.get(WorkerTier, (worker_id, skill), populate_existing=True)
    before = STARTING if place is None else place.tier
    if place is None:
        place = WorkerTier(worker_id=worker_id, skill=skill, tier=tier)
        db.add(place)
    place.tier = tier
    db.add(
        TierMove(
            id=ids.new("mov"),
            worker_id=worker_id,
            skill=skill,
            tier_from=before,
            tier_to=tier,
            reason=reason,
            moved_by=moved_by,
        )
    )
    db.flush()
    return place


def of_worker(db: Session, worker_id: str) -> Sequence[WorkerTier]:
    """A worker's place on every ladder they have been moved on."""
    return db.scalars(select(WorkerTier).where(WorkerTier.worker_id == worker_id).order_by(WorkerTier.skill)).all()

"""Whether the crowd is right as often as it is sure: confidence beside the share right, where the label is known."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from quality import reliability, votes
from quality.methods import intervals, reading, scores
from quality.methods.votes import UNKNOWN, FloatArray, IntArray
from quality.models import KnownLabel, ProjectFit

_KNOWN_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Bin:
    """Tasks whose confidence lies from low to high: how many, their mean confidence, and the share that is right.

    right_low, right_high : its exact 90 % interval, which is wide where tasks are few.
    """

    low: float
    high: float
    n_tasks: int
    confidence: float
    right: float
    right_low: float
    right_high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """sampled : tasks that were drawn at random, which stand for all others. adjudicated : those that were given to an
    expert because the crowd was in doubt. They are the hard ones, and say nothing of the others.
    """

    sampled: list[Bin]
    adjudicated: list[Bin]


def of_project(db: Session, project_id: str) -> Calibration:
    """Of the newest known labels, what the votes alone say of their tasks now.

    An expert's word has made their consensus certain, so each is read anew. The matrices have seen its label too, which
    makes them look better by a little: by one vote of each voter.
    """
    fit = db.get(ProjectFit, project_id)
    newest = select(KnownLabel.task_id).where(KnownLabel.project_id == project_id).order_by(KnownLabel.task_id.desc())
    task_ids = db.scalars(newest.limit(_KNOWN_MAX)).all()
    if fit is None or not task_ids:
        return Calibration([], [])
    coded = votes.read(db, project_id, n_classes=fit.n_classes, task_ids=task_ids)
    known = reliability.matrices(db, project_id, coded.voter_ids, n_classes=fit.n_classes)
    believed = reading.posterior(
        coded.votes, confusion=known.confusion, prior=known.prior, trust=known.trust, families=coded.families
    )
    voted = coded.votes.per_task() > 0
    is_sample = coded.sampled != UNKNOWN
    return Calibration(
        sampled=_bins(believed, np.where(voted & is_sample, coded.known, UNKNOWN)),
        adjudicated=_bins(believed, np.where(voted & ~is_sample, coded.known, UNKNOWN)),
    )


def _bins(believed: FloatArray, truth: IntArray) -> list[Bin]:
    found = scores.calibration(believed, truth)
    n_tasks = np.array([one.n_tasks for one in found], dtype=np.float64)
    low, high = intervals.binomial(np.array([one.right for one in found]) * n_tasks, n_tasks)
    return [
        Bin(one.low, one.high, one.n_tasks, min(one.confidence, 1.0), one.right, float(right_low), float(right_high))
        for one, right_low, right_high in zip(found, low, high, strict=True)
    ]

"""Whether the crowd is right as often as it is sure: confidence beside the share right, where the label is known."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from quality import certain, votes
from quality.methods import em, hierarchical, intervals, reading, scores
from quality.methods.reading import Trust
from quality.methods.votes import UNKNOWN, FloatArray, IntArray, Votes
from quality.models import ProjectFit

_KNOWN_MAX = votes.DECIDED_MAX
# A share of tasks moves no more long before the posteriors stand still.
_TOL = 1e-4
_ITER_MIN, _ITER_MAX = 3, 50
# Of all passes together.
_NUMBERS_MAX = 50_000_000


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
    """Of the newest decided tasks whose label is known, what the votes alone say.

    They are fitted anew without any known label. An expert's word has made the consensus of its task certain, and has
    taught the matrices who was right there: read out of these, tasks of people with few votes would look right on .97
    where .84 are.
    """
    fit, coded = db.get(ProjectFit, project_id), votes.decided(db, project_id)
    of = certain.KNOWN.c
    newest = select(of.task_id, of.label, of.is_sample).where(of.project_id == project_id).order_by(of.task_id.desc())
    rows = {row.task_id: row for row in db.execute(newest.limit(_KNOWN_MAX))}
    if fit is None or not rows.keys() & set(coded.task_ids):
        return Calibration([], [])
    unaided = hierarchical.fit(coded.votes, tol=_TOL, objective_tol=em.OBJECTIVE_TOL, max_iter=_passes(coded.votes))
    believed = reading.read(coded.votes, unaided, trust=Trust(fit.discount, fit.counted))
    truth = np.array([rows[task].label if task in rows else UNKNOWN for task in coded.task_ids], dtype=np.int64)
    is_sample = np.array([task in rows and rows[task].is_sample for task in coded.task_ids])
    return Calibration(
        sampled=_bins(believed, np.where(is_sample, truth, UNKNOWN)),
        adjudicated=_bins(believed, np.where(is_sample, UNKNOWN, truth)),
    )


def _passes(votes_: Votes) -> int:
    """How often to go over votes at most: fewer where there are many classes, for somebody waits for the answer."""
    numbers = votes_.n_voters * votes_.n_classes**2 + votes_.size * votes_.n_classes
    return int(np.clip(_NUMBERS_MAX // numbers, _ITER_MIN, _ITER_MAX))


def _bins(believed: FloatArray, truth: IntArray) -> list[Bin]:
    found = scores.calibration(believed, truth)
    n_tasks = np.array([one.n_tasks for one in found], dtype=np.float64)
    low, high = intervals.binomial(np.array([one.right for one in found]) * n_tasks, n_tasks)
    return [
        Bin(one.low, one.high, one.n_tasks, min(one.confidence, 1.0), one.right, float(right_low), float(right_high))
        for one, right_low, right_high in zip(found, low, high, strict=True)
    ]

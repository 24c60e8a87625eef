"""Confusion matrices to look at: how one worker errs in a project, and how its crowd does."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation.errors import NotFound
from quality import votes
from quality.methods.votes import FloatArray
from quality.models import ProjectFit, Reliability


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each label is given where another is true; both lists of rows, index [true][given].

    confusion : shares, each row sums to 1, as votes are weighed by them: drawn to the crowd's where votes are few.
    counts : the votes behind them, each divided among the labels that its task may have, as its consensus says;
    n_votes : their sum. Before the first fit there is neither, and both are empty.
    """

    confusion: list[list[float]]
    counts: list[list[float]]
    n_votes: int


@dataclass(frozen=True, slots=True)
class OfVoter(Confusion):
    """The same of one voter, with their reliability and its 90 % interval."""

    voter_id: str
    reliability: float
    low: float
    high: float


def of_crowd(db: Session, project_id: str) -> Confusion:
    """What is presumed of somebody whom nobody knows yet, and the newest votes of everybody."""
    fit = db.get(ProjectFit, project_id)
    if fit is None:
        return Confusion([], [], 0)
    counts, n_votes = _counts(db, project_id, None, fit.n_classes)
    return Confusion(_rows(fit.pool, fit.n_classes), counts, n_votes)


def of_voter(db: Session, project_id: str, voter_id: str) -> OfVoter:
    """How a voter errs whom a fit has seen in the project."""
    row, fit = db.get(Reliability, (project_id, voter_id)), db.get(ProjectFit, project_id)
    if row is None or fit is None:
        raise NotFound("Nobody of this id has been weighed in this project.")
    counts, n_votes = _counts(db, project_id, voter_id, fit.n_classes)
    return OfVoter(
        confusion=_rows(row.confusion, fit.n_classes),
        counts=counts,
        n_votes=n_votes,
        voter_id=voter_id,
        reliability=row.reliability,
        low=row.low,
        high=row.high,
    )


_COUNTS = text("""
    SELECT p.number - 1 AS true, v.label AS given, sum(p.share) AS votes,
           count(*) FILTER (WHERE p.number = 1) AS n_votes
      FROM (SELECT task_id, label FROM votes
             WHERE project_id = :project_id AND voter_id = coalesce(CAST(:voter_id AS text), voter_id)
             ORDER BY task_id DESC, voter_id DESC LIMIT :at_most) v
      JOIN consensus c ON c.project_id = :project_id AND c.task_id = v.task_id
      CROSS JOIN LATERAL unnest(c.posterior) WITH ORDINALITY AS p(share, number)
     GROUP BY p.number, v.label
""")


def _counts(db: Session, project_id: str, voter_id: str | None, n_classes: int) -> tuple[list[list[float]], int]:
    """Expected votes [true][given] of a voter or of everybody, and how many votes they are made of."""
    counts, n_votes = np.zeros((n_classes, n_classes)), 0
    asked: dict[str, Any] = {"project_id": project_id, "voter_id": voter_id, "at_most": votes.DECIDED_MAX}
    for row in db.execute(_COUNTS, asked):
        counts[row.true, row.given] = row.votes
        n_votes += row.n_votes
    return counts.tolist(), n_votes


def _rows(matrix: bytes, n_classes: int) -> list[list[float]]:
    shares: FloatArray = np.frombuffer(matrix).reshape(n_classes, n_classes)
    found: list[list[float]] = shares.clip(0.0, 1.0).tolist()
    return found

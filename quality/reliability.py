"""How reliable each voter has shown to be: confusion matrices, one number with its interval, and the refit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import ids, pagination
from foundation.errors import NotFound
from quality import refits, values
from quality.methods.reading import Trust
from quality.methods.votes import FloatArray
from quality.models import ProjectFit, Reliability

# Fit again when this share of votes is new. Beyond so many votes a fit no longer belongs beside a settlement, whose
# locks others wait for: `grown` tells who is to be fitted apart from it.
GROWTH = 0.05
INLINE_VOTES_MAX = 20_000
# Fit again when so many times fewer are new, but new votes were less probable than expected, or the last refit was far
# from what had been counted. The surprise of one vote, in nats, spreads by some .7 about 0, so the sum over n exceeds
# so many roots of n by chance once in five hundred fits.
_EARLIER = 5.0
_SURPRISE = 2.0
_DRIFT = 0.03
# The next answer is expected to come from somebody like a project's most active voters.
_CROWD = 200


@dataclass(frozen=True, slots=True)
class Matrices:
    """What is known of some voters, and of the crowd that the next answer will come from.

    confusion, n_votes : the voters asked for, in their order, axes [voter, true, given] and (n_voters,).
    crowd, crowd_votes, crowd_ids : the same of a project's most active voters, and who they are. prior : (n_classes,).
    trust : how far votes are believed, as the spot checks tell.
    """

    confusion: FloatArray
    n_votes: FloatArray
    crowd: FloatArray
    crowd_votes: FloatArray
    crowd_ids: list[str]
    prior: FloatArray
    trust: Trust


_SEEN = text("UPDATE project_fits SET n_since = n_since + :n_new WHERE project_id = :project_id")
# The newest refit's drift is that of what is in use.
_DUE = text("""
    SELECT f.project_id, f.n_votes + f.n_since <= :inline AS small,
           CASE WHEN f.generation = 0 OR f.n_since >= f.n_votes * :growth THEN 'grown'
                WHEN f.n_since >= f.n_votes * :growth_least
                 AND (f.surprise > :surprise * sqrt(f.n_foretold) OR r.drift_mean > :drift) THEN 'drifted' END AS cause
      FROM project_fits f LEFT JOIN refits r ON r.project_id = f.project_id AND r.number = f.generation
     WHERE f.project_id = coalesce(CAST(:project_id AS text), f.project_id)
     ORDER BY f.fitted_at
""")


def is_due(db: Session, project_id: str, *, n_new: int, urged: bool) -> bool:
    """Count votes that were just weighed, and tell whether to fit again now.

    A twentieth more votes is enough, or a fifth of that where counting strays; or anything new if it is urged. The
    work for each vote stays the same however many there are, since fits become rarer as votes become more.
    """
    db.execute(_SEEN, {"project_id": project_id, "n_new": n_new})
    fits = _due(db, project_id)
    if not fits:
        # What is no class has no matrices.
        return values.measure(db, project_id) is None
    return fits[0].small and (urged or fits[0].cause is not None)


def grown(db: Session, project_id: str | None = None) -> dict[str, str]:
    """Projects, or this one, due for a fit and too large for one beside their settlement, and why; the oldest first."""
    return {one.project_id: one.cause for one in _due(db, project_id) if not one.small and one.cause is not None}


def _due(db: Session, project_id: str | None) -> Sequence[Any]:
    where = {"project_id": project_id, "inline": INLINE_VOTES_MAX, "growth": GROWTH, "growth_least": GROWTH / _EARLIER}
    return db.execute(_DUE, {**where, "surprise": _SURPRISE, "drift": _DRIFT}).all()


def refit(db: Session, project_id: str, *, n_classes: int, cause: str = "asked") -> None:
    """A refit at once, inside the caller's transaction, who holds the project's stream until its end."""
    for _ in refits.steps(db, project_id, n_classes=n_classes, cause=cause):
        pass


def matrices(db: Session, project_id: str, voter_ids: Sequence[str], *, n_classes: int) -> Matrices:
    """The current matrices of some voters; one that no fit has seen yet has the pool's."""
    last = db.get(ProjectFit, project_id, populate_existing=True)
    if last is None:
        refit(db, project_id, n_classes=n_classes)
        last = db.get_one(ProjectFit, project_id)
    shape = (n_classes, n_classes)
    pool = np.frombuffer(last.pool).reshape(shape)
    rows = select(Reliability.voter_id, Reliability.confusion, Reliability.n_votes)
    rows = rows.where(Reliability.project_id == project_id)
    of = {
        row.voter_id: (np.frombuffer(row.confusion).reshape(shape), row.n_votes)
        for row in db.execute(rows.where(Reliability.voter_id.in_(voter_ids)))
    }
    crowd = db.execute(rows.order_by(Reliability.n_votes.desc(), Reliability.voter_id).limit(_CROWD)).all()
    return Matrices(
        confusion=np.array([of.get(voter_id, (pool, 0))[0] for voter_id in voter_ids]).reshape(-1, *shape),
        n_votes=np.array([of.get(voter_id, (pool, 0))[1] for voter_id in voter_ids], dtype=np.float64),
        crowd=np.array([np.frombuffer(row.confusion).reshape(shape) for row in crowd]).reshape(-1, *shape),
        crowd_votes=np.array([row.n_votes for row in crowd], dtype=np.float64),
        crowd_ids=[row.voter_id for row in crowd],
        prior=np.frombuffer(last.prior),
        trust=Trust(last.discount, last.counted),
    )


def page(db: Session, project_id: str, request: pagination.PageRequest) -> pagination.Page:
    """The voters of a project with their reliability, in the order of their ids."""
    if not ids.looks_valid(project_id, "prj"):
        raise NotFound("There is no such project.")
    rows = select(Reliability).where(Reliability.project_id == project_id)
    return pagination.read(db, rows, Reliability.voter_id, request, newest_first=False)


def of_voters(db: Session, project_id: str, voter_ids: Sequence[str]) -> dict[str, float]:
    """The reliability of those of these voters whom a fit has seen."""
    rows = select(Reliability.voter_id, Reliability.reliability)
    rows = rows.where(Reliability.project_id == project_id, Reliability.voter_id.in_(voter_ids))
    return dict(db.execute(rows).all())

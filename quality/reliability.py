"""How reliable each voter has shown to be: confusion matrices, one number with its interval, and the refit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import ids, pagination
from foundation.errors import NotFound
from quality import votes
from quality.methods import em, gold, hierarchical, intervals, reading
from quality.methods.reading import Trust
from quality.methods.votes import FloatArray
from quality.models import ProjectFit, Reliability

# Fit again when this share of votes is new. Beyond so many votes a fit no longer belongs beside a settlement, whose
# locks others wait for: `grown` tells who is to be fitted apart from it.
GROWTH = 0.05
INLINE_VOTES_MAX = 20_000
# A label moves no more long before the posteriors stand still to the eighth digit.
_TOL = 1e-5
_ITER_MAX = 100
# The next answer is expected to come from somebody like a project's most active voters.
_CROWD = 200


@dataclass(frozen=True, slots=True)
class Matrices:
    """What is known of some voters, and of the crowd that the next answer will come from.

    confusion, n_votes : the voters asked for, in their order, axes [voter, true, given] and (n_voters,).
    crowd, crowd_votes : the same of a project's most active voters. prior : (n_classes,). trust : how far votes are
    believed, as the spot checks tell.
    """

    confusion: FloatArray
    n_votes: FloatArray
    crowd: FloatArray
    crowd_votes: FloatArray
    prior: FloatArray
    trust: Trust


_SAVE_FIT = text("""
    INSERT INTO project_fits (project_id, n_classes, prior, pool, n_votes, n_iter, converged, discount, counted)
    VALUES (:project_id, :n_classes, :prior, :pool, :n_votes, :n_iter, :converged, :discount, :counted)
    ON CONFLICT (project_id) DO UPDATE SET prior = excluded.prior, pool = excluded.pool, n_votes = excluded.n_votes,
        n_since = 0, n_iter = excluded.n_iter, converged = excluded.converged, discount = excluded.discount,
        counted = excluded.counted, fitted_at = now()
""")
_SAVE_VOTERS = text("""
    INSERT INTO reliability (project_id, voter_id, confusion, reliability, low, high, n_votes)
    SELECT CAST(:project_id AS text), * FROM unnest(CAST(:voters AS text[]), CAST(:confusions AS bytea[]),
        CAST(:reliabilities AS float8[]), CAST(:lows AS float8[]), CAST(:highs AS float8[]), CAST(:counts AS int[]))
    ON CONFLICT (project_id, voter_id) DO UPDATE SET confusion = excluded.confusion, low = excluded.low,
        reliability = excluded.reliability, high = excluded.high, n_votes = excluded.n_votes, updated_at = now()
""")


_SEEN = text("""
    UPDATE project_fits SET n_since = n_since + :n_new WHERE project_id = :project_id RETURNING n_votes, n_since
""")
_GROWN = text("""
    SELECT project_id FROM project_fits
     WHERE n_votes + n_since > :inline AND n_since >= n_votes * :growth
       AND project_id = coalesce(CAST(:project_id AS text), project_id)
     ORDER BY fitted_at LIMIT 20
""")


def is_due(db: Session, project_id: str, *, n_new: int, urged: bool) -> bool:
    """Count votes that were just weighed, and tell whether to fit again now.

    A twentieth more votes is enough, or anything new if it is urged. The work for each vote stays the same however
    many there are, since fits become rarer as votes become more.
    """
    last = db.execute(_SEEN, {"project_id": project_id, "n_new": n_new}).one_or_none()
    if last is None:
        return True
    small = last.n_votes + last.n_since <= INLINE_VOTES_MAX
    return small and (urged or last.n_since >= last.n_votes * GROWTH)


def grown(db: Session, project_id: str | None = None) -> list[str]:
    """Projects, or this one, due for a fit and too large for one beside their settlement; the oldest fit first."""
    return list(db.scalars(_GROWN, {"inline": INLINE_VOTES_MAX, "growth": GROWTH, "project_id": project_id}))


def refit(db: Session, project_id: str, *, n_classes: int) -> None:
    """EM over all votes of a project; matrices and reliabilities back into the tables."""
    coded = votes.read(db, project_id, n_classes=n_classes)
    coded = replace(coded, votes=gold.capped(coded.votes, coded.gold))
    found = hierarchical.fit(
        coded.votes, known=coded.known, tol=_TOL, objective_tol=em.OBJECTIVE_TOL, max_iter=_ITER_MAX
    )
    trust = reading.calibrated(coded.votes, found, known=coded.sampled)
    db.execute(
        _SAVE_FIT,
        {
            "project_id": project_id,
            "n_classes": n_classes,
            "prior": found.prior.tobytes(),
            "pool": found.pool.tobytes(),
            "n_votes": coded.votes.size,
            "n_iter": found.n_iter,
            "converged": found.converged,
            "discount": trust.discount,
            "counted": trust.counted,
        },
    )
    believed = reading.read(coded.votes, found, known=coded.known, trust=trust)
    shares = intervals.reliability(coded.votes, believed)
    db.execute(
        _SAVE_VOTERS,
        {
            "project_id": project_id,
            "voters": coded.voter_ids,
            "confusions": [matrix.tobytes() for matrix in found.confusion],
            "reliabilities": shares.reliability.tolist(),
            "lows": shares.low.tolist(),
            "highs": shares.high.tolist(),
            "counts": coded.votes.per_voter().tolist(),
        },
    )


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

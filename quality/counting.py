"""What a project knows of its voters, kept up as tasks are weighed: counts, matrices, prior and pool.

A task's contribution is kept beside the counts, so it is taken back to the last digit when its posterior moves or a
vote comes in. Call all of this while holding the project's stream: who counts is alone with the counts.
"""

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from quality.methods import online
from quality.methods.online import Contribution, Statistics
from quality.methods.votes import UNKNOWN, FloatArray, IntArray, Votes, rows
from quality.models import ProjectFit
from quality.votes import Coded

_CONTRIBUTED = text("""
    SELECT task_id, posterior, voters FROM contributions
     WHERE project_id = :project_id AND generation = :generation AND task_id = ANY(:task_ids)
""")
_COUNTS = text("""
    SELECT voter_id, counts FROM reliability
     WHERE project_id = :project_id AND generation = :generation AND voter_id = ANY(:voter_ids)
""")
# An array of arrays would be flattened: the voters of a task come as lines of one text.
_CONTRIBUTE = text("""
    INSERT INTO contributions (project_id, generation, task_id, posterior, voters)
    SELECT CAST(:project_id AS text), CAST(:generation AS int), task_id, posterior, string_to_array(voters, chr(10))
      FROM unnest(CAST(:task_ids AS text[]), CAST(:posteriors AS bytea[]), CAST(:voters AS text[]))
           AS one (task_id, posterior, voters)
    ON CONFLICT (project_id, generation, task_id) DO UPDATE
       SET posterior = excluded.posterior, voters = excluded.voters, counted_at = clock_timestamp()
""")
# Nothing is known yet of how reliable somebody is whom no fit has seen, so the interval is all there is.
_FOLLOW = text("""
    INSERT INTO reliability AS r (project_id, voter_id, counts, confusion, n_votes, generation, reliability, low, high)
    SELECT CAST(:project_id AS text), voter_id, counts, confusion, n_new, CAST(:generation AS int), share, 0, 1
      FROM unnest(CAST(:voter_ids AS text[]), CAST(:counts AS bytea[]), CAST(:confusions AS bytea[]),
                  CAST(:n_new AS int[]), CAST(:shares AS float8[]))
           AS one (voter_id, counts, confusion, n_new, share)
    ON CONFLICT (project_id, voter_id) DO UPDATE
       SET counts = excluded.counts, confusion = excluded.confusion, generation = excluded.generation,
           n_votes = excluded.n_votes + CASE WHEN r.generation = excluded.generation THEN r.n_votes ELSE 0 END,
           updated_at = now()
""")
_FOLLOW_ALL = text("""
    UPDATE project_fits
       SET prior = :prior, pool = :pool, classes = :classes, total = :total, surprise = surprise + :surprise,
           n_foretold = n_foretold + :n_foretold
     WHERE project_id = :project_id
""")


def count(db: Session, project_id: str, coded: Coded) -> None:
    """Let the counts follow what has come in on some tasks since they were counted last: votes, or a certain label.

    coded : all votes of these tasks. A project that was never fitted, or not since counts are kept, waits for its fit.
    """
    fit = db.get(ProjectFit, project_id, populate_existing=True)
    if fit is None or not fit.generation or not coded.task_ids:
        return
    so_far = _contributed(db, fit, coded)
    coded, so_far = _moving(coded, so_far)
    if not coded.task_ids:
        return
    before = _statistics(db, fit, coded)
    surprises = online.surprise(coded.votes, before, so_far)
    moved = online.step(coded.votes, before, so_far, known=coded.known)
    _contribute(db, fit, coded, moved.posterior)
    after = moved.statistics
    new = np.bincount(coded.votes.voters[~so_far.added], minlength=coded.votes.n_voters)
    _follow(db, fit, coded, after, n_new=new)
    db.execute(
        _FOLLOW_ALL,
        {
            "project_id": project_id,
            "prior": after.prior.tobytes(),
            "pool": after.pool.tobytes(),
            "classes": after.classes.tobytes(),
            "total": after.total.tobytes(),
            "surprise": float(surprises.sum()),
            "n_foretold": surprises.size,
        },
    )


def _contributed(db: Session, fit: ProjectFit, coded: Coded) -> Contribution:
    where = {"project_id": fit.project_id, "generation": fit.generation, "task_ids": coded.task_ids}
    found = {row.task_id: row for row in db.execute(_CONTRIBUTED, where)}
    nothing = np.zeros(fit.n_classes)
    posterior = [np.frombuffer(found[task_id].posterior) if task_id in found else nothing for task_id in coded.task_ids]
    whose = [frozenset(found[task_id].voters) if task_id in found else () for task_id in coded.task_ids]
    return Contribution(
        posterior=np.array(posterior).reshape(-1, fit.n_classes),
        added=np.array(
            [
                coded.voter_ids[voter] in whose[task]
                for task, voter in zip(coded.votes.tasks.tolist(), coded.votes.voters.tolist(), strict=True)
            ],
            dtype=bool,
        ),
    )


def _moving(coded: Coded, so_far: Contribution) -> tuple[Coded, Contribution]:
    """Those of the tasks on which something is new, with their votes and voters alone."""
    votes = coded.votes
    is_new = np.bincount(votes.tasks[~so_far.added], minlength=votes.n_tasks) > 0
    certain = np.flatnonzero(coded.known != UNKNOWN)
    is_new[certain] |= so_far.posterior[certain, coded.known[certain]] < 1.0
    tasks, kept = np.flatnonzero(is_new), is_new[votes.tasks]
    voters, voter = np.unique(votes.voters[kept], return_inverse=True)
    some = Votes(
        tasks=np.searchsorted(tasks, votes.tasks[kept]),
        voters=voter,
        labels=votes.labels[kept],
        n_tasks=tasks.size,
        n_voters=voters.size,
        n_classes=votes.n_classes,
    )
    return (
        Coded(
            votes=some,
            task_ids=[coded.task_ids[task] for task in tasks],
            voter_ids=[coded.voter_ids[one] for one in voters],
            known=coded.known[tasks],
            sampled=coded.sampled[tasks],
            gold=coded.gold[tasks],
            experts=coded.experts[voters],
        ),
        Contribution(so_far.posterior[tasks], so_far.added[kept]),
    )


def _statistics(db: Session, fit: ProjectFit, coded: Coded) -> Statistics:
    shape = (fit.n_classes, fit.n_classes)
    where = {"project_id": fit.project_id, "generation": fit.generation, "voter_ids": coded.voter_ids}
    found = {row.voter_id: np.frombuffer(row.counts) for row in db.execute(_COUNTS, where)}
    nothing = np.zeros(fit.n_classes**2)
    counts = np.array([found.get(voter_id, nothing) for voter_id in coded.voter_ids]).reshape(-1, *shape)
    assert fit.total is not None, "a fit with a generation has statistics"
    assert fit.classes is not None, "a fit with a generation has statistics"
    return Statistics(counts, np.frombuffer(fit.total).reshape(shape), np.frombuffer(fit.classes), coded.experts)


def _contribute(db: Session, fit: ProjectFit, coded: Coded, posterior: FloatArray) -> None:
    db.execute(
        _CONTRIBUTE,
        {
            "project_id": fit.project_id,
            "generation": fit.generation,
            "task_ids": coded.task_ids,
            "posteriors": [row.tobytes() for row in posterior],
            "voters": ["\n".join(sorted(one)) for one in coded.voters_of_tasks()],
        },
    )


def _follow(db: Session, fit: ProjectFit, coded: Coded, after: Statistics, *, n_new: IntArray) -> None:
    confusion = rows(after.weights)
    shares = np.clip(np.diagonal(confusion, axis1=1, axis2=2) @ after.prior, 0.0, 1.0)
    db.execute(
        _FOLLOW,
        {
            "project_id": fit.project_id,
            "generation": fit.generation,
            "voter_ids": coded.voter_ids,
            "counts": [matrix.tobytes() for matrix in after.counts],
            "confusions": [matrix.tobytes() for matrix in confusion],
            "n_new": n_new.tolist(),
            "shares": shares.tolist(),
        },
    )

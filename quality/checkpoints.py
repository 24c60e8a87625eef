"""Checkpoints: how far the fit of a refit has come, so that the next one goes on from there if this one is killed."""

import numpy as np
from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from quality.methods import hierarchical
from quality.methods.fit import Fit
from quality.methods.votes import FloatArray
from quality.models import Checkpoint
from quality.votes import Coded

# With more new votes than this share, a fit begins anew: it might end elsewhere.
_GROWTH = 0.05

_KEEP = text("""
    INSERT INTO checkpoints (project_id, n_votes, n_iter, voters, counts, classes)
    VALUES (:project_id, :n_votes, :n_iter, :voters, :counts, :classes)
    ON CONFLICT (project_id) DO UPDATE SET n_votes = excluded.n_votes, n_iter = excluded.n_iter,
        voters = excluded.voters, counts = excluded.counts, classes = excluded.classes, created_at = now()
""")


def keep(db: Session, project_id: str, coded: Coded, fit: Fit, *, n_iter: int) -> None:
    """Keep how far a fit has come, in place of what was kept before. n_iter : passes of all parts of it so far."""
    db.execute(
        _KEEP,
        {
            "project_id": project_id,
            "n_votes": coded.votes.size,
            "n_iter": n_iter,
            "voters": coded.voter_ids,
            "counts": fit.counts.tobytes(),
            "classes": fit.posterior.sum(axis=0).tobytes(),
        },
    )


def resume(db: Session, project_id: str, coded: Coded) -> tuple[FloatArray | None, int]:
    """Posteriors to begin from, (n_tasks, n_classes), and after how many passes; None and 0 if none fit the votes."""
    found = db.get(Checkpoint, project_id, populate_existing=True)
    if found is None or abs(coded.votes.size - found.n_votes) > _GROWTH * found.n_votes:
        return None, 0
    n_classes = coded.votes.n_classes
    row_of = {voter_id: row for row, voter_id in enumerate(found.voters)}
    known = np.array([row_of.get(voter_id, len(row_of)) for voter_id in coded.voter_ids], dtype=np.int64)
    shape = (len(row_of), n_classes, n_classes)
    counts = np.concatenate((np.frombuffer(found.counts).reshape(shape), np.zeros((1, *shape[1:]))))
    start = hierarchical.resumed(
        coded.votes, counts[known], np.frombuffer(found.classes), known=coded.known, experts=coded.experts
    )
    return start, found.n_iter


def forget(db: Session, project_id: str) -> None:
    """A refit is done; the next one begins anew."""
    db.execute(delete(Checkpoint).where(Checkpoint.project_id == project_id))

"""How far a project's voters agree, and who disagrees with whom beyond what their errors explain.

Of a large project it is asked of the newest votes, so that the answer takes the same time however large it is.
"""

from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import NotFound
from quality import reliability, votes
from quality.methods import agreement
from quality.methods.agreement import Agreement
from quality.models import ProjectFit

# Fewer tasks in common tell nothing of two people.
SHARED_MIN = 10
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Pair:
    """Two voters, on how many tasks both have voted, the share on which they agree and the share to be expected."""

    voter_ids: list[str]
    n_shared: int
    agreement: float
    expected: float


def of_project(db: Session, project_id: str) -> Agreement:
    """Agreement over all tasks that the crowd is through with."""
    return agreement.of_crowd(votes.decided(db, project_id).votes)


def disagreements(db: Session, project_id: str, *, shared_min: int = SHARED_MIN) -> list[Pair]:
    """The pairs whose agreement falls short the most, measured in standard deviations; no pair that agrees enough.

    Expected is how often two agree whose own errors, as their matrices tell them, are all that comes between them. Two
    who are both unreliable are expected to disagree, and are not shown for that.
    """
    if not ids.looks_valid(project_id, "prj"):
        raise NotFound("There is no such project.")
    fit = db.get(ProjectFit, project_id)
    coded = votes.decided(db, project_id)
    found = agreement.pairs(coded.votes, shared_min=shared_min)
    if fit is None or not found.shared.size:
        return []
    known = reliability.matrices(db, project_id, coded.voter_ids, n_classes=fit.n_classes)
    expected = agreement.explained(found, confusion=known.confusion, prior=known.prior)
    less = agreement.shortfall(found, expected)
    # Of equals the first by their ids.
    worst = np.lexsort((found.other, found.one, -less))[:_SHOWN]
    return [
        Pair(
            voter_ids=[coded.voter_ids[found.one[i]], coded.voter_ids[found.other[i]]],
            n_shared=int(found.shared[i]),
            agreement=float(found.agreed[i] / found.shared[i]),
            expected=min(float(expected[i]), 1.0),
        )
        for i in worst.tolist()
        if less[i] > 0.0
    ]

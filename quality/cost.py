"""What confidence costs: how many answers a project's tasks would have taken for another target."""

from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from quality import reliability, votes
from quality.methods import reading, stopping
from quality.methods.stopping import Stop
from quality.models import ProjectFit

TARGETS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 0.99)


@dataclass(frozen=True, slots=True)
class Curve:
    """A stop for each target confidence, over so many tasks; none if no task is decided yet."""

    stops: list[Stop]
    n_tasks: int


def curve(db: Session, project_id: str, *, answers_min: int) -> Curve:
    """The votes on the newest tasks that the crowd is through with, replayed in the order in which they came.

    They are weighed by what is known of their voters now. Nobody was asked beyond the answers that a task has: of a
    target above the project's own it shows how far those would have gone.
    """
    fit = db.get(ProjectFit, project_id)
    coded = votes.decided(db, project_id)
    if fit is None or not coded.task_ids:
        return Curve([], 0)
    known = reliability.matrices(db, project_id, coded.voter_ids, n_classes=fit.n_classes)
    read = partial(reading.posterior, confusion=known.confusion, prior=known.prior, trust=known.trust)
    return Curve(
        stopping.replay(coded.votes, read, targets=TARGETS, answers_min=answers_min),
        len(coded.task_ids),
    )

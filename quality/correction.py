"""A gold, or a settled task, that had the wrong label: what another one would change, and the change itself."""

from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import Conflict
from quality import certain, checking, consensus, gold, proposals, reliability, votes
from quality.methods import em, hierarchical, intervals, reading
from quality.methods import gold as capping
from quality.methods.votes import UNKNOWN, FloatArray, IntArray
from quality.models import Gold, GoldCorrection, ProjectFit
from quality.votes import Coded

# Two fits have to be made while somebody waits.
VOTES_MAX = 100_000
# As a refit does it.
_TOL = 1e-5
_ITER_MAX = 100
# So much a reliability moves before it is told of, and so many voters and tasks are named.
_MOVED = 0.005
_NAMED = 20


class LabelStands(Conflict):
    """The gold has this label already."""


class TooManyVotes(Conflict):
    """The project is too large for a preview."""


@dataclass(frozen=True, slots=True)
class Move:
    """A voter whose reliability would be another."""

    voter_id: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Flip:
    """A task whose consensus would be another."""

    task_id: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What another label would change: totals, and the largest changes of voters and some of the tasks.

    become_right, become_wrong : votes on the gold.
    """

    label_from: int
    label_to: int
    become_right: int
    become_wrong: int
    voters_moved: int
    voters: list[Move]
    tasks_flipped: int
    tasks: list[Flip]


def preview(db: Session, project_id: str, task_id: str, *, label: int, n_classes: int) -> Preview:
    """What would change if a gold had this label. Nothing is written."""
    known = gold.find(db, project_id, task_id)
    if known.label == label:
        raise LabelStands("There is nothing to correct.")
    last = db.get(ProjectFit, project_id, populate_existing=True)
    if last is not None and last.n_votes + last.n_since > VOTES_MAX:
        raise TooManyVotes(f"It has more than {VOTES_MAX} votes; a correction is applied by the next fit.")
    coded = votes.read_all(db, project_id, n_classes=n_classes)
    given = [int(one) for one in _given(coded, task_id)]
    voters, tasks = _compared(coded, _told(coded, task_id, label))
    return Preview(
        label_from=known.label,
        label_to=label,
        become_right=given.count(label),
        become_wrong=given.count(known.label),
        voters_moved=len(voters),
        voters=voters[:_NAMED],
        tasks_flipped=len(tasks),
        tasks=tasks[:_NAMED],
    )


def _given(coded: Coded, task_id: str) -> IntArray:
    on_task = np.array([one == task_id for one in coded.task_ids], dtype=np.bool_)
    found: IntArray = coded.votes.labels[on_task[coded.votes.tasks]]
    return found


def _told(coded: Coded, task_id: str, label: int) -> Coded:
    """The same votes under another label of one gold."""
    here = np.array([one == task_id for one in coded.task_ids], dtype=np.bool_)
    return replace(coded, known=np.where(here, label, coded.known), gold=np.where(here, label, coded.gold))


def _compared(before: Coded, after: Coded) -> tuple[list[Move], list[Flip]]:
    """Who would be more or less reliable, the largest move first; and which tasks would have another label."""
    if not before.votes.size:
        return [], []
    (share_before, label_before), (share_after, label_after) = _fitted(before), _fitted(after)
    moved = np.abs(share_after - share_before)
    order = [int(i) for i in np.argsort(-moved, kind="stable") if moved[i] >= _MOVED]
    flipped = np.flatnonzero((label_before != label_after) & (before.known == UNKNOWN) & (after.known == UNKNOWN))
    return (
        [Move(before.voter_ids[i], float(share_before[i]), float(share_after[i])) for i in order],
        [Flip(before.task_ids[i], int(label_before[i]), int(label_after[i])) for i in flipped],
    )


def _fitted(coded: Coded) -> tuple[FloatArray, IntArray]:
    """The reliability of every voter and the label of every task, as a refit would find them."""
    cast = capping.capped(coded.votes, coded.gold)
    found = hierarchical.fit(
        cast, known=coded.known, experts=coded.experts, tol=_TOL, objective_tol=em.OBJECTIVE_TOL, max_iter=_ITER_MAX
    )
    trust = reading.calibrated(cast, found, known=coded.sampled, families=coded.families)
    believed = reading.read(cast, found, known=coded.known, trust=trust, families=coded.families)
    return intervals.reliability(cast, believed).reliability, believed.argmax(axis=1)


_CORRECT = text("""
    UPDATE golds SET label = :label, ended_by = CASE ended_by WHEN 'contested' THEN 'told' ELSE ended_by END
     WHERE project_id = :project_id AND task_id = :task_id
""")
# As if all its votes were new: the sweep that fits large projects takes it next.
_MARK = text("UPDATE project_fits SET n_since = greatest(n_since, n_votes) WHERE project_id = :project_id")


@dataclass(frozen=True, slots=True)
class Corrected:
    """A correction that is made. refitted : whether reliabilities follow it already, or will with the next sweep."""

    id: str
    label_from: int
    label_to: int
    refitted: bool


def apply(
    db: Session,
    project_id: str,
    task_id: str,
    *,
    label: int,
    n_classes: int,
    reason: str,
    corrected_by: str,
    correction_id: str | None = None,
) -> Corrected:
    """Give a gold another label, keep who said so and why, and fit again. Hold the project's stream.

    A gold that was retired because its label was doubted counts as known again. correction_id : under which id it is
    kept, if whoever asks has one for it.
    """
    row = db.get(Gold, (project_id, task_id), with_for_update=True, populate_existing=True)
    if row is None:
        raise gold.NoSuchGold("This project has no gold with this id.")
    if row.label == label:
        raise LabelStands("There is nothing to correct.")
    made = GoldCorrection(
        id=correction_id or ids.new("cor"),
        project_id=project_id,
        task_id=task_id,
        label_from=row.label,
        label_to=label,
        reason=reason,
        corrected_by=corrected_by,
    )
    db.add(made)
    db.flush()
    db.execute(_CORRECT, {"project_id": project_id, "task_id": task_id, "label": label})
    checking.recheck(db, project_id, task_id)
    return Corrected(made.id, made.label_from, label, refitted=refit(db, project_id, n_classes))


def relabel(
    db: Session,
    project_id: str,
    task_id: str,
    *,
    label: int,
    n_classes: int,
    reason: str,
    corrected_by: str,
    correction_id: str,
) -> None:
    """Let another label of a settled task be certain, keep who said so and why, and fit again. Hold the stream.

    Votes on it are judged by it, those that were not judged yet too: as a task in dispute, which counts in no record.
    """
    told = {"reason": reason, "corrected_by": corrected_by, "correction_id": correction_id}
    certain.correct(db, project_id, task_id, label=label, **told)
    consensus.overrule(db, project_id, task_id, label=label)
    proposals.withdraw(db, project_id, task_id, withdrawn_by=corrected_by)
    consensus.learn(db, project_id, [task_id], n_classes=n_classes)
    checking.recheck_task(db, project_id, task_id)
    refit(db, project_id, n_classes)


def refit(db: Session, project_id: str, n_classes: int) -> bool:
    """Fit a project again whose certain labels are others now: at once, or, of many votes, with the next sweep."""
    last = db.get(ProjectFit, project_id, populate_existing=True)
    if last is None:
        # No vote has been weighed yet; the first fit will know it.
        return True
    if last.n_votes + last.n_since <= reliability.INLINE_VOTES_MAX:
        reliability.refit(db, project_id, n_classes=n_classes)
        return True
    db.execute(_MARK, {"project_id": project_id})
    return False

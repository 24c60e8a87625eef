"""Votes: cast once for a task and a voter, read back as arrays of codes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from quality.gold_words import Ending
from quality.methods.votes import UNKNOWN, IntArray, Votes
from quality.models import Gold, KnownLabel, Vote

CAST = text("""
    INSERT INTO votes (project_id, task_id, voter_id, label) VALUES (:project_id, :task_id, :voter_id, :label)
    ON CONFLICT DO NOTHING
""")

# So many of the newest votes say how a project is going; looking at them takes less than a second.
DECIDED_MAX = 50_000


@dataclass(frozen=True, slots=True)
class Coded:
    """Votes as arrays of codes, with the ids that the codes stand for and the labels that are certain.

    known : (n_tasks,), a class or UNKNOWN. sampled : the same of those alone that were drawn at random. gold : the same
    of those alone that were known before anybody was asked.
    """

    votes: Votes
    task_ids: list[str]
    voter_ids: list[str]
    known: IntArray
    sampled: IntArray
    gold: IntArray


def cast(db: Session, *, project_id: str, task_id: str, voter_id: str, label: int) -> None:
    """Record a vote. A voter's first vote for a task stands."""
    db.execute(CAST, {"project_id": project_id, "task_id": task_id, "voter_id": voter_id, "label": label})


def read(db: Session, project_id: str, *, n_classes: int, task_ids: Sequence[str] | None = None) -> Coded:
    """The votes of a project, or of some of its tasks, in the canonical order of ids."""
    rows = select(Vote.task_id, Vote.voter_id, Vote.label).where(Vote.project_id == project_id)
    certain = select(KnownLabel.task_id, KnownLabel.label, KnownLabel.is_sample).where(
        KnownLabel.project_id == project_id
    )
    if task_ids is not None:
        rows, certain = (
            rows.where(Vote.task_id.in_(task_ids)),
            certain.where(KnownLabel.task_id.in_(task_ids)),
        )
    found = db.execute(rows).all()
    certainties = db.execute(certain).all()
    gold_of = _gold_of(db, project_id, {row.task_id for row in found})
    known_of = {row.task_id: row.label for row in certainties} | gold_of
    sampled_of = {row.task_id: row.label for row in certainties if row.is_sample}
    tasks = sorted({row.task_id for row in found} | known_of.keys() | set(task_ids or ()))
    voters = sorted({row.voter_id for row in found})
    task_code = {task_id: code for code, task_id in enumerate(tasks)}
    voter_code = {voter_id: code for code, voter_id in enumerate(voters)}
    return Coded(
        votes=Votes(
            tasks=np.array([task_code[row.task_id] for row in found], dtype=np.int64),
            voters=np.array([voter_code[row.voter_id] for row in found], dtype=np.int64),
            labels=np.array([row.label for row in found], dtype=np.int64),
            n_tasks=len(tasks),
            n_voters=len(voters),
            n_classes=n_classes,
        ),
        task_ids=tasks,
        voter_ids=voters,
        known=np.array([known_of.get(task_id, UNKNOWN) for task_id in tasks], dtype=np.int64),
        sampled=np.array([sampled_of.get(task_id, UNKNOWN) for task_id in tasks], dtype=np.int64),
        gold=np.array([gold_of.get(task_id, UNKNOWN) for task_id in tasks], dtype=np.int64),
    )


@dataclass(frozen=True, slots=True)
class Decided:
    """Votes on tasks that the crowd is through with, in the order in which they came, and what codes stand for.

    Every task has at least one vote, and every voter.
    """

    votes: Votes
    task_ids: list[str]
    voter_ids: list[str]


_DECIDED = text("""
    SELECT v.task_id, v.voter_id, v.label, v.created_at, f.n_classes
      FROM project_fits f
      JOIN votes v ON v.project_id = f.project_id
      JOIN consensus c ON c.project_id = f.project_id AND c.task_id = v.task_id AND c.decision IN ('settle', 'escalate')
     WHERE f.project_id = :project_id ORDER BY v.task_id DESC, v.voter_id DESC LIMIT :at_most
""")


def decided(db: Session, project_id: str) -> Decided:
    """The newest votes of a project on tasks that are settled or with an expert; at most `DECIDED_MAX`."""
    found = db.execute(_DECIDED, {"project_id": project_id, "at_most": DECIDED_MAX}).all()
    if len(found) == DECIDED_MAX:
        # The last task may have been cut off.
        found = [row for row in found if row.task_id != found[-1].task_id]
    found = sorted(found, key=lambda row: (row.task_id, row.created_at, row.voter_id))
    tasks = sorted({row.task_id for row in found})
    voters = sorted({row.voter_id for row in found})
    task_code = {task_id: code for code, task_id in enumerate(tasks)}
    voter_code = {voter_id: code for code, voter_id in enumerate(voters)}
    return Decided(
        votes=Votes(
            tasks=np.array([task_code[row.task_id] for row in found], dtype=np.int64),
            voters=np.array([voter_code[row.voter_id] for row in found], dtype=np.int64),
            labels=np.array([row.label for row in found], dtype=np.int64),
            n_tasks=len(tasks),
            n_voters=len(voters),
            n_classes=found[0].n_classes if found else 1,
        ),
        task_ids=tasks,
        voter_ids=voters,
    )


def _gold_of(db: Session, project_id: str, voted: Collection[str]) -> dict[str, int]:
    """The labels of gold that was voted on. What is retired because its label is doubted counts as unknown."""
    rows = select(Gold.task_id, Gold.label).where(Gold.project_id == project_id)
    rows = rows.where(Gold.ended_by.is_distinct_from(Ending.CONTESTED))
    return {row.task_id: row.label for row in db.execute(rows) if row.task_id in voted}

"""Values: what answers say that are no classes. Each different one of a task has a number, which is its label.

So a vote, a ruling, what is known of a task and what it is settled with are numbers, as they are where answers are
classes, and all that counts, pays and corrects them knows no difference. What a number says is here, as its kind writes
it (`kinds.py`).
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from quality import certain
from quality.kinds import KINDS, Kind
from quality.models import ProjectSkill
from quality.structured.answers import Answers


@dataclass(frozen=True, slots=True)
class Measure:
    """How the answers of a project are read, merged and compared. tolerance : None is what is usual, if it has one."""

    kind: Kind
    tolerance: float | None

    def options(self, answers: Answers[Any]) -> Mapping[str, float]:
        """What the kind's functions take beside some answers."""
        if self.kind.tolerance is None:
            return {}
        return {"tolerance": self.tolerance or self.kind.tolerance(answers)}


def measure(db: Session, project_id: str) -> Measure | None:
    """How answers of a project are compared; None where they are classes."""
    rows = select(ProjectSkill.kind, ProjectSkill.tolerance).where(ProjectSkill.project_id == project_id)
    found = db.execute(rows).one_or_none()
    return None if found is None or found.kind is None else Measure(KINDS[found.kind], found.tolerance)


# Two values of one task at once would take the same number.
_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended('values of ' || :task_id, 0))")
_NUMBER = text("""
    WITH there AS MATERIALIZED (
        SELECT label FROM task_values WHERE project_id = :project_id AND task_id = :task_id AND digest = :digest),
    made AS (
        INSERT INTO task_values (project_id, task_id, label, digest, value)
        SELECT :project_id, :task_id, coalesce(max(label) + 1, 0), :digest, :value FROM task_values
         WHERE project_id = :project_id AND task_id = :task_id HAVING NOT EXISTS (SELECT FROM there)
        RETURNING label)
    SELECT label FROM there UNION ALL SELECT label FROM made
""")


def number(db: Session, project_id: str, task_id: str, written: str) -> int:
    """The label of a value of a task, which gets the next one if nobody has said this before.

    written : as its kind writes it, so that whoever says the same has the same number.
    """
    db.execute(_TURN, {"task_id": task_id})
    where = {"project_id": project_id, "task_id": task_id}
    digest = hashlib.sha256(written.encode()).digest()
    return int(db.execute(_NUMBER, {**where, "digest": digest, "value": written}).scalar_one())


def rewritten(db: Session, project_id: str, written: str) -> str:
    """What somebody wrote, as its kind writes it. Raises `Unfit`."""
    found = measure(db, project_id)
    assert found is not None, "a project whose answers are no classes"
    return found.kind.write(found.kind.read(written))


_SAID = text("""
    SELECT v.task_id, v.label, v.value
      FROM unnest(CAST(:task_ids AS text[]), CAST(:labels AS int[])) AS w(task_id, label)
      JOIN task_values v ON v.project_id = :project_id AND v.task_id = w.task_id AND v.label = w.label
""")


def said(db: Session, project_id: str, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """What labels of tasks say, by task and label."""
    columns = {"task_ids": [task_id for task_id, _ in wanted], "labels": [label for _, label in wanted]}
    rows = db.execute(_SAID, {"project_id": project_id, **columns})
    return {(row.task_id, row.label): row.value for row in rows}


# SQL: whether a vote `v` is right where the label of `k` is known.
IS_RIGHT = """(v.label = k.label OR EXISTS (
               SELECT FROM like_values l WHERE l.project_id = v.project_id AND l.task_id = v.task_id
                                           AND l.label = v.label AND l.known = k.label))"""
_BESIDE_KNOWN = text(f"""
    SELECT k.task_id, k.label AS known, t.value AS truth, v.label, v.value
      FROM {certain.LABELS} k
      JOIN task_values t ON t.project_id = k.project_id AND t.task_id = k.task_id AND t.label = k.label
      JOIN task_values v ON v.project_id = k.project_id AND v.task_id = k.task_id
     WHERE k.project_id = :project_id AND k.task_id = ANY(:task_ids) ORDER BY k.task_id, v.label
""")
_ALIKE = text("""
    INSERT INTO like_values (project_id, task_id, label, known)
    SELECT :project_id, * FROM unnest(CAST(:task_ids AS text[]), CAST(:labels AS int[]), CAST(:known AS int[]))
    ON CONFLICT DO NOTHING
""")


def compare(db: Session, project_id: str, task_ids: Sequence[str]) -> None:
    """Note which values of tasks agree with what is known of these; nothing where answers are classes."""
    found = measure(db, project_id)
    if found is None:
        return
    rows = db.execute(_BESIDE_KNOWN, {"project_id": project_id, "task_ids": list(task_ids)}).all()
    if not rows:
        return
    of_task: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        of_task[row.task_id].append(row)
    code = {task_id: i for i, task_id in enumerate(of_task)}
    answers = Answers(
        tasks=np.array([code[row.task_id] for row in rows], dtype=np.int64),
        # Each value as somebody's of its own: nobody is rated here.
        voters=np.array([i for same in of_task.values() for i in range(len(same))], dtype=np.int64),
        values=[found.kind.read(row.value) for row in rows],
        n_tasks=len(code),
        n_voters=max(map(len, of_task.values())),
    )
    known = {code[task_id]: found.kind.read(same[0].truth) for task_id, same in of_task.items()}
    agreement = found.kind.aggregate(answers, known=known, **found.options(answers)).agreement
    alike = [row for row, share in zip(rows, agreement.tolist(), strict=True) if share >= found.kind.right]
    columns = {"task_ids": [row.task_id for row in alike], "labels": [row.label for row in alike]}
    db.execute(_ALIKE, {"project_id": project_id, **columns, "known": [row.known for row in alike]})

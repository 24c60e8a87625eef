"""What the answers of a task come to that are no classes: a value, how sure it is, and where the task stands.

Voters are rated by what they answered together with the tasks before; so many of these are looked at that a settlement
has time for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from quality import certain, standings, values
from quality.escalation import Standing
from quality.structured.answers import Answers
from quality.values import Measure

# Of tasks that are decided, the newest: at most so many, and so many characters of answers.
_BEFORE = 100
_CHARACTERS = 200_000

_DECIDED = text("""
    SELECT task_id FROM consensus
     WHERE project_id = :project_id AND decision IN ('settle', 'escalate') AND task_id <> ALL(:task_ids)
     ORDER BY task_id DESC LIMIT :most
""")
_VOTES = text("""
    SELECT v.task_id, v.voter_id, x.value
      FROM votes v JOIN task_values x ON x.project_id = v.project_id AND x.task_id = v.task_id AND x.label = v.label
     WHERE v.project_id = :project_id AND v.task_id = ANY(:task_ids)
     ORDER BY v.task_id DESC, v.created_at, v.voter_id
""")
_KNOWN = text(f"""
    SELECT k.task_id, x.value
      FROM {certain.LABELS} k
      JOIN task_values x ON x.project_id = k.project_id AND x.task_id = k.task_id AND x.label = k.label
     WHERE k.project_id = :project_id AND k.task_id = ANY(:task_ids)
""")


@dataclass(frozen=True, slots=True)
class Merged:
    """A task's answers as one: the label of its value, who answered, and where it stands."""

    task_id: str
    label: int
    voter_ids: list[str]
    standing: Standing


def merge(db: Session, project_id: str, measure: Measure, task_ids: Sequence[str]) -> list[Merged]:
    """Merge the answers of some tasks, in the order of their ids; those that nobody has answered are left out."""
    where = {"project_id": project_id}
    asked = sorted(set(task_ids))
    before = db.scalars(_DECIDED, {**where, "task_ids": asked, "most": _BEFORE}).all()
    rows = [*_of(db, project_id, asked), *_some(_of(db, project_id, before))]
    tasks, voters = sorted({row.task_id for row in rows}), sorted({row.voter_id for row in rows})
    task_code = {task_id: code for code, task_id in enumerate(tasks)}
    voter_code = {voter_id: code for code, voter_id in enumerate(voters)}
    answers = Answers(
        tasks=np.array([task_code[row.task_id] for row in rows], dtype=np.int64),
        voters=np.array([voter_code[row.voter_id] for row in rows], dtype=np.int64),
        values=[measure.kind.read(row.value) for row in rows],
        n_tasks=len(tasks),
        n_voters=len(voters),
    )
    certain = db.execute(_KNOWN, {**where, "task_ids": tasks})
    known = {task_code[row.task_id]: measure.kind.read(row.value) for row in certain}
    options = measure.options(answers)
    found = measure.kind.aggregate(answers, known=known, **options)
    fewer = measure.kind.aggregate(standings.without_last(answers), known=known, **options)
    stand = standings.standings(answers, found, fewer)
    of_task = answers.of_tasks()
    return [
        Merged(
            task_id=task_id,
            label=values.number(db, project_id, task_id, measure.kind.write(found.consensus[task_code[task_id]])),
            voter_ids=[voters[answers.voters[i]] for i in of_task[task_code[task_id]].tolist()],
            standing=stand[task_code[task_id]],
        )
        for task_id in asked
        if task_id in task_code
    ]


def _of(db: Session, project_id: str, task_ids: Sequence[str]) -> Sequence[Any]:
    """What was answered to tasks, the newest first, in the order in which it came."""
    return db.execute(_VOTES, {"project_id": project_id, "task_ids": list(task_ids)}).all()


def _some(rows: Sequence[Any]) -> list[Any]:
    """Answers to whole tasks, as many as there is time for."""
    kept, characters = list[Any](), 0
    for _, same in groupby(rows, key=lambda row: row.task_id):
        of_task = list(same)
        characters += sum(len(row.value) for row in of_task)
        if characters > _CHARACTERS:
            break
        kept += of_task
    return kept

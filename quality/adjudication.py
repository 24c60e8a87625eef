"""What experts decide. One word makes a label certain; where two differ a panel is asked, and most of it decides."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, select, text
from sqlalchemy.orm import Session, aliased

from foundation import ids, pagination
from foundation.errors import NotFound
from quality import certain
from quality.models import Adjudication


@dataclass(frozen=True, slots=True)
class Ruling:
    """One expert's word on one task."""

    task_id: str
    voter_id: str
    label: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the experts say together who have ruled on a task.

    label : what most of them say; of labels said equally often, the one that the crowd finds likelier. voter_id : the
    first who said it. agreed : whether all of them do.
    """

    label: int
    voter_id: str
    n_rulings: int
    agreed: bool


_RECORD = text("""
    INSERT INTO adjudications (project_id, task_id, voter_id, label) VALUES (:project_id, :task_id, :voter_id, :label)
    ON CONFLICT DO NOTHING
""")
_RULINGS = text("""
    SELECT a.task_id, a.label, count(*) AS n, (array_agg(a.voter_id ORDER BY a.created_at, a.voter_id))[1] AS voter_id,
           coalesce(c.posterior[a.label + 1], 0) AS crowd
      FROM adjudications a
      LEFT JOIN consensus c ON c.project_id = a.project_id AND c.task_id = a.task_id
     WHERE a.project_id = :project_id AND a.task_id = ANY(:task_ids)
     GROUP BY a.task_id, a.label, c.posterior ORDER BY a.task_id, n DESC, crowd DESC, a.label
""")


def record(db: Session, project_id: str, rulings: Sequence[Ruling]) -> None:
    """Keep what experts said. An expert's first word on a task stands."""
    rows = [
        {"project_id": project_id, "task_id": one.task_id, "voter_id": one.voter_id, "label": one.label}
        for one in rulings
    ]
    if rows:
        db.execute(_RECORD, rows)


def verdicts(db: Session, project_id: str, task_ids: Sequence[str]) -> dict[str, Verdict]:
    """What has been said so far of those of these tasks on which anybody has ruled."""
    said: dict[str, list[Any]] = defaultdict(list)
    for row in db.execute(_RULINGS, {"project_id": project_id, "task_ids": list(task_ids)}):
        said[row.task_id].append(row)
    return {
        task_id: Verdict(
            label=labels[0].label,
            voter_id=labels[0].voter_id,
            n_rulings=sum(row.n for row in labels),
            agreed=len(labels) == 1,
        )
        for task_id, labels in said.items()
    }


def page(db: Session, project_id: str, request: pagination.PageRequest) -> pagination.Page:
    """The experts of a project with how often others ruled on the same task, and how often theirs became the label."""
    if not ids.looks_valid(project_id, "prj"):
        raise NotFound("There is no such project.")
    other = aliased(Adjudication)
    of_task = and_(other.project_id == Adjudication.project_id, other.task_id == Adjudication.task_id)
    is_checked = select(other).where(of_task, other.voter_id != Adjudication.voter_id).exists()
    known = certain.KNOWN.c
    decided = and_(known.project_id == Adjudication.project_id, known.task_id == Adjudication.task_id)
    rows = (
        select(
            Adjudication.voter_id,
            func.count().label("n_rulings"),
            func.count().filter(is_checked, known.label.is_not(None)).label("n_checked"),
            func.count().filter(is_checked, known.label == Adjudication.label).label("n_upheld"),
        )
        .outerjoin(certain.KNOWN, decided)
        .where(Adjudication.project_id == project_id)
        .group_by(Adjudication.voter_id)
    )
    return pagination.read(db, rows, Adjudication.voter_id, request, newest_first=False)

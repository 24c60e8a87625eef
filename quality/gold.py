"""Gold: tasks whose label is known before anybody is asked. Which is there, who meets which, and when one ends.

No label of gold leaves this package but to requesters and ops; whoever gives tasks out learns ids.
"""

import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from foundation import pagination
from foundation.errors import NotFound
from quality import checking
from quality.gold_words import Ending, Source, Status
from quality.models import Gold

# Who gives a task out takes the first of so many that nobody else is just taking.
_DRAWN = 5


class NoSuchGold(NotFound):
    """There is no such gold."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a gold: its label, who knew it, and why it is that for whoever asks later.

    origin_id : the settled task that it was made from, if it was.
    """

    label: int
    source: Source
    explanation: str = ""
    origin_id: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A gold as other packages see it."""

    task_id: str
    label: int
    source: str
    origin_id: str | None
    explanation: str
    status: str
    ended_by: str | None
    reason: str
    exposures: int
    exposures_max: int
    first_at: datetime | None
    last_at: datetime | None
    created_at: datetime


def add(db: Session, project_id: str, task_id: str, known: Known, *, exposures_max: int, added_by: str) -> View:
    """Let a task be drawn as gold from now on, by so many voters."""
    added = Gold(
        project_id=project_id,
        task_id=task_id,
        label=known.label,
        source=known.source,
        origin_id=known.origin_id,
        explanation=known.explanation,
        status=Status.ACTIVE,
        exposures_max=exposures_max,
        added_by=added_by,
    )
    db.add(added)
    db.flush()
    return find(db, project_id, task_id)


def is_turn(secret: bytes, voter_id: str, ahead_of: str, share: float) -> bool:
    """Whether a voter meets gold before this ordinary task, so that `share` of all that they are given is gold.

    The same however often it is asked, and nobody without the house's secret can tell.
    """
    number = int.from_bytes(hmac.digest(secret, f"gold\n{voter_id}\n{ahead_of}".encode(), hashlib.sha256)[:8])
    return number < share / (1.0 - share) * 2**64


_DRAW = text("""
    SELECT g.task_id FROM golds g
     WHERE g.project_id = :project_id AND g.status = 'active' AND g.exposures < g.exposures_max
       AND NOT EXISTS (SELECT FROM exposures e
                        WHERE e.project_id = g.project_id AND e.task_id = g.task_id AND e.voter_id = ANY(:voters))
       AND NOT EXISTS (SELECT FROM exposures e
                        WHERE e.project_id = g.project_id AND e.ahead_of = :ahead_of AND e.voter_id = :voter_id)
       AND NOT EXISTS (SELECT FROM votes v
                        WHERE v.project_id = g.project_id AND v.task_id = g.origin_id AND v.voter_id = ANY(:voters))
       AND NOT EXISTS (SELECT FROM known_labels k
                        WHERE k.project_id = g.project_id AND k.task_id = g.origin_id AND k.voter_id = ANY(:voters))
     ORDER BY g.exposures, g.task_id LIMIT :most
""")


def draw(
    db: Session, project_id: str, voter_id: str, *, ahead_of: str, share: float, others: Collection[str] = ()
) -> list[str]:
    """Gold for a voter whose next ordinary task is `ahead_of`: what they have not met, fewest exposures first.

    Nothing if it is not its turn. A voter meets a gold once, and before one task one gold: giving it back and asking
    again leads on to the task. others : voters who count as the same one.
    """
    if not is_turn(pagination.signing_secret(db), voter_id, ahead_of, share):
        return []
    where = {"project_id": project_id, "voter_id": voter_id, "ahead_of": ahead_of, "most": _DRAWN}
    where |= {"voters": [voter_id, *others]}
    return list(db.scalars(_DRAW, where))


_EXPOSE = text("""
    INSERT INTO exposures (project_id, task_id, voter_id, ahead_of, tier)
    VALUES (:project_id, :task_id, :voter_id, :ahead_of, :tier)
""")
_COUNT = text("""
    UPDATE golds SET exposures = exposures + 1, first_at = coalesce(first_at, now()), last_at = now()
     WHERE project_id = :project_id AND task_id = :task_id RETURNING exposures >= exposures_max AS worn, exposures
""")


def expose(db: Session, project_id: str, task_id: str, *, voter_id: str, ahead_of: str, tier: int) -> None:
    """Note that a voter on this step of the ladder has been given a gold before this ordinary task.

    With the last exposure that it may have, the gold retires.
    """
    where = {"project_id": project_id, "task_id": task_id}
    db.execute(_EXPOSE, {**where, "voter_id": voter_id, "ahead_of": ahead_of, "tier": tier})
    counted = db.execute(_COUNT, where).one()
    if counted.worn:
        retire(db, project_id, task_id, ended_by=Ending.WORN, reason=f"{counted.exposures} voters have been given it")


_STAND_INS = text("""
    SELECT e.task_id, e.voter_id, e.ahead_of FROM exposures e
     WHERE e.project_id = :project_id AND e.ahead_of = ANY(:ahead_of)
    UNION
    SELECT e.task_id, e.voter_id, e.ahead_of FROM exposures e
      JOIN unnest(CAST(:task_ids AS text[]), CAST(:voter_ids AS text[])) AS a(task_id, voter_id)
        ON a.task_id = e.task_id AND a.voter_id = e.voter_id
     WHERE e.project_id = :project_id
""")


def stand_ins(
    db: Session, project_id: str, *, ahead_of: Sequence[str] = (), met: Sequence[tuple[str, str]] = ()
) -> Sequence[Any]:
    """Which golds were given to whom before these ordinary tasks; and before which task these golds, to these voters.

    met : (gold, voter). Rows of (task_id, voter_id, ahead_of).
    """
    columns = {"task_ids": [one for one, _ in met], "voter_ids": [voter for _, voter in met]}
    return db.execute(_STAND_INS, {"project_id": project_id, "ahead_of": list(ahead_of), **columns}).all()


def project_of(db: Session, task_id: str) -> str:
    """Whose gold this is, for ops who know its id alone."""
    found = db.scalar(select(Gold.project_id).where(Gold.task_id == task_id))
    if found is None:
        raise NoSuchGold("There is no gold with this id.")
    return found


def made_of(db: Session, project_id: str, origin_id: str) -> View | None:
    """The gold that was made of a settled task, if one was."""
    rows = select(Gold).where(Gold.project_id == project_id, Gold.origin_id == origin_id)
    found = db.scalar(rows.execution_options(populate_existing=True))
    return None if found is None else _view(found)


def find(db: Session, project_id: str, task_id: str) -> View:
    """A gold of a project."""
    found = db.get(Gold, (project_id, task_id), populate_existing=True)
    if found is None:
        raise NoSuchGold("This project has no gold with this id.")
    return _view(found)


def _view(row: Gold) -> View:
    return View(**{name: getattr(row, name) for name in View.__slots__})


def page(db: Session, project_id: str, request: pagination.PageRequest) -> pagination.Page:
    """The gold of a project, newest first."""
    found = pagination.read(db, select(Gold).where(Gold.project_id == project_id), Gold.task_id, request)
    return replace(found, items=[_view(row) for row in found.items])


_RETIRE = text("""
    UPDATE golds SET status = 'retiring', ended_by = :ended_by, reason = :reason
     WHERE project_id = :project_id AND task_id = :task_id AND status = 'active'
""")


def retire(db: Session, project_id: str, task_id: str, *, ended_by: Ending, reason: str) -> None:
    """Let a gold be drawn no more, and keep why. The first reason stands.

    Hold the project's stream if its label is doubted: then the answers to it are judged anew.
    """
    where = {"project_id": project_id, "task_id": task_id}
    db.execute(_RETIRE, {**where, "ended_by": ended_by.value, "reason": reason})
    if ended_by == Ending.CONTESTED:
        checking.recheck(db, project_id, task_id)


_DOUBT = text("""
    UPDATE golds SET ended_by = 'contested', reason = :reason
     WHERE project_id = :project_id AND task_id = :task_id AND status <> 'active'
""")


def doubt(db: Session, project_id: str, task_id: str, *, reason: str) -> None:
    """Take it that nobody knows the label of a gold that is drawn no more. Hold the project's stream."""
    db.execute(_DOUBT, {"project_id": project_id, "task_id": task_id, "reason": reason})
    checking.recheck(db, project_id, task_id)


def retiring(db: Session, *, most: int) -> list[str]:
    """Gold that is drawn no more and not over yet; any of it, so that one that waits long keeps nobody waiting."""
    rows = select(Gold.task_id).where(Gold.status == Status.RETIRING)
    return list(db.scalars(rows.order_by(func.random()).limit(most)))


_CLOSE = text("UPDATE golds SET status = 'retired' WHERE project_id = :project_id AND task_id = :task_id")


def close(db: Session, project_id: str, task_id: str) -> None:
    """Note that the last answer to a gold is in, or will not come."""
    db.execute(_CLOSE, {"project_id": project_id, "task_id": task_id})

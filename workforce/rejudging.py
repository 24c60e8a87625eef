"""What follows when a task gets another label: answers to it are judged anew, and whoever was moved by them with them.

The task is a gold, or a settled one; or both, where a gold was made of what was settled wrongly.

Lines say what became different; who shows them to people is `corrections.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from quality import checking, inquiry, quarantine, refits, revisions
from quality.checking import Judged
from workforce import tiers
from workforce.models import Change, CorrectionLine, Project

# Settled tasks that are named.
TASKS_MAX = 1_000
_WHY = "What had spoken for it was put right."


@dataclass(frozen=True, slots=True)
class Before:
    """How things stood: the answers as they were judged, by task and worker, their workers, and the last refit."""

    judged: Mapping[tuple[str, str], Judged]
    seen: Mapping[str, Any]
    refit: int


# Whoever claims or is moved holds their row: first here too, and in one order.
_LOCK = text("SELECT id FROM workers WHERE id = ANY(:worker_ids) ORDER BY id FOR NO KEY UPDATE")
_SEEN = text("""
    SELECT w.id, coalesce(t.tier, :starting) AS tier,
           (SELECT m.rule_id FROM tier_moves m WHERE m.worker_id = w.id AND m.skill = :skill
             ORDER BY m.id DESC LIMIT 1) AS rule_id
      FROM workers w LEFT JOIN worker_tiers t ON t.worker_id = w.id AND t.skill = :skill
     WHERE w.id = ANY(:worker_ids)
""")


def look(db: Session, project: Project, task_ids: Sequence[str]) -> Before:
    """How things stand before tasks get another label. Hold the project's stream; their workers are locked."""
    judged = _judged(db, project, task_ids)
    worker_ids = sorted({worker_id for _, worker_id in judged})
    db.execute(_LOCK, {"worker_ids": worker_ids})
    return Before(judged, _seen(db, project.skill, worker_ids), refits.last(db, project.id))


def _judged(db: Session, project: Project, task_ids: Sequence[str]) -> dict[tuple[str, str], Judged]:
    of_tasks = {task_id: checking.on_task(db, project.id, task_id) for task_id in task_ids}
    return {(task_id, voter): one for task_id, judged in of_tasks.items() for voter, one in judged.items()}


def follow(db: Session, project: Project, task_ids: Sequence[str], before: Before) -> Iterator[CorrectionLine]:
    """Let records, tiers and quarantines follow what is known of tasks now; tells what became different."""
    for task_id in task_ids:
        checking.count_task(db, project.id, task_id)
    judged = _judged(db, project, task_ids)
    was = before.judged
    anew = {key: one for key, one in judged.items() if key not in was or one.is_right != was[key].is_right}
    other = sorted({voter for _, voter in anew})
    # What a record does not count moves nobody, such as answers to what was in dispute.
    for worker_id in sorted({voter for (_, voter), one in anew.items() if one.seq is not None}):
        tiers.reconsider(db, worker_id, project.skill, corrected=True)
    yield from _workers(db, project, {key: one for key, one in anew.items() if key in was}, before)
    for found, settled, label in revisions.since(db, project.id, before.refit, most=TASKS_MAX):
        yield CorrectionLine(change=Change.TASK, task_id=found, label_from=settled, label_to=label)
    lifted = inquiry.acquitted(db, project.id, other, n_classes=len(project.labels))
    for quarantine_id, voter_id in lifted.items():
        quarantine.lift(db, quarantine_id, reason=_WHY, lifted_by="house")
        yield CorrectionLine(change=Change.QUARANTINE, worker_id=voter_id, quarantine_id=quarantine_id)


def _workers(
    db: Session, project: Project, judged: Mapping[tuple[str, str], Judged], before: Before
) -> Iterator[CorrectionLine]:
    after = _seen(db, project.skill, sorted({worker_id for _, worker_id in judged}))
    for (task_id, worker_id), one in judged.items():
        then, now = before.seen.get(worker_id), after.get(worker_id)
        # Votes may be of somebody who is no worker of ours.
        if then is None or now is None:
            continue
        yield CorrectionLine(
            change=Change.WORKER,
            worker_id=worker_id,
            skill=project.skill,
            was_right=before.judged[task_id, worker_id].is_right,
            is_right=one.is_right,
            low_before=then.low,
            high_before=then.high,
            low_after=now.low,
            high_after=now.high,
            tier_from=then.tier,
            tier_to=now.tier,
            rule_id=now.rule_id if then.tier != now.tier else None,
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """A worker as they stand, by which rule, and the bounds of their record; none where nothing was counted yet."""

    tier: int
    rule_id: str | None
    low: float | None
    high: float | None


def _seen(db: Session, skill: str, worker_ids: Sequence[str]) -> dict[str, _Seen]:
    records = checking.of_voters(db, worker_ids, skill)
    where = {"worker_ids": list(worker_ids), "skill": skill, "starting": int(tiers.STARTING)}
    found = {}
    for row in db.execute(_SEEN, where):
        record = records.get(row.id)
        shown = None if record is None else record.shown
        low, high = (None, None) if shown is None else (shown.low, min(shown.high, shown.high_recent))
        found[row.id] = _Seen(row.tier, row.rule_id, low, high)
    return found

"""What follows when a gold gets another label: answers to it are judged anew, and whoever was moved by them with them.

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
    """How things stood: the answers to the gold as they were judged, their workers, and the last refit."""

    judged: Mapping[str, Judged]
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


def look(db: Session, project: Project, task_id: str) -> Before:
    """How things stand before a gold gets another label. Hold the project's stream; its workers are locked."""
    judged = checking.on_task(db, project.id, task_id)
    db.execute(_LOCK, {"worker_ids": list(judged)})
    return Before(judged, _seen(db, project.skill, list(judged)), refits.last(db, project.id))


def follow(db: Session, project: Project, task_id: str, before: Before) -> Iterator[CorrectionLine]:
    """Let records, tiers and quarantines follow what is known of a gold now; tells what became different."""
    checking.count_task(db, project.id, task_id)
    judged = checking.on_task(db, project.id, task_id)
    other = [voter for voter, one in judged.items() if one.is_right != before.judged[voter].is_right]
    for worker_id in other:
        tiers.reconsider(db, worker_id, project.skill, corrected=True)
    yield from _workers(db, project, {voter: judged[voter] for voter in other}, before)
    for found, settled, label in revisions.since(db, project.id, before.refit, most=TASKS_MAX):
        yield CorrectionLine(change=Change.TASK, task_id=found, label_from=settled, label_to=label)
    lifted = inquiry.acquitted(db, project.id, other, n_classes=len(project.labels))
    for quarantine_id, voter_id in lifted.items():
        quarantine.lift(db, quarantine_id, reason=_WHY, lifted_by="house")
        yield CorrectionLine(change=Change.QUARANTINE, worker_id=voter_id, quarantine_id=quarantine_id)


def _workers(db: Session, project: Project, judged: Mapping[str, Judged], before: Before) -> Iterator[CorrectionLine]:
    after = _seen(db, project.skill, list(judged))
    for worker_id, one in judged.items():
        then, now = before.seen.get(worker_id), after.get(worker_id)
        # Votes may be of somebody who is no worker of ours.
        if then is None or now is None:
            continue
        yield CorrectionLine(
            change=Change.WORKER,
            worker_id=worker_id,
            skill=project.skill,
            was_right=before.judged[worker_id].is_right,
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

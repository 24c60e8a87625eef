"""Settled tasks that would make good gold: proposed by rule, decided by ops."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import pagination
from foundation.errors import Conflict, NotFound
from quality.gold_words import Verdict
from quality.models import GoldProposal

MOST = 100
# A crowd is as good as an expert here when it was so sure, so many, and of one mind.
CONFIDENCE_MIN = 0.99
VOTES_MIN = 5


class NoSuchProposal(NotFound):
    """There is no such proposal."""


class ProposalDecided(Conflict):
    """This proposal has been decided."""


@dataclass(frozen=True, slots=True)
class View:
    """A proposal as other packages see it: the settled task, its label, who knew it, and what was decided."""

    task_id: str
    label: int
    source: str
    why: str
    status: str
    reason: str
    created_at: datetime


# What an expert decided is proposed if the crowd was not of one mind, and one of it agreed: it tells voters apart, and
# somebody can be right. What was wrong once makes no gold.
_FROM_EXPERTS = text("""
    INSERT INTO gold_proposals (project_id, task_id, label, source, why, status)
    SELECT k.project_id, k.task_id, k.label, 'expert',
           'an expert decided it, as ' || v.agreed || ' of ' || v.n || ' voters did', 'proposed'
      FROM known_labels k
      JOIN LATERAL (SELECT count(*) AS n, count(*) FILTER (WHERE v.label = k.label) AS agreed FROM votes v
                     WHERE v.project_id = k.project_id AND v.task_id = k.task_id) v ON v.agreed > 0 AND v.agreed < v.n
     WHERE k.project_id = :project_id
       AND NOT EXISTS (SELECT FROM corrected_labels b WHERE b.project_id = k.project_id AND b.task_id = k.task_id)
       AND NOT EXISTS (SELECT FROM gold_proposals p WHERE p.project_id = k.project_id AND p.task_id = k.task_id)
     ORDER BY k.task_id LIMIT :most ON CONFLICT DO NOTHING
""")
_FROM_CONSENSUS = text("""
    INSERT INTO gold_proposals (project_id, task_id, label, source, why, status)
    SELECT c.project_id, c.task_id, c.label, 'consensus',
           'all of ' || c.n_votes || ' voters gave it, confidence ' || round(c.confidence::numeric, 4), 'proposed'
      FROM consensus c
     WHERE c.project_id = :project_id AND c.decision = 'settle'
       AND c.confidence >= :confidence AND c.n_votes >= :votes
       AND NOT EXISTS (SELECT FROM votes v
                        WHERE v.project_id = c.project_id AND v.task_id = c.task_id AND v.label <> c.label)
       AND NOT EXISTS (SELECT FROM known_labels k WHERE k.project_id = c.project_id AND k.task_id = c.task_id)
       AND NOT EXISTS (SELECT FROM corrected_labels b WHERE b.project_id = c.project_id AND b.task_id = c.task_id)
       AND NOT EXISTS (SELECT FROM gold_proposals p WHERE p.project_id = c.project_id AND p.task_id = c.task_id)
     ORDER BY c.task_id LIMIT :most ON CONFLICT DO NOTHING
""")


_WITHDRAW = text("""
    UPDATE gold_proposals SET status = 'refused', reason = 'Its label was corrected.', decided_by = :by
     WHERE project_id = :project_id AND task_id = :task_id AND status = 'proposed'
""")


def withdraw(db: Session, project_id: str, task_id: str, *, withdrawn_by: str) -> None:
    """Let a task be gold no more that is still proposed."""
    db.execute(_WITHDRAW, {"project_id": project_id, "task_id": task_id, "by": withdrawn_by})


def propose(db: Session, project_id: str, *, most: int) -> int:
    """Propose so many settled tasks at most, an expert's before a crowd's; returns how many. None is proposed twice."""
    where = {"project_id": project_id}
    found = db.execute(_FROM_EXPERTS, {**where, "most": most}).rowcount  # type: ignore[attr-defined]  # it has one
    sure = {"confidence": CONFIDENCE_MIN, "votes": VOTES_MIN}
    rest = {**where, **sure, "most": most - found}
    return int(found + db.execute(_FROM_CONSENSUS, rest).rowcount)  # type: ignore[attr-defined]  # as above


def page(db: Session, project_id: str, request: pagination.PageRequest) -> pagination.Page:
    """The proposals of a project, those of the newest tasks first."""
    rows = select(GoldProposal).where(GoldProposal.project_id == project_id)
    found = pagination.read(db, rows, GoldProposal.task_id, request)
    return replace(found, items=[_view(row) for row in found.items])


def decide(db: Session, project_id: str, task_id: str, *, verdict: Verdict, reason: str, decided_by: str) -> View:
    """Approve or refuse a proposal, once."""
    row = db.get(GoldProposal, (project_id, task_id), with_for_update=True, populate_existing=True)
    if row is None:
        raise NoSuchProposal("This project has no proposal for this task.")
    if row.status != Verdict.PROPOSED:
        raise ProposalDecided(f"It is {row.status} already.")
    row.status, row.reason, row.decided_by = verdict, reason, decided_by
    db.flush()
    return _view(row)


def _view(row: GoldProposal) -> View:
    return View(**{name: getattr(row, name) for name in View.__slots__})

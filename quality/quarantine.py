"""Quarantines: what evidence proposes, ops decide and time ends. While one is active, its voter's votes weigh less.

Evidence belongs to a project. A quarantine holds in the project its evidence is from, unless ops decide that it holds
everywhere. Whoever is in one goes on answering and is paid; nobody is put into one but by a person. What is evidence
is found in `inquiry.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import structlog
from sqlalchemy import Select, func, or_, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.errors import Conflict, NotFound
from foundation.metrics import Gauge
from foundation.outbox import publish
from quality.events import EvidenceRaised, WeightsChanged
from quality.methods import evidence
from quality.methods.evidence import Kind
from quality.methods.votes import FloatArray
from quality.models import Accusation, Evidence, Quarantine, QuarantineStatus, Reliability

log = structlog.get_logger()

_EXPIRED_AT_ONCE = 100
# Evidence that ties voters to each other, so that they have one vote together in the search for more.
_TYING = (Kind.CLUSTER, Kind.COPYING, Kind.LOCKSTEP)


class DecisionNotAllowed(Conflict):
    """A quarantine is decided once, and ended once."""


# What ops decide


def activate(
    db: Session, quarantine_id: str, *, reason: str, decided_by: str, days: int | None = None, everywhere: bool = False
) -> Quarantine:
    """Let a proposal hold for so many days from now on, as many as were proposed if none are said."""
    quarantine = _decide(db, quarantine_id, QuarantineStatus.ACTIVE, reason=reason, decided_by=decided_by)
    quarantine.days = days or quarantine.days
    quarantine.everywhere = everywhere
    quarantine.ends_at = clock.now(db) + timedelta(days=quarantine.days)
    db.flush()
    _tell_weights(db, quarantine)
    return quarantine


def dismiss(db: Session, quarantine_id: str, *, reason: str, decided_by: str) -> Quarantine:
    """Drop a proposal. What the voter has answered so far is no evidence against them any more."""
    quarantine = _decide(db, quarantine_id, QuarantineStatus.DISMISSED, reason=reason, decided_by=decided_by)
    db.flush()
    return quarantine


def end(db: Session, quarantine_id: str, *, reason: str, ended_by: str) -> Quarantine:
    """End an active quarantine before its date."""
    quarantine = _locked(db, quarantine_id)
    if quarantine.status != QuarantineStatus.ACTIVE:
        raise DecisionNotAllowed(f"This quarantine is {quarantine.status}; only an active one can be ended.")
    quarantine.status, quarantine.end_reason = QuarantineStatus.ENDED, reason
    quarantine.ended_by, quarantine.ended_at = ended_by, clock.now(db)
    db.flush()
    _tell_weights(db, quarantine)
    return quarantine


def lift(db: Session, quarantine_id: str, *, reason: str, lifted_by: str) -> Quarantine:
    """Drop a quarantine that is proposed, or end one that is active: what spoke for it was put right."""
    if _locked(db, quarantine_id).status == QuarantineStatus.PROPOSED:
        return dismiss(db, quarantine_id, reason=reason, decided_by=lifted_by)
    return end(db, quarantine_id, reason=reason, ended_by=lifted_by)


def forget(db: Session, voter_id: str) -> None:
    """Forget what was said about a voter; how little their votes weigh stays."""
    db.execute(_FORGET, {"voter_id": voter_id})


_FORGET = text("""
    UPDATE quarantines SET reason = CASE WHEN reason IS NOT NULL THEN '***' END,
                           end_reason = CASE WHEN end_reason IS NOT NULL THEN '***' END
     WHERE voter_id = :voter_id
""")


def _decide(db: Session, quarantine_id: str, status: QuarantineStatus, *, reason: str, decided_by: str) -> Quarantine:
    quarantine = _locked(db, quarantine_id)
    if quarantine.status != QuarantineStatus.PROPOSED:
        raise DecisionNotAllowed(f"This quarantine is {quarantine.status}; only a proposed one can be decided.")
    quarantine.status, quarantine.reason = status, reason
    quarantine.decided_by, quarantine.decided_at = decided_by, clock.now(db)
    return quarantine


def _locked(db: Session, quarantine_id: str) -> Quarantine:
    quarantine = db.get(Quarantine, quarantine_id, with_for_update=True, populate_existing=True)
    if quarantine is None:
        raise NotFound("There is no such quarantine.")
    return quarantine


# What time does


def expire(db: Session) -> int:
    """End quarantines whose date has come. A sweep."""
    rows = select(Quarantine).where(Quarantine.status == QuarantineStatus.ACTIVE, Quarantine.ends_at <= func.now())
    rows = rows.order_by(Quarantine.ends_at).limit(_EXPIRED_AT_ONCE).with_for_update(skip_locked=True)
    over = db.scalars(rows.execution_options(populate_existing=True)).all()
    for quarantine in over:
        quarantine.status, quarantine.ended_at = QuarantineStatus.ENDED, clock.now(db)
    db.flush()
    for quarantine in over:
        _tell_weights(db, quarantine)
    return len(over)


def weights(db: Session, project_id: str, voter_ids: Sequence[str]) -> FloatArray:
    """What each voter's votes weigh in a project, (n_voters,): 1, or the factor of a quarantine that holds now."""
    rows = select(Quarantine.voter_id, func.min(Quarantine.factor)).group_by(Quarantine.voter_id)
    rows = rows.where(Quarantine.status == QuarantineStatus.ACTIVE, Quarantine.ends_at > func.now())
    rows = rows.where(or_(Quarantine.project_id == project_id, Quarantine.everywhere))
    factors: Mapping[str, float] = dict(db.execute(rows).all())
    return np.array([factors.get(voter_id, 1.0) for voter_id in voter_ids], dtype=np.float64)


def _tell_weights(db: Session, quarantine: Quarantine) -> None:
    project_ids = {quarantine.project_id}
    if quarantine.everywhere:
        rows = select(Reliability.project_id).where(Reliability.voter_id == quarantine.voter_id)
        project_ids.update(db.scalars(rows))
    for project_id in sorted(project_ids):
        publish(db, WeightsChanged(project_id))


# What an inquiry asks and proposes


_COVERED = text("""
    SELECT q.voter_id, q.id, array_agg(DISTINCT e.kind) FILTER (WHERE e.project_id = :project_id) AS kinds
      FROM quarantines q
      JOIN accusations a ON a.quarantine_id = q.id
      JOIN evidence e ON e.id = a.evidence_id
     WHERE (q.project_id = :project_id AND q.status IN ('proposed', 'active')) OR (q.everywhere AND q.status = 'active')
     GROUP BY q.voter_id, q.id ORDER BY q.project_id = :project_id
""")
_TIES = text("""
    SELECT array_agg(a.voter_id) AS voter_ids
      FROM evidence e
      JOIN accusations a ON a.evidence_id = e.id
      JOIN quarantines q ON q.id = a.quarantine_id
     WHERE e.project_id = :project_id AND e.kind = ANY(:kinds) AND q.status IN ('proposed', 'active')
     GROUP BY e.id ORDER BY e.id
""")
_JUDGED = text("""
    SELECT voter_id, max(coalesce(ended_at, decided_at)) AS judged_at
      FROM quarantines
     WHERE (project_id = :project_id OR everywhere) AND status IN ('dismissed', 'ended')
     GROUP BY voter_id
""")


def propose(db: Session, project_id: str, found: Sequence[evidence.Evidence], voter_ids: Sequence[str]) -> int:
    """Keep what was found, and propose a quarantine for each voter who is in none; returns how many were proposed.

    voter_ids : what the voters' codes stand for. What is known of everybody it speaks against is not kept again: one of
    its kind speaks for a quarantine of theirs that is proposed or active. Call this while holding the inquiry.
    """
    covered = {row.voter_id: row for row in db.execute(_COVERED, {"project_id": project_id})}
    known = {(voter_id, kind) for voter_id, row in covered.items() for kind in row.kinds or ()}
    new = [one for one in found if any((voter_ids[voter], one.kind) not in known for voter in one.voters)]
    quarantine_of = {voter_id: row.id for voter_id, row in covered.items()}
    proposed = [one for one in evidence.proposals(new) if voter_ids[one.voter] not in quarantine_of]
    for one in proposed:
        made = Quarantine(
            id=ids.new("qtn"), voter_id=voter_ids[one.voter], project_id=project_id, factor=one.factor, days=one.days
        )
        db.add(made)
        quarantine_of[made.voter_id] = made.id
        publish(db, EvidenceRaised(made.id, project_id))
    _keep(db, project_id, new, voter_ids, quarantine_of)
    return len(proposed)


def _keep(
    db: Session,
    project_id: str,
    found: Iterable[evidence.Evidence],
    voter_ids: Sequence[str],
    quarantine_of: Mapping[str, str],
) -> None:
    for one in found:
        kept = Evidence(
            id=ids.new("evd"), project_id=project_id, kind=one.kind, statistic=one.statistic, threshold=one.threshold,
            answers=one.answers, sentence=one.sentence,
        )  # fmt: skip
        db.add(kept)
        # Accusations name rows of both tables.
        db.flush()
        accused = [voter_ids[voter] for voter in one.voters]
        db.add_all(
            Accusation(evidence_id=kept.id, voter_id=voter_id, quarantine_id=quarantine_of[voter_id])
            for voter_id in accused
        )
    db.flush()


def ties(db: Session, project_id: str) -> list[list[str]]:
    """Voters who are tied to each other by evidence that ops have not dismissed and that is not over."""
    return list(db.scalars(_TIES, {"project_id": project_id, "kinds": [kind.value for kind in _TYING]}))


def judged_at(db: Session, project_id: str) -> dict[str, datetime]:
    """Of voters whose quarantine was dismissed or is over: since when. What is older is no evidence any more."""
    return {row.voter_id: row.judged_at for row in db.execute(_JUDGED, {"project_id": project_id})}


def tell(_db: Session, told: Sequence[EvidenceRaised]) -> None:
    """Say in the log that ops have something to decide; about whom is for them alone. A reaction."""
    for event in told:
        log.warning("quarantine proposed", quarantine_id=event.quarantine_id)


# What ops see


@dataclass(frozen=True, slots=True)
class Finding:
    """A piece of evidence with everybody it speaks against."""

    id: str
    project_id: str
    kind: str
    statistic: float
    threshold: float
    answers: int
    sentence: str
    found_at: datetime
    voter_ids: list[str]


@dataclass(frozen=True, slots=True)
class Case:
    """A quarantine with its evidence, the oldest first."""

    quarantine: Quarantine
    evidence: list[Finding]


def listed(status: str | None = None, voter_id: str | None = None, project_id: str | None = None) -> Select[Quarantine]:
    """Quarantines, all or those that match."""
    wanted = {Quarantine.status: status, Quarantine.voter_id: voter_id, Quarantine.project_id: project_id}
    return select(Quarantine).where(*(column == value for column, value in wanted.items() if value is not None))


def find(db: Session, quarantine_id: str) -> Case:
    """One quarantine and what speaks for it."""
    quarantine = db.get(Quarantine, quarantine_id, populate_existing=True)
    if quarantine is None:
        raise NotFound("There is no such quarantine.")
    rows = select(Evidence).join(Accusation, Accusation.evidence_id == Evidence.id)
    rows = rows.where(Accusation.quarantine_id == quarantine_id, Accusation.voter_id == quarantine.voter_id)
    return Case(quarantine, _findings(db, db.scalars(rows.order_by(Evidence.id)).all()))


def evidence_page(
    db: Session,
    page: pagination.PageRequest,
    *,
    kind: str | None = None,
    voter_id: str | None = None,
    project_id: str | None = None,
) -> pagination.Page:
    """Evidence, newest first, all or what matches."""
    wanted = {Evidence.kind: kind, Evidence.project_id: project_id}
    rows = select(Evidence).where(*(column == value for column, value in wanted.items() if value is not None))
    if voter_id is not None:
        accused = select(Accusation.evidence_id).where(Accusation.voter_id == voter_id)
        rows = rows.where(Evidence.id.in_(accused))
    found = pagination.read(db, rows, Evidence.id, page)
    return replace(found, items=_findings(db, found.items))


def _findings(db: Session, found: Sequence[Evidence]) -> list[Finding]:
    voters: dict[str, list[str]] = defaultdict(list)
    rows = select(Accusation).where(Accusation.evidence_id.in_([one.id for one in found]))
    for accusation in db.scalars(rows.order_by(Accusation.voter_id)):
        voters[accusation.evidence_id].append(accusation.voter_id)
    return [
        Finding(
            id=one.id, project_id=one.project_id, kind=one.kind, statistic=one.statistic, threshold=one.threshold,
            answers=one.answers, sentence=one.sentence, found_at=one.found_at, voter_ids=voters[one.id],
        )
        for one in found
    ]  # fmt: skip


_COUNTS = text("""
    SELECT count(*) FILTER (WHERE status = 'proposed') AS proposed, count(*) FILTER (WHERE status = 'active') AS active
      FROM quarantines WHERE status IN ('proposed', 'active')
""")


def gauges(db: Session) -> Iterable[Gauge]:
    """How many quarantines wait for ops, and how many hold."""
    row = db.execute(_COUNTS).one()
    yield Gauge("rookery_quarantines_proposed", "Quarantines that ops must decide", row.proposed)
    yield Gauge("rookery_quarantines_active", "Quarantines that hold", row.active)

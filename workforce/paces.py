"""How long answers to a project take, by its newest ones: for whoever asks before a claim, and for leases."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from workforce.models import ProjectPace

# So many of the newest answers tell; fewer than the second tell nothing yet.
NEWEST = 500
ENOUGH = 20
_LONGEST_SECONDS = 30 * 86_400
# SQL: how long a lease of a project `p` lasts. Where that is learned, what nineteen of twenty answers took, a minute at
# the least and what the project says at the most.
LEASE_SECONDS = """
    CASE WHEN p.lease_policy = 'fixed' THEN p.lease_seconds ELSE coalesce(
         (SELECT least(p.lease_seconds, greatest(y.p95_seconds, 60)) FROM project_paces y
           WHERE y.project_id = p.id AND y.is_known), p.lease_seconds) END
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long half of the answers took at most, and how long nineteen of twenty did, in whole seconds."""

    median_seconds: int
    p95_seconds: int


def note(db: Session, project_id: str, milliseconds: Iterable[int]) -> None:
    """Add the times of new answers, oldest first. Call this while holding the project's stream."""
    new = [min(max(-(-one // 1000), 1), _LONGEST_SECONDS) for one in milliseconds]
    if not new:
        return
    pace = db.get(ProjectPace, project_id, populate_existing=True)
    if pace is None:
        pace = ProjectPace(project_id=project_id, seconds=[])
        db.add(pace)
    pace.seconds = [*reversed(new), *pace.seconds][:NEWEST]
    ordered = sorted(pace.seconds)
    pace.median_seconds, pace.p95_seconds = _least_of(ordered, 50), _least_of(ordered, 95)
    pace.is_known = len(pace.seconds) >= ENOUGH
    db.flush()


def _least_of(ordered: Sequence[int], percent: int) -> int:
    """The least of these times that so many per cent of them keep to."""
    return ordered[-(-len(ordered) * percent // 100) - 1]


def of_projects(db: Session, project_ids: Iterable[str]) -> Mapping[str, Pace]:
    """The paces of those of these projects that have answers enough."""
    rows = select(ProjectPace).where(ProjectPace.project_id.in_(list(project_ids)), ProjectPace.is_known)
    return {one.project_id: Pace(one.median_seconds, one.p95_seconds) for one in db.scalars(rows)}

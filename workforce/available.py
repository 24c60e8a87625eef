"""What a worker could claim now: the projects, at which price, and how long an answer takes there."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from foundation import pagination
from payments import rates
from payments.rates import Quote
from workforce import assignment, caps, linked, paces, pools, required_exams
from workforce.models import Kind
from workforce.tiers import STARTING, Tier

COUNTED_MOST = 100


@dataclass(frozen=True, slots=True)
class Work:
    """A project with something for a worker: tasks for an answer, and disputes to decide, each with its price.

    Both are counted to `COUNTED_MOST`. estimated_seconds : what half of its newest answers took at most, if known.
    """

    project_id: str
    task_type: str
    skill: str
    lease_seconds: int
    late_rule: str
    tasks: int
    price: Quote | None
    disputes: int
    dispute_price: Quote | None
    estimated_seconds: int | None

    @property
    def currency(self) -> str:
        """That of the project's card."""
        return (self.price or self.dispute_price or _NOTHING).currency


_NOTHING = Quote(0, "", 0)


@cache
def _available(*, is_clustered: bool) -> TextClause:
    return text(f"""
    WITH me AS MATERIALIZED ({pools.ME})
    SELECT p.id AS project_id, p.task_type, p.skill, {paces.LEASE_SECONDS} AS lease_seconds, p.late_rule, me.country,
           coalesce(s.tier, :starting) AS tier, o.n AS tasks, e.n AS disputes
      FROM me JOIN projects p ON p.status = 'active' AND (CAST(:after AS text) IS NULL OR p.id < :after)
      LEFT JOIN worker_tiers s ON s.worker_id = me.id AND s.skill = p.skill
      LEFT JOIN claim_cursors c ON c.worker_id = me.id AND c.project_id = p.id AND c.queue = 'open'
      LEFT JOIN worker_shares k ON k.worker_id = me.id AND k.project_id = p.id
      CROSS JOIN LATERAL (SELECT greatest(least(count(*), {caps.ROOM}), 0) AS n FROM (SELECT FROM tasks t
           WHERE {_claimable(Kind.ANSWER, f"({assignment.START})", is_clustered=is_clustered)}
           LIMIT {COUNTED_MOST}) open) o
      CROSS JOIN LATERAL (SELECT count(*) AS n FROM (SELECT FROM tasks t
           WHERE coalesce(s.tier, :starting) >= {int(Tier.EXPERT)}
             AND {_claimable(Kind.ADJUDICATION, "-1", is_clustered=is_clustered)}
           LIMIT {COUNTED_MOST}) escalated) e
     WHERE me.status = 'active' AND coalesce(s.tier, :starting) >= p.tier_min AND {pools.SEES}
       AND {required_exams.PASSED} AND o.n + e.n > 0
     ORDER BY p.id DESC LIMIT :most
    """)


def _claimable(kind: Kind, after: str, *, is_clustered: bool) -> str:
    return assignment.claimable(kind, project="p.id", after=after, is_clustered=is_clustered)


def work(db: Session, worker_id: str, page: pagination.PageRequest) -> pagination.Page:
    """Projects with something that a worker may claim now, newest first. What has no price for them is left out."""
    wanted: dict[str, Any] = {
        "worker_id": worker_id,
        "starting": int(STARTING),
        "after": page.after,
        "most": page.limit + 1,
    }
    if is_clustered := len(mates := linked.mates(db, worker_id)) > 1:
        wanted["mates"] = mates
    rows = db.execute(_available(is_clustered=is_clustered), wanted).all()
    found = rows[: page.limit]
    tiers = {(row.project_id, assignment.price_tier(row.tier, kind)) for row in found for kind in Kind}
    prices = rates.quotes(db, tiers, region=found[0].country) if found else {}
    seconds = paces.of_projects(db, [row.project_id for row in found])
    items = [_work(row, prices, seconds.get(row.project_id)) for row in found]
    offered = [one for one in items if one.price is not None or one.dispute_price is not None]
    return pagination.Page(offered, found[-1].project_id if len(rows) > page.limit else None)


def _work(row: Any, prices: Mapping[tuple[str, int], Quote], pace: paces.Pace | None) -> Work:
    quoted = {kind: prices.get((row.project_id, assignment.price_tier(row.tier, kind))) for kind in Kind}
    price = quoted[Kind.ANSWER] if row.tasks else None
    dispute_price = quoted[Kind.ADJUDICATION] if row.disputes else None
    return Work(
        project_id=row.project_id,
        task_type=row.task_type,
        skill=row.skill,
        lease_seconds=row.lease_seconds,
        late_rule=row.late_rule,
        tasks=row.tasks if price else 0,
        price=price,
        disputes=row.disputes if dispute_price else 0,
        dispute_price=dispute_price,
        estimated_seconds=None if pace is None else pace.median_seconds,
    )

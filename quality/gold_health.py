"""How well gold does its work: who passes it, whether it has leaked or its label is doubted, and how much is left."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from quality import gold
from quality.gold_words import Ending
from quality.methods import gold_health

# Into so many stretches the answers to a gold are cut, to see how it goes over time.
_STRETCHES = 5
# Looked at again when so many more have met it.
_MORE = 10
# Gold that lasts no longer than this at the pace of the last days is running out.
DAYS_LEFT_MIN = 7.0
_PACE_DAYS = 7


@dataclass(frozen=True, slots=True)
class Passed:
    """How many answered, and how many of them rightly: on one step of the ladder, or in one stretch of time.

    hours : of a stretch, how long after the first answer its last one came.
    """

    answers: int
    right: int
    tier: int | None = None
    hours: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """One gold. Rates are None while there is no answer.

    trend : in standard deviations, how far answers become right more often. rival : the label that confident voters
    give most often instead, and the share of them who do.
    """

    task_id: str
    status: str
    exposures: int
    answers: int
    right: int
    pass_rate: float | None
    low: float | None
    high: float | None
    by_tier: list[Passed]
    over_time: list[Passed]
    trend: float
    leaked: bool
    discrimination: float | None
    confident: int
    rival: int | None
    rival_share: float
    contested: bool
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Supply:
    """The gold of a project: how it is passed, how much of it is left, and how long that lasts at the pace of now.

    left : exposures that active gold may still have. a_day : exposures of the last days, for each. through : voters who
    have met all that is active. warning : what to do about it, if anything.
    """

    active: int
    worn: int
    leaked: int
    contested: int
    retired_by_word: int
    exposures: int
    answers: int
    right: int
    pass_rate: float | None
    by_tier: list[Passed]
    left: int
    a_day: float
    days_left: float | None
    through: int
    warning: str | None


_ANSWERS = text("""
    SELECT v.label, v.created_at, e.tier, coalesce(r.reliability, 0.5) AS reliability, coalesce(r.low, 0) AS low
      FROM votes v
      JOIN exposures e ON e.project_id = v.project_id AND e.task_id = v.task_id AND e.voter_id = v.voter_id
      LEFT JOIN reliability r ON r.project_id = v.project_id AND r.voter_id = v.voter_id
     WHERE v.project_id = :project_id AND v.task_id = :task_id ORDER BY v.created_at, v.voter_id
""")


def of_gold(db: Session, project_id: str, task_id: str, *, n_classes: int) -> Health:
    """The health of one gold."""
    known = gold.find(db, project_id, task_id)
    rows = db.execute(_ANSWERS, {"project_id": project_id, "task_id": task_id}).all()
    labels = np.array([row.label for row in rows], dtype=np.int64)
    passed = (labels == known.label).astype(np.float64)
    right = int(passed.sum())
    low, high = gold_health.interval(right, len(rows)) if rows else (None, None)
    contest = gold_health.contest(labels, np.array([row.low for row in rows]), known=known.label, n_classes=n_classes)
    return Health(
        task_id=task_id,
        status=known.status,
        exposures=known.exposures,
        answers=len(rows),
        right=right,
        pass_rate=right / len(rows) if rows else None,
        low=low,
        high=high,
        by_tier=_by_tier([(row.tier, row.label == known.label) for row in rows]),
        over_time=_over_time(rows, known.label),
        trend=gold_health.trend(passed),
        leaked=gold_health.is_leaked(passed),
        discrimination=gold_health.discrimination(passed, np.array([row.reliability for row in rows])),
        confident=contest.n_confident,
        rival=contest.rival,
        rival_share=contest.share,
        contested=contest.is_lost,
        first_at=known.first_at,
        last_at=known.last_at,
    )


def _by_tier(answers: Sequence[tuple[int, bool]]) -> list[Passed]:
    of_tier: dict[int, list[bool]] = defaultdict(list)
    for tier, is_right in answers:
        of_tier[tier].append(is_right)
    return [Passed(len(found), sum(found), tier=tier) for tier, found in sorted(of_tier.items())]


def _over_time(rows: Sequence[Any], label: int) -> list[Passed]:
    stretches = [[rows[i] for i in part] for part in np.array_split(np.arange(len(rows)), _STRETCHES) if part.size]
    return [
        Passed(
            len(stretch),
            sum(row.label == label for row in stretch),
            hours=(stretch[-1].created_at - rows[0].created_at).total_seconds() / 3600,
        )
        for stretch in stretches
    ]


_TOTALS = text("""
    SELECT count(*) FILTER (WHERE status = 'active') AS active, count(*) FILTER (WHERE ended_by = 'worn') AS worn,
           count(*) FILTER (WHERE ended_by = 'leaked') AS leaked,
           count(*) FILTER (WHERE ended_by = 'contested') AS contested,
           count(*) FILTER (WHERE ended_by = 'told') AS told, coalesce(sum(exposures), 0)::int AS exposures,
           coalesce(sum(greatest(exposures_max - exposures, 0)) FILTER (WHERE status = 'active'), 0)::int AS left
      FROM golds WHERE project_id = :project_id
""")
_PASSED = text("""
    SELECT e.tier, count(*) AS answers, count(*) FILTER (WHERE v.label = g.label) AS right
      FROM exposures e JOIN golds g ON g.project_id = e.project_id AND g.task_id = e.task_id
      JOIN votes v ON v.project_id = e.project_id AND v.task_id = e.task_id AND v.voter_id = e.voter_id
     WHERE e.project_id = :project_id GROUP BY e.tier ORDER BY e.tier
""")
# A project younger than the days that are looked at has its pace of the days it has been there.
_PACE = text("""
    SELECT count(*) / greatest(least(extract(epoch FROM now() - min(created_at)) / 86400, :days), 1)::float8 AS a_day
      FROM exposures WHERE project_id = :project_id AND created_at > now() - make_interval(days => :days)
""")
_THROUGH = text("""
    SELECT count(*) FROM (
        SELECT e.voter_id FROM exposures e JOIN golds g ON g.project_id = e.project_id AND g.task_id = e.task_id
         WHERE e.project_id = :project_id AND g.status = 'active' GROUP BY e.voter_id HAVING count(*) >= :active) v
""")


def of_project(db: Session, project_id: str) -> Supply:
    """The health of all gold of a project, and how long it lasts."""
    where = {"project_id": project_id}
    totals = db.execute(_TOTALS, where).one()
    by_tier = [Passed(row.answers, row.right, tier=row.tier) for row in db.execute(_PASSED, where)]
    answers, right = sum(one.answers for one in by_tier), sum(one.right for one in by_tier)
    a_day = float(db.scalar(_PACE, {**where, "days": _PACE_DAYS}) or 0.0)
    days_left = totals.left / a_day if a_day > 0.0 else None
    through = db.scalar(_THROUGH, {**where, "active": totals.active}) if totals.active else 0
    return Supply(
        active=totals.active,
        worn=totals.worn,
        leaked=totals.leaked,
        contested=totals.contested,
        retired_by_word=totals.told,
        exposures=totals.exposures,
        answers=answers,
        right=right,
        pass_rate=right / answers if answers else None,
        by_tier=by_tier,
        left=totals.left,
        a_day=a_day,
        days_left=days_left,
        through=through or 0,
        warning=_warning(totals.active, days_left),
    )


def _warning(active: int, days_left: float | None) -> str | None:
    if active == 0:
        return "There is no gold that anybody could meet; add some."
    if days_left is not None and days_left < DAYS_LEFT_MIN:
        return f"At the pace of the last days the gold lasts for {days_left:.1f} days; add some."
    return None


_UNJUDGED = text("""
    SELECT project_id, task_id FROM golds
     WHERE status = 'active' AND exposures >= exposures_judged + :more ORDER BY random() LIMIT :most
""")
_JUDGED = text("""
    UPDATE golds SET exposures_judged = exposures WHERE project_id = :project_id AND task_id = :task_id
""")


def unjudged(db: Session, *, most: int) -> list[tuple[str, str]]:
    """Gold that so many have met since it was looked at that it is time again, as (project, task)."""
    return [(row.project_id, row.task_id) for row in db.execute(_UNJUDGED, {"more": _MORE, "most": most})]


def judge(db: Session, project_id: str, task_id: str, *, n_classes: int) -> tuple[Ending, str] | None:
    """Look at a gold, and tell why it has to end if it has to. Hold its task's lock."""
    db.execute(_JUDGED, {"project_id": project_id, "task_id": task_id})
    found = of_gold(db, project_id, task_id, n_classes=n_classes)
    if found.contested:
        whom = f"{found.rival_share:.0%} of {found.confident} reliable voters"
        return Ending.CONTESTED, f"{whom} give label {found.rival} instead"
    if found.leaked:
        first, last = found.over_time[0], found.over_time[-1]
        rose = f"right were {first.right} of the first {first.answers} and {last.right} of the last {last.answers}"
        return Ending.LEAKED, f"{rose}, {found.trend:.1f} standard deviations"
    return None

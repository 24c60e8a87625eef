"""Why a worker is given nothing: how many open tasks each rule keeps from them. Nothing here decides; a claim does.

Each task counts once, for the first rule that keeps it from the worker, so that all of them add up to what is open.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation.errors import NotFound
from payments import rates
from workforce import assignment, caps, linked, pools, required_exams
from workforce.models import Kind, ProjectStatus, WorkerStatus
from workforce.tiers import STARTING, Tier

# What one question may look at: so many projects, and of each so many tasks that there are about so many of all.
_PROJECTS_MOST = 500
_TASKS_MOST = 10_000
_EACH_LEAST = 20


class Rule(StrEnum):
    """What keeps a task from a worker, in the order in which it is looked at."""

    STATUS = "status"
    POOL = "pool"
    COUNTRY = "country"
    LANGUAGE = "language"
    PAUSED = "paused"
    TIER = "tier"
    EXAM = "exam"
    EXPERTS = "experts"
    PRICE = "price"
    CAP = "cap"
    YOURS = "yours"
    LINKED = "linked"
    TAKEN = "taken"
    PARKED = "parked"
    KEPT = "kept"
    LEASES = "leases"


_SAYS = {
    Rule.STATUS: "You are not active; ops activates workers.",
    Rule.POOL: "The project is for other pools.",
    Rule.COUNTRY: "The project is for other countries.",
    Rule.LANGUAGE: "The project is for people who know other languages, or know them better.",
    Rule.PAUSED: "The project is paused.",
    Rule.TIER: "The project is for higher tiers.",
    Rule.EXAM: "The project is for those who have passed an exam or training that you have not.",
    Rule.EXPERTS: "The task waits for an expert.",
    Rule.PRICE: "The project has no price for your tier in your country.",
    Rule.CAP: "You do as much in the project as one worker may: at once, today, or of all its answers.",
    Rule.YOURS: "You hold the task, or have answered it.",
    Rule.LINKED: "An account that counts as yours holds the task, or has answered it.",
    Rule.TAKEN: "All answers that the task wants are given or being given by others.",
    Rule.PARKED: "Workers found the task broken; somebody has to look at it first.",
    Rule.KEPT: "The task is kept for others for a while.",
    Rule.LEASES: "You hold as many tasks as one worker may; answer or release one first.",
}


@dataclass(frozen=True, slots=True)
class Removed:
    """How many tasks a rule keeps from a worker, of one project or of all."""

    rule: Rule
    tasks: int
    project_id: str = ""

    @property
    def says(self) -> str:
        """The rule in a sentence."""
        return _SAYS[self.rule]


@dataclass(frozen=True, slots=True)
class Why:
    """How many tasks a worker could claim, and which rules keep the others from them; by project too, most first.

    is_complete : whether all tasks were counted; else there are more.
    """

    claimable: int
    removed: list[Removed]
    projects: list[Removed]
    is_complete: bool


_PROJECTS = text(f"""
    WITH me AS MATERIALIZED ({pools.ME})
    SELECT me.status AS worker_status, me.country,
           (SELECT count(*) FROM assignments a WHERE a.worker_id = me.id AND a.status = 'leased') AS held, p.*
      FROM me LEFT JOIN LATERAL (
           SELECT p.id AS project_id, p.status, p.tier_min, coalesce(s.tier, :starting) AS tier,
                  {caps.ROOM} AS room,
                  {pools.IN_POOL} AS in_pool, {pools.IN_COUNTRY} AS in_country,
                  {pools.KNOWS_LANGUAGE} AS knows_language, {required_exams.PASSED} AS passed
             FROM projects p LEFT JOIN worker_tiers s ON s.worker_id = me.id AND s.skill = p.skill
             LEFT JOIN worker_shares k ON k.worker_id = me.id AND k.project_id = p.id
            WHERE p.id = coalesce(CAST(:project_id AS text), p.id) AND (:with_hidden OR {pools.SEES})
              AND EXISTS (SELECT FROM tasks t WHERE t.project_id = p.id AND t.status IN ('open', 'escalated'))
            ORDER BY p.id DESC LIMIT {_PROJECTS_MOST + 1}) p ON true
""")
_MINE = """EXISTS (SELECT FROM assignments a WHERE a.task_id = t.id AND a.worker_id = :worker_id
                      AND a.project_id = t.project_id AND a.status IN ('leased', 'answered')"""
_MATES = _MINE.replace("= :worker_id", "= ANY(CAST(:mates AS text[]))")
_OF_TASK = "t.id, t.project_id, t.status, t.free_slots, t.kept_until, t.kept_for, t.parked_at"
# The end of a line first: a worker begins at its other end, so what they may still claim is there.
_TASKS = text(f"""
    SELECT w.project_id, t.status, t.free_slots > 0 AS is_free,
           CASE WHEN t.status = 'escalated' AND NOT w.is_expert THEN '{Rule.EXPERTS}'
                WHEN t.status = 'escalated' AND {_MINE}) THEN '{Rule.YOURS}'
                WHEN t.status = 'open' AND {_MINE} AND a.kind = 'answer') THEN '{Rule.YOURS}'
                WHEN t.status = 'escalated' AND {_MATES}) THEN '{Rule.LINKED}'
                WHEN t.status = 'open' AND {_MATES} AND a.kind = 'answer') THEN '{Rule.LINKED}'
                WHEN t.free_slots = 0 THEN '{Rule.TAKEN}'
                WHEN t.parked_at IS NOT NULL THEN '{Rule.PARKED}'
                WHEN t.kept_until >= now() AND NOT :worker_id = ANY(t.kept_for) THEN '{Rule.KEPT}' END AS rule,
           count(*) AS n
      FROM unnest(CAST(:projects AS text[]), CAST(:experts AS boolean[])) AS w(project_id, is_expert)
     CROSS JOIN LATERAL (
           (SELECT {_OF_TASK} FROM tasks t WHERE t.project_id = w.project_id AND t.status = 'open' AND t.free_slots > 0
             ORDER BY t.position DESC LIMIT :each)
           UNION ALL
           (SELECT {_OF_TASK} FROM tasks t WHERE t.project_id = w.project_id AND t.status = 'open' AND t.free_slots = 0
             ORDER BY t.updated_at DESC LIMIT :each)
           UNION ALL
           (SELECT {_OF_TASK} FROM tasks t WHERE t.project_id = w.project_id AND t.status = 'escalated' LIMIT :each)) t
     GROUP BY 1, 2, 3, 4
""")


def ask(db: Session, worker_id: str, *, project_id: str | None = None, with_hidden: bool = False) -> Why:
    """What keeps open tasks from a worker. What is hidden from them is counted for ops alone, `with_hidden`."""
    wanted = {"worker_id": worker_id, "project_id": project_id, "with_hidden": with_hidden, "starting": int(STARTING)}
    rows = db.execute(_PROJECTS, wanted).all()
    if not rows:
        raise NotFound("There is no such worker.")
    found = {row.project_id: row for row in rows[:_PROJECTS_MOST] if row.project_id is not None}
    each = max(_TASKS_MOST // (3 * max(len(found), 1)), _EACH_LEAST)
    experts = [row.tier >= Tier.EXPERT for row in found.values()]
    asked = {"worker_id": worker_id, "projects": list(found), "experts": experts, "each": each}
    asked["mates"] = linked.mates(db, worker_id)
    counted = db.execute(_TASKS, asked).all() if found else []
    prices = rates.quotes(db, _tiers(found.values()), region=rows[0].country)
    tasks: Counter[tuple[str, Rule | None]] = Counter()
    for row in counted:
        tasks[row.project_id, _rule(found[row.project_id], row, prices)] += row.n
    return _why(tasks, is_complete=len(rows) <= _PROJECTS_MOST and max(_parts(counted), default=0) < each)


def _tiers(rows: Any) -> set[tuple[str, int]]:
    return {(row.project_id, assignment.price_tier(row.tier, kind)) for row in rows for kind in Kind}


def _parts(counted: Sequence[Any]) -> list[int]:
    """How many rows each look into a project's tasks has brought."""
    parts: Counter[tuple[str, str, bool]] = Counter()
    for row in counted:
        parts[row.project_id, row.status, row.is_free or row.status == "escalated"] += row.n
    return list(parts.values())


def _rule(project: Any, task: Any, prices: Mapping[tuple[str, int], object]) -> Rule | None:
    """The first rule that keeps tasks like this one of a project from the worker."""
    kind = Kind.ADJUDICATION if task.status == "escalated" else Kind.ANSWER
    keeps = {
        Rule.STATUS: project.worker_status != WorkerStatus.ACTIVE,
        Rule.POOL: not project.in_pool,
        Rule.COUNTRY: not project.in_country,
        Rule.LANGUAGE: not project.knows_language,
        Rule.PAUSED: project.status != ProjectStatus.ACTIVE,
        Rule.TIER: project.tier < project.tier_min,
        Rule.EXAM: not project.passed,
        Rule.EXPERTS: task.rule == Rule.EXPERTS,
        Rule.PRICE: (project.project_id, assignment.price_tier(project.tier, kind)) not in prices,
        Rule.CAP: task.rule is None and kind == Kind.ANSWER and project.room <= 0,
        Rule.LEASES: task.rule is None and project.held >= assignment.LEASES_MAX,
    }
    first = next((rule for rule, is_kept in keeps.items() if is_kept), None)
    return first or (Rule(task.rule) if task.rule else None)


def _why(tasks: Mapping[tuple[str, Rule | None], int], *, is_complete: bool) -> Why:
    by_rule: Counter[Rule | None] = Counter()
    for (_, rule), n in tasks.items():
        by_rule[rule] += n
    removed = [Removed(rule, by_rule[rule]) for rule in Rule if by_rule[rule]]
    projects = [Removed(rule, n, project_id) for (project_id, rule), n in tasks.items() if rule is not None]
    projects.sort(key=lambda one: (-one.tasks, one.project_id, one.rule))
    return Why(by_rule[None], removed, projects[:_PROJECTS_MOST], is_complete)

"""What confidence costs a requester: quality's curve of answers, in money."""

from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import text
from sqlalchemy.orm import Session

from payments import funding, rates
from quality import cost
from workforce.models import Kind, Project
from workforce.tiers import Tier

# Prices are those of so many settled tasks, so that asking takes the same time however many there are.
_PRICED = text("""
    SELECT a.kind, sum(a.amount) AS amount, count(*) AS n
      FROM (SELECT id FROM tasks WHERE project_id = :project_id AND status = 'settled' LIMIT 1000) t
      JOIN assignments a ON a.project_id = :project_id AND a.task_id = t.id AND a.status = 'answered'
     GROUP BY a.kind
""")


@dataclass(frozen=True, slots=True)
class Point:
    """A target, the share of tasks that reach it, and what a task takes on average: answers, and their cost with fee.

    cost : in ledger units of 10^-exponent.
    """

    confidence: float
    reached: float
    answers: float
    cost: int
    exponent: int


@dataclass(frozen=True, slots=True)
class CostCurve:
    """Points by rising target, none while nothing is settled. expert_price : of a decision, None if none was made."""

    points: list[Point]
    n_tasks: int
    expert_price: int | None
    currency: str
    exponent: int


def curve(db: Session, project: Project) -> CostCurve:
    """What other targets would have cost, at the mean price of the answers and decisions that were accepted."""
    card = rates.dearest(db, project.id, tier_max=Tier.EXPERT)
    paid = {row.kind: Fraction(int(row.amount), row.n) for row in db.execute(_PRICED, {"project_id": project.id})}
    answer, decision = paid.get(Kind.ANSWER), paid.get(Kind.ADJUDICATION)
    found = cost.curve(db, project.id, answers_min=project.overlap_min)
    points = []
    if answer is not None:
        for stop in found.stops:
            each = Fraction(stop.answers, found.n_tasks)
            units = funding.with_fee(round(each * answer))
            points.append(Point(stop.confidence, stop.reached, float(each), units, card.exponent))
    return CostCurve(
        points=points,
        n_tasks=found.n_tasks if points else 0,
        expert_price=None if decision is None else funding.with_fee(round(decision)),
        currency=card.currency,
        exponent=card.exponent,
    )

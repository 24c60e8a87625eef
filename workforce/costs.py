"""What confidence costs a requester: quality's curve of answers, in money."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from payments import funding, rates
from quality import cost
from workforce.models import Kind, Project
from workforce.tiers import Tier

# Prices are those of so many settled tasks, so that asking takes the same time however many there are.
_PRICED = text("""
    SELECT a.kind, t.batch_id, sum(a.amount) AS amount, count(*) AS n
      FROM (SELECT id, batch_id FROM tasks WHERE project_id = :project_id AND status = 'settled' LIMIT 1000) t
      JOIN assignments a ON a.project_id = :project_id AND a.task_id = t.id AND a.status = 'answered'
     GROUP BY a.kind, t.batch_id
""")
_KINDS = (Kind.ANSWER, Kind.ADJUDICATION)


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
    priced = db.execute(_PRICED, {"project_id": project.id}).all()
    fees = funding.fees_of(db, [row.batch_id for row in priced])
    answer, decision = (_mean([row for row in priced if row.kind == kind], fees) for kind in _KINDS)
    found = cost.curve(db, project.id, answers_min=project.overlap_min)
    points = []
    if answer is not None:
        for stop in found.stops:
            each = Fraction(stop.answers, found.n_tasks)
            units = funding.with_fee(round(each * answer.price), answer.fee)
            points.append(Point(stop.confidence, stop.reached, float(each), units, card.exponent))
    return CostCurve(
        points=points,
        n_tasks=found.n_tasks if points else 0,
        expert_price=None if decision is None else funding.with_fee(round(decision.price), decision.fee),
        currency=card.currency,
        exponent=card.exponent,
    )


@dataclass(frozen=True, slots=True)
class _Mean:
    """The mean price of answers, and the fee on all of them together in hundredths of a per cent."""

    price: Fraction
    fee: int


def _mean(rows: Sequence[Any], fees: Mapping[str, int]) -> _Mean | None:
    """The mean of rows of `_PRICED`, at the fees of their batches."""
    if not rows:
        return None
    amount = sum(int(row.amount) for row in rows)
    fee = Fraction(sum(int(row.amount) * fees[row.batch_id] for row in rows), amount)
    return _Mean(Fraction(amount, sum(row.n for row in rows)), round(fee))

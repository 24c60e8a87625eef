"""New rate cards for projects in work: what open tasks have set aside is raised before a dearer price can be claimed.

A price is fixed at the claim and its money is set aside when a task opens (`tasks.py`), so a card that is dearer than
what tasks were opened by needs more money first: all of it, or the card is refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import errors, outbox
from payments import active_time, funding, money, rates, wages
from payments.funding import Aside
from payments.ledger import InsufficientFunds
from payments.rates import Price
from workforce import tasks
from workforce.models import Answer, Batch, Kind, Project, Task, TaskStatus
from workforce.tiers import Tier

# How long answers take is learned from so many of the newest.
_LEARNED_FROM = 1000
_OPEN = (TaskStatus.OPEN, TaskStatus.ESCALATED, TaskStatus.GOLD)


@dataclass(frozen=True, slots=True)
class Raised:
    """What a card makes open tasks set aside on top, in ledger units; for how many, and what their owner has free.

    amount : with what the contract sets aside for the floor beside it.
    """

    tasks: int
    amount: int
    available: int
    currency: str
    exponent: int


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a card would do now, what the last thirty days' answers would have cost, and where it is below the floor."""

    raised: Raised
    last_month: rates.Preview
    below_floor: list[wages.Below]


# What a task may still cost: answers that were given cost what their claims fixed; of those that may come, each costs
# the dearest price, or that of a lease that has expired here and may be answered yet. What was accepted before a task
# was opened again was paid for out of an earlier reserve, as what waits for its requester since then will be.
_NEED = f"""
    WITH open AS MATERIALIZED (
        SELECT t.id, t.batch_id, t.reserved, t.status = 'gold' AS is_gold, f.fee,
               CASE WHEN t.status = 'gold' THEN t.overlap ELSE :overlap_max END AS answers
          FROM tasks t
          JOIN unnest(CAST(:batches AS text[]), CAST(:fees AS int[])) AS f(batch_id, fee) ON f.batch_id = t.batch_id
         WHERE t.project_id = :project_id AND t.status IN ('open', 'escalated', 'gold')
         ORDER BY t.id {{lock}}
    ), given AS (
        SELECT o.id, a.kind, count(n.id) AS n,
               coalesce(sum({funding.with_fee_sql("a.amount", "o.fee")}) FILTER (WHERE n.id IS NOT NULL), 0) AS cost,
               coalesce(max(a.amount) FILTER (WHERE a.status IN ('leased', 'expired')), 0) AS held
          FROM open o JOIN assignments a ON a.project_id = :project_id AND a.task_id = o.id
          LEFT JOIN answers n ON n.assignment_id = a.id AND n.project_id = a.project_id AND n.status = 'submitted'
           AND NOT EXISTS (SELECT FROM reviews v
                            WHERE v.answer_id = n.id AND v.project_id = n.project_id AND NOT v.of_gold)
         GROUP BY o.id, a.kind
    ), need AS (
        SELECT o.id, o.batch_id, o.reserved,
               coalesce(c.cost, 0) + greatest(o.answers - coalesce(c.n, 0), 0)
                   * {funding.with_fee_sql("greatest(:answer, coalesce(c.held, 0))", "o.fee")}
               + CASE WHEN o.is_gold THEN 0 ELSE coalesce(x.cost, 0) + greatest(:experts - coalesce(x.n, 0), 0)
                   * {funding.with_fee_sql("greatest(:decision, coalesce(x.held, 0))", "o.fee")} END AS amount
          FROM open o LEFT JOIN given c ON c.id = o.id AND c.kind = 'answer'
          LEFT JOIN given x ON x.id = o.id AND x.kind = 'adjudication'
    )"""
_PREVIEW = text(
    _NEED.format(lock="")
    + """
    SELECT batch_id, count(*) AS tasks, sum(amount - reserved) AS amount FROM need
     WHERE amount > reserved GROUP BY batch_id ORDER BY batch_id"""
)
_RAISE = text(
    _NEED.format(lock="FOR UPDATE OF t")
    + """, raised AS (
        UPDATE tasks t SET reserved = n.amount FROM need n
         WHERE t.id = n.id AND t.project_id = :project_id AND n.amount > n.reserved
        RETURNING n.batch_id, n.amount - n.reserved AS amount
    )
    SELECT batch_id, count(*) AS tasks, sum(amount) AS amount FROM raised GROUP BY batch_id ORDER BY batch_id"""
)


def publish(db: Session, project: Project, prices: Sequence[Price], *, valid_from: datetime | None = None) -> Raised:
    """Give a project new prices, from now on or from a later moment, and raise what its open tasks have set aside.

    Raises `InsufficientFunds` if its requester has less free than that takes; the transaction must not commit then.
    """
    outbox.hold_stream(db, project.id)
    rates.change_card(db, project.id)
    with errors.within("/rates"):
        terms = _terms(db, project, prices)
        card = rates.publish(db, project.id, prices, valid_from=valid_from)
    rows = db.execute(_RAISE, terms).all()
    raised, wanted = _raised(db, project, prices, rows, card=card)
    if raised.amount > raised.available:
        missing = money.format_amount(raised.amount - raised.available, raised.exponent)
        raise InsufficientFunds(
            f"Open tasks could be claimed at these prices; {missing} {raised.currency} more are needed for them. "
            "Top up first, or publish the card when fewer tasks are open.",
            missing=missing,
            currency=raised.currency,
        )
    if wanted:
        funding.reserve_all(db, wanted, owner_ref=project.requester_id, currency=raised.currency)
    return raised


def preview(
    db: Session, project: Project, prices: Sequence[Price], *, estimated_seconds: int | None = None
) -> Foreseen:
    """What open tasks would set aside on top if these prices were published. Nothing is written or locked."""
    with errors.within("/rates"):
        terms = _terms(db, project, prices)
    raised, _ = _raised(db, project, prices, db.execute(_PREVIEW, terms).all())
    batches = db.scalars(select(Batch.id).where(Batch.project_id == project.id)).all()
    below = below_floor(db, project, prices, estimated_seconds=estimated_seconds)
    return Foreseen(raised, rates.preview(db, prices, cause_refs=batches), below)


def below_floor(
    db: Session, project: Project, prices: Sequence[Price] = (), *, estimated_seconds: int | None = None
) -> list[wages.Below]:
    """Where a project's card, with these prices if there are any, pays the crowd less than the floor in force.

    An answer takes as long as its requester says, or else the median of the project's newest; without either nothing
    is warned of.
    """
    newest = select(Answer.id).where(Answer.project_id == project.id, Answer.kind == Kind.ANSWER)
    seconds = estimated_seconds or active_time.median_seconds(
        db, db.scalars(newest.order_by(Answer.id.desc()).limit(_LEARNED_FROM)).all()
    )
    if seconds is None:
        return []
    card = rates.card_with(db, project.id, prices)
    return wages.warn_of_card(db, card, tier_min=project.tier_min, tier_max=Tier.SENIOR, seconds=seconds)


@dataclass(frozen=True, slots=True)
class Outlined:
    """A project as its requester sees it: all of its own, and where its prices are below the floor."""

    project: Project
    below_floor: list[wages.Below]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.project, name)


def outline(db: Session, project: Project, *, estimated_seconds: int | None = None) -> Outlined:
    """A project beside what its requester is warned of."""
    return Outlined(project, below_floor(db, project, estimated_seconds=estimated_seconds))


def _terms(db: Session, project: Project, prices: Sequence[Price]) -> dict[str, Any]:
    """What `_NEED` asks for: the dearest price of an answer and of a decision, how many of each, and fees by batch."""
    answer = rates.dearest_with(db, project.id, prices, tier_max=Tier.SENIOR)
    decision = rates.dearest_with(db, project.id, prices, tier_max=Tier.EXPERT)
    rows = select(Task.batch_id).where(Task.project_id == project.id, Task.status.in_(_OPEN)).distinct()
    fees = funding.fees_of(db, db.scalars(rows).all())
    return {
        "project_id": project.id,
        "answer": answer.amount,
        "decision": decision.amount,
        "overlap_max": project.overlap_max,
        "experts": tasks.experts_max(project),
        "batches": list(fees),
        "fees": list(fees.values()),
    }


def _raised(
    db: Session, project: Project, prices: Sequence[Price], rows: Iterable[Any], *, card: str = ""
) -> tuple[Raised, list[Aside]]:
    """What rows of `_PREVIEW` or `_RAISE` come to, and what is to be set aside by them, under the card's id."""
    share = funding.contingency_in_force(db, project.requester_id)
    currency = money.currency(db, prices[0].currency)
    wanted, n_tasks = [], 0
    for row in rows:
        missing = int(row.amount)
        contingency = money.share(missing, share)
        wanted.append(Aside(row.batch_id, f"{row.batch_id}:{card}", missing + contingency, contingency))
        n_tasks += row.tasks
    return Raised(
        tasks=n_tasks,
        amount=sum(one.amount for one in wanted),
        available=funding.available(db, project.requester_id, currency.code),
        currency=currency.code,
        exponent=currency.ledger_exponent,
    ), wanted

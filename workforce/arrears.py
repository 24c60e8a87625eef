"""Arrears: what answers were paid too little, as their worker stood lower than they should have, or was not believed.

A price is fixed at the claim, by the worker's tier. Whoever was demoted wrongly and put right later has claimed at
lower prices meanwhile; the difference is known to the last digit. What work they were not given at all nobody knows.
A rejected answer that turns out right is worth what its claim said.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from payments import adjustments, money, rates
from payments.adjustments import Gift
from payments.rates import Asked
from workforce import messages
from workforce.messages import News
from workforce.models import Change, CorrectionLine, PaidBy
from workforce.tiers import Tier

# A worker reads it, and learns of no gold by it.
WHY = "For answers priced too low, or rejected, while something spoke against you that was put right since."

# SQL: whether the house has made up for an answer `n` already.
_MADE_UP = """EXISTS (SELECT FROM correction_lines l JOIN corrections o ON o.id = l.correction_id
                     WHERE l.answer_id = n.id AND l.paid_by = 'house' AND o.state = 'applied'
                       AND o.n_previews = l.preview)"""

# Demotions that were taken back, in whose evidence this answer of the worker's is; and the moments of both, as ids tell
# them.
_PUT_RIGHT = text("""
    SELECT c.worker_id, d.tier_from AS tier, substr(d.id, 5) AS since, substr(c.id, 5) AS until
      FROM unnest(CAST(:worker_ids AS text[]), CAST(:seqs AS int[])) AS v(worker_id, seq)
      JOIN tier_moves c ON c.worker_id = v.worker_id AND c.skill = :skill AND c.cause = 'correction'
      JOIN LATERAL (SELECT d.* FROM tier_moves d
                     WHERE d.worker_id = c.worker_id AND d.skill = c.skill AND d.cause = 'demotion' AND d.id < c.id
                     ORDER BY d.id DESC LIMIT 1) d
        ON d.since < v.seq AND v.seq <= d.through AND d.tier_from = c.tier_to
     ORDER BY c.id
""")
_CLAIMED = text(f"""
    SELECT n.id AS answer_id, n.worker_id, n.project_id, w.country, r.tier, a.currency, a.exponent, a.amount,
           a.created_at
      FROM unnest(CAST(:worker_ids AS text[]), CAST(:tiers AS int[]), CAST(:sinces AS text[]),
                  CAST(:untils AS text[])) AS r(worker_id, tier, since, until)
      JOIN workers w ON w.id = r.worker_id
      JOIN answers n ON n.worker_id = r.worker_id AND n.id > 'ans_' || r.since
       AND n.kind = 'answer' AND n.status = 'accepted'
      JOIN assignments a ON a.id = n.assignment_id AND a.project_id = n.project_id
       AND a.id > 'asg_' || r.since AND a.id < 'asg_' || r.until
      JOIN projects p ON p.id = n.project_id AND p.skill = :skill
     WHERE NOT {_MADE_UP}
     ORDER BY n.id LIMIT :most
""")


def of_answers(
    db: Session, skill: str, checked: Iterable[tuple[str, int | None]], *, most: int
) -> Iterator[CorrectionLine]:
    """What is owed beyond their prices for answers of workers whose demotion by a checked answer was taken back.

    checked : workers, and which of their checked answers each is. Of answers claimed in between, at most so many of
    them, those whose price would have been higher and that nothing was paid for yet.
    """
    counted = [(worker_id, seq) for worker_id, seq in checked if seq is not None]
    where = {"worker_ids": [one for one, _ in counted], "seqs": [seq for _, seq in counted], "skill": skill}
    put_right = db.execute(_PUT_RIGHT, where).all() if counted else []
    rows = _claimed(db, skill, put_right, most=most)
    asked = [Asked(row.project_id, min(row.tier, Tier.SENIOR), row.country, row.created_at) for row in rows]
    for row, quote in zip(rows, rates.quoted(db, asked), strict=True):
        if quote is not None and quote.currency == row.currency and quote.amount > row.amount:
            yield CorrectionLine(
                change=Change.PAY,
                worker_id=row.worker_id,
                answer_id=row.answer_id,
                amount=quote.amount - row.amount,
                currency=row.currency,
                exponent=row.exponent,
                paid_by=PaidBy.HOUSE,
            )


def _claimed(db: Session, skill: str, put_right: Sequence[Any], *, most: int) -> Sequence[Any]:
    """Accepted answers that were claimed between a demotion and its end; each once."""
    if not put_right:
        return []
    where = {
        "worker_ids": [row.worker_id for row in put_right],
        "tiers": [row.tier for row in put_right],
        "sinces": [row.since for row in put_right],
        "untils": [row.until for row in put_right],
    }
    rows = db.execute(_CLAIMED, {**where, "skill": skill, "most": most}).all()
    return list({row.answer_id: row for row in rows}.values())


_REJECTED = text(f"""
    SELECT n.id AS answer_id, n.worker_id, a.amount, a.currency, a.exponent,
           CASE r.state WHEN 'rejected' THEN 'requester' ELSE 'house' END AS paid_by
      FROM answers n
      JOIN reviews r ON r.answer_id = n.id AND r.project_id = n.project_id
      JOIN assignments a ON a.id = n.assignment_id AND a.project_id = n.project_id
     WHERE n.project_id = :project_id AND n.task_id = :task_id AND n.status = 'rejected'
       AND n.worker_id = ANY(:worker_ids) AND NOT {_MADE_UP}
     ORDER BY n.id
""")


def of_rejected(db: Session, project_id: str, task_id: str, worker_ids: Sequence[str]) -> Iterator[CorrectionLine]:
    """What is owed for the answers of these workers to a task that were rejected and not made up for yet.

    By their requester as long as their money is kept, and by the house once it was given back.
    """
    where = {"project_id": project_id, "task_id": task_id, "worker_ids": list(worker_ids)}
    for row in db.execute(_REJECTED, where).mappings():
        yield CorrectionLine(change=Change.PAY, **row)


_PAYEES = text("SELECT id, payee_id FROM workers WHERE id = ANY(:worker_ids)")


def pay(db: Session, correction_id: str, lines: Sequence[CorrectionLine], *, actor_ref: str) -> None:
    """Pay at the house's expense what lines of a correction say, in one sum for each worker and currency; tell them.

    A sum goes by the first answer that it makes up for, which nothing else ever does.
    """
    owed: dict[tuple[str, str, int], list[tuple[str, int]]] = defaultdict(list)
    for line in lines:
        if line.paid_by == PaidBy.HOUSE:
            assert line.worker_id is not None
            assert line.currency is not None
            assert line.exponent is not None
            assert line.answer_id is not None
            assert line.amount is not None
            owed[line.worker_id, line.currency, line.exponent].append((line.answer_id, line.amount))
    rows = db.execute(_PAYEES, {"worker_ids": [worker_id for worker_id, _, _ in owed]}) if owed else ()
    payee_of = {row.id: row.payee_id for row in rows}
    # Payees are locked one after the other, in one order.
    for (worker_id, currency, exponent), parts in sorted(owed.items(), key=lambda one: payee_of[one[0][0]]):
        first, amount = min(parts)[0], sum(amount for _, amount in parts)
        gift = Gift(payee_of[worker_id], currency, amount, reference=first, reason=WHY)
        adjustments.give_goodwill(db, gift, actor_ref=actor_ref)
        facts = {"amount": money.format_amount(amount, exponent), "currency": currency, "reason": WHY}
        messages.tell(db, "pay_put_right", [News(worker_id, f"{correction_id}:{currency}", facts)])

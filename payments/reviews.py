"""Reviews: what a person makes of a match. Whoever had it looked for does not decide it, and nobody blocks alone."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import Conflict, NotFound
from payments import blocks, four_eyes, payees
from payments.models import Decision, Outcome, Screening


class NoSuchScreening(NotFound):
    """There is no such screening."""


class NothingToDecide(Conflict):
    """There is nothing to decide about this screening."""


def decide(db: Session, screening_id: str, *, decision: str, reason: str, decided_by: str) -> Screening:
    """Say whether a payee is whom the list means. If not, runs pay them again; if so, a block is proposed.

    The same match is not asked again. By another person than the one who had it looked for.
    """
    screening = _lock(db, screening_id)
    four_eyes.other_person(screening.asked_by, decided_by)
    now, screening.decision, screening.reason = clock.now(db), Decision(decision), reason
    screening.decided_by, screening.decided_at = decided_by, now
    db.flush()
    if decision == Decision.BLOCKED and not blocks.is_open(db, screening.payee_id):
        blocks.propose(db, payee_id=screening.payee_id, reason=reason, made_by=decided_by, screening_id=screening.id)
    return screening


def _lock(db: Session, screening_id: str) -> Screening:
    payee_id = db.scalar(select(Screening.payee_id).where(Screening.id == screening_id))
    if payee_id is None:
        raise NoSuchScreening("There is no such screening.")
    payees.lock(db, [payee_id])
    screening = db.get_one(Screening, screening_id, with_for_update=True, populate_existing=True)
    if screening.outcome == Outcome.CLEAR or screening.decision is not None:
        raise NothingToDecide("It is clear, or somebody has decided it.")
    last = select(Screening.id).where(Screening.payee_id == payee_id).order_by(Screening.id.desc()).limit(1)
    if (newest := db.scalar(last)) != screening_id:
        raise NothingToDecide(f"They were screened again since; look at {newest}.")
    return screening

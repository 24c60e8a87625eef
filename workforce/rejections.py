"""Rejections of answers, and the brake on whoever rejects many at once.

A requester who rejects too many within an hour, or too large a share of what they judge, rejects no more until ops have
looked: what they rejected may be undone as a whole. Silence accepts nothing meanwhile, and nothing becomes final.
"""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, outbox
from foundation.errors import Conflict, NotFound
from payments import batch_floors, earnings
from workforce import reviews
from workforce.models import Brake, BrakeState, Project, Requester, Review, ReviewState
from workforce.reviews import AnswerJudged

APPEAL_WITHIN = timedelta(days=7)
# Within an hour so many, or more than this share of what was judged once that is enough to tell.
REJECTED_MAX = 50
SHARE_MAX = 0.5
JUDGED_MIN = 20
# What an appeal that was upheld within a month takes off the number, and what is left of it at the least.
UPHELD_COSTS = 5
REJECTED_LEAST = 5
_HOUR, _MONTH = timedelta(hours=1), timedelta(days=30)
_AT_ONCE = 500

log = structlog.get_logger()


class RejectionsOnHold(Conflict):
    """You have rejected much within an hour; ops look at it first."""


class NoSuchBrake(NotFound):
    """There is no such brake."""


class BrakeDecided(Conflict):
    """Somebody has decided about this brake."""


_REJECT = text("UPDATE answers SET status = 'rejected' WHERE id = :answer_id AND project_id = :project_id")


def reject(db: Session, project: Project, answer_id: str, *, reason: str, evidence: str, decided_by: str) -> Review:
    """Reject an answer that waits. Nothing moves in the books: its money is kept until nobody can appeal any more.

    The one that is too much of its hour is the last that its requester rejects.
    """
    outbox.hold_stream(db, project.id)
    (review,) = reviews.lock(db, project.id, [answer_id])
    # All that one requester rejects takes turns, so that many at once are counted.
    db.execute(select(Requester.id).where(Requester.id == review.requester_id).with_for_update(key_share=True))
    now = clock.now(db)
    if review.state != ReviewState.WAITING:
        raise AnswerJudged(f"This answer is {review.state}.")
    if db.scalar(brakes(review.requester_id, state=BrakeState.ON)) is not None:
        raise RejectionsOnHold("Until ops have decided you can accept answers, and reject none.")
    if review.accept_at <= now and not db.scalar(
        text(f"SELECT {reviews.stands_still(':id')}"), {"id": project.requester_id}
    ):
        raise AnswerJudged("The time to reject it is over; silence has accepted it.")
    review.state, review.reason, review.evidence = ReviewState.REJECTED, reason, evidence
    review.decided_by, review.decided_at, review.appeal_until = decided_by, now, now + APPEAL_WITHIN
    db.flush()
    db.execute(_REJECT, {"project_id": project.id, "answer_id": answer_id})
    reviews.accept_these(db, {}, beside={project.id: [answer_id]}, decided_by=decided_by)
    _brake(db, review.requester_id)
    return review


_COUNT = text("""
    SELECT count(*) FILTER (WHERE state IN ('rejected', 'final')) AS rejected, count(*) AS judged
      FROM reviews WHERE requester_id = :requester_id AND decided_by IS NOT NULL AND NOT of_gold
       AND decided_at > greatest(now() - CAST(:hour AS interval), (
               SELECT max(decided_at) FROM brakes WHERE requester_id = :requester_id))
""")
_UPHELD = text("""
    SELECT count(*) FROM appeals WHERE requester_id = :requester_id AND state = 'upheld'
       AND decided_at > now() - CAST(:month AS interval)
""")


def _brake(db: Session, requester_id: str) -> None:
    """Put a brake on a requester, who is locked, if what they have judged since an hour ago is too much rejection."""
    found = db.execute(_COUNT, {"requester_id": requester_id, "hour": _HOUR}).one()
    upheld = db.scalar(_UPHELD, {"requester_id": requester_id, "month": _MONTH}) or 0
    most = max(REJECTED_MAX - UPHELD_COSTS * upheld, REJECTED_LEAST)
    too_large = found.judged >= JUDGED_MIN and found.rejected > SHARE_MAX * found.judged
    if found.rejected < most and not too_large:
        return
    made = Brake(
        id=ids.new("bra"),
        requester_id=requester_id,
        state=BrakeState.ON,
        since=clock.now(db) - _HOUR,
        n_rejected=found.rejected,
        n_judged=found.judged,
    )
    db.add(made)
    db.flush()
    log.warning("rejections on hold", brake_id=made.id, rejected=made.n_rejected, judged=made.n_judged)


# What ops make of it


def release(db: Session, brake_id: str, *, reason: str, decided_by: str) -> Brake:
    """Let a requester go on: what they rejected stays rejected. Their timers stand still for another day."""
    return _decide(db, brake_id, BrakeState.RELEASED, reason=reason, decided_by=decided_by)


def undo(db: Session, brake_id: str, *, reason: str, decided_by: str) -> Brake:
    """Accept all that was rejected in the hour that set the brake, in whichever project, and pay for it."""
    brake = _find(db, brake_id)
    rows = of_brake(brake).where(Review.state == ReviewState.REJECTED).order_by(Review.answer_id)
    for project_id in sorted({review.project_id for review in db.scalars(rows)}):
        outbox.hold_stream(db, project_id)
    brake = _decide(db, brake_id, BrakeState.UNDONE, reason=reason, decided_by=decided_by)
    rejected: dict[str, list[str]] = defaultdict(list)
    # Again, for now nothing changes; a requester on hold has rejected none in another project meanwhile.
    for review in db.scalars(rows.execution_options(populate_existing=True)):
        rejected[review.project_id].append(review.answer_id)
    reviews.accept_these(db, rejected, decided_by=decided_by)
    return brake


def _decide(db: Session, brake_id: str, state: BrakeState, *, reason: str, decided_by: str) -> Brake:
    brake = _find(db, brake_id)
    db.refresh(brake, with_for_update=True)
    if brake.state != BrakeState.ON:
        raise BrakeDecided(f"It was {brake.state}.")
    brake.state, brake.reason, brake.decided_by, brake.decided_at = state, reason, decided_by, clock.now(db)
    db.flush()
    return brake


def _find(db: Session, brake_id: str) -> Brake:
    found = db.get(Brake, brake_id)
    if found is None:
        raise NoSuchBrake("Look its id up in the list of brakes.")
    return found


def brakes(requester_id: str | None = None, *, state: str | None = None) -> Select[Brake]:
    """All brakes, or those of a requester, or those in a state."""
    rows = select(Brake)
    rows = rows if requester_id is None else rows.where(Brake.requester_id == requester_id)
    return rows if state is None else rows.where(Brake.state == state)


def of_brake(brake: Brake) -> Select[Review]:
    """What was rejected in the hour that set a brake, whatever became of it since."""
    return select(Review).where(
        Review.requester_id == brake.requester_id,
        Review.reason.is_not(None),
        Review.decided_at > brake.since,
        Review.decided_at <= brake.created_at,
    )


def rejected_under(db: Session, brake_id: str) -> Select[Review]:
    """The same for the brake with this id."""
    return of_brake(_find(db, brake_id))


# By the clock


_UNAPPEALED = """
    r.state = 'rejected' AND r.appeal_until <= now()
    AND NOT EXISTS (SELECT FROM appeals a
                     WHERE a.answer_id = r.answer_id AND a.project_id = r.project_id AND a.state = 'open')
    AND NOT EXISTS (SELECT FROM brakes b WHERE b.requester_id = r.requester_id AND b.state = 'on')
"""
_DUE = text(f"""
    SELECT DISTINCT project_id FROM (
        SELECT project_id FROM reviews r WHERE {_UNAPPEALED} ORDER BY appeal_until LIMIT :look_ahead) AS due
""")
_DUE_IN = text(f"""
    SELECT answer_id FROM reviews r WHERE project_id = :project_id AND {_UNAPPEALED} ORDER BY appeal_until LIMIT :most
""")
_END = text("""
    UPDATE reviews SET state = 'final' WHERE project_id = :project_id AND answer_id = ANY(:answer_ids)
    RETURNING batch_id
""")


def end(db: Session) -> int:
    """Give back what was kept for rejected answers of a project that nobody has appealed in time. A sweep."""
    project_id = reviews.free_project(db, _DUE)
    if project_id is None:
        return 0
    due = list(db.scalars(_DUE_IN, {"project_id": project_id, "most": _AT_ONCE}))
    end_these(db, project_id, due)
    return len(due)


def end_these(db: Session, project_id: str, answer_ids: list[str]) -> None:
    """Make rejections final, and give back what was kept for them. The project's stream is held."""
    batches: Any = db.scalars(_END, {"project_id": project_id, "answer_ids": answer_ids})
    batch_floors.begin(db, set(batches))
    earnings.end(db, sorted(answer_ids), actor_ref="settlement")

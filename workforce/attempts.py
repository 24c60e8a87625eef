"""Sitting an exam or training: started, answered question by question, and over with the last answer or its time.

An exam tells its result and not which answers were right; training tells at once what is right and why. What an attempt
pays is fixed and set aside at its start, and due once when it is over, whatever came of it, unless nothing was
answered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.errors import Conflict, NotFound
from payments import earnings, funding, rates
from payments.earnings import Work
from payments.funding import Rest
from payments.ledger import HOUSE, InsufficientFunds
from payments.rates import Quote
from workforce import assignment, labels, places, pools, projects, tasks, tiers
from workforce.assignment import AlreadyAnswered, NotActive
from workforce.exams import NoSuchExam
from workforce.labels import Answerable
from workforce.models import (
    Attempt,
    AttemptAnswer,
    AttemptState,
    Cause,
    Exam,
    ExamQuestion,
    Kind,
    Project,
    Purpose,
    Worker,
    WorkerStatus,
)
from workforce.tiers import STARTING

_ENDED_AT_ONCE = 100


class NoSuchAttempt(NotFound):
    """You have no such attempt."""


class AttemptUnderWay(Conflict):
    """You are sitting this already."""


class AlreadyPassed(Conflict):
    """You have passed this exam."""


class AttemptsUsedUp(Conflict):
    """You have sat this as often as anybody may."""


class TooSoonAgain(Conflict):
    """Some days must pass before you sit this again."""


class ExamNotReady(Conflict):
    """It has fewer questions than an attempt needs."""


class ExamNotFunded(Conflict):
    """Its requester cannot pay for an attempt now."""


class AttemptOver(Conflict):
    """This attempt is over."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a worker may sit: its terms, what an attempt pays them, and what they have done of it.

    attempt_id : the one that is under way. again_at : before that no other may be started. n_opens : so many projects
    with open tasks, which the worker may see, ask for it.
    """

    project_id: str
    purpose: str
    skill: str
    n_questions: int
    n_needed: int
    seconds: int
    attempts_max: int
    cool_down_days: int
    is_ready: bool
    n_attempts: int
    passed: bool
    attempt_id: str | None
    again_at: datetime | None
    n_opens: int
    price: Quote | None


_OFFERS = text(f"""
    WITH me AS MATERIALIZED ({pools.ME})
    SELECT p.id AS project_id, p.purpose, p.skill, x.n_questions, x.n_needed, x.seconds, x.attempts_max,
           x.cool_down_days, me.country, coalesce(s.tier, :starting) AS tier, mine.n AS n_attempts,
           coalesce(mine.passed, false) AS passed, mine.attempt_id,
           mine.ended_at + make_interval(days => x.cool_down_days) AS again_at,
           x.n_questions <= (SELECT count(*) FROM exam_questions q
                              WHERE q.project_id = p.id AND q.retired_at IS NULL) AS is_ready,
           (SELECT count(*) FROM projects p
             WHERE p.required_exams <> '{{}}' AND x.project_id = ANY(p.required_exams) AND p.status = 'active'
               AND {pools.SEES}
               AND EXISTS (SELECT FROM tasks t WHERE t.project_id = p.id AND t.status IN ('open', 'escalated')
                                                 AND t.free_slots > 0)) AS n_opens
      FROM me JOIN projects p ON p.purpose <> 'work' AND p.status = 'active'
                             AND p.id = coalesce(CAST(:project_id AS text), p.id)
                             AND (CAST(:after AS text) IS NULL OR p.id < :after)
      JOIN exams x ON x.project_id = p.id
      LEFT JOIN worker_tiers s ON s.worker_id = me.id AND s.skill = p.skill
      CROSS JOIN LATERAL (
           SELECT count(*) AS n, bool_or(a.state = 'passed') AS passed, max(a.ended_at) AS ended_at,
                  max(a.id) FILTER (WHERE a.state = 'sitting') AS attempt_id
             FROM attempts a WHERE a.worker_id = me.id AND a.project_id = p.id) mine
     WHERE {pools.SEES} ORDER BY p.id DESC LIMIT :most
""")


def _offers(
    db: Session, worker_id: str, *, project_id: str | None = None, after: str | None = None, most: int = 1
) -> list[Offer]:
    wanted = {"worker_id": worker_id, "project_id": project_id, "after": after, "most": most}
    rows = db.execute(_OFFERS, {**wanted, "starting": int(STARTING)}).all()
    tier_of = {row.project_id: assignment.price_tier(row.tier, Kind.ANSWER) for row in rows}
    prices = rates.quotes(db, set(tier_of.items()), region=rows[0].country) if rows else {}
    own = [name for name in Offer.__slots__ if name != "price"]
    return [
        Offer(
            **{name: getattr(row, name) for name in own},
            price=prices.get((row.project_id, tier_of[row.project_id])),
        )
        for row in rows
    ]


def offers(db: Session, worker_id: str, page: pagination.PageRequest) -> pagination.Page:
    """What a worker may sit, newest first, with what they have done of it."""
    found = _offers(db, worker_id, after=page.after, most=page.limit + 1)
    items = found[: page.limit]
    return pagination.Page(items, items[-1].project_id if len(found) > page.limit else None)


def listed(db: Session, worker_id: str, page: pagination.PageRequest) -> pagination.Page:
    """A worker's attempts, newest first."""
    return pagination.read(db, select(Attempt).where(Attempt.worker_id == worker_id), Attempt.id, page)


def start(db: Session, worker_id: str, project_id: str) -> Attempt:
    """Begin to sit an exam: its time runs from now on."""
    # Two at once: the second waits for the first one's commit, and then sees its attempt.
    worker = db.get(Worker, worker_id, with_for_update={"key_share": True}, populate_existing=True)
    if worker is None or worker.status not in {WorkerStatus.APPLICANT, WorkerStatus.ACTIVE}:
        raise NotActive(f"You are {worker.status if worker else 'nobody'}; nothing can be begun now.")
    offer = next(iter(_offers(db, worker_id, project_id=project_id)), None)
    if offer is None:
        raise NoSuchExam("There is nothing with this id that you may sit.")
    now = clock.now(db)
    _refuse_again(offer, now)
    attempt = Attempt(
        id=ids.new("exm"),
        project_id=project_id,
        worker_id=worker_id,
        state=AttemptState.SITTING,
        n_questions=offer.n_questions,
        n_needed=offer.n_needed,
        n_answered=0,
        n_right=0,
        started_at=now,
        ends_at=now + timedelta(seconds=offer.seconds),
    )
    if offer.price is not None:
        _set_aside(db, attempt, offer.price)
    db.add(attempt)
    db.flush()
    db.execute(_DRAW, {"attempt_id": attempt.id, "project_id": project_id, "worker_id": worker_id})
    return attempt


def _refuse_again(offer: Offer, now: datetime) -> None:
    if offer.attempt_id is not None:
        raise AttemptUnderWay("Answer it, or end it.", attempt_id=offer.attempt_id)
    # Training is there to be repeated.
    if offer.passed and offer.purpose == Purpose.EXAM:
        raise AlreadyPassed("There is nothing more to show by it.")
    if offer.n_attempts >= offer.attempts_max:
        raise AttemptsUsedUp(f"You have sat it {offer.n_attempts} times.")
    if offer.again_at is not None and now < offer.again_at:
        allowed_at = offer.again_at.isoformat(timespec="milliseconds")
        raise TooSoonAgain(f"You may sit it again from {allowed_at} on.", allowed_at=allowed_at)
    if not offer.is_ready:
        raise ExamNotReady("Its requester has to add questions first.")


# What the worker has not seen yet comes first, in an order of their own.
_DRAW = text("""
    INSERT INTO attempt_answers (attempt_id, place, question_id)
    SELECT a.id, row_number() OVER (ORDER BY random()), q.id
      FROM attempts a CROSS JOIN LATERAL (
           SELECT q.id FROM exam_questions q
            WHERE q.project_id = :project_id AND q.retired_at IS NULL
            ORDER BY EXISTS (SELECT FROM attempt_answers x JOIN attempts b ON b.id = x.attempt_id
                              WHERE x.question_id = q.id AND b.worker_id = :worker_id), random()
            LIMIT a.n_questions) q
     WHERE a.id = :attempt_id
""")


def _set_aside(db: Session, attempt: Attempt, price: Quote) -> None:
    """Fix what an attempt pays, and keep it with the fee until the attempt is over."""
    batch = projects.standing_batch(db, db.get_one(Project, attempt.project_id))
    cost = funding.with_fee(price.amount, tasks.fee_of(db, batch, price.currency))
    attempt.batch_id, attempt.currency = batch.id, price.currency
    attempt.amount, attempt.exponent = price.amount, price.exponent
    try:
        funding.reserve(
            db, owner_ref=batch.requester_id, cause_ref=batch.id, key=attempt.id, currency=price.currency, amount=cost
        )
    except InsufficientFunds:
        raise ExamNotFunded("Try again later; it pays, and its requester has too little for that now.") from None


@dataclass(frozen=True, slots=True)
class Shown:
    """The question that is next in an attempt."""

    place: int
    of: int
    instruction: str
    labels: list[str]
    params: dict[str, Any]
    ends_at: datetime


def question(db: Session, worker_id: str, attempt_id: str) -> Shown:
    """The first question of an attempt that is not answered yet."""
    attempt = _under_way(db, worker_id, attempt_id)
    rows = (
        select(AttemptAnswer.place, ExamQuestion.params)
        .join(ExamQuestion, ExamQuestion.id == AttemptAnswer.question_id)
        .where(AttemptAnswer.attempt_id == attempt.id, AttemptAnswer.label.is_(None))
        .order_by(AttemptAnswer.place)
    )
    row = db.execute(rows.limit(1)).one()
    project = db.get_one(Project, attempt.project_id)
    return Shown(row.place, attempt.n_questions, project.instruction, project.labels, row.params, attempt.ends_at)


@dataclass(frozen=True, slots=True)
class Marked:
    """What came of an answer; only training says whether it was right, what is right and why."""

    place: int
    attempt: Attempt
    is_right: bool | None = None
    category: str | None = None
    explanation: str | None = None


def answer(db: Session, worker_id: str, attempt_id: str, *, place: int, payload: dict[str, Any]) -> Marked:
    """Answer a question of an attempt; the last answer ends it."""
    attempt = _under_way(db, worker_id, attempt_id)
    given = db.get(AttemptAnswer, (attempt.id, place), populate_existing=True)
    if given is None:
        raise NotFound(f"This attempt has the questions 1 to {attempt.n_questions}.")
    if given.label is not None:
        raise AlreadyAnswered("You have answered this question; its first answer is kept.")
    project = db.get_one(Project, attempt.project_id)
    asked = db.get_one(ExamQuestion, given.question_id)
    given.label, given.answered_at = labels.label_of(db, Answerable.of(project, asked.id), payload), clock.now(db)
    is_right = given.label == asked.label
    attempt.n_answered, attempt.n_right = attempt.n_answered + 1, attempt.n_right + is_right
    db.flush()
    if attempt.n_answered == attempt.n_questions:
        _end(db, [attempt])
    if project.purpose != Purpose.TRAINING:
        return Marked(place, attempt)
    return Marked(place, attempt, is_right, project.labels[asked.label], asked.explanation)


def end(db: Session, worker_id: str, attempt_id: str) -> Attempt:
    """End an attempt before its time; what is not answered is not right."""
    attempt = _under_way(db, worker_id, attempt_id)
    _end(db, [attempt])
    return attempt


def expire(db: Session) -> int:
    """End attempts whose time is over. A sweep."""
    rows = select(Attempt).where(Attempt.state == AttemptState.SITTING, Attempt.ends_at < clock.now(db))
    due = rows.order_by(Attempt.ends_at).limit(_ENDED_AT_ONCE).with_for_update(skip_locked=True)
    over = db.scalars(due.execution_options(populate_existing=True)).all()
    _end(db, over)
    return len(over)


def _under_way(db: Session, worker_id: str, attempt_id: str) -> Attempt:
    """A worker's attempt, locked; refused when it is over."""
    rows = select(Attempt).where(Attempt.id == attempt_id, Attempt.worker_id == worker_id)
    found = db.scalar(rows.with_for_update().execution_options(populate_existing=True))
    if found is None:
        raise NoSuchAttempt("Look its id up among your attempts.")
    if found.state != AttemptState.SITTING:
        raise AttemptOver(f"It is {found.state}.")
    if found.ends_at < clock.now(db):
        raise AttemptOver("Its time is over; what you have answered counts.")
    return found


def _end(db: Session, over: Sequence[Attempt]) -> None:
    """Say what came of locked attempts, pay what they are worth, and move whom they qualify."""
    now = clock.now(db)
    for attempt in over:
        attempt.state, attempt.ended_at = _result(attempt), now
    db.flush()
    _pay(db, [attempt for attempt in over if attempt.amount is not None])
    for attempt in sorted(over, key=lambda one: one.worker_id):
        if attempt.state == AttemptState.PASSED:
            _qualify(db, attempt)


def _result(attempt: Attempt) -> AttemptState:
    if attempt.n_right >= attempt.n_needed:
        return AttemptState.PASSED
    return AttemptState.FAILED if attempt.n_answered else AttemptState.ABANDONED


def _pay(db: Session, paying: Sequence[Attempt]) -> None:
    """Make what attempts pay due, once each; what was kept for those without any answer goes back."""
    if not paying:
        return
    payees = dict(
        db.execute(select(Worker.id, Worker.payee_id).where(Worker.id.in_([one.worker_id for one in paying]))).all()
    )
    fees = funding.fees_of(db, [one.batch_id for one in paying if one.batch_id])
    work, rests = [], []
    for one in paying:
        assert one.batch_id is not None
        assert one.amount is not None
        if one.state == AttemptState.ABANDONED:
            rests.append(Rest(one.batch_id, one.id, funding.with_fee(one.amount, fees[one.batch_id])))
        else:
            work.append(Work(one.id, payees[one.worker_id], one.batch_id, str(one.currency), one.amount))
    earnings.pend(db, work)
    earnings.accept(db, [item.answer_ref for item in work], rests=rests, actor_ref=HOUSE)


def _qualify(db: Session, attempt: Attempt) -> None:
    """Bring a candidate to where everybody begins, if ops let the exam do so and nobody keeps them where they are."""
    if db.get_one(Exam, attempt.project_id).qualified_at is None:
        return
    skill = db.get_one(Project, attempt.project_id).skill
    ladders = {place.skill: place for place in places.of_worker(db, attempt.worker_id)}
    place = ladders.get(skill)
    if place is None or place.tier >= STARTING or place.pinned_until is not None:
        return
    told = f"{attempt.n_right} of {attempt.n_questions} answers were right, and {attempt.n_needed} were asked for"
    tiers.set_tier(
        db, attempt.worker_id, skill=skill, tier=int(STARTING), cause=Cause.EXAM, moved_by=HOUSE,
        reason=f"You passed the exam {attempt.project_id}: {told}.",
    )  # fmt: skip

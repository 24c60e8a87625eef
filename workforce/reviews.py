"""Answers that are their requester's to judge: how they come to wait, are accepted, and what silence does.

In a project that accepts `by_requester`, answers of a settled task stay submitted and their money stays set aside. How
they are rejected is in `rejections.py`. Whoever changes a review holds its project's stream.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, TextClause, select, text
from sqlalchemy.orm import Session, joinedload

from foundation import outbox, pagination
from foundation.errors import Conflict, NotFound
from payments import batch_floors, earnings
from workforce import pseudonyms
from workforce.models import Project, Review, ReviewState

# So many at one word of a requester, and at one look of a sweep.
ACCEPTED_AT_ONCE = 200
_AT_ONCE = 500
_ACTOR = "settlement"


class NoSuchReview(NotFound):
    """No such answer of this project is yours to judge."""


class AnswerJudged(Conflict):
    """The answer has been judged."""


# Waiting


def _wait(which: str) -> TextClause:
    """The statement that lets submitted answers wait, and tells what each is worth."""
    return text(f"""
        WITH made AS (
            INSERT INTO reviews (answer_id, project_id, task_id, batch_id, requester_id, worker_id, of_gold, state,
                                 accept_at)
            SELECT n.id, n.project_id, n.task_id, t.batch_id, t.requester_id, n.worker_id,
                   t.status IN ('gold', 'retired'), 'waiting', now() + make_interval(secs => :seconds)
              FROM answers n JOIN tasks t ON t.id = n.task_id AND t.project_id = n.project_id
             WHERE n.project_id = :project_id AND {which} AND n.status = 'submitted'
            ON CONFLICT DO NOTHING
            RETURNING answer_id, task_id, project_id)
        SELECT m.answer_id, m.task_id, a.amount FROM made m
          JOIN answers n ON n.id = m.answer_id AND n.project_id = m.project_id
          JOIN assignments a ON a.id = n.assignment_id AND a.project_id = n.project_id""")


_WAIT = _wait("n.kind = 'answer' AND n.task_id = ANY(:task_ids)")
_WAIT_GOLD = _wait("n.id = ANY(:answer_ids)")


def wait(db: Session, project: Project, task_ids: Sequence[str]) -> Sequence[Any]:
    """Let the crowd's answers of tasks that are final wait for their requester; rows of answer_id, task_id, amount.

    Those that wait already, since before their task was opened again, are not among them.
    """
    where = {"project_id": project.id, "seconds": project.accept_within_seconds}
    return db.execute(_WAIT, {**where, "task_ids": list(task_ids)}).all()


def wait_gold(db: Session, project: Project, answer_ids: Sequence[str]) -> None:
    """Let answers to gold wait as long as the others, or they would be known by being accepted at once."""
    where = {"project_id": project.id, "seconds": project.accept_within_seconds}
    db.execute(_WAIT_GOLD, {**where, "answer_ids": list(answer_ids)})


# A requester's word


def accept(db: Session, project: Project, answer_ids: Sequence[str], *, decided_by: str) -> int:
    """Accept answers that wait or were rejected, all of them or none, and make them due; returns how many were."""
    outbox.hold_stream(db, project.id)
    found = lock(db, project.id, answer_ids)
    over = [review.answer_id for review in found if review.state == ReviewState.FINAL]
    if over:
        raise AnswerJudged(f"{over[0]} was rejected, and the time to appeal is over; give a bonus instead.")
    wanted = {project.id: [review.answer_id for review in found]}
    return accept_these(db, wanted, beside=wanted, decided_by=decided_by)


def lock(db: Session, project_id: str, answer_ids: Sequence[str]) -> Sequence[Review]:
    """Answers of a project that are its requester's to judge, locked in the order of their ids; the stream is held."""
    wanted = sorted(set(answer_ids))
    rows = listed(project_id).where(Review.answer_id.in_(wanted)).order_by(Review.answer_id)
    found = db.scalars(rows.with_for_update(of=Review).execution_options(populate_existing=True)).all()
    if len(found) < len(wanted):
        missing = min(set(wanted) - {review.answer_id for review in found})
        raise NoSuchReview(f"No answer {missing} of this project is yours to judge.")
    return found


# Gold goes along with what its worker had waiting as long: accepted alone, or left alone, it would be known.
_ACCEPT = text("""
    WITH chosen AS (
        SELECT unnest(CAST(:answer_ids AS text[])) AS answer_id
         UNION
        SELECT g.answer_id FROM reviews o
          JOIN reviews g ON g.project_id = o.project_id AND g.worker_id = o.worker_id AND g.of_gold
           AND g.state = 'waiting' AND g.accept_at <= o.accept_at
         WHERE o.project_id = :project_id AND o.answer_id = ANY(:beside)
    ), decided AS (
        UPDATE reviews r SET state = 'accepted', decided_by = :decided_by, decided_at = now()
          FROM chosen c WHERE r.answer_id = c.answer_id AND r.project_id = :project_id
           AND r.state IN ('waiting', 'rejected')
        RETURNING r.answer_id, r.batch_id, r.of_gold
    ), accepted AS (
        UPDATE answers n SET status = 'accepted' FROM decided d
         WHERE n.id = d.answer_id AND n.project_id = :project_id
    ), settled AS (
        UPDATE appeals a SET state = 'moot', decided_at = now() FROM decided d
         WHERE a.answer_id = d.answer_id AND a.project_id = :project_id AND a.state = 'open'
    )
    SELECT answer_id, batch_id, of_gold FROM decided ORDER BY answer_id
""")


def accept_these(
    db: Session,
    given: Mapping[str, Sequence[str]],
    *,
    beside: Mapping[str, Sequence[str]] | None = None,
    decided_by: str | None,
) -> int:
    """Accept answers by project, and gold of the same workers as those beside; the projects' streams are held.

    decided_by : None for silence. Returns how many were not accepted before, without gold.
    """
    beside = beside or {}
    rows: list[Any] = []
    for project_id in sorted({*given, *beside}):
        asked = {"answer_ids": list(given.get(project_id, ())), "beside": list(beside.get(project_id, ()))}
        rows += db.execute(_ACCEPT, {**asked, "project_id": project_id, "decided_by": decided_by}).all()
    batch_floors.begin(db, {row.batch_id for row in rows})
    earnings.accept(db, [row.answer_id for row in rows], actor_ref=_ACTOR)
    return sum(not row.of_gold for row in rows)


# By the clock


# So many of what is due are looked at to find a project whose stream is free.
_LOOK_AHEAD = 1000


def stands_still(requester_id: str) -> str:
    """SQL: whether silence of this requester accepts nothing now, as ops look at their rejections, or did a day ago."""
    return f"""EXISTS (SELECT FROM brakes b WHERE b.requester_id = {requester_id}
        AND (b.state = 'on' OR (b.state = 'released' AND b.decided_at > now() - interval '1 day')))"""


_SILENT = text(f"""
    SELECT DISTINCT project_id FROM (
        SELECT project_id FROM reviews r
         WHERE state = 'waiting' AND accept_at <= now() AND NOT {stands_still("r.requester_id")}
         ORDER BY accept_at LIMIT :look_ahead) AS due
""")
_SILENT_IN = text(f"""
    SELECT answer_id FROM reviews r
     WHERE project_id = :project_id AND state = 'waiting' AND accept_at <= now()
       AND NOT {stands_still("r.requester_id")}
     ORDER BY accept_at LIMIT :most
""")


def accept_silent(db: Session) -> int:
    """Accept answers of a project that nobody has judged in time. A sweep."""
    project_id = free_project(db, _SILENT)
    if project_id is None:
        return 0
    due = list(db.scalars(_SILENT_IN, {"project_id": project_id, "most": _AT_ONCE}))
    accept_these(db, {project_id: due}, decided_by=None)
    return len(due)


def free_project(db: Session, due: TextClause) -> str | None:
    """A project in which something is due, of those told by `due`, that nobody settles now; ours from here on."""
    found = db.scalars(due, {"look_ahead": _LOOK_AHEAD}).all()
    return next((project_id for project_id in found if outbox.try_stream(db, project_id)), None)


# Lists


def listed(project_id: str, *, state: str | None = None) -> Select[Review]:
    """The answers of a project that are or were its requester's to judge, without gold."""
    rows = select(Review).where(Review.project_id == project_id, Review.of_gold.is_(False))
    return rows if state is None else rows.where(Review.state == state)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """An answer that is or was its requester's to judge, and what its worker is called for them."""

    review: Review
    pseudonym: str


def page(db: Session, project: Project, request: pagination.PageRequest, *, state: str) -> pagination.Page:
    """The same in one state with what was answered, newest first."""
    rows = listed(project.id, state=state).options(joinedload(Review.answer))
    found = pagination.read(db, rows, Review.answer_id, request)
    names = pseudonyms.of(db, project.requester_id, {one.worker_id for one in found.items})
    return replace(found, items=[Reviewed(one, names[one.worker_id]) for one in found.items])


def of_worker(worker_id: str, *, state: str | None = None) -> Select[Review]:
    """A worker's answers that wait for a requester's word, or have got it."""
    rows = select(Review).where(Review.worker_id == worker_id)
    return rows if state is None else rows.where(Review.state == state)

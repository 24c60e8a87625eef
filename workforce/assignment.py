"""Claim, lease, renew, release, submit: one statement decides who gets which task.

The queue. Claimable tasks of a project stand in a line by `position`; each worker keeps a cursor, so that a claim
costs the same however many tasks there are and however many the worker has answered. Three rules keep it sound:
a task that is opened goes to the end, past every cursor; a worker who had to step over a task that somebody else
was just claiming does not move their cursor past it; and because positions can become visible out of order (a
slower transaction commits later), a cursor looks back every half minute: it starts again from where it was at the
look before the last. Whatever it passed unseen was drawn before the last look, so it has had half a minute to be
committed, longer than any transaction that draws a position lasts after it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import TextClause, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from foundation import ids, outbox, pagination
from foundation.db import LOCK_NOT_AVAILABLE, sqlstate
from foundation.errors import Conflict, Forbidden, NotFound
from payments import rates
from quality import votes
from workforce import caps, golds, labels, linked, paces, pools, precedence, required_exams
from workforce.events import AnswerSubmitted
from workforce.labels import Answerable
from workforce.models import (
    Answer,
    AnswerStatus,
    Assignment,
    AssignmentStatus,
    Kind,
    Release,
    TaskStatus,
    Withdrawal,
    WorkerStatus,
)
from workforce.tiers import STARTING, Tier

LEASES_MAX = 20
_PROJECTS_TRIED = 10
_QUEUE_OF = {Kind.ANSWER: TaskStatus.OPEN, Kind.ADJUDICATION: TaskStatus.ESCALATED}


class NotActive(Forbidden):
    """This worker may not claim tasks now."""


class LeaseCapReached(Conflict):
    """You hold as many tasks as one worker may."""


class NoSuchAssignment(NotFound):
    """You have no such assignment."""


class LeaseTaken(Conflict):
    """The lease ended and the task went to someone else."""


class LeaseOver(Conflict):
    """This assignment is no longer held."""


class LeaseWithdrawn(Conflict):
    """This task was taken back from you."""


class AlreadyAnswered(Conflict):
    """Your first answer stands."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A task in a worker's hands: what it asks, until when, and what its answer is worth."""

    id: str
    task_id: str
    project_id: str
    kind: str
    status: str
    fence: int
    lease_expires_at: datetime
    amount: int
    currency: str
    exponent: int
    instruction: str
    params: dict[str, Any]
    task_type: str
    labels: list[str]
    form: dict[str, Any]


# Where a worker's next look into a queue begins: at their cursor, or every half minute where it safely was.
START = """
    CASE WHEN c.safe_at < now() - interval '30 seconds' THEN c.safe_position ELSE coalesce(c.position, -1) END
"""


# The advisory lock makes one worker's claims, or a cluster's, take turns. A claim that waited here still counts what
# was held before it waited; the count that keeps the cap exact is the one in CLAIM, a statement of its own.
def _has_next(queue: TaskStatus, after: str) -> str:
    """SQL: whether a project `p` has a task in a queue beyond a position.

    It looks at the first row of the queue's own index beyond that place, and whether that is in this queue still: asked
    for in plain words, the planner took an index that passes all tasks that the worker has passed.
    """
    return f"""(
                  SELECT t.project_id = p.project_id AND t.status = '{queue}' FROM tasks t
                   WHERE t.free_slots > 0 AND t.status IN ('open', 'escalated')
                     AND (t.project_id, t.status, t.position) > (p.project_id, '{queue}', {after})
                   ORDER BY t.project_id, t.status, t.position LIMIT 1)"""


def _eligible(which: str) -> TextClause:
    """The statement that finds projects for a worker, in the order of their turns; only so many have tasks looked for.

    which : SQL that says of which projects.
    """
    return text(f"""
    WITH me AS MATERIALIZED (
        SELECT w.id, w.status, w.country, w.works_for, w.cluster_id, {linked.MATES} AS mates, {linked.TURN} AS turn,
               {pools.POOLS} AS pools
          FROM workers w WHERE w.id = :worker_id)
    SELECT me.status, me.country, me.cluster_id, me.mates, p.*,
           (SELECT count(*) FROM assignments a WHERE a.worker_id = me.id AND a.status = 'leased') AS held
      FROM me LEFT JOIN LATERAL (SELECT p.* FROM (
           SELECT p.id AS project_id, {paces.LEASE_SECONDS} AS lease_seconds, p.instruction,
                  p.task_type, p.labels, p.form, p.gold_share,
                  coalesce(s.tier, :starting) AS tier, {caps.ROOM} AS room
             FROM projects p LEFT JOIN worker_tiers s ON s.worker_id = me.id AND s.skill = p.skill
             LEFT JOIN worker_shares k ON k.worker_id = me.id AND k.project_id = p.id
            WHERE p.status = 'active' AND {which}
              AND coalesce(s.tier, :starting) >= p.tier_min
              AND {pools.SEES} AND {required_exams.PASSED}
            ORDER BY {precedence.ORDER}) p
            WHERE p.room > 0 AND {
        _has_next(
            TaskStatus.OPEN,
            f'''coalesce((
                  SELECT {START} FROM claim_cursors c
                   WHERE c.worker_id = me.id AND c.project_id = p.project_id AND c.queue = 'open'), -1)''',
        )
    }
               OR p.tier >= {int(Tier.EXPERT)} AND {_has_next(TaskStatus.ESCALATED, "-1")}
            LIMIT :most) p ON true
    """)


ELIGIBLE = _eligible("p.id <> ALL(CAST(:tried AS text[]))")
ELIGIBLE_ONE = _eligible("p.id = :project_id")
ELIGIBLE_AT_HAND = _eligible(f"p.id = ANY({precedence.AT_HAND})")


def _place_in(queue: str) -> str:
    """Where a worker's look into this queue begins, how far they had come, and whether this is a look back."""
    return f"""
        SELECT coalesce(max({START}), -1) AS position, coalesce(max(c.position), -1) AS reached,
               coalesce(bool_or(c.safe_at < now() - interval '30 seconds'), false) AS looks_back
          FROM claim_cursors c
         WHERE c.worker_id = :worker_id AND c.project_id = :project_id AND c.queue = '{queue}'"""


# Whoever decided a dispute may still answer with the crowd; whoever answered with the crowd does not decide it.
_MINE = {Kind.ANSWER: "AND a.kind = 'answer'", Kind.ADJUDICATION: ""}


def claimable(
    kind: Kind, *, is_clustered: bool, project: str = ":project_id", after: str = "(SELECT position FROM start)"
) -> str:
    """SQL: what a task `t` must be to be given to a worker for an answer, or to be decided; beyond a position.

    The queue's name stands in the text, so that every plan of the statement uses the queue's own index. What the worker
    has done is asked for task by task, which OFFSET keeps the planner from turning into a join: planned while a house
    was new, that read all that was ever assigned.
    """
    who = "ANY(CAST(:mates AS text[]))" if is_clustered else ":worker_id"
    return f"""t.project_id = {project} AND t.status = '{_QUEUE_OF[kind].value}' AND t.free_slots > 0
           AND t.position > {after} AND t.parked_at IS NULL
           AND (t.kept_until IS NULL OR t.kept_until < now() OR :worker_id = ANY(t.kept_for))
           AND NOT EXISTS (SELECT FROM assignments a
                            WHERE a.task_id = t.id AND a.worker_id = {who} AND a.project_id = {project}
                              AND a.status IN ('leased', 'answered') {_MINE[kind]} OFFSET 0)"""


def _room(kind: Kind, *, is_clustered: bool) -> str:
    """How many tasks more the worker may be given: of all, and for answers in this project too."""
    return f"SELECT n FROM ({_left(kind)}) r WHERE {linked.as_was(is_clustered=is_clustered)}"


def _left(kind: Kind) -> str:
    held = "SELECT :leases_max - count(*) AS n FROM assignments WHERE worker_id = :worker_id AND status = 'leased'"
    if kind == Kind.ADJUDICATION:
        return held
    return f"""
        SELECT least(({held}), {caps.ROOM}) AS n
          FROM projects p LEFT JOIN worker_shares k ON k.worker_id = :worker_id AND k.project_id = p.id
         WHERE p.id = :project_id"""


@cache
def claim_of(kind: Kind, count: int, *, is_clustered: bool = False, waits: bool = False) -> TextClause:
    """The statement that leases up to so many of the next tasks of a queue; one that waits steps over none.

    The number stands in the text: as a parameter it would keep the planner from a look at the queue's head alone.
    """
    queue, free = _QUEUE_OF[kind].value, claimable(kind, is_clustered=is_clustered)
    given = "(SELECT count(*) AS n FROM head HAVING count(*) > 0) g"
    counted = f"counted AS ({caps.count('n', given)})," if kind == Kind.ANSWER else ""
    return text(f"""
    WITH start AS MATERIALIZED ({_place_in(queue)}),
    room AS MATERIALIZED ({_room(kind, is_clustered=is_clustered)}),
    locked AS MATERIALIZED (
        SELECT t.id, t.position FROM tasks t WHERE (SELECT n FROM room) > 0 AND {free}
         ORDER BY t.position LIMIT {count} FOR UPDATE OF t {"" if waits else "SKIP LOCKED"}),
    head AS MATERIALIZED (
        SELECT * FROM (SELECT id, position, row_number() OVER (ORDER BY position) AS place FROM locked) l
         WHERE place <= (SELECT n FROM room)),
    first AS MATERIALIZED (SELECT t.position FROM tasks t WHERE {free} ORDER BY t.position LIMIT {count}),
    -- What somebody else is just claiming: the cursor stays before it.
    missed AS MATERIALIZED (
        SELECT min(position) AS position FROM first WHERE position NOT IN (SELECT position FROM head)),
    taken AS (
        UPDATE tasks t SET free_slots = t.free_slots - 1, fence = t.fence + 1, updated_at = now()
          FROM head WHERE t.id = head.id AND t.project_id = :project_id
        RETURNING t.id, t.fence, t.params, head.place),
    moved AS (
        INSERT INTO claim_cursors AS c (worker_id, project_id, queue, position, next_safe_position, safe_position,
                                        safe_at)
        SELECT :worker_id, :project_id, '{queue}',
               CASE WHEN NOT EXISTS (SELECT FROM first) THEN start.reached
                    ELSE coalesce((SELECT max(h.position) FROM head h, missed m
                                    WHERE m.position IS NULL OR h.position < m.position), start.position) END,
               -1, -1, now()
          FROM start
            -- Nothing there for this worker: only the look back goes on, or they would look in vain for ever.
         WHERE EXISTS (SELECT FROM head) OR (NOT EXISTS (SELECT FROM first) AND start.looks_back)
        ON CONFLICT (worker_id, project_id, queue) DO UPDATE
           SET position = excluded.position,
               safe_position = CASE WHEN c.safe_at < now() - interval '30 seconds'
                                    THEN least(c.next_safe_position, excluded.position) ELSE c.safe_position END,
               next_safe_position = CASE WHEN c.safe_at < now() - interval '30 seconds'
                                         THEN least(c.position, excluded.position) ELSE c.next_safe_position END,
               safe_at = CASE WHEN c.safe_at < now() - interval '30 seconds' THEN now() ELSE c.safe_at END),
    {counted}
    lease AS (
        INSERT INTO assignments (id, project_id, task_id, worker_id, kind, status, fence, lease_expires_at,
                                 amount, currency, exponent)
        SELECT (CAST(:assignment_ids AS text[]))[taken.place], :project_id, taken.id, :worker_id, '{kind.value}',
               'leased', taken.fence, now() + make_interval(secs => :lease_seconds), :amount, :currency, :exponent
          FROM taken
        RETURNING id, task_id, fence, lease_expires_at)
    SELECT lease.id AS assignment_id, lease.task_id, lease.fence, lease.lease_expires_at, taken.params
      FROM lease JOIN taken ON taken.id = lease.task_id ORDER BY taken.place
    """)


# Which task would be next, and which was last: a gold that is given before it has to look as if it came between them.
@cache
def _next(*, is_clustered: bool) -> TextClause:
    return text(f"""
    WITH start AS MATERIALIZED ({_place_in("open")}),
    room AS MATERIALIZED ({_room(Kind.ANSWER, is_clustered=is_clustered)})
    SELECT t.id, t.fence,
           (SELECT coalesce(a.shown_as, a.task_id) FROM assignments a
             WHERE a.worker_id = :worker_id ORDER BY a.id DESC LIMIT 1) AS before
      FROM tasks t WHERE (SELECT n FROM room) > 0 AND {claimable(Kind.ANSWER, is_clustered=is_clustered)}
     ORDER BY t.position LIMIT 1
    """)


def claim(db: Session, worker_id: str, *, project_id: str | None = None, kind: Kind | None = None) -> Lease | None:
    """Lease the next task this worker may do, at the price of now; None if there is nothing.

    An expert is offered escalated tasks first. `kind` asks for one sort of work alone.
    """
    return next(iter(claim_several(db, worker_id, count=1, project_id=project_id, kind=kind)), None)


def claim_several(
    db: Session, worker_id: str, *, count: int, project_id: str | None = None, kind: Kind | None = None
) -> list[Lease]:
    """Lease up to so many of the next tasks this worker may do, as if they were claimed one after the other."""
    wanted = {"worker_id": worker_id, "project_id": project_id, "starting": int(STARTING), "most": _PROJECTS_TRIED}
    passed, leases = list[tuple[Any, Kind]](), list[Lease]()
    for eligible in _in_turn(db, wanted):
        if not leases:
            _refuse_ineligible(eligible)
        found = [(each, one) for each in eligible if each.project_id for one in _kinds(each.tier, kind)]
        for project, one in found:
            leases += _claim_in(db, worker_id, project, one, count - len(leases))
            if len(leases) == count:
                return leases
        passed += found
    return leases or _wait_for_one(db, worker_id, passed)


def _in_turn(db: Session, wanted: dict[str, Any]) -> Iterator[Sequence[Any]]:
    """Projects with tasks for a worker in the order of their turns, some at a time; without any, the worker alone."""
    if wanted["project_id"] is not None:
        yield db.execute(ELIGIBLE_ONE, wanted).all()
        return
    statement, tried = ELIGIBLE_AT_HAND, list[str]()
    while True:
        rows = db.execute(statement, {**wanted, "tried": tried}).all()
        yield rows
        if statement is ELIGIBLE and len(rows) < _PROJECTS_TRIED:
            return
        statement, tried = ELIGIBLE, [*tried, *(row.project_id for row in rows if row.project_id)]


def _wait_for_one(db: Session, worker_id: str, passed: Sequence[tuple[Any, Kind]]) -> list[Lease]:
    """A task for who came away with nothing, of those that others were just claiming and may leave slots of.

    Whoever waits holds no task, and takes one alone: so nobody waits in a circle. Who waited in vain comes again.
    """
    try:
        with db.begin_nested():
            for project, kind in passed:
                if leases := _claim_in(db, worker_id, project, kind, 1, waits=True):
                    return leases
    except DBAPIError as error:
        if sqlstate(error) != LOCK_NOT_AVAILABLE:
            raise
    return []


def _refuse_ineligible(rows: Sequence[Any]) -> None:
    if not rows:
        raise NotActive("This token belongs to no worker.")
    if rows[0].status != WorkerStatus.ACTIVE:
        raise NotActive(f"You are {rows[0].status}; ops activates workers.")
    if rows[0].held >= LEASES_MAX:
        raise LeaseCapReached(f"You hold {rows[0].held} tasks; answer or release one first.")


def _kinds(tier: int, wanted: Kind | None) -> list[Kind]:
    mine = [Kind.ADJUDICATION, Kind.ANSWER] if tier >= Tier.EXPERT else [Kind.ANSWER]
    return [kind for kind in mine if wanted in {None, kind}]


def price_tier(tier: int, kind: Kind) -> int:
    """By which tier a worker is paid: an expert who answers beside the crowd as the crowd's best."""
    return Tier.EXPERT if kind == Kind.ADJUDICATION else min(tier, Tier.SENIOR)


def _claim_in(db: Session, worker_id: str, project: Any, kind: Kind, count: int, *, waits: bool = False) -> list[Lease]:
    try:
        price = rates.quote(db, project.project_id, tier=price_tier(project.tier, kind), region=project.country)
    except rates.RateMissing:
        # A gap in one requester's card must not keep the worker from everybody else's tasks.
        return []
    wanted = {
        "worker_id": worker_id,
        "project_id": project.project_id,
        "leases_max": LEASES_MAX,
        "lease_seconds": project.lease_seconds,
        "amount": price.amount,
        "currency": price.currency,
        "exponent": price.exponent,
    }
    if is_clustered := project.cluster_id is not None:
        wanted |= {"cluster_id": project.cluster_id, "mates": project.mates}
    rows: Sequence[Any]
    if kind == Kind.ANSWER and project.gold_share:
        rows = _claim_with_gold(db, project, wanted, count, waits=waits)
    else:
        assignment_ids = [ids.new("asg") for _ in range(count)]
        statement = claim_of(kind, count, is_clustered=is_clustered, waits=waits)
        rows = db.execute(statement, {**wanted, "assignment_ids": assignment_ids}).all()
    return [_lease(row, project, kind, price) for row in rows]


def _claim_with_gold(db: Session, project: Any, wanted: dict[str, Any], count: int, *, waits: bool) -> list[Any]:
    """One after the other: before each it may be a gold's turn."""
    rows: list[Any] = []
    while len(rows) < count:
        assignment_id = ids.new("asg")
        row = _take_gold(db, project, {**wanted, "assignment_id": assignment_id})
        if row is None:
            statement = claim_of(Kind.ANSWER, 1, is_clustered=project.cluster_id is not None, waits=waits)
            row = db.execute(statement, {**wanted, "assignment_ids": [assignment_id]}).one_or_none()
        if row is None:
            break
        rows.append(row)
    return rows


def _lease(row: Any, project: Any, kind: Kind, price: rates.Quote) -> Lease:
    return Lease(
        id=row.assignment_id,
        task_id=row.task_id,
        project_id=project.project_id,
        kind=kind,
        status=AssignmentStatus.LEASED,
        fence=row.fence,
        lease_expires_at=row.lease_expires_at,
        amount=price.amount,
        currency=price.currency,
        exponent=price.exponent,
        instruction=project.instruction,
        params=row.params,
        task_type=project.task_type,
        labels=project.labels,
        form=project.form,
    )


def _take_gold(db: Session, project: Any, wanted: dict[str, Any]) -> Any | None:
    """A gold in place of the next ordinary task, if there is one and it is a gold's turn."""
    ahead = db.execute(_next(is_clustered=project.cluster_id is not None), wanted).one_or_none()
    return None if ahead is None else golds.take(db, project, wanted, ahead)


HELD = text(f"""
    SELECT a.id, a.project_id, a.task_id, a.shown_as, a.kind, a.status, a.fence, a.lease_expires_at < now() AS overdue,
           p.task_type, p.labels, p.form, {paces.LEASE_SECONDS} AS lease_seconds, w.status AS worker_status,
           p.read_seconds > 0 AND now() - make_interval(secs => p.read_seconds)
               < greatest(a.created_at, (SELECT n.created_at FROM answers n
                                          WHERE n.worker_id = a.worker_id ORDER BY n.id DESC LIMIT 1)) AS too_fast,
           (SELECT s.tier FROM worker_tiers s WHERE s.worker_id = a.worker_id AND s.skill = p.skill) AS tier
      FROM assignments a JOIN projects p ON p.id = a.project_id JOIN workers w ON w.id = a.worker_id
     WHERE a.id = :assignment_id AND a.worker_id = :worker_id FOR UPDATE OF a
""")


@cache
def store_of(kind: Kind) -> TextClause:
    """The statement that stores an answer: its lease is over and its draft gone, the crowd's is a vote, and it is told.

    One statement instead of four, and of the unit of work: this is the busiest write of the house.
    """
    vote = f"vote AS ({votes.CAST.text})," if kind == Kind.ANSWER else ""
    return text(f"""
    WITH done AS (UPDATE assignments SET status = 'answered' WHERE id = :assignment_id AND project_id = :project_id),
    gone AS (DELETE FROM drafts WHERE assignment_id = :assignment_id AND project_id = :project_id),
    {vote}
    told AS ({outbox.INSERT.text})
    INSERT INTO answers (id, project_id, assignment_id, task_id, worker_id, kind, payload, label, status, late)
    VALUES (:answer_id, :project_id, :assignment_id, :task_id, :worker_id, '{kind.value}', CAST(:given AS jsonb),
            :label, 'submitted', :late)
    RETURNING created_at
    """)


_RETAKE = text("""
    UPDATE tasks SET free_slots = free_slots - 1
     WHERE id = :task_id AND project_id = :project_id AND status IN (:queue, 'gold') AND free_slots > 0
       AND NOT EXISTS (SELECT FROM assignments a
                        WHERE a.task_id = :task_id AND a.worker_id = ANY(:mates) AND a.project_id = :project_id
                          AND a.kind = :kind AND a.status IN ('leased', 'answered'))
""")
# One more answer than was asked for, which the task has set aside as long as it may have it: a widening whose answer is
# there at once.
_BESIDE = text("""
    UPDATE tasks t SET overlap = t.overlap + 1, updated_at = now()
      FROM projects p
     WHERE t.id = :task_id AND t.project_id = :project_id AND p.id = t.project_id AND p.late_rule = 'paid'
       AND t.status = 'open' AND :kind = 'answer' AND t.overlap < p.overlap_max
       AND NOT EXISTS (SELECT FROM assignments a
                        WHERE a.task_id = t.id AND a.worker_id = ANY(:mates) AND a.project_id = t.project_id
                          AND a.kind = 'answer' AND a.status IN ('leased', 'answered'))
""")


def submit(db: Session, worker_id: str, assignment_id: str, *, fence: int, payload: dict[str, Any]) -> Answer:
    """Store the answer of a held task as a vote. A late one counts if its slot is free, or its project takes it so."""
    held = held_by(db, worker_id, assignment_id, fence)
    label = labels.label_of(db, answerable(held), payload)
    if held.status == AssignmentStatus.EXPIRED:
        _retake(db, worker_id, held)
    answer = Answer(
        id=ids.new("ans"),
        project_id=held.project_id,
        assignment_id=held.id,
        task_id=held.task_id,
        shown_as=held.shown_as,
        worker_id=worker_id,
        kind=held.kind,
        payload=payload,
        label=label,
        status=AnswerStatus.SUBMITTED,
        late=held.overdue,
    )
    _store(db, answer, is_expert=(held.tier or STARTING) >= Tier.EXPERT, too_fast=held.too_fast)
    return answer


def answerable(held: Any) -> Answerable:
    """What a held task asks for."""
    return Answerable(held.project_id, held.task_id, held.task_type, held.labels, held.form)


def held_by(db: Session, worker_id: str, assignment_id: str, fence: int) -> Any:
    """A worker's assignment, locked: held still, or expired and maybe free to be answered. Raises if it is over."""
    held = db.execute(HELD, {"assignment_id": assignment_id, "worker_id": worker_id}).one_or_none()
    if held is None:
        raise NoSuchAssignment("You have no assignment with this id.")
    if held.fence != fence:
        raise LeaseTaken("The fence is not that of your lease. Claim another task.")
    if held.status == AssignmentStatus.ANSWERED:
        raise AlreadyAnswered("You have answered this task; its first answer is kept.")
    if held.status == AssignmentStatus.RELEASED:
        raise LeaseOver("This assignment was released. Claim another task.")
    if held.status == AssignmentStatus.WITHDRAWN:
        taken = db.get_one(Withdrawal, (held.id, held.project_id))
        raise LeaseWithdrawn(f"Ops took this task back ({taken.reason}). {taken.note}".strip())
    return held


def _retake(db: Session, worker_id: str, held: Any) -> None:
    where = {"task_id": held.task_id, "project_id": held.project_id, "kind": held.kind}
    where |= {"queue": _QUEUE_OF[Kind(held.kind)].value, "mates": linked.take_turn(db, worker_id)}
    taken: Any = db.execute(_RETAKE, where)
    if taken.rowcount == 0:
        taken = db.execute(_BESIDE, where)
    if taken.rowcount == 0:
        raise LeaseTaken("Your lease ended and the task was taken again. Claim another one.")
    if held.kind == Kind.ANSWER:
        caps.take_again(db, worker_id, held.project_id)


def _store(db: Session, answer: Answer, *, is_expert: bool, too_fast: bool) -> None:
    told = AnswerSubmitted(answer_id=answer.id, task_id=answer.task_id, project_id=answer.project_id)
    row = {
        "answer_id": answer.id,
        "project_id": answer.project_id,
        "assignment_id": answer.assignment_id,
        "task_id": answer.task_id,
        "worker_id": answer.worker_id,
        "given": json.dumps(answer.payload),
        "label": answer.label,
        "late": answer.late,
    }
    vote = {"voter_id": answer.worker_id, "is_expert": is_expert, "too_fast": too_fast}
    stored = db.execute(store_of(Kind(answer.kind)), {**row, **vote, **outbox.telling(db, told)})
    answer.created_at = stored.scalar_one()


_RENEW = text("""
    UPDATE assignments SET lease_expires_at = now() + make_interval(secs => :lease_seconds)
     WHERE id = :assignment_id AND project_id = :project_id RETURNING lease_expires_at
""")


def renew(db: Session, worker_id: str, assignment_id: str, *, fence: int) -> Assignment:
    """Begin a held lease's time again."""
    held = held_by(db, worker_id, assignment_id, fence)
    if held.worker_status != WorkerStatus.ACTIVE:
        raise NotActive(f"You are {held.worker_status}; answer what you hold in time, or release it.")
    if held.status == AssignmentStatus.EXPIRED:
        raise LeaseOver("This lease has ended. Submit quickly, if nobody took the task, or claim another one.")
    where = {"assignment_id": held.id, "project_id": held.project_id, "lease_seconds": held.lease_seconds}
    db.execute(_RENEW, where)
    return _find(db, assignment_id)


def release(db: Session, worker_id: str, assignment_id: str, *, fence: int, reason: str | None = None) -> Assignment:
    """Give a held task back, and say why if one likes; its slot goes to the end of the queue."""
    held = held_by(db, worker_id, assignment_id, fence)
    if held.status == AssignmentStatus.LEASED:
        give_back(db, [held.id], AssignmentStatus.RELEASED)
        if reason is not None:
            db.add(Release(assignment_id=held.id, project_id=held.project_id, reason=reason))
            db.flush()
    return _find(db, assignment_id)


def _find(db: Session, assignment_id: str) -> Assignment:
    rows = select(Assignment).where(Assignment.id == assignment_id).execution_options(populate_existing=True)
    return db.scalars(rows).one()


_OVERDUE = text("""
    SELECT id FROM assignments WHERE status = 'leased' AND lease_expires_at < now()
     ORDER BY lease_expires_at LIMIT 500 FOR UPDATE SKIP LOCKED
""")
# A task that was settled or cancelled meanwhile gets no slot back.
_GIVE_BACK = text("""
    WITH ended AS (
        UPDATE assignments SET status = :status WHERE id = ANY(:ids) AND status = 'leased'
        RETURNING id, task_id, project_id),
    gone AS (DELETE FROM drafts d USING ended WHERE d.assignment_id = ended.id AND d.project_id = ended.project_id),
    slots AS (SELECT task_id, project_id, count(*) AS n FROM ended GROUP BY task_id, project_id)
    UPDATE tasks t SET free_slots = t.free_slots + slots.n, position = nextval('task_positions'), updated_at = now()
      FROM slots WHERE t.id = slots.task_id AND t.project_id = slots.project_id
       AND t.status IN ('open', 'escalated', 'gold')
""")


def expire(db: Session) -> int:
    """End leases that are past their time, and give their slots back. A sweep."""
    overdue = list(db.scalars(_OVERDUE))
    if overdue:
        give_back(db, overdue, AssignmentStatus.EXPIRED)
    return len(overdue)


def give_back(db: Session, assignment_ids: list[str], status: AssignmentStatus) -> None:
    """End leases, which then have this status; their slots go to the end of the queue."""
    db.execute(_GIVE_BACK, {"ids": assignment_ids, "status": status.value})
    caps.give_back(db, assignment_ids)


def leases(db: Session, worker_id: str, page: pagination.PageRequest) -> pagination.Page:
    """What a worker holds now, newest first."""
    rows = select(Assignment).where(Assignment.worker_id == worker_id, Assignment.status == AssignmentStatus.LEASED)
    return pagination.read(db, rows, Assignment.id, page)


def answers(db: Session, worker_id: str, page: pagination.PageRequest) -> pagination.Page:
    """What a worker has answered, newest first."""
    return pagination.read(db, select(Answer).where(Answer.worker_id == worker_id), Answer.id, page)

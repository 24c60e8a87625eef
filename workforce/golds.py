"""Gold among the tasks: made with its money set aside, given out before an ordinary task, accepted like one, closed.

To whoever works on it a gold looks like the ordinary task before which it was given: its id, its fence and the moment
when its answer is accepted are made after that one's. What its label is, and who meets which, is in quality/gold.py.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, outbox
from foundation.errors import Conflict, invalid
from payments import funding, rates
from payments.funding import Rest
from quality import correction, gold, gold_health, proposals
from quality.correction import Corrected
from quality.gold import Known, View
from quality.gold_words import Ending, Source, Verdict
from workforce import caps, projects, reviews, task_types, tasks
from workforce.models import Acceptance, Project, Task, TaskStatus, positions
from workforce.tiers import Tier

EXPOSURES = 50
EXPOSURES_MAX = 1_000
_CLOSED_AT_ONCE = 100
_JUDGED_AT_ONCE = 10
_ACTOR = "settlement"


class GoldNotWanted(Conflict):
    """This project gives no gold to anybody."""


def label_of(project: Project, category: str) -> int:
    """The number of the label that a gold has by its name."""
    if category not in project.labels:
        raise invalid({"category": [f"Must be one of: {', '.join(project.labels)}."[:190]]})
    return project.labels.index(category)


def add(
    db: Session, project: Project, params: Mapping[str, Any], known: Known, *, exposures_max: int, added_by: str
) -> View:
    """A new gold that so many workers may meet, all of them paid for from now on out of the standing batch."""
    if project.gold_share == 0:
        raise GoldNotWanted("Its gold_share is 0, so nobody would ever meet it; make a project with another.")
    task_types.check_question(project.task_type, params)
    batch = projects.standing_batch(db, project)
    rates.hold_card(db, project.id)
    dearest = rates.dearest(db, project.id, tier_max=Tier.SENIOR)
    fee = tasks.fee_of(db, batch, dearest.currency)
    task = Task(
        id=ids.new("tsk"),
        project_id=project.id,
        batch_id=batch.id,
        requester_id=project.requester_id,
        status=TaskStatus.GOLD,
        params=params,
        metadata_={},
        callback_url="",
        overlap=exposures_max,
        free_slots=exposures_max,
        position=db.scalar(positions.next_value()),
        reserved=exposures_max * funding.with_fee(dearest.amount, fee),
    )
    tasks.set_aside(db, batch, key=task.id, currency=dearest.currency, amount=task.reserved)
    db.add(task)
    db.flush()
    return gold.add(db, project.id, task.id, known, exposures_max=exposures_max, added_by=added_by)


_TAKE = text(f"""
    WITH head AS MATERIALIZED (
        SELECT t.id FROM tasks t
         WHERE t.project_id = :project_id AND t.id = ANY(:task_ids) AND t.status = 'gold' AND t.free_slots > 0
           AND t.parked_at IS NULL
           AND (SELECT count(*) FROM assignments WHERE worker_id = :worker_id AND status = 'leased') < :leases_max
         ORDER BY array_position(CAST(:task_ids AS text[]), t.id) LIMIT 1 FOR UPDATE OF t SKIP LOCKED),
    taken AS (
        UPDATE tasks t SET free_slots = t.free_slots - 1 FROM head WHERE t.id = head.id AND t.project_id = :project_id
        RETURNING t.id, t.params),
    counted AS ({caps.count("1", "taken")}),
    lease AS (
        INSERT INTO assignments (id, project_id, task_id, worker_id, kind, status, fence, lease_expires_at,
                                 amount, currency, exponent, shown_as)
        SELECT :assignment_id, :project_id, taken.id, :worker_id, 'answer', 'leased', :fence,
               now() + make_interval(secs => :lease_seconds), :amount, :currency, :exponent, :shown_as
          FROM taken
        RETURNING id, task_id, fence, lease_expires_at, shown_as)
    SELECT taken.id, lease.id AS assignment_id, lease.shown_as AS task_id, lease.fence, lease.lease_expires_at,
           taken.params
      FROM lease JOIN taken ON taken.id = lease.task_id
""")


def take(db: Session, project: Any, wanted: Mapping[str, Any], ahead: Any) -> Any | None:
    """Lease a gold in place of the ordinary task that is next, looking as that one would; None if it is not its turn.

    project : a row with id, share and tier. wanted : what a lease is made of. ahead : a row of the next task's id and
    fence, and of `before`, the task that the worker was given last.
    """
    where = {"voter_id": wanted["worker_id"], "ahead_of": ahead.id}
    # Nor what one of their cluster has met: they may know its answer of them.
    drawn = gold.draw(db, project.project_id, share=project.gold_share, others=wanted.get("mates", ()), **where)
    if not drawn:
        return None
    shown_as = ids.between(ahead.before or ahead.id, ahead.id)
    looks = {"fence": ahead.fence + 1, "shown_as": shown_as}
    taken = db.execute(_TAKE, {**wanted, **looks, "task_ids": drawn}).one_or_none()
    if taken is not None:
        gold.expose(db, project.project_id, taken.id, tier=project.tier, **where)
    return taken


_GIVEN = """
    unnest(CAST(:task_ids AS text[]), CAST(:worker_ids AS text[]), CAST(:ahead_of AS text[]))
           AS g(task_id, worker_id, ahead_of)
      JOIN tasks t ON t.id = g.ahead_of AND t.project_id = :project_id AND t.status NOT IN ('open', 'escalated')
"""
_THEIRS = """
    n.project_id = :project_id AND n.task_id = g.task_id AND n.worker_id = g.worker_id AND n.status = 'submitted'
"""
_ACCEPT = text(f"""
    UPDATE answers n SET status = 'accepted' FROM {_GIVEN} WHERE {_THEIRS} RETURNING n.id, g.ahead_of
""")
_READY = text(f"SELECT n.id FROM {_GIVEN} JOIN answers n ON {_THEIRS}")


def accept(
    db: Session, project: Project, *, ahead_of: Sequence[str] = (), met: Sequence[tuple[str, str]] = ()
) -> dict[str, list[str]]:
    """Accept answers to gold as soon as the ordinary tasks before which it was given are final.

    Of gold given before these tasks, or of these (gold, worker). Sooner would tell workers what was gold; where others
    wait for their requester then, it waits too. Returns the ids of what was accepted, by those tasks; its pay is the
    caller's business.
    """
    if project.gold_share == 0 or not (ahead_of or met):
        return {}
    given = gold.stand_ins(db, project.id, ahead_of=ahead_of, met=met)
    columns = {
        "task_ids": [one.task_id for one in given],
        "worker_ids": [one.voter_id for one in given],
        "ahead_of": [one.ahead_of for one in given],
    }
    if given and project.acceptance == Acceptance.BY_REQUESTER:
        ready = db.scalars(_READY, {**columns, "project_id": project.id}).all()
        reviews.wait_gold(db, project, ready)
        return {}
    accepted: dict[str, list[str]] = defaultdict(list)
    for row in db.execute(_ACCEPT, {**columns, "project_id": project.id}) if given else ():
        accepted[row.ahead_of].append(row.id)
    return accepted


def retire(db: Session, project_id: str, task_id: str, *, ended_by: Ending, reason: str) -> View:
    """Give a gold to nobody any more. Who holds it may still answer; then what it did not need is given back."""
    task = db.get(Task, (task_id, project_id), with_for_update=True, populate_existing=True)
    if task is not None and task.status == TaskStatus.GOLD:
        task.overlap, task.free_slots = task.overlap - task.free_slots, 0
        db.flush()
    gold.retire(db, project_id, task_id, ended_by=ended_by, reason=reason)
    return gold.find(db, project_id, task_id)


def approve(db: Session, project: Project, task_id: str, *, exposures_max: int, approved_by: str) -> View:
    """Make a gold of a settled task that was proposed. Whoever has answered that one does not meet it."""
    settled = db.get(Task, (task_id, project.id))
    proposed = proposals.decide(db, project.id, task_id, verdict=Verdict.APPROVED, reason="", decided_by=approved_by)
    assert settled is not None, "what is proposed is a task"
    known = Known(proposed.label, Source(proposed.source), proposed.why, origin_id=task_id)
    return add(db, project, settled.params, known, exposures_max=exposures_max, added_by=approved_by)


def correct(
    db: Session,
    project: Project,
    task_id: str,
    *,
    label: int,
    reason: str,
    corrected_by: str,
    correction_id: str | None = None,
) -> Corrected:
    """Give a gold another label, apart from any settlement of its project. What follows is in `corrections.py`."""
    outbox.hold_stream(db, project.id)
    return correction.apply(
        db,
        project.id,
        task_id,
        label=label,
        n_classes=len(project.labels),
        reason=reason,
        corrected_by=corrected_by,
        correction_id=correction_id,
    )


def disown(db: Session, project: Project, task_id: str, *, reason: str) -> None:
    """Take it that nobody knows the label of a gold, and give it to nobody any more."""
    outbox.hold_stream(db, project.id)
    retire(db, project.id, task_id, ended_by=Ending.CONTESTED, reason=reason)
    gold.doubt(db, project.id, task_id, reason=reason)
    correction.refit(db, project.id, len(project.labels))


def judge(db: Session) -> int:
    """Look at gold that many more have met since the last look; what has leaked or is contested retires. A sweep."""
    judged = gold_health.unjudged(db, most=_JUDGED_AT_ONCE)
    for project_id, task_id in judged:
        # Answers that are settled now would be checked by a label that is doubted in a moment.
        if not outbox.try_stream(db, project_id):
            continue
        project = db.get_one(Project, project_id)
        # Its task first, as whoever gives it out does.
        db.get_one(Task, (task_id, project_id), with_for_update=True, populate_existing=True)
        verdict = gold_health.judge(db, project_id, task_id, n_classes=len(project.labels))
        if verdict is not None:
            ended_by, reason = verdict
            retire(db, project_id, task_id, ended_by=ended_by, reason=reason)
    return len(judged)


_UNFINISHED = text("""
    SELECT task_id FROM assignments WHERE task_id = ANY(:task_ids) AND status = 'leased'
    UNION SELECT task_id FROM answers WHERE task_id = ANY(:task_ids) AND status = 'submitted'
""")
_COST = text("""
    SELECT a.amount FROM assignments a JOIN answers n ON n.assignment_id = a.id AND n.project_id = a.project_id
     WHERE a.project_id = :project_id AND a.task_id = :task_id
""")


def close(db: Session) -> int:
    """End retired gold that nobody holds and whose answers are all accepted; give back what is left. A sweep."""
    rows = select(Task).where(Task.id.in_(gold.retiring(db, most=_CLOSED_AT_ONCE)), Task.status == TaskStatus.GOLD)
    # Nobody can begin on a task that is locked here, so who holds it is asked after that.
    locked = db.scalars(rows.order_by(Task.id).with_for_update(skip_locked=True)).all()
    unfinished = set(db.scalars(_UNFINISHED, {"task_ids": [task.id for task in locked]})) if locked else set()
    ended = [task for task in locked if task.id not in unfinished]
    rests, fees = [], funding.fees_of(db, [task.batch_id for task in ended])
    for task in ended:
        amounts = db.scalars(_COST, {"project_id": task.project_id, "task_id": task.id})
        spent = sum(funding.with_fee(amount, fees[task.batch_id]) for amount in amounts)
        rests.append(Rest(task.batch_id, task.id, task.reserved - spent))
        task.status, task.free_slots, task.updated_at = TaskStatus.RETIRED, 0, clock.now(db)
        gold.close(db, task.project_id, task.id)
    db.flush()
    funding.release(db, rests, actor_ref=_ACTOR)
    return len(ended)

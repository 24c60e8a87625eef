"""Tasks: staged, open, escalated, settled, cancelled. Whoever changes a task holds its row's lock."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, select, text, true
from sqlalchemy.orm import Session

from foundation import clock, errors, ids
from foundation.db import patience
from foundation.errors import BadRequest, Conflict, NotFound
from foundation.limits import DAY, Limit
from foundation.outbox import publish
from payments import batch_floors, funding, money, rates
from payments.funding import Rest
from quality import gold
from workforce import projects, task_types
from workforce.events import AnswerSubmitted
from workforce.models import GOLD, Answer, Batch, BatchStatus, Project, Purpose, Task, TaskStatus, positions
from workforce.tiers import Tier

# What one mistaken loop of a program may send before somebody has to look.
QUOTA = Limit("tasks", 500_000, DAY)
# Who made a label final.
CONSENSUS, EXPERT, REQUESTER, CORRECTION = "consensus", "expert", "requester", "correction"


class UniqueIdTaken(Conflict):
    """Another task of yours has this unique_id."""


class BatchClosed(Conflict):
    """No more tasks may enter this batch."""


class NothingButQuestions(BatchClosed):
    """Training and exams have no tasks."""


class TaskInWork(BadRequest):
    """This task can no longer be cancelled."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a requester sends for one task, already checked."""

    params: Mapping[str, Any]
    metadata: Mapping[str, Any]
    unique_id: str | None = None
    callback_url: str = ""
    error_cost: str | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Question":
        """What the checked fields of a task ask; those that have no place of their own are its params."""
        own = {"unique_id", "callback_url", "metadata", "error_cost"}
        params = {name: value for name, value in fields.items() if name not in own}
        return cls(params=params, **{name: fields[name] for name in own & set(fields)})


def create(db: Session, project: Project, batch: Batch, question: Question) -> Task:
    """A new task. In a running batch it is open at once, with its worst case reserved; in a staging one it waits."""
    task_types.check_question(project.task_type, question.params)
    if batch.status == BatchStatus.STAGING:
        # A launch that is under way would miss this task: wait for it, or hold it up until the task is in.
        db.refresh(batch, with_for_update={"read": True})
    _refuse_closed(project, batch)
    if question.unique_id is not None:
        _refuse_taken(db, project.requester_id, question.unique_id)
    running = batch.status == BatchStatus.IN_PROGRESS
    task = Task(
        id=ids.new("tsk"),
        project_id=project.id,
        batch_id=batch.id,
        requester_id=project.requester_id,
        unique_id=question.unique_id,
        status=TaskStatus.OPEN if running else TaskStatus.STAGED,
        params=question.params,
        metadata_=question.metadata,
        callback_url=question.callback_url,
        error_cost=None if question.error_cost is None else error_cost(db, project, question.error_cost),
        overlap=project.overlap_min,
        free_slots=project.overlap_min,
        position=db.scalar(positions.next_value()),
        reserved=0,
    )
    if running:
        task.reserved = _reserve(db, project, batch, key=task.id, n_tasks=1)
    db.add(task)
    db.flush()
    return task


_CREATE = text("""
    INSERT INTO tasks (id, project_id, batch_id, requester_id, unique_id, status, params, metadata, callback_url,
                       error_cost, overlap, free_slots, position, reserved)
    SELECT r.id, :project_id, :batch_id, :requester_id, r.unique_id, :status, r.params, r.metadata, r.callback_url,
           r.error_cost, :overlap, :overlap, nextval('task_positions'), :reserved
      FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS r(id text, unique_id text, params jsonb, metadata jsonb, callback_url text, error_cost numeric)
        ON CONFLICT (requester_id, unique_id) WHERE unique_id IS NOT NULL DO NOTHING
    RETURNING id
""")


def create_many(
    db: Session, project: Project, batch: Batch, questions: Mapping[int, Question], *, key: str
) -> list[int]:
    """New tasks by number, all in one statement, as `create` makes one. Returns the numbers whose unique_id is taken.

    questions : such as their type can ask (`task_types.check_question`).
    What is set aside for them is posted under `key`. Raises `BatchClosed` and `InsufficientFunds`.
    """
    # A launch that is under way would miss these tasks: wait for it, or hold it up until they are in.
    db.refresh(batch, with_for_update={"read": True})
    _refuse_closed(project, batch)
    # Whoever sends a single task of this requester waits until these are in, and then sees them.
    db.execute(_ALL_UNIQUE, {"requester_id": project.requester_id})
    running = batch.status == BatchStatus.IN_PROGRESS
    worst = None
    if running and questions:
        rates.hold_card(db, project.id)
        worst = worst_case(db, project, batch)
    rows = {ids.new("tsk"): number for number in questions}
    given = {
        "project_id": project.id, "batch_id": batch.id, "requester_id": project.requester_id,
        "status": TaskStatus.OPEN if running else TaskStatus.STAGED, "overlap": project.overlap_min,
        "reserved": 0 if worst is None else worst.amount,
    }  # fmt: skip
    made = set(db.scalars(_CREATE, {**given, "rows": _rows(rows, questions)})) if questions else set()
    if made and worst is not None:
        set_aside(db, batch, key=key, currency=worst.currency, amount=worst.amount * len(made))
    return [number for task_id, number in rows.items() if task_id not in made]


def _rows(numbers: Mapping[str, int], questions: Mapping[int, Question]) -> str:
    asked = {task_id: questions[number] for task_id, number in numbers.items()}
    return json.dumps([{"id": task_id, **dataclasses.asdict(question)} for task_id, question in asked.items()])


def error_cost(db: Session, project: Project, amount: str) -> Decimal:
    """An amount that the currency of the project's card has."""
    currency = rates.dearest(db, project.id, tier_max=Tier.EXPERT).currency
    with errors.within("/error_cost"):
        money.parse(amount, money.currency(db, currency))
    return Decimal(amount)


# Behind every cursor: workers may be past the positions that the tasks were given when they were sent.
_OPEN = text("""
    UPDATE tasks SET status = 'open', reserved = :reserved, position = nextval('task_positions'), updated_at = now()
     WHERE project_id = :project_id AND batch_id = :batch_id AND status = 'staged'
""")
_STAGED = text("SELECT count(*) FROM tasks WHERE batch_id = :batch_id AND status = 'staged'")


def launch(db: Session, batch: Batch) -> Batch:
    """Reserve the worst case of every staged task of a batch and open them all; a second call changes nothing."""
    db.refresh(batch, with_for_update=True)
    if batch.status != BatchStatus.STAGING:
        return batch
    n_tasks = db.scalar(_STAGED, {"batch_id": batch.id}) or 0
    if n_tasks:
        project = db.get_one(Project, batch.project_id)
        total = _reserve(db, project, batch, key=batch.id, n_tasks=n_tasks)
        where = {"project_id": project.id, "batch_id": batch.id}
        # A million tasks take a minute.
        with patience(db):
            db.execute(_OPEN, {**where, "reserved": total // n_tasks})
    batch.status = BatchStatus.IN_PROGRESS
    db.flush()
    return batch


def experts_max(project: Project) -> int:
    """How many experts may be asked about one task."""
    return project.panel_size if project.second_opinion_share > 0 else 1


def worst_case(db: Session, project: Project, batch: Batch | None = None) -> rates.Quote:
    """The most that one task can cost: every answer at the dearest price, each expert who may be asked, all fees.

    With its batch at that one's fee, which is fixed by that: what it says is set aside at once.
    """
    answer = rates.dearest(db, project.id, tier_max=Tier.SENIOR)
    expert = rates.dearest(db, project.id, tier_max=Tier.EXPERT)
    in_force = funding.fee_in_force(db, project.requester_id) if batch is None else fee_of(db, batch, answer.currency)
    answers = project.overlap_max * funding.with_fee(answer.amount, in_force)
    amount = answers + experts_max(project) * funding.with_fee(expert.amount, in_force)
    return rates.Quote(amount=amount, currency=answer.currency, exponent=answer.exponent)


def fee_of(db: Session, batch: Batch, currency: str) -> int:
    """The fee of a batch, in hundredths of a per cent, fixed when something is first set aside for it."""
    return funding.fix_fee(db, owner_ref=batch.requester_id, cause_ref=batch.id, currency=currency)


def set_aside(db: Session, batch: Batch, *, key: str, currency: str, amount: int) -> None:
    """Reserve so much for a batch's work, and beside it what the contract says for lifting pay to the floor."""
    contingency = money.share(amount, funding.contingency_in_force(db, batch.requester_id))
    funding.reserve(
        db, owner_ref=batch.requester_id, cause_ref=batch.id, key=key, currency=currency, amount=amount + contingency,
        contingency=contingency,
    )  # fmt: skip


def _reserve(db: Session, project: Project, batch: Batch, *, key: str, n_tasks: int) -> int:
    rates.hold_card(db, project.id)
    worst = worst_case(db, project, batch)
    total = worst.amount * n_tasks
    set_aside(db, batch, key=key, currency=worst.currency, amount=total)
    return total


_UNIQUE = text("""
    SELECT pg_advisory_xact_lock_shared(hashtextextended(:requester_id, 0)),
           pg_advisory_xact_lock(hashtextextended(:key, 0))
""")
_ALL_UNIQUE = text("SELECT pg_advisory_xact_lock(hashtextextended(:requester_id, 0))")


def _refuse_closed(project: Project, batch: Batch) -> None:
    if project.purpose != Purpose.WORK:
        raise NothingButQuestions("Add questions to it; tasks go to a project of their own.")
    if batch.status == BatchStatus.COMPLETED:
        raise BatchClosed("This batch is completed; make a new one.")


def _refuse_taken(db: Session, requester_id: str, unique_id: str) -> None:
    # Two posts of one unique_id at once: the second waits for the first one's commit, then sees its task.
    db.execute(_UNIQUE, {"requester_id": requester_id, "key": f"{requester_id}:{unique_id}"})
    taken = db.scalar(select(Task.id).where(Task.requester_id == requester_id, Task.unique_id == unique_id))
    if taken is not None:
        raise UniqueIdTaken(f"The task {taken} has the unique_id {unique_id!r}.", task_id=taken)


def find(db: Session, requester_id: str, task_id: str) -> Task:
    """A requester's own task; another's looks as if it did not exist."""
    found = db.scalar(listed(requester_id).where(Task.id == task_id))
    if found is None:
        raise NotFound("You have no task with this id.")
    return found


def listed(requester_id: str) -> Select[Task]:
    """All tasks of a requester but for gold, which is no work that they wait for."""
    return select(Task).where(Task.requester_id == requester_id, Task.status.not_in(GOLD))


def of_project(project: Project) -> Select[Task]:
    """The tasks of a project that its requester may look at."""
    return listed(project.requester_id).where(Task.project_id == project.id)


_BEGUN = text("""
    SELECT EXISTS (SELECT FROM assignments WHERE project_id = :project_id AND task_id = :task_id
                                             AND status IN ('leased', 'answered'))
""")


def cancel(db: Session, requester_id: str, task_id: str, *, actor_ref: str) -> Task:
    """Take a task back that nobody holds or has answered, and release its reserve. Twice changes nothing."""
    task = find(db, requester_id, task_id)
    db.refresh(task, with_for_update=True)
    if task.status == TaskStatus.CANCELLED:
        return task
    begun = db.scalar(_BEGUN, {"project_id": task.project_id, "task_id": task.id})
    if begun or task.status not in {TaskStatus.OPEN, TaskStatus.STAGED}:
        raise TaskInWork("Somebody works on this task or has answered it; it will be paid and settled.")
    task.status, task.free_slots, task.updated_at = TaskStatus.CANCELLED, 0, clock.now(db)
    db.flush()
    batch_floors.begin(db, [task.batch_id])
    funding.release(db, [Rest(task.batch_id, task.id, task.reserved)], actor_ref=actor_ref)
    _tell_gold_before(db, task)
    return task


def _tell_gold_before(db: Session, task: Task) -> None:
    """Let the settlement look again at answers to gold that were to be accepted together with this task."""
    for given in gold.stand_ins(db, task.project_id, ahead_of=[task.id]):
        rows = select(Answer.id).where(Answer.task_id == given.task_id, Answer.worker_id == given.voter_id)
        for answer_id in db.scalars(rows):
            publish(db, AnswerSubmitted(answer_id=answer_id, task_id=given.task_id, project_id=task.project_id))


_HELD = text("""
    SELECT task_id FROM assignments
     WHERE project_id = :project_id AND task_id = ANY(:task_ids) AND status = 'leased'
""")
_UNDECIDED = text("""
    SELECT t.id FROM tasks t
     WHERE t.project_id = :project_id AND t.status = 'open' AND t.free_slots = 0
       AND NOT EXISTS (SELECT FROM assignments a
                        WHERE a.project_id = t.project_id AND a.task_id = t.id AND a.status = 'leased')
     ORDER BY t.updated_at LIMIT :most
""")


def undecided(db: Session, project_id: str, *, most: int = 1000) -> list[str]:
    """Open tasks with all their answers in that nobody holds, longest waiting first: a fit may decide them."""
    return list(db.scalars(_UNDECIDED, {"project_id": project_id, "most": most}))


def lock(
    db: Session, project_id: str, task_ids: Sequence[str], status: TaskStatus, *, settled_by: str | None = None
) -> Sequence[Task]:
    """Lock those of these tasks that are in this status, in the order of their ids."""
    rows = (
        select(Task)
        .where(Task.project_id == project_id, Task.id.in_(task_ids), Task.status == status)
        .where(Task.settled_by == settled_by if settled_by is not None else true())
        .order_by(Task.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return db.scalars(rows).all() if task_ids else []


def unheld(db: Session, project_id: str, locked: Sequence[Task]) -> list[Task]:
    """Those of these locked tasks that are in nobody's hands."""
    rows = db.execute(_HELD, {"project_id": project_id, "task_ids": [task.id for task in locked]})
    held = set(rows.scalars())
    return [task for task in locked if task.id not in held]


def answered(db: Session, project_id: str, locked: Sequence[Task]) -> list[Task]:
    """Those of these locked tasks that have no free slot and no live lease: their answers are all in."""
    return [task for task in unheld(db, project_id, locked) if task.free_slots == 0]


def widen(
    db: Session, chosen: Sequence[Task], *, kept_for: Mapping[str, list[str]] | None = None, seconds: int = 0
) -> None:
    """Ask one more worker for each task; it joins the end of the queue.

    kept_for : by task, the only workers who are given it for so many seconds.
    """
    until = clock.now(db) + timedelta(seconds=seconds)
    for task in chosen:
        task.overlap += 1
        if kept_for and task.id in kept_for:
            task.kept_for, task.kept_until = kept_for[task.id], until
        _reopen(db, task)
    db.flush()


# Behind every cursor again: those for whom it was not kept may have passed it. Chosen once, however it is planned.
_FREE = text("""
    WITH chosen AS MATERIALIZED (
        SELECT project_id, id FROM tasks WHERE kept_until < now() ORDER BY kept_until LIMIT 500 FOR UPDATE SKIP LOCKED
    )
    UPDATE tasks t SET kept_for = NULL, kept_until = NULL, position = nextval('task_positions')
      FROM chosen c WHERE t.project_id = c.project_id AND t.id = c.id
""")


def free_kept(db: Session) -> int:
    """Offer tasks to everybody that were kept for some who did not come. A sweep."""
    freed: Any = db.execute(_FREE)
    return int(freed.rowcount)


def escalate(db: Session, project: Project, chosen: Mapping[Task, int]) -> None:
    """Ask so many experts for each task, each apart: slots in the experts' queue."""
    now = clock.now(db)
    for task, n_experts in chosen.items():
        task.status, task.escalated_at, task.experts_asked = TaskStatus.ESCALATED, now, n_experts
        task.kept_for, task.kept_until = None, None
        _reopen(db, task, n_experts)
    project.n_escalated += len(chosen)
    today = experts_today(db, project)
    project.escalated_on, project.escalated_today = now.date(), today + len(chosen)
    db.flush()


def experts_today(db: Session, project: Project) -> int:
    """How many tasks of a project went to experts on this day, by UTC."""
    return project.escalated_today if project.escalated_on == clock.now(db).date() else 0


def ask_more_experts(db: Session, split: Sequence[Task], *, panel_size: int) -> None:
    """Ask as many more experts as make a panel with those who differ."""
    now = clock.now(db)
    for task in split:
        missing = panel_size - task.experts_asked
        task.escalated_at, task.experts_asked = now, panel_size
        _reopen(db, task, missing)
    db.flush()


def reopen(db: Session, project: Project, task: Task, *, n_experts: int) -> None:
    """Show a settled task to so many experts after all. Its answers stay accepted and paid.

    Its worst case is set aside again. Raises `InsufficientFunds`.
    """
    task.reopened += 1
    batch = db.get_one(Batch, task.batch_id)
    task.reserved = _reserve(db, project, batch, key=reserve_key(task), n_tasks=1)
    project.n_settled -= 1
    project.error_settled = max(project.error_settled - (1.0 - (task.confidence or 0.0)), 0.0)
    task.settled_at, task.settled_by, task.flagged = None, None, False
    escalate(db, project, {task: n_experts})


def fix(db: Session, project: Project, task: Task, *, label: int, fixed_by: str = REQUESTER) -> None:
    """Give a settled task another label, as its requester or a correction says. What votes and experts said stays."""
    if task.settled_by == EXPERT:
        project.n_escalated -= 1
        project.n_settled += 1
    else:
        project.error_settled = max(project.error_settled - (1.0 - (task.confidence or 0.0)), 0.0)
    task.label, task.confidence, task.settled_by, task.flagged = label, 1.0, fixed_by, False
    task.updated_at = clock.now(db)
    db.flush()


def reserve_key(task: Task) -> str:
    """What a task's reserve is posted under: its id, and once it was opened again also how often."""
    return f"{task.id}:{task.reopened}" if task.reopened else task.id


def take_back(db: Session, project: Project, chosen: Sequence[Task]) -> None:
    """Ask one more worker instead of the expert whom nobody has found for these escalated tasks."""
    for task in chosen:
        task.status, task.experts_asked, task.free_slots = TaskStatus.OPEN, 1, 0
        task.escalated_at = None
    project.n_escalated -= len(chosen)
    widen(db, chosen)


def unpark(db: Session, task: Task) -> None:
    """Give a task out again, to those too who have passed it meanwhile; it is locked."""
    if task.parked_at is not None:
        task.parked_at = None
        _reopen(db, task, 0)
    db.flush()


def _reopen(db: Session, task: Task, n_slots: int = 1) -> None:
    task.free_slots += n_slots
    task.position = db.scalar(positions.next_value()) or 0
    task.updated_at = clock.now(db)


@dataclass(frozen=True, slots=True)
class Settled:
    """A task whose label is final: by what, how surely, and whether that is less than was asked for."""

    task: Task
    label: int
    confidence: float
    settled_by: str
    flagged: bool = False


def settle(db: Session, project: Project, decided: Sequence[Settled]) -> None:
    """Make labels final."""
    now = clock.now(db)
    for one in decided:
        task = one.task
        if one.settled_by != EXPERT:
            project.n_settled += 1
            project.error_settled += 1.0 - one.confidence
            project.n_escalated -= task.status == TaskStatus.ESCALATED
        task.status, task.free_slots, task.settled_by = TaskStatus.SETTLED, 0, one.settled_by
        task.label, task.confidence, task.flagged = one.label, one.confidence, one.flagged
        task.settled_at, task.updated_at, task.kept_for, task.kept_until = now, now, None, None
    db.flush()


_UNFINISHED = text("""
    SELECT EXISTS (SELECT FROM tasks WHERE batch_id = :batch_id AND status IN ('staged', 'open', 'escalated'))
        OR EXISTS (SELECT FROM reviews WHERE batch_id = :batch_id AND state IN ('waiting', 'rejected'))
""")


def lift_finished(db: Session) -> Iterator[None]:
    """Hold batches against the floor that have rested and have nothing left to be done or judged, in steps. A work."""
    for one in batch_floors.due(db):
        if one.is_overdue or not db.scalar(_UNFINISHED, {"batch_id": one.cause_ref}):
            yield from batch_floors.steps(db, one.floor_id)
        else:
            batch_floors.begin(db, [one.cause_ref])
            yield


def status_counts(db: Session, batch_id: str) -> dict[str, int]:
    """How many tasks of a batch are in each status, but for gold."""
    rows = select(Task.status, func.count()).where(Task.batch_id == batch_id, Task.status.not_in(GOLD))
    return dict(db.execute(rows.group_by(Task.status)).all())


def batch_for(db: Session, requester_id: str, *, project: str | None, batch: str | None) -> tuple[Project, Batch]:
    """Where a new task goes: a batch alone decides the project; a project alone means its standing batch."""
    if batch is not None:
        found = projects.find_batch(db, requester_id, batch)
        return db.get_one(Project, found.project_id), found
    if project is None:
        raise BadRequest("Name the project or the batch that this task belongs to.")
    own = projects.find(db, requester_id, project)
    return own, projects.standing_batch(db, own)

"""The reaction that makes answers count, in batches: votes to quality, decisions to tasks, pay to payments.

One project is settled by one transaction at a time. Everything flows down by ordinary calls and comes back as
values; nothing here is arithmetic.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import outbox, pagination
from foundation.errors import NotFound
from payments import active_time, batch_floors, earnings, funding, rates
from payments.active_time import Piece
from payments.earnings import Work
from payments.funding import Rest
from payments.ledger import InsufficientFunds
from payments.rates import Quote
from quality import adjudication, checking, consensus, escalation, refits, reliability, revisions
from quality.adjudication import Ruling, Verdict
from quality.consensus import Weighed
from quality.escalation import Action, Basis, Fallback, Progress, Rule
from quality.events import ConsensusRevised, WeightsChanged
from workforce import golds, paces, reviews, tasks
from workforce.events import AnswerSubmitted
from workforce.models import (
    Acceptance,
    AnswerStatus,
    Kind,
    Project,
    ReviewState,
    Task,
    TaskStatus,
    WhenRevised,
)
from workforce.tasks import Settled
from workforce.tiers import STARTING, Tier

_ACTOR = "settlement"
# Revised tasks that one refit may bring before experts.
_REOPENED_AT_ONCE = 200
# A task may wait for its voters to become better known, but not longer than this after its last claim.
PATIENCE = timedelta(hours=1)

# Answers are joined to what their claims fixed; in the order of their ids, which is the order of their arrival. Whoever
# holds several tasks works on one after the other: an answer was begun after the one before it. Its tier is that of the
# price that it is paid (assignment.py), as the ladder stands now.
_ANSWERS = text(f"""
    SELECT n.id, n.task_id, n.worker_id, n.kind, n.label, n.status, w.payee_id, t.batch_id, a.currency, a.amount,
           t.status IN ('gold', 'retired') AS is_gold, p.skill, w.country,
           CASE n.kind WHEN '{Kind.ADJUDICATION}' THEN {int(Tier.EXPERT)}
                       ELSE least(coalesce(s.tier, {int(STARTING)}), {int(Tier.SENIOR)}) END AS tier,
           greatest(a.created_at, before.created_at) AS begun_at, n.created_at AS submitted_at, v.state AS review
      FROM answers n
      JOIN assignments a ON a.id = n.assignment_id AND a.project_id = n.project_id
      JOIN tasks t ON t.id = n.task_id AND t.project_id = n.project_id
      JOIN projects p ON p.id = n.project_id
      JOIN workers w ON w.id = n.worker_id
      LEFT JOIN worker_tiers s ON s.worker_id = n.worker_id AND s.skill = p.skill
      LEFT JOIN reviews v ON v.answer_id = n.id AND v.project_id = n.project_id
      LEFT JOIN LATERAL (SELECT b.created_at FROM answers b WHERE b.worker_id = n.worker_id AND b.id < n.id
                          ORDER BY b.id DESC LIMIT 1) before ON true
     WHERE n.project_id = :project_id AND n.id = ANY(:answer_ids) ORDER BY n.id
""")
# Any of them: one that cannot be decided must not keep the others waiting.
_WAITING_LONG = text("""
    SELECT t.project_id, array_agg(t.id) AS task_ids FROM tasks t
     WHERE t.status = 'open' AND t.free_slots = 0 AND t.updated_at < now() - CAST(:patience AS interval)
       AND NOT EXISTS (SELECT FROM assignments a
                        WHERE a.project_id = t.project_id AND a.task_id = t.id AND a.status = 'leased')
     GROUP BY t.project_id ORDER BY random() LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class Closed:
    """A task that became final: the answers that are accepted with it, and what it leaves of its reserve."""

    answer_ids: list[str]
    rest: Rest


def settle_answers(db: Session, told: Sequence[AnswerSubmitted]) -> None:
    """React to answers of one project: price them, weigh them, decide on their tasks, and make accepted ones due."""
    (project_id,) = {event.project_id for event in told}
    outbox.hold_stream(db, project_id)
    project = db.get_one(Project, project_id, populate_existing=True)
    answer_ids = [event.answer_id for event in told]
    found = db.execute(_ANSWERS, {"project_id": project_id, "answer_ids": answer_ids}).all()
    earnings.pend(db, [Work(row.id, row.payee_id, row.batch_id, row.currency, row.amount) for row in found])
    took = active_time.record(db, [_piece(row) for row in found])
    rulings = [row for row in found if row.kind == Kind.ADJUDICATION]
    cast = [row for row in found if row.kind == Kind.ANSWER]
    new = [took[row.id] for row in cast if row.id in took]
    project.n_answers += len(new)
    paces.note(db, project_id, new)
    closed = _adjudicate(db, project, rulings)
    progress = _progress(db, project)
    urged = bool(rulings) or progress.n_outstanding == 0
    refit = reliability.is_due(db, project_id, n_new=len(cast), urged=urged)
    met = [(row.task_id, row.worker_id) for row in cast if row.is_gold]
    touched = {row.task_id for row in cast if not row.is_gold}
    if progress.n_outstanding == 0 and not refit and not reliability.grown(db, project_id):
        # A project too large to be fitted here, and not due by the clock: nothing that is waited for will come.
        touched.update(tasks.undecided(db, project_id))
    closed += _decide(db, project, touched, progress, refit=refit)
    checking.check(db, project_id, met=met, task_ids={row.task_id for row in cast if not row.is_gold})
    # Answers whose tasks were settled while they were on their way here: their votes counted, so they are due.
    late = [row.id for row in found if row.status == AnswerStatus.ACCEPTED]
    beside = golds.accept(db, project, met=met).values()
    _pay(db, closed, [*late, *chain.from_iterable(beside)], touched={row.batch_id for row in found})
    # And those that were judged on their way, so long ago that what was kept for them is to be given back.
    earnings.end(db, [row.id for row in found if row.review == ReviewState.FINAL], actor_ref=_ACTOR)


def _piece(row: Any) -> Piece:
    return Piece(
        answer_ref=row.id,
        payee_id=row.payee_id,
        cause_ref=row.batch_id,
        skill=row.skill,
        tier=row.tier,
        region=row.country,
        begun_at=row.begun_at,
        submitted_at=row.submitted_at,
    )


def revisit(db: Session) -> int:
    """Decide tasks of a project that have waited long for better matrices as if nothing more would come. A sweep."""
    waiting = db.execute(_WAITING_LONG, {"patience": PATIENCE}).one_or_none()
    if waiting is None or not outbox.try_stream(db, waiting.project_id):
        return 0
    project = db.get_one(Project, waiting.project_id, populate_existing=True)
    progress = _progress(db, project)
    through = project.n_settled + project.n_escalated + len(waiting.task_ids)
    unhurried = replace(progress, n_tasks=max(progress.n_tasks, through), n_outstanding=0)
    _pay(db, _decide(db, project, set(waiting.task_ids), unhurried, refit=False))
    return 1


def refit_grown(db: Session) -> Iterator[None]:
    """Fit projects again that have too many votes for a fit beside their settlement. A work."""
    for project_id, cause in reliability.grown(db).items():
        yield from refit(db, project_id, cause=cause)


def refit(db: Session, project_id: str, *, cause: str) -> Iterator[None]:
    """Fit a project again, step by step, and decide then what it waits for. Settlements go on meanwhile."""
    project = db.get(Project, project_id)
    if project is None:
        raise NotFound("There is no such project.")
    yield from refits.steps(db, project_id, n_classes=len(project.labels), cause=cause)
    outbox.hold_stream(db, project_id)
    db.refresh(project)
    _pay(db, _decide(db, project, set(tasks.undecided(db, project_id)), _progress(db, project), refit=False))
    yield


def reweigh(db: Session, told: Sequence[WeightsChanged]) -> None:
    """React to votes of a project that are judged otherwise from now on: decide its undecided tasks anew.

    Tasks that still wait for answers are weighed with the next of them; final ones stay as they are.
    """
    (project_id,) = {event.project_id for event in told}
    outbox.hold_stream(db, project_id)
    project = db.get_one(Project, project_id, populate_existing=True)
    _pay(db, _decide(db, project, set(tasks.undecided(db, project_id)), _progress(db, project), refit=False))


def reopen(db: Session, told: Sequence[ConsensusRevised]) -> None:
    """React to settled tasks that a refit would decide otherwise: show them to experts, if their project says so.

    So many at once as its experts have time for today and its money allows; the others stay as they are, and told.
    """
    (project_id,) = {event.project_id for event in told}
    project = db.get_one(Project, project_id, populate_existing=True)
    if project.when_revised != WhenRevised.REOPEN:
        return
    secret, left = pagination.signing_secret(db), _experts_left(db, project)
    revised = revisions.told(db, project_id, [event.refit for event in told], most=_REOPENED_AT_ONCE)
    found = tasks.lock(db, project_id, revised, TaskStatus.SETTLED, settled_by=tasks.CONSENSUS)
    for task in found if left is None else found[:left]:
        try:
            with db.begin_nested():
                tasks.reopen(db, project, task, n_experts=_n_experts(secret, project, task.id))
        except InsufficientFunds:
            return


def _adjudicate(db: Session, project: Project, rulings: Sequence[Any]) -> list[Closed]:
    """Hear experts; a task is decided when all have ruled who were asked, or a panel is called if those differ."""
    adjudication.record(db, project.id, [Ruling(row.task_id, row.worker_id, row.label) for row in rulings])
    escalated = tasks.lock(db, project.id, [row.task_id for row in rulings], TaskStatus.ESCALATED)
    answered = tasks.answered(db, project.id, escalated)
    verdicts = adjudication.verdicts(db, project.id, [task.id for task in answered])
    # A word that was given but is still on its way here is waited for; it decides when it comes.
    heard = [task for task in answered if task.id in verdicts and verdicts[task.id].n_rulings >= task.experts_asked]
    split = [task for task in heard if not verdicts[task.id].agreed and task.experts_asked < project.panel_size]
    tasks.ask_more_experts(db, split, panel_size=project.panel_size)
    return _obey(db, project, {task: verdicts[task.id] for task in heard if task not in split})


def _obey(db: Session, project: Project, verdicts: Mapping[Task, Verdict]) -> list[Closed]:
    secret = pagination.signing_secret(db)
    for task, verdict in verdicts.items():
        consensus.adjudicate(
            db,
            project.id,
            task_id=task.id,
            label=verdict.label,
            voter_id=verdict.voter_id,
            is_sample=_is_spot(secret, project, task.id),
        )
    consensus.learn(db, project.id, [task.id for task in verdicts], n_classes=len(project.labels))
    return _close(db, project, [Settled(task, found.label, 1.0, tasks.EXPERT) for task, found in verdicts.items()])


_UNHEARD = text("""
    SELECT t.project_id, array_agg(t.id) AS task_ids
      FROM tasks t JOIN projects p ON p.id = t.project_id
     WHERE t.status = 'escalated' AND t.free_slots > 0 AND p.without_expert <> 'park'
       AND coalesce(t.escalated_at, t.updated_at) < now() - make_interval(secs => p.expert_patience_seconds)
       AND NOT EXISTS (SELECT FROM assignments a WHERE a.project_id = t.project_id AND a.task_id = t.id
                                                   AND a.status = 'leased' AND a.kind = 'adjudication')
     GROUP BY t.project_id ORDER BY random() LIMIT 1
""")


def without_expert(db: Session) -> int:
    """End the wait of tasks that no expert took within their project's patience, as its settings say. A sweep."""
    found = db.execute(_UNHEARD).one_or_none()
    if found is None or not outbox.try_stream(db, found.project_id):
        return 0
    project = db.get_one(Project, found.project_id, populate_existing=True)
    waiting = tasks.unheld(db, project.id, tasks.lock(db, project.id, found.task_ids, TaskStatus.ESCALATED))
    verdicts = adjudication.verdicts(db, project.id, [task.id for task in waiting])
    # A word that is still on its way here is not recorded yet; it decides when it comes.
    heard = {
        task: verdicts[task.id]
        for task in waiting
        if task.id in verdicts and verdicts[task.id].n_rulings >= task.experts_asked - task.free_slots
    }
    alone = [task for task in waiting if task.free_slots == task.experts_asked]
    widened = [
        task for task in alone if project.without_expert == Fallback.WIDEN and task.overlap < project.overlap_max
    ]
    tasks.take_back(db, project, widened)
    _pay(db, _obey(db, project, heard) + _close_flagged(db, project, [task for task in alone if task not in widened]))
    return 1


def _close_flagged(db: Session, project: Project, chosen: Sequence[Task]) -> list[Closed]:
    """Settle tasks by what the crowd made of them, although that is less than was asked for."""
    views = {task: consensus.find(db, project.id, task.id) for task in chosen}
    return _close(
        db,
        project,
        [
            Settled(task, view.label, view.confidence, tasks.CONSENSUS, flagged=True)
            for task, view in views.items()
            if view is not None
        ],
    )


def _decide(db: Session, project: Project, touched: set[str], progress: Progress, *, refit: bool) -> list[Closed]:
    """Weigh the touched tasks, and all undecided ones after a new fit; then settle, widen or escalate."""
    n_classes = len(project.labels)
    if refit:
        reliability.refit(db, project.id, n_classes=n_classes)
    candidates = touched.union(tasks.undecided(db, project.id) if refit else ())
    # Final tasks, and those that wait for an expert, keep the consensus that was decided on.
    undecided = tasks.lock(db, project.id, sorted(candidates), TaskStatus.OPEN)
    complete = {task.id: task for task in tasks.answered(db, project.id, undecided)}
    weighed = consensus.weigh(db, project.id, [task.id for task in undecided], n_classes=n_classes)
    ready = [one for one in weighed if one.task_id in complete]
    secret = pagination.signing_secret(db)
    answer = rates.dearest(db, project.id, tier_max=Tier.SENIOR)
    standings = [
        replace(
            one.standing,
            drawn=_is_spot(secret, project, one.task_id),
            stake=_stake(complete[one.task_id].error_cost or project.error_cost, answer),
        )
        for one in ready
    ]
    made = escalation.decide_all(standings, _rule(db, project, answer), progress)
    decisions = dict(zip([one.task_id for one in ready], made, strict=True))
    consensus.record(db, project.id, weighed, decisions)
    chosen: dict[Action, list[Weighed]] = defaultdict(list)
    for one in ready:
        chosen[decisions[one.task_id].action].append(one)
    _widen(db, project, {complete[one.task_id]: one for one in chosen[Action.WIDEN]})
    escalated = [complete[one.task_id] for one in chosen[Action.ESCALATE]]
    tasks.escalate(db, project, {task: _n_experts(secret, project, task.id) for task in escalated})
    return _close(
        db,
        project,
        [
            Settled(
                complete[one.task_id],
                one.label,
                one.standing.confidence,
                tasks.CONSENSUS,
                flagged=decisions[one.task_id].flagged,
            )
            for one in chosen[Action.SETTLE]
        ],
    )


def _widen(db: Session, project: Project, chosen: Mapping[Task, Weighed]) -> None:
    """Ask one more worker for each; beyond the least overlap at first only those who tell more of it than others."""
    beyond = [one for task, one in chosen.items() if project.keep_seconds and task.overlap >= project.overlap_min]
    kept_for = consensus.who_stands_out(db, project.id, beyond, n_classes=len(project.labels))
    tasks.widen(db, list(chosen), kept_for=kept_for, seconds=project.keep_seconds)


def _is_spot(secret: bytes, project: Project, task_id: str) -> bool:
    return escalation.is_drawn(secret, "spot check", task_id, project.spot_share)


def _n_experts(secret: bytes, project: Project, task_id: str) -> int:
    """Two decide a task apart that is drawn for a second opinion, so that experts are measured too."""
    return 2 if escalation.is_drawn(secret, "second opinion", task_id, project.second_opinion_share) else 1


def _stake(error_cost: Decimal | None, answer: Quote) -> float:
    """What a wrong label costs, in answers."""
    return float(error_cost.scaleb(answer.exponent) / answer.amount) if error_cost else 0.0


def _rule(db: Session, project: Project, answer: Quote) -> Rule:
    """A project's settings as the rule that decides; prices are in answers."""
    expert = rates.dearest(db, project.id, tier_max=Tier.EXPERT)
    return Rule(
        overlap_min=project.overlap_min,
        overlap_max=project.overlap_max,
        confidence_min=project.confidence_target,
        basis=Basis(project.target_basis),
        expert_price=expert.amount / answer.amount,
        expert_share=project.expert_share,
        without_expert=Fallback(project.without_expert),
    )


_OUTSTANDING = text("""
    SELECT EXISTS (SELECT FROM tasks WHERE project_id = :project_id AND status = 'open' AND free_slots > 0)
        OR EXISTS (SELECT FROM tasks WHERE project_id = :project_id AND status = 'escalated')
        OR EXISTS (SELECT FROM assignments WHERE project_id = :project_id AND status = 'leased')
""")


def _progress(db: Session, project: Project) -> Progress:
    outstanding = bool(db.scalar(_OUTSTANDING, {"project_id": project.id}))
    through = project.n_settled + project.n_escalated
    return Progress(
        # Where nothing is outstanding every task is either through or waits for a decision.
        n_tasks=through if outstanding else through + len(tasks.undecided(db, project.id)),
        n_settled=project.n_settled,
        n_escalated=project.n_escalated,
        error_settled=project.error_settled,
        n_outstanding=int(outstanding),
        experts_left=_experts_left(db, project),
    )


def _experts_left(db: Session, project: Project) -> int | None:
    if project.experts_per_day is None:
        return None
    return max(project.experts_per_day - tasks.experts_today(db, project), 0)


_ACCEPT = text("""
    UPDATE answers n SET status = 'accepted'
      FROM assignments a
     WHERE a.id = n.assignment_id AND a.project_id = n.project_id AND n.project_id = :project_id
       AND n.task_id = ANY(:task_ids) AND n.kind = ANY(:kinds) AND n.status = 'submitted'
    RETURNING n.id, n.task_id, a.amount
""")


def _close(db: Session, project: Project, final: Sequence[Settled]) -> list[Closed]:
    """Settle tasks and accept their answers: an honest answer that was outvoted is paid like any other.

    With them those to gold that was given in front of them. Where the requester accepts, the crowd's wait for that.
    """
    if not final:
        return []
    accepted: dict[str, list[Any]] = defaultdict(list)
    kept: dict[str, list[int]] = defaultdict(list)
    task_ids = [one.task.id for one in final]
    waits = project.acceptance == Acceptance.BY_REQUESTER
    kinds = [Kind.ADJUDICATION.value] if waits else [kind.value for kind in Kind]
    for row in db.execute(_ACCEPT, {"project_id": project.id, "task_ids": task_ids, "kinds": kinds}):
        accepted[row.task_id].append(row)
    for row in reviews.wait(db, project, task_ids) if waits else ():
        kept[row.task_id].append(row.amount)
    tasks.settle(db, project, final)
    beside = golds.accept(db, project, ahead_of=task_ids)
    fees = funding.fees_of(db, [one.task.batch_id for one in final])
    closed = []
    for task in (one.task for one in final):
        answer_ids = [*(row.id for row in accepted[task.id]), *beside.get(task.id, ())]
        amounts = [*(row.amount for row in accepted[task.id]), *kept[task.id]]
        closed.append(Closed(answer_ids, _rest(task, amounts, fee=fees[task.batch_id])))
    return closed


def _rest(task: Task, amounts: Sequence[int], *, fee: int) -> Rest:
    """What a task does not need of its reserve, beyond what its answers cost."""
    needed = sum(funding.with_fee(amount, fee) for amount in amounts)
    return Rest(task.batch_id, tasks.reserve_key(task), task.reserved - needed)


def _pay(db: Session, closed: Sequence[Closed], late: Sequence[str] = (), *, touched: Iterable[str] = ()) -> None:
    """Make answers due. touched : batches whose answers came, beside those of what was closed."""
    batch_floors.begin(db, {*touched, *(one.rest.cause_ref for one in closed)})
    answer_ids = [answer_id for one in closed for answer_id in one.answer_ids]
    earnings.accept(db, [*answer_ids, *late], rests=[one.rest for one in closed], actor_ref=_ACTOR)

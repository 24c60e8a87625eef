"""For every route a request that it answers as it promises, with real objects behind it.

The corpus takes these apart. A new route needs a line here before its bad inputs can be tried.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import marshmallow as ma
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import auth, fields, ids, trail
from payments import periods, statements
from quality import proposals, quarantine
from tests import factories
from workforce import assignment, schemas
from workforce.models import BatchStatus, Kind, Project, WorkerStatus
from workforce.tiers import Tier


@dataclass(frozen=True, slots=True)
class Good:
    """Who sends what to which address."""

    role: str
    """Whose token; nobody's if it is empty."""
    subject: str = field(default_factory=lambda: ids.new("stf"))
    """Whose token it is; somebody new of the staff if nobody is named."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What stands in the path."""
    body: Any = None
    query: str = ""
    known: Mapping[str, int] = field(default_factory=dict)
    """Places where a value must name something that exists: how any other is refused."""
    inside: Mapping[str, ma.Schema] = field(default_factory=dict)
    """What the view itself reads out of an object that the schema leaves open."""


RATES = [{"tier": 0, "amount": "0.02", "currency": "USD"}]
_PROJECT = {"labels": ["crow", "rook"], "rates": RATES}


def _staff(role: str, **request: Any) -> Callable[[Session], Good]:
    return lambda _db: Good(role, **request)


def _application(_db: Session) -> Good:
    return Good("", body={"name": "Ada", "country": "KE"})


def _worker(db: Session) -> Good:
    """A worker who holds a task and has answered another, for what workers read about themselves."""
    project = factories.create_project(db)
    worker = factories.create_worker(db)
    for _ in range(2):
        factories.create_task(db, project)
    factories.answer(db, worker, project=project)
    factories.settle(db)
    factories.claim(db, worker, project)
    return Good("worker", worker.id)


def _claim(db: Session) -> Good:
    project = factories.create_project(db)
    factories.create_task(db, project)
    worker = factories.create_worker(db)
    return Good("worker", worker.id, body={"project_id": project.id, "kind": "answer"}, known={"/project_id": 422})


def _lease(db: Session, kind: Kind = Kind.ANSWER) -> tuple[str, assignment.Lease]:
    if kind == Kind.ADJUDICATION:
        project, _ = factories.create_escalated(db)
        worker = factories.create_worker(db, tier=Tier.EXPERT)
    else:
        project = factories.create_project(db, lease_seconds=86_400)
        factories.create_task(db, project)
        worker = factories.create_worker(db)
    return worker.id, factories.claim(db, worker, project, kind)


class _Category(fields.Schema):
    category = fields.Text(required=True)


def _answer(db: Session) -> Good:
    worker, lease = _lease(db)
    return Good(
        "worker",
        worker,
        {"assignment_id": lease.id},
        {"fence": lease.fence, "payload": {"category": "rook"}},
        known={"/fence": 409, "/payload": 422, "/payload/category": 422, "/payload/kept/0": 422},
        inside={"/payload": _Category()},
    )


def _held(db: Session) -> Good:
    worker, lease = _lease(db)
    return Good("worker", worker, {"assignment_id": lease.id}, {"fence": lease.fence}, known={"/fence": 409})


def _dossier(db: Session) -> Good:
    worker, lease = _lease(db, Kind.ADJUDICATION)
    return Good("worker", worker, {"assignment_id": lease.id})


def _of_worker(status: WorkerStatus) -> Callable[[Session], Good]:
    return lambda db: Good("ops", names={"worker_id": factories.create_worker(db, status=status).id})


def _tier(db: Session) -> Good:
    names = {"worker_id": factories.create_worker(db).id, "skill": factories.SKILL}
    return Good("ops", names=names, body={"tier": 2, "reason": "Good work."})


def _workers(db: Session) -> Good:
    for _ in range(2):
        factories.create_worker(db)
    return Good("ops", query="limit=1&status=active")


def _escalations(db: Session) -> Good:
    factories.create_escalated(db)
    return Good("ops")


def _quarantines(query: str = "") -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        _proposed(db)
        return Good("ops", query=query)

    return good


def _of_quarantine(body: Any = None, *, active: bool = False) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        quarantine_id = _proposed(db)
        if active:
            quarantine.activate(db, quarantine_id, reason="Seen.", decided_by="ops")
        return Good("ops", names={"quarantine_id": quarantine_id}, body=body)

    return good


def _proposed(db: Session) -> str:
    project, workers = factories.create_project(db), [factories.create_worker(db) for _ in range(2)]
    factories.propose(db, project, *workers)
    return str(db.scalars(quarantine.listed(voter_id=workers[0].id)).one().id)


def _requesters(db: Session) -> Good:
    for _ in range(2):
        factories.create_requester(db, funds=None)
    return Good("admin", query="limit=1")


def _requester(db: Session) -> Good:
    return Good("requester", factories.create_project(db).requester_id)


def _new_project(db: Session) -> Good:
    body = {
        **_PROJECT, "name": "Rooks", "instruction": "Look.", "skill": factories.SKILL, "overlap_min": 2,
        "overlap_max": 3, "params": {"here": True},
    }  # fmt: skip
    return Good("requester", factories.create_requester(db).id, body=body)


def _of_project(role: str = "requester") -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project, _ = factories.create_escalated(db)
        names = {"project_id": project.id}
        return Good(role, project.requester_id, names) if role == "requester" else Good(role, names=names)

    return good


def _weighed(db: Session) -> Good:
    """A project in which somebody has been weighed."""
    project, _ = factories.create_escalated(db)
    voter = db.scalar(text("SELECT min(voter_id) FROM reliability WHERE project_id = :id"), {"id": project.id})
    return Good("ops", names={"project_id": project.id, "voter_id": str(voter)})


def _disagreements(db: Session) -> Good:
    project, _ = factories.create_escalated(db)
    return Good("ops", names={"project_id": project.id}, query="shared_min=1")


def _with_gold(db: Session) -> tuple[Project, str]:
    project = factories.create_gold_project(db)
    factories.create_task(db, project)
    given = factories.create_gold(db, project)
    factories.answer(db, factories.create_worker(db), project=project)
    factories.settle(db)
    return project, given.task_id


def _new_gold(db: Session) -> Good:
    project, _ = _with_gold(db)
    body = {"params": {"attachment": "a bird"}, "category": "rook", "explanation": "Its beak.", "exposures_max": 9}
    return Good("requester", project.requester_id, {"project_id": project.id}, body, known={"/category": 422})


def _golds(db: Session) -> Good:
    project, _ = _with_gold(db)
    factories.create_gold(db, project)
    return Good("requester", project.requester_id, {"project_id": project.id}, query="limit=1")


def _of_gold(role: str, body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project, task_id = _with_gold(db)
        names = {"project_id": project.id, "task_id": task_id}
        return (
            Good(role, project.requester_id, names, body) if role == "requester" else Good(role, names=names, body=body)
        )

    return good


def _proposal(body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project, task = factories.create_escalated(db, gold_share=0.5)
        expert = factories.create_worker(db, tier=Tier.EXPERT)
        factories.answer(db, expert, "crow", project=project, kind=Kind.ADJUDICATION)
        factories.settle(db)
        proposals.propose(db, project.id, most=1)
        return Good("ops", names={"project_id": project.id, "task_id": task.id}, body=body)

    return good


def _proposals(body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        found = _proposal(body)(db)
        return replace(found, names={"project_id": found.names["project_id"]})

    return good


def _golds_of(role: str) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project, _ = _with_gold(db)
        return Good(role, names={"project_id": project.id})

    return good


def _correction(body: Any) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project, task_id = _with_gold(db)
        names = {"project_id": project.id, "task_id": task_id}
        return Good("ops", names=names, body=body, known={"/category": 422})

    return good


def _top_up(db: Session) -> Good:
    owner = factories.create_requester(db, funds=None).id
    body = {"owner_ref": owner, "currency": "USD", "amount": "1.50", "bank_reference": f"bank {ids.new('ref')}"}
    return Good("finance", body=body, known={"/owner_ref": 422})


def _books(db: Session) -> Good:
    cause = factories.create_requester(db).id
    return Good("finance", query=f"limit=1&cause_ref={cause}")


def _month(db: Session) -> date:
    """A month behind all that anybody has closed, and before there were entries."""
    last = db.scalar(text("SELECT max(month) FROM periods")) or date(1999, 12, 1)
    return (last + timedelta(days=31)).replace(day=1)


def _to_be_closed(db: Session) -> Good:
    return Good("finance", names={"month": f"{_month(db):%Y-%m}"})


def _closing(role: str) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        month = _month(db)
        periods.close(db, month, closed_by="somebody")
        known = {"month": f"{month:%Y-%m}"}
        if role == "approver":
            return Good(role, names=known, body={"hash": periods.shown(db, month).hash}, known={"/hash": 409})
        return Good(role, names=known)

    return good


def _periods(db: Session) -> Good:
    for _ in range(2):
        periods.close(db, _month(db), closed_by="somebody")
    return Good("auditor", query="limit=1")


def _closed(db: Session) -> Good:
    month = _month(db)
    periods.close(db, month, closed_by="somebody")
    periods.confirm(db, month, trial_hash=periods.shown(db, month).hash, confirmed_by="somebody else")
    return Good("finance", names={"month": f"{month:%Y-%m}"})


def _to_be_opened(db: Session) -> Good:
    closed = _closed(db)
    periods.reopen(db, periods.parse(closed.names["month"]), reopening_by="somebody")
    return replace(closed, role="approver")


def _accounts(db: Session) -> Good:
    for _ in range(2):
        factories.create_requester(db)
    return Good("auditor", query="limit=1&role=funds&currency=USD")


def _statement(db: Session) -> Good:
    owner = factories.create_requester(db).id
    names = {"account_id": statements.find(db, "funds", owner, "USD")}
    return Good("auditor", names=names, query="limit=1&since=2026-01-31T12:00:00Z&until=2999-01-31T12:00:00Z")


def _parked(role: str) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project = factories.create_project(db)
        told = {"answer_id": ids.new("ans"), "task_id": ids.new("tsk"), "project_id": project.id}
        insert = text(
            "INSERT INTO outbox_events (topic, stream, payload, parked_at, last_error)"
            " VALUES ('AnswerSubmitted', :stream, CAST(:told AS jsonb), now(), 'E: x') RETURNING id"
        )
        event_id = db.scalar(insert, {"stream": project.id, "told": json.dumps(told)})
        return Good(role, names={"event_id": str(event_id)})

    return good


def _trail(db: Session) -> Good:
    trail.record(db, auth.Actor("tok", "ada", "ops", frozenset()), "workers.greet")
    return Good("auditor")


class _Params(schemas.NewProject):
    """What Scale's surface reads out of a project's params."""

    class Meta:
        exclude = ("name", "labels", "params")

    categories = ma.fields.List(fields.Text(name=True))


def _scales_project(db: Session) -> Good:
    params = {"categories": ["crow", "rook"], "rates": RATES, "overlap_min": 2, "overlap_max": 3}
    return Good(
        "requester",
        factories.create_requester(db).id,
        body={"name": "Rooks", "type": "categorization", "params": params},
        known={"/type": 400, "/params": 422},
        inside={"/params": _Params()},
    )


def _scales_name(db: Session) -> Good:
    project = factories.create_project(db)
    return Good("requester", project.requester_id, {"name": project.id})


def _scales_batch(db: Session) -> Good:
    project = factories.create_project(db)
    body = {"project": project.name, "name": "Morning", "callback": "", "metadata": {}, "staging": False}
    return Good("requester", project.requester_id, body=body, known={"/project": 404})


def _scales_batches(db: Session) -> Good:
    project = factories.create_project(db)
    factories.create_batch(db, project)
    return Good("requester", project.requester_id, query="limit=1&offset=0", known={"?/project": 404})


def _of_batch(body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project = factories.create_project(db)
        batch = factories.create_batch(db, project, status=BatchStatus.STAGING)
        factories.create_task(db, project, batch)
        return Good("requester", project.requester_id, {"name": batch.id}, body)

    return good


def _scales_task(db: Session) -> Good:
    project = factories.create_project(db)
    batch = factories.create_batch(db, project)
    body = {
        "project": project.name, "batch": batch.name, "unique_id": "rook-1", "instruction": "Look.",
        "attachment": "https://rooks.example/1.jpg", "attachments": [{"content": "x"}], "metadata": {"here": True},
        "categories": project.labels,
    }  # fmt: skip
    known = {"": 400, "/project": 404, "/batch": 404, "/categories": 400, "/categories/0": 400}
    return Good("requester", project.requester_id, body=body, known=known)


def _of_task(body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project = factories.create_project(db)
        task = factories.create_task(db, project)
        return Good("requester", project.requester_id, {"task_id": task.id}, body)

    return good


def _scales_tasks(db: Session) -> Good:
    project = factories.create_project(db)
    for _ in range(2):
        factories.create_task(db, project)
    return Good(
        "requester", project.requester_id, query="limit=1&status=pending", known={"?/project": 404, "?/batch": 404}
    )


GOOD: dict[str, Callable[[Session], Good]] = {
    "POST /api/applications": _application,
    "GET /api/me": _worker,
    "POST /api/claims": _claim,
    "POST /api/assignments/<assignment_id>/answer": _answer,
    "POST /api/assignments/<assignment_id>/renewal": _held,
    "POST /api/assignments/<assignment_id>/release": _held,
    "GET /api/me/assignments": _worker,
    "GET /api/me/answers": _worker,
    "GET /api/assignments/<assignment_id>/dossier": _dossier,
    "GET /api/workers": _workers,
    "POST /api/workers/<worker_id>/activation": _of_worker(WorkerStatus.APPLICANT),
    "POST /api/workers/<worker_id>/suspension": _of_worker(WorkerStatus.ACTIVE),
    "PUT /api/workers/<worker_id>/tiers/<skill>": _tier,
    "GET /api/escalations": _escalations,
    "GET /api/evidence": _quarantines("limit=1&kind=cluster"),
    "GET /api/quarantines": _quarantines("limit=1&status=proposed"),
    "GET /api/quarantines/<quarantine_id>": _of_quarantine(),
    "POST /api/quarantines/<quarantine_id>/activation": _of_quarantine(
        {"reason": "Seen.", "days": 7, "everywhere": True}
    ),
    "POST /api/quarantines/<quarantine_id>/dismissal": _of_quarantine({"reason": "Twins."}),
    "POST /api/quarantines/<quarantine_id>/end": _of_quarantine({"reason": "It was explained."}, active=True),
    "POST /api/requesters": _staff("ops", body={"name": "Museum"}),
    "GET /api/requesters": _requesters,
    "POST /api/projects": _new_project,
    "GET /api/projects": _requester,
    "GET /api/projects/<project_id>": _of_project(),
    "GET /api/projects/<project_id>/progress": _of_project(),
    "GET /api/projects/<project_id>/tasks": _of_project(),
    "GET /api/projects/<project_id>/reliability": _of_project("ops"),
    "GET /api/projects/<project_id>/experts": _of_project("ops"),
    "GET /api/workers/<voter_id>/reliability": _weighed,
    "GET /api/projects/<project_id>/reliability/<voter_id>": _weighed,
    "GET /api/projects/<project_id>/disagreements": _disagreements,
    "GET /api/projects/<project_id>/agreement": _of_project(),
    "GET /api/projects/<project_id>/confusion": _of_project("ops"),
    "GET /api/projects/<project_id>/calibration": _of_project(),
    "GET /api/projects/<project_id>/cost-curve": _of_project(),
    "POST /api/projects/<project_id>/gold": _new_gold,
    "GET /api/projects/<project_id>/gold": _golds,
    "POST /api/projects/<project_id>/gold/<task_id>/retirement": _of_gold("ops", {"reason": "Too easy."}),
    "GET /api/projects/<project_id>/refits": _of_project("ops"),
    "GET /api/projects/<project_id>/revisions": _of_project("ops"),
    "GET /api/projects/<project_id>/gold/<task_id>/health": _of_gold("requester"),
    "GET /api/projects/<project_id>/gold-supply": _golds_of("ops"),
    "POST /api/projects/<project_id>/gold/<task_id>/correction/preview": _correction({"category": "crow"}),
    "POST /api/projects/<project_id>/gold/<task_id>/correction": _correction(
        {"category": "crow", "reason": "Its beak."}
    ),
    "POST /api/projects/<project_id>/gold-proposals": _proposals({"most": 3}),
    "GET /api/projects/<project_id>/gold-proposals": _proposals(),
    "POST /api/projects/<project_id>/gold-proposals/<task_id>/approval": _proposal({"exposures_max": 9}),
    "POST /api/projects/<project_id>/gold-proposals/<task_id>/refusal": _proposal({"reason": "Blurred."}),
    "POST /api/top-ups": _top_up,
    "GET /api/trial-balance": _staff("finance"),
    "GET /api/tie-out": _staff("finance"),
    "GET /api/journal": _books,
    "GET /api/payables.csv": _staff("finance"),
    "GET /api/periods": _periods,
    "GET /api/periods/<month>": _closing("auditor"),
    "POST /api/periods/<month>/closing": _to_be_closed,
    "POST /api/periods/<month>/confirmation": _closing("approver"),
    "POST /api/periods/<month>/reopening": _closed,
    "POST /api/periods/<month>/reopening/confirmation": _to_be_opened,
    "GET /api/accounts": _accounts,
    "GET /api/accounts/<account_id>/statement": _statement,
    "GET /api/funds": _requester,
    "GET /api/me/statement": _worker,
    "GET /api/me/earnings": _worker,
    "GET /api/parked-events": _parked("admin"),
    "POST /api/parked-events/retry": _parked("ops"),
    "POST /api/parked-events/<event_id>/retry": _parked("ops"),
    "GET /api/trail": _trail,
    "GET /metrics": _staff("monitor"),
    "POST /v1/projects": _scales_project,
    "GET /v1/projects": _requester,
    "GET /v1/projects/<path:name>": _scales_name,
    "POST /v1/batches": _scales_batch,
    "GET /v1/batches": _scales_batches,
    "GET /v1/batches/<path:name>/status": _of_batch(),
    "GET /v1/batches/<path:name>": _of_batch(),
    "POST /v1/batches/<path:name>/finalize": _of_batch({}),
    "POST /v1/task/categorization": _scales_task,
    "GET /v1/task/<task_id>": _of_task(),
    "POST /v1/task/<task_id>/cancel": _of_task({}),
    "GET /v1/tasks": _scales_tasks,
}

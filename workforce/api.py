"""The workforce routes: workers, requesters, ops. Parse, call, serialise."""

from typing import Any

from foundation import pagination
from foundation.auth import PUBLIC, allow
from foundation.http import Call, Routes
from foundation.limits import DAY, Limit
from payments import rates
from payments.rates import Price
from quality import agreement, calibration, confusion, correction, gold, gold_health, proposals, votes
from quality import schemas as quality_schemas
from quality.gold_words import Ending, Source, Verdict
from quality.methods.agreement import Agreement
from workforce import (
    assignment,
    costs,
    dossiers,
    golds,
    onboarding,
    projects,
    rate_cards,
    requesters,
    schemas,
    tasks,
    tiers,
)
from workforce.models import Answer, Assignment, Project, Task, Worker, WorkerStatus, WorkerTier
from workforce.models import Requester as RequesterRow

routes = Routes("workforce", "/api")


# Workers


@routes.post(
    "/applications",
    allow=PUBLIC,
    quota=Limit("applications", 200, DAY, strict=True),
    body=schemas.Application,
    returns=schemas.WorkerWithToken,
    status=201,
    shown_once=("token",),
)
def apply(call: Call) -> dict[str, Any]:
    """Apply as a worker. The token shows you where your application stands; ops activates you."""
    worker, token = onboarding.apply(call.db, **call.body)
    return {"worker": worker, "token": token}


@routes.get("/me", allow=allow("work"), returns=schemas.Me)
def me(call: Call) -> dict[str, Any]:
    """Your profile, your status and your tier in each skill."""
    worker = onboarding.find(call.db, call.actor.subject_id)
    return {"worker": worker, "tiers": tiers.of_worker(call.db, worker.id)}


@routes.post("/claims", allow=allow("work"), body=schemas.Claim, returns=schemas.Lease, status=201, or_nothing=True)
def claim(call: Call) -> assignment.Lease | None:
    """Claim the next task you may do, at the price of now. 204 when there is none."""
    return assignment.claim(call.db, call.actor.subject_id, **call.body)


@routes.post(
    "/assignments/<assignment_id>/answer",
    allow=allow("work"),
    body=schemas.Submission,
    returns=schemas.Answer,
    status=201,
)
def submit(call: Call, assignment_id: str) -> Answer:
    """Answer a task you hold. Once you have the 201 the answer cannot be lost, and an accepted one is paid."""
    return assignment.submit(call.db, call.actor.subject_id, assignment_id, **call.body)


@routes.post(
    "/assignments/<assignment_id>/renewal", allow=allow("work"), body=schemas.Fence, returns=schemas.Assignment
)
def renew(call: Call, assignment_id: str) -> Assignment:
    """Begin the time of a task you hold again."""
    return assignment.renew(call.db, call.actor.subject_id, assignment_id, **call.body)


@routes.post(
    "/assignments/<assignment_id>/release", allow=allow("work"), body=schemas.Fence, returns=schemas.Assignment
)
def release(call: Call, assignment_id: str) -> Assignment:
    """Give back a task you hold; someone else gets it."""
    return assignment.release(call.db, call.actor.subject_id, assignment_id, **call.body)


@routes.get("/me/assignments", allow=allow("work"), returns=schemas.Assignment, paged=True)
def my_assignments(call: Call) -> pagination.Page:
    """The tasks you hold now."""
    return assignment.leases(call.db, call.actor.subject_id, call.page)


@routes.get("/me/answers", allow=allow("work"), returns=schemas.Answer, paged=True)
def my_answers(call: Call) -> pagination.Page:
    """Your answers, newest first."""
    return assignment.answers(call.db, call.actor.subject_id, call.page)


@routes.get("/assignments/<assignment_id>/dossier", allow=allow("work"), returns=schemas.Dossier)
def dossier(call: Call, assignment_id: str) -> dossiers.Dossier:
    """What an expert sees of an escalated task they hold: the answers under pseudonyms and why they were not enough."""
    return dossiers.dossier(call.db, call.actor.subject_id, assignment_id)


# Ops


@routes.get("/workers", allow=allow("ops"), query=schemas.WorkerQuery, returns=schemas.Worker, paged=True)
def workers(call: Call) -> pagination.Page:
    """All workers, newest first; `status` narrows the list."""
    return pagination.read(call.db, onboarding.listed(**call.query), Worker.id, call.page)


@routes.post("/workers/<worker_id>/activation", allow=allow("ops"), returns=schemas.Worker)
def activate(call: Call, worker_id: str) -> Worker:
    """Let an applicant, or a suspended worker, claim tasks."""
    return onboarding.move(call.db, worker_id, WorkerStatus.ACTIVE)


@routes.post("/workers/<worker_id>/suspension", allow=allow("ops"), returns=schemas.Worker)
def suspend(call: Call, worker_id: str) -> Worker:
    """Stop a worker from claiming, from their next request on."""
    return onboarding.move(call.db, worker_id, WorkerStatus.SUSPENDED)


@routes.put(
    "/workers/<worker_id>/tiers/<skill>", allow=allow("ops"), body=schemas.TierChange, returns=schemas.WorkerTier
)
def set_tier(call: Call, worker_id: str, skill: str) -> WorkerTier:
    """Put a worker on a step of a skill's ladder, with a reason that is kept."""
    return tiers.set_tier(call.db, worker_id, skill=skill, moved_by=call.actor.token_id, **call.body)


@routes.get("/escalations", allow=allow("ops"), returns=schemas.Escalation, paged=True)
def escalations(call: Call) -> pagination.Page:
    """Tasks that wait for an expert, with the reason, oldest first."""
    return dossiers.escalations(call.db, call.page)


@routes.post(
    "/requesters",
    allow=allow("ops", "admin"),
    body=schemas.RequesterName,
    returns=schemas.RequesterWithToken,
    status=201,
    shown_once=("token",),
)
def register_requester(call: Call) -> dict[str, Any]:
    """Open a requester's account; its first token is shown once."""
    requester, token = requesters.register(call.db, **call.body)
    return {"requester": requester, "token": token}


@routes.get("/requesters", allow=allow("ops", "admin", "finance"), returns=schemas.Requester, paged=True)
def list_requesters(call: Call) -> pagination.Page:
    """All requesters, newest first."""
    return pagination.read(call.db, requesters.listed(), RequesterRow.id, call.page)


# Requesters


@routes.post(
    "/projects",
    allow=allow("requester"),
    quota=projects.QUOTA,
    body=schemas.NewProject,
    returns=schemas.OutlinedProject,
    status=201,
)
def create_project(call: Call) -> rate_cards.Outlined:
    """Make a project: labels, rate card and quality settings. Prices below the floor are warned of, not refused."""
    name, prices = call.body.pop("name"), [Price(**price) for price in call.body.pop("rates")]
    seconds, settings = call.body.pop("estimated_seconds", None), projects.Settings(**call.body)
    made = projects.create(call.db, requester_id=call.actor.subject_id, name=name, settings=settings, prices=prices)
    return rate_cards.outline(call.db, made, estimated_seconds=seconds)


@routes.get("/projects", allow=allow("requester"), returns=schemas.Project, paged=True)
def list_projects(call: Call) -> pagination.Page:
    """Your projects, newest first."""
    return pagination.read(call.db, projects.listed(call.actor.subject_id), Project.id, call.page)


@routes.get("/projects/<project_id>", allow=allow("requester"), returns=schemas.OutlinedProject)
def get_project(call: Call, project_id: str) -> rate_cards.Outlined:
    """One of your projects, by its id, and where its prices are below the floor."""
    return rate_cards.outline(call.db, projects.find(call.db, call.actor.subject_id, project_id))


@routes.get("/projects/<project_id>/progress", allow=allow("requester"), returns=schemas.Progress)
def progress(call: Call, project_id: str) -> projects.Progress:
    """How far your project has come, and what it has cost with the fee."""
    return projects.progress(call.db, projects.find(call.db, call.actor.subject_id, project_id))


@routes.get("/projects/<project_id>/tasks", allow=allow("requester"), returns=schemas.ProjectTask, paged=True)
def project_tasks(call: Call, project_id: str) -> pagination.Page:
    """The tasks of your project with their labels, newest first."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    return pagination.read(
        call.db, tasks.listed(project.requester_id).filter_by(project_id=project.id), Task.id, call.page
    )


@routes.post(
    "/projects/<project_id>/rates",
    allow=allow("requester"),
    quota=projects.QUOTA,
    body=schemas.NewRates,
    returns=schemas.RaisedReserves,
    status=201,
)
def publish_rates(call: Call, project_id: str) -> rate_cards.Raised:
    """Give your project new prices. Claimed tasks keep theirs; what open ones may cost more is set aside at once."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    prices = [Price(**price) for price in call.body["rates"]]
    return rate_cards.publish(call.db, project, prices, valid_from=call.body.get("valid_from"))


@routes.post(
    "/projects/<project_id>/rates/preview",
    allow=allow("requester"),
    body=schemas.PreviewedRates,
    returns=schemas.ForeseenRates,
)
def preview_rates(call: Call, project_id: str) -> rate_cards.Foreseen:
    """What new prices would set aside for your open tasks, and would have cost last month. Nothing is changed."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    prices = [Price(**price) for price in call.body.pop("rates")]
    return rate_cards.preview(call.db, project, prices, **call.body)


@routes.get("/projects/<project_id>/rates", allow=allow("requester"), returns=schemas.ProjectRate, paged=True)
def list_rates(call: Call, project_id: str) -> pagination.Page:
    """Every price that your project ever had or will have, newest first."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    return rates.page(call.db, project.id, call.page)


# How good a project's labels are: for requesters of their own projects, for ops of all. No worker is named.


@routes.get(
    "/projects/<project_id>/agreement",
    allow=allow("requester", "ops"),
    quota=votes.QUOTA,
    returns=quality_schemas.Agreement,
)
def project_agreement(call: Call, project_id: str) -> Agreement:
    """How far the workers of a project agree, beside what chance would bring about."""
    return agreement.of_project(call.db, projects.seen_by(call.db, call.actor, project_id).id)


@routes.get(
    "/projects/<project_id>/confusion",
    allow=allow("requester", "ops"),
    quota=votes.QUOTA,
    returns=quality_schemas.Confusion,
)
def project_confusion(call: Call, project_id: str) -> confusion.Confusion:
    """Which labels the crowd of a project takes for which others."""
    return confusion.of_crowd(call.db, projects.seen_by(call.db, call.actor, project_id).id)


@routes.get(
    "/projects/<project_id>/calibration",
    allow=allow("requester", "ops"),
    quota=votes.QUOTA,
    returns=quality_schemas.Calibration,
)
def project_calibration(call: Call, project_id: str) -> calibration.Calibration:
    """Confidence beside the share that is right, as experts say: of spot checks, and of escalated tasks apart."""
    return calibration.of_project(call.db, projects.seen_by(call.db, call.actor, project_id).id)


@routes.get(
    "/projects/<project_id>/cost-curve", allow=allow("requester", "ops"), quota=votes.QUOTA, returns=schemas.CostCurve
)
def cost_curve(call: Call, project_id: str) -> costs.CostCurve:
    """What other targets of confidence would have cost, by replaying the answers; amounts a task, with the fee."""
    return costs.curve(call.db, projects.seen_by(call.db, call.actor, project_id))


# Gold, for its requester and for ops


@routes.post(
    "/projects/<project_id>/gold",
    allow=allow("requester"),
    quota=tasks.QUOTA,
    body=schemas.NewGold,
    returns=schemas.Gold,
    status=201,
)
def add_gold(call: Call, project_id: str) -> gold.View:
    """Add a task whose label you know. Workers meet it among the others; what they earn by it is set aside at once."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    known = gold.Known(golds.label_of(project, call.body["category"]), Source.REQUESTER, call.body["explanation"])
    most = call.body["exposures_max"]
    return golds.add(call.db, project, call.body["params"], known, exposures_max=most, added_by=call.actor.token_id)


@routes.get("/projects/<project_id>/gold", allow=allow("requester", "ops"), returns=schemas.Gold, paged=True)
def list_gold(call: Call, project_id: str) -> pagination.Page:
    """The gold of a project, newest first, with how many workers have met each."""
    return gold.page(call.db, projects.seen_by(call.db, call.actor, project_id).id, call.page)


@routes.post(
    "/projects/<project_id>/gold/<task_id>/retirement",
    allow=allow("requester", "ops"),
    body=schemas.Reason,
    returns=schemas.Gold,
)
def retire_gold(call: Call, project_id: str, task_id: str) -> gold.View:
    """Give a gold to nobody any more. What it did not need is given back when the last answer to it is accepted."""
    project = projects.seen_by(call.db, call.actor, project_id)
    return golds.retire(call.db, project.id, task_id, ended_by=Ending.TOLD, reason=call.body["reason"])


@routes.get("/projects/<project_id>/gold/<task_id>/health", allow=allow("requester", "ops"), returns=schemas.GoldHealth)
def health_of_gold(call: Call, project_id: str, task_id: str) -> gold_health.Health:
    """Who passes a gold, whether its answer has got about, and whether reliable workers doubt its label."""
    project = projects.seen_by(call.db, call.actor, project_id)
    return gold_health.of_gold(call.db, project.id, task_id, n_classes=len(project.labels))


@routes.get("/projects/<project_id>/gold-supply", allow=allow("requester", "ops"), returns=schemas.GoldSupply)
def gold_supply(call: Call, project_id: str) -> gold_health.Supply:
    """How the gold of a project is passed, how much of it is left, and for how many days."""
    return gold_health.of_project(call.db, projects.seen_by(call.db, call.actor, project_id).id)


@routes.post(
    "/projects/<project_id>/gold/<task_id>/correction/preview",
    allow=allow("ops"),
    body=schemas.GoldLabel,
    returns=schemas.CorrectionPreview,
)
def preview_correction(call: Call, project_id: str, task_id: str) -> correction.Preview:
    """What would change if a gold had another label: votes, reliabilities and consensus. Nothing is changed."""
    project = projects.seen_by(call.db, call.actor, project_id)
    label = golds.label_of(project, call.body["category"])
    return correction.preview(call.db, project.id, task_id, label=label, n_classes=len(project.labels))


@routes.post(
    "/projects/<project_id>/gold/<task_id>/correction",
    allow=allow("ops"),
    body=schemas.GoldCorrection,
    returns=schemas.Corrected,
)
def correct_gold(call: Call, project_id: str, task_id: str) -> correction.Corrected:
    """Give a gold another label, with a reason that is kept. Reliabilities follow at once, or with the next fit."""
    project = projects.seen_by(call.db, call.actor, project_id)
    label, reason = golds.label_of(project, call.body["category"]), call.body["reason"]
    return golds.correct(call.db, project, task_id, label=label, reason=reason, corrected_by=call.actor.token_id)


@routes.post(
    "/projects/<project_id>/gold-proposals",
    allow=allow("ops"),
    body=schemas.GoldSearch,
    returns=schemas.Proposed,
)
def propose_gold(call: Call, project_id: str) -> dict[str, int]:
    """Look for settled tasks that would make good gold: those of experts, and of a crowd that was sure and agreed."""
    return {"proposed": proposals.propose(call.db, projects.seen_by(call.db, call.actor, project_id).id, **call.body)}


@routes.get("/projects/<project_id>/gold-proposals", allow=allow("ops"), returns=schemas.GoldProposal, paged=True)
def gold_proposals(call: Call, project_id: str) -> pagination.Page:
    """What was proposed as gold, and what has become of it."""
    return proposals.page(call.db, projects.seen_by(call.db, call.actor, project_id).id, call.page)


@routes.post(
    "/projects/<project_id>/gold-proposals/<task_id>/approval",
    allow=allow("ops"),
    body=schemas.Exposures,
    returns=schemas.Gold,
    status=201,
)
def approve_gold(call: Call, project_id: str, task_id: str) -> gold.View:
    """Make a gold of a proposed task, out of its requester's money. Whoever answered that task never meets it."""
    project = projects.seen_by(call.db, call.actor, project_id)
    return golds.approve(call.db, project, task_id, approved_by=call.actor.token_id, **call.body)


@routes.post(
    "/projects/<project_id>/gold-proposals/<task_id>/refusal",
    allow=allow("ops"),
    body=schemas.Reason,
    returns=schemas.GoldProposal,
)
def refuse_gold(call: Call, project_id: str, task_id: str) -> proposals.View:
    """Refuse a proposal, with a reason that is kept. The task is not proposed again."""
    project = projects.seen_by(call.db, call.actor, project_id)
    decision = {"verdict": Verdict.REFUSED, "decided_by": call.actor.token_id, **call.body}
    return proposals.decide(call.db, project.id, task_id, **decision)

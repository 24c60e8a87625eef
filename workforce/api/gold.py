"""Gold, for its requester and for ops."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from quality import correction, gold, gold_health, proposals
from quality.gold_words import Ending, Source, Verdict
from workforce import golds, projects, schemas, tasks
from workforce.api.edge import routes


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
    """What reliabilities and consensus would be if a gold had another label. See corrections."""
    project = projects.seen_by(call.db, call.actor, project_id)
    label = golds.label_of(project, call.body["category"])
    return correction.preview(call.db, project.id, task_id, label=label, n_classes=len(project.labels))


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

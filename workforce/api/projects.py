"""Projects, for their requesters: prices and progress; and how good labels are, for ops too. No worker is named."""

from dataclasses import replace

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from payments import rates
from payments.rates import Price
from quality import agreement, calibration, confusion, votes
from quality import schemas as quality_schemas
from quality.methods.agreement import Agreement
from workforce import costs, labels, projects, rate_cards, schemas, task_answers, tasks
from workforce.api.edge import routes
from workforce.labels import Labelled
from workforce.models import Project, Task
from workforce.tasks import Question


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
    rows = tasks.listed(project.requester_id).filter_by(project_id=project.id)
    found = pagination.read(call.db, rows, Task.id, call.page)
    return replace(found, items=labels.of_tasks(call.db, project, found.items))


@routes.post(
    "/projects/<project_id>/tasks",
    allow=allow("requester"),
    quota=tasks.QUOTA,
    body=schemas.NewTask,
    returns=schemas.ProjectTask,
    status=201,
)
def create_task(call: Call, project_id: str) -> Labelled:
    """Send one task, with what its project's type needs. `unique_id` makes it safe to send again."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    batch = projects.batch_of(call.db, project, call.body.pop("batch", None))
    return Labelled(tasks.create(call.db, project, batch, Question.of(call.body)), None)


@routes.get(
    "/projects/<project_id>/tasks/<task_id>/answers", allow=allow("requester"), returns=schemas.TaskAnswer, paged=True
)
def task_answers_of(call: Call, project_id: str, task_id: str) -> pagination.Page:
    """What was answered to a task of your project, oldest first. Workers have pseudonyms that hold for you alone."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    return task_answers.page(call.db, project, task_id, call.page)


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

"""Broken tasks: reported by whoever holds them, decided by their requester or ops."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from workforce import projects, reports, schemas
from workforce.api.edge import routes
from workforce.models import TaskReport


@routes.post(
    "/assignments/<assignment_id>/report",
    allow=allow("work"),
    quota=reports.QUOTA,
    body=schemas.NewReport,
    returns=schemas.Report,
    status=201,
)
def report_task(call: Call, assignment_id: str) -> TaskReport:
    """Say what is wrong with a task that you hold. You give it back by this, and lose nothing."""
    return reports.report(call.db, call.actor.subject_id, assignment_id, **call.body)


@routes.get(
    "/projects/<project_id>/task-reports",
    allow=allow("requester"),
    query=schemas.ReportsOfProject,
    returns=schemas.TaskReport,
    paged=True,
)
def reports_of_project(call: Call, project_id: str) -> pagination.Page:
    """What workers found wrong with tasks of your project, newest first. No worker is named."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    return pagination.read(call.db, reports.listed(project_id=project.id, **call.query), TaskReport.id, call.page)


@routes.get(
    "/task-reports", allow=allow("ops"), query=schemas.ReportQuery, returns=schemas.TaskReportOfWorker, paged=True
)
def list_task_reports(call: Call) -> pagination.Page:
    """What workers found wrong with tasks, newest first."""
    return pagination.read(call.db, reports.listed(**call.query), TaskReport.id, call.page)


@routes.post(
    "/projects/<project_id>/tasks/<task_id>/report-decision",
    allow=allow("requester", "ops"),
    body=schemas.ReportVerdict,
    returns=schemas.DecidedReports,
)
def decide_reports(call: Call, project_id: str, task_id: str) -> reports.Decided:
    """Say what becomes of a reported task: nothing was wrong, it goes on, it ends, or another is asked instead."""
    project = projects.seen_by(call.db, call.actor, project_id)
    return reports.decide(call.db, project, task_id, **call.body, decided_by=call.actor.subject_id)

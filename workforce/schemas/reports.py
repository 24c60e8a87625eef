"""What the routes of broken tasks take and give."""

from foundation.fields import Choice, Identifier, Integer, JsonObject, Schema, Text, Timestamp
from workforce.models import ReportReason, ReportState
from workforce.reports import Verdict
from workforce.schemas.assignment import Fence


class NewReport(Fence):
    reason = Choice(ReportReason, required=True)
    note = Text(longest=1_000)


class Report(Schema):
    id = Identifier("rpt")
    assignment_id = Identifier("asg")
    reason = Choice(ReportReason)
    note = Text()
    state = Choice(ReportState)
    created_at = Timestamp()


class TaskReport(Schema):
    id = Identifier("rpt")
    project_id = Identifier("prj")
    task_id = Identifier("tsk")
    reason = Choice(ReportReason)
    note = Text()
    state = Choice(ReportState)
    created_at = Timestamp()
    decided_at = Timestamp(allow_none=True)


class TaskReportOfWorker(TaskReport):
    worker_id = Identifier("wrk")


class ReportsOfProject(Schema):
    state = Choice(ReportState)


class ReportQuery(ReportsOfProject):
    project_id = Identifier("prj")


class ReportVerdict(Schema):
    verdict = Choice(Verdict, required=True)
    params = JsonObject(metadata={"description": "What is asked instead, of a task that is replaced."})


class DecidedReports(Schema):
    task_id = Identifier("tsk")
    verdict = Choice(Verdict)
    reports = Integer()
    replaced_by = Identifier("tsk", allow_none=True)

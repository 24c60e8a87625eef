"""Scale's v1 surface: its paths, its shapes, its statuses, for clients that nobody here wrote (scaleapi).

Its rules stay in this file: 200 is the only success, names are keys, unknown parameters are kept, an empty body with
a JSON type is allowed, lists are newest first, and a problem carries `error` and `status_code` for its SDK.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from foundation import errors, worlds
from foundation.auth import allow
from foundation.errors import BadRequest, Problem
from foundation.fields import Flag, JsonObject, QueryInteger, Schema, Text
from foundation.http import Call, Routes, Surface, load
from foundation.worlds import World
from payments.rates import Price
from workforce import labels, projects, schemas, tasks
from workforce.models import Batch, BatchStatus, Project, Task, TaskStatus
from workforce.task_types import categorization

_STATUS = {
    TaskStatus.STAGED: "pending",
    TaskStatus.OPEN: "pending",
    TaskStatus.ESCALATED: "pending",
    TaskStatus.SETTLED: "completed",
    TaskStatus.CANCELLED: "canceled",
}
_LIST_MAX = 100


def _extend(problem: Problem) -> dict[str, Any]:
    """The two members that Scale's SDK reads on every error."""
    return {"error": problem.detail, "status_code": problem.status}


SURFACE = Surface(name="scale", lenient=True, empty_body=True, extend=_extend)
routes = Routes("scale", "/v1", SURFACE)


class TaskTypeNotServed(BadRequest):
    """There are no tasks of this type here."""


class _BatchName(schemas.Name):
    """A batch's name is a path, behind which its status and its launch stand."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> str:
        name = super()._deserialize(value, attr, data, **options)
        if name.endswith(("/status", "/finalize")):
            raise ma.ValidationError("A batch's name may not end in /status or /finalize.")
        return name


class _NewProject(Schema):
    name = schemas.Name(required=True)
    type = Text(load_default=categorization.NAME, metadata={"enum": [categorization.NAME]})
    params = JsonObject(
        required=True,
        metadata={
            "description": "Scale's instruction and categories, and our rates and settings; what is more is kept.",
            "examples": [
                {"categories": ["crow", "rook"], "rates": [{"tier": 0, "amount": "0.02", "currency": "USD"}]},
            ],
        },
    )


class _NewBatch(Schema):
    project = Text(required=True, longest=200)
    name = _BatchName(required=True)
    callback = Text(load_default="", longest=2000)
    metadata = JsonObject(load_default=dict)
    # Our own: a staging batch waits for finalize and reserves all at once; a plain one runs from its creation.
    staging = Flag(load_default=False)


class _NewTask(schemas.TaskFields):
    project = Text(longest=200)
    batch = Text(longest=200)
    categories = ma.fields.List(Text(shortest=1, longest=200, name=True), validate=ma.validate.Length(2, 100))


class _TaskQuery(Schema):
    project = Text(longest=200)
    batch = Text(longest=200)
    status = Text(longest=64)
    unique_id = Text(longest=200)
    limit = QueryInteger(least=1, most=_LIST_MAX, load_default=_LIST_MAX)
    next_token = Text(longest=64)


class _BatchQuery(Schema):
    project = Text(longest=200)
    limit = QueryInteger(least=1, most=_LIST_MAX, load_default=_LIST_MAX)
    offset = QueryInteger(least=0, most=10_000, load_default=0)


class Anything(Schema):
    """A body that Scale's clients send and nothing here reads."""


@routes.post("/projects", allow=allow("requester"), quota=projects.QUOTA, body=_NewProject)
def create_project(call: Call) -> dict[str, Any]:
    """Make a project. `params` carries Scale's (`instruction`, `categories`) and ours (`rates`, `overlap_min` ...)."""
    _require_served(call.body["type"])
    name, params = call.body["name"], call.body["params"]
    with errors.within("/params", {"labels": "categories"}):
        settings, prices = _settings(params)
        project = projects.create(
            call.db, requester_id=call.actor.subject_id, name=name, settings=settings, prices=prices
        )
    return _project(project)


@routes.get("/projects", allow=allow("requester"))
def list_projects(call: Call) -> list[dict[str, Any]]:
    """Your projects, newest first, as a bare array."""
    rows = projects.listed(call.actor.subject_id).order_by(Project.id.desc()).limit(_LIST_MAX)
    return [_project(project) for project in call.db.scalars(rows)]


@routes.get("/projects/<path:name>", allow=allow("requester"))
def get_project(call: Call, name: str) -> dict[str, Any]:
    """One project by its name or id."""
    return _project(projects.find(call.db, call.actor.subject_id, name))


@routes.post("/batches", allow=allow("requester"), body=_NewBatch)
def create_batch(call: Call) -> dict[str, Any]:
    """Make a batch in a project."""
    project = projects.find(call.db, call.actor.subject_id, call.body["project"])
    batch = projects.create_batch(
        call.db,
        project,
        name=call.body["name"],
        callback_url=call.body["callback"],
        metadata=call.body["metadata"],
        status=BatchStatus.STAGING if call.body["staging"] else BatchStatus.IN_PROGRESS,
    )
    return _batch(batch, project)


@routes.get("/batches", allow=allow("requester"), query=_BatchQuery)
def list_batches(call: Call) -> dict[str, Any]:
    """Your batches, newest first."""
    limit, offset = call.query["limit"], call.query["offset"]
    rows = select(Batch, Project).join(Project, Project.id == Batch.project_id)
    rows = rows.where(Batch.requester_id == call.actor.subject_id)
    if "project" in call.query:
        rows = rows.where(Project.id == projects.find(call.db, call.actor.subject_id, call.query["project"]).id)
    total = call.db.scalar(select(func.count()).select_from(rows.subquery())) or 0
    found = call.db.execute(rows.order_by(Batch.id.desc()).limit(limit).offset(offset)).all()
    docs = [_batch(batch, project) for batch, project in found]
    return {"docs": docs, "totalDocs": total, "limit": limit, "offset": offset, "has_more": offset + len(docs) < total}


@routes.get("/batches/<path:name>/status", allow=allow("requester"))
def batch_status(call: Call, name: str) -> dict[str, Any]:
    """How many tasks of a batch are pending, completed and canceled."""
    batch = projects.find_batch(call.db, call.actor.subject_id, name)
    counts: dict[str, Any] = {}
    for status, count in tasks.status_counts(call.db, batch.id).items():
        name_there = _STATUS[TaskStatus(status)]
        counts[name_there] = counts.get(name_there, 0) + count
    return {"status": batch.status, **counts}


@routes.get("/batches/<path:name>", allow=allow("requester"))
def get_batch(call: Call, name: str) -> dict[str, Any]:
    """One batch by its name or id."""
    batch = projects.find_batch(call.db, call.actor.subject_id, name)
    return _batch(batch, call.db.get_one(Project, batch.project_id))


@routes.post("/batches/<path:name>/finalize", allow=allow("requester"), body=Anything)
def finalize_batch(call: Call, name: str) -> dict[str, Any]:
    """Launch a staging batch: its worst case is reserved and its tasks open. A plain batch runs already."""
    batch = tasks.launch(call.db, projects.find_batch(call.db, call.actor.subject_id, name))
    return _batch(batch, call.db.get_one(Project, batch.project_id))


@routes.post("/task/categorization", allow=allow("requester"), quota=tasks.QUOTA, body=_NewTask)
def create_task(call: Call) -> dict[str, Any]:
    """Send one categorization task. `unique_id` makes it safe to send again."""
    body = call.body
    project, batch = tasks.batch_for(
        call.db, call.actor.subject_id, project=body.get("project"), batch=body.get("batch")
    )
    _require_home(call, project)
    _require_served(project.task_type, at="/project")
    if "categories" in body and body["categories"] != project.labels:
        raise BadRequest("The categories of a task are those of its project, in the same order.")
    homes = {"project", "batch"}
    question = tasks.Question.of({name: value for name, value in body.items() if name not in homes})
    return _task(call.db, tasks.create(call.db, project, batch, question), project, batch)


@routes.get("/task/<task_id>", allow=allow("requester"))
def get_task(call: Call, task_id: str) -> dict[str, Any]:
    """One task with its response once it is completed."""
    return _with_home(call, tasks.find(call.db, call.actor.subject_id, task_id))


@routes.post("/task/<task_id>/cancel", allow=allow("requester"), body=Anything)
def cancel_task(call: Call, task_id: str) -> dict[str, Any]:
    """Cancel a task on which nobody has begun."""
    requester = call.actor.subject_id
    return _with_home(call, tasks.cancel(call.db, requester, task_id, actor_ref=requester))


@routes.get("/tasks", allow=allow("requester"), query=_TaskQuery)
def list_tasks(call: Call) -> dict[str, Any]:
    """Your tasks, newest first, with filters; `next_token` leads on."""
    query, limit = call.query, call.query["limit"]
    rows = tasks.listed(call.actor.subject_id)
    if "project" in query:
        rows = rows.where(Task.project_id == projects.find(call.db, call.actor.subject_id, query["project"]).id)
    if "batch" in query:
        rows = rows.where(Task.batch_id == projects.find_batch(call.db, call.actor.subject_id, query["batch"]).id)
    if "status" in query:
        rows = rows.where(Task.status.in_([ours for ours, theirs in _STATUS.items() if theirs == query["status"]]))
    if "unique_id" in query:
        rows = rows.where(Task.unique_id == query["unique_id"])
    total = call.db.scalar(select(func.count()).select_from(rows.subquery())) or 0
    if "next_token" in query:
        rows = rows.where(Task.id < query["next_token"])
    found = call.db.scalars(rows.order_by(Task.id.desc()).limit(limit + 1)).all()
    answer: dict[str, Any] = {
        "docs": [_with_home(call, task) for task in found[:limit]],
        "total": total,
        "limit": limit,
        "offset": 0,
        "has_more": len(found) > limit,
    }
    if len(found) > limit:
        answer["next_token"] = found[limit - 1].id
    return answer


def _require_served(task_type: str, *, at: str = "/type") -> None:
    if task_type != categorization.NAME:
        reason = f"Must be {categorization.NAME}; there are no tasks of another type here."
        raise TaskTypeNotServed(reason, errors=[{"pointer": at, "reason": reason}])


def _require_home(call: Call, project: Project) -> None:
    """Of a project and a batch in one body, the batch decides; then the project must be its own."""
    named = call.body.get("project")
    if named is not None and projects.find(call.db, call.actor.subject_id, named).id != project.id:
        reason = f"This batch belongs to the project {project.name!r}."
        raise projects.BatchElsewhere(reason, errors=[{"pointer": "/batch", "reason": reason}])


def _settings(params: dict[str, Any]) -> tuple[projects.Settings, list[Price]]:
    """Our settings out of a project's free params; what is not ours is kept beside them."""
    known = {"rates": params.get("rates"), "labels": params.get("categories")}
    elsewhere = {"params", "labels", "task_type", "form"}
    ours = {key: params[key] for key in projects.Settings.__slots__ if key in params and key not in elsewhere}
    checked = load(schemas.NewProject(exclude=("name",)), {**{k: v for k, v in known.items() if v is not None}, **ours})
    prices = [Price(**price) for price in checked.pop("rates")]
    return projects.Settings(**checked, params=params), prices


def _project(project: Project) -> dict[str, Any]:
    version = {"version": 0, "created_at": _time(project.created_at), **project.params}
    version["instruction"] = project.instruction
    return {
        "id": project.id,
        "type": project.task_type,
        "name": project.name,
        "param_history": [version],
        "created_at": _time(project.created_at),
    }


def _batch(batch: Batch, project: Project) -> dict[str, Any]:
    return {
        "id": batch.id,
        "name": batch.name,
        "status": batch.status,
        "project": project.name,
        "callback": batch.callback_url,
        "metadata": batch.metadata_,
        "created_at": _time(batch.created_at),
    }


def _with_home(call: Call, task: Task) -> dict[str, Any]:
    return _task(call.db, task, call.db.get_one(Project, task.project_id), call.db.get_one(Batch, task.batch_id))


def _task(db: Session, task: Task, project: Project, batch: Batch) -> dict[str, Any]:
    own = task.params.get("instruction", "")
    shown: dict[str, Any] = {
        "task_id": task.id,
        "type": project.task_type,
        "status": _STATUS[TaskStatus(task.status)],
        "created_at": _time(task.created_at),
        "updated_at": _time(task.updated_at),
        # The project's text stands behind the task's own.
        "instruction": "\n\n".join(text for text in (own, project.instruction) if text),
        "params": {"categories": project.labels, **task.params},
        "metadata": task.metadata_,
        "callback_url": task.callback_url,
        "project": project.name,
        "batch": batch.name,
        "is_test": worlds.of(db) is World.TEST,
    }
    if task.unique_id is not None:
        shown["unique_id"] = task.unique_id
    if task.settled_at is not None and task.label is not None:
        shown["completed_at"] = _time(task.settled_at)
        (response,) = labels.shown(db, project, [(task.id, task.label)])
        shown["response"] = {**(response or {}), "confidence": task.confidence, "settled_by": task.settled_by}
    return shown


def _time(moment: datetime | None) -> str:
    """Milliseconds and a Z. A row that was just written reads its time back from the database."""
    assert moment is not None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

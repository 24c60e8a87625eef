"""Settled labels as files."""

from flask import Response

from foundation.auth import allow
from foundation.http import Call
from workforce import label_files, projects, schemas
from workforce.api.edge import routes
from workforce.label_files import LabelFile


@routes.get(
    "/projects/<project_id>/labels.csv",
    allow=allow("requester"),
    quota=label_files.QUOTA,
    query=schemas.LabelFileQuery,
    file_types=("text/csv",),
)
def labels_csv(call: Call, project_id: str) -> Response:
    """Settled labels of your project by age of their tasks, with confidence, dissent and cost, as CSV."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    return _handed_over(label_files.make_csv(call.db, project, **call.query), "text/csv")


@routes.get(
    "/projects/<project_id>/labels.jsonl",
    allow=allow("requester"),
    quota=label_files.QUOTA,
    query=schemas.LabelFileQuery,
    file_types=("application/jsonl",),
)
def labels_jsonl(call: Call, project_id: str) -> Response:
    """The same, an object of JSON a line, with the metadata of each task."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    return _handed_over(label_files.make_jsonl(call.db, project, **call.query), "application/jsonl")


def _handed_over(made: LabelFile, content_type: str) -> Response:
    response = Response(made.chunks(), content_type=content_type)
    # Nobody may ask for the chunks: a HEAD, or a client that is gone.
    response.call_on_close(made.file.close)
    response.headers["Rookery-Rows"] = str(made.rows)
    if made.next is not None:
        response.headers["Rookery-Next"] = made.next
    return response

"""The quality routes: what ops sees of how reliable everybody has shown to be."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call, Routes
from quality import adjudication, reliability, schemas

routes = Routes("quality", "/api")


@routes.get("/projects/<project_id>/reliability", allow=allow("ops"), returns=schemas.Reliability, paged=True)
def reliabilities(call: Call, project_id: str) -> pagination.Page:
    """Every worker of a project with their reliability and its interval."""
    return reliability.page(call.db, project_id, call.page)


@routes.get("/projects/<project_id>/experts", allow=allow("ops"), returns=schemas.Expert, paged=True)
def experts(call: Call, project_id: str) -> pagination.Page:
    """Every expert who has decided tasks of a project, and how they stood up to second opinions."""
    return adjudication.page(call.db, project_id, call.page)

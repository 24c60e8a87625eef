"""The quality routes: what ops sees of how reliable everybody has shown to be.

What is shown of a project as a whole is at `workforce.api`, which knows whose it is: requesters see it too.
"""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call, Routes
from quality import adjudication, agreement, confusion, refits, reliability, revisions, schemas, votes

routes = Routes("quality", "/api")


@routes.get("/projects/<project_id>/reliability", allow=allow("ops"), returns=schemas.Reliability, paged=True)
def reliabilities(call: Call, project_id: str) -> pagination.Page:
    """Every worker of a project with their reliability and its interval."""
    return reliability.page(call.db, project_id, call.page)


@routes.get("/projects/<project_id>/experts", allow=allow("ops"), returns=schemas.Expert, paged=True)
def experts(call: Call, project_id: str) -> pagination.Page:
    """Every expert who has decided tasks of a project, and how they stood up to second opinions."""
    return adjudication.page(call.db, project_id, call.page)


@routes.get(
    "/projects/<project_id>/reliability/<voter_id>",
    allow=allow("ops"),
    quota=votes.QUOTA,
    returns=schemas.VoterConfusion,
)
def confusion_of(call: Call, project_id: str, voter_id: str) -> confusion.OfVoter:
    """How one worker errs in a project: their confusion matrix, the votes behind it, and their reliability."""
    return confusion.of_voter(call.db, project_id, voter_id)


@routes.get(
    "/projects/<project_id>/disagreements",
    allow=allow("ops"),
    quota=votes.QUOTA,
    query=schemas.DisagreementsQuery,
    returns=schemas.Disagreements,
)
def disagreements(call: Call, project_id: str) -> dict[str, list[agreement.Pair]]:
    """The pairs of workers who agree less often than their own errors explain, the worst first; 50 at most."""
    return {"items": agreement.disagreements(call.db, project_id, **call.query)}


@routes.get("/projects/<project_id>/refits", allow=allow("ops"), returns=schemas.Refit, paged=True)
def refits_of_project(call: Call, project_id: str) -> pagination.Page:
    """The last refits of a project, newest first: how far each is, and how far from it counting had gone."""
    return refits.page(call.db, project_id, call.page)


@routes.get("/projects/<project_id>/revisions", allow=allow("ops"), returns=schemas.Revision, paged=True)
def revised_tasks(call: Call, project_id: str) -> pagination.Page:
    """Settled tasks that the last refit would decide otherwise."""
    return revisions.page(call.db, project_id, call.page)

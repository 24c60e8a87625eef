"""The quality routes: what ops sees of how reliable everybody has shown to be, and decides about quarantines.

What is shown of a project as a whole is at `workforce.api`, which knows whose it is: requesters see it too.
"""

from collections.abc import Sequence

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call, Routes
from quality import (
    adjudication,
    agreement,
    checking,
    confusion,
    quarantine,
    refits,
    reliability,
    revisions,
    schemas,
    skills,
    votes,
)
from quality.models import Quarantine

routes = Routes("quality", "/api")


@routes.get("/projects/<project_id>/reliability", allow=allow("ops"), returns=schemas.Reliability, paged=True)
def reliabilities(call: Call, project_id: str) -> pagination.Page:
    """Every worker of a project with their reliability and its interval."""
    return reliability.page(call.db, project_id, call.page)


@routes.get("/workers/<voter_id>/reliability", allow=allow("ops"), returns=schemas.InSkills)
def in_skills(call: Call, voter_id: str) -> dict[str, Sequence[skills.InSkill]]:
    """How reliable one worker is in each skill, over all of its projects."""
    return {"items": skills.of_voter(call.db, voter_id)}


@routes.get(
    "/workers/<voter_id>/checks", allow=allow("ops"), query=schemas.ChecksQuery, returns=schemas.CheckedVote, paged=True
)
def checks_of(call: Call, voter_id: str) -> pagination.Page:
    """The answers of a worker whose truth became known, newest task first; `skill` narrows the list."""
    return checking.page(call.db, voter_id, call.page, **call.query)


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


@routes.get("/evidence", allow=allow("ops"), query=schemas.EvidenceQuery, returns=schemas.Evidence, paged=True)
def evidence(call: Call) -> pagination.Page:
    """What speaks against workers, newest first; `kind`, `voter_id` and `project_id` narrow the list."""
    return quarantine.evidence_page(call.db, call.page, **call.query)


@routes.get("/quarantines", allow=allow("ops"), query=schemas.QuarantineQuery, returns=schemas.Quarantine, paged=True)
def quarantines(call: Call) -> pagination.Page:
    """Quarantines, newest first; `status`, `voter_id` and `project_id` narrow the list."""
    return pagination.read(call.db, quarantine.listed(**call.query), Quarantine.id, call.page)


@routes.get("/quarantines/<quarantine_id>", allow=allow("ops"), returns=schemas.QuarantineWithEvidence)
def one_quarantine(call: Call, quarantine_id: str) -> quarantine.Case:
    """A quarantine with the evidence it stands on, in sentences."""
    return quarantine.find(call.db, quarantine_id)


@routes.post(
    "/quarantines/<quarantine_id>/activation",
    allow=allow("ops"),
    body=schemas.Activation,
    returns=schemas.Quarantine,
)
def activate(call: Call, quarantine_id: str) -> Quarantine:
    """Let a worker's votes weigh less for some days. They go on answering and are paid."""
    return quarantine.activate(call.db, quarantine_id, decided_by=call.actor.token_id, **call.body)


@routes.post(
    "/quarantines/<quarantine_id>/dismissal", allow=allow("ops"), body=schemas.Reason, returns=schemas.Quarantine
)
def dismiss(call: Call, quarantine_id: str) -> Quarantine:
    """Drop a proposal; it is not made again out of the same answers."""
    return quarantine.dismiss(call.db, quarantine_id, decided_by=call.actor.token_id, **call.body)


@routes.post("/quarantines/<quarantine_id>/end", allow=allow("ops"), body=schemas.Reason, returns=schemas.Quarantine)
def end(call: Call, quarantine_id: str) -> Quarantine:
    """End an active quarantine before its date."""
    return quarantine.end(call.db, quarantine_id, ended_by=call.actor.token_id, **call.body)

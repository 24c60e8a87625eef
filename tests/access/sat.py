"""Training and exams in the world. Names of owners are those of their callers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from tests import factories
from workforce import attempts
from workforce.models import Pool, Project, ProjectStatus, Requester, Worker

Found = tuple[str, str, str, str]


def things(
    session: Session, workers: Mapping[str, Worker], crowd: Sequence[Worker], requesters: Mapping[str, Requester]
) -> Iterator[Found]:
    """Exams of both requesters; what may be sat, by whom; and attempts that are under way or over."""
    for owner, requester in requesters.items():
        exam = factories.create_exam(session, requester)
        factories.create_exam(session, requester)
        factories.sit(session, crowd[1], exam, right=4)
        yield "exam", "open", owner, exam.project_id
    requester = requesters["requester"]
    settings: dict[str, dict[str, Any]] = {
        "open": {},
        "vendors": {"pools": [Pool.VENDOR]},
        "paused": {},
        "empty": {"questions": 0},
    }
    for state, given in settings.items():
        exam = factories.create_exam(session, requester, **given)
        if state == "paused":
            session.get_one(Project, exam.project_id).status = ProjectStatus.PAUSED
        if state == "open":
            # What somebody else does of it keeps nobody from it.
            attempts.start(session, crowd[0].id, exam.project_id)
        yield "sat", state, "", exam.project_id
    for state in ("sitting", "training", "failed"):
        purpose = "training" if state == "training" else "exam"
        exam = factories.create_exam(session, requester, purpose=purpose)
        for name in ("worker", "other_worker"):
            wrong = 4 if state == "failed" else 0
            attempt = factories.sit(session, workers[name], exam, right=0 if wrong else 1, wrong=wrong)
            yield "attempt", state, name, attempt.id

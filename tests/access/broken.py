"""Broken tasks in the world. Names of owners are those of their callers."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy.orm import Session

from tests import factories
from workforce import reports
from workforce.models import Requester, Worker

Found = tuple[str, str, str, str]


def things(session: Session, crowd: Sequence[Worker], requesters: Mapping[str, Requester]) -> Iterator[Found]:
    """A task of each requester that was reported and is parked, and one whose reports are decided."""
    for owner, requester in requesters.items():
        for state in ("open", "decided"):
            project = factories.create_project(session, requester)
            task = factories.create_task(session, project)
            for worker in crowd[:2]:
                lease = factories.claim(session, worker, project)
                reports.report(session, worker.id, lease.id, fence=lease.fence, reason="other", note="It is gone.")
            if state == "decided":
                reports.decide(session, project, task.id, verdict=reports.Verdict.KEPT, decided_by="ops")
            yield "reported", state, owner, task.id

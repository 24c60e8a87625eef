"""What waits for somebody of ops: how much of each, since when, and where its list is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from foundation import mail, outbox
from payments import holds
from quality import quarantine
from workforce import erasures, identity, invitations, onboarding, reports, suspensions
from workforce.models import Appeal, AppealState, CheckState, ErasureState, SuspensionState, WorkerStatus


@dataclass(frozen=True, slots=True)
class Queue:
    """One kind of work that waits. address : of its list, for whoever may read that."""

    name: str
    waiting: int
    oldest: datetime | None
    address: str


# Experts who were asked longer ago than their project lets a task wait.
_OVERDUE = text("""
    SELECT count(*), min(coalesce(t.escalated_at, t.updated_at))
      FROM tasks t JOIN projects p ON p.id = t.project_id
     WHERE t.status = 'escalated'
       AND coalesce(t.escalated_at, t.updated_at) < now() - make_interval(secs => p.expert_patience_seconds)
""")


def all_of_them(db: Session) -> list[Queue]:
    """Every queue, also those in which nothing waits."""
    overdue = db.execute(_OVERDUE).one()
    return [
        _queue(db, "applicants", onboarding.listed(WorkerStatus.APPLICANT), "/api/workers?status=applicant"),
        _queue(db, "appeals", select(Appeal).where(Appeal.state == AppealState.OPEN), "/api/appeals?state=open"),
        Queue("escalations_overdue", overdue[0], overdue[1], "/api/escalations"),
        _queue(db, "quarantines", quarantine.listed("proposed"), "/api/quarantines?status=proposed", "proposed_at"),
        _queue(
            db, "suspensions", suspensions.listed(state=SuspensionState.PROPOSED), "/api/suspensions?state=proposed"
        ),
        _queue(
            db, "identity_checks", identity.listed(state=CheckState.REQUESTED), "/api/identity-checks?state=requested"
        ),
        _queue(
            db, "identity_reviews", identity.listed(state=CheckState.IN_REVIEW), "/api/identity-checks?state=in_review"
        ),
        _queue(db, "parked_tasks", reports.waiting(), "/api/task-reports?state=open", "parked_at"),
        _queue(db, "erasures", erasures.listed(state=ErasureState.REQUESTED), "/api/erasures?state=requested"),
        _queue(db, "invitations_bounced", invitations.listed(bounced=True), "/api/invitations?bounced=true"),
        _queue(db, "mails", mail.listed(state=mail.MailState.GIVEN_UP), "/api/mails?state=given_up"),
        _queue(db, "parked_events", outbox.parked(), "/api/parked-events", "parked_at"),
        _queue(db, "held_pay", holds.listed(active=True), "/api/holds?active=true"),
    ]


def _queue(db: Session, name: str, rows: Select[Any], address: str, since: str = "created_at") -> Queue:
    found = rows.subquery()
    waiting, oldest = db.execute(select(func.count(), func.min(found.c[since])).select_from(found)).one()
    return Queue(name, waiting, oldest, address)

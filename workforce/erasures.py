"""Erasure: a worker asks to be forgotten, ops see that nothing is owed to them, and who they were is gone.

What they answered and earned stays under their id, which tells nobody who they were any more. What of each table goes
and what stays, with the reason, is in tests/access/personal.toml.
"""

from sqlalchemy import Select, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.db import patience
from foundation.errors import Conflict, NotFound
from payments import personal
from quality import quarantine
from workforce import onboarding
from workforce.models import Erasure, ErasureState, Worker, WorkerStatus


class ErasureRequested(Conflict):
    """You have asked for this already."""


class ErasureDecided(Conflict):
    """This was decided before."""


class StillOwed(Conflict):
    """Something is still owed to them."""


def request(db: Session, worker_id: str) -> Erasure:
    """A worker's wish to be forgotten. It waits for ops."""
    erasure_id = ids.new("ers")
    row = insert(Erasure).values(id=erasure_id, worker_id=worker_id, state=ErasureState.REQUESTED)
    if db.scalar(row.on_conflict_do_nothing().returning(Erasure.id)) is None:
        raise ErasureRequested("It waits for ops.")
    return db.get_one(Erasure, erasure_id)


def confirm(db: Session, erasure_id: str, *, confirmed_by: str) -> Erasure:
    """Forget who a worker is, for good. They have left then, and none of their tokens is of use."""
    erasure = _requested(db, erasure_id)
    worker = db.get_one(Worker, erasure.worker_id, with_for_update=True, populate_existing=True)
    if personal.is_owed(db, worker.payee_id):
        raise StillOwed("Have them paid first, or the money could never reach them.")
    onboarding.move(db, worker.id, WorkerStatus.OFFBOARDED)
    worker.name = personal.ERASED
    personal.erase(db, worker.payee_id)
    _decide(db, erasure, ErasureState.DONE, decided_by=confirmed_by)
    quarantine.forget(db, worker.id)
    _forget(db, worker.id)
    return erasure


def refuse(db: Session, erasure_id: str, *, reason: str, refused_by: str) -> Erasure:
    """Say why somebody cannot be forgotten yet; they may ask again."""
    erasure = _requested(db, erasure_id)
    erasure.reason = reason
    _decide(db, erasure, ErasureState.REFUSED, decided_by=refused_by)
    return erasure


def listed(*, state: str | None = None) -> Select[Erasure]:
    """All wishes to be forgotten, or those in a state."""
    rows = select(Erasure)
    return rows if state is None else rows.where(Erasure.state == state)


_LINK = "evidence = '***', reason = CASE WHEN reason IS NOT NULL THEN '***' END"
# What is about the person, and what they wrote or was written about them beside their answers. Consents stay: that
# there was one has to be shown for as long as the answers are there.
_FORGET = (
    ("DELETE FROM worker_profiles", "worker_id"),
    ("DELETE FROM worker_languages", "worker_id"),
    ("DELETE FROM message_choices", "person_ref"),
    ("DELETE FROM idempotency_keys", "actor_id"),
    ("DELETE FROM claim_cursors", "worker_id"),
    (
        "DELETE FROM drafts d USING assignments a",
        "a.id = d.assignment_id AND a.project_id = d.project_id AND a.worker_id",
    ),
    (
        "UPDATE withdrawals d SET note = '***' FROM assignments a",
        "a.id = d.assignment_id AND a.project_id = d.project_id AND a.worker_id",
    ),
    ("UPDATE task_reports SET note = '***'", "note <> '' AND worker_id"),
    ("UPDATE reviews SET evidence = '***'", "evidence IS NOT NULL AND worker_id"),
    # That they were corrected stays with what it changed.
    (
        "UPDATE corrections c SET reason = '***' FROM appeals a",
        "c.kind = 'appeal' AND a.id = c.subject_id AND a.worker_id",
    ),
    ("UPDATE appeals SET grounds = '***', decision = CASE WHEN decision IS NOT NULL THEN '***' END", "worker_id"),
    ("UPDATE tier_moves SET reason = '***'", "worker_id"),
    ("UPDATE tier_overrides SET reason = '***'", "worker_id"),
    # Nobody can approve any more what was shown: it would move somebody who is gone.
    (
        "UPDATE bulk_moves b SET state = 'expired' FROM bulk_lines l",
        "b.state = 'proposed' AND l.bulk_id = b.id AND l.fate = 'waiting' AND l.worker_id",
    ),
    ("UPDATE bulk_lines SET reason = '***'", "reason IS NOT NULL AND worker_id"),
    # What is about others as well stays until the last of them is forgotten.
    (
        "UPDATE suspensions s SET reason = '***' FROM suspended_workers w",
        """w.suspension_id = s.id AND NOT EXISTS (
            SELECT FROM suspended_workers o
             WHERE o.suspension_id = s.id AND NOT EXISTS (
                   SELECT FROM erasures e WHERE e.worker_id = o.worker_id AND e.state = 'done')) AND w.worker_id""",
    ),
    ("UPDATE erasures SET reason = '***'", "reason IS NOT NULL AND worker_id"),
    ("UPDATE identity_checks SET reason = CASE WHEN reason IS NOT NULL THEN '***' END", "worker_id"),
    # How they were found to be one with somebody stays for the other one, in no words.
    (f"UPDATE account_links SET {_LINK}", "one_ref"),
    (f"UPDATE account_links SET {_LINK}", "other_ref"),
    # Their own line, and those of later lists in which their team has named them again.
    (
        """UPDATE invitation_lines o SET external_id = '***', name = NULL, email = NULL
             FROM invitation_lines l JOIN invitations i ON i.id = l.invitation_id""",
        "o.team = l.team AND o.external_id = l.external_id AND i.accepted_by",
    ),
    ("UPDATE invitations SET masked = '***'", "accepted_by"),
    ("UPDATE tokens SET name = '', revoked_at = coalesce(revoked_at, now())", "subject_id"),
)


def _forget(db: Session, worker_id: str) -> None:
    told = list(db.scalars(text("DELETE FROM messages WHERE person_ref = :id RETURNING id"), {"id": worker_id}))
    asked = list(db.scalars(text("SELECT id FROM invitations WHERE accepted_by = :id"), {"id": worker_id}))
    personal.forget_mails(db, [*told, *asked])
    # Not all of these are looked up by the person: nobody else asks for them so, and this is seldom.
    with patience(db):
        for act, owner in _FORGET:
            db.execute(text(f"{act} WHERE {owner} = :id"), {"id": worker_id})


def _requested(db: Session, erasure_id: str) -> Erasure:
    found = db.get(Erasure, erasure_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotFound("There is no such wish.")
    if found.state != ErasureState.REQUESTED:
        raise ErasureDecided(f"It is {found.state}.")
    return found


def _decide(db: Session, erasure: Erasure, state: ErasureState, *, decided_by: str) -> None:
    erasure.state, erasure.decided_by, erasure.decided_at = state, decided_by, clock.now(db)
    db.flush()

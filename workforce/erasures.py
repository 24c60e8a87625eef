"""Erasure: a worker asks to be forgotten, ops see that nothing is owed to them, and who they were is gone.

What they answered and earned stays under their id, which tells nobody who they were any more.
"""

from sqlalchemy import Select, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, NotFound
from payments import personal
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
    _forget(db, worker.id)
    _decide(db, erasure, ErasureState.DONE, decided_by=confirmed_by)
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


# What is about the person. Consents stay: that there was one has to be shown for as long as the answers are there.
_FORGET = (
    ("DELETE FROM worker_profiles", "worker_id"),
    ("DELETE FROM worker_languages", "worker_id"),
    ("DELETE FROM message_choices", "person_ref"),
    ("DELETE FROM idempotency_keys", "actor_id"),
    ("UPDATE identity_checks SET reason = CASE WHEN reason IS NOT NULL THEN '***' END", "worker_id"),
    # How they were found to be one with somebody stays for the other one, in no words.
    ("UPDATE account_links SET evidence = '***'", "one_ref"),
    ("UPDATE account_links SET evidence = '***'", "other_ref"),
    (
        "UPDATE invitation_lines l SET external_id = '***' FROM invitations i",
        "l.invitation_id = i.id AND i.accepted_by",
    ),
    ("UPDATE invitations SET masked = '***'", "accepted_by"),
    ("UPDATE tokens SET name = '', revoked_at = coalesce(revoked_at, now())", "subject_id"),
)


def _forget(db: Session, worker_id: str) -> None:
    told = list(db.scalars(text("DELETE FROM messages WHERE person_ref = :id RETURNING id"), {"id": worker_id}))
    asked = list(db.scalars(text("SELECT id FROM invitations WHERE accepted_by = :id"), {"id": worker_id}))
    personal.forget_mails(db, [*told, *asked])
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

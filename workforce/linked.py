"""Linked accounts: those that share a device, a bank account or a document, or that ops know to be one person's.

All that are linked, each to the next, are a cluster. A task gets one answer of a cluster, and nobody decides about an
account of their own. A worker in a cluster carries its id, which is another one whenever somebody comes in or leaves;
whoever is in none carries nothing, and their claims cost what they did. Claims of a cluster take turns, and whoever
changes a cluster waits for them, so that no claim goes by a cluster that is over.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import structlog
from sqlalchemy import Select, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from foundation import auth, clock, ids, pagination
from foundation.errors import Conflict, NotFound, invalid
from payments import payees
from payments.events import DestinationShared
from workforce.models import AccountLink, LinkKind, Worker

log = structlog.get_logger(__name__)

# How many answers of an account are looked at for tasks that another one has answered as well.
_LOOKED_AT = 10_000
_HOUSE = "house"


class NoSuchLink(NotFound):
    """There is no such link."""


class AlreadyLinked(Conflict):
    """These accounts are linked in this way."""


class LinkOver(Conflict):
    """This link was taken back."""


class LinkedToYou(Conflict):
    """This is about an account that counts as yours."""


# SQL: in whose turn a worker `w` claims, of their cluster or their own.
TURN = "pg_advisory_xact_lock(hashtextextended(coalesce(w.cluster_id, w.id), 0))"
# SQL: all workers of the cluster of a worker `w`; nothing is looked for if there is none.
MATES = """
    CASE WHEN w.cluster_id IS NOT NULL
         THEN ARRAY(SELECT m.id FROM workers m WHERE m.cluster_id = w.cluster_id ORDER BY m.id) END
"""


def as_was(*, is_clustered: bool) -> str:
    """SQL: whether the worker is still in the cluster, or in none, that was read before it was their turn."""
    is_same = "= :cluster_id" if is_clustered else "IS NULL"
    return f"EXISTS (SELECT FROM workers w WHERE w.id = :worker_id AND w.cluster_id {is_same})"


def declare(db: Session, one_ref: str, other_ref: str, *, kind: str, evidence: str, recorded_by: str) -> AccountLink:
    """Link two accounts from now on, as somebody of ops says; either may be one of the staff's."""
    for name, ref in {"one_ref": one_ref, "other_ref": other_ref}.items():
        if not _is_known(db, ref):
            raise invalid({name: ["Must be a worker, or the name of somebody of the staff."]})
    if one_ref == other_ref:
        raise invalid({"other_ref": ["Is the same account."]})
    made = _record(db, one_ref, other_ref, kind=kind, evidence=evidence, recorded_by=recorded_by)
    if made is None:
        raise AlreadyLinked("Take that link back first, or link them in another way.")
    return made


def withdraw(db: Session, link_id: str, *, reason: str, withdrawn_by: str) -> AccountLink:
    """Take a link back. Accounts that nothing else links count as two from now on."""
    _take_all_turns(db)
    link = db.get(AccountLink, link_id, with_for_update=True, populate_existing=True)
    if link is None:
        raise NoSuchLink("Look its id up in the list of links.")
    if link.withdrawn_at is not None:
        raise LinkOver("It was taken back before.")
    refuse(db, link.one_ref, withdrawn_by)
    before = circle(db, link.one_ref)
    link.withdrawn_by, link.withdrawn_at, link.reason = withdrawn_by, clock.now(db), reason
    db.flush()
    _regroup(db, before)
    # What others of the cluster had is behind their cursors, and may be theirs now.
    db.execute(_LOOK_ANEW, {"refs": list(before)})
    return link


def note_shared(db: Session, told: Sequence[DestinationShared]) -> None:
    """Link workers who are to be paid to one account. Reacts to `DestinationShared`.

    Not again if somebody of ops has taken that back: a family may have one account.
    """
    for event in told:
        owners = {payees.find(db, payee_id).owner_ref for payee_id in event.payee_ids}
        for one, other in pairwise(sorted(owner for owner in owners if owner.startswith("wrk_"))):
            _record(db, one, other, kind=LinkKind.BANK, evidence="Paid to one account.", recorded_by=_HOUSE)


def refuse(db: Session, account_ref: str, person: str) -> None:
    """Refuse whoever would decide about an account that counts as theirs."""
    if person in circle(db, account_ref):
        raise LinkedToYou("Let others decide, whose account is not linked with this one.")


_CIRCLE = text("""
    WITH RECURSIVE circle(ref) AS (
        SELECT CAST(:ref AS text) COLLATE "C"
        UNION
        SELECT CASE WHEN l.one_ref = c.ref THEN l.other_ref ELSE l.one_ref END
          FROM circle c JOIN account_links l ON (l.one_ref = c.ref OR l.other_ref = c.ref) AND l.withdrawn_at IS NULL)
    SELECT ref FROM circle
""")


def circle(db: Session, account_ref: str) -> set[str]:
    """An account and all that are linked with it, each to the next."""
    return set(db.scalars(_CIRCLE, {"ref": account_ref}))


_MATES = text(f"SELECT w.cluster_id, {MATES} AS mates FROM workers w WHERE w.id = :worker_id")
_TURN = text(f"SELECT {TURN} FROM workers w WHERE w.id = :worker_id")


def mates(db: Session, worker_id: str) -> list[str]:
    """All workers of a worker's cluster, or they alone."""
    row = db.execute(_MATES, {"worker_id": worker_id}).one_or_none()
    return [worker_id] if row is None or row.mates is None else list(row.mates)


def take_turn(db: Session, worker_id: str) -> list[str]:
    """Wait until it is a worker's turn, as a claim does; their cluster stays as it is until the transaction ends."""
    where = {"worker_id": worker_id}
    while True:
        before = db.execute(_MATES, where).one()
        db.execute(_TURN, where)
        if (after := db.execute(_MATES, where).one()).cluster_id == before.cluster_id:
            return [worker_id] if after.mates is None else list(after.mates)


def listed(
    *, worker_id: str | None = None, kind: str | None = None, is_open: bool | None = None
) -> Select[AccountLink]:
    """All links, those of a worker, of a kind, those that stand or that were taken back."""
    rows = select(AccountLink)
    if worker_id is not None:
        rows = rows.where(or_(AccountLink.one_ref == worker_id, AccountLink.other_ref == worker_id))
    if kind is not None:
        rows = rows.where(AccountLink.kind == kind)
    return rows if is_open is None else rows.where(AccountLink.withdrawn_at.is_(None) == is_open)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Workers who count as one, and since when it is just these."""

    id: str
    since: datetime
    worker_ids: list[str]


_CLUSTERS = text("""
    SELECT w.cluster_id AS id, min(w.clustered_at) AS since, array_agg(w.id ORDER BY w.id) AS worker_ids
      FROM workers w
     WHERE w.cluster_id IS NOT NULL AND (CAST(:after AS text) IS NULL OR w.cluster_id < :after)
       AND (CAST(:worker_id AS text) IS NULL
            OR w.cluster_id = (SELECT m.cluster_id FROM workers m WHERE m.id = :worker_id))
     GROUP BY w.cluster_id ORDER BY w.cluster_id DESC LIMIT :most
""")


def clusters(db: Session, page: pagination.PageRequest, *, worker_id: str | None = None) -> pagination.Page:
    """All clusters, the newest first, or the one of a worker."""
    rows = db.execute(_CLUSTERS, {"after": page.after, "most": page.limit + 1, "worker_id": worker_id}).all()
    found = [Cluster(row.id, row.since, row.worker_ids) for row in rows[: page.limit]]
    return pagination.Page(found, found[-1].id if len(rows) > page.limit else None)


def _is_known(db: Session, ref: str) -> bool:
    if ref.startswith("wrk_"):
        return db.get(Worker, ref) is not None
    return auth.is_staff_name(db, ref)


def _record(
    db: Session, one_ref: str, other_ref: str, *, kind: str, evidence: str, recorded_by: str
) -> AccountLink | None:
    """A new link; none if there is one, or the house would say again what somebody of ops has taken back."""
    _take_all_turns(db)
    one, other = sorted((one_ref, other_ref))
    pair = listed(kind=kind).where(AccountLink.one_ref == one, AccountLink.other_ref == other)
    if recorded_by == _HOUSE and db.scalar(pair.limit(1)) is not None:
        return None
    row = insert(AccountLink).values(
        id=(link_id := ids.new("lnk")),
        one_ref=one,
        other_ref=other,
        kind=kind,
        evidence=evidence,
        recorded_by=recorded_by,
        n_shared=db.scalar(_SHARED, {"one": one, "other": other, "most": _LOOKED_AT}),
    )
    if db.scalar(row.on_conflict_do_nothing().returning(AccountLink.id)) is None:
        return None
    _regroup(db, circle(db, one))
    made = db.get_one(AccountLink, link_id)
    log.info("accounts linked", link_id=made.id, kind=kind, n_shared=made.n_shared)
    return made


_SHARED = text("""
    SELECT count(*) FROM (SELECT task_id, project_id, kind FROM answers WHERE worker_id = :one
                           ORDER BY id DESC LIMIT :most) n
      JOIN assignments a ON a.task_id = n.task_id AND a.project_id = n.project_id AND a.kind = n.kind
                        AND a.worker_id = :other AND a.status = 'answered'
""")
_ALL_TURNS = text("SELECT pg_advisory_xact_lock(hashtextextended('account_links', 0))")
# Whoever is claiming now goes by the clusters as they were, and is waited for.
_TURNS = text("""
    SELECT pg_advisory_xact_lock(hashtextextended(k.turn, 0))
      FROM (SELECT DISTINCT coalesce(cluster_id, id) AS turn FROM workers WHERE id = ANY(:refs) ORDER BY 1) k
""")
_GROUP = text("""
    UPDATE workers SET cluster_id = :cluster_id,
           clustered_at = CASE WHEN CAST(:cluster_id AS text) IS NOT NULL THEN clock_timestamp() END
     WHERE id = ANY(:refs)
""")
_LOOK_ANEW = text("DELETE FROM claim_cursors WHERE worker_id = ANY(:refs)")


def _take_all_turns(db: Session) -> None:
    """Links are made and taken back one after the other."""
    db.execute(_ALL_TURNS)


def _regroup(db: Session, refs: Collection[str]) -> None:
    """Give the workers among these accounts, which were a circle or are one now, the clusters that they are in."""
    db.execute(_TURNS, {"refs": list(refs)})
    left = set(refs)
    while left:
        together = circle(db, min(left))
        left -= together
        workers = sorted(ref for ref in together if ref.startswith("wrk_"))
        cluster_id = ids.new("clu") if len(workers) > 1 else None
        db.execute(_GROUP, {"cluster_id": cluster_id, "refs": workers})

"""Who may see a project: the pools, countries and languages that it names, beside what is known of a worker.

A project that names none of a sort is open to all of that sort. To whoever it is closed to, it does not exist. Whoever
is there to try things out for one requester, in the test world, sees nobody else's.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import NotFound
from workforce.models import Pool, PoolMembership, Worker, WorkerLanguage

# SQL: the pools of a worker `w`. Whoever was put into none is of the crowd.
POOLS = """
    coalesce((SELECT array_agg(m.pool) FROM pool_memberships m WHERE m.worker_id = w.id AND m.ended_at IS NULL),
             '{crowd}')
"""
# SQL: a worker `me`, as the rest needs them.
ME = f"SELECT w.id, w.status, w.country, w.works_for, {POOLS} AS pools FROM workers w WHERE w.id = :worker_id"
# SQL: whether a project `p` may be seen by a worker `me`, by each of these. The order of levels is that of their
# letters.
WORKS_FOR = "(me.works_for IS NULL OR me.works_for = p.requester_id)"
IN_POOL = "(p.pools = '{}' OR p.pools && me.pools)"
IN_COUNTRY = "(p.countries = '{}' OR me.country = ANY(p.countries))"
KNOWS_LANGUAGE = """(p.languages = '{}' OR EXISTS (
         SELECT FROM worker_languages l
          WHERE l.worker_id = me.id AND l.language = ANY(p.languages) AND l.level >= p.language_level))"""
SEES = f"{WORKS_FOR} AND {IN_POOL} AND {IN_COUNTRY} AND {KNOWS_LANGUAGE}"


@dataclass(frozen=True, slots=True)
class Placed:
    """The pools that a worker is in, and since when they were put there."""

    pools: list[str]
    memberships: Sequence[PoolMembership]


def of_worker(db: Session, worker_id: str) -> Placed:
    """The pools of a worker; the crowd, if nobody has put them anywhere."""
    _find(db, worker_id)
    live = _live(db, worker_id)
    return Placed([one.pool for one in live] or [Pool.CROWD.value], live)


def put(db: Session, worker_id: str, pools: Collection[str], *, put_by: str) -> Placed:
    """Let a worker be in just these pools, from their next claim on. Those they leave are ended and kept."""
    _find(db, worker_id, take_turns=True)
    live = {one.pool: one for one in _live(db, worker_id)}
    for left in live.keys() - set(pools):
        live[left].ended_by, live[left].ended_at = put_by, clock.now(db)
    for entered in sorted(set(pools) - live.keys()):
        db.add(PoolMembership(id=ids.new("plm"), worker_id=worker_id, pool=entered, put_by=put_by))
    db.flush()
    return of_worker(db, worker_id)


def languages(db: Session, worker_id: str) -> Sequence[WorkerLanguage]:
    """The languages that a worker knows."""
    _find(db, worker_id)
    rows = select(WorkerLanguage).where(WorkerLanguage.worker_id == worker_id)
    return db.scalars(rows.order_by(WorkerLanguage.language)).all()


def set_languages(db: Session, worker_id: str, levels: Mapping[str, str]) -> Sequence[WorkerLanguage]:
    """Let a worker know just these languages at these levels, from their next claim on."""
    _find(db, worker_id, take_turns=True)
    known = {one.language: one for one in languages(db, worker_id)}
    for forgotten in known.keys() - levels.keys():
        db.delete(known[forgotten])
    for language, level in levels.items():
        if language in known:
            known[language].level = level
        else:
            db.add(WorkerLanguage(worker_id=worker_id, language=language, level=level))
    db.flush()
    return languages(db, worker_id)


def _find(db: Session, worker_id: str, *, take_turns: bool = False) -> None:
    # Two who put a worker somewhere at once: the second waits here, and then sees what the first has done.
    if db.get(Worker, worker_id, with_for_update={"key_share": True} if take_turns else None) is None:
        raise NotFound("There is no such worker.")


def _live(db: Session, worker_id: str) -> Sequence[PoolMembership]:
    rows = select(PoolMembership).where(PoolMembership.worker_id == worker_id, PoolMembership.ended_at.is_(None))
    return db.scalars(rows.order_by(PoolMembership.pool)).all()

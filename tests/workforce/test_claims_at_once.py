"""Claims at the same moment: whoever may do a task that is there gets one, whatever the others are just claiming."""

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text
from sqlalchemy.orm import Session

from tests import factories
from tests.conftest import House
from workforce import assignment
from workforce.models import Worker

_LATER = 0.3


def _claims(house: House, workers: Sequence[Worker]) -> list[str | None]:
    """The task that each of them is given, all claiming at once."""
    start = threading.Barrier(len(workers))

    def claim(worker: Worker) -> str | None:
        with house.sessions() as db:
            start.wait(timeout=20)
            lease = assignment.claim(db, worker.id)
            db.commit()
            return None if lease is None else lease.task_id

    with ThreadPoolExecutor(len(workers)) as pool:
        return list(pool.map(claim, workers))


def _made(db: Session, *, n_tasks: int, overlap: int) -> list[str]:
    project = factories.create_project(db, factories.create_requester(db, funds="10000"), overlap_min=overlap)
    return [factories.create_task(db, project).id for _ in range(n_tasks)]


def test_workers_who_claim_at_once_get_every_slot_there_is(house: House) -> None:
    with house.sessions() as db:
        made = _made(db, n_tasks=3, overlap=5)
        workers = [factories.create_worker(db) for _ in range(30)]
        db.commit()

    given = _claims(house, workers)

    assert Counter(given) == Counter([*made * 5, *[None] * 15])


def test_who_finds_all_tasks_in_the_hands_of_claims_waits_for_what_they_leave(house: House) -> None:
    with house.sessions() as db:
        made = _made(db, n_tasks=1, overlap=2)
        first, second, third = (factories.create_worker(db) for _ in range(3))
        db.commit()

    with ThreadPoolExecutor(2) as pool, house.sessions() as busy:
        lease = assignment.claim(busy, first.id)
        waiting = pool.submit(_claims, house, [second])
        threading.Timer(_LATER, busy.commit).start()
        given = waiting.result(timeout=20)

    assert lease is not None
    assert [lease.task_id, *given] == made * 2
    assert _claims(house, [third]) == [None]


def test_who_waits_in_vain_is_told_that_there_is_nothing_now(house: House) -> None:
    with house.sessions() as db:
        (task_id,) = _made(db, n_tasks=1, overlap=2)
        worker = factories.create_worker(db)
        db.commit()

    with house.sessions() as busy, house.sessions() as claiming:
        busy.execute(text("SELECT FROM tasks WHERE id = :id FOR UPDATE"), {"id": task_id})
        claiming.execute(text("SET LOCAL lock_timeout = '100ms'"))
        assert assignment.claim(claiming, worker.id) is None
        busy.rollback()
        lease = assignment.claim(claiming, worker.id)
        claiming.commit()

    assert lease is not None
    assert lease.task_id == task_id


def test_what_others_hold_at_the_head_of_the_line_keeps_nobody_from_the_tasks_behind(house: House) -> None:
    with house.sessions() as db:
        made = _made(db, n_tasks=40, overlap=1)
        holders, others = ([factories.create_worker(db) for _ in range(n)] for n in (4, 20))
        for holder in holders:
            assert len(assignment.claim_several(db, holder.id, count=5)) == 5
        db.commit()

    given = _claims(house, others)

    assert sorted(task_id or "" for task_id in given) == made[20:]

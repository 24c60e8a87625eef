"""The ladder of each skill: where a worker stands, and why."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import NotFound
from tests import factories
from tests.conftest import House
from workforce import tiers


def test_every_move_is_kept_with_its_reason(db: Session) -> None:
    worker = factories.create_worker(db)

    for tier, reason in ((3, "exam"), (2, "errors")):
        tiers.set_tier(db, worker.id, skill="lang.sw", tier=tier, reason=reason, moved_by="tok_ops")

    moves = db.execute(text("SELECT tier_from, tier_to, reason, moved_by FROM tier_moves ORDER BY id")).all()
    assert sorted(map(tuple, moves)) == [(1, 3, "exam", "tok_ops"), (3, 2, "errors", "tok_ops")]


def test_a_worker_has_one_place_on_each_ladder(db: Session) -> None:
    worker, other = factories.create_worker(db), factories.create_worker(db)
    for skill, tier in (("lang.sw", 2), ("image.categorization", 4), ("lang.sw", 3)):
        tiers.set_tier(db, worker.id, skill=skill, tier=tier, reason="test", moved_by="ops")

    assert [(place.skill, place.tier) for place in tiers.of_worker(db, worker.id)] == [
        ("image.categorization", 4),
        ("lang.sw", 3),
    ]
    assert tiers.of_worker(db, other.id) == []


def test_nobody_is_moved_who_is_not_there(db: Session) -> None:
    with pytest.raises(NotFound):
        tiers.set_tier(db, ids.new("wrk"), skill="lang.sw", tier=2, reason="test", moved_by="ops")


@pytest.mark.parametrize("skill", ["", "Lang.sw", "lang.", "lang sw", "lang.sw\n", "1", "a" * 101])
def test_what_cannot_be_a_skill_has_no_ladder(db: Session, skill: str) -> None:
    worker = factories.create_worker(db)

    with pytest.raises(NotFound):
        tiers.set_tier(db, worker.id, skill=skill, tier=2, reason="test", moved_by="ops")


def test_of_two_first_moves_at_once_both_are_kept(house: House) -> None:
    with house.sessions() as db:
        worker = factories.create_worker(db)
        db.commit()
    together = Barrier(8)

    def move(tier: int) -> None:
        with house.sessions() as db:
            together.wait()
            tiers.set_tier(db, worker.id, skill="lang.sw", tier=tier % 5, reason="test", moved_by="ops")
            db.commit()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(move, range(8)))

    with house.sessions() as db:
        moves = db.execute(text("SELECT tier_from, tier_to FROM tier_moves")).all()
        (place,) = tiers.of_worker(db, worker.id)
    # Each begins where another one ended: nobody has read a place that was already left.
    froms = Counter(move.tier_from for move in moves) + Counter([place.tier])
    assert froms == Counter(move.tier_to for move in moves) + Counter([int(tiers.STARTING)])


@pytest.mark.parametrize("tier", [-1, 5])
def test_there_is_no_step_beyond_the_ladder(db: Session, tier: int) -> None:
    worker = factories.create_worker(db)

    with pytest.raises(IntegrityError, match="tier_range"), db.begin_nested():
        tiers.set_tier(db, worker.id, skill="lang.sw", tier=tier, reason="test", moved_by="ops")


def test_a_step_up_acts_on_the_next_claim(db: Session, books: None) -> None:
    task = factories.create_task(db, factories.create_project(db, tier_min=2))
    worker = factories.create_worker(db)

    tiers.set_tier(db, worker.id, skill=factories.SKILL, tier=2, reason="test", moved_by="ops")

    assert factories.claim(db, worker).task_id == task.id

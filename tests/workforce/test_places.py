"""What people see of ladders: their own place, and for ops everybody's."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids, pagination
from foundation.errors import NotFound
from tests import factories
from tests.workforce.test_tiers import check, last_move
from workforce import places


def test_a_worker_sees_where_they_stand_and_what_comes_next_but_not_their_record(db: Session) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)
    check(db, project, worker, *[True] * 25)
    checked = factories.create_worker(db)
    check(db, project, checked, True)

    (mine,) = places.mine(db, worker.id)

    assert (mine.tier, mine.name, mine.move_id) == (2, "regular", last_move(db, worker).id)
    assert (mine.next_tier, mine.next_name, mine.next_evidence, mine.next_reach) == (3, "senior", 40, 0.82)
    assert not hasattr(mine, "n")
    # A ladder that shows as soon as anything is checked would tell that it was gold.
    assert places.mine(db, checked.id) == []


def test_ops_see_the_record_also_where_nobody_was_moved(db: Session) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)
    check(db, project, worker, True, False)

    (seen,) = places.with_records(db, worker.id)

    assert (seen.tier, seen.move_id, seen.since) == (1, None, None)
    assert (seen.n_seen, seen.n, seen.n_right) == (2, 2, 1)
    with pytest.raises(NotFound):
        places.with_records(db, ids.new("wrk"))


def test_ops_look_through_a_skill_by_tier_country_and_bounds(db: Session) -> None:
    project = factories.create_gold_project(db)
    good, bad, new = (factories.create_worker(db) for _ in range(3))
    check(db, project, good, *[True] * 20)
    check(db, project, bad, *[False] * 3)

    def found(**wanted: Any) -> set[str]:
        page = places.in_skill(db, project.skill, pagination.PageRequest(200), **wanted)
        return {one.worker_id for one in page.items}

    assert found() >= {good.id, bad.id, new.id}
    assert found(tier=2) == {good.id}
    assert found(tier=1) >= {bad.id, new.id}
    assert found(country="DE") == set()
    assert found(low_percent_min=70) == {good.id}
    assert found(high_percent_max=90) == {bad.id}
    (one,) = places.in_skill(db, project.skill, pagination.PageRequest(1), low_percent_min=70, country="KE").items
    assert (one.worker_id, one.tier, one.n, one.n_right) == (good.id, 2, 20, 20)


def test_a_reason_that_was_written_before_workers_could_read_it_is_not_shown(db: Session) -> None:
    worker = factories.create_worker(db)
    move = {"id": ids.new("mov"), "w": worker.id}
    db.execute(
        text("""INSERT INTO tier_moves (id, worker_id, skill, tier_from, tier_to, reason, moved_by)
                VALUES (:id, :w, 'lang', 1, 3, 'Between us.', 'ops')"""),
        move,
    )

    assert last_move(db, worker).told is None

"""Overrides: what two people say against the rule holds for as long as they said, and not longer."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import NotFound
from payments.four_eyes import SamePerson
from quality import checking
from quality.events import ReliabilityChanged
from tests import factories
from tests.conftest import age
from workforce import assignment, overrides, places, tiers
from workforce.events import TierMoved
from workforce.models import TierOverride, Worker
from workforce.overrides import ForOneself, OverrideDecided, OverrideOpen

DAY = 86_400


def _propose(db: Session, worker: Worker, **changes: Any) -> TierOverride:
    given: dict[str, Any] = {
        "skill": factories.SKILL, "tier": 3, "reason": "An ornithologist.", "days": 30, "proposed_by": "ada", **changes,
    }  # fmt: skip
    return overrides.propose(db, worker.id, **given)


def _hold(db: Session, worker: Worker, **changes: Any) -> TierOverride:
    return overrides.approve(db, _propose(db, worker, **changes).id, approved_by="bob")


def _moves(db: Session, worker: Worker) -> list[tuple[int, int, str]]:
    rows = text("SELECT tier_from, tier_to, cause FROM tier_moves WHERE worker_id = :id ORDER BY id")
    return [tuple(row) for row in db.execute(rows, {"id": worker.id})]


def _tier(db: Session, worker: Worker) -> int:
    (place,) = places.of_worker(db, worker.id)
    return place.tier


def _fail(db: Session, worker: Worker, n: int = 6) -> None:
    """So many wrong answers to gold, followed."""
    project = factories.create_gold_project(db)
    for _ in range(n):
        where = {"p": project.id, "t": factories.create_gold(db, project).task_id, "v": worker.id}
        db.execute(text("INSERT INTO votes (project_id, task_id, voter_id, label) VALUES (:p, :t, :v, 0)"), where)
        checking.check(db, project.id, met=[(where["t"], worker.id)])
    checking.count(db)
    tiers.follow(db, [ReliabilityChanged(worker.id, project.skill, n, 0, 0.0, 0.5)])


def _pass_time(db: Session, days: int) -> None:
    for table, column in (
        ("tier_overrides", "ends_at"),
        ("worker_tiers", "pinned_until"),
        ("worker_tiers", "moved_at"),
    ):
        age(db, table, column, days * DAY)


# Two people


def test_a_proposal_moves_nobody(db: Session) -> None:
    worker = factories.create_worker(db)

    made = _propose(db, worker)

    assert (made.state, made.ends_at) == ("proposed", None)
    assert places.of_worker(db, worker.id) == []


def test_what_another_person_approves_acts_on_the_next_claim(db: Session) -> None:
    task = factories.create_task(db, factories.create_project(db, tier_min=3))
    worker = factories.create_worker(db)
    assert assignment.claim(db, worker.id) is None

    held = _hold(db, worker)

    assert factories.claim(db, worker).task_id == task.id
    assert (held.state, held.tier_before) == ("active", 1)
    assert _moves(db, worker) == [(1, 3, "override")]


def test_whoever_proposed_it_does_not_approve_it(db: Session) -> None:
    made = _propose(db, factories.create_worker(db))

    with pytest.raises(SamePerson):
        overrides.approve(db, made.id, approved_by="ada")


def test_nobody_decides_where_they_stand_themselves(db: Session) -> None:
    worker = factories.create_worker(db)

    with pytest.raises(ForOneself):
        _propose(db, worker, proposed_by=worker.id)
    made = _propose(db, worker)
    with pytest.raises(ForOneself):
        overrides.approve(db, made.id, approved_by=worker.id)
    held = overrides.approve(db, made.id, approved_by="bob")
    with pytest.raises(ForOneself):
        overrides.end(db, held.id, ended_by=worker.id)


def test_the_table_lets_none_hold_that_one_person_made(db: Session) -> None:
    held = _hold(db, factories.create_worker(db))

    with pytest.raises(IntegrityError, match="held_by_two"), db.begin_nested():
        db.execute(text("UPDATE tier_overrides SET decided_by = proposed_by WHERE id = :id"), {"id": held.id})


def test_there_is_one_at_a_time_in_a_skill(db: Session) -> None:
    worker = factories.create_worker(db)
    made = _propose(db, worker)

    with pytest.raises(OverrideOpen):
        _propose(db, worker, tier=2)
    overrides.refuse(db, made.id, refused_by="ada")
    held = _hold(db, worker, skill=factories.SKILL)
    with pytest.raises(OverrideOpen):
        _propose(db, worker)
    assert _propose(db, worker, skill="lang.sw").id != held.id


def test_an_override_is_decided_once_and_ended_once(db: Session) -> None:
    worker = factories.create_worker(db)
    refused = overrides.refuse(db, _propose(db, worker).id, refused_by="bob")
    held = _hold(db, worker)

    with pytest.raises(OverrideDecided):
        overrides.approve(db, refused.id, approved_by="bob")
    with pytest.raises(OverrideDecided):
        overrides.refuse(db, held.id, refused_by="bob")
    with pytest.raises(OverrideDecided):
        overrides.end(db, refused.id, ended_by="bob")


def test_nobody_is_held_who_is_not_there(db: Session) -> None:
    worker = factories.create_worker(db)

    with pytest.raises(NotFound):
        overrides.propose(db, ids.new("wrk"), skill="lang.sw", tier=2, reason="x", days=1, proposed_by="ada")
    with pytest.raises(NotFound):
        _propose(db, worker, skill="Lang")
    with pytest.raises(NotFound):
        overrides.approve(db, ids.new("ovr"), approved_by="bob")


# While it holds


def test_neither_evidence_nor_one_person_moves_whom_an_override_holds(db: Session) -> None:
    worker = factories.create_worker(db)
    _hold(db, worker)

    _fail(db, worker)

    assert _tier(db, worker) == 3
    with pytest.raises(tiers.TierPinned):
        tiers.set_tier(db, worker.id, skill=factories.SKILL, tier=1, reason="test", moved_by="ops")


# Its end


def test_at_its_end_the_worker_goes_back_and_the_rule_decides(db: Session) -> None:
    steady, failing = factories.create_worker(db), factories.create_worker(db)
    for worker in (steady, failing):
        _hold(db, worker)
    _fail(db, failing)
    assert overrides.expire(db) == 0

    _pass_time(db, 31)

    assert overrides.expire(db) == 2
    assert _moves(db, steady) == [(1, 3, "override"), (3, 1, "expiry")]
    assert _moves(db, failing) == [(1, 3, "override"), (3, 1, "expiry"), (1, 0, "demotion")]
    assert overrides.expire(db) == 0


def test_ops_end_it_before_its_date(db: Session) -> None:
    worker = factories.create_worker(db)

    ended = overrides.end(db, _hold(db, worker).id, ended_by="ada")

    assert (ended.state, _tier(db, worker)) == ("ended", 1)
    assert tiers.set_tier(db, worker.id, skill=factories.SKILL, tier=2, reason="test", moved_by="ops").tier == 2


def test_the_worker_is_told_of_each_move_with_its_reason(db: Session) -> None:
    worker = factories.create_worker(db)
    _hold(db, worker)
    rows = db.execute(text("DELETE FROM outbox_events WHERE topic = 'TierMoved' RETURNING payload")).all()

    for _ in range(2):
        tiers.tell(db, [TierMoved(**row.payload) for row in rows])

    told = db.execute(text("SELECT person_ref, kind, words FROM messages")).all()
    words = "In image.categorization you are at tier 3 from your next claim on. An ornithologist."
    assert list(map(tuple, told)) == [(worker.id, "tier_moved", words)]

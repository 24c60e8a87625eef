"""The ladder of each skill: where a worker stands, and why."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from foundation import ids, pagination
from foundation.errors import NotFound
from foundation.outbox import OutboxEvent
from quality import checking
from quality.events import ReliabilityChanged
from quality.gold_words import Ending
from tests import factories
from tests.conftest import House, age
from tests.wronged import follow
from workforce import assignment, golds, places, tiers
from workforce.models import Project, TierMove, Worker


def test_every_move_is_kept_with_its_reason(db: Session) -> None:
    worker = factories.create_worker(db)

    for tier, reason in ((3, "exam"), (2, "errors")):
        tiers.set_tier(db, worker.id, skill="lang.sw", tier=tier, reason=reason, moved_by="tok_ops")

    moves = db.execute(text("SELECT tier_from, tier_to, reason, moved_by FROM tier_moves ORDER BY id")).all()
    assert sorted(map(tuple, moves)) == [(1, 3, "exam", "tok_ops"), (3, 2, "errors", "tok_ops")]


def test_one_person_places_somebody_once_and_nobody_whom_the_rule_has_moved(db: Session) -> None:
    worker, moved = factories.create_worker(db), factories.create_worker(db)
    project = factories.create_gold_project(db)
    check(db, project, moved, *[False] * 6)
    where: dict[str, Any] = {"skill": factories.SKILL, "tier": 4, "reason": "test", "moved_by": "ops"}

    assert tiers.place_first(db, worker.id, **where).tier == 4

    for one in (worker, moved):
        with pytest.raises(tiers.PlacedBefore):
            tiers.place_first(db, one.id, **where)
    assert tiers.place_first(db, moved.id, **{**where, "skill": "lang.sw"}).tier == 4


def test_a_worker_has_one_place_on_each_ladder(db: Session) -> None:
    worker, other = factories.create_worker(db), factories.create_worker(db)
    for skill, tier in (("lang.sw", 2), ("image.categorization", 4), ("lang.sw", 3)):
        tiers.set_tier(db, worker.id, skill=skill, tier=tier, reason="test", moved_by="ops")

    assert [(place.skill, place.tier) for place in places.of_worker(db, worker.id)] == [
        ("image.categorization", 4),
        ("lang.sw", 3),
    ]
    assert places.of_worker(db, other.id) == []


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
        (place,) = places.of_worker(db, worker.id)
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


# By evidence


def check(db: Session, project: Project, worker: Worker, *right: bool) -> list[str]:
    """Checked answers of a worker to golds of their own, in this order; told and followed one by one."""
    made = []
    for one in right:
        known = factories.create_gold(db, project, exposures_max=1).task_id
        made.append(known)
        vote = {"p": project.id, "t": known, "v": worker.id, "l": int(one)}
        db.execute(text("INSERT INTO votes (project_id, task_id, voter_id, label) VALUES (:p, :t, :v, :l)"), vote)
        checking.check(db, project.id, met=[(known, worker.id)])
        follow(db)
    return made


def _moves(db: Session, worker: Worker) -> list[tuple[int, int, str]]:
    rows = db.execute(
        text("SELECT tier_from, tier_to, cause FROM tier_moves WHERE worker_id = :id ORDER BY id"), {"id": worker.id}
    )
    return [tuple(row) for row in rows]


def last_move(db: Session, worker: Worker) -> TierMove:
    move: TierMove = places.moves(db, worker.id, pagination.PageRequest(1)).items[0]
    return move


def test_checked_answers_take_a_worker_up_with_rule_evidence_and_interval(db: Session) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)

    check(db, project, worker, *[True] * 20)

    assert _moves(db, worker) == [(1, 2, "promotion")]
    move = last_move(db, worker)
    assert (move.rule_id, move.moved_by) == ("lad_00000000000000000000000000", "house")
    assert (move.since, move.through, move.n, move.n_right, move.high) == (0, 20, 20, 20, 1.0)
    assert move.low is not None
    assert move.low > 0.7
    assert move.told is not None
    assert "Of 20 checked answers 20 were right" in move.told


def test_a_clicker_is_taken_off_ordinary_work_and_a_good_past_does_not_help_them_back(db: Session) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)

    check(db, project, worker, *[True] * 20, *[False] * 14)

    assert _moves(db, worker) == [(1, 2, "promotion"), (2, 0, "demotion")]
    record = checking.find(db, worker.id, factories.SKILL)
    assert record is not None
    assert record.shown.n < 14
    assert record.since == last_move(db, worker).through


def test_the_same_told_twice_moves_nobody_twice(db: Session) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)
    check(db, project, worker, *[False] * 6)

    for _ in range(2):
        tiers.follow(db, [ReliabilityChanged(worker.id, factories.SKILL, 6, 0, 0.0, 0.5)])

    assert _moves(db, worker) == [(1, 0, "demotion")]


def test_votes_of_nobody_we_know_move_nobody(db: Session) -> None:
    tiers.follow(db, [ReliabilityChanged("wrk_elsewhere", factories.SKILL, 60, 60, 0.9, 1.0)])

    assert db.scalar(text("SELECT count(*) FROM worker_tiers")) == 0


def test_each_skill_has_a_ladder_of_its_own(db: Session) -> None:
    birds, worker = factories.create_gold_project(db), factories.create_worker(db)
    swahili = factories.create_gold_project(db, skill="lang.sw")

    check(db, birds, worker, *[False] * 6)
    check(db, swahili, worker, *[True] * 20)

    assert [(place.skill, place.tier) for place in places.of_worker(db, worker.id)] == [
        (factories.SKILL, 0),
        ("lang.sw", 2),
    ]


def test_a_demotion_acts_on_the_next_claim(db: Session) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)
    factories.create_task(db, project)

    check(db, project, worker, *[False] * 6)

    assert assignment.claim(db, worker.id) is None
    assert factories.claim(db, factories.create_worker(db))


def test_every_move_is_told(db: Session) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)
    check(db, project, worker, *[False] * 6)

    (event,) = db.query(OutboxEvent).filter_by(topic="TierMoved").all()

    assert event.stream == worker.id
    assert event.payload == {
        "worker_id": worker.id,
        "skill": factories.SKILL,
        "tier_from": 1,
        "tier_to": 0,
        "move_id": last_move(db, worker).id,
    }


# What was put right


def test_a_demotion_by_wrong_gold_is_taken_back_when_the_gold_is_put_right(db: Session) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)
    known = check(db, project, worker, *[True] * 20, *[False] * 14)
    assert _moves(db, worker)[-1] == (2, 0, "demotion")

    for one in known[20:]:
        golds.correct(db, project, one, label=0, reason="A crow.", corrected_by="ops")
    follow(db)

    assert _moves(db, worker)[-1] == (0, 2, "correction")
    record = checking.find(db, worker.id, factories.SKILL)
    assert record is not None
    assert (record.since, record.shown.n, record.shown.n_right) == (0, 34, 34)


def test_every_demotion_by_wrong_gold_is_taken_back_not_the_last_one_alone(db: Session) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)
    tiers.set_tier(db, worker.id, skill=factories.SKILL, tier=4, reason="test", moved_by="ops")
    known = check(db, project, worker, *[False] * 12)
    down = [move for move in _moves(db, worker) if move[2] == "demotion"]
    assert len(down) >= 2

    for one in known:
        golds.correct(db, project, one, label=0, reason="A crow.", corrected_by="ops")
    follow(db)

    up = [(to, from_, "correction") for from_, to, _ in reversed(down)]
    assert _moves(db, worker)[-len(down) :] == up
    assert up[-1][1] == 4


def test_a_demotion_stands_that_the_rest_of_its_evidence_bears(db: Session) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)
    first, *_ = check(db, project, worker, *[False] * 9)

    golds.correct(db, project, first, label=0, reason="A crow.", corrected_by="ops")
    follow(db)

    assert _moves(db, worker) == [(1, 0, "demotion")]


def test_a_gold_whose_label_is_doubted_takes_a_demotion_back_too(db: Session) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)
    known = check(db, project, worker, *[False] * 5)
    assert _moves(db, worker) == [(1, 0, "demotion")]

    for one in known:
        golds.retire(db, project.id, one, ended_by=Ending.CONTESTED, reason="Most say crow.")
    follow(db)

    assert _moves(db, worker)[-1] == (0, 1, "correction")


def test_what_ops_have_decided_since_is_not_taken_back(db: Session) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)
    known = check(db, project, worker, *[True] * 20, *[False] * 14)
    tiers.set_tier(db, worker.id, skill=factories.SKILL, tier=1, reason="A talk.", moved_by="ops")

    for one in known[20:]:
        golds.correct(db, project, one, label=0, reason="A crow.", corrected_by="ops")
    follow(db)

    assert _moves(db, worker)[-1] == (0, 1, "ops")


# By time


def test_a_cool_down_that_is_over_lets_a_worker_up(db: Session) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)
    tiers.set_tier(db, worker.id, skill=factories.SKILL, tier=1, reason="test", moved_by="ops")
    check(db, project, worker, *[True] * 20)
    assert tiers.look(db) == 0

    age(db, "worker_tiers", "moved_at", 86_400)
    age(db, "worker_tiers", "due_at", 86_400)

    assert tiers.look(db) == 1
    assert _moves(db, worker) == [(1, 1, "ops"), (1, 2, "promotion")]
    assert tiers.look(db) == 0


def test_without_work_an_expert_goes_down_step_by_step(db: Session) -> None:
    worker = factories.create_worker(db, tier=4)

    for _ in range(2):
        age(db, "worker_tiers", "moved_at", 180 * 86_400)
        age(db, "worker_tiers", "due_at", 180 * 86_400)
        assert tiers.look(db) == 1

    assert _moves(db, worker)[1:] == [(4, 3, "decay"), (3, 2, "decay")]
    assert tiers.look(db) == 0


def test_whoever_works_in_the_skill_keeps_their_step(db: Session) -> None:
    working, elsewhere = factories.create_worker(db, tier=3), factories.create_worker(db, tier=3)
    age(db, "worker_tiers", "moved_at", 181 * 86_400)
    age(db, "worker_tiers", "due_at", 181 * 86_400)
    project, other = factories.create_project(db), factories.create_project(db, skill="lang.sw")
    factories.create_task(db, project)
    factories.answer(db, working, project=project)
    factories.create_task(db, other)
    factories.answer(db, elsewhere, project=other)

    assert tiers.look(db) == 2

    assert _moves(db, working)[1:] == []
    assert _moves(db, elsewhere)[1:] == [(3, 2, "decay")]
    assert tiers.look(db) == 0


def test_checked_answers_move_a_worker_while_they_work(house: House) -> None:
    with house.sessions() as db:
        one_answer = {"overlap_min": 1, "overlap_max": 1, "confidence_target": 0.5, "expert_share": 0.0}
        project = factories.create_gold_project(db, **one_answer)
        worker = factories.create_worker(db)
        for _ in range(6):
            factories.create_task(db, project)
            factories.create_gold(db, project)
            factories.answer(db, worker, "crow", project=project)
            factories.answer(db, worker, "crow", project=project)
        db.commit()

    house.settle()
    with house.sessions() as db:
        checking.count(db)
        db.commit()
    house.settle()

    with house.sessions() as db:
        assert _moves(db, worker) == [(1, 0, "demotion")]

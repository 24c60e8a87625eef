"""Rejections: their reasons, what they keep, and the brake on whoever rejects many at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests import factories
from tests.conftest import House, age
from workforce import rejections, reviews
from workforce.models import Answer, Brake, Project
from workforce.rejections import BrakeDecided, NoSuchBrake, RejectionsOnHold

HOUR, DAY, WEEK = 3_600, 86_400, 604_800
ONE: dict[str, Any] = {
    "overlap_min": 1, "overlap_max": 1, "confidence_target": 0.5, "expert_share": 0.0, "acceptance": "by_requester",
}  # fmt: skip
WHY = {"reason": "no_effort", "evidence": "The first label every time.", "decided_by": "ada"}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A house in which three rejections an hour are too many."""
    monkeypatch.setattr(rejections, "REJECTED_MAX", 3)
    monkeypatch.setattr(rejections, "REJECTED_LEAST", 3)


def _waiting(db: Session, n: int, **changes: Any) -> tuple[Project, list[Answer]]:
    """So many answers of one worker that wait for a requester."""
    project = factories.create_project(db, **{**ONE, **changes})
    worker = factories.create_worker(db)
    for _ in range(n):
        factories.create_task(db, project)
    answers = [factories.answer(db, worker, project=project) for _ in range(n)]
    factories.settle(db)
    return project, answers


def _reject(db: Session, project: Project, *answers: Answer) -> None:
    for answer in answers:
        rejections.reject(db, project, answer.id, **WHY)


def _brake(db: Session) -> Brake:
    return db.scalars(rejections.brakes(state="on")).one()


def _states(db: Session) -> list[str]:
    return list(db.scalars(text("SELECT state FROM reviews ORDER BY answer_id")))


def test_the_last_rejection_that_is_too_much_puts_all_further_ones_on_hold(db: Session, few: None, books: None) -> None:
    project, answers = _waiting(db, 5)

    _reject(db, project, *answers[:3])

    brake = _brake(db)
    assert (brake.requester_id, brake.n_rejected, brake.n_judged) == (project.requester_id, 3, 3)
    with pytest.raises(RejectionsOnHold), db.begin_nested():
        _reject(db, project, answers[3])
    assert reviews.accept(db, project, [answers[4].id], decided_by="ada") == 1
    assert _states(db) == ["rejected"] * 3 + ["waiting", "accepted"]


def test_the_brake_is_the_requesters_in_all_projects_and_nobody_elses(db: Session, few: None, books: None) -> None:
    project, answers = _waiting(db, 3)
    other, (answer,) = _waiting(db, 1)
    _reject(db, project, *answers)

    _reject(db, other, answer)

    assert [brake.requester_id for brake in db.scalars(rejections.brakes())] == [project.requester_id]


def test_a_large_share_is_too_much_before_the_number_is(
    db: Session, monkeypatch: pytest.MonkeyPatch, books: None
) -> None:
    monkeypatch.setattr(rejections, "JUDGED_MIN", 4)
    project, answers = _waiting(db, 5)
    reviews.accept(db, project, [answers[0].id], decided_by="ada")
    _reject(db, project, *answers[1:3])
    assert db.scalars(rejections.brakes()).all() == []

    _reject(db, project, answers[3])

    assert (_brake(db).n_rejected, _brake(db).n_judged) == (3, 4)


def test_rejections_of_more_than_an_hour_do_not_add_up(db: Session, few: None, books: None) -> None:
    project, answers = _waiting(db, 4)
    _reject(db, project, *answers[:2])
    age(db, "reviews", "decided_at", HOUR)

    _reject(db, project, *answers[2:])

    assert db.scalars(rejections.brakes()).all() == []


def test_seventy_thousand_at_once_are_as_many_as_the_brake_lets_through(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PEERS 5.5, mass rejection by one requester: from many places at once, in several projects."""
    monkeypatch.setattr(rejections, "REJECTED_MAX", 3)
    monkeypatch.setattr(rejections, "REJECTED_LEAST", 3)
    with house.sessions() as db:
        requester = factories.create_requester(db)
        worker = factories.create_worker(db)
        waiting = []
        for _ in range(2):
            project = factories.create_project(db, requester, **ONE)
            for _ in range(5):
                factories.create_task(db, project)
            waiting += [(project, factories.answer(db, worker, project=project).id) for _ in range(5)]
        factories.settle(db)
        db.commit()

    def reject(one: tuple[Project, str]) -> bool:
        with house.sessions() as db:
            try:
                rejections.reject(db, one[0], one[1], **WHY)
            except RejectionsOnHold:
                return False
            db.commit()
            return True

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(reject, waiting))

    assert sum(done) == 3


def test_while_ops_look_silence_accepts_nothing_and_nothing_becomes_final(db: Session, few: None, books: None) -> None:
    project, answers = _waiting(db, 4)
    _reject(db, project, *answers[:3])
    for column in ("accept_at", "appeal_until"):
        age(db, "reviews", column, 2 * WEEK)

    assert (reviews.accept_silent(db), rejections.end(db)) == (0, 0)


def test_undone_all_that_was_rejected_in_that_hour_is_accepted_and_paid(db: Session, few: None, books: None) -> None:
    project, answers = _waiting(db, 4)
    _reject(db, project, answers[0])
    age(db, "reviews", "decided_at", 2 * HOUR)
    _reject(db, project, *answers[1:])

    brake = rejections.undo(db, _brake(db).id, reason="Forty people did well.", decided_by="ops")

    assert (brake.state, brake.decided_by) == ("undone", "ops")
    assert _states(db) == ["rejected"] + ["accepted"] * 3
    assert db.scalars(text("SELECT status FROM earnings ORDER BY answer_ref")).all() == ["pending"] + ["due"] * 3


def test_released_a_requester_goes_on_and_has_another_day_for_what_waits(db: Session, few: None, books: None) -> None:
    project, answers = _waiting(db, 6)
    _reject(db, project, *answers[:3])
    age(db, "reviews", "accept_at", WEEK)

    rejections.release(db, _brake(db).id, reason="They are right.", decided_by="ops")

    assert reviews.accept_silent(db) == 0
    _reject(db, project, *answers[3:5])
    age(db, "brakes", "decided_at", DAY)
    assert (reviews.accept_silent(db), _states(db)) == (1, ["rejected"] * 5 + ["accepted"])


def test_a_brake_is_decided_once(db: Session, few: None, books: None) -> None:
    project, answers = _waiting(db, 3)
    _reject(db, project, *answers)
    brake = rejections.release(db, _brake(db).id, reason="Right.", decided_by="ops")

    with pytest.raises(BrakeDecided):
        rejections.undo(db, brake.id, reason="Wrong.", decided_by="ops")
    with pytest.raises(NoSuchBrake):
        rejections.release(db, "bra_x", reason="Right.", decided_by="ops")


def test_what_was_rejected_under_a_brake_is_listed_whatever_came_of_it(db: Session, few: None, books: None) -> None:
    project, answers = _waiting(db, 3)
    _reject(db, project, *answers)
    brake = _brake(db)
    reviews.accept(db, project, [answers[0].id], decided_by="ada")

    found: Iterator[Any] = db.scalars(rejections.rejected_under(db, brake.id))

    assert {review.answer_id for review in found} == {answer.id for answer in answers}

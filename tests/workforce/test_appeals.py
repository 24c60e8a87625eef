"""Appeals: who may, until when, who decides, and that neither pay nor anything known of the worker moves meanwhile."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from payments import funding
from payments.four_eyes import SamePerson
from tests import factories
from tests.conftest import House, age
from tests.workforce.test_rejections import WEEK, WHY, _waiting
from workforce import appeals, messages, rejections, reviews
from workforce.appeals import AlreadyAppealed, AppealOver, AppealTooLate, NoSuchAnswer, NoSuchAppeal, NothingToAppeal
from workforce.models import Answer, Appeal, Project

COST = 240


def _rejected(db: Session) -> tuple[Project, Answer]:
    project, (answer,) = _waiting(db, 1)
    rejections.reject(db, project, answer.id, **WHY)
    return project, answer


def _appeal(db: Session, answer: Answer) -> Appeal:
    return appeals.appeal(db, answer.worker_id, answer.id, grounds="I looked at every one of them.")


def _funds(db: Session, project: Project) -> tuple[int, int]:
    (funds,) = funding.of_owner(db, project.requester_id)
    return funds.reserved, funds.spent


def _state(db: Session) -> tuple[str, str]:
    return (
        db.scalars(text("SELECT status FROM answers")).one(),
        db.scalars(text("SELECT status FROM earnings")).one(),
    )


def test_while_an_appeal_is_open_neither_pay_nor_reputation_moves(db: Session, books: None) -> None:
    project, answer = _rejected(db)
    known = [db.execute(text(f"SELECT * FROM {table}")).all() for table in ("reliability", "votes", "worker_tiers")]

    _appeal(db, answer)
    age(db, "reviews", "appeal_until", 2 * WEEK)

    assert rejections.end(db) == 0
    assert (_state(db), _funds(db, project)) == (("rejected", "pending"), (COST, 0))
    assert known == [
        db.execute(text(f"SELECT * FROM {table}")).all() for table in ("reliability", "votes", "worker_tiers")
    ]


def test_an_appeal_that_is_upheld_pays_the_answer(db: Session, books: None) -> None:
    project, answer = _rejected(db)

    decided = appeals.uphold(db, _appeal(db, answer).id, decision="They did look.", decided_by="ops")

    assert (decided.state, decided.decision, decided.decided_by) == ("upheld", "They did look.", "ops")
    assert (_state(db), _funds(db, project)) == (("accepted", "due"), (0, COST))


def test_a_denied_one_is_final_and_gives_the_money_back(db: Session, books: None) -> None:
    project, answer = _rejected(db)

    appeals.deny(db, _appeal(db, answer).id, decision="They did not.", decided_by="ops")

    assert (_state(db), _funds(db, project)) == (("rejected", "reversed"), (0, 0))


def test_whoever_rejected_does_not_decide(db: Session, books: None) -> None:
    _, answer = _rejected(db)
    made = _appeal(db, answer)

    with pytest.raises(SamePerson):
        appeals.deny(db, made.id, decision="I said so.", decided_by=str(WHY["decided_by"]))
    with pytest.raises(IntegrityError, match="somebody_else_decides"), db.begin_nested():
        db.execute(text("UPDATE appeals SET state = 'denied', decision = '', decided_by = 'ada', decided_at = now()"))


def test_an_appeal_is_decided_once(db: Session, books: None) -> None:
    _, answer = _rejected(db)
    made = appeals.uphold(db, _appeal(db, answer).id, decision="Right.", decided_by="ops")

    with pytest.raises(AppealOver):
        appeals.deny(db, made.id, decision="Wrong.", decided_by="ops")
    with pytest.raises(NoSuchAppeal):
        appeals.deny(db, "apl_x", decision="Wrong.", decided_by="ops")


def test_an_appeal_is_made_once_in_time_by_the_worker_about_a_rejection(db: Session, books: None) -> None:
    project, (waits, late, final, mine) = _waiting(db, 4)
    for answer in (late, final, mine):
        rejections.reject(db, project, answer.id, **WHY)
    with pytest.raises(NothingToAppeal):
        _appeal(db, waits)
    with pytest.raises(NoSuchAnswer):
        appeals.appeal(db, factories.create_worker(db).id, mine.id, grounds="Mine too.")
    _appeal(db, mine)
    with pytest.raises(AlreadyAppealed):
        _appeal(db, mine)

    age(db, "reviews", "appeal_until", WEEK)

    with pytest.raises(AppealTooLate):
        _appeal(db, late)
    assert rejections.end(db) == 2
    with pytest.raises(AppealTooLate):
        _appeal(db, final)


def test_a_rejection_that_is_taken_back_leaves_nothing_to_decide(db: Session, books: None) -> None:
    project, answer = _rejected(db)
    made = _appeal(db, answer)

    reviews.accept(db, project, [answer.id], decided_by="ada")

    db.refresh(made)
    assert (made.state, _state(db)) == ("moot", ("accepted", "due"))


def test_what_was_upheld_counts_against_the_requester(
    db: Session, monkeypatch: pytest.MonkeyPatch, books: None
) -> None:
    monkeypatch.setattr(rejections, "REJECTED_MAX", 7)
    monkeypatch.setattr(rejections, "REJECTED_LEAST", 2)
    project, answers = _waiting(db, 4)
    rejections.reject(db, project, answers[0].id, **WHY)
    appeals.uphold(db, _appeal(db, answers[0]).id, decision="They did look.", decided_by="ops")

    for answer in answers[1:3]:
        rejections.reject(db, project, answer.id, **WHY)

    assert db.scalars(rejections.brakes(state="on")).one().n_rejected == 2


def test_a_decision_is_told(house: House) -> None:
    with house.sessions() as db:
        _, answer = _rejected(db)
        made = _appeal(db, answer)
        appeals.uphold(db, made.id, decision="Right.", decided_by="ops")
        assert db.scalars(
            text("SELECT payload ->> 'state' FROM outbox_events WHERE topic = 'AppealDecided'")
        ).all() == ["upheld"]
        db.commit()

    house.settle()

    with house.sessions() as db:
        assert db.scalars(text("SELECT topic FROM outbox_events")).all() == []
        (told,) = db.scalars(messages.listed(answer.worker_id))
        assert told.words == f"Your appeal about task {answer.task_id} was upheld. Right."


def test_a_worker_appeals_and_ops_decide_over_http(client: FlaskClient, token: Any, db: Session, books: None) -> None:
    _, answer = _rejected(db)
    db.commit()
    worker, ops = ({"Authorization": f"Bearer {token(*who)}"} for who in (("worker", answer.worker_id), ("ops",)))
    body = {"grounds": "I looked at every one of them."}

    made = client.post(f"/api/answers/{answer.id}/appeal", json=body, headers=worker)
    again = client.post(f"/api/answers/{answer.id}/appeal", json=body, headers=worker)
    (listed,) = client.get("/api/appeals?state=open", headers=ops).get_json()["items"]
    case = client.get(f"/api/appeals/{listed['id']}", headers=ops).get_json()
    decided = client.post(f"/api/appeals/{listed['id']}/upholding", json={"reason": "They did."}, headers=ops)

    assert (made.status_code, again.status_code, decided.status_code) == (201, 409, 200)
    assert (listed["reason"], listed["evidence"]) == (WHY["reason"], WHY["evidence"])
    assert (case["payload"], case["value"], case["params"]) == (
        {"category": "rook"},
        {"category": "rook"},
        {"attachment": "a bird"},
    )
    (mine,) = client.get("/api/me/appeals", headers=worker).get_json()["items"]
    assert (mine["state"], mine["decision"]) == ("upheld", "They did.")

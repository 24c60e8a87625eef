"""Messages: told once, read by whom they are for, and mailed to an address that is theirs."""

import string
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.mail import Mail
from payments import contacts, holds, payees
from tests import factories
from tests.conftest import House, age
from tests.payments import owed
from workforce import messages
from workforce.messages import KINDS, News, NoSuchMessage
from workforce.models import Message, Worker

DAY = 86_400


def _told(db: Session, person: str) -> list[tuple[str, str]]:
    db.expire_all()
    return [(one.kind, one.words) for one in db.scalars(messages.listed(person).order_by(Message.id))]


def _tell(db: Session, person: str, key: str = "tsk_1", kind: str = "lease_taken_back") -> int:
    return messages.tell(db, kind, [News(person, key, {"task_id": key, "reason": "It was broken."})])


def _reached(db: Session) -> Worker:
    """A worker whose address is proved."""
    worker = factories.create_worker(db)
    contacts.take_proved(db, worker.payee_id, email="ada@example.com", set_by=worker.id)
    return worker


def test_the_same_is_told_once_to_each(db: Session) -> None:
    ada, ben = factories.create_worker(db).id, factories.create_worker(db).id

    assert [_tell(db, ada), _tell(db, ada), _tell(db, ben), _tell(db, ada, "tsk_2")] == [1, 0, 1, 1]
    assert _told(db, ada) == [
        ("lease_taken_back", "You do not hold task tsk_1 any more. It was broken."),
        ("lease_taken_back", "You do not hold task tsk_2 any more. It was broken."),
    ]


def test_a_mail_says_that_there_is_a_message_and_not_what_is_in_it(db: Session) -> None:
    ada = _reached(db)

    _tell(db, ada.id)
    _tell(db, ada.id)

    [letter] = db.scalars(select(Mail)).all()
    assert (letter.address, letter.subject) == ("ada@example.com", "A task was taken back")
    assert "GET /api/me/messages" in (letter.body or "")
    assert "broken" not in (letter.body or "")


def test_nobody_is_mailed_at_an_address_that_may_be_somebody_elses(db: Session) -> None:
    worker = factories.create_worker(db)
    contacts.choose(db, worker.payee_id, email="ada@example.com", set_by=worker.id)
    before = len(db.scalars(select(Mail)).all())

    _tell(db, worker.id)
    _tell(db, factories.create_requester(db, funds=None).id)

    assert len(db.scalars(select(Mail)).all()) == before


def test_people_choose_of_which_kinds_they_get_mails(db: Session) -> None:
    ada = _reached(db)
    usual = {one["kind"]: one["by_mail"] for one in messages.choices(db, ada.id)}

    messages.choose(db, ada.id, kind="lease_taken_back", by_mail=True)
    chosen = messages.choose(db, ada.id, kind="lease_taken_back", by_mail=False)

    _tell(db, ada.id)
    assert usual == {name: kind.by_mail for name, kind in KINDS.items()}
    assert {one["kind"] for one in chosen if not one["by_mail"]} == {"lease_taken_back", "tier_moved"}
    assert (len(_told(db, ada.id)), db.scalars(select(Mail)).all()) == (1, [])


def test_reading_is_noted_up_to_a_message_and_of_ones_own_alone(db: Session) -> None:
    ada, ben = factories.create_worker(db).id, factories.create_worker(db).id
    for key in ("tsk_1", "tsk_2", "tsk_3"):
        _tell(db, ada, key)
    _tell(db, ben)
    mine = [one.id for one in db.scalars(messages.listed(ada).order_by(Message.id))]

    assert messages.mark_read(db, ada, through=mine[1]) == 2
    assert messages.mark_read(db, ada, through=mine[1]) == 0
    assert [one.id for one in db.scalars(messages.listed(ada, unread=True))] == mine[2:]
    assert len(db.scalars(messages.listed(ben, unread=True)).all()) == 1
    for other in (ids.new("msg"), db.scalars(messages.listed(ben)).one().id):
        with pytest.raises(NoSuchMessage):
            messages.mark_read(db, ada, through=other)


def test_what_was_told_long_ago_is_forgotten(db: Session) -> None:
    ada = factories.create_worker(db).id
    _tell(db, ada)
    age(db, "messages", "created_at", messages.KEPT_DAYS * DAY)
    _tell(db, ada, "tsk_2")

    assert (messages.forget(db), messages.forget(db), len(_told(db, ada))) == (1, 0, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_words_of_every_kind_are_ours_with_named_facts(kind: str) -> None:
    given = KINDS[kind]
    names = [name for _, name, _, _ in string.Formatter().parse(given.words) if name is not None]

    assert all(name.isidentifier() for name in names)
    assert len(given.title) < 60
    assert "{" not in given.title


# What payments tells


def test_payees_are_told_that_their_pay_has_left(house: House) -> None:
    with house.sessions() as db:
        payee = owed.payee(db, 50_000)
        person = payee.owner_ref
        owed.sent(db)
        db.commit()
    house.settle()

    with house.sessions() as db:
        [(kind, words)] = _told(db, person)
    assert kind == "payout_sent"
    assert words.endswith("have left over paypal.")


def test_payees_are_told_that_pay_is_held_why_and_until_when(house: House) -> None:
    with house.sessions() as db:
        payee = payees.of_owner(db, factories.create_worker(db).id)
        holds.freeze(db, payee.id, made_by=payee.owner_ref)
        holds.place(db, payee_id=payee.id, reason="A court.", made_by="finance", is_legal=True)
        db.commit()
    house.settle()

    with house.sessions() as db:
        told = [words for _, words in _told(db, payee.owner_ref)]
    assert len(told) == 2
    assert "It is held until two people end it, because: A court." in told


# Over HTTP


def test_a_worker_and_a_requester_read_their_messages(
    client: FlaskClient, token: Callable[..., str], db: Session
) -> None:
    worker, requester = factories.create_worker(db), factories.create_requester(db, funds=None)
    _tell(db, worker.id)
    messages.tell(db, "gold_low", [News(requester.id, "prj_1", {"project_id": "prj_1", "days": 6})])
    db.commit()
    headers: Any = {"Authorization": f"Bearer {token('worker', worker.id)}"}
    theirs: Any = {"Authorization": f"Bearer {token('requester', requester.id)}"}

    [mine] = client.get("/api/me/messages?unread=true", headers=headers).get_json()["items"]
    [gold] = client.get("/api/me/messages", headers=theirs).get_json()["items"]
    read = client.post("/api/me/messages/read", headers=headers, json={"through": mine["id"]})

    assert (mine["kind"], mine["read_at"], gold["kind"]) == ("lease_taken_back", None, "gold_low")
    assert read.get_json() == {"marked": 1}
    assert client.get("/api/me/messages?unread=true", headers=headers).get_json()["items"] == []
    assert client.post("/api/me/messages/read", headers=headers, json={"through": gold["id"]}).status_code == 404
    choice = {"kind": "gold_low", "by_mail": False}
    chosen = client.put("/api/me/message-choices", headers=theirs, json=choice).get_json()
    assert choice in chosen["items"]
    assert chosen == client.get("/api/me/message-choices", headers=theirs).get_json()
    for wrong in ({"kind": "gold"}, {"kind": "gold", "by_mail": True}, {"kind": "gold_low", "by_mail": "no"}):
        assert client.put("/api/me/message-choices", headers=theirs, json=wrong).status_code == 422
    assert db.scalar(text("SELECT count(*) FROM message_choices")) == 1

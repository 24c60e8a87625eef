"""The queue of mail: sent if its cause commits, at least once, later and later after failures, and not for ever."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from foundation import jobs, mail, mail_transports
from foundation.addresses import AddressMalformed
from foundation.mail import Mail, MailErased, MailNotGivenUp
from tests.conftest import House, age
from tests.foundation import post_office
from tests.foundation.post_office import PostOffice

FROM = "rookery@example.org"
LEASE = int(mail.LEASE.total_seconds())


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[PostOffice]:
    """A server that takes everything, until the test says otherwise. Who waits for it does not do so for long."""
    monkeypatch.setattr(mail_transports, "SILENCE_SECONDS", 0.5)
    with post_office.opened(PostOffice()) as office:
        yield office


def _queue(db: Session, to: str = "ada@example.com", **changes: Any) -> Mail:
    return mail.queue(db, **{"to": to, "subject": "A subject", "body": "A line.\n", "about": "thg_1", **changes})


def _send(db: Session, url: str) -> None:
    db.info.update(mail_url=url, mail_from=FROM)
    jobs.run_steps(db, mail.send_due(db))
    db.expire_all()


def _make_due(db: Session) -> None:
    db.execute(text("UPDATE mails SET due_at = now()"))
    db.commit()


# Sent


def test_what_is_queued_is_sent_once_and_its_row_says_so(db: Session, office: PostOffice) -> None:
    made = _queue(db)

    for _ in range(2):
        _send(db, office.url)

    assert [got.to for got in office.received] == [("ada@example.com",)]
    assert (made.state, made.attempts, made.last_error, made.ended_at is not None) == ("sent", 1, None, True)


def test_what_is_not_committed_is_not_sent(house: House, office: PostOffice) -> None:
    with house.sessions() as db:
        _queue(db)
        db.rollback()
        _send(db, office.url)

    assert office.received == []


def test_without_a_transport_mail_waits(house: House) -> None:
    with house.sessions() as db:
        made = _queue(db)
        db.commit()

        assert jobs.run_errands(house.background) == {"foundation.mail.send_due": 1}

        db.refresh(made)
        assert (made.state, made.attempts) == ("waiting", 0)


def test_in_development_each_mail_is_a_file_that_tells_its_row(db: Session, tmp_path: Path) -> None:
    made = [_queue(db), _queue(db, "ben@example.com")]

    _send(db, f"file:{tmp_path}")

    assert {file.name for file in tmp_path.iterdir()} == {f"{one.id}.eml" for one in made}


# Not sent


def test_a_failure_that_may_pass_is_tried_again_later_and_later(db: Session, office: PostOffice) -> None:
    made = _queue(db)
    office.refuses["ada@example.com"] = "450 4.2.1 Later"
    pauses = []

    for _ in range(12):
        _make_due(db)
        _send(db, office.url)
        pauses.append((made.due_at - made.waiting_since).total_seconds())
        _send(db, office.url)

    assert (made.state, made.attempts) == ("waiting", 12)
    longest = [min(30 * 2**tried, 7200) for tried in range(12)]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, longest, strict=True))
    office.refuses.clear()
    _make_due(db)
    _send(db, office.url)
    assert (made.state, made.attempts, len(office.received)) == ("sent", 13, 1)


def test_a_refusal_for_good_is_the_end_at_once(db: Session, office: PostOffice) -> None:
    made, other = _queue(db), _queue(db, "ben@example.com")
    office.refuses["ada@example.com"] = "550 5.1.1 <Ada@Example.com>: no such user"

    _send(db, office.url)

    assert (made.state, made.attempts) == ("given_up", 1)
    # What the server said, without the address that it repeated.
    assert made.last_error == "550 5.1.1 <a***@example.com>: no such user"
    assert other.state == "sent"


def test_a_long_answer_is_cut_off_behind_the_mask(db: Session, office: PostOffice) -> None:
    made = _queue(db)
    office.refuses["ada@example.com"] = f"450 4.2.1 {'x' * 184} <ada@example.com> {'y' * 300}"

    _send(db, office.url)

    assert made.last_error is not None
    assert (len(made.last_error), made.last_error[-8:]) == (200, "xx <a***")


def test_a_password_that_is_wrong_is_nothing_against_the_mail(db: Session, office: PostOffice) -> None:
    made = _queue(db)
    office.answers["MAIL"] = "530 5.7.0 Authentication required"

    _send(db, office.url)

    assert (made.state, made.last_error) == ("waiting", "530 5.7.0 Authentication required")


def test_the_last_try_gives_up(db: Session, office: PostOffice) -> None:
    made = _queue(db)
    office.answers["."] = "451 4.3.0 Later"
    made.attempts = mail.ATTEMPTS_MAX - 1
    db.commit()

    _send(db, office.url)

    assert (made.state, made.attempts, made.last_error) == ("given_up", mail.ATTEMPTS_MAX, "451 4.3.0 Later")


def test_what_is_too_old_is_given_up_without_being_sent(db: Session, office: PostOffice) -> None:
    made = _queue(db)
    age(db, "mails", "waiting_since", mail.DAYS_MAX * 86_400)

    _send(db, office.url)

    assert (made.state, made.attempts, made.last_error) == ("given_up", 0, "Nobody has sent it.")
    assert office.received == []


def test_a_server_that_is_silent_is_asked_once_for_all_that_wait(db: Session, office: PostOffice) -> None:
    made = [_queue(db) for _ in range(5)]
    office.silent_at = "EHLO"
    started = time.monotonic()

    _send(db, office.url)

    assert time.monotonic() - started < 3
    assert {(one.state, one.attempts) for one in made} == {("waiting", 1)}
    assert office.connections == 1


def test_a_letter_that_cannot_be_written_is_refused_and_stops_nobody(db: Session, office: PostOffice) -> None:
    made = _queue(db)
    letter = mail_transports.Letter(made.id, "ada@example.com", "A\r\nBcc: eve@example.com", "", made.created_at)
    transport = mail_transports.read_url(office.url, FROM)
    assert transport is not None

    assert isinstance(mail._deliver(transport, letter), mail_transports.Refused)
    assert office.received == []


# At least once


def test_whoever_dies_between_sending_and_noting_is_followed_after_the_lease(house: House, office: PostOffice) -> None:
    with house.sessions() as db:
        made = _queue(db)
        db.commit()
    with house.sessions() as dying:
        dying.info.update(mail_url=office.url, mail_from=FROM)
        steps = mail.send_due(dying)
        for _ in range(2):
            next(steps)
            dying.commit()
        next(steps)  # it has left, and that was never committed
        dying.rollback()

    with house.sessions() as db:
        _send(db, office.url)
        assert len(office.received) == 1
        age(db, "mails", "due_at", LEASE)
        db.commit()
        _send(db, office.url)

        kept = db.get_one(Mail, made.id)
        assert (kept.state, kept.attempts) == ("sent", 2)
    assert [got.letter["Message-ID"] for got in office.received] == [f"<{made.id}@example.org>"] * 2
    assert office.received[0].raw == office.received[1].raw


def test_a_server_that_dies_with_the_letter_may_get_it_twice_under_one_name(db: Session, office: PostOffice) -> None:
    made = _queue(db)
    office.dies_at = "."
    _send(db, office.url)
    assert made.state == "waiting"
    office.dies_at = ""
    _make_due(db)

    _send(db, office.url)

    assert made.state == "sent"
    assert [got.letter["Message-ID"] for got in office.received] == [f"<{made.id}@example.org>"] * 2


def test_senders_beside_each_other_send_nothing_twice(house: House, office: PostOffice) -> None:
    office.seconds_each = 0.01
    with house.sessions() as db:
        for number in range(60):
            _queue(db, f"person{number}@example.com")
        db.commit()
    together = threading.Barrier(3)

    def send() -> None:
        with house.sessions() as db:
            together.wait(10)
            _send(db, office.url)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(send) for _ in range(3)]:
            done.result()

    assert sorted(got.to[0] for got in office.received) == sorted(f"person{n}@example.com" for n in range(60))
    with house.sessions() as db:
        assert set(db.execute(text("SELECT state, attempts FROM mails"))) == {("sent", 1)}


def test_a_sender_passes_by_what_another_is_about_to_take(house: House) -> None:
    with house.sessions() as db:
        _queue(db)
        db.commit()

    with house.sessions() as one, house.sessions() as other:
        assert len(mail._take(one)) == 1
        assert mail._take(other) == []


def test_nothing_is_held_while_a_letter_is_on_its_way(house: House, office: PostOffice) -> None:
    office.silent_at = "."
    with house.sessions() as db:
        made = _queue(db)
        db.commit()

    with ThreadPoolExecutor(1) as pool, house.sessions() as sending, house.sessions() as watching:
        going = pool.submit(_send, sending, office.url)
        end = time.monotonic() + 5
        while not office.received and time.monotonic() < end:
            time.sleep(0.01)
        state = watching.scalar(
            text("""SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in%'""")
        )
        watching.execute(text("SELECT FROM mails WHERE id = :id FOR UPDATE NOWAIT"), {"id": made.id})
        watching.rollback()
        going.result()

    assert (state, len(office.received)) == (0, 1)


def test_a_sender_that_was_overtaken_cannot_end_what_another_tries(house: House, office: PostOffice) -> None:
    with house.sessions() as db:
        made = _queue(db)
        db.commit()
    office.refuses["ada@example.com"] = "550 5.1.1 Nobody"
    with house.sessions() as slow, house.sessions() as other:
        slow.info.update(mail_url=office.url, mail_from=FROM)
        steps = mail.send_due(slow)
        for _ in range(2):
            next(steps)
            slow.commit()
        other.execute(text("UPDATE mails SET attempts = attempts + 1"))
        other.commit()
        for _ in steps:
            slow.commit()

        assert other.get_one(Mail, made.id).state == "waiting"


# What goes in


@pytest.mark.parametrize(
    "to", ["ada@example.com\r\nBcc: eve@example.com", "ada@example.com, eve@example.com", "ada", "<ada@example.com>"]
)
def test_what_is_no_address_is_not_queued(db: Session, to: str) -> None:
    with pytest.raises(AddressMalformed):
        _queue(db, to)


@pytest.mark.parametrize("changes", [{"subject": "A\r\nBcc: eve@example.com"}, {"subject": ""}, {"body": "A\x00"}])
def test_what_is_no_subject_or_no_body_is_a_defect(db: Session, changes: dict[str, str]) -> None:
    with pytest.raises(AssertionError):
        _queue(db, **changes)


@pytest.mark.parametrize("column", ["address", "subject"])
def test_the_table_takes_no_second_line_either(db: Session, column: str) -> None:
    given = {"address": "ada@example.com", "subject": "A subject"}
    insert = text("""INSERT INTO mails (id, about, address, masked, subject, body)
                     VALUES ('mal_1', 'thg_1', :address, '', :subject, '')""")

    with pytest.raises(IntegrityError, match=column), db.begin_nested():
        db.execute(insert, {**given, column: f"{given[column]}\nBcc: eve@example.com"})
    db.execute(insert, given)


# What stays


def test_a_week_after_its_end_a_mail_keeps_neither_address_nor_text(db: Session, office: PostOffice) -> None:
    old = _queue(db)
    _send(db, office.url)
    assert mail.erase(db) == 0
    age(db, "mails", "ended_at", 7 * 86_400)
    waiting = _queue(db, "ben@example.com")
    age(db, "mails", "waiting_since", 30 * 86_400)

    assert [mail.erase(db) for _ in range(2)] == [1, 0]

    db.expire_all()
    assert (old.address, old.body, old.masked, old.subject) == (None, None, "a***@example.com", "A subject")
    assert waiting.address == "ben@example.com"


# Ops


def test_ops_see_what_waits_and_what_was_given_up_and_never_what_is_in_it(
    client: FlaskClient, db: Session, token: Callable[..., str], office: PostOffice
) -> None:
    headers = {"Authorization": f"Bearer {token('ops')}"}
    bad = _queue(db, "eve@example.com", body="Between us.\n")
    office.refuses["eve@example.com"] = "550 5.1.1 Nobody"
    _send(db, office.url)
    waits = _queue(db, body="Between us.\n")
    db.commit()

    every = client.get("/api/mails", headers=headers)
    given_up = client.get("/api/mails?state=given_up", headers=headers).get_json()["items"]

    assert [one["id"] for one in every.get_json()["items"]] == [waits.id, bad.id]
    assert [(one["id"], one["to"], one["last_error"]) for one in given_up] == [
        (bad.id, "e***@example.com", "550 5.1.1 Nobody")
    ]
    assert [word for word in ("eve@", "ada@", "Between us") if word in every.text] == []
    assert client.get("/api/mails?state=lost", headers=headers).status_code == 422


def test_ops_let_a_mail_be_sent_after_all(
    client: FlaskClient, db: Session, token: Callable[..., str], office: PostOffice
) -> None:
    headers = {"Authorization": f"Bearer {token('ops')}"}
    made = _queue(db)
    age(db, "mails", "waiting_since", 5 * 86_400)
    _send(db, office.url)
    assert made.state == "given_up"
    db.commit()

    answer = client.post(f"/api/mails/{made.id}/retry", headers=headers)
    _send(db, office.url)

    assert (answer.status_code, answer.get_json()["state"], answer.get_json()["attempts"]) == (200, "waiting", 0)
    assert (made.state, len(office.received)) == ("sent", 1)
    again = client.post(f"/api/mails/{made.id}/retry", headers=headers)
    assert (again.status_code, again.get_json()["type"]) == (409, "/problems/mail-not-given-up")


def test_what_waits_or_is_gone_is_not_tried_by_hand(db: Session) -> None:
    made = _queue(db)
    with pytest.raises(MailNotGivenUp, match="waits"):
        mail.retry(db, made.id)
    db.execute(text("UPDATE mails SET state = 'given_up', ended_at = now() - interval '8 days'"))
    mail.erase(db)

    with pytest.raises(MailErased):
        mail.retry(db, made.id)


def test_gauges_count_what_waits_and_what_was_given_up(db: Session) -> None:
    for _ in range(3):
        _queue(db)
    age(db, "mails", "waiting_since", 100)
    db.execute(text("UPDATE mails SET state = 'given_up', ended_at = now() WHERE id = (SELECT min(id) FROM mails)"))

    values = {gauge.name.removeprefix("rookery_mails_"): gauge.value for gauge in mail.gauges(db)}

    assert values == {"waiting": 2, "oldest_seconds": pytest.approx(100), "given_up": 1}

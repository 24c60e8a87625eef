"""Same key, same answer; alone and when sixteen come at once."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from foundation import idempotency
from tests import factories
from tests.conftest import House, age

_BODY = {"name": "Rooks", "labels": ["crow", "rook"], "rates": [
    {"tier": 0, "amount": "0.02", "currency": "USD"}, {"tier": 4, "amount": "0.60", "currency": "USD"},
]}  # fmt: skip


@pytest.fixture
def secret(db: Session, token: Callable[..., str]) -> str:
    """A requester's token."""
    return token("requester", factories.create_requester(db).id)


def _post(
    client: FlaskClient, secret: str, key: str, body: object = _BODY, path: str = "/api/projects"
) -> TestResponse:
    return client.post(path, json=body, auth=(secret, ""), headers={"Idempotency-Key": key})


def _projects(db: Session) -> int:
    return db.scalar(text("SELECT count(*) FROM projects")) or 0


def test_a_repeated_request_gets_the_first_answer_byte_for_byte(client: FlaskClient, db: Session, secret: str) -> None:
    first = _post(client, secret, "k1")

    again = [_post(client, secret, "k1") for _ in range(3)]

    assert first.status_code == 201
    assert "Idempotent-Replayed" not in first.headers
    for answer in again:
        assert (answer.status_code, answer.data, answer.content_type) == (201, first.data, first.content_type)
        assert answer.headers["Idempotent-Replayed"] == "true"
    assert _projects(db) == 1


def test_the_answer_is_replayed_even_when_the_world_has_changed(client: FlaskClient, db: Session, secret: str) -> None:
    first = _post(client, secret, "k1")
    db.execute(text("UPDATE projects SET status = 'paused'"))

    assert _post(client, secret, "k1").data == first.data


def test_without_a_key_nothing_is_replayed(client: FlaskClient, db: Session, secret: str) -> None:
    for name in ("One", "Two"):
        client.post("/api/projects", json={**_BODY, "name": name}, auth=(secret, ""))

    assert _projects(db) == 2


def test_another_body_with_the_same_key_is_refused(client: FlaskClient, db: Session, secret: str) -> None:
    _post(client, secret, "k1")

    answer = _post(client, secret, "k1", {**_BODY, "name": "Crows"})

    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["type"] == "/problems/idempotency-key-reused"
    assert _projects(db) == 1


def _type(answer: TestResponse) -> str:
    assert answer.json is not None
    return str(answer.json["type"]).removeprefix("/problems/")


def test_another_address_with_the_same_key_and_body_is_refused(
    client: FlaskClient, db: Session, token: Callable[..., str]
) -> None:
    factories.create_task(db, factories.create_project(db))
    worker = factories.create_worker(db)
    lease, secret = factories.claim(db, worker), token("worker", worker.id)
    body, address = {"fence": lease.fence}, f"/api/assignments/{lease.id}"

    first = _post(client, secret, "k1", body, f"{address}/renewal")
    other = _post(client, secret, "k1", body, f"{address}/release")

    assert first.status_code == 200
    assert (other.status_code, _type(other)) == (422, "idempotency-key-reused")
    assert _post(client, secret, "k2", body, f"{address}/release").status_code == 200


def test_another_query_is_another_address_and_an_empty_one_is_none(client: FlaskClient, secret: str) -> None:
    body = {"name": "Rooks", "params": {"categories": _BODY["labels"], "rates": _BODY["rates"]}}
    first = _post(client, secret, "k1", body, "/v1/projects")

    # WSGI hands both on with the same empty query.
    again = _post(client, secret, "k1", body, "/v1/projects?")
    other = _post(client, secret, "k1", body, "/v1/projects?x=1")

    assert (again.status_code, again.data) == (200, first.data)
    assert (other.status_code, _type(other)) == (422, "idempotency-key-reused")


def test_a_token_is_shown_once_and_stands_in_no_table(
    client: FlaskClient, db: Session, token: Callable[..., str]
) -> None:
    ops = token("ops")
    first = _post(client, ops, "k1", {"name": "Museum"}, "/api/requesters")

    again = _post(client, ops, "k1", {"name": "Museum"}, "/api/requesters")

    assert first.json is not None
    assert first.json["token"].startswith("rk_")
    assert (again.status_code, again.json) == (201, {**first.json, "token": None})
    assert (first.headers.get("Rookery-Withheld"), again.headers["Rookery-Withheld"]) == (None, "token")
    assert first.json["token"].encode() not in db.execute(text("SELECT body FROM idempotency_keys")).scalar_one()


def test_a_key_of_a_request_in_flight_is_waited_for_no_longer_than_two_seconds(house: House) -> None:
    with house.sessions() as db:
        requester = factories.create_requester(db)
        db.commit()
    secret, client = house.token("requester", requester.id), house.app.test_client()

    with house.sessions() as slow:
        idempotency.begin(slow, requester.id, "k1", b"the same key, not yet answered")
        started = time.monotonic()
        answer = _post(client, secret, "k1")

    assert (answer.status_code, _type(answer)) == (409, "idempotency-key-in-use")
    assert answer.headers["Retry-After"] == "1"
    assert 1.5 < time.monotonic() - started < 10
    assert _post(client, secret, "k1").status_code == 201


def test_after_a_key_locks_are_waited_for_as_ever(house: House) -> None:
    show = text("SHOW lock_timeout")
    with house.sessions() as db:
        before = db.scalar(show)
        idempotency.begin(db, "req_1", "k1", b"new")
        new = db.scalar(show)
        idempotency.begin(db, "req_1", "k1", b"new")

        assert [before, new, db.scalar(show)] == ["3s"] * 3


def test_the_same_key_of_another_actor_is_unrelated(
    client: FlaskClient, db: Session, secret: str, token: Callable[..., str]
) -> None:
    other = token("requester", factories.create_requester(db).id)

    answers = [_post(client, who, "k1") for who in (secret, other)]
    again = [_post(client, who, "k1") for who in (secret, other)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json != answers[1].json
    assert [answer.data for answer in again] == [answer.data for answer in answers]
    assert _projects(db) == 2


def test_a_failed_request_frees_its_key(client: FlaskClient, db: Session, secret: str) -> None:
    refused = _post(client, secret, "k1", {**_BODY, "labels": ["rook", "rook"]})

    answer = _post(client, secret, "k1")

    assert refused.status_code == 422
    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers
    assert _projects(db) == 1


def test_an_answer_without_a_body_is_replayed_too(client: FlaskClient, db: Session, token: Callable[..., str]) -> None:
    idle = token("worker", factories.create_worker(db).id)

    answers = [_post(client, idle, "k1", {}, "/api/claims") for _ in range(2)]

    assert [(answer.status_code, answer.data) for answer in answers] == [(204, b""), (204, b"")]
    assert answers[1].headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("key", ["", " ", "a b", "a\tb", "k" * 256, "schl\u00fcssel", "\x7f", "\xa0"], ids=repr)
def test_a_key_is_printable_ascii_and_not_too_long(client: FlaskClient, secret: str, key: str) -> None:
    answer = _post(client, secret, key)

    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["type"] == "/problems/idempotency-key-malformed"


@pytest.mark.parametrize("key", ["k", "!", "~", '"quoted"', "k" * 255, "' OR 1=1 --".replace(" ", "_")], ids=repr)
def test_any_printable_key_is_usable(client: FlaskClient, secret: str, key: str) -> None:
    assert [_post(client, secret, key).status_code for _ in range(2)] == [201, 201]


def test_a_read_takes_no_notice_of_a_key(client: FlaskClient, secret: str) -> None:
    answer = client.get("/api/projects", auth=(secret, ""), headers={"Idempotency-Key": "not a key"})

    assert answer.status_code == 200


def test_a_revoked_token_gets_no_replay(client: FlaskClient, db: Session, secret: str) -> None:
    _post(client, secret, "k1")
    db.execute(text("UPDATE tokens SET revoked_at = now()"))

    assert _post(client, secret, "k1").status_code == 401


def test_keys_are_forgotten_after_their_time(client: FlaskClient, db: Session, secret: str) -> None:
    _post(client, secret, "old")
    age(db, "idempotency_keys", "created_at", int(idempotency.KEPT.total_seconds()) + 1)
    _post(client, secret, "new", {**_BODY, "name": "Crows"})

    assert idempotency.forget(db) == 1
    assert db.scalars(text("SELECT key FROM idempotency_keys")).all() == ["new"]


def test_sixteen_at_once_with_one_key_have_one_effect(house: House) -> None:
    with house.sessions() as db:
        requester = factories.create_requester(db)
        db.commit()
    secret, together = house.token("requester", requester.id), Barrier(16)

    def send(_number: int) -> TestResponse:
        together.wait()
        return _post(house.app.test_client(), secret, "k1")

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(send, range(16)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    with house.sessions() as db:
        assert _projects(db) == 1


def test_sixteen_at_once_with_keys_of_their_own_are_sixteen_requests(house: House) -> None:
    with house.sessions() as db:
        requester = factories.create_requester(db)
        db.commit()
    secret, together = house.token("requester", requester.id), Barrier(16)

    def send(number: int) -> int:
        together.wait()
        body = {**_BODY, "name": f"Rooks {number}"}
        return _post(house.app.test_client(), secret, f"k{number}", body).status_code

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(send, range(16))) == [201] * 16


def test_a_token_handed_out_under_a_key_is_not_handed_to_another_stranger(client: FlaskClient) -> None:
    body = {"name": "Ada", "country": "KE"}

    answers = [client.post("/api/applications", json=body, headers={"Idempotency-Key": "1"}) for _ in range(2)]

    tokens = [json.loads(answer.data).get("token") for answer in answers]
    assert tokens[0] is not None
    assert tokens[1] != tokens[0]

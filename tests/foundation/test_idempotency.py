"""Same key, same answer; alone and when sixteen come at once."""

import json
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


@pytest.mark.parametrize("path", ["/api/projects?", "/v1/projects"])
def test_another_address_with_the_same_key_is_refused(client: FlaskClient, secret: str, path: str) -> None:
    body = {"name": "Rooks", "params": {"categories": _BODY["labels"], "rates": _BODY["rates"]}}
    given = body if path.startswith("/v1") else _BODY
    _post(client, secret, "k1", {**_BODY, "name": "Other"} if path.endswith("?") else _BODY)

    assert _post(client, secret, "k1", given, path).status_code == 422


def test_the_same_key_of_another_actor_is_unrelated(
    client: FlaskClient, db: Session, secret: str, token: Callable[..., str]
) -> None:
    other = token("requester", factories.create_requester(db).id)

    answers = [_post(client, who, "k1") for who in (secret, other)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json != answers[1].json


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

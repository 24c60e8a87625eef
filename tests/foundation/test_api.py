"""The ground's own routes: parked events, the trail, metrics."""

from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import auth, outbox, trail
from tests import factories
from tests.conftest import House
from workforce.events import AnswerSubmitted


def _parked(db: Session, count: int) -> list[str]:
    for number in range(count):
        outbox.publish(db, AnswerSubmitted(f"ans_{number}", "tsk_1", "prj_1"))
    db.execute(text("UPDATE outbox_events SET parked_at = now(), last_error = 'KeyError: x', attempts = 8"))
    ids = [str(id_) for id_ in db.scalars(text("SELECT id FROM outbox_events ORDER BY id"))]
    db.commit()
    return ids


def _as(secret: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {secret}"}}


def test_ops_see_parked_events_page_by_page_with_their_errors(
    client: FlaskClient, db: Session, token: Callable[..., str]
) -> None:
    ids, ops = _parked(db, 5), _as(token("ops"))

    first = client.get("/api/parked-events?limit=3", **ops).get_json()
    second = client.get(f"/api/parked-events?limit=3&cursor={first['next_cursor']}", **ops).get_json()

    assert [event["id"] for event in first["items"] + second["items"]] == ids
    assert second["next_cursor"] is None
    one = first["items"][0]
    assert (one["topic"], one["attempts"], one["last_error"]) == ("AnswerSubmitted", 8, "KeyError: x")
    assert one["payload"] == {"answer_id": "ans_0", "task_id": "tsk_1", "project_id": "prj_1"}


def test_a_parked_event_is_retried_alone_or_with_all(
    client: FlaskClient, db: Session, token: Callable[..., str]
) -> None:
    ids, ops = _parked(db, 3), _as(token("ops"))

    one = client.post(f"/api/parked-events/{ids[1]}/retry", **ops)
    again = client.post(f"/api/parked-events/{ids[1]}/retry", **ops)
    waiting = list(db.scalars(text("SELECT id::text FROM outbox_events WHERE parked_at IS NULL AND attempts = 0")))
    everything = client.post("/api/parked-events/retry", **ops)

    assert (one.status_code, one.get_json()) == (200, {"retried": 1})
    assert again.status_code == 404
    assert waiting == [ids[1]]
    assert everything.get_json() == {"retried": 2}
    assert db.scalar(text("SELECT count(*) FROM outbox_events WHERE parked_at IS NOT NULL")) == 0


def test_an_event_that_cannot_be_is_not_found(client: FlaskClient, token: Callable[..., str]) -> None:
    ops = _as(token("ops"))

    for name in ("0", "-1", "x", "1" * 400, "٣", "1.0", "%20" + "1"):
        assert client.post(f"/api/parked-events/{name}/retry", **ops).status_code == 404, name


def test_an_event_retried_by_ops_is_delivered_and_on_the_trail(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db)
        factories.create_task(db, project)
        factories.answer(db, factories.create_worker(db), project=project)
        db.execute(text("UPDATE outbox_events SET parked_at = now()"))
        db.commit()
    assert house.settle() == 0

    house.app.test_client().post("/api/parked-events/retry", **_as(house.token("ops", "ada")))

    assert house.settle() == 1
    with house.sessions() as db:
        assert [entry.act for entry in db.scalars(trail.listed())] == ["foundation.retry_parked_events"]


def test_an_auditor_reads_the_trail_newest_first(client: FlaskClient, db: Session, token: Callable[..., str]) -> None:
    ada = auth.Actor("tok_1", "ada", "ops", frozenset())
    for number in range(5):
        trail.record(db, ada, "test.act", target=str(number))
    db.commit()
    auditor = _as(token("auditor"))

    first = client.get("/api/trail?limit=3", **auditor).get_json()
    second = client.get(f"/api/trail?limit=3&cursor={first['next_cursor']}", **auditor).get_json()

    assert [entry["target"] for entry in first["items"] + second["items"]] == ["4", "3", "2", "1", "0"]
    assert first["items"][0]["hash"] == trail.head(db).hash.hex()
    assert client.get("/api/trail", **_as(token("ops"))).status_code == 403


def test_prometheus_reads_requests_and_gauges_by_token(
    client: FlaskClient, db: Session, token: Callable[..., str]
) -> None:
    _parked(db, 2)
    factories.claim(db, factories.create_worker(db), _with_a_task(db))
    outbox.publish(db, AnswerSubmitted("ans_9", "tsk_1", "prj_1"))
    db.commit()
    client.get("/health")
    client.get("/no/such/address")

    answer = client.get("/metrics", **_as(token("monitor")))

    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    values = {name: family.samples[0].value for name, family in families.items() if family.samples}
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    assert (values["rookery_outbox_parked"], values["rookery_outbox_waiting"]) == (2, 1)
    assert values["rookery_outbox_oldest_seconds"] >= 0
    assert (values["rookery_leases"], values["rookery_sweepers_leading"]) == (1, 0)
    assert values["rookery_database_sessions_max"] >= 100
    assert values["rookery_database_bytes"] > 1_000_000
    counted = {tuple(sample.labels.values()) for sample in families["rookery_requests"].samples}
    assert {("GET", "/health", "200"), ("", "", "404")} <= counted


def _with_a_task(db: Session) -> Any:
    project = factories.create_project(db)
    factories.create_task(db, project)
    return project


def test_metrics_are_not_for_everybody(client: FlaskClient, token: Callable[..., str]) -> None:
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", **_as(token("ops"))).status_code == 403
    assert client.get("/metrics", **_as(token("admin"))).status_code == 200

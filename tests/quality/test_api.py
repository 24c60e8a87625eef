"""The quality routes over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from quality import quarantine, reliability
from tests import factories
from tests.quality import decided

Token = Callable[..., str]


def _as(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_ops_see_how_reliable_everybody_is(client: FlaskClient, token: Token, db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=3, overlap_max=3, confidence_target=0.6, expert_share=0.0)
    factories.create_task(db, project)
    answers = factories.answer_all(db, project, "rook", "rook", "crow")
    factories.settle(db)
    db.commit()

    address = f"/api/projects/{project.id}/reliability"
    rows = client.get(address, headers=_as(token("ops"))).get_json()["items"]

    assert [row["voter_id"] for row in rows] == sorted(answer.worker_id for answer in answers)
    assert all(0 <= row["low"] <= row["reliability"] <= row["high"] <= 1 for row in rows)
    shares = {row["voter_id"]: row["reliability"] for row in rows}
    assert shares[answers[0].worker_id] > shares[answers[2].worker_id]


def test_an_unknown_project_has_no_voters(client: FlaskClient, token: Token) -> None:
    response = client.get(f"/api/projects/{ids.new('prj')}/reliability", headers=_as(token("ops")))

    assert response.get_json() == {"items": [], "next_cursor": None}


def test_what_cannot_be_a_project_is_not_found(client: FlaskClient, token: Token) -> None:
    assert client.get("/api/projects/birds/reliability", headers=_as(token("ops"))).status_code == 404


@pytest.mark.parametrize("role", ["worker", "requester", "finance", "admin"])
def test_reliability_is_for_ops_alone(client: FlaskClient, token: Token, role: str) -> None:
    assert client.get("/api/projects/prj_x/reliability", headers=_as(token(role))).status_code == 403


def test_ops_see_how_one_worker_errs(client: FlaskClient, token: Token, db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=3, overlap_max=3, confidence_target=0.6, expert_share=0.0)
    factories.create_task(db, project)
    answers = factories.answer_all(db, project, "rook", "rook", "crow")
    factories.settle(db)
    db.commit()

    address = f"/api/projects/{project.id}/reliability/{answers[2].worker_id}"
    found = client.get(address, headers=_as(token("ops"))).get_json()

    assert found["voter_id"] == answers[2].worker_id
    assert [sum(row) for row in found["confusion"]] == pytest.approx([1.0, 1.0])
    # They said crow, and it is most probably a rook.
    assert found["counts"][1][0] > found["counts"][0][0] > found["counts"][0][1] == 0.0
    assert found["n_votes"] == 1


def test_a_worker_who_was_not_weighed_is_not_found(client: FlaskClient, token: Token) -> None:
    for voter in (ids.new("wrk"), "nobody"):
        address = f"/api/projects/{ids.new('prj')}/reliability/{voter}"
        assert client.get(address, headers=_as(token("ops"))).status_code == 404


def test_ops_see_who_disagrees_with_whom(client: FlaskClient, token: Token, db: Session) -> None:
    project = ids.new("prj")
    decided.decide(db, decided.tasks(40, ["0001", "1110"]), project=project)
    db.commit()

    address = f"/api/projects/{project}/disagreements"
    found = client.get(address, headers=_as(token("ops"))).get_json()["items"]
    none = client.get(f"{address}?shared_min=41", headers=_as(token("ops"))).get_json()["items"]

    assert [pair["voter_ids"] for pair in found] == [["v0", "v3"], ["v1", "v3"], ["v2", "v3"]]
    assert all(pair["agreement"] < pair["expected"] for pair in found)
    assert none == []


@pytest.mark.parametrize("given", ["shared_min=0", "shared_min=x", "shared_min=1001", "limit=3"])
def test_pairs_of_no_tasks_cannot_be_asked_for(client: FlaskClient, token: Token, given: str) -> None:
    response = client.get(f"/api/projects/{ids.new('prj')}/disagreements?{given}", headers=_as(token("ops")))

    assert response.status_code == 422


# Evidence and quarantines


def _quarantine(db: Session) -> str:
    """A quarantine that is proposed for a worker of a project, with its evidence."""
    project, worker = factories.create_project(db), factories.create_worker(db)
    factories.propose(db, project, worker)
    (proposed,) = db.scalars(quarantine.listed(voter_id=worker.id))
    db.commit()
    return proposed.id


def test_ops_read_what_speaks_against_a_worker_in_sentences(client: FlaskClient, token: Token, db: Session) -> None:
    one = _quarantine(db)

    shown = client.get(f"/api/quarantines/{one}", headers=_as(token("ops"))).get_json()

    (found,) = shown["evidence"]
    assert (shown["quarantine"]["status"], shown["quarantine"]["factor"]) == ("proposed", 0.1)
    assert (found["kind"], found["voter_ids"]) == ("cluster", [shown["quarantine"]["voter_id"]])
    assert found["sentence"].startswith("These voters err as one")


def test_ops_find_what_waits_for_them(client: FlaskClient, token: Token, db: Session) -> None:
    one, other = _quarantine(db), _quarantine(db)
    ops = _as(token("ops"))
    client.post(f"/api/quarantines/{one}/dismissal", headers=ops, json={"reason": "Twins."})

    proposed = client.get("/api/quarantines?status=proposed", headers=ops).get_json()["items"]
    voter_id = proposed[0]["voter_id"]
    against = client.get(f"/api/evidence?voter_id={voter_id}&kind=cluster", headers=ops).get_json()["items"]

    assert [item["id"] for item in proposed] == [other]
    assert [item["voter_ids"] for item in against] == [[voter_id]]


def test_ops_let_a_quarantine_begin_and_end_it(client: FlaskClient, token: Token, db: Session) -> None:
    address, ops = f"/api/quarantines/{_quarantine(db)}", _as(token("ops"))

    begun = client.post(f"{address}/activation", headers=ops, json={"reason": "Seen.", "days": 3, "everywhere": True})
    ended = client.post(f"{address}/end", headers=ops, json={"reason": "They explained it."})

    assert (begun.status_code, ended.status_code) == (200, 200)
    assert {name: begun.get_json()[name] for name in ("status", "days", "everywhere", "reason")} == {
        "status": "active", "days": 3, "everywhere": True, "reason": "Seen.",
    }  # fmt: skip
    assert (ended.get_json()["status"], ended.get_json()["end_reason"]) == ("ended", "They explained it.")


def test_what_is_decided_cannot_be_decided_again(client: FlaskClient, token: Token, db: Session) -> None:
    address, ops = f"/api/quarantines/{_quarantine(db)}", _as(token("ops"))
    client.post(f"{address}/dismissal", headers=ops, json={"reason": "Twins."})

    again = client.post(f"{address}/activation", headers=ops, json={"reason": "After all."})

    assert (again.status_code, again.get_json()["type"]) == (409, "/problems/decision-not-allowed")


def test_a_decision_that_is_sent_twice_under_one_key_is_made_once(
    client: FlaskClient, token: Token, db: Session
) -> None:
    address, headers = f"/api/quarantines/{_quarantine(db)}/activation", {**_as(token("ops")), "Idempotency-Key": "1"}

    first, again = (client.post(address, headers=headers, json={"reason": "Seen."}) for _ in range(2))

    assert (first.status_code, again.status_code, again.get_json()) == (200, 200, first.get_json())
    assert db.scalar(text("SELECT count(*) FROM trail_entries WHERE act = 'quality.activate'")) == 1


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "x", "days": 0}, {"reason": "x", "days": 91}, {"reason": "x", "factor": 0}]
)
def test_a_decision_needs_a_reason_and_ends(
    client: FlaskClient, token: Token, db: Session, body: dict[str, Any]
) -> None:
    response = client.post(f"/api/quarantines/{_quarantine(db)}/activation", headers=_as(token("ops")), json=body)

    assert response.status_code == 422


@pytest.mark.parametrize("role", ["worker", "requester", "finance", "admin"])
@pytest.mark.parametrize("address", ["/api/evidence", "/api/quarantines", "/api/quarantines/qtn_x"])
def test_what_speaks_against_workers_is_for_ops_alone(
    client: FlaskClient, token: Token, role: str, address: str
) -> None:
    assert client.get(address, headers=_as(token(role))).status_code == 403


def test_ops_see_the_refits_of_a_project_newest_first(client: FlaskClient, token: Token, db: Session) -> None:
    project = factories.create_project(db)
    for _ in range(2):
        reliability.refit(db, project.id, n_classes=2, cause="asked")
    db.commit()

    rows = client.get(f"/api/projects/{project.id}/refits", headers=_as(token("ops"))).get_json()["items"]

    assert [(row["number"], row["state"], row["cause"], row["n_votes"]) for row in rows] == [
        (2, "done", "asked", 0),
        (1, "done", "asked", 0),
    ]


def test_ops_see_settled_tasks_that_the_last_refit_decides_otherwise(
    client: FlaskClient, token: Token, db: Session
) -> None:
    project = factories.create_project(db, overlap_min=3, overlap_max=3, confidence_target=0.6, expert_share=0.0)
    task = factories.create_task(db, project)
    factories.answer_all(db, project, "rook", "rook", "rook")
    factories.settle(db)
    db.execute(text("UPDATE consensus SET label = 0"))
    reliability.refit(db, project.id, n_classes=2)
    db.commit()

    (row,) = client.get(f"/api/projects/{project.id}/revisions", headers=_as(token("ops"))).get_json()["items"]

    assert (row["task_id"], row["settled_label"], row["label"], row["refit"]) == (task.id, 0, 1, 2)
    assert row["confidence"] > 0.6


@pytest.mark.parametrize("name", ["refits", "revisions"])
def test_what_cannot_be_a_project_has_neither_refits_nor_revisions(
    client: FlaskClient, token: Token, name: str
) -> None:
    assert client.get(f"/api/projects/birds/{name}", headers=_as(token("ops"))).status_code == 404

"""The quality routes over HTTP."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from foundation import ids
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

"""The whole trip of gold over HTTP: added, met, answered, judged, corrected, and made anew from a settled task."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from quality import correction
from tests import factories
from workforce.models import Kind, Project, Task

Token = Callable[..., str]


@dataclass(frozen=True)
class Office:
    """A project with gold, and whoever looks after it: they post and get below the project's address."""

    client: FlaskClient
    db: Session
    project: Project
    secrets: dict[str, str]

    def get(self, who: str, path: str) -> Any:
        response = self.client.get(f"/api/projects/{self.project.id}/{path}", headers=self._as(who))
        assert response.status_code == 200
        return response.get_json()

    def post(self, who: str, path: str, body: Any) -> tuple[int, Any]:
        response = self.client.post(f"/api/projects/{self.project.id}/{path}", json=body, headers=self._as(who))
        return response.status_code, response.get_json()

    def refused(self, who: str, path: str, body: Any) -> tuple[int, str]:
        status, problem = self.post(who, path, body)
        return status, problem["type"].removeprefix("/problems/")

    def correct(self, task_id: str, category: str) -> tuple[int, Any]:
        """What comes of it that one of ops proposes a correction and another one applies it."""
        wanted = {"kind": "gold", "task_id": task_id, "category": category, "reason": "Its beak."}
        proposed = self.client.post("/api/corrections", json=wanted, headers=self._as("ops"))
        if proposed.status_code != 201:
            return proposed.status_code, proposed.get_json()
        made = proposed.get_json()["correction"]
        address, seen = f"/api/corrections/{made['id']}/application", {"content_hash": made["content_hash"]}
        applied = self.client.post(address, json=seen, headers=self._as("other_ops"))
        return applied.status_code, applied.get_json()

    def _as(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secrets[who]}"}


@pytest.fixture
def office(client: FlaskClient, db: Session, token: Token, books: None) -> Office:
    project, _ = factories.create_escalated(db, gold_share=0.5)
    expert = factories.create_worker(db, tier=4)
    factories.answer(db, expert, "crow", project=project, kind=Kind.ADJUDICATION)
    factories.settle(db)
    factories.create_task(db, project)
    db.commit()
    secrets = {
        "ops": token("ops"),
        "other_ops": token("ops", "bob"),
        "requester": token("requester", project.requester_id),
    }
    return Office(client, db, project, secrets)


def _new(office: Office) -> str:
    status, made = office.post("requester", "gold", {"params": {"attachment": "a bird"}, "category": "rook"})
    assert status == 201
    office.db.rollback()
    return str(made["task_id"])


def _met(office: Office, *categories: str) -> None:
    for category in categories:
        factories.answer(office.db, factories.create_worker(office.db), category, project=office.project)
    factories.settle(office.db)
    office.db.commit()


def test_gold_is_added_met_judged_corrected_and_retired(office: Office) -> None:
    task_id = _new(office)
    _met(office, "crow", "crow", "rook")

    health = office.get("requester", f"gold/{task_id}/health")
    supply = office.get("requester", "gold-supply")
    _, preview = office.post("ops", f"gold/{task_id}/correction/preview", {"category": "crow"})
    status, made = office.correct(task_id, "crow")
    (listed,) = office.get("requester", "gold")["items"]

    assert (health["answers"], health["right"], health["by_tier"]) == (3, 1, [{"answers": 3, "right": 1, "tier": 1}])
    assert (supply["active"], supply["left"], supply["exposures"]) == (1, 47, 3)
    assert (preview["become_right"], preview["become_wrong"]) == (2, 1)
    assert (status, made["rejudged"], made["correction"]["state"]) == (200, 3, "applied")
    assert (made["correction"]["label_from"], made["correction"]["label_to"]) == (1, 0)
    assert (listed["label"], listed["exposures"]) == (0, 3)
    assert office.get("ops", f"gold/{task_id}/health")["right"] == 2


def test_a_settled_dispute_becomes_gold_and_another_does_not(office: Office) -> None:
    _, found = office.post("ops", "gold-proposals", {})
    (proposal,) = office.get("ops", "gold-proposals")["items"]
    status, made = office.post("ops", f"gold-proposals/{proposal['task_id']}/approval", {"exposures_max": 9})

    assert (found, status) == ({"proposed": 1}, 201)
    assert (made["source"], made["made_from"], made["exposures_max"]) == ("expert", proposal["task_id"], 9)
    assert made["explanation"] == "an expert decided it, as 1 of 2 voters did"
    again = office.refused("ops", f"gold-proposals/{proposal['task_id']}/refusal", {"reason": "No."})
    assert again == (409, "proposal-decided")


def test_a_refused_proposal_says_why(office: Office) -> None:
    office.post("ops", "gold-proposals", {})
    (proposal,) = office.get("ops", "gold-proposals")["items"]

    status, refused = office.post("ops", f"gold-proposals/{proposal['task_id']}/refusal", {"reason": "Blurred."})

    assert (status, refused["status"], refused["reason"]) == (200, "refused", "Blurred.")


def test_what_cannot_be_done_to_gold_is_a_problem(office: Office) -> None:
    task_id, unknown = _new(office), ids.new("tsk")
    _met(office, "rook")
    rook = {"category": "rook"}

    assert office.correct(task_id, "rook")[1]["type"] == "/problems/label-stands"
    assert office.refused("ops", f"gold/{task_id}/correction/preview", {"category": "raven"}) == (422, "invalid")
    assert office.refused("ops", f"gold/{unknown}/correction/preview", rook) == (404, "no-such-gold")
    assert office.refused("ops", f"gold-proposals/{unknown}/approval", {}) == (404, "no-such-proposal")
    assert office.refused("requester", "gold-proposals", {}) == (403, "scope-missing")
    office.db.execute(text("UPDATE project_fits SET n_votes = :n"), {"n": correction.VOTES_MAX + 1})
    office.db.commit()
    refused = office.refused("ops", f"gold/{task_id}/correction/preview", {"category": "crow"})
    assert refused == (409, "too-many-votes")


def test_ops_see_gold_of_every_project_and_another_requester_of_none(office: Office, token: Token) -> None:
    task_id = _new(office)
    office.secrets["other"] = token("requester")

    assert [one["task_id"] for one in office.get("ops", "gold")["items"]] == [task_id]
    assert office.refused("other", f"gold/{task_id}/retirement", {"reason": "No."}) == (404, "no-such-project")
    assert office.db.get_one(Task, (task_id, office.project.id)).status == "gold"

"""Scale's v1 surface: what its clients rely on, whether they say so or not."""

import base64
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from payments import funding
from tests import factories
from workforce import projects
from workforce.models import Requester

Token = Callable[..., str]
RATES = [{"tier": 0, "amount": "0.02", "currency": "USD"}, {"tier": 4, "amount": "0.60", "currency": "USD"}]
PARAMS = {"instruction": "Which bird?", "categories": ["crow", "rook"], "rates": RATES, "overlap_min": 1}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Scale:
    """The surface as one requester's client uses it: Basic auth, and a JSON type on every request."""

    def __init__(self, client: FlaskClient, secret: str) -> None:
        self.client = client
        basic = base64.b64encode(f"{secret}:".encode()).decode()
        self.headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json"}

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.client.get(f"/v1/{path}", query_string=query, headers=self.headers)

    def post(self, path: str, body: dict[str, Any] | None = None) -> TestResponse:
        if not body:
            return self.client.post(f"/v1/{path}", headers=self.headers)
        return self.client.post(f"/v1/{path}", json=body, headers=self.headers)

    def project(self, name: str = "birds", **params: Any) -> Any:
        return _ok(self.post("projects", {"type": "categorization", "name": name, "params": {**PARAMS, **params}}))

    def batch(self, name: str = "monday", project: str = "birds", **options: Any) -> Any:
        return _ok(self.post("batches", {"project": project, "name": name, "callback": "", **options}))

    def task(self, project: str = "birds", **changes: Any) -> Any:
        return _ok(self.post("task/categorization", {"project": project, "attachment": "a bird", **changes}))


def _ok(response: TestResponse) -> Any:
    assert response.status_code == 200, response.text
    return response.get_json()


def _error(response: TestResponse) -> tuple[int, str]:
    """The status and message of an error in the shape that the SDK reads."""
    body = response.get_json()
    assert body["status_code"] == response.status_code
    assert isinstance(body["error"], str)
    assert body["error"]
    return response.status_code, body["error"]


@pytest.fixture
def requester(db: Session) -> Requester:
    """A requester with money."""
    made = factories.create_requester(db)
    db.commit()
    return made


@pytest.fixture
def scale(client: FlaskClient, token: Token, requester: Requester) -> Scale:
    """The requester's client."""
    return Scale(client, token("requester", requester.id))


@pytest.fixture
def stranger(client: FlaskClient, token: Token, db: Session) -> Scale:
    """Another requester's client."""
    made = factories.create_requester(db)
    db.commit()
    return Scale(client, token("requester", made.id))


# Projects


def test_a_project_has_the_keys_that_clients_read(scale: Scale) -> None:
    made = scale.project()

    assert (made["name"], made["type"]) == ("birds", "categorization")
    version = made["param_history"][-1]
    assert (version["version"], version["instruction"]) == (0, "Which bird?")
    assert version["categories"] == ["crow", "rook"]
    assert _MOMENT.fullmatch(made["created_at"])
    assert _ok(scale.get("projects/birds")) == made


def test_a_projects_own_settings_are_kept_beside_scales(scale: Scale, db: Session) -> None:
    scale.project(overlap_min=2, overlap_max=3, tier_min=2, pipeline="consensus_task")

    project = projects.find(db, db.query(Requester).one().id, "birds")

    assert (project.overlap_min, project.overlap_max, project.tier_min) == (2, 3, 2)
    assert project.params["pipeline"] == "consensus_task"


def test_projects_are_a_bare_array_newest_first(scale: Scale, stranger: Scale) -> None:
    for name in ("a", "b", "c"):
        scale.project(name)

    assert [project["name"] for project in _ok(scale.get("projects"))] == ["c", "b", "a"]
    assert _ok(stranger.get("projects")) == []


def test_a_project_name_is_taken_once(scale: Scale, stranger: Scale) -> None:
    scale.project()

    refused = scale.post("projects", {"type": "categorization", "name": "birds", "params": PARAMS})

    assert _error(refused)[0] == 409
    assert stranger.project()["name"] == "birds"


@pytest.mark.parametrize("missing", ["categories", "rates"])
def test_a_project_needs_categories_and_rates(scale: Scale, missing: str) -> None:
    params = {key: value for key, value in PARAMS.items() if key != missing}

    status, message = _error(scale.post("projects", {"type": "categorization", "name": "x", "params": params}))

    assert status == 422
    assert message.startswith(f"/params/{missing}: ")


@pytest.mark.parametrize("task_type", ["annotation", "", "Categorization", "textcollection"])
def test_a_project_of_a_type_that_is_not_served_is_refused_by_its_field(scale: Scale, task_type: str) -> None:
    refused = scale.post("projects", {"type": task_type, "name": "birds", "params": PARAMS})

    assert _error(refused)[0] == 400
    assert [error["pointer"] for error in refused.get_json()["errors"]] == ["/type"]
    assert _error(scale.get("projects/birds"))[0] == 404


@pytest.mark.parametrize("name", ["a/b", "a b", "ä%2Fö", "50%", "a?b=c", "#1", "status"])
def test_names_are_path_segments_whatever_is_in_them(scale: Scale, name: str) -> None:
    scale.project(name)
    scale.batch(name, project=name)
    there = quote(name, safe="")

    assert _ok(scale.get(f"projects/{there}"))["name"] == name
    assert _ok(scale.get(f"batches/{there}"))["name"] == name
    assert _ok(scale.get(f"batches/{there}/status")) == {"status": "in_progress"}
    assert _ok(scale.post(f"batches/{there}/finalize"))["name"] == name


@pytest.mark.parametrize("name", ["V\u00f6gel", "Vo\u0308gel", " V\u00f6gel "])
def test_what_was_made_under_a_name_is_found_under_it(scale: Scale, name: str) -> None:
    scale.project(name)
    scale.batch(name, project=name)
    task = scale.task(project=name, batch=name)["task_id"]

    assert _ok(scale.get(f"projects/{quote(name, safe='')}"))["name"] == "V\u00f6gel"
    assert _ok(scale.get(f"batches/{quote(name, safe='')}"))["name"] == "V\u00f6gel"
    assert [found["task_id"] for found in _ok(scale.get("tasks", project=name, batch=name))["docs"]] == [task]


# Batches


@pytest.mark.parametrize("name", ["a/status", "/status", "a/finalize", f"bat_{'0' * 26}", ".."])
def test_a_batch_whose_name_would_hide_another_address_is_refused(scale: Scale, name: str) -> None:
    scale.project()

    refused = scale.post("batches", {"project": "birds", "name": name})

    assert _error(refused)[0] == 422
    assert [error["pointer"] for error in refused.get_json()["errors"]] == ["/name"]


@pytest.mark.parametrize("staging", ["false", "true", 0, 1, None, "no"])
def test_whether_a_batch_is_staging_is_true_or_false(scale: Scale, staging: Any) -> None:
    scale.project()

    refused = scale.post("batches", {"project": "birds", "name": "monday", "staging": staging})

    assert _error(refused)[0] == 422
    assert [error["pointer"] for error in refused.get_json()["errors"]] == ["/staging"]


def test_batches_are_listed_by_a_projects_name_or_id(scale: Scale) -> None:
    made = scale.project()
    scale.project("others")
    scale.batch()
    scale.batch("elsewhere", project="others")

    for project in ("birds", made["id"]):
        assert [batch["name"] for batch in _ok(scale.get("batches", project=project))["docs"]] == ["monday"]
    assert _error(scale.get("batches", project="nobody's"))[0] == 404


def test_a_batch_has_the_keys_that_clients_read(scale: Scale) -> None:
    scale.project()

    made = scale.batch(metadata={"a": 1}, calibration_batch=False, self_label_batch=False)

    assert {"name", "status", "project", "created_at", "metadata"} <= made.keys()
    assert (made["status"], made["project"], made["metadata"]) == ("in_progress", "birds", {"a": 1})
    assert _ok(scale.get("batches/monday")) == made


def test_finalizing_a_plain_batch_changes_nothing(scale: Scale) -> None:
    scale.project()
    made = scale.batch()

    assert _ok(scale.post("batches/monday/finalize")) == made


def test_a_staging_batch_reserves_when_it_is_finalized(
    scale: Scale, requester: Requester, db: Session, books: None
) -> None:
    scale.project()
    assert scale.batch(staging=True)["status"] == "staging"
    for _ in range(2):
        assert scale.task(batch="monday")["status"] == "pending"
    before = funding.of_owner(db, requester.id)[0].reserved

    finalized = _ok(scale.post("batches/monday/finalize"))

    assert (before, finalized["status"]) == (0, "in_progress")
    assert funding.of_owner(db, requester.id)[0].reserved > 0
    assert _ok(scale.get("batches/monday/status")) == {"status": "in_progress", "pending": 2}


def test_batches_are_listed_newest_first_with_their_number(scale: Scale) -> None:
    scale.project()
    scale.project("others")
    for name in ("a", "b", "c"):
        scale.batch(name)
    scale.batch("elsewhere", project="others")

    first = _ok(scale.get("batches", project="birds", limit=2))
    rest = _ok(scale.get("batches", project="birds", limit=2, offset=2))

    assert [batch["name"] for batch in first["docs"] + rest["docs"]] == ["c", "b", "a"]
    assert (first["totalDocs"], first["limit"], first["offset"], first["has_more"]) == (3, 2, 0, True)
    assert rest["has_more"] is False


def test_a_batch_counts_what_is_pending_completed_and_cancelled(scale: Scale, db: Session, books: None) -> None:
    scale.project(overlap_max=1, confidence_target=0.5, expert_share=0.0)
    scale.batch()
    worker = factories.create_worker(db)
    done = scale.task(batch="monday")
    factories.answer(db, worker)
    factories.settle(db)
    db.commit()
    scale.task(batch="monday")
    taken_back = scale.task(batch="monday")
    _ok(scale.post(f"task/{taken_back['task_id']}/cancel"))

    counts = _ok(scale.get("batches/monday/status"))

    assert counts == {"status": "in_progress", "completed": 1, "pending": 1, "canceled": 1}
    assert _ok(scale.get(f"task/{done['task_id']}"))["status"] == "completed"


def test_a_batch_name_is_unique_over_all_projects(scale: Scale) -> None:
    scale.project()
    scale.project("others")
    scale.batch()

    assert _error(scale.post("batches", {"project": "others", "name": "monday"}))[0] == 409


# Tasks


def test_a_task_has_the_keys_that_clients_read_and_no_others(scale: Scale, books: None) -> None:
    scale.project()

    made = scale.task()

    assert made["task_id"].startswith("tsk_")
    assert (made["type"], made["status"], made["project"]) == ("categorization", "pending", "birds")
    assert (made["metadata"], made["callback_url"], made["instruction"]) == ({}, "", "Which bird?")
    assert made["params"]["attachment"] == "a bird"
    assert _MOMENT.fullmatch(made["created_at"])
    # Absent until they are set.
    assert made.keys().isdisjoint({"unique_id", "tags", "response", "completed_at"})
    assert _ok(scale.get(f"task/{made['task_id']}")) == made


def test_what_a_client_sends_beside_the_known_keys_is_kept(scale: Scale) -> None:
    scale.project()

    made = scale.task(
        instruction="Look twice.", metadata={"a": {"b": 1}}, callback_url="https://e.test", unique_id="u", priority=30
    )

    assert made["instruction"] == "Look twice.\n\nWhich bird?"
    assert (made["metadata"], made["callback_url"], made["unique_id"]) == ({"a": {"b": 1}}, "https://e.test", "u")
    assert made["params"]["priority"] == 30


def test_a_unique_id_names_the_task_that_has_it(scale: Scale, stranger: Scale, books: None) -> None:
    scale.project()
    first = scale.task(unique_id="photo/1 ä")

    status, message = _error(
        scale.post("task/categorization", {"project": "birds", "attachment": "x", "unique_id": "photo/1 ä"})
    )

    assert status == 409
    assert first["task_id"] in message
    (found,) = _ok(scale.get("tasks", unique_id="photo/1 ä"))["docs"]
    assert found == first
    assert _ok(stranger.get("tasks", unique_id="photo/1 ä"))["docs"] == []


def test_a_batch_alone_decides_the_project(scale: Scale) -> None:
    scale.project()
    scale.project("others")
    scale.batch()

    made = _ok(scale.post("task/categorization", {"batch": "monday", "attachment": "x"}))

    assert (made["project"], made["batch"]) == ("birds", "monday")


def test_a_batch_of_another_project_is_refused(scale: Scale) -> None:
    made = scale.project()
    scale.project("others")
    scale.batch()

    refused = scale.post("task/categorization", {"project": "others", "batch": "monday", "attachment": "x"})

    assert _error(refused)[0] == 400
    assert [error["pointer"] for error in refused.get_json()["errors"]] == ["/batch"]
    assert scale.task(project=made["id"], batch="monday")["batch"] == "monday"


def test_categories_of_a_task_are_those_of_its_project(scale: Scale) -> None:
    scale.project()

    assert scale.task(categories=["crow", "rook"])["params"]["categories"] == ["crow", "rook"]
    other = {"project": "birds", "attachment": "x", "categories": ["rook", "crow"]}
    assert _error(scale.post("task/categorization", other))[0] == 400


def test_without_funds_a_task_is_refused_with_402(client: FlaskClient, token: Token, db: Session, books: None) -> None:
    poor = factories.create_requester(db, funds=None)
    db.commit()
    scale = Scale(client, token("requester", poor.id))
    scale.project()

    refused = scale.post("task/categorization", {"project": "birds", "attachment": "x"})

    assert _error(refused)[0] == 402
    assert refused.get_json()["type"] == "/problems/insufficient-funds"
    assert _ok(scale.get("tasks"))["total"] == 0


@pytest.mark.parametrize("body", [{"attachment": "x"}, {"project": "birds", "metadata": []}, {"project": 1}])
def test_a_task_that_cannot_be_is_refused(scale: Scale, body: dict[str, Any]) -> None:
    scale.project()

    assert _error(scale.post("task/categorization", body))[0] in {400, 422}


def test_a_completed_task_has_its_response(scale: Scale, db: Session, books: None) -> None:
    scale.project(overlap_max=1, confidence_target=0.5, expert_share=0.0)
    made = scale.task()
    factories.answer(db, factories.create_worker(db), "rook")
    factories.settle(db)
    db.commit()

    shown = _ok(scale.get(f"task/{made['task_id']}"))

    assert shown["status"] == "completed"
    assert (shown["response"]["category"], shown["response"]["settled_by"]) == ("rook", "consensus")
    assert 0.5 <= shown["response"]["confidence"] <= 1
    assert _MOMENT.fullmatch(shown["completed_at"])
    assert "wrk_" not in str(shown)


# Cancelled


def test_a_task_that_nobody_began_can_be_cancelled_twice(scale: Scale, books: None) -> None:
    scale.project()
    made = scale.task()

    first = _ok(scale.post(f"task/{made['task_id']}/cancel"))
    again = _ok(scale.post(f"task/{made['task_id']}/cancel"))

    assert first["status"] == "canceled"
    assert again == first


def test_a_task_in_work_is_refused_with_400_which_the_sdk_can_read(scale: Scale, db: Session, books: None) -> None:
    scale.project()
    made = scale.task()
    factories.claim(db, factories.create_worker(db))
    db.commit()

    assert _error(scale.post(f"task/{made['task_id']}/cancel"))[0] == 400
    assert _ok(scale.get(f"task/{made['task_id']}"))["status"] == "pending"


# Lists of tasks


def test_tasks_are_listed_newest_first_and_next_token_leads_on(scale: Scale) -> None:
    scale.project()
    made = [scale.task()["task_id"] for _ in range(5)]

    first = _ok(scale.get("tasks", limit=2))
    second = _ok(scale.get("tasks", limit=2, next_token=first["next_token"]))
    third = _ok(scale.get("tasks", limit=2, next_token=second["next_token"]))

    seen = [task["task_id"] for page in (first, second, third) for task in page["docs"]]
    assert seen == made[::-1]
    assert [page["has_more"] for page in (first, second, third)] == [True, True, False]
    assert "next_token" not in third
    assert (first["total"], first["limit"], first["offset"]) == (5, 2, 0)


def test_tasks_are_filtered(scale: Scale) -> None:
    scale.project()
    scale.project("others")
    scale.batch()
    one = scale.task(unique_id="u")
    two = scale.task(batch="monday")
    three = scale.task(project="others")
    _ok(scale.post(f"task/{three['task_id']}/cancel"))

    def found(**query: Any) -> set[str]:
        return {task["task_id"] for task in _ok(scale.get("tasks", **query))["docs"]}

    assert found() == {one["task_id"], two["task_id"], three["task_id"]}
    assert found(project="birds") == {one["task_id"], two["task_id"]}
    assert found(batch="monday") == {two["task_id"]}
    assert found(status="canceled") == {three["task_id"]}
    assert found(status="pending", project="others") == set()
    assert found(unique_id="u") == {one["task_id"]}


def test_parameters_that_are_not_known_are_let_through(scale: Scale) -> None:
    scale.project()

    assert _ok(scale.get("tasks", include_attachment_url="True", limited_response="False"))["docs"] == []


@pytest.mark.parametrize("limit", ["0", "101", "-1", "many"])
def test_a_page_has_one_to_a_hundred_tasks(scale: Scale, limit: str) -> None:
    assert _error(scale.get("tasks", limit=limit))[0] == 422


# Errors


def test_what_belongs_to_another_requester_does_not_exist(scale: Scale, stranger: Scale, books: None) -> None:
    scale.project()
    scale.batch()
    task = scale.task()["task_id"]

    for response in (
        stranger.get("projects/birds"),
        stranger.get("batches/monday"),
        stranger.get("batches/monday/status"),
        stranger.post("batches/monday/finalize"),
        stranger.get(f"task/{task}"),
        stranger.post(f"task/{task}/cancel"),
        stranger.get("tasks", project="birds"),
        stranger.post("task/categorization", {"project": "birds", "attachment": "x"}),
    ):
        assert _error(response)[0] == 404


@pytest.mark.parametrize("path", ["nowhere", "task/", "projects/none", f"task/tsk_{'0' * 26}", "task/%00"])
def test_every_error_has_the_shape_that_the_sdk_reads(scale: Scale, path: str) -> None:
    assert _error(scale.get(path))[0] == 404


def test_a_wrong_method_and_a_broken_body_too(scale: Scale) -> None:
    assert _error(scale.client.put("/v1/projects", headers=scale.headers))[0] == 405
    assert _error(scale.client.post("/v1/projects", data="{", headers=scale.headers))[0] == 400


def test_a_bad_key_is_401(client: FlaskClient) -> None:
    assert _error(Scale(client, "live_wrong").get("projects"))[0] == 401
    assert _error(client.get("/v1/projects"))[0] == 401


@pytest.mark.parametrize("role", ["worker", "ops", "finance"])
def test_the_surface_is_for_requesters(client: FlaskClient, token: Token, role: str) -> None:
    assert _error(Scale(client, token(role)).get("projects"))[0] == 403

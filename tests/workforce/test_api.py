"""The workforce routes over HTTP: what workers, requesters and ops send, see, and are refused."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from foundation import ids
from quality import checking
from quality.events import ReliabilityChanged
from tests import factories
from tests.conftest import age
from workforce import assignment, tiers
from workforce.models import Kind, Project, Task, Worker, WorkerStatus

Token = Callable[..., str]
RATES = [{"tier": 0, "amount": "0.02", "currency": "USD"}, {"tier": 4, "amount": "0.60", "currency": "USD"}]


def _as(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def _problem(response: TestResponse) -> tuple[int, str]:
    assert response.content_type == "application/problem+json"
    return response.status_code, response.get_json()["type"].removeprefix("/problems/")


@pytest.fixture
def project(db: Session) -> Project:
    """A project with two open tasks that want two answers each."""
    project = factories.create_project(db, overlap_min=2, instruction="Which bird?")
    for _ in range(2):
        factories.create_task(db, project)
    db.commit()
    return project


@pytest.fixture
def worker(db: Session) -> Worker:
    """An active worker."""
    worker = factories.create_worker(db)
    db.commit()
    return worker


@pytest.fixture
def as_worker(worker: Worker, token: Token) -> dict[str, str]:
    """The worker's header."""
    return _as(token("worker", worker.id))


def _claim(client: FlaskClient, header: dict[str, str], **body: Any) -> TestResponse:
    return client.post("/api/claims", json=body, headers=header)


def _answer(client: FlaskClient, header: dict[str, str], lease: dict[str, Any], **changes: Any) -> TestResponse:
    body = {"fence": lease["fence"], "payload": {"category": "rook"}, **changes}
    return client.post(f"/api/assignments/{lease['id']}/answer", json=body, headers=header)


# Workers


def test_an_applicant_sees_themselves_and_cannot_claim(client: FlaskClient) -> None:
    applied = client.post("/api/applications", json={"name": "Ada", "country": "KE"})
    header = _as(applied.get_json()["token"])

    me = client.get("/api/me", headers=header).get_json()

    assert applied.status_code == 201
    assert (me["worker"]["name"], me["worker"]["status"], me["tiers"]) == ("Ada", "applicant", [])
    assert _problem(_claim(client, header)) == (403, "not-active")


@pytest.mark.parametrize("body", [{}, {"name": "Ada"}, {"name": " ", "country": "KE"}, {"name": "A", "country": "ke"}])
def test_an_application_needs_a_name_and_a_country(client: FlaskClient, body: dict[str, str]) -> None:
    assert _problem(client.post("/api/applications", json=body)) == (422, "invalid")


def test_a_claim_shows_the_task_and_its_pay(
    client: FlaskClient, project: Project, as_worker: dict[str, str], books: None
) -> None:
    response = _claim(client, as_worker)

    lease = response.get_json()
    assert response.status_code == 201
    assert (lease["pay"], lease["currency"], lease["kind"], lease["fence"]) == ("0.0200", "USD", "answer", 1)
    assert (lease["instruction"], lease["labels"]) == ("Which bird?", ["crow", "rook"])
    assert "worker_id" not in lease


def test_nothing_to_claim_is_an_empty_204(client: FlaskClient, as_worker: dict[str, str]) -> None:
    response = _claim(client, as_worker)

    assert (response.status_code, response.data) == (204, b"")


def test_a_claim_may_name_project_and_kind(client: FlaskClient, project: Project, as_worker: dict[str, str]) -> None:
    assert _claim(client, as_worker, project_id=ids.new("prj")).status_code == 204
    assert _claim(client, as_worker, project_id=project.id, kind="answer").status_code == 201
    assert _claim(client, as_worker, kind="adjudication").status_code == 204


@pytest.mark.parametrize("body", [{"project_id": "birds"}, {"kind": "gold"}, {"tier": 4}])
def test_a_claim_that_cannot_be_is_refused(client: FlaskClient, as_worker: dict[str, str], body: Any) -> None:
    assert _problem(_claim(client, as_worker, **body)) == (422, "invalid")


def test_the_cap_on_leases_is_a_conflict(
    client: FlaskClient, project: Project, as_worker: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assignment, "LEASES_MAX", 1)
    _claim(client, as_worker)

    assert _problem(_claim(client, as_worker)) == (409, "lease-cap-reached")


def test_an_answer_is_acknowledged_and_listed(
    client: FlaskClient, project: Project, as_worker: dict[str, str], books: None
) -> None:
    lease = _claim(client, as_worker).get_json()

    response = _answer(client, as_worker, lease)

    answer = response.get_json()
    assert (response.status_code, answer["status"], answer["late"]) == (201, "submitted", False)
    assert answer["payload"] == {"category": "rook"}
    assert client.get("/api/me/answers", headers=as_worker).get_json()["items"] == [answer]
    assert client.get("/api/me/assignments", headers=as_worker).get_json()["items"] == []


def test_what_is_held_is_listed_renewed_and_released(
    client: FlaskClient, project: Project, as_worker: dict[str, str], books: None
) -> None:
    lease = _claim(client, as_worker).get_json()
    body = {"fence": lease["fence"]}

    listed = client.get("/api/me/assignments", headers=as_worker).get_json()["items"]
    renewed = client.post(f"/api/assignments/{lease['id']}/renewal", json=body, headers=as_worker)
    released = client.post(f"/api/assignments/{lease['id']}/release", json=body, headers=as_worker)
    again = client.post(f"/api/assignments/{lease['id']}/release", json=body, headers=as_worker)

    assert [(row["id"], row["pay"]) for row in listed] == [(lease["id"], "0.0200")]
    assert (renewed.status_code, renewed.get_json()["status"]) == (200, "leased")
    assert (released.status_code, released.get_json()["status"]) == (200, "released")
    assert _problem(again) == (409, "lease-over")


def test_an_answer_that_cannot_count_says_why(
    client: FlaskClient, project: Project, as_worker: dict[str, str], token: Token, books: None
) -> None:
    lease = _claim(client, as_worker).get_json()
    stranger = _as(token("worker"))

    refused = {
        "fence": _problem(_answer(client, as_worker, lease, fence=lease["fence"] + 1)),
        "payload": _problem(_answer(client, as_worker, lease, payload={"category": "raven"})),
        "shape": _problem(_answer(client, as_worker, lease, payload="rook")),
        "stranger": _problem(_answer(client, stranger, lease)),
        "unknown": _problem(_answer(client, as_worker, {**lease, "id": "asg_unknown"})),
    }
    _answer(client, as_worker, lease)
    refused["again"] = _problem(_answer(client, as_worker, lease))

    assert refused == {
        "fence": (409, "lease-taken"),
        "payload": (422, "invalid"),
        "shape": (422, "invalid"),
        "stranger": (404, "no-such-assignment"),
        "unknown": (404, "no-such-assignment"),
        "again": (409, "already-answered"),
    }


def test_an_answer_sent_again_with_its_key_gets_the_first_reply(
    client: FlaskClient, project: Project, as_worker: dict[str, str], books: None
) -> None:
    lease = _claim(client, as_worker).get_json()
    keyed = {**as_worker, "Idempotency-Key": "one"}

    first, again = _answer(client, keyed, lease), _answer(client, keyed, lease)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data


def test_a_late_answer_says_so(
    client: FlaskClient, project: Project, as_worker: dict[str, str], db: Session, books: None
) -> None:
    lease = _claim(client, as_worker).get_json()
    age(db, "assignments", "lease_expires_at", 86_400)
    db.commit()

    assert _answer(client, as_worker, lease).get_json()["late"] is True


def test_an_expert_reads_the_dossier_of_what_they_hold(
    client: FlaskClient, token: Token, db: Session, books: None
) -> None:
    factories.create_escalated(db)
    expert = factories.create_worker(db, tier=4)
    db.commit()
    header = _as(token("worker", expert.id))
    lease = _claim(client, header).get_json()

    dossier = client.get(f"/api/assignments/{lease['id']}/dossier", headers=header).get_json()

    assert lease["kind"] == "adjudication"
    assert set(dossier["posterior"]) == {"crow", "rook"}
    shown = {"pseudonym", "category", "payload", "reliability"}
    assert [set(answer) for answer in dossier["answers"]] == [shown] * 2
    assert "wrk_" not in str(dossier)


def test_a_crowd_lease_has_no_dossier(client: FlaskClient, project: Project, as_worker: dict[str, str]) -> None:
    lease = _claim(client, as_worker).get_json()

    assert _problem(client.get(f"/api/assignments/{lease['id']}/dossier", headers=as_worker)) == (404, "not-found")


# Ops


def test_ops_activate_suspend_and_list_workers(client: FlaskClient, token: Token, db: Session) -> None:
    worker = factories.create_worker(db, status=WorkerStatus.APPLICANT)
    db.commit()
    ops = _as(token("ops"))

    statuses = [
        client.post(f"/api/workers/{worker.id}/{act}", headers=ops).get_json()["status"]
        for act in ("activation", "activation", "suspension", "activation", "suspension")
    ]

    assert statuses == ["active", "active", "suspended", "active", "suspended"]
    listed = client.get("/api/workers?status=suspended", headers=ops).get_json()["items"]
    assert [row["id"] for row in listed] == [worker.id]
    assert client.get("/api/workers?status=active", headers=ops).get_json()["items"] == []


def test_a_suspension_acts_on_the_next_request(
    client: FlaskClient, project: Project, worker: Worker, as_worker: dict[str, str], token: Token
) -> None:
    assert _claim(client, as_worker).status_code == 201

    client.post(f"/api/workers/{worker.id}/suspension", headers=_as(token("ops")))

    assert _problem(_claim(client, as_worker)) == (403, "not-active")


def test_moves_that_cannot_be_are_refused(client: FlaskClient, token: Token, db: Session) -> None:
    applicant = factories.create_worker(db, status=WorkerStatus.APPLICANT)
    db.commit()
    ops = _as(token("ops"))

    assert _problem(client.post(f"/api/workers/{applicant.id}/suspension", headers=ops)) == (409, "move-not-allowed")
    assert _problem(client.post(f"/api/workers/{ids.new('wrk')}/activation", headers=ops)) == (404, "not-found")
    assert _problem(client.get("/api/workers?status=asleep", headers=ops)) == (422, "invalid")


def test_ops_move_a_worker_on_a_ladder(
    client: FlaskClient, worker: Worker, as_worker: dict[str, str], token: Token
) -> None:
    address = f"/api/workers/{worker.id}/tiers/lang.sw"
    ops = _as(token("ops"))

    response = client.put(address, json={"tier": 3, "reason": "exam"}, headers=ops)

    assert (response.status_code, response.get_json()) == (200, {"skill": "lang.sw", "tier": 3})
    assert client.get("/api/me", headers=as_worker).get_json()["tiers"] == [{"skill": "lang.sw", "tier": 3}]
    for body in (
        {"tier": 5, "reason": "x"},
        {"reason": "x"},
        {"tier": 3},
        {"tier": 3, "reason": ""},
        {"tier": "3", "reason": "x"},
    ):
        assert _problem(client.put(address, json=body, headers=ops)) == (422, "invalid")
    nobody = client.put(f"/api/workers/{ids.new('wrk')}/tiers/lang.sw", json={"tier": 1, "reason": "x"}, headers=ops)
    assert _problem(nobody) == (404, "not-found")


def test_a_worker_reads_why_they_were_moved_and_by_which_rule(
    client: FlaskClient, worker: Worker, as_worker: dict[str, str], token: Token
) -> None:
    body = {"tier": 2, "reason": "You passed the exam."}
    client.put(f"/api/workers/{worker.id}/tiers/lang.sw", json=body, headers=_as(token("ops")))

    (mine,) = client.get("/api/me/tiers", headers=as_worker).get_json()["items"]
    (move,) = client.get("/api/me/tier-moves", headers=as_worker).get_json()["items"]
    ladder = client.get("/api/ladders/lang.sw", headers=as_worker).get_json()

    assert (mine["skill"], mine["tier"], mine["name"], mine["next_reach"]) == ("lang.sw", 2, "regular", 0.82)
    assert (mine["move_id"], mine["reason"]) == (move["id"], "You passed the exam.")
    assert (move["cause"], move["reason"], move["n"]) == ("ops", "You passed the exam.", None)
    assert (ladder["id"], ladder["skill"], ladder["version"]) == (mine["rule_id"], "ALL", 1)
    assert [step["name"] for step in ladder["steps"]] == ["candidate", "novice", "regular", "senior", "expert"]
    assert _problem(client.get("/api/ladders/Lang", headers=as_worker)) == (404, "not-found")


def test_ops_see_a_workers_tiers_moves_and_what_was_checked(
    client: FlaskClient, worker: Worker, token: Token, db: Session
) -> None:
    project = factories.create_gold_project(db)
    for _ in range(6):
        known = factories.create_gold(db, project).task_id
        where = {"p": project.id, "t": known, "v": worker.id}
        db.execute(text("INSERT INTO votes (project_id, task_id, voter_id, label) VALUES (:p, :t, :v, 0)"), where)
        checking.check(db, project.id, met=[(known, worker.id)])
    checking.count(db)
    tiers.follow(db, [ReliabilityChanged(worker.id, project.skill, 6, 0, 0.0, 0.6)])
    db.commit()
    ops = _as(token("ops"))

    (seen,) = client.get(f"/api/workers/{worker.id}/tiers", headers=ops).get_json()["items"]
    (move,) = client.get(f"/api/workers/{worker.id}/tier-moves", headers=ops).get_json()["items"]
    checks = client.get(f"/api/workers/{worker.id}/checks?skill={project.skill}", headers=ops).get_json()["items"]

    assert (seen["tier"], seen["name"], seen["n_seen"], seen["n"]) == (0, "candidate", 6, 0)
    assert (move["cause"], move["n"], move["n_right"]) == ("demotion", 6, 0)
    assert sorted(check["seq"] for check in checks) == [1, 2, 3, 4, 5, 6]
    assert {(check["source"], check["is_right"]) for check in checks} == {("gold", False)}
    assert client.get(f"/api/workers/{worker.id}/checks?skill=lang", headers=ops).get_json()["items"] == []
    for path in ("tiers", "tier-moves"):
        assert _problem(client.get(f"/api/workers/{ids.new('wrk')}/{path}", headers=ops)) == (404, "not-found")
    assert _problem(client.get("/api/workers/nobody/checks", headers=ops)) == (404, "not-found")


def test_two_people_of_ops_override_the_rule_for_some_days(
    client: FlaskClient, worker: Worker, as_worker: dict[str, str], token: Token
) -> None:
    ada, bob = _as(token("ops", "ada")), _as(token("ops", "bob"))
    body = {"skill": "lang.sw", "tier": 3, "reason": "Born there.", "days": 30}
    address = f"/api/workers/{worker.id}/tier-overrides"

    made = client.post(address, json=body, headers=ada)
    override = made.get_json()
    decided = f"/api/tier-overrides/{override['id']}"

    assert (made.status_code, override["state"], override["ends_at"]) == (201, "proposed", None)
    assert _problem(client.post(address, json=body, headers=bob)) == (409, "override-open")
    assert _problem(client.post(f"{decided}/approval", headers=_as(token("ops", "ada")))) == (409, "same-person")
    assert _problem(client.post(f"{decided}/approval", headers=_as(token("ops", worker.id)))) == (409, "for-oneself")
    assert client.post(f"{decided}/approval", headers=bob).get_json()["state"] == "active"
    (mine,) = client.get("/api/me/tiers", headers=as_worker).get_json()["items"]
    assert (mine["tier"], mine["cause"], mine["reason"]) == (3, "override", "Born there.")
    assert mine["pinned_until"] is not None
    change = {"tier": 1, "reason": "x"}
    refused = client.put(f"/api/workers/{worker.id}/tiers/lang.sw", json=change, headers=ada)
    assert _problem(refused) == (409, "tier-pinned")
    assert _problem(client.post(f"{decided}/refusal", headers=ada)) == (409, "override-decided")
    listed = client.get(f"/api/tier-overrides?state=active&worker_id={worker.id}&skill=lang.sw", headers=ada)
    assert [one["id"] for one in listed.get_json()["items"]] == [override["id"]]
    assert client.post(f"{decided}/end", headers=ada).get_json()["state"] == "ended"
    assert _problem(client.post(f"/api/tier-overrides/{ids.new('ovr')}/end", headers=ada)) == (404, "no-such-override")
    for wrong in ({"days": 0}, {"days": 366}, {"tier": 5}, {"reason": ""}, {"skill": 1}):
        assert _problem(client.post(address, json={**body, **wrong}, headers=ada)) == (422, "invalid")


def test_ops_see_what_waits_for_an_expert(client: FlaskClient, token: Token, db: Session, books: None) -> None:
    _, task = factories.create_escalated(db)
    db.commit()

    (row,) = client.get("/api/escalations", headers=_as(token("ops"))).get_json()["items"]

    assert (row["task_id"], row["n_votes"]) == (task.id, 2)
    assert 0 < row["confidence"] < 1
    assert row["reason"]


def test_a_new_requester_gets_a_token_that_works(client: FlaskClient, token: Token) -> None:
    made = client.post("/api/requesters", json={"name": "Museum"}, headers=_as(token("admin")))

    body = made.get_json()
    assert made.status_code == 201
    assert client.get("/api/projects", headers=_as(body["token"])).get_json()["items"] == []
    listed = client.get("/api/requesters", headers=_as(token("finance"))).get_json()["items"]
    assert [row["name"] for row in listed] == ["Museum"]
    assert "token" not in str(listed)


# Requesters


def _new_project(client: FlaskClient, header: dict[str, str], **changes: Any) -> TestResponse:
    body = {"name": "birds", "labels": ["crow", "rook"], "rates": RATES, **changes}
    return client.post("/api/projects", json=body, headers=header)


@pytest.fixture
def requester(token: Token, db: Session) -> dict[str, str]:
    """The header of a requester with money."""
    requester = factories.create_requester(db)
    db.commit()
    return _as(token("requester", requester.id))


def test_a_project_is_made_and_read_back(client: FlaskClient, requester: dict[str, str]) -> None:
    settings = {"overlap_min": 2, "overlap_max": 4, "confidence_target": 0.8, "tier_min": 2, "params": {"a": [1]}}

    made = _new_project(client, requester, **settings)

    project = made.get_json()
    assert made.status_code == 201
    assert {name: project[name] for name in settings} == settings
    assert client.get(f"/api/projects/{project['id']}", headers=requester).get_json() == project
    assert project.pop("below_floor") == []
    assert client.get("/api/projects", headers=requester).get_json()["items"] == [project]


def test_a_price_below_the_floor_is_told_before_any_task_is_sent(
    client: FlaskClient, requester: dict[str, str], db: Session
) -> None:
    factories.enter_floor_rule(db, confirmed=True)
    rates = [{"tier": 0, "amount": "0.02", "currency": "USD"}]

    made = _new_project(client, requester, rates=rates, estimated_seconds=20).get_json()
    path = f"/api/projects/{made['id']}/rates/preview"
    dearer = [{"tier": 0, "amount": "0.0278", "currency": "USD", "region": "KE"}]
    foreseen = client.post(path, json={"rates": dearer, "estimated_seconds": 20}, headers=requester).get_json()
    slower = client.post(path, json={"rates": dearer, "estimated_seconds": 21}, headers=requester).get_json()
    untold = client.post(path, json={"rates": rates}, headers=requester).get_json()

    assert made["below_floor"] == [
        {
            "region": "KE",
            "seconds": 20,
            "price": "0.0200",
            "least": "0.0278",
            "currency": "USD",
            "sentence": "At 20 seconds an answer, 0.0200 USD is 3.6000 an hour, below the floor of 5.0000 in KE; "
            "pay 0.0278 at least.",
        }
    ]
    assert (foreseen["below_floor"], untold["below_floor"]) == ([], [])
    assert [row["region"] for row in slower["below_floor"]] == ["KE"]


def test_how_long_answers_take_is_learned_from_those_there_are(
    client: FlaskClient, token: Token, project: Project, worker: Worker, db: Session
) -> None:
    # Whatever takes a second is worth more than the card pays.
    factories.enter_floor_rule(db, "100", confirmed=True)
    header = _as(token("requester", project.requester_id))
    before = client.get(f"/api/projects/{project.id}", headers=header).get_json()
    factories.answer(db, worker, project=project)
    factories.settle(db)
    db.commit()

    shown = client.get(f"/api/projects/{project.id}", headers=header).get_json()

    assert before["below_floor"] == []
    assert [(row["region"], row["price"]) for row in shown["below_floor"]] == [("KE", "0.0200")]


BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "one label": ({"labels": ["crow"]}, 422, "invalid"),
    "a label twice": ({"labels": ["crow", "crow"]}, 422, "invalid"),
    "no price": ({"rates": []}, 422, "invalid"),
    "a price twice": ({"rates": [RATES[0], RATES[0]]}, 422, "rates-repeat"),
    "two currencies": ({"rates": [RATES[0], {**RATES[1], "currency": "EUR"}]}, 422, "rates-mix-currencies"),
    "a price too fine": ({"rates": [{**RATES[0], "amount": "0.00001"}]}, 422, "amount-invalid"),
    "overlaps out of order": ({"overlap_min": 5, "overlap_max": 4}, 422, "invalid"),
    "overlap above the default cap": ({"overlap_min": 99}, 422, "invalid"),
    "cap below the default overlap": ({"overlap_max": 1}, 422, "invalid"),
    "certainty": ({"confidence_target": 1.0}, 422, "invalid"),
    "an unknown setting": ({"colour": "black"}, 422, "invalid"),
}


@pytest.mark.parametrize(("changes", "status", "problem"), BAD.values(), ids=BAD.keys())
def test_a_project_that_cannot_be_is_refused(
    client: FlaskClient, requester: dict[str, str], changes: dict[str, Any], status: int, problem: str
) -> None:
    assert _problem(_new_project(client, requester, **changes)) == (status, problem)


_UNKNOWN = {**RATES[1], "currency": "XXX"}
PLACES: dict[str, tuple[dict[str, Any], str]] = {
    "a label twice": ({"labels": ["crow", "crow"]}, "/labels"),
    "a price twice": ({"rates": [*RATES, RATES[0]]}, "/rates/2"),
    "two currencies": ({"rates": [RATES[0], {**RATES[1], "currency": "EUR"}]}, "/rates/1/currency"),
    "a currency of no books": ({"rates": [RATES[0], _UNKNOWN]}, "/rates/1/currency"),
    "a price too fine": ({"rates": [*RATES, {**RATES[0], "tier": 1, "amount": "0.00001"}]}, "/rates/2/amount"),
    "a price of nothing": ({"rates": [{**RATES[0], "amount": "0"}]}, "/rates/0/amount"),
    "an amount that is none": ({"rates": [{**RATES[0], "amount": "1e3"}]}, "/rates/0/amount"),
    "overlap above the default cap": ({"overlap_min": 99}, "/overlap_min"),
}


@pytest.mark.parametrize(("changes", "place"), PLACES.values(), ids=PLACES.keys())
def test_a_project_that_cannot_be_is_told_where_it_is_wrong_on_both_surfaces(
    client: FlaskClient, requester: dict[str, str], changes: dict[str, Any], place: str
) -> None:
    ours = _new_project(client, requester, **changes)
    params = {"labels": ["crow", "rook"], "rates": RATES, **changes}
    params["categories"] = params.pop("labels")
    scales = client.post("/v1/projects", json={"name": "birds", "params": params}, headers=requester)

    there = "/params" + place.replace("/labels", "/categories")
    assert [error["pointer"] for error in ours.get_json()["errors"]] == [place]
    assert [error["pointer"] for error in scales.get_json()["errors"]] == [there]
    assert ours.status_code == scales.status_code == 422


@pytest.mark.parametrize("name", [*(f"{prefix}_{'0' * 26}" for prefix in ("prj", "bat", "wrk")), "/birds", ".", ".."])
def test_a_name_that_could_not_be_found_again_is_refused(
    client: FlaskClient, requester: dict[str, str], name: str
) -> None:
    response = _new_project(client, requester, name=name)

    assert _problem(response) == (422, "invalid")
    assert [error["pointer"] for error in response.get_json()["errors"]] == ["/name"]


def test_a_project_name_is_taken_once(client: FlaskClient, requester: dict[str, str]) -> None:
    _new_project(client, requester)

    assert _problem(_new_project(client, requester)) == (409, "name-taken")


def test_a_requester_follows_progress_and_results(client: FlaskClient, token: Token, db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=1, overlap_max=1, confidence_target=0.5, expert_share=0.0)
    task = factories.create_task(db, project, unique_id="photo 1")
    factories.answer_all(db, project, "rook")
    factories.settle(db)
    db.commit()
    header = _as(token("requester", project.requester_id))

    progress = client.get(f"/api/projects/{project.id}/progress", headers=header).get_json()
    (shown,) = client.get(f"/api/projects/{project.id}/tasks", headers=header).get_json()["items"]

    assert (progress["tasks"]["settled"], progress["answers"], progress["spent"]) == (1, 1, "0.0240")
    assert (shown["id"], shown["unique_id"], shown["label"]) == (task.id, "photo 1", 1)
    assert (shown["status"], shown["settled_by"]) == ("settled", "consensus")
    assert "wrk_" not in str(shown)


@pytest.mark.parametrize("path", ["", "/progress", "/tasks"])
def test_another_requesters_project_does_not_exist(
    client: FlaskClient, project: Project, requester: dict[str, str], path: str
) -> None:
    response = client.get(f"/api/projects/{project.id}{path}", headers=requester)

    assert _problem(response) == (404, "no-such-project")


def test_tasks_come_in_pages_newest_first(client: FlaskClient, project: Project, token: Token, db: Session) -> None:
    header = _as(token("requester", project.requester_id))
    address = f"/api/projects/{project.id}/tasks"

    first = client.get(address, query_string={"limit": 1}, headers=header).get_json()
    second = client.get(address, query_string={"limit": 1, "cursor": first["next_cursor"]}, headers=header).get_json()

    made = sorted((task.id for task in db.query(Task)), reverse=True)
    assert [page["items"][0]["id"] for page in (first, second)] == made
    assert second["next_cursor"] is None


# Who may what

ROUTES = {
    "work": [("GET", "/api/me"), ("POST", "/api/claims"), ("GET", "/api/me/answers"), ("GET", "/api/me/assignments")],
    "ops": [("GET", "/api/workers"), ("GET", "/api/escalations"), ("POST", "/api/workers/wrk_x/activation")],
    "requester": [("GET", "/api/projects"), ("POST", "/api/projects"), ("GET", "/api/projects/prj_x/tasks")],
}
ROLES = {"work": "worker", "ops": "ops", "requester": "requester"}
FORBIDDEN = [
    (method, path, role)
    for scope, routes in ROUTES.items()
    for method, path in routes
    for role in [*ROLES.values(), "finance", "admin"]
    if role != ROLES[scope]
]


@pytest.mark.parametrize(("method", "path", "role"), FORBIDDEN)
def test_a_route_is_for_its_own_role_alone(
    client: FlaskClient, token: Token, method: str, path: str, role: str
) -> None:
    assert _problem(client.open(path, method=method, headers=_as(token(role)))) == (403, "scope-missing")


@pytest.mark.parametrize("role", ["worker", "requester", "finance"])
def test_only_ops_and_admin_open_requesters(client: FlaskClient, token: Token, role: str, db: Session) -> None:
    response = client.post("/api/requesters", json={"name": "x"}, headers=_as(token(role)))

    assert _problem(response) == (403, "scope-missing")
    assert db.scalar(text("SELECT count(*) FROM requesters WHERE name = 'x'")) == 0


# How good a project's labels are


_FIGURES = ("agreement", "confusion", "calibration", "cost-curve")


def _decided(db: Session) -> Project:
    """A project with a task that two agreed on and a spot check has been made of."""
    project = factories.create_project(
        db, overlap_min=2, overlap_max=2, confidence_target=0.6, spot_share=1.0, expert_share=1.0
    )
    factories.create_task(db, project)
    factories.answer_all(db, project, "rook", "rook")
    factories.settle(db)
    factories.answer(db, factories.create_worker(db, tier=4), project=project, kind=Kind.ADJUDICATION)
    factories.settle(db)
    db.commit()
    return project


def test_requesters_see_how_good_the_labels_of_their_project_are(
    client: FlaskClient, token: Token, db: Session, books: None
) -> None:
    project = _decided(db)
    header = _as(token("requester", project.requester_id))

    seen = {name: client.get(f"/api/projects/{project.id}/{name}", headers=header).get_json() for name in _FIGURES}

    assert seen["agreement"] == {"alpha": None, "observed": 1.0, "expected": 1.0, "n_tasks": 1, "n_votes": 2}
    assert [sum(row) for row in seen["confusion"]["confusion"]] == pytest.approx([1.0, 1.0])
    assert (seen["confusion"]["counts"], seen["confusion"]["n_votes"]) == ([[0.0, 0.0], [0.0, 2.0]], 2)
    (checked,) = seen["calibration"]["sampled"]
    assert (checked["n_tasks"], checked["right"], checked["right_high"]) == (1, 1.0, 1.0)
    assert checked["right_low"] == pytest.approx(0.05, abs=1e-3)
    assert seen["calibration"]["adjudicated"] == []
    assert (seen["cost-curve"]["n_tasks"], seen["cost-curve"]["currency"]) == (1, "USD")
    assert seen["cost-curve"]["expert_price"] == "0.7200"
    assert seen["cost-curve"]["points"][0] == {"confidence": 0.5, "reached": 1.0, "answers": 2.0, "cost": "0.0480"}


@pytest.mark.parametrize("name", _FIGURES)
def test_ops_see_the_figures_of_every_project(
    client: FlaskClient, token: Token, db: Session, project: Project, name: str
) -> None:
    of_requester = client.get(
        f"/api/projects/{project.id}/{name}", headers=_as(token("requester", project.requester_id))
    )
    of_ops = client.get(f"/api/projects/{project.id}/{name}", headers=_as(token("ops")))

    assert of_ops.status_code == 200
    assert of_ops.get_json() == of_requester.get_json()


@pytest.mark.parametrize("name", _FIGURES)
def test_figures_of_no_project_of_yours_are_not_found(
    client: FlaskClient, token: Token, db: Session, project: Project, name: str
) -> None:
    stranger = factories.create_requester(db)
    db.commit()
    for role, subject, of in (
        ("requester", stranger.id, project.id),
        ("ops", None, ids.new("prj")),
        ("ops", None, "x"),
    ):
        header = _as(token(role, subject) if subject else token(role))
        assert _problem(client.get(f"/api/projects/{of}/{name}", headers=header)) == (404, "no-such-project")


def test_figures_of_a_project_without_answers_are_stated_to_be_none(
    client: FlaskClient, token: Token, project: Project
) -> None:
    seen = {
        name: client.get(f"/api/projects/{project.id}/{name}", headers=_as(token("ops"))).get_json()
        for name in _FIGURES
    }

    assert seen == {
        "agreement": {"alpha": None, "observed": None, "expected": None, "n_tasks": 0, "n_votes": 0},
        "confusion": {"confusion": [], "counts": [], "n_votes": 0},
        "calibration": {"sampled": [], "adjudicated": []},
        "cost-curve": {"points": [], "n_tasks": 0, "expert_price": None, "currency": "USD"},
    }


def test_figures_may_not_be_asked_for_all_the_time(client: FlaskClient, token: Token, project: Project) -> None:
    header = _as(token("requester", project.requester_id))

    answers = [
        client.get(f"/api/projects/{project.id}/{_FIGURES[number % 4]}", headers=header) for number in range(2 * 61)
    ]

    # A window may have ended meanwhile.
    refused = [answer for answer in answers if answer.status_code != 200]
    assert 2 <= len(refused) <= 62
    assert _problem(refused[0]) == (429, "limit-reached")

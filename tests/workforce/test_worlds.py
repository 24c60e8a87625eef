"""Test worlds of requesters: all that is done in earnest can be tried, and nothing of it is ever seen in earnest."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.test import TestResponse

import wsgi
from foundation import auth, jobs, worlds
from tests import factories
from tests.attack.assault import everything
from tests.conftest import House, beside
from workforce import teams, why_nothing
from workforce import worlds as test_worlds
from workforce.models import MemberRole

Json = dict[str, Any]
_RATES = [{"tier": 0, "amount": "0.02", "currency": "USD"}]
_WORKER = {"name": "Ada", "country": "KE"}


@dataclass(frozen=True, slots=True)
class Http:
    """Who calls with which token."""

    client: FlaskClient
    token: str

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, headers={"Authorization": f"Bearer {self.token}"}, **options)

    def post(self, path: str, body: Json | None = None) -> TestResponse:
        return self.client.post(path, headers={"Authorization": f"Bearer {self.token}"}, json=body)

    def as_(self, token: str) -> "Http":
        return Http(self.client, token)

    def test_world(self) -> "Http":
        """The same requester in their test world."""
        entered = self.post("/api/me/test-world", {})
        assert entered.status_code == 201, entered.text
        return self.as_(entered.get_json()["token"])

    def worker(self, name: str = "Ada", **said: Any) -> "Http":
        """A test worker of whoever calls from the test world."""
        made = self.post("/api/me/test-workers", {**_WORKER, "name": name, **said})
        assert made.status_code == 201, made.text
        return self.as_(made.get_json()["token"])

    def project(self, name: str = "Birds", tasks: int = 2, **settings: Any) -> str:
        """A project with tasks that want two answers each."""
        said = {"name": name, "labels": ["crow", "rook"], "rates": _RATES, "overlap_min": 2, "overlap_max": 2}
        made = self.post("/api/projects", {**said, "confidence_target": 0.5, "expert_share": 0, **settings})
        assert made.status_code == 201, made.text
        project_id: str = made.get_json()["id"]
        for number in range(tasks):
            params = {"unique_id": f"{name} {number}", "attachment": "a.jpg"}
            sent = self.post(f"/api/projects/{project_id}/tasks", params)
            assert sent.status_code == 201, sent.text
        return project_id

    def answer(self) -> int:
        """Answer all there is; returns how many there were."""
        n = 0
        while (claimed := self.post("/api/claims", {})).status_code == 201:
            lease = claimed.get_json()
            body = {"fence": lease["fence"], "payload": {"category": "rook"}}
            answered = self.post(f"/api/assignments/{lease['id']}/answer", body)
            assert answered.status_code < 300, answered.text
            n += 1
        return n


@pytest.fixture
def requester(client: FlaskClient, token: Callable[..., str]) -> Http:
    """A requester as their own program calls, in the live world."""
    return Http(client, token("requester"))


def _funds(caller: Http) -> dict[str, str]:
    return {one["currency"]: one["available"] for one in caller.get("/api/funds").get_json()["items"]}


def _problem(response: TestResponse) -> tuple[int, str]:
    return response.status_code, response.get_json()["type"].removeprefix("/problems/")


def _settle(house: House) -> None:
    """Let the background do all that is due in the test world."""
    assert house.background.test is not None
    jobs.deliver_all(house.background.test)
    jobs.sweep(house.background.test)


@pytest.fixture
def live(house: House) -> Http:
    """A requester in a house that commits for real, beside whom there is work going on."""
    with house.sessions() as db:
        requester = factories.create_requester(db)
        factories.create_task(db, factories.create_project(db, overlap_min=1, overlap_max=1, confidence_target=0.5))
        factories.answer(db, factories.create_worker(db), project=None)
        factories.settle(db)
        db.commit()
    return Http(house.app.test_client(), house.token("requester", requester.id))


# All that is done in earnest can be tried


def test_a_test_token_does_all_that_a_live_one_does_from_the_project_to_its_labels(house: House, live: Http) -> None:
    test = live.test_world()
    before = _funds(test)
    project_id = test.project(tasks=3)

    answered = [test.worker(name).answer() for name in ("Ada", "Grace")]
    _settle(house)

    assert answered == [3, 3]
    tasks = test.get(f"/api/projects/{project_id}/tasks").get_json()["items"]
    assert [one["status"] for one in tasks] == ["settled"] * 3
    assert test.get(f"/api/projects/{project_id}/labels.csv").text.count("rook") == 3
    assert {currency: float(available) for currency, available in before.items()} == {"EUR": 10_000, "USD": 10_000}
    assert float(before["USD"]) - float(_funds(test)["USD"]) == pytest.approx(6 * 0.02 * 1.2)


def test_test_workers_see_what_they_have_earned(house: House, live: Http) -> None:
    test = live.test_world()
    test.project(tasks=1)
    ada, grace = test.worker("Ada"), test.worker("Grace")
    ada.answer()
    grace.answer()
    _settle(house)

    (earning,) = ada.get("/api/me/earnings").get_json()["items"]
    assert (earning["status"], earning["currency"]) == ("due", "USD")


def test_scales_surface_says_what_is_a_test(live: Http) -> None:
    test = live.test_world()
    test.project("Birds", tasks=1)

    (task,) = test.get("/v1/tasks").get_json()["docs"]

    assert task["is_test"] is True


def test_money_can_be_had_up_to_a_bound(live: Http) -> None:
    test = live.test_world()

    more = test.post("/api/me/test-funds", {"currency": "KES", "amount": "999999"})
    too_much = test.post("/api/me/test-funds", {"currency": "KES", "amount": "2"})

    assert (more.status_code, float(more.get_json()["available"])) == (200, 999_999)
    assert _problem(too_much) == (409, "money-enough")


def test_a_test_worker_is_as_they_are_said_to_be(live: Http) -> None:
    test = live.test_world()
    said = {"languages": [{"language": "sw", "level": "c1"}], "pools": ["vendor"]}
    test.project("Swahili", tasks=1, languages=["sw"], language_level="b2", pools=["vendor"])
    test.project("Seniors", tasks=1, tier_min=3, skill="image.birds")

    plain, fit = test.worker("Plain"), test.worker("Fit", **said, tiers=[{"skill": "image.birds", "tier": 3}])

    assert plain.get("/api/me/available-work").get_json()["items"] == []
    assert len(fit.get("/api/me/available-work").get_json()["items"]) == 2


def test_one_who_is_there_by_that_name_gets_another_token(live: Http) -> None:
    test = live.test_world()
    first = test.worker("Ada")
    second = test.worker("Ada")
    elsewhere = test.post("/api/me/test-workers", {"name": "Ada", "country": "PH"})

    assert first.get("/api/me").status_code == 401
    assert second.get("/api/me").get_json()["worker"]["name"] == "Ada"
    assert [one["name"] for one in test.get("/api/me/test-workers").get_json()["items"]] == ["Ada"]
    assert elsewhere.status_code == 422


def test_nobody_has_test_workers_without_end(live: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_worlds, "WORKERS_MAX", 1)
    test = live.test_world()
    test.worker("Ada")

    assert _problem(test.post("/api/me/test-workers", {**_WORKER, "name": "Grace"})) == (409, "workers-enough")


# Nothing of it is seen in earnest


@pytest.fixture
def tried(house: House, live: Http) -> Callable[[], None]:
    """Lets a requester who has a test world try everything: work that is settled, due, leased and waiting."""
    test = live.test_world()
    token_row = text("UPDATE tokens SET last_used_at = now()")
    with house.sessions() as db:
        db.execute(token_row)
        db.commit()

    def do() -> None:
        test.project("Done", tasks=2)
        for name in ("Ada", "Grace"):
            test.worker(name).answer()
        test.project("Disputed", tasks=2, acceptance="by_requester", expert_share=1, rates=_DEAR)
        test.worker("Ada").answer()
        test.worker("Grace").post("/api/claims", {})
        _settle(house)

    return do


_DEAR = [*_RATES, {"tier": 4, "amount": "0.60", "currency": "USD"}]


def test_no_row_of_the_live_world_changes(house: House, tried: Callable[[], None]) -> None:
    before = everything(house.sessions)

    tried()

    after = everything(house.sessions)
    assert {table for table in before if before[table] != after[table]} == set()


# When something is read is told by what is read, and the database's figures are not about rows.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)")
# These tell of reading itself.
_OF_READING = {"/metrics", "/api/exports"}
_READ = sorted(
    route.path
    for group in wsgi.program.routes
    for route in group.routes
    if route.method == "GET" and "<" not in route.path and not route.policy.public and route.path not in _OF_READING
)


def test_no_list_report_or_queue_of_staff_shows_any_of_it(house: House, live: Http, tried: Callable[[], None]) -> None:
    staff = [live.as_(house.token(role, "Ada")) for role in ("ops", "finance", "admin")]

    def read() -> dict[str, str]:
        return {
            f"{path} {number}": _MOMENT.sub("", answer.text)
            for path in _READ
            for number, one in enumerate(staff)
            if (answer := one.get(path)).status_code == 200
        }

    read()
    before = read()
    tried()
    after = read()

    assert {"/api/payables.csv 1", "/api/queues 0", "/api/trial-balance 1", "/api/payees 1"} <= before.keys()
    assert len(before) > 60
    assert {path for path in before if before[path] != after[path]} == set()


def test_a_real_worker_never_meets_a_task_of_the_test_world(house: House, live: Http) -> None:
    test = live.test_world()
    project_id = test.project(tasks=1)
    held = test.worker().post("/api/claims", {}).get_json()
    with house.sessions() as db:
        worker = factories.create_worker(db)
        db.commit()
        why = why_nothing.ask(db, worker.id, with_hidden=True)
    real = live.as_(house.token("worker", worker.id))

    answer = {"fence": held["fence"], "payload": {"category": "rook"}}
    assert real.post("/api/claims", {}).status_code == 204
    assert real.post("/api/claims", {"project_id": project_id}).status_code == 204
    assert _problem(real.post(f"/api/assignments/{held['id']}/answer", answer)) == (404, "no-such-assignment")
    assert why.removed == []


def test_nobody_is_paid_out_of_the_test_world(house: House, tried: Callable[[], None]) -> None:
    tried()

    with house.sessions() as db, house.test_sessions() as test:
        due = text("SELECT count(*) FROM earnings WHERE status = 'due'")
        assert (db.scalar(due), (test.scalar(due) or 0) > 0) == (1, True)
        with pytest.raises(worlds.LiveWorldAlone):
            auth.issue(test, role="finance", subject_id="Ada")


# Test worlds of several requesters


def test_a_test_worker_sees_nobody_elses_test_projects(db: Session, client: FlaskClient, token: Any) -> None:
    mine, theirs = (Http(client, token("requester")).test_world() for _ in range(2))
    project_id = theirs.project(tasks=1)
    ada = mine.worker()

    assert ada.post("/api/claims", {}).status_code == 204
    assert ada.post("/api/claims", {"project_id": project_id}).status_code == 204
    assert ada.get("/api/me/available-work").get_json()["items"] == []
    assert ada.get("/api/me/why-nothing").get_json()["removed"] == []
    assert theirs.worker().answer() == 1


def test_accounts_of_test_worlds_are_apart(client: FlaskClient, token: Any) -> None:
    mine, theirs = (Http(client, token("requester")).test_world() for _ in range(2))
    project_id = theirs.project(tasks=1)
    theirs.worker()

    assert mine.get(f"/api/projects/{project_id}/progress").status_code == 404
    assert mine.get("/api/me/test-workers").get_json()["items"] == []


# Who comes in, and who is let out


def test_the_first_token_opens_the_test_world_and_the_next_one_is_for_the_same(requester: Http) -> None:
    closed = requester.get("/api/me/test-world")
    first, second = (requester.post("/api/me/test-world", {}).get_json() for _ in range(2))
    shown = requester.get("/api/me/test-world").get_json()

    assert _problem(closed) == (404, "not-opened")
    assert first["token"] != second["token"]
    assert {one["account_id"] for one in (first, second, shown)} == {shown["account_id"]}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "/api/me/test-funds", {"currency": "USD", "amount": "1"}),
        ("post", "/api/me/test-workers", _WORKER),
        ("get", "/api/me/test-workers", None),
    ],
)
def test_what_is_not_real_takes_a_test_token(requester: Http, method: str, path: str, body: Json | None) -> None:
    refused = requester.post(path, body) if method == "post" else requester.get(path)

    assert _problem(refused) == (403, "test-world-alone")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/me/test-world", {}),
        ("/api/me/test-world/reset", None),
        ("/api/me/member-invitations", {"email": "ada@example.org", "role": "owner"}),
    ],
)
def test_there_is_no_test_world_in_a_test_world_and_no_team(requester: Http, path: str, body: Json | None) -> None:
    assert _problem(requester.test_world().post(path, body)) == (403, "live-world-alone")


def _member(db: Session, requester_id: str, role: MemberRole) -> tuple[str, str]:
    member, secret = teams.join(db, requester_id, role=role, masked="a…@example.org")
    db.commit()
    return member.id, secret


def test_a_member_may_do_there_what_they_may_do_here(db: Session, client: FlaskClient, token: Any) -> None:
    requester = factories.create_requester(db, funds=None)
    owner = Http(client, token("requester", requester.id))
    member_id, secret = _member(db, requester.id, MemberRole.MANAGER)
    test = owner.as_(secret).test_world()

    as_manager = test.get("/api/funds").status_code, test.get("/api/projects").status_code
    client.put(
        f"/api/me/members/{member_id}", json={"role": "viewer"}, headers={"Authorization": f"Bearer {owner.token}"}
    )
    as_viewer = test.get("/api/projects").status_code, test.post("/api/me/test-workers", _WORKER).status_code
    owner.post(f"/api/me/members/{member_id}/removal")

    assert as_manager == (403, 200)
    assert as_viewer == (200, 403)
    assert test.get("/api/projects").status_code == 401


def test_who_only_looks_on_gets_no_test_token(db: Session, requester: Http) -> None:
    somebody = factories.create_requester(db, funds=None)
    _, secret = _member(db, somebody.id, MemberRole.VIEWER)

    assert _problem(requester.as_(secret).post("/api/me/test-world", {})) == (403, "scope-missing")


def test_whoever_begins_anew_leaves_all_behind(requester: Http) -> None:
    test = requester.test_world()
    test.project(tasks=1)
    ada = test.worker()

    begun = requester.post("/api/me/test-world/reset")
    anew = requester.as_(begun.get_json()["token"])

    assert [one.get("/api/me").status_code for one in (test, ada)] == [401, 401]
    assert anew.get("/api/projects").get_json()["items"] == []
    assert requester.get("/api/me/test-world").get_json()["account_id"] == begun.get_json()["account_id"]


def test_only_an_owner_begins_anew_and_only_what_there_is(db: Session, client: FlaskClient, token: Any) -> None:
    requester = factories.create_requester(db, funds=None)
    owner = Http(client, token("requester", requester.id))
    _, secret = _member(db, requester.id, MemberRole.MANAGER)

    assert _problem(owner.post("/api/me/test-world/reset")) == (404, "not-opened")
    owner.test_world()
    assert _problem(owner.as_(secret).post("/api/me/test-world/reset")) == (403, "owners-alone")


def test_the_rules_of_a_test_world_are_checked_with_the_others(
    db: Session, sessions: sessionmaker[Session], requester: Http, books: None
) -> None:
    requester.test_world().worker()

    with beside(sessions)() as test:
        test.execute(text("UPDATE workers SET works_for = NULL"))
        found = {name: rows for check in wsgi.program.checks for name, rows in check(test).items() if rows}
        test.rollback()

    assert [name.partition(" ")[0] for name in found] == ["W60"]

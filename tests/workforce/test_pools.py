"""Who may see a project: pools, countries, languages; and that to all others it does not exist."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import NotFound
from tests import factories
from tests.conftest import House
from workforce import assignment, pools
from workforce.models import Kind, Pool, Worker

CROWD, VENDOR, IN_HOUSE = Pool.CROWD, Pool.VENDOR, Pool.IN_HOUSE
Token = Callable[..., str]


def _is_given(db: Session, worker: Worker, **settings: Any) -> bool:
    """Whether a worker is given the one task of a project with these settings."""
    project = factories.create_project(db, **settings)
    factories.create_task(db, project)
    return assignment.claim(db, worker.id, project_id=project.id) is not None


@pytest.mark.parametrize(
    ("of", "wanted", "given"),
    [
        ([], [], True),
        ([], [CROWD], True),
        ([], [CROWD, VENDOR], True),
        ([], [VENDOR, IN_HOUSE], False),
        ([VENDOR], [], True),
        ([VENDOR], [VENDOR], True),
        ([VENDOR], [CROWD], False),
        ([VENDOR, CROWD], [CROWD], True),
        ([VENDOR, CROWD], [IN_HOUSE], False),
    ],
)
def test_a_project_is_for_the_pools_that_it_names(
    db: Session,
    books: None,
    of: list[Pool],
    wanted: list[Pool],
    given: bool,  # noqa: FBT001
) -> None:
    worker = factories.create_worker(db)
    pools.put(db, worker.id, of, put_by="ops")

    assert _is_given(db, worker, pools=wanted) is given


@pytest.mark.parametrize(("countries", "given"), [([], True), (["KE"], True), (["UG", "KE"], True), (["UG"], False)])
def test_a_project_is_for_the_countries_that_it_names(db: Session, countries: list[str], given: bool) -> None:  # noqa: FBT001
    assert _is_given(db, factories.create_worker(db), countries=countries) is given


@pytest.mark.parametrize(
    ("known", "level", "given"),
    [
        ({}, "a1", False),
        ({"en": "native"}, "a1", False),
        ({"sw": "a1"}, "a1", True),
        ({"sw": "b1"}, "b2", False),
        ({"sw": "b2"}, "b2", True),
        ({"sw": "native"}, "c2", True),
        ({"sw": "c2"}, "native", False),
        ({"sw": "a1", "luo": "c1"}, "b2", True),
    ],
)
def test_a_project_is_for_those_who_know_one_of_its_languages_well_enough(
    db: Session,
    known: dict[str, str],
    level: str,
    given: bool,  # noqa: FBT001
) -> None:
    worker = factories.create_worker(db)
    pools.set_languages(db, worker.id, known)

    assert _is_given(db, worker, languages=["sw", "luo"], language_level=level) is given


def test_all_that_a_project_asks_for_must_fit(db: Session) -> None:
    worker = factories.create_worker(db)
    pools.put(db, worker.id, [VENDOR], put_by="ops")

    assert not _is_given(db, worker, pools=[VENDOR], countries=["UG"])
    assert not _is_given(db, worker, pools=[CROWD], countries=["KE"])
    assert _is_given(db, worker, pools=[VENDOR], countries=["KE"])


def test_what_others_know_and_are_in_does_not_count(db: Session) -> None:
    worker, other = factories.create_worker(db), factories.create_worker(db)
    pools.put(db, other.id, [VENDOR], put_by="ops")
    pools.set_languages(db, other.id, {"sw": "native"})

    assert not _is_given(db, worker, pools=[VENDOR])
    assert not _is_given(db, worker, languages=["sw"])


def test_an_expert_is_given_no_dispute_of_a_project_that_is_for_others(db: Session) -> None:
    factories.create_escalated(db, pools=[CROWD])
    expert, vendors = factories.create_worker(db, tier=4), factories.create_worker(db, tier=4)
    pools.put(db, vendors.id, [VENDOR], put_by="ops")

    assert assignment.claim(db, vendors.id, kind=Kind.ADJUDICATION) is None
    assert assignment.claim(db, expert.id, kind=Kind.ADJUDICATION) is not None


def test_who_leaves_a_pool_is_given_nothing_more_and_answers_what_they_hold(db: Session, books: None) -> None:
    project = factories.create_project(db, pools=[VENDOR])
    for _ in range(2):
        factories.create_task(db, project)
    worker = factories.create_worker(db)
    pools.put(db, worker.id, [VENDOR], put_by="ops")
    lease = factories.claim(db, worker)

    pools.put(db, worker.id, [], put_by="ops")

    assert assignment.claim(db, worker.id) is None
    assert factories.submit(db, worker, lease).status == "submitted"


def test_a_membership_that_ended_is_kept_with_who_began_and_who_ended_it(db: Session) -> None:
    worker = factories.create_worker(db)
    pools.put(db, worker.id, [VENDOR], put_by="tok_ada")

    placed = pools.put(db, worker.id, [IN_HOUSE], put_by="tok_bob")

    rows = db.execute(text("SELECT pool, put_by, ended_by, ended_at IS NOT NULL AS ended FROM pool_memberships"))
    assert placed.pools == [IN_HOUSE]
    assert {tuple(row) for row in rows} == {
        (VENDOR, "tok_ada", "tok_bob", True),
        (IN_HOUSE, "tok_bob", None, False),
    }


def test_saying_the_same_again_changes_nothing(db: Session) -> None:
    worker = factories.create_worker(db)
    pools.set_languages(db, worker.id, {"sw": "b1"})
    first = [one.id for one in pools.put(db, worker.id, [VENDOR, CROWD], put_by="ops").memberships]

    again = pools.put(db, worker.id, [CROWD, VENDOR], put_by="other").memberships
    known = pools.set_languages(db, worker.id, {"sw": "b1"})

    assert [one.id for one in again] == first
    assert [(one.language, one.level) for one in known] == [("sw", "b1")]


def test_languages_are_what_was_said_last(db: Session) -> None:
    worker = factories.create_worker(db)
    pools.set_languages(db, worker.id, {"sw": "b1", "en": "a2"})

    known = pools.set_languages(db, worker.id, {"sw": "c1", "luo": "native"})

    assert {one.language: one.level for one in known} == {"sw": "c1", "luo": "native"}


@pytest.mark.parametrize(
    "ask",
    [
        lambda db, worker: pools.put(db, worker, [], put_by="ops"),
        pools.of_worker,
        lambda db, worker: pools.set_languages(db, worker, {}),
        pools.languages,
    ],
)
def test_nobody_is_put_anywhere_who_is_no_worker(db: Session, ask: Callable[[Session, str], object]) -> None:
    with pytest.raises(NotFound, match="no such worker"):
        ask(db, ids.new("wrk"))


def test_two_who_put_a_worker_somewhere_at_once_leave_one_membership_of_each(house: House) -> None:
    with house.sessions() as db:
        worker = factories.create_worker(db)
        db.commit()

    def put(number: int) -> None:
        with house.sessions() as db:
            pools.put(db, worker.id, [VENDOR] if number % 2 else [VENDOR, IN_HOUSE], put_by=f"ops {number}")
            pools.set_languages(db, worker.id, {"sw": "b1"})
            db.commit()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(8)))

    with house.sessions() as db:
        live = pools.of_worker(db, worker.id).pools
        assert live in ([VENDOR], [IN_HOUSE, VENDOR])


# Over HTTP


def _as(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_ops_put_workers_into_pools_and_are_not_shown_who_did(client: FlaskClient, db: Session, token: Token) -> None:
    worker, ops = factories.create_worker(db), _as(token("ops"))
    db.commit()
    path = f"/api/workers/{worker.id}"

    before = client.get(f"{path}/pools", headers=ops).get_json()
    put = client.put(f"{path}/pools", json={"pools": ["vendor"]}, headers=ops).get_json()
    spoken = client.put(
        f"{path}/languages", json={"languages": [{"language": "sw", "level": "c1"}]}, headers=ops
    ).get_json()

    assert before == {"pools": ["crowd"], "memberships": []}
    assert put["pools"] == ["vendor"]
    assert [set(one) for one in put["memberships"]] == [{"pool", "since"}]
    assert [(one["language"], one["level"]) for one in spoken["languages"]] == [("sw", "c1")]
    assert client.get(f"{path}/languages", headers=ops).get_json() == spoken


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("pools", {"pools": ["vendor", "vendor"]}),
        ("pools", {"pools": ["club"]}),
        ("pools", {}),
        ("languages", {"languages": [{"language": "sw", "level": "b1"}, {"language": "sw", "level": "b2"}]}),
        ("languages", {"languages": [{"language": "Swahili", "level": "b1"}]}),
        ("languages", {"languages": [{"language": "sw", "level": "fluent"}]}),
        ("languages", {"languages": [{"language": "sw"}]}),
    ],
)
def test_what_is_no_pool_and_no_language_is_refused(
    client: FlaskClient, db: Session, token: Token, address: str, body: dict[str, Any]
) -> None:
    worker = factories.create_worker(db)
    db.commit()

    response = client.put(f"/api/workers/{worker.id}/{address}", json=body, headers=_as(token("ops")))

    assert response.status_code == 422


def test_a_project_that_is_for_others_answers_as_one_that_is_not_there(
    client: FlaskClient, db: Session, token: Token
) -> None:
    hidden = factories.create_project(db, pools=[VENDOR])
    factories.create_task(db, hidden)
    worker = factories.create_worker(db)
    db.commit()
    header = _as(token("worker", worker.id))

    answers = {
        (response.status_code, response.data)
        for project_id in (hidden.id, ids.new("prj"))
        for response in [client.post("/api/claims", json={"project_id": project_id}, headers=header)]
    }

    assert answers == {(204, b"")}

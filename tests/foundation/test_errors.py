"""Problems: shape, size, and that nothing inside shows."""

import json
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from foundation import app as foundation_app
from foundation import auth, errors, http
from foundation import db as database
from foundation.auth import PUBLIC, allow
from foundation.errors import Problem


def _kinds(kind: type[Problem] = Problem) -> Iterator[type[Problem]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from _kinds(sub)


def test_every_problem_of_the_house_has_a_name_of_its_own() -> None:
    kinds = list(_kinds())

    assert len({kind.type_name() for kind in kinds}) == len(kinds)
    assert set(errors.registry.values()) == set(kinds)


@pytest.mark.parametrize("kind", errors.registry.values(), ids=errors.registry.keys())
def test_a_problem_has_a_title_and_an_error_status(kind: type[Problem]) -> None:
    assert kind.title().endswith(".")
    assert 400 <= kind.status < 600


def test_the_class_name_is_the_type() -> None:
    assert errors.UnsupportedMediaType.type_name() == "unsupported-media-type"


def test_every_type_is_listed_and_explained(client: FlaskClient) -> None:
    listed = client.get("/problems").json["items"]  # type: ignore[index]

    assert {item["type"] for item in listed} == {f"/problems/{name}" for name in errors.registry}
    for item in listed:
        assert client.get(item["type"]).json == item


def test_an_unknown_type_is_not_explained(client: FlaskClient) -> None:
    assert client.get("/problems/never-heard-of").status_code == 404


def _assert_is_problem(answer: object, status: int) -> None:
    assert answer.status_code == status  # type: ignore[attr-defined]
    assert answer.content_type == "application/problem+json"  # type: ignore[attr-defined]
    document = answer.json  # type: ignore[attr-defined]
    assert document["status"] == status
    assert document["type"].removeprefix("/problems/") in errors.registry
    assert document["title"]
    assert document["detail"]


ADDRESSES = [
    ("GET", "/nowhere", 404),
    ("GET", "/api", 404),
    ("GET", "/api/workers/", 404),
    ("GET", "/api//workers", 404),
    ("GET", "/v1/nowhere", 404),
    ("DELETE", "/api/workers", 405),
    ("PATCH", "/v1/projects", 405),
    ("TRACE", "/api/workers", 405),
    ("FOO", "/api/workers", 405),
    ("GET", "/api/workers", 401),
    ("GET", "/v1/projects", 401),
    ("POST", "/api/applications", 415),
]


@pytest.mark.parametrize(("method", "path", "status"), ADDRESSES)
def test_every_error_is_a_problem_document(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method, data=b"x" if status == 415 else None)

    _assert_is_problem(answer, status)


@pytest.mark.parametrize("path", ["//api/workers", "///api/workers", "//v1/projects", "//"])
def test_a_slash_too_many_at_the_beginning_is_another_address(client: FlaskClient, path: str) -> None:
    # The test client would take what follows two slashes for a host; a server hands the path on as it came.
    answer = client.get("/", environ_overrides={"PATH_INFO": path})

    _assert_is_problem(answer, 404)


KNOWN = {
    "/api/projects": {"GET", "HEAD", "OPTIONS", "POST"},
    "/v1/batches/x/finalize": {"OPTIONS", "POST"},
    "/v1/batches/x": {"GET", "HEAD", "OPTIONS"},
    "/v1/task/categorization": {"OPTIONS", "POST"},
    "/health": {"GET", "HEAD", "OPTIONS"},
}


@pytest.mark.parametrize("path", KNOWN)
def test_an_address_tells_its_own_methods(client: FlaskClient, path: str) -> None:
    for method, status in (("OPTIONS", 200), ("DELETE", 405)):
        answer = client.open(path, method=method)
        assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (status, KNOWN[path])


def test_a_problem_on_scales_surface_carries_what_its_sdk_reads(client: FlaskClient) -> None:
    answer = client.get("/v1/nowhere")

    assert answer.json is not None
    assert (answer.json["error"], answer.json["status_code"]) == (answer.json["detail"], 404)


def test_a_bug_answers_500_and_shows_nothing_of_the_inside(
    sessions: sessionmaker[Session], capsys: pytest.CaptureFixture[str]
) -> None:
    routes = http.Routes("broken", "/broken")

    @routes.get("", allow=PUBLIC)
    def view(_call: http.Call) -> None:
        """Fail."""
        raise RuntimeError("the secret ingredient")

    app = foundation_app.build_app(http.House(sessions, lambda: None), [routes], version="0")
    answer = app.test_client().get("/broken")

    _assert_is_problem(answer, 500)
    assert "secret ingredient" not in answer.text
    assert "Traceback" not in answer.text
    # The one place where it is shown.
    assert "the secret ingredient" in capsys.readouterr().out


@pytest.fixture
def away() -> Iterator[FlaskClient]:
    """A client of a house whose database is not there."""
    engine = database.make_engine("postgresql+psycopg://nobody:hunter2@127.0.0.1:1/nothing")
    routes = http.Routes("away", "/away")
    routes.get("", allow=allow("ops"), or_nothing=True)(_look)
    app = foundation_app.build_app(http.House(database.sessions(engine), lambda: None), [routes], version="0")
    yield app.test_client()
    engine.dispose()


def _look(_call: http.Call) -> None:
    """Look."""


@pytest.mark.parametrize("path", ["/away", "/ready"])
def test_without_its_database_the_house_says_503_and_when_to_come_again(away: FlaskClient, path: str) -> None:
    answer = away.get(path, auth=(auth._new_secret(), ""))

    _assert_is_problem(answer, 503)
    assert answer.headers["Retry-After"].isdigit()
    assert "127.0.0.1" not in answer.text
    assert "hunter2" not in answer.text


def test_without_its_database_the_house_is_alive(away: FlaskClient) -> None:
    assert away.get("/health").status_code == 200


HOSTILE_KEYS: dict[str, Callable[[int], str]] = {
    "short": lambda n: f"k{n}",
    "long": lambda n: f"{n}" + "k" * 90,
    "wide": lambda n: f"{n}" + "😀" * 200,
    "escaped": lambda n: f"{n}" + "\x01" * 200,
    "slashes": lambda n: f"{n}" + "/~" * 100,
}


@pytest.mark.parametrize("key", HOSTILE_KEYS.values(), ids=HOSTILE_KEYS.keys())
@pytest.mark.parametrize("path", ["/api/applications"])
def test_the_answer_to_many_wrong_keys_stays_small(client: FlaskClient, path: str, key: Callable[[int], str]) -> None:
    document: dict[str, int] = {}
    while len(document) < 1900 and len(json.dumps(document, ensure_ascii=False).encode()) < 150_000:
        document.update({key(n): 1 for n in range(len(document), len(document) + 100)})

    answer = client.post(path, data=json.dumps(document, ensure_ascii=False).encode(), content_type="application/json")

    assert answer.status_code == 422
    assert len(answer.data) <= 8192
    assert answer.json is not None
    assert 1 <= len(answer.json["errors"]) <= 20
    # name and country are missing too.
    assert len(answer.json["errors"]) + answer.json["errors_left_out"] == len(document) + 2


def test_a_hundred_thousand_wrong_keys_are_refused_shortly(client: FlaskClient) -> None:
    body = b"{" + b",".join(b'"%x":' % n + b"1" for n in range(25_000)) + b"}"

    answer = client.post("/api/applications", data=body, content_type="application/json")

    _assert_is_problem(answer, 400)
    assert len(answer.data) <= 8192


def test_a_hundred_thousand_wrong_list_items_are_refused_shortly(
    client: FlaskClient, token: Callable[..., str]
) -> None:
    body = b'{"name":"x","rates":[],"labels":[' + b",".join(b"1" for _ in range(100_000)) + b"]}"

    answer = client.post("/api/projects", data=body, content_type="application/json", auth=(token("requester"), ""))

    assert answer.status_code in {400, 422}
    assert len(answer.data) <= 8192


def test_an_invalid_field_is_named_by_its_pointer() -> None:
    problem = errors.invalid({"rates": {0: {"amount": ["Too much."]}}, "a/b~c": ["No."]})

    places = problem.body()["errors"]
    assert places == [
        {"pointer": "/rates/0/amount", "reason": "Too much."},
        {"pointer": "/a~1b~0c", "reason": "No."},
    ]
    assert problem.detail == "/rates/0/amount: Too much."


def test_a_problem_points_to_where_the_client_wrote_what_is_wrong() -> None:
    messages = {"labels": {1: ["Too long."]}, "rates": ["Missing."], "a/b": ["No."]}

    with pytest.raises(errors.Invalid) as refused, errors.within("/params", {"labels": "categories"}):
        raise errors.invalid(messages)

    pointers = [error["pointer"] for error in refused.value.body()["errors"]]
    assert pointers == ["/params/categories/1", "/params/rates", "/params/a~1b"]
    assert refused.value.detail == "/params/categories/1: Too long."


def test_a_problem_without_a_place_gets_the_one_around_it() -> None:
    with pytest.raises(errors.Invalid) as refused, errors.within("/params"), errors.within("/rates/3/amount"):
        raise errors.Invalid("Too fine.")

    assert refused.value.body()["errors"] == [{"pointer": "/params/rates/3/amount", "reason": "Too fine."}]
    assert refused.value.detail == "Too fine."


def test_a_problem_of_the_whole_body_is_one_of_the_place_around_it() -> None:
    with pytest.raises(errors.Invalid) as refused, errors.within("/params"):
        raise errors.invalid({"_schema": ["Invalid input type."]})

    assert refused.value.body()["errors"] == [{"pointer": "/params", "reason": "Invalid input type."}]
    assert refused.value.detail == "/params: Invalid input type."


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 415, 422, 500, 503])
def test_a_status_of_the_server_becomes_its_plain_problem(status: int) -> None:
    problem = errors.from_status(status, "x")

    assert problem.status == status
    assert type(problem).__module__ == "foundation.errors"


@pytest.mark.parametrize(("status", "becomes"), [(418, 400), (416, 400), (431, 400), (501, 500), (504, 500)])
def test_a_status_without_a_problem_of_its_own_becomes_the_nearest(status: int, becomes: int) -> None:
    assert errors.from_status(status, "x").status == becomes

"""The application: documentation and health, served from here alone."""

import re
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

import wsgi
from foundation import app as foundation_app
from foundation import auth, http
from tests.conftest import House


def test_the_root_leads_to_the_documentation(client: FlaskClient) -> None:
    answer = client.get("/")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/api/docs/")


def test_the_documentation_and_all_it_loads_come_from_here(client: FlaskClient) -> None:
    page = client.get("/api/docs/")

    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert page.status_code == 200
    assert len(loaded) >= 5
    for address in loaded:
        assert address.startswith("/"), address
        assert not address.startswith("//"), address
        with client.get(address) as asset:
            assert asset.status_code == 200, address


def test_the_documentation_calls_no_other_host(client: FlaskClient) -> None:
    page = client.get("/api/docs/").text

    assert all(address.startswith("http://localhost/") for address in re.findall(r"https?://[^\s\"']+", page))
    # Without this setting the page sends our document to a validator elsewhere.
    assert re.search(r'"validatorUrl":\s*null', page)
    assert '"/api/openapi.json"' in page


def test_the_styles_of_the_documentation_load_nothing_from_elsewhere(client: FlaskClient) -> None:
    for name in ("index.css", "swagger-ui.css"):
        with client.get(f"/api/docs/{name}") as styles:
            assert not re.search(r"@import|url\(\s*[\"']?(https?:)?//", styles.get_data(as_text=True))


@pytest.mark.parametrize("path", ["..%2f..%2fapp.py", "%2e%2e/setup.py", "/etc/passwd", "index.template.html", "%00"])
def test_the_documentation_serves_its_own_files_alone(client: FlaskClient, path: str) -> None:
    assert client.get(f"/api/docs/{path}").status_code == 404


def test_a_house_with_its_database_is_up_and_ready(client: FlaskClient) -> None:
    assert client.get("/health").json == {"status": "up"}
    assert client.get("/ready").json == {"status": "ready"}


def test_every_address_is_declared_or_known_to_be_open(client: FlaskClient) -> None:
    app = client.application
    declared = {route.path for group in wsgi.program.routes for route in group.routes}

    others = {rule.rule for rule in app.url_map.iter_rules()} - declared

    assert {rule for rule in others if not rule.startswith("/api/docs")} == {
        "/", "/api/openapi.json", "/problems", "/problems/<name>", "/health", "/ready",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/", "/api/openapi.json", "/problems", "/health", "/ready", "/api/docs/"])
def test_open_addresses_can_only_be_read(client: FlaskClient, path: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert client.open(path, method=method).status_code == 405


def _view(_call: http.Call) -> None:
    """Do nothing."""


def test_two_views_of_one_name_cannot_hide_each_other(sessions: sessionmaker[Session]) -> None:
    routes = http.Routes("twice", "/twice")
    routes.get("/a", allow=auth.allow("ops"))(_view)
    routes.get("/b", allow=auth.PUBLIC)(_view)

    with pytest.raises(AssertionError):
        foundation_app.build_app(http.House(sessions, lambda: None), [routes], version="0")


def test_a_file_of_the_documentation_says_once_how_long_it_may_be_kept(client: FlaskClient) -> None:
    with client.get("/api/docs/swagger-ui.css") as styles:
        assert styles.headers.getlist("Cache-Control") == ["no-cache"]
        assert styles.headers.getlist("X-Content-Type-Options") == ["nosniff"]


@pytest.fixture
def told() -> Iterator[list[MutableMapping[str, Any]]]:
    """Every line that is logged, with what is bound to it."""
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        yield lines


def test_every_line_of_a_request_carries_its_id(
    sessions: sessionmaker[Session], told: list[MutableMapping[str, Any]]
) -> None:
    routes = http.Routes("telling", "/telling")

    @routes.get("", allow=auth.PUBLIC)
    def view(_call: http.Call) -> None:
        """Tell, then fail."""
        structlog.get_logger().info("told")
        raise ZeroDivisionError

    app = foundation_app.build_app(http.House(sessions, lambda: None), [routes], version="0")
    sent = [app.test_client().get("/telling").headers["Rookery-Request-Id"] for _ in range(2)]
    structlog.get_logger().info("afterwards")

    of_one = ["told", "unexpected failure", "request"]
    assert [line["event"] for line in told] == [*of_one, *of_one, "afterwards"]
    assert [line.get("request_id") for line in told] == [sent[0]] * 3 + [sent[1]] * 3 + [None]


def test_a_failure_is_logged_by_its_route_for_a_path_may_hold_a_name(
    sessions: sessionmaker[Session], told: list[MutableMapping[str, Any]]
) -> None:
    routes = http.Routes("failing", "/failing")

    @routes.get("/<name>", allow=auth.PUBLIC)
    def view(_call: http.Call, name: str) -> None:
        """Fail."""
        raise ZeroDivisionError

    app = foundation_app.build_app(http.House(sessions, lambda: None), [routes], version="0")
    assert app.test_client().get("/failing/our-secret-plan").status_code == 500

    assert [line["route"] for line in told] == ["/failing/<name>"] * 2
    assert "our-secret-plan" not in str([{**line, "exc_info": None} for line in told])


def test_a_line_names_the_token_of_its_caller_also_when_it_was_refused(
    client: FlaskClient, db: Session, told: list[MutableMapping[str, Any]]
) -> None:
    token, secret = auth.issue(db, role="ops", subject_id="ada")

    client.get("/api/workers", auth=(secret, ""))
    client.get("/api/trial-balance", auth=(secret, ""))
    auth.revoke(db, token.id)
    client.get("/api/workers", auth=(secret, ""))
    client.get("/api/workers")

    lines = [(line["status"], line.get("token_id")) for line in told if line["event"] == "request"]
    assert lines == [(200, token.id), (403, token.id), (401, token.id), (401, None)]


def test_a_statement_that_fails_is_logged_without_what_was_sent(house: House) -> None:
    with house.sessions() as db, pytest.raises(DBAPIError) as failed:
        db.execute(text("SELECT CAST(:name AS integer) FROM nowhere"), {"name": "my name"})

    assert "my name" not in str(failed.value)


def test_an_answer_is_logged_without_what_was_asked(
    client: FlaskClient, token: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    secret = token("ops")
    client.get("/api/workers?status=active", auth=(secret, ""), headers={"X-Secret": "my-header"})
    client.post("/api/applications?q=my-query", json={"name": "My Name", "country": "KE"})
    client.get("/api/projects/my-path", headers={"Authorization": f"Bearer {secret}"})

    logged = capsys.readouterr().out

    assert logged.count("request ") >= 3
    for told in ("status=active", "my-header", "my-query", "My Name", "my-path", secret):
        assert told not in logged


def test_the_map_of_the_system_builds_an_application(sessions: sessionmaker[Session]) -> None:
    app = foundation_app.build_app(http.House(sessions, lambda: None), wsgi.program.routes, version=wsgi.VERSION)

    assert isinstance(app, Flask)
    assert app.static_folder is None
    assert not app.debug

"""A request's whole way: policy, strict input, one transaction, and what is not yours does not exist."""

import csv
import io
import json
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import marshmallow as ma
import psycopg.errors
import pytest
from flask import Response
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.test import create_environ, run_wsgi_app

import wsgi
from foundation import app as foundation_app
from foundation import auth, fields, http, ids, outbox
from foundation.auth import PUBLIC, allow
from foundation.errors import Conflict
from payments import earnings, payees
from tests import factories
from tests.access import matrix
from tests.attack import corpus
from tests.conftest import House
from workforce import assignment

Token = Callable[..., str]


class _Note(fields.Schema):
    name = fields.Text(required=True)


@dataclass
class _Probe:
    """An application with one route of the test's own, which writes a row and then does what the test says."""

    sessions: sessionmaker[Session]
    then: Callable[[], Any] = lambda: {"name": "done"}
    calls: int = 0
    woken: int = 0

    def client(self) -> FlaskClient:
        routes = http.Routes("probe", "/probe")

        @routes.post("/<note>", allow=PUBLIC, body=_Note, returns=_Note)
        def write(call: http.Call, note: str) -> Any:
            """Write a note."""
            self.calls += 1
            call.db.execute(outbox.INSERT, {"stream": "", "topic": f"{note} {call.body['name']}", "payload": "{}"})
            call.db.info["published"] = True
            return self.then()

        @routes.get("", allow=PUBLIC, file_types=("text/plain",))
        def stream(call: http.Call) -> Any:
            """Write a note and answer with a response."""
            call.db.execute(outbox.INSERT, {"stream": "", "topic": "streamed", "payload": "{}"})
            return self.then()

        return foundation_app.build_app(http.House(self.sessions, self.wake), [routes], version="0").test_client()

    def wake(self) -> None:
        self.woken += 1

    def written(self) -> list[str]:
        with self.sessions() as db:
            return list(db.scalars(text("SELECT topic FROM outbox_events ORDER BY id")))


@pytest.fixture
def probe(sessions: sessionmaker[Session]) -> _Probe:
    """A route whose behaviour the test decides."""
    return _Probe(sessions)


# One transaction


def test_a_good_answer_commits_and_wakes_the_background(probe: _Probe) -> None:
    answer = probe.client().post("/probe/a", json={"name": "b"})

    assert (answer.status_code, answer.json) == (200, {"name": "done"})
    assert probe.written() == ["a b"]
    assert probe.woken == 1


def _raise(error: Exception) -> Any:
    raise error


REFUSALS: dict[str, tuple[Callable[[], Any], int]] = {
    "problem": (lambda: _raise(Conflict("No.")), 409),
    "bug": (lambda: _raise(ZeroDivisionError()), 500),
    "assertion": (lambda: _raise(AssertionError()), 500),
    "a response where JSON was promised": (lambda: Response("found"), 500),
    "nothing where something was promised": (lambda: None, 500),
    "an answer that cannot be sent": (lambda: {"name": "\ud800"}, 500),
}


@pytest.mark.parametrize(("then", "status"), REFUSALS.values(), ids=REFUSALS.keys())
def test_any_other_answer_changes_nothing_and_wakes_nobody(probe: _Probe, then: Callable[[], Any], status: int) -> None:
    probe.then = then

    answer = probe.client().post("/probe/a", json={"name": "b"})

    assert answer.status_code == status
    assert probe.written() == []
    assert probe.woken == 0


def test_a_process_without_memory_says_so_and_makes_room_for_a_new_one(probe: _Probe) -> None:
    asked: list[int] = []
    probe.then = lambda: _raise(MemoryError())
    before = signal.signal(signal.SIGTERM, lambda told, _frame: asked.append(told))
    try:
        answer = probe.client().post("/probe/a", json={"name": "b"})
    finally:
        signal.signal(signal.SIGTERM, before)

    assert answer.status_code == 500
    assert asked == [signal.SIGTERM]
    assert probe.written() == []


@pytest.mark.parametrize(("status", "written"), [(200, ["streamed"]), (302, ["streamed"]), (400, []), (503, [])])
def test_a_response_below_400_commits(probe: _Probe, status: int, written: list[str]) -> None:
    probe.then = lambda: Response("text", status=status)

    assert probe.client().get("/probe").status_code == status
    assert probe.written() == written


class _Sending(io.RawIOBase):
    """A client whose body is still coming in while the test looks around."""

    def __init__(self, body: bytes, look: Callable[[], int]) -> None:
        self.rest, self.look = io.BytesIO(body), look
        self.seen: list[int] = []

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.seen.append(self.look())
        return self.rest.readinto(buffer)


def _checked_out(house: House) -> int:
    return house.engine.pool.checkedout()  # type: ignore[attr-defined,no-any-return]  # it is a QueuePool


@pytest.mark.parametrize("status", [201, 401])
def test_no_connection_is_held_while_a_body_comes_in(house: House, status: int) -> None:
    body = b'{"name": "Museum"}'
    sending = _Sending(body, lambda: _checked_out(house))
    environ = create_environ("/api/requesters", method="POST", content_type="application/json")
    environ.update({"wsgi.input": sending, "CONTENT_LENGTH": str(len(body))})
    if status == 201:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {house.token('ops', 'ada')}"

    _, answered, _ = run_wsgi_app(house.app, environ)

    assert answered.startswith(f"{status} ")
    assert set(sending.seen) == {0}


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b"", b'{"name":1}', b" " * (http.BODY_MAX + 1)], ids=len)
@pytest.mark.parametrize("query", ["", "?x=1", "?x=1&x=1"])
def test_a_stranger_learns_nothing_about_what_a_route_takes(client: FlaskClient, body: bytes, query: str) -> None:
    answer = client.post(f"/api/requesters{query}", data=body, content_type="application/json")

    assert answer.status_code == 401


def _database_says(fault: type[psycopg.Error]) -> Any:
    """Raise what SQLAlchemy would: the class of its own that stands for the driver's."""
    raise DBAPIError.instance("SELECT 1", {}, fault("again"), psycopg.Error)


@pytest.mark.parametrize("state", [psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected])
def test_a_deadlock_is_tried_again_and_nobody_notices(probe: _Probe, state: type[psycopg.Error]) -> None:
    probe.then = lambda: _database_says(state) if probe.calls < 3 else {"name": "third"}

    answer = probe.client().post("/probe/a", json={"name": "b"})

    assert (answer.status_code, answer.json) == (200, {"name": "third"})
    assert probe.written() == ["a b"]
    assert probe.woken == 1


def test_a_deadlock_without_end_is_given_up(probe: _Probe) -> None:
    probe.then = lambda: _database_says(psycopg.errors.DeadlockDetected)

    answer = probe.client().post("/probe/a", json={"name": "b"})

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert probe.calls == 3
    assert probe.written() == []


PASSING = [
    psycopg.errors.LockNotAvailable, psycopg.errors.AdminShutdown, psycopg.errors.TooManyConnections,
    psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.IoError, psycopg.OperationalError, psycopg.InterfaceError,
]  # fmt: skip


@pytest.mark.parametrize("state", PASSING)
def test_a_passing_fault_of_the_database_says_when_to_come_again(probe: _Probe, state: type[psycopg.Error]) -> None:
    probe.then = lambda: _database_says(state)

    answer = probe.client().post("/probe/a", json={"name": "b"})

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert probe.calls == 1


BUGS = [psycopg.DataError, psycopg.ProgrammingError, psycopg.errors.UndefinedTable, psycopg.errors.CheckViolation]


@pytest.mark.parametrize("fault", BUGS)
def test_a_statement_that_cannot_succeed_is_a_bug_and_not_a_reason_to_come_again(
    probe: _Probe, fault: type[psycopg.Error]
) -> None:
    probe.then = lambda: _database_says(fault)

    answer = probe.client().post("/probe/a", json={"name": "b"})

    assert (answer.status_code, answer.headers.get("Retry-After")) == (500, None)


def test_a_number_that_the_driver_cannot_send_is_a_bug_too(probe: _Probe) -> None:
    def send() -> Any:
        with probe.sessions() as db:
            db.execute(text("SELECT :text"), {"text": "\x00"})

    probe.then = send

    assert probe.client().post("/probe/a", json={"name": "b"}).status_code == 500


def test_after_a_failover_the_connections_to_the_standby_are_left(house: House) -> None:
    secret = house.token("ops", "ada")
    with house.sessions() as db:
        # What a standby does to every transaction.
        db.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
        db.commit()

    answers = [house.app.test_client().post("/api/requesters", json={"name": "x"}, auth=(secret, "")) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [503, 201]


def test_a_real_conflict_of_two_transactions_is_invisible(house: House) -> None:
    trip = _Probe(house.sessions)
    house.token("ops", "ada")
    with house.sessions() as other:
        rows = other.scalars(text("SELECT id FROM tokens")).all()

        def conflict() -> Any:
            if trip.calls == 1:
                # A connection that ends in a serialization failure, as PostgreSQL itself reports it.
                with house.sessions() as db:
                    db.connection(execution_options={"isolation_level": "SERIALIZABLE"})
                    db.execute(text("SELECT name FROM tokens"))
                    other.execute(text("UPDATE tokens SET name = 'x' WHERE id = :id"), {"id": rows[0]})
                    other.commit()
                    db.execute(text("UPDATE tokens SET name = 'y'"))
            return {"name": "done"}

        trip.then = conflict
        answer = trip.client().post("/probe/a", json={"name": "b"})

    assert (answer.status_code, trip.calls) == (200, 2)
    assert trip.written() == ["a b"]
    with house.sessions() as db:
        db.execute(text("DELETE FROM outbox_events"))
        db.commit()


# Policies


def test_a_route_without_a_policy_cannot_be_declared() -> None:
    routes = http.Routes("open", "/open")

    with pytest.raises(TypeError, match="allow"):
        routes.get("")(lambda _call: None)


@pytest.mark.parametrize(
    "promises",
    [{"file_types": ("text/csv",)}, {"shown_once": ("token",)}, {"shown_once": ("token",), "returns": _Note}],
)
def test_a_route_that_promises_what_cannot_be_kept_cannot_be_declared(promises: dict[str, Any]) -> None:
    routes = http.Routes("unsound", "/unsound")

    with pytest.raises(http.RouteUnsound, match="/unsound"):
        routes.post("", allow=allow("ops"), **promises)(lambda _call: None)


def test_a_route_mounted_past_the_declaration_fails_the_build(sessions: sessionmaker[Session]) -> None:
    routes = http.Routes("open", "/open")
    routes.blueprint.add_url_rule("/back-door", "back_door", lambda: "come in")

    with pytest.raises(foundation_app.RouteWithoutPolicy, match="/open/back-door"):
        foundation_app.build_app(http.House(sessions, lambda: None), [routes], version="0")


def test_whoever_may_not_call_a_route_learns_nothing_about_its_input(client: FlaskClient, token: Token) -> None:
    answer = client.post("/api/top-ups?x=1", data=b"{", auth=(token("worker"), ""))

    assert answer.status_code == 403


# What is not yours


@dataclass(frozen=True)
class _Strangers:
    """What belongs to somebody else, and the tokens of two who have nothing to do with it."""

    ids: dict[str, str]
    requester: str
    worker: str
    fence: int


@pytest.fixture
def strangers(db: Session, token: Token) -> _Strangers:
    """A project with a batch, a task and a lease, and a requester and a worker who do not own them."""
    project = factories.create_project(db)
    batch = factories.create_batch(db, project)
    task = factories.create_task(db, project, batch)
    holder = factories.create_worker(db)
    lease = assignment.claim(db, holder.id)
    assert lease is not None
    return _Strangers(
        ids={"project": project.id, "batch": batch.id, "task": task.id, "assignment": lease.id,
             "project by name": project.name, "batch by name": batch.name},
        requester=token("requester", factories.create_requester(db).id),
        worker=token("worker", factories.create_worker(db).id),
        fence=lease.fence,
    )  # fmt: skip


_ABSENT = {
    "project": ids.new("prj"), "batch": ids.new("bat"), "task": ids.new("tsk"), "assignment": ids.new("asg"),
    "project by name": "Nobody's project", "batch by name": "Nobody's batch",
}  # fmt: skip
_FENCED = {"fence": 1}
_ANSWER = {"fence": 1, "payload": {"category": "rook"}}

FOREIGN: list[tuple[str, str, str, Any]] = [
    ("GET", "/api/projects/{}", "project", None),
    ("GET", "/api/projects/{}", "project by name", None),
    ("GET", "/api/projects/{}/progress", "project", None),
    ("GET", "/api/projects/{}/tasks", "project", None),
    ("GET", "/api/projects/{}/agreement", "project", None),
    ("GET", "/api/projects/{}/confusion", "project", None),
    ("GET", "/api/projects/{}/calibration", "project", None),
    ("GET", "/api/projects/{}/cost-curve", "project", None),
    ("GET", "/api/projects/{}/gold", "project", None),
    ("POST", "/api/projects/{}/gold", "project", {"params": {"attachment": "x"}, "category": "rook"}),
    ("POST", "/api/projects/{}/gold/{}/retirement", "project", {"reason": "Too easy."}),
    ("GET", "/api/projects/{}/gold/{}/health", "project", None),
    ("GET", "/api/projects/{}/gold-supply", "project", None),
    ("POST", "/api/assignments/{}/answer", "assignment", _ANSWER),
    ("POST", "/api/assignments/{}/answer", "assignment", {"fence": 999, "payload": {}}),
    ("POST", "/api/assignments/{}/renewal", "assignment", _FENCED),
    ("POST", "/api/assignments/{}/release", "assignment", _FENCED),
    ("GET", "/api/assignments/{}/dossier", "assignment", None),
    ("GET", "/v1/projects/{}", "project", None),
    ("GET", "/v1/projects/{}", "project by name", None),
    ("GET", "/v1/batches/{}", "batch", None),
    ("GET", "/v1/batches/{}", "batch by name", None),
    ("GET", "/v1/batches/{}/status", "batch", None),
    ("POST", "/v1/batches/{}/finalize", "batch", {}),
    ("GET", "/v1/task/{}", "task", None),
    ("POST", "/v1/task/{}/cancel", "task", {}),
    ("GET", "/v1/tasks?project={}", "project by name", None),
    ("GET", "/v1/tasks?batch={}", "batch by name", None),
    ("GET", "/v1/batches?project={}", "project by name", None),
    ("POST", "/v1/batches", "project", {"project": "{}", "name": "Mine"}),
    ("POST", "/v1/task/categorization", "project", {"project": "{}", "attachment": "x"}),
    ("POST", "/v1/task/categorization", "batch", {"batch": "{}", "attachment": "x"}),
]


def _named(path: str, found: str) -> str:
    return path.replace("{}", found)


def _fill(body: Any, found: str) -> Any:
    return body and {key: found if value == "{}" else value for key, value in body.items()}


@pytest.mark.parametrize("attempt", FOREIGN, ids=lambda attempt: f"{attempt[0]} {attempt[1]} {attempt[2]}")
def test_what_is_not_yours_looks_as_if_it_did_not_exist(
    client: FlaskClient, strangers: _Strangers, attempt: tuple[str, str, str, Any]
) -> None:
    method, path, kind, body = attempt
    secret = strangers.worker if kind == "assignment" else strangers.requester

    foreign, absent = (
        client.open(_named(path, one), method=method, json=_fill(body, one), auth=(secret, ""))
        for one in (strangers.ids[kind], _ABSENT[kind])
    )

    assert foreign.status_code == absent.status_code
    assert foreign.text.replace(strangers.ids[kind], "ID") == absent.text.replace(_ABSENT[kind], "ID")
    assert foreign.status_code == 404 or foreign.json["docs"] == []  # type: ignore[index]


def test_every_route_to_one_thing_of_an_owner_is_tried_by_strangers() -> None:
    owned = {
        (route.method, route.path)
        for group in wsgi.program.routes
        for route in group.routes
        if "<" in route.path and not route.policy.scopes <= {"ops", "finance", "approve", "audit", "admin"}
    }
    # What their addresses name is a month of the caller's own, or nobody's.
    owned -= {
        ("GET", "/api/me/statements/<month>"),
        ("GET", "/api/me/statements/<month>.csv"),
        ("GET", "/api/ladders/<skill>"),
        ("GET", "/api/ladder-versions/<ladder_id>"),
    }

    here = {(method, path) for method, path, _, _ in FOREIGN}
    in_the_matrix = {(row.method, _shape(row.rule)) for row in matrix.ROWS if row.thing and row.every is None}
    assert {(method, _shape(path)) for method, path in owned} <= here | in_the_matrix


def _shape(path: str) -> str:
    return "/".join("{}" if part.startswith("<") else part for part in path.split("/"))


def test_a_strangers_attempts_change_nothing(client: FlaskClient, db: Session, strangers: _Strangers) -> None:
    before = _fingerprint(db)

    for method, path, kind, body in FOREIGN:
        secret, one = strangers.worker if kind == "assignment" else strangers.requester, strangers.ids[kind]
        client.open(_named(path, one), method=method, json=_fill(body, one), auth=(secret, ""))

    assert _fingerprint(db) == before


def _fingerprint(db: Session) -> list[Any]:
    tables = ("projects", "batches", "tasks", "assignments", "answers", "journal_entries", "outbox_events")
    return [db.scalars(text(f"SELECT t::text FROM {table} t ORDER BY 1")).all() for table in tables]


def test_lists_show_ones_own_alone(client: FlaskClient, strangers: _Strangers) -> None:
    for path in ("/api/projects", "/v1/projects", "/v1/batches", "/v1/tasks", "/api/funds"):
        answer = client.get(path, auth=(strangers.requester, ""))
        assert answer.status_code == 200
        assert not any(one in answer.text for one in strangers.ids.values()), path


def test_a_worker_sees_their_own_leases_alone(client: FlaskClient, strangers: _Strangers) -> None:
    answer = client.get("/api/me/assignments", auth=(strangers.worker, ""))

    assert answer.json == {"items": [], "next_cursor": None}


# Money


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize("amount", ["0.0001", "1", "1.50", "10000000000"])
def test_money_that_fits_is_booked_to_the_letter(client: FlaskClient, db: Session, token: Token, amount: str) -> None:
    body = {
        "owner_ref": factories.create_requester(db, funds=None).id, "currency": "USD", "bank_reference": "b1",
        "amount": amount,
    }  # fmt: skip

    answer = client.post("/api/top-ups", json=body, auth=(token("finance"), ""))

    assert answer.status_code == 201
    assert answer.json is not None
    assert answer.json["amount"] == amount


def _formulas() -> list[str]:
    """The names of the corpus that a spreadsheet would run, as they are stored."""
    here = "tests/foundation/test_http.py::test_no_name_in_a_finance_export_is_a_formula"
    return [fields.tidy(json.loads(entry.sends)) for entry in corpus.entries() if here in entry.proved_by]


@pytest.mark.usefixtures("books")
def test_no_name_in_a_finance_export_is_a_formula(client: FlaskClient, db: Session, token: Token) -> None:
    cause = factories.create_task(db, factories.create_project(db)).batch_id
    formulas = _formulas()
    for number, name in enumerate(formulas):
        applied = client.post("/api/applications", json={"name": name, "country": "KE"}).json
        assert applied is not None
        payee = payees.of_owner(db, applied["worker"]["id"])
        earnings.pend(db, [earnings.Work(f"ans_{number}", payee.id, cause, "USD", 200)])
        earnings.accept(db, [f"ans_{number}"])

    answer = client.get("/api/payables.csv", auth=(token("finance"), ""))

    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert answer.mimetype == "text/csv"
    assert sorted(row[1] for row in rows[1:]) == sorted("'" + name for name in formulas)
    assert answer.headers["Rookery-Rows"] == str(len(formulas))


# Headers


def test_every_answer_says_how_it_may_be_used(client: FlaskClient) -> None:
    for path in ("/health", "/api/workers", "/nowhere", "/api/openapi.json"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers.getlist("Cache-Control") == ["no-store"]
        assert headers["Content-Security-Policy"] == "default-src 'none'"
        assert ids.looks_valid(headers["Rookery-Request-Id"], "rqs")


def test_a_hostile_host_is_in_no_link(client: FlaskClient, db: Session, token: Token) -> None:
    for _ in range(2):
        factories.create_worker(db)

    answer = client.get("/api/workers?limit=1", headers={"Host": "evil.example"}, auth=(token("ops"), ""))

    assert "evil" not in answer.headers["Link"]


@pytest.mark.parametrize("name", ["Vögel", "a>b", 'a">b, <x', "50% off", "a?b&c#d"])
def test_the_link_to_the_next_page_is_an_address_whatever_the_project_is_called(
    client: FlaskClient, db: Session, token: Token, name: str
) -> None:
    project = factories.create_project(db)
    project.name = name
    for _ in range(2):
        factories.create_task(db, project)
    db.commit()
    secret = token("requester", project.requester_id)

    first = client.get(f"/api/projects/{quote(name)}/tasks?limit=1", auth=(secret, ""))

    link = re.fullmatch(r"<([!-~]+)>; rel=\"next\"", first.headers["Link"])
    assert link is not None
    assert re.fullmatch(r"[^<>\" ]+", link[1])
    assert client.get(link[1], auth=(secret, "")).status_code == 200


def test_an_answer_without_a_body_has_no_type(client: FlaskClient, db: Session, token: Token) -> None:
    worker = factories.create_worker(db)

    answer = client.post("/api/claims", json={}, auth=(token("worker", worker.id), ""))

    assert answer.status_code == 204
    assert "Content-Type" not in answer.headers


def test_head_says_what_get_would_and_sends_nothing(client: FlaskClient, token: Token) -> None:
    answer = client.head("/api/workers", auth=(token("ops"), ""))

    assert (answer.status_code, answer.data) == (200, b"")
    assert client.head("/api/workers").status_code == 401


def test_what_is_sent_is_compact_json_in_utf8() -> None:
    assert http.dump({"name": "Zoë 😀"}) == '{"name":"Zoë 😀"}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        http.dump(float("nan"))


def test_a_schemas_complaint_becomes_a_problem_with_a_pointer() -> None:
    with pytest.raises(Exception, match="/name: Missing data for required field") as refused:
        http.load(_Note(), {})

    assert isinstance(refused.value.__cause__, ma.ValidationError)


def test_a_policy_that_names_no_scope_lets_nobody_in() -> None:
    assert not allow().permits(auth.Actor("tok_1", "ada", "admin", frozenset({"admin"})))


# Files


def _takes_files(sessions: sessionmaker[Session]) -> tuple[FlaskClient, list[bytes]]:
    """A route that takes a file of ten bytes at most, and what came."""
    routes, came = http.Routes("files", "/files"), list[bytes]()

    @routes.post("", allow=PUBLIC, upload=http.Upload(10), returns=_Note)
    def take(call: http.Call) -> Any:
        """Take a file."""
        assert call.file is not None
        came.append(call.file.read())
        if len(came) == 1:
            raise DBAPIError("", {}, psycopg.errors.SerializationFailure())
        return {"name": "done"}

    return foundation_app.build_app(http.House(sessions, lambda: None), [routes], version="0").test_client(), came


def test_a_file_is_taken_as_it_is_and_again_from_its_beginning(sessions: sessionmaker[Session]) -> None:
    client, came = _takes_files(sessions)

    answer = client.post("/files", data=b"\xff{\x00", content_type="text/xml")

    assert (answer.status_code, came) == (200, [b"\xff{\x00"] * 2)


@pytest.mark.parametrize(
    ("sent", "headers", "status"),
    [
        (b"x" * 11, {}, 413),
        (b"", {}, 400),
        (b"x", {"Content-Encoding": "gzip"}, 415),
    ],
)
def test_a_file_that_is_too_long_empty_or_encoded_is_refused(
    sessions: sessionmaker[Session], sent: bytes, headers: dict[str, str], status: int
) -> None:
    client, came = _takes_files(sessions)

    assert (client.post("/files", data=sent, headers=headers).status_code, came) == (status, [])


def test_a_file_of_which_nobody_said_how_long_it_is_is_cut_off(sessions: sessionmaker[Session]) -> None:
    client, came = _takes_files(sessions)
    environ = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}

    answer = client.post("/files", input_stream=io.BytesIO(b"x" * 1000), environ_overrides=environ)

    assert (answer.status_code, came) == (413, [])


@pytest.mark.parametrize(
    "promises",
    [{"path": "/<name>"}, {"body": _Note}],
    ids=["an address for many", "another body"],
)
def test_a_file_is_the_only_body_of_one_address(promises: dict[str, Any]) -> None:
    path = promises.pop("path", "")
    declare = http.Routes("files", "/files").post(path, allow=PUBLIC, upload=http.Upload(10), returns=_Note, **promises)

    with pytest.raises(http.RouteUnsound):
        declare(lambda _call: None)

"""The matcher that an operator runs: what goes out, what comes back, and that no failure clears anybody."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from sqlalchemy.orm import Session

from payments import clearance, matcher, reviews, runs, screening
from payments.matcher import Matcher
from payments.models import Outcome, Payee, Screening
from payments.screeners import Snapshot, Verdict
from tests.payments import cleared, owed
from tests.payments.cleared import APPROVER
from tests.payments.owed import PREPARER, go_through

Answer = Callable[["_Handler"], None]
CATALOG = {"datasets": [{"name": "other", "version": "1"}, {"name": "default", "version": "20261129-abc"}]}
ADA = Snapshot("pye_ada", "Ada Otieno", "KE", b"account")


class _Handler(BaseHTTPRequestHandler):
    """A matcher: its catalogue, and whatever answer it was given."""

    server: "_Server"

    def do_GET(self) -> None:
        self.say(self.server.catalog if self.path == "/catalog" else {})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, json.loads(raw)))
        self.server.answer(self)

    def say(self, document: Any, status: int = 200) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the standard library
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    catalog: Any = CATALOG
    answer: Answer

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.asked = answer, list[tuple[str, Any]]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/match/default"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up does so on purpose."""


@contextmanager
def _serving(answer: Answer) -> Iterator[_Server]:
    with _Server(answer) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _matches(*names: str, score: float = 0.91) -> Answer:
    """Everybody with one of these names is known to it."""

    def answer(handler: _Handler) -> None:
        _, asked = handler.server.asked[-1]
        responses = {}
        for key, query in asked["queries"].items():
            found = [
                {"id": "Q1", "caption": name, "score": score, "match": True}
                for name in query["properties"]["name"]
                if name in names
            ]
            weak = {"id": "Q2", "caption": "Somebody", "score": 0.4, "match": False}
            responses[key] = {"status": 200, "results": [*found, weak]}
        handler.say({"responses": responses})

    return answer


def _answering(document: Any, status: int = 200) -> Answer:
    return lambda handler: handler.say(document, status)


def _one(result: Any) -> Answer:
    """What it says of one payee."""
    return _answering({"responses": {"pye_ada": result}})


def _asked(db: Session, url: str) -> Verdict:
    (verdict,) = Matcher(url).screen(db, [ADA])
    return verdict


def test_it_is_asked_for_names_and_countries_and_nothing_else(db: Session) -> None:
    with _serving(_matches("Ada Otieno")) as server:
        found = Matcher(server.url).screen(db, [ADA, Snapshot("pye_ben", "Ben", "PH", None)])

        ada = {"schema": "Person", "properties": {"name": ["Ada Otieno"], "country": ["ke"]}}
        ben = {"schema": "Person", "properties": {"name": ["Ben"], "country": ["ph"]}}
        assert server.asked == [("/match/default", {"queries": {"pye_ada": ada, "pye_ben": ben}})]
    assert found == [
        Verdict(Outcome.REVIEW, 91, [{"kind": "matcher", "id": "Q1", "name": "Ada Otieno"}]),
        Verdict(),
    ]


def test_its_version_is_that_of_the_dataset_that_is_asked(db: Session) -> None:
    with _serving(_matches()) as server:
        assert Matcher(server.url).version(db) == "match:20261129-abc"
        wrong: list[Any] = [{}, [], {"datasets": [{}]}, b"no json", {"datasets": [{"name": "default"}]}]
        for unknown in wrong:
            server.catalog = unknown
            assert Matcher(server.url).version(db) == "match:unknown"


def _drip(handler: _Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        time.sleep(0.05)


def _elsewhere(handler: _Handler) -> None:
    handler.send_response(307)
    handler.send_header("Location", "/match/default")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


WRONG: dict[str, Answer] = {
    "a failure": _answering({"detail": "no index"}, 500),
    "no JSON": _answering(b"<html>"),
    "no UTF-8": _answering(b'{"responses": "\xff"}'),
    "another shape": _answering([]),
    "nothing": _answering(b""),
    "nothing of them": _answering({"responses": {}}),
    "responses that are none": _answering({"responses": []}),
    "a failure for them": _one({"status": 400, "results": []}),
    "no results": _one({"status": 200}),
    "results that are none": _one({"status": 200, "results": [7]}),
    "a match without a score": _one({"status": 200, "results": [{"id": "Q", "match": True}]}),
    "a score that is none": _one({"status": 200, "results": [{"id": "Q", "match": True, "score": "high"}]}),
    "a score that is not one": _answering(
        b'{"responses": {"pye_ada": {"status": 200, "results": [{"id": "Q", "match": true, "score": NaN}]}}}'
    ),
    "nesting without end": _answering(b"[" * 100_000),
    "too much": _answering(b" " * 6_000_000),
    "a way elsewhere": _elsewhere,
    "silence": lambda _: time.sleep(0.5),
    "a drop at a time": _drip,
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG.keys())
def test_whatever_goes_wrong_is_a_review(db: Session, monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    monkeypatch.setattr(matcher, "_SECONDS", 0.3)
    monkeypatch.setattr(matcher, "_SILENCE_SECONDS", 0.2)

    with _serving(answer) as server:
        began = time.monotonic()
        verdict = _asked(db, server.url)
        took = time.monotonic() - began

    assert (verdict.outcome, verdict.findings[0]["kind"]) == (Outcome.REVIEW, "matcher_failed")
    assert took < 2


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/match/default", "http://[::1", "ftp://127.0.0.1/match/x"])
def test_a_matcher_that_is_not_there_clears_nobody(db: Session, url: str) -> None:
    assert _asked(db, url).outcome == Outcome.REVIEW
    assert Matcher(url).version(db) == "match:unknown"


def test_what_cannot_be_stored_of_what_it_says_is_left_out(db: Session) -> None:
    said = b'{"responses": {"pye_ada": {"status": 200, "results": [{"id": "\\u0000Q", "match": true, "score": 1, '
    with _serving(_answering(said + b'"caption": "\\ud800' + b"a" * 999 + b'"}]}}}')) as server:
        (finding,) = _asked(db, server.url).findings

    assert finding == {"kind": "matcher", "id": "Q", "name": "?" + "a" * 199}


def test_scores_beyond_the_scale_are_its_ends(db: Session) -> None:
    for given, score in ((7, 100), (-1, 0), (0.005, 0)):
        with _serving(_one({"status": 200, "results": [{"id": "Q", "match": True, "score": given}]})) as server:
            assert _asked(db, server.url).score == score


# In rounds


def _last(db: Session, payee: Payee) -> Screening:
    return db.scalars(screening.listed(payee_id=payee.id).order_by(Screening.id.desc()).limit(1)).one()


def test_a_round_asks_it_and_a_run_does_not(db: Session, books: None) -> None:
    ada, ben = owed.payee(db, 500), owed.payee(db, 700)
    with _serving(_matches(ada.name)) as server:
        db.info["screening_url"] = server.url
        begun = cleared.go_through(db)
        n_asked = len(server.asked)
        new = owed.payee(db, 900)
        run = go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER))
        assert len(server.asked) == n_asked == 1
    db.info.pop("screening_url")

    assert (begun.list_version, begun.n_payees, begun.n_reviews) == ("match:20261129-abc", 2, 1)
    assert clearance.barred(db, [ada.id, ben.id, new.id]) == {ada.id: "screening", new.id: "screening"}
    assert run.total == 700


def test_who_could_not_be_asked_about_is_asked_about_in_the_next_round(db: Session) -> None:
    ada = owed.payee(db)
    with _serving(_answering({}, 503)) as server:
        db.info["screening_url"] = server.url
        cleared.go_through(db)
        assert clearance.barred(db, [ada.id]) == {ada.id: "screening"}
        server.answer = _matches()
        cleared.go_through(db)
    db.info.pop("screening_url")

    assert clearance.barred(db, [ada.id]) == {}


def test_whoever_decides_one_failure_has_not_decided_the_next(db: Session) -> None:
    ada = owed.payee(db)
    with _serving(_answering({}, 503)) as server:
        db.info["screening_url"] = server.url
        cleared.go_through(db)
        reviews.decide(db, _last(db, ada).id, decision="clear", reason="Looked up by hand.", decided_by=APPROVER)
        assert clearance.barred(db, [ada.id]) == {}
        server.catalog = {"datasets": [{"name": "default", "version": "2"}]}
        cleared.go_through(db)
    db.info.pop("screening_url")

    assert clearance.barred(db, [ada.id]) == {ada.id: "screening"}


def test_both_lists_are_asked_and_the_worse_counts(db: Session) -> None:
    ada, ben = owed.payee(db), owed.payee(db)
    with _serving(_matches(ada.name)) as server:
        db.info["screening_url"] = server.url
        begun = cleared.listing(db, f"{ada.name},,", f"{ben.name},,")
    db.info.pop("screening_url")

    assert begun.list_version.endswith("+match:20261129-abc")
    assert [one["kind"] for one in _last(db, ada).findings["items"]] == ["list", "matcher"]
    assert [one["kind"] for one in _last(db, ben).findings["items"]] == ["list"]

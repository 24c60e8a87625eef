"""The strict reader: what it refuses, and that what it takes is the same in the tables. On routes: `tests/attack`."""

import io
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Text, cast, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from werkzeug.test import create_environ, run_wsgi_app

from foundation import auth, http, strict_json
from foundation.strict_json import MalformedJson
from tests import factories
from tests.attack import corpus
from tests.attack.corpus import OK, Entry

_RATES = b'[{"tier":0,"amount":"0.02","currency":"USD"},{"tier":4,"amount":"0.60","currency":"USD"}]'
_PROJECT = b'{"name":"Rooks","params":{"categories":["crow","rook"],"rates":%s,"kept":{"x":[HERE]}}}' % _RATES

UNREADABLE = {entry.id: entry for entry in corpus.entering("value") if entry.statuses["api"] == (400,)}
READABLE = {
    entry.id: entry for entry in corpus.entering("value") if "inside" in entry.at and OK in entry.statuses["api"]
}


@pytest.mark.parametrize("entry", READABLE.values(), ids=READABLE.keys())
def test_a_value_in_free_params_is_stored_as_it_came(client: FlaskClient, db: Session, entry: Entry) -> None:
    value = corpus.build(entry.sends)
    requester = factories.create_requester(db)
    _, secret = auth.issue(db, role="requester", subject_id=requester.id)
    body = _PROJECT.replace(b"HERE", value)
    made = client.post("/v1/projects", data=body, content_type="application/json", auth=(secret, ""))

    read = client.get("/v1/projects/Rooks", auth=(secret, ""))

    assert made.status_code == read.status_code == 200
    assert read.json is not None
    assert read.json["param_history"][0]["kept"] == strict_json.read(b'{"x":[' + value + b"]}")


@pytest.mark.parametrize("size", [10 * 1024**3, 10**30])
def test_a_body_that_claims_to_be_huge_is_refused_unread(client: FlaskClient, size: int) -> None:
    answer = client.post(
        "/api/applications",
        data=b"{}",
        headers={"Content-Type": "application/json"},
        environ_overrides={"CONTENT_LENGTH": str(size)},
    )

    assert answer.status_code == 413


class _Spaces(io.RawIOBase):
    """A client that sends 100 MB of spaces without saying so, and counts how many were taken."""

    def __init__(self) -> None:
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), 100_000_000 - self.taken)
        buffer[:size] = b" " * size
        self.taken += size
        return size


def test_a_chunked_body_without_length_is_cut_at_the_limit(client: FlaskClient) -> None:
    environ = create_environ("/api/applications", method="POST", content_type="application/json")
    spaces = _Spaces()
    environ.pop("CONTENT_LENGTH", None)
    environ.update({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": spaces, "wsgi.input_terminated": True})

    _, status, _ = run_wsgi_app(client.application, environ)

    assert status.startswith("413 ")
    assert spaces.taken < 1_000_000


def test_every_reason_says_what_is_wrong() -> None:
    said = {}
    for name, entry in UNREADABLE.items():
        with pytest.raises(MalformedJson) as refused:
            strict_json.read(corpus.build(entry.sends))
        said[name] = refused.value.detail

    assert said["A1.1"] == "NaN is not a JSON number."
    assert said["A9.15"] == "A number is beyond 2^53 - 1; send large numbers as strings."
    assert said["A17.2"] == "A number is closer to zero than 1e-30; send it as a string, or send 0."
    assert said["C1.2"] == "The key 'a' appears twice in one object."
    assert said["D4.1"] == "The body is not UTF-8 at byte 1."
    assert all(len(detail) < 200 for detail in said.values())


def test_depth_is_counted_outside_strings_only() -> None:
    assert strict_json.read(b'["' + b"[" * 50 + b'\\"' + b"{" * 50 + b'"]') == ["[" * 50 + '"' + "{" * 50]


def test_depth_is_not_the_number_of_brackets() -> None:
    assert strict_json.read(b"[" + b",".join(b"[]" for _ in range(100)) + b"]") == [[]] * 100


@pytest.mark.parametrize(
    "body", [b'{"a":' * 40_000, b"[" * 40 + b'"x",' * 50_000, b"[[]]," * 50_000], ids=lambda body: body[:8]
)
def test_depth_is_counted_without_a_copy_of_the_body(body: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(MalformedJson):
        strict_json.read(body)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # The body as text is there once.
    assert most < len(body) + 200_000


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(1e-30, 2**53 - 1)
    | st.floats(-(2**53) + 1, -1e-30)
    | st.just(0.0)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(st.sampled_from('ab\\"é😀')), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(json_values)
def test_whatever_the_house_sends_it_can_read(value: Any) -> None:
    assert strict_json.read(http.dump(value)) == value


_TOGETHER = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@_TOGETHER
@given(value=json_values)
def test_whatever_was_read_comes_back_from_the_table_as_it_was(db: Session, value: Any) -> None:
    read = strict_json.read(http.dump([value]))

    stored = db.scalars(select(literal(read, JSONB))).one()

    assert stored == read
    assert _kinds(stored) == _kinds(read)
    assert strict_json.read(http.dump(stored)) == read


def _kinds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _kinds(item) for key, item in value.items()}
    return [_kinds(item) for item in value] if isinstance(value, list) else type(value)


@_TOGETHER
@given(
    digits=st.from_regex(
        r"-?(0|[1-9]\d{0,19})(\.\d{1,40})?([eE][+-]?\d{1,3})?", fullmatch=True, alphabet=st.characters(codec="ascii")
    )
)
def test_any_number_that_is_taken_is_no_longer_in_the_table_and_can_be_read_from_it(db: Session, digits: str) -> None:
    try:
        read = strict_json.read(f"[{digits}]".encode())
    except MalformedJson:
        return

    written = db.scalars(select(cast(literal(read, JSONB), Text))).one()

    assert len(written) <= 52
    assert strict_json.read(written.encode()) == read


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(MalformedJson):
        strict_json.read(body)

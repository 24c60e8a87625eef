"""The strict reader, alone and through real routes: the bad-input corpus, each entry with the status it must get."""

import gzip
import io
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Text, cast, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse, create_environ, run_wsgi_app

from foundation import auth, http, strict_json
from foundation.strict_json import MalformedJson
from tests import factories

# How long any refusal may take, with room for a busy machine.
_SECONDS_MAX = 1.0

Send = Callable[..., TestResponse]
_RATES = b'[{"tier":0,"amount":"0.02","currency":"USD"},{"tier":4,"amount":"0.60","currency":"USD"}]'


@pytest.fixture
def send(client: FlaskClient, db: Session, token: Callable[..., str]) -> Send:
    """Posts a body to one of three real routes: open to all, a worker's, and Scale's."""
    requester = factories.create_requester(db)
    worker = factories.create_worker(db)
    secrets = {"/api/claims": token("worker", worker.id), "/v1/projects": token("requester", requester.id)}

    def post(path: str, body: bytes, **headers: str) -> TestResponse:
        given = {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        started = time.perf_counter()
        credentials = (secrets[path], "") if path in secrets else None
        answer = client.post(path, data=body, headers=given, auth=credentials)
        assert time.perf_counter() - started < _SECONDS_MAX
        if answer.status_code >= 400:
            assert len(answer.data) <= 8192
            assert answer.content_type == "application/problem+json"
        return answer

    return post


# Where a value is put: a name, an id, and a place in a document that is kept as it comes.
PLACES = {
    "/api/applications": b'{"name":%s,"country":"KE"}',
    "/api/claims": b'{"project_id":%s}',
    "/v1/projects": b'{"name":"Rooks","params":{"categories":["crow","rook"],"rates":%s,"kept":{"x":[%%s]}}}' % _RATES,
}

UNREADABLE_VALUES = {
    "A1 NaN": b"NaN",
    "A2 Infinity": b"Infinity",
    "A2 -Infinity": b"-Infinity",
    "A3 1e400": b"1e400",
    "A3 -1e400": b"-1e400",
    "A4 10^400": b"1" + b"0" * 400,
    "A5 4300 digits": b"9" * 4300,
    "A6 4301 digits": b"9" * 4301,
    "A6 -4301 digits": b"-" + b"9" * 4301,
    "A6 200,000 digits": b"9" * 200_000,
    "A6 200,000 decimals": b"0." + b"9" * 200_000,
    "A9 2^53 as a float": b"9007199254740992.0",
    "A9 2^53 - 1 and a half": b"9007199254740991.5",
    "A9 1e22": b"1e22",
    "A9 -1e308": b"-1e308",
    "A17 below 1e-30": b"9.9e-31",
    "A17 5e-324": b"5e-324",
    "A17 -1e-400": b"-1e-400",
    "A17 51 characters": b"0." + b"1" * 49,
    "A9 2^53": b"9007199254740992",
    "A9 -2^53": b"-9007199254740992",
    "A9 2^63": b"9223372036854775808",
    "A9 2^64": b"18446744073709551616",
    "A16 01": b"01",
    "A16 +1": b"+1",
    "A16 .5": b".5",
    "A16 1.": b"1.",
    "A16 0x10": b"0x10",
    "A16 1e": b"1e",
    "A16 1_000": b"1_000",
    "A16 Arabic digits": "١".encode(),
    "C1 a key twice": b'{"a":1,"a":2}',
    "C1 a key twice by escape": b'{"a":1,"\\u0061":2}',
    "C2 100,000 arrays": b"[" * 100_000 + b"]" * 100_000,
    "C3 30,000 objects": b'{"a":' * 30_000 + b"1" + b"}" * 30_000,
    "C4 depth 33": b"[" * 33 + b"]" * 33,
    "C4 depth 500": b"[" * 500 + b"]" * 500,
    "C4 depth 990": b"[" * 990 + b"]" * 990,
    "C4 depth 1100": b'{"a":' * 1100 + b"1" + b"}" * 1100,
    "C5 unclosed": b"[" * 100_000,
    "C5 unclosed objects": b'{"a":' * 40_000,
    "C6 keys": b"{" + b",".join(b'"%x":0' % n for n in range(2001)) + b"}",
    "C8 100,000 items": b"[" + b",".join(b"0" for _ in range(100_000)) + b"]",
    "C11 trailing comma": b"[1,]",
    "C11 single quotes": b"'x'",
    "C11 comment": b"/* x */ 1",
    "C11 undefined": b"undefined",
    "C11 bare word": b"rook",
    "D1 0xFF": b'"\xff"',
    "D2 overlong": b'"\xc0\x80"',
    "D3 surrogate bytes": b'"\xed\xa0\x80"',
    "D4 cut off in a character": b'"\xe2\x82"',
    "E1 NUL": b'"\\u0000"',
    "E1 NUL in a key": b'{"\\u0000":1}',
    "E1 raw NUL": b'"\x00"',
    "E1 raw control character": b'"\x01"',
    "E2 high surrogate": b'"\\ud800"',
    "E2 low surrogate": b'"\\udc00"',
    "E2 surrogates the wrong way round": b'"\\udc00\\ud800"',
    "E2 surrogate in a key": b'{"\\ud800":1}',
    "quotes never closed, deep": b"[" * 40 + b'"' + b'\\"' * 100_000,
    "200 kB of backslashes, deep": b"[" * 40 + b'"' + b"\\" * 200_001,
}


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("value", UNREADABLE_VALUES.values(), ids=UNREADABLE_VALUES.keys())
def test_a_value_that_cannot_be_read_without_guessing_is_refused_on_every_surface(
    send: Send, path: str, value: bytes
) -> None:
    answer = send(path, PLACES[path].replace(b"%s", value))

    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["type"] == "/problems/malformed-json"


READABLE_VALUES = {
    "A7 digits in a string": b'"' + b"9" * 5000 + b'"',
    "A9 2^53 - 1": b"9007199254740991",
    "A9 -(2^53 - 1)": b"-9007199254740991",
    "A10 1.5": b"1.5",
    "A11 1.0": b"1.0",
    "A12 -0": b"-0",
    "A12 -0.0": b"-0.0",
    "A15 true": b"true",
    "A11 the largest fraction": b"4503599627370495.5",
    "A11 1e15": b"1e15",
    "A17 1e-30": b"1e-30",
    "A17 17 digits at the end": b"-1.2345678901234567e-30",
    "A17 zero with any exponent": b"-0.00e-400",
    "C4 depth 28": b"[" * 28 + b"]" * 28,
    "C12 empty key": b'{"":1}',
    "C12 keys that name attributes": b'{"__proto__":1,"constructor":1,"__class__":1,"_sa_instance_state":1}',
    "C12 a long key": b'{"' + b"k" * 100_000 + b'":1}',
    "C13 keys that collide": b"{" + b",".join(b'"%x":0' % (n << 61) for n in range(1, 2000)) + b"}",
    "C14 deep JSON in a string": b'"' + b"[" * 100_000 + b'"',
    "C15 null": b"null",
    "C16 object": b"{}",
    "C16 list": b"[]",
    "E2 a whole surrogate pair": b'"\\ud83d\\ude00"',
    "E9 noncharacter": b'"\\uffff\\ufffe"',
    "K8 template markers": b'"{{7*7}} ${x} %s {0.__class__}"',
}
_NAMES = {"E2 a whole surrogate pair", "K8 template markers"}


@pytest.mark.parametrize(("name", "value"), READABLE_VALUES.items(), ids=READABLE_VALUES.keys())
def test_a_value_that_can_be_read_is_kept_or_refused_by_its_field(send: Send, name: str, value: bytes) -> None:
    applied = send("/api/applications", PLACES["/api/applications"].replace(b"%s", value))
    claimed = send("/api/claims", PLACES["/api/claims"].replace(b"%s", value))

    assert applied.status_code == (201 if name in _NAMES else 422)
    assert claimed.status_code == 422
    assert claimed.json is not None
    assert claimed.json["errors"][0]["pointer"] == "/project_id"


@pytest.mark.parametrize("value", READABLE_VALUES.values(), ids=READABLE_VALUES.keys())
def test_a_value_in_free_params_is_stored_as_it_came(client: FlaskClient, db: Session, value: bytes) -> None:
    requester = factories.create_requester(db)
    _, secret = auth.issue(db, role="requester", subject_id=requester.id)
    body = PLACES["/v1/projects"].replace(b"%s", value)
    made = client.post("/v1/projects", data=body, content_type="application/json", auth=(secret, ""))

    read = client.get("/v1/projects/Rooks", auth=(secret, ""))

    assert made.status_code == read.status_code == 200
    assert read.json is not None
    assert read.json["param_history"][0]["kept"] == strict_json.read(b'{"x":[' + value + b"]}")


# A whole body: what the house's own routes say, and what Scale's do.
BODIES: dict[str, tuple[bytes, int, int]] = {
    "C9 null": (b"null", 422, 422),
    "C9 list": (b"[]", 422, 422),
    "C9 string": (b'"x"', 422, 422),
    "C9 number": (b"1", 422, 422),
    "C9 true": (b"true", 422, 422),
    "C10 nothing": (b"", 400, 422),
    "C10 spaces": (b" \r\n\t ", 400, 422),
    "C10 100 kB of spaces": (b" " * 100_000, 400, 422),
    "C11 two documents": (b"{}{}", 400, 400),
    "C11 trailing words": (b"{} rook", 400, 400),
    "C11 unclosed": (b'{"name":"x"', 400, 400),
    "C12 empty key": (b'{"":1}', 422, 422),
    "C16 list of objects": (b'[{"name":"x"}]', 422, 422),
    "D5 byte order mark": (b"\xef\xbb\xbf{}", 400, 400),
    "D6 UTF-16": ("{}".encode("utf-16"), 400, 400),
    "D6 UTF-16 without mark": ('{"name":"x"}'.encode("utf-16-le"), 400, 400),
    "D6 UTF-32": ("{}".encode("utf-32"), 400, 400),
    "D9 gzip without saying so": (gzip.compress(b"{}", mtime=0), 400, 400),
    "pickle": (b"\x80\x04\x95\x10\x00", 400, 400),
}


@pytest.mark.parametrize(("body", "ours", "scales"), BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_not_one_json_object_is_refused(send: Send, body: bytes, ours: int, scales: int) -> None:
    assert send("/api/applications", body).status_code == ours
    assert send("/v1/projects", body).status_code == scales


MEDIA: dict[str, tuple[dict[str, str], int]] = {
    "plain": ({"Content-Type": "application/json"}, 201),
    "with charset": ({"Content-Type": "application/json; charset=UTF-8"}, 201),
    "in capitals": ({"Content-Type": "APPLICATION/JSON"}, 201),
    "identity": ({"Content-Encoding": "identity"}, 201),
    "H1 none": ({"Content-Type": ""}, 415),
    "H2 text": ({"Content-Type": "text/plain"}, 415),
    "H3 form": ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    "H3 multipart": ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    "H4 xml": ({"Content-Type": "application/xml"}, 415),
    "problem": ({"Content-Type": "application/problem+json"}, 415),
    "H5 utf-7": ({"Content-Type": "application/json; charset=utf-7"}, 415),
    "D7 latin-1": ({"Content-Type": "application/json; charset=latin-1"}, 415),
    "D8 gzip": ({"Content-Encoding": "gzip"}, 415),
    "D8 br": ({"Content-Encoding": "br"}, 415),
    "D8 unknown": ({"Content-Encoding": "rook"}, 415),
    "D8 two": ({"Content-Encoding": "gzip, identity"}, 415),
    "garbage": ({"Content-Type": "\x7f;;;=;"}, 415),
}


@pytest.mark.parametrize(("headers", "status"), MEDIA.values(), ids=MEDIA.keys())
def test_a_body_is_plain_json_in_utf8(send: Send, headers: Mapping[str, str], status: int) -> None:
    answer = send("/api/applications", b'{"name":"Ada","country":"KE"}', **headers)

    assert answer.status_code == status


def test_a_compressed_body_is_never_inflated(send: Send) -> None:
    bomb = gzip.compress(b" " * 50_000_000, mtime=0)

    assert send("/api/applications", bomb, Content_Encoding="gzip").status_code == 415


def test_an_xml_document_is_not_opened(send: Send) -> None:
    body = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'

    answer = send("/api/applications", body, Content_Type="application/xml")

    assert answer.status_code == 415
    assert b"root" not in answer.data


def _padded(size: int) -> bytes:
    body = b'{"name":"Ada","country":"KE"}'
    return body + b" " * (size - len(body))


def test_a_body_may_have_256_kb_and_not_a_byte_more(send: Send) -> None:
    assert send("/api/applications", _padded(http.BODY_MAX)).status_code == 201
    assert send("/api/applications", _padded(http.BODY_MAX + 1)).status_code == 413


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
    for name, value in UNREADABLE_VALUES.items():
        with pytest.raises(MalformedJson) as refused:
            strict_json.read(value)
        said[name] = refused.value.detail

    assert said["C1 a key twice by escape"] == "The key 'a' appears twice in one object."
    assert said["A9 1e22"] == "A number is beyond 2^53 - 1; send large numbers as strings."
    assert said["A17 5e-324"] == "A number is closer to zero than 1e-30; send it as a string, or send 0."
    assert said["A1 NaN"] == "NaN is not a JSON number."
    assert said["D4 cut off in a character"] == "The body is not UTF-8 at byte 1."
    assert all(len(detail) < 200 for detail in said.values())


def test_depth_is_counted_outside_strings_only() -> None:
    assert strict_json.read(b'["' + b"[" * 50 + b'\\"' + b"{" * 50 + b'"]') == ["[" * 50 + '"' + "{" * 50]


def test_depth_is_not_the_number_of_brackets() -> None:
    assert strict_json.read(b"[" + b",".join(b"[]" for _ in range(100)) + b"]") == [[]] * 100


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

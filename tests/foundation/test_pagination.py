"""Pages: complete while others write, bounded, and their cursors good for one list of one caller alone."""

import base64
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import pagination
from foundation.pagination import CursorRefused
from tests import factories


@pytest.fixture
def ops(token: Callable[..., str]) -> str:
    """An ops token."""
    return token("ops")


def _walk(client: FlaskClient, secret: str, address: str) -> Iterator[list[str]]:
    """The ids of each page, following the Link header."""
    following: str | None = address
    while following:
        answer = client.get(following, auth=(secret, ""))
        assert answer.status_code == 200
        assert answer.json is not None
        yield [item["id"] for item in answer.json["items"]]
        link = answer.headers.get("Link")
        following = None if link is None else link.removeprefix("<").partition(">")[0]


def _cursor(client: FlaskClient, secret: str, address: str) -> str:
    answer = client.get(address, auth=(secret, ""))
    assert answer.json is not None
    cursor: str = answer.json["next_cursor"]
    return cursor


def test_pages_hold_every_row_once_newest_first(client: FlaskClient, db: Session, ops: str) -> None:
    made = [factories.create_worker(db).id for _ in range(7)]

    pages = list(_walk(client, ops, "/api/workers?limit=3"))

    assert [len(page) for page in pages] == [3, 3, 1]
    assert [worker for page in pages for worker in page] == sorted(made, reverse=True)


def test_rows_that_come_or_go_meanwhile_hide_no_other(client: FlaskClient, db: Session, ops: str) -> None:
    made = [factories.create_requester(db, funds=None).id for _ in range(6)]
    seen = []

    for page in _walk(client, ops, "/api/requesters?limit=2"):
        seen += page
        factories.create_requester(db, funds=None)
        db.execute(text("DELETE FROM requesters WHERE id = :id"), {"id": page[-1]})

    assert seen == sorted(made, reverse=True)


def test_the_last_page_has_no_cursor_even_when_it_is_full(client: FlaskClient, db: Session, ops: str) -> None:
    for _ in range(4):
        factories.create_worker(db)

    pages = list(_walk(client, ops, "/api/workers?limit=2"))

    assert [len(page) for page in pages] == [2, 2]


def test_an_empty_list_is_a_page(client: FlaskClient, ops: str) -> None:
    answer = client.get("/api/workers", auth=(ops, ""))

    assert answer.json == {"items": [], "next_cursor": None}
    assert "Link" not in answer.headers


def test_the_link_keeps_the_filter_and_the_limit(client: FlaskClient, db: Session, ops: str) -> None:
    active = [factories.create_worker(db).id for _ in range(3)]
    client.post("/api/applications", json={"name": "Ada", "country": "KE"})

    pages = list(_walk(client, ops, "/api/workers?status=active&limit=1"))

    assert pages == [[worker] for worker in sorted(active, reverse=True)]


def test_a_page_has_fifty_rows_unless_asked_otherwise(client: FlaskClient, db: Session, ops: str) -> None:
    for _ in range(51):
        factories.create_requester(db, funds=None)

    assert [len(page) for page in _walk(client, ops, "/api/requesters")] == [50, 1]


@pytest.mark.parametrize("limit", ["0", "201", "-1", "1e9", "1000000000000", "", "ten", "1.0", "+1", "%D9%A1", "%201"])
def test_a_limit_is_between_1_and_200(client: FlaskClient, ops: str, limit: str) -> None:
    answer = client.get(f"/api/workers?limit={limit}", auth=(ops, ""))

    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["errors"][0]["pointer"] == "?/limit"


def test_a_cursor_belongs_to_its_address(client: FlaskClient, db: Session, ops: str) -> None:
    for _ in range(2):
        factories.create_worker(db)
    cursor = _cursor(client, ops, "/api/workers?limit=1")

    answer = client.get(f"/api/requesters?cursor={cursor}", auth=(ops, ""))

    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["type"] == "/problems/cursor-refused"


def test_a_cursor_belongs_to_its_filter(client: FlaskClient, db: Session, ops: str) -> None:
    for _ in range(2):
        factories.create_worker(db)
    cursor = _cursor(client, ops, "/api/workers?limit=1&status=active")

    assert client.get(f"/api/workers?status=active&cursor={cursor}", auth=(ops, "")).status_code == 200
    assert client.get(f"/api/workers?cursor={cursor}", auth=(ops, "")).status_code == 400
    assert client.get(f"/api/workers?status=applicant&cursor={cursor}", auth=(ops, "")).status_code == 400


def test_a_cursor_belongs_to_its_caller(client: FlaskClient, db: Session, token: Callable[..., str]) -> None:
    mine, other = factories.create_requester(db), factories.create_requester(db)
    for _ in range(2):
        factories.create_project(db, mine)
    cursor = _cursor(client, token("requester", mine.id), "/api/projects?limit=1")

    assert client.get(f"/api/projects?cursor={cursor}", auth=(token("requester", other.id), "")).status_code == 400


def test_a_cursor_outlives_the_row_it_names(client: FlaskClient, db: Session, ops: str) -> None:
    made = sorted((factories.create_requester(db, funds=None).id for _ in range(3)), reverse=True)
    cursor = _cursor(client, ops, "/api/requesters?limit=1")
    db.execute(text("DELETE FROM requesters WHERE id = :id"), {"id": made[0]})

    assert list(_walk(client, ops, f"/api/requesters?cursor={cursor}")) == [made[1:]]


@pytest.mark.parametrize("cursor", ["", "x", "====", "%00", "%ff", "é", "MTIz", "A" * 300, "../..", "'--", "wrk_1"])
def test_what_is_no_cursor_is_refused(client: FlaskClient, ops: str, cursor: str) -> None:
    assert client.get(f"/api/workers?cursor={cursor}", auth=(ops, "")).status_code in {400, 422}


def test_a_cursor_changed_in_any_byte_is_refused() -> None:
    cursor = pagination.seal(b"secret", "wrk_1", "list")
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))

    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(CursorRefused):
            pagination.unseal(b"secret", base64.urlsafe_b64encode(changed).decode(), "list")


@given(st.text(max_size=60))
def test_any_other_text_is_no_cursor(cursor: str) -> None:
    with pytest.raises(CursorRefused):
        pagination.unseal(b"secret", cursor, "list")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_cursor_names_its_row_in_its_list(last: str, context: str) -> None:
    cursor = pagination.seal(b"secret", last, context)

    assert pagination.unseal(b"secret", cursor, context) == last

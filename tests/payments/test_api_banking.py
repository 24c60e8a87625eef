"""What comes back from banks, over HTTP: files, lines in suspense, changed money, unclaimed pay and balances."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from payments import funding, reconciliation
from tests.payments import owed
from tests.payments.files.test_camt import details, document, entry
from tests.payments.owed import APPROVER, PREPARER
from tests.payments.test_api_payouts import People, Token, _items, _problem

__all__ = ["people"]


@pytest.fixture
def people(client: FlaskClient, token: Token, db: Session) -> People:
    return People(client, token, db)


def _upload(
    people: People, content: bytes, who: str = "finance", format_: str = "camt", **headers: str
) -> TestResponse:
    given = {**people._as(who), **headers}
    return people._client.post(f"/api/bank-files?format={format_}", data=content, headers=given)


def _read(people: People, content: bytes) -> dict[str, Any]:
    """A file that was taken in."""
    answer = _upload(people, content)
    assert answer.status_code == 201
    shown: dict[str, Any] = answer.get_json()
    return shown


def _suspended(people: People) -> str:
    """The one line in suspense."""
    (line,) = _items(people.get("finance", "bank-entries", state="suspense"))
    return str(line["id"])


# Files


def test_a_file_of_a_bank_is_read_as_it_is_sent_and_shown_with_its_lines(
    people: People, db: Session, books: None
) -> None:
    content = document(entry(amount="50.00", sign="CRDT", refs=("", "b1")))

    made = _read(people, content)

    assert (made["format"], made["outcome"], made["read_by"]) == ("camt", {"suspense": 1}, PREPARER)
    shown = people.get("auditor", f"bank-files/{made['id']}").get_json()
    assert shown == {
        "file": made,
        "lines": [{"state": "suspense", "currency": "EUR", "lines": 1, "amount": "50.0000"}],
    }
    assert _problem(_upload(people, content)) == (409, "file-read")


def test_a_key_is_for_the_bytes_that_were_sent_with_it(people: People, db: Session, books: None) -> None:
    content = document(entry(amount="50.00", sign="CRDT", refs=("", "b1")))
    first = _upload(people, content, **{"Idempotency-Key": "k"})

    again = _upload(people, content, **{"Idempotency-Key": "k"})
    other = _upload(people, content + b" ", **{"Idempotency-Key": "k"})

    assert (again.status_code, again.data) == (201, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert _problem(other) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("content", "format_", "status", "problem"),
    [
        (b"", "camt", 400, "bad-request"),
        (b"\x00\xff", "camt", 422, "file-unreadable"),
        (b"<a/>", "pain.002", 422, "file-unreadable"),
        (b"<a/>", "mt940", 422, "file-format-unknown"),
    ],
)
def test_what_is_no_file_of_its_format_is_refused_and_changes_nothing(
    people: People, content: bytes, format_: str, status: int, problem: str
) -> None:
    assert _problem(_upload(people, content, format_=format_)) == (status, problem)
    assert _items(people.get("finance", "bank-files")) == []


def test_a_file_that_takes_too_long_to_read_is_refused_before_it_is_read(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b" " * (reconciliation.UPLOAD_BYTES_MAX + 1)

    assert _problem(_upload(people, content)) == (413, "content-too-large")


def test_a_file_that_nobody_has_read_is_not_shown(people: People) -> None:
    assert _problem(people.get("finance", "bank-files/bfl_x")) == (404, "no-such-bank-file")


# Suspense


def test_two_people_say_what_a_line_is(people: People, db: Session, books: None) -> None:
    funding.register(db, "req_01m885wm00000000000000000a")
    _read(people, document(entry(amount="50.00", sign="CRDT", refs=("", "b1"))))
    line = f"bank-entries/{_suspended(people)}"
    body = {"kind": "top_up", "owner_ref": "req_01m885wm00000000000000000a", "reason": "Their invoice number."}

    made = people.post("finance", f"{line}/resolution", body)
    confirmation = {"resolution_id": made.get_json()["id"]}

    assert (made.status_code, made.get_json()["state"]) == (201, "proposed")
    assert _problem(people.post("finance", f"{line}/resolution", body)) == (409, "resolution-exists")
    assert _problem(people.post("both", f"{line}/resolution/confirmation", confirmation)) == (409, "same-person")
    assert [one["state"] for one in _items(people.get("approver", "resolutions", state="proposed"))] == ["proposed"]
    posted = people.post("approver", f"{line}/resolution/confirmation", confirmation).get_json()
    assert (posted["state"], posted["made_by"], posted["decided_by"]) == ("posted", PREPARER, APPROVER)
    assert _items(people.get("finance", "bank-entries", state="suspense")) == []
    assert _problem(people.post("finance", f"{line}/resolution", body)) == (409, "not-in-suspense")


def test_a_line_is_matched_by_hand_to_one_of_its_candidates(people: People, db: Session, books: None) -> None:
    owed.paying_account(db, "sepa", **{**owed.ACCOUNTS["sepa"], "iban": "FR1420041010050500013M02606"})
    owed.payee(db, 70_000, currency="EUR", rail="sepa")
    run = owed.sent(db, "sepa")
    db.commit()
    today = run.cut_off.date().isoformat()
    line = entry(details("another", "7.00"), amount="7.00", refs=("", "b1")).replace("2026-02-02", today)
    _read(people, document(line))
    address = f"bank-entries/{_suspended(people)}"

    (candidate,) = _items(people.get("finance", f"{address}/candidates"))
    made = people.post(
        "finance", f"{address}/resolution", {"kind": "payout", "payout_id": candidate["id"], "reason": "r"}
    )
    people.post("approver", f"{address}/resolution/confirmation", {"resolution_id": made.get_json()["id"]})

    assert (candidate["net"], candidate["rail"], candidate["state"]) == ("7.0000", "sepa", "exported")
    assert people.get("finance", f"payout-runs/{run.id}").get_json()["run"]["state"] == "closed"


def test_what_was_said_of_a_line_can_be_refused(people: People, db: Session, books: None) -> None:
    _read(people, document(entry(amount="0.25", refs=("", "b1"))))
    address = f"bank-entries/{_suspended(people)}"
    assert _problem(people.post("approver", f"{address}/resolution/refusal")) == (409, "no-resolution")
    for body, problem in (
        ({"kind": "own", "reason": "r"}, (422, "resolution-incomplete")),
        ({"kind": "sent_back", "reason": "r"}, (409, "resolution-unfit")),
    ):
        assert _problem(people.post("finance", f"{address}/resolution", body)) == problem
    people.post("finance", f"{address}/resolution", {"kind": "own", "role": "bank_interest", "reason": "r"})

    refused = people.post("approver", f"{address}/resolution/refusal").get_json()

    assert (refused["state"], refused["decided_by"]) == ("refused", APPROVER)
    assert len(_items(people.get("finance", "bank-entries", state="suspense"))) == 1

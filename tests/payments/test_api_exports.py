"""The routes of exports: asked for, made by the jobs process, taken by whoever may, and people's own statements."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from foundation import clock, ids
from payments import export_making, payees
from payments.export_kinds import KINDS
from tests import factories
from tests.payments import exported, owed

Token = Callable[..., str]


@pytest.fixture
def headers(token: Token) -> Callable[..., dict[str, str]]:
    def of(role: str, subject_id: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {token(role, subject_id)}"}

    return of


Headers = Callable[..., dict[str, str]]


def _refusal(response: TestResponse) -> tuple[int, str]:
    return response.status_code, response.get_json()["type"]


def _finish(db: Session) -> None:
    for _ in export_making.go_on(db):
        db.commit()


def test_an_export_is_asked_for_made_and_taken(client: FlaskClient, headers: Headers, db: Session, books: None) -> None:
    owed.payee(db, 12_300)
    db.commit()
    ada, oscar = headers("finance", "ada"), headers("approver", "oscar")

    answer = client.post("/api/exports", json={"kind": "payables", "format": "csv"}, headers=ada)
    asked: Any = answer.json
    early = client.get(f"/api/exports/{asked['id']}/file", headers=oscar)
    _finish(db)
    export: Any = client.get(f"/api/exports/{asked['id']}", headers=oscar).json
    file = client.get(f"/api/exports/{export['id']}/file", headers=oscar)
    taken: Any = client.get(f"/api/exports/{export['id']}/downloads", headers=ada).json

    assert (answer.status_code, asked["state"], asked["made_by"]) == (201, "making", "ada")
    assert _refusal(early) == (409, "/problems/export-not-ready")
    assert (export["state"], export["rows"], export["sums"]) == ("ready", 1, {"USD": "1.2300"})
    assert export["sha256"] == hashlib.sha256(file.data).hexdigest() == file.headers["Rookery-Sha256"]
    assert file.headers["Content-Disposition"] == f'attachment; filename="payables-{export["id"]}.csv"'
    assert file.content_type == "text/csv; charset=utf-8; header=present"
    assert [one["taken_by"] for one in taken["items"]] == ["oscar"]


def test_asking_again_with_the_same_key_is_the_same_export(client: FlaskClient, headers: Headers, db: Session) -> None:
    sent = {**headers("finance", "ada"), "Idempotency-Key": "one"}
    asked = {"kind": "payables", "format": "csv"}

    ids_ = {client.post("/api/exports", json=asked, headers=sent).get_json()["id"] for _ in "ab"}

    assert len(ids_) == 1
    assert db.scalars(text("SELECT count(*) FROM exports")).one() == 1


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        ({"kind": "everything", "format": "csv"}, 422, "export-kind-unknown"),
        ({"kind": "payables", "format": "pdf"}, 422, "invalid"),
        ({"kind": "payables", "format": "beancount"}, 422, "export-format-unknown"),
        ({"kind": "tax-year", "format": "csv", "parameters": {"country": "KE"}}, 422, "export-parameters-invalid"),
        ({"kind": "tax-year", "format": "csv", "parameters": {"country": "KE", "year": 1999}}, 422, "invalid"),
        ({"kind": "payables", "format": "csv", "parameters": {"all": True}}, 422, "invalid"),
        ({"kind": "journal", "format": "beancount"}, 422, "export-span-invalid"),
        ({"kind": "journal", "format": "beancount", "parameters": {"first_day": "2026-02-30"}}, 422, "invalid"),
        ({"kind": "left-out", "format": "csv", "parameters": {"run_id": ids.new("run")}}, 404, "no-such-run"),
        ({"kind": "invoice", "format": "csv", "parameters": {"invoice_id": ids.new("inv")}}, 404, "no-such-invoice"),
    ],
)
def test_what_cannot_be_made_is_refused(
    client: FlaskClient, headers: Headers, body: dict[str, Any], status: int, problem: str
) -> None:
    refused: Any = client.post("/api/exports", json=body, headers=headers("finance")).json

    assert (refused["status"], refused["type"]) == (status, f"/problems/{problem}")


def test_a_journal_without_codes_names_the_accounts(client: FlaskClient, headers: Headers, db: Session) -> None:
    owed.payee(db, 12_300)
    db.commit()
    month, ada = f"{clock.now(db):%Y-%m}", headers("finance", "ada")
    asked = {"kind": "journal", "format": "csv", "parameters": {"month": month}}

    refused: Any = client.post("/api/exports", json=asked, headers=ada).json
    codes = {"items": [{"account": account, "code": f"1{account}"} for account in (*refused["accounts"], "bank")]}
    twice = {"items": [{"account": "bank", "code": "1"}] * 2}
    doubled: Any = client.put("/api/account-codes", json=twice, headers=ada).json
    wrong = {"items": [{"account": "cash", "code": "1"}]}
    unknown: Any = client.put("/api/account-codes", json=wrong, headers=ada).json
    codes["items"] = list({item["account"]: item for item in codes["items"]}.values())
    set_: Any = client.put("/api/account-codes", json=codes, headers=ada).json
    again = client.post("/api/exports", json=asked, headers=ada)

    assert (refused["type"], refused["accounts"]) == (
        "/problems/account-codes-missing", ["bank", "funds", "payable", "platform_fee", "reserve"],
    )  # fmt: skip
    assert doubled["status"] == 422
    assert unknown["type"] == "/problems/account-code-invalid"
    assert set_ == {"codes": 5}
    assert again.status_code == 201
    listed: Any = client.get("/api/account-codes?limit=2", headers=headers("auditor")).json
    assert [item["account"] for item in listed["items"]] == ["bank", "funds"]
    assert listed["next_cursor"]


def test_bytes_that_are_not_kept_any_more_are_gone(client: FlaskClient, headers: Headers, db: Session) -> None:
    client.get("/api/payables.csv", headers=headers("finance", "ada"))
    (export_id,) = db.scalars(text("SELECT id FROM exports"))

    gone: Any = client.get(f"/api/exports/{export_id}/file", headers=headers("finance")).json
    missing = client.get(f"/api/exports/{ids.new('exp')}/file", headers=headers("finance"))

    assert (gone["status"], gone["type"]) == (410, "/problems/export-gone")
    assert missing.status_code == 404
    listed: Any = client.get("/api/exports?state=gone&kind=payables", headers=headers("auditor")).json
    assert [(item["id"], item["made_by"]) for item in listed["items"]] == [(export_id, "ada")]


def test_ageing_is_what_the_books_hold(client: FlaskClient, headers: Headers, db: Session, books: None) -> None:
    owed.payee(db, 12_300)
    db.commit()

    report: Any = client.get("/api/ageing", headers=headers("auditor")).json

    assert report == {
        "items": [
            {"what": "due", "owner_ref": "house", "currency": "USD", "age": "0-1", "items": 1, "total": "1.2300"}
        ],
        "ties": [{"role": "payable", "currency": "USD", "aged": "1.2300", "balance": "1.2300"}],
        "complete": True,
    }


def test_a_payee_sees_their_own_month_alone(client: FlaskClient, headers: Headers, db: Session, books: None) -> None:
    mine, theirs = (factories.create_worker(db) for _ in "ab")
    for worker, amount in ((mine, 12_300), (theirs, 999)):
        owed.owe(db, payees.of_owner(db, worker.id), amount)
    db.commit()
    month, me = f"{clock.now(db):%Y-%m}", headers("worker", mine.id)

    pages: list[Any] = [client.get(f"/api/me/statements/{month}?limit=2", headers=me).json]
    pages.append(client.get(f"/api/me/statements/{month}?limit=2&cursor={pages[0]['next_cursor']}", headers=me).json)
    file = client.get(f"/api/me/statements/{month}.csv", headers=me)
    none = client.get("/api/me/statements/2026-13", headers=me)

    lines = [line for page in pages for line in page["items"]]
    assert [(line["type"], line["balance"]) for line in lines] == [
        ("opening", "0.0000"), ("earning", "1.2300"), ("closing", "1.2300"),
    ]  # fmt: skip
    assert exported.rows(file.data) == lines
    assert file.headers["Content-Disposition"] == f'attachment; filename="statement-{month}.csv"'
    assert b"0.0999" not in file.data
    assert _refusal(none) == (404, "/problems/no-such-month")
    made = db.execute(text("SELECT made_by, state, parameters ->> 'month' FROM exports")).one()
    assert tuple(made) == (mine.id, "gone", month)


def test_workers_and_requesters_take_nothing_out(client: FlaskClient, headers: Headers) -> None:
    for role in ("worker", "requester", "ops"):
        for path in ("/api/exports", "/api/ageing", "/api/account-codes"):
            assert client.get(path, headers=headers(role)).status_code == 403
        assert client.post("/api/exports", json={}, headers=headers(role)).status_code == 403


def test_every_kind_is_documented_as_one_that_can_be_asked_for(client: FlaskClient) -> None:
    document: Any = client.get("/api/openapi.json").json

    assert json.dumps(list(KINDS)) in json.dumps(document)

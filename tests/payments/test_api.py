"""The payments routes over HTTP: finance, owners and payees."""

import gc
import hashlib
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from foundation import clock, ids
from payments import ledger, payees
from payments.ledger import BANK, FUNDS, HOUSE, AccountName, Entry, Line
from tests import factories
from tests.conftest import age
from tests.payments import owed

Token = Callable[..., str]


def _as(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def _top_up(client: FlaskClient, secret: str, **changes: Any) -> TestResponse:
    body = {"owner_ref": ids.new("req"), "currency": "USD", "amount": "12.50", "bank_reference": "b1", **changes}
    return client.post("/api/top-ups", json=body, headers=_as(secret))


def _problem(response: TestResponse) -> tuple[int, str]:
    assert response.content_type == "application/problem+json"
    return response.status_code, response.get_json()["type"].removeprefix("/problems/")


def _paid_worker(db: Session) -> str:
    """A worker with a due answer of 0.02 and a pending one; returns their id."""
    project = factories.create_project(db, overlap_min=1, overlap_max=1, confidence_target=0.5, expert_share=0.0)
    worker = factories.create_worker(db)
    factories.create_task(db, project)
    factories.answer(db, worker)
    factories.settle(db)
    waiting = factories.create_project(db, overlap_min=2, overlap_max=2)
    factories.create_task(db, waiting)
    factories.answer(db, worker)
    factories.settle(db)
    db.commit()
    return worker.id


# Finance


def test_a_top_up_is_booked_once_for_ever(client: FlaskClient, db: Session, token: Token, books: None) -> None:
    finance, requester = token("finance"), factories.create_requester(db, funds=None)
    owner = requester.id
    db.commit()

    first = _top_up(client, finance, owner_ref=owner)
    again = _top_up(client, finance, owner_ref=owner)

    assert first.status_code == again.status_code == 201
    assert first.get_json() == again.get_json()
    assert first.get_json()["amount"] == "12.50"
    funds = client.get("/api/funds", headers=_as(token("requester", owner))).get_json()["items"]
    assert funds == [{"currency": "USD", "available": "12.5000", "reserved": "0.0000", "spent": "0.0000"}]


@pytest.fixture
def owner(db: Session) -> str:
    """Somebody who may put money in."""
    return factories.create_requester(db, funds=None).id


def test_a_bank_reference_with_another_amount_is_a_conflict(
    client: FlaskClient, token: Token, books: None, owner: str
) -> None:
    finance = token("finance")
    _top_up(client, finance, owner_ref=owner)

    assert _problem(_top_up(client, finance, owner_ref=owner, amount="13")) == (409, "entry-conflict")


BAD = {
    "a number": ({"amount": 12.5}, "invalid"),
    "nothing": ({"amount": "0"}, "amount-invalid"),
    "negative": ({"amount": "-1"}, "invalid"),
    "an exponent": ({"amount": "1e3"}, "invalid"),
    "a whole number": ({"amount": 100}, "invalid"),
    "no number": ({"amount": "NaN"}, "invalid"),
    "no end": ({"amount": "Infinity"}, "invalid"),
    "less than nothing, or not": ({"amount": "-0"}, "invalid"),
    "a blank before it": ({"amount": " 1.00"}, "invalid"),
    "a comma": ({"amount": "1,00"}, "invalid"),
    "Arabic digits": ({"amount": "\u0661\u0662"}, "invalid"),
    "wide digits": ({"amount": "\uff11\uff12"}, "invalid"),
    "eighteen zeros": ({"amount": "1" + "0" * 18}, "invalid"),
    "empty": ({"amount": ""}, "invalid"),
    "null": ({"amount": None}, "invalid"),
    "too fine": ({"amount": "0.00001"}, "amount-invalid"),
    "too much": ({"amount": "999999999999"}, "amount-invalid"),
    "foreign currency": ({"currency": "XAU"}, "currency-unknown"),
    "retired currency": ({"currency": "BGN"}, "currency-retired"),
    "small letters": ({"currency": "usd"}, "invalid"),
    "currency of the books alone": ({"currency": "VES.2018"}, "invalid"),
    "all of it a fee": ({"fee": "12.50"}, "fee-too-high"),
    "a fee of more": ({"fee": "12.5001"}, "fee-too-high"),
    "a fee below zero": ({"fee": "-0.01"}, "invalid"),
    "a fee that is too fine": ({"fee": "0.00001"}, "amount-invalid"),
    "a fee that is too much": ({"fee": "999999999999"}, "amount-invalid"),
    "a fee that is no text": ({"fee": 0.5}, "invalid"),
    "no owner": ({"owner_ref": "me"}, "invalid"),
    "nobody": ({"owner_ref": f"req_{'0' * 26}"}, "owner-unknown"),
    "no reference": ({"bank_reference": ""}, "invalid"),
    "unknown key": ({"rate": "1"}, "invalid"),
}


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize(("changes", "problem"), BAD.values(), ids=BAD.keys())
def test_a_top_up_that_cannot_be_is_refused(
    client: FlaskClient, token: Token, owner: str, changes: dict[str, Any], problem: str
) -> None:
    refused = _top_up(client, token("finance"), **{"owner_ref": owner, **changes})

    assert _problem(refused) == (422, problem)
    assert [error["pointer"] for error in refused.get_json()["errors"]] == [f"/{field}" for field in changes]


def test_a_top_up_over_a_processor_is_booked_with_what_it_kept(
    client: FlaskClient, db: Session, token: Token, owner: str, books: None
) -> None:
    booked = _top_up(client, token("finance"), owner_ref=owner, fee="0.65", bank_reference="ch_1")

    assert (booked.status_code, booked.get_json()["fee"]) == (201, "0.65")
    plain = _top_up(client, token("finance"), owner_ref=owner, bank_reference="ch_1")
    assert _problem(plain) == (409, "entry-conflict")
    sums = {row.role: (int(row.debits), int(row.credits)) for row in ledger.trial_balance(db)}
    assert sums == {"bank": (118_500, 0), "rail_fee": (6_500, 0), "funds": (0, 125_000)}


@pytest.mark.parametrize("member", ["owner_ref", "currency", "amount", "bank_reference"])
def test_a_top_up_needs_all_its_members(client: FlaskClient, token: Token, books: None, member: str) -> None:
    body = {"owner_ref": ids.new("req"), "currency": "USD", "amount": "12.50", "bank_reference": "b1"}
    del body[member]

    response = client.post("/api/top-ups", json=body, headers=_as(token("finance")))

    assert _problem(response) == (422, "invalid")
    assert [error["pointer"] for error in response.get_json()["errors"]] == [f"/{member}"]


BOOKS = ["/api/trial-balance", "/api/tie-out", "/api/journal", "/api/payables.csv"]


@pytest.mark.parametrize("path", BOOKS)
@pytest.mark.parametrize("role", ["requester", "worker", "ops"])
def test_the_books_are_for_finance_and_auditors(client: FlaskClient, token: Token, path: str, role: str) -> None:
    assert _problem(client.get(path, headers=_as(token(role)))) == (403, "scope-missing")
    for reader in ("finance", "approver", "auditor"):
        assert client.get(path, headers=_as(token(reader))).status_code == 200


@pytest.mark.parametrize("role", ["requester", "worker", "ops", "admin"])
def test_nobody_else_books_money(client: FlaskClient, token: Token, role: str) -> None:
    assert _problem(_top_up(client, token(role))) == (403, "scope-missing")


@pytest.mark.parametrize("path", [*BOOKS, "/api/funds", "/api/me/statement", "/api/me/earnings"])
def test_without_a_token_there_is_nothing(client: FlaskClient, path: str) -> None:
    assert _problem(client.get(path)) == (401, "token-required")


def test_the_trial_balance_adds_up(client: FlaskClient, token: Token, db: Session, books: None) -> None:
    _paid_worker(db)

    rows = client.get("/api/trial-balance", headers=_as(token("finance"))).get_json()["items"]

    shown = {row["role"]: (row["kind"], row["debits"], row["credits"]) for row in rows}
    assert shown["bank"] == ("asset", "2000.0000", "0.0000")
    assert shown["payable"] == ("liability", "0.0000", "0.0200")
    assert shown["platform_fee"] == ("income", "0.0000", "0.0040")


def test_the_tie_out_agrees(client: FlaskClient, token: Token, db: Session, books: None) -> None:
    _paid_worker(db)

    (row,) = client.get("/api/tie-out", headers=_as(token("finance"))).get_json()["items"]

    assert row["payable"] == row["unpaid"] == "0.0200"
    assert row["spent"] == "0.0240"
    assert row["stored"] == row["recomputed"]


def test_the_journal_is_newest_first_and_narrowed_by_its_cause(
    client: FlaskClient, token: Token, db: Session, books: None, owner: str
) -> None:
    finance = token("finance")
    for reference in ("b1", "b2", "b3"):
        _top_up(client, finance, owner_ref=owner, bank_reference=reference)
    _top_up(client, finance, owner_ref=factories.create_requester(db, funds=None).id, bank_reference="b4")

    page = client.get(f"/api/journal?cause_ref={owner}&limit=2", headers=_as(finance)).get_json()
    rest = client.get(
        "/api/journal",
        query_string={"cause_ref": owner, "limit": 2, "cursor": page["next_cursor"]},
        headers=_as(finance),
    ).get_json()

    keys = [entry["idempotency_key"] for entry in page["items"] + rest["items"]]
    assert keys == ["fund:b3", "fund:b2", "fund:b1"]
    assert rest["next_cursor"] is None
    assert page["items"][0]["lines"] == [
        {"debit": "bank:house", "credit": f"funds:{owner}", "currency": "USD", "amount": "12.5000"}
    ]


def test_the_journal_is_narrowed_by_kind_and_by_the_days_that_entries_count_for(
    client: FlaskClient, token: Token, db: Session, books: None, owner: str
) -> None:
    finance = token("finance")
    _top_up(client, finance, owner_ref=owner, bank_reference="b1")
    today, late = clock.now(db).date(), AccountName(BANK, HOUSE, "USD")
    line = Line(late, AccountName(FUNDS, owner, "USD"), 7)
    ledger.post(db, [Entry("late", "found", owner, "finance", (line,), effective_on=today - timedelta(days=2))])
    db.commit()

    def keys(**query: object) -> list[str]:
        asked = {"cause_ref": owner, **query}
        items = client.get("/api/journal", query_string=asked, headers=_as(finance)).get_json()["items"]
        return [entry["idempotency_key"] for entry in items]

    ago = [today - timedelta(days=days) for days in range(4)]
    assert keys(kind="found") == ["late"]
    assert keys(first_day=ago[2], last_day=today) == ["late", "fund:b1"]
    assert (keys(first_day=ago[1]), keys(last_day=ago[1])) == (["fund:b1"], ["late"])
    assert (keys(last_day=ago[3]), keys(kind="top_up", last_day=ago[2])) == ([], [])
    assert keys(first_day="1900-01-01", last_day="2999-12-31") == ["late", "fund:b1"]


def test_finance_finds_earnings_by_payee_batch_status_kind_and_when_they_became_due(
    client: FlaskClient, token: Token, db: Session, books: None
) -> None:
    worker_id = _paid_worker(db)
    _paid_worker(db)
    payee = payees.of_owner(db, worker_id)
    given = owed.give_goodwill(
        db, payee_id=payee.id, currency="USD", amount=5_000, reason="Our fault.", actor_ref="finance"
    )
    age(db, "earnings", "due_at", 3600)
    db.commit()
    half_an_hour_ago = (clock.now(db) - timedelta(minutes=30)).isoformat()

    def found(**query: str) -> list[dict[str, Any]]:
        asked = {"payee_id": payee.id, **query}
        answer = client.get("/api/earnings", query_string=asked, headers=_as(token("auditor")))
        assert answer.status_code == 200
        items: list[dict[str, Any]] = answer.get_json()["items"]
        return items

    every = found()
    assert [(one["kind"], one["status"], one["amount"], one["paid"]) for one in every] == [
        ("goodwill", "due", "0.5000", "0.0000"),
        ("answer", "pending", "0.0200", "0.0000"),
        ("answer", "due", "0.0200", "0.0000"),
    ]
    goodwill, pending, due = every
    assert (goodwill["id"], goodwill["cause_ref"], goodwill["payee_id"]) == (given.id, None, payee.id)
    assert found(status="due") == [goodwill, due]
    assert found(kind="answer") == [pending, due]
    assert found(cause_ref=due["cause_ref"]) == [due]
    assert (found(until=half_an_hour_ago), found(since=half_an_hour_ago)) == ([goodwill, due], [])
    assert found(since=due["due_at"], until=due["due_at"]) == []
    assert found(payee_id=ids.new("pye")) == []


def test_finance_finds_payees_by_who_they_are_and_by_country(client: FlaskClient, token: Token, db: Session) -> None:
    made = [payees.register(db, owner_ref=f"wrk_{name}", name=name, country=name) for name in ("KE", "PH")]
    db.commit()

    def found(**query: str) -> set[str]:
        items = client.get("/api/payees", query_string=query, headers=_as(token("auditor"))).get_json()["items"]
        return {one["id"] for one in items}

    kenyan, filipino = (one.id for one in made)
    assert (found(country="KE"), found(owner_ref="wrk_PH")) == ({kenyan}, {filipino})
    assert found(owner_ref="wrk_PH", country="KE") == found(owner_ref="wrk_nobody") == set()
    assert found() == {kenyan, filipino}


@pytest.mark.parametrize("wrong", ["status=gone", "kind=gift", "payee_id=x", "since=yesterday", "until=2026-01-01"])
def test_what_no_earning_can_be_is_refused(client: FlaskClient, token: Token, wrong: str) -> None:
    assert _problem(client.get(f"/api/earnings?{wrong}", headers=_as(token("finance")))) == (422, "invalid")


def test_the_payables_come_as_a_file_with_its_totals(
    client: FlaskClient, token: Token, db: Session, books: None
) -> None:
    _paid_worker(db)

    response = client.get("/api/payables.csv", headers=_as(token("finance")))

    assert response.mimetype == "text/csv"
    assert "attachment" in response.headers["Content-Disposition"]
    assert response.headers["Rookery-Rows"] == "1"
    assert response.headers["Rookery-Sha256"] == hashlib.sha256(response.data).hexdigest()
    assert ",USD,0.0200,1," in response.text


def test_a_file_that_nobody_reads_is_closed(client: FlaskClient, token: Token) -> None:
    secret = token("finance")

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        client.head("/api/payables.csv", headers=_as(secret)).close()
        gc.collect()

    assert told == []


# Exchange rates and tax rules


def _fx(db: Session, rate: str = "129.25", **changes: Any) -> dict[str, Any]:
    now = clock.now(db)
    return {
        "base": "USD", "quote": "KES", "rate": rate, "source": "Central Bank of Kenya", "fetched_at": now.isoformat(),
        "valid_until": (now + timedelta(hours=12)).isoformat(), **changes,
    }  # fmt: skip


TAX = {
    "country": "KE", "kind": "withholding", "basis": "accrual", "basis_points": 500, "threshold": "24000",
    "period": "month", "currency": "KES", "catch_up": True, "rounding": "down", "unit_exponent": 0,
    "valid_from": "2026-01-01", "authority": "KRA", "citation": "Income Tax Act",
}  # fmt: skip


def _confirm(client: FlaskClient, secret: str, path: str, made: TestResponse) -> TestResponse:
    return client.post(f"{path}/{made.get_json()['id']}/confirmation", headers=_as(secret))


def test_a_rate_is_entered_by_one_and_confirmed_by_another(
    client: FlaskClient, token: Token, db: Session, books: None
) -> None:
    made = client.post("/api/fx-rates", json=_fx(db), headers=_as(token("finance", "ada")))

    confirmed = _confirm(client, token("approver", "bob"), "/api/fx-rates", made).get_json()

    assert made.status_code == 201
    assert (made.get_json()["rate"], made.get_json()["needs_confirmation"]) == ("129.25", True)
    assert (confirmed["entered_by"], confirmed["confirmed_by"]) == ("ada", "bob")
    again = client.post("/api/fx-rates", json=_fx(db, "130"), headers=_as(token("finance", "ada"))).get_json()
    assert not again["needs_confirmation"]


def test_a_rule_is_entered_by_one_and_confirmed_by_another(client: FlaskClient, token: Token, books: None) -> None:
    made = client.post("/api/tax-rules", json=TAX, headers=_as(token("finance", "ada")))

    confirmed = _confirm(client, token("approver", "bob"), "/api/tax-rules", made).get_json()

    assert made.status_code == 201
    shown = {**TAX, "threshold": "24000.0000", "document": None, "valid_to": None, "entered_by": "ada"}
    assert {name: confirmed[name] for name in shown} == shown
    assert (made.get_json()["confirmed_by"], confirmed["confirmed_by"]) == (None, "bob")


CONFIRMED: dict[str, Callable[[Session], dict[str, Any]]] = {"/api/fx-rates": _fx, "/api/tax-rules": lambda _db: TAX}


@pytest.mark.parametrize("path", CONFIRMED)
def test_one_person_with_a_token_of_each_role_confirms_nothing_of_their_own(
    client: FlaskClient, token: Token, db: Session, path: str
) -> None:
    made = client.post(path, json=CONFIRMED[path](db), headers=_as(token("finance", "ada")))
    first, second = token("approver", "ada"), token("approver", "ada")

    refused = [_problem(_confirm(client, secret, path, made)) for secret in (first, second)]

    assert refused == [(409, "same-person")] * 2
    (shown,) = client.get(path, headers=_as(first)).get_json()["items"]
    assert shown["confirmed_by"] is None


@pytest.mark.parametrize("path", CONFIRMED)
@pytest.mark.parametrize("role", ["finance", "auditor", "admin", "ops", "requester", "worker"])
def test_nobody_but_an_approver_confirms(client: FlaskClient, token: Token, db: Session, path: str, role: str) -> None:
    made = client.post(path, json=CONFIRMED[path](db), headers=_as(token("finance", "ada")))

    assert _problem(_confirm(client, token(role), path, made)) == (403, "scope-missing")


@pytest.mark.parametrize("path", CONFIRMED)
@pytest.mark.parametrize("role", ["approver", "auditor", "admin", "ops", "requester", "worker"])
def test_nobody_but_finance_enters(client: FlaskClient, token: Token, db: Session, path: str, role: str) -> None:
    assert _problem(client.post(path, json=CONFIRMED[path](db), headers=_as(token(role)))) == (403, "scope-missing")


@pytest.mark.parametrize("path", CONFIRMED)
def test_what_was_confirmed_is_not_confirmed_again(client: FlaskClient, token: Token, db: Session, path: str) -> None:
    made = client.post(path, json=CONFIRMED[path](db), headers=_as(token("finance", "ada")))
    _confirm(client, token("approver", "bob"), path, made)

    assert _problem(_confirm(client, token("approver", "cyn"), path, made)) == (409, "already-confirmed")


@pytest.mark.parametrize("path", CONFIRMED)
def test_nothing_is_confirmed_that_is_not_there(client: FlaskClient, token: Token, path: str) -> None:
    response = client.post(f"{path}/nothing/confirmation", headers=_as(token("approver")))

    assert _problem(response) == (404, "not-found")


def test_a_rate_that_went_out_of_its_time_is_not_confirmed(client: FlaskClient, token: Token, db: Session) -> None:
    row = "SELECT 'fxr_old', 'USD', 'KES', 129, 1, 'x', now() - interval '2 days', now(), 'ada', true"
    columns = "id, base, quote, numerator, denominator, source, fetched_at, valid_until, entered_by, needs_confirmation"
    db.execute(text(f"INSERT INTO fx_rates ({columns}) {row}"))
    db.commit()

    response = client.post("/api/fx-rates/fxr_old/confirmation", headers=_as(token("approver")))

    assert _problem(response) == (409, "rate-stale")
    assert "from USD to KES" in response.get_json()["detail"]


BAD_RATES: dict[str, tuple[dict[str, Any], str]] = {
    "a number": ({"rate": 129.25}, "invalid"),
    "nothing": ({"rate": "0"}, "fx-rate-invalid"),
    "against itself": ({"quote": "USD"}, "fx-rate-invalid"),
    "a foreign currency": ({"base": "XAU"}, "currency-unknown"),
    "no zone": ({"fetched_at": "2026-01-01T00:00:00"}, "invalid"),
    "the future": ({"fetched_at": "2999-01-01T00:00:00Z"}, "fx-rate-invalid"),
    "over": ({"valid_until": "2020-01-01T00:00:00Z"}, "fx-rate-invalid"),
}


@pytest.mark.parametrize(("changes", "problem"), BAD_RATES.values(), ids=BAD_RATES.keys())
def test_a_rate_that_cannot_be_is_refused(
    client: FlaskClient, token: Token, db: Session, changes: dict[str, Any], problem: str
) -> None:
    refused = client.post("/api/fx-rates", json=_fx(db, **changes), headers=_as(token("finance")))

    assert _problem(refused) == (422, problem)
    assert [error["pointer"] for error in refused.get_json()["errors"]] == [f"/{field}" for field in changes]


BAD_RULES: dict[str, tuple[dict[str, Any], str]] = {
    "more than all": ({"basis_points": 10_001}, "invalid"),
    "half a point": ({"basis_points": 0.5}, "invalid"),
    "an unknown kind": ({"kind": "levy"}, "invalid"),
    "a unit that the books lack": ({"unit_exponent": 5}, "tax-rule-invalid"),
    "an end before its beginning": ({"valid_to": "2025-12-31"}, "tax-rule-invalid"),
    "no day": ({"valid_from": "2026-02-30"}, "invalid"),
    "a name for an authority": ({"authority": "Kenya Revenue Authority"}, "invalid"),
    "a threshold of nothing": ({"threshold": "0"}, "amount-invalid"),
}


@pytest.mark.parametrize(("changes", "problem"), BAD_RULES.values(), ids=BAD_RULES.keys())
def test_a_rule_that_cannot_be_is_refused(
    client: FlaskClient, token: Token, changes: dict[str, Any], problem: str
) -> None:
    refused = client.post("/api/tax-rules", json={**TAX, **changes}, headers=_as(token("finance")))

    assert _problem(refused) == (422, problem)
    assert [error["pointer"] for error in refused.get_json()["errors"]] == [f"/{field}" for field in changes]


@pytest.mark.parametrize("role", ["finance", "approver", "auditor"])
def test_rates_and_rules_are_listed_newest_first_and_narrowed(
    client: FlaskClient, token: Token, db: Session, role: str
) -> None:
    for quote in ("KES", "PHP", "KES"):
        factories.enter_fx_rate(db, quote=quote)
    for country in ("KE", "PH"):
        factories.enter_tax_rule(db, country=country)
    db.commit()
    secret = token(role)

    rates = client.get("/api/fx-rates?limit=2", headers=_as(secret)).get_json()
    narrowed = client.get("/api/fx-rates?base=USD&quote=PHP", headers=_as(secret)).get_json()["items"]
    rules = client.get("/api/tax-rules?country=KE", headers=_as(secret)).get_json()["items"]

    assert [rate["quote"] for rate in rates["items"]] == ["KES", "PHP"]
    assert rates["next_cursor"] is not None
    assert [rate["quote"] for rate in narrowed] == ["PHP"]
    assert [rule["country"] for rule in rules] == ["KE"]


# Owners and payees


def test_an_owner_sees_what_is_reserved_and_spent(client: FlaskClient, token: Token, db: Session, books: None) -> None:
    requester = factories.create_requester(db, funds="10")
    project = factories.create_project(db, requester, overlap_min=1, overlap_max=1)
    factories.create_task(db, project)
    db.commit()

    (row,) = client.get("/api/funds", headers=_as(token("requester", requester.id))).get_json()["items"]

    assert row == {"currency": "USD", "available": "9.2560", "reserved": "0.7440", "spent": "0.0000"}


def test_an_owner_without_money_has_an_empty_list(client: FlaskClient, token: Token) -> None:
    assert client.get("/api/funds", headers=_as(token("requester"))).get_json() == {"items": []}


def test_a_worker_sees_what_is_pending_and_due(client: FlaskClient, token: Token, db: Session, books: None) -> None:
    secret = token("worker", _paid_worker(db))

    statement = client.get("/api/me/statement", headers=_as(secret)).get_json()
    earnings = client.get("/api/me/earnings", headers=_as(secret)).get_json()["items"]

    assert statement["totals"] == [
        {
            "currency": "USD",
            "answers": 2,
            "pending": "0.0200",
            "due": "0.0200",
            "held": "0.0000",
            "withheld": "0.0000",
            "paid": "0.0000",
        }
    ]
    assert [(row["status"], row["amount"]) for row in earnings] == [("pending", "0.0200"), ("due", "0.0200")]
    assert earnings[0]["due_at"] is None
    assert earnings[1]["due_at"] is not None


def test_a_worker_sees_nothing_of_others(client: FlaskClient, token: Token, db: Session) -> None:
    _paid_worker(db)
    other = factories.create_worker(db)
    db.commit()
    secret = token("worker", other.id)

    assert client.get("/api/me/statement", headers=_as(secret)).get_json()["totals"] == []
    assert client.get("/api/me/earnings", headers=_as(secret)).get_json()["items"] == []


@pytest.mark.parametrize("path", ["/api/me/statement", "/api/me/earnings"])
def test_a_token_of_no_payee_finds_nothing(client: FlaskClient, db: Session, token: Token, path: str) -> None:
    secret = token("worker")
    db.execute(text("UPDATE tokens SET subject_id = 'wrk_nobody'"))

    assert _problem(client.get(path, headers=_as(secret))) == (404, "no-payee")


# Fair pay


_RULE = {"region": "KE", "currency": "USD", "hourly": "5", "valid_from": "2026-01-01", "citation": "An order."}


def test_a_floor_rule_is_entered_by_one_and_confirmed_by_another(
    client: FlaskClient, db: Session, token: Token
) -> None:
    finance, approver = _as(token("finance", "ada")), _as(token("approver", "ben"))

    entered = client.post("/api/floor-rules", json=_RULE, headers=finance)
    path = f"/api/floor-rules/{entered.get_json()['id']}/confirmation"
    herself = client.post(path, headers=_as(token("approver", "ada")))
    confirmed = client.post(path, headers=approver)
    again = client.post(path, headers=approver)

    assert (entered.status_code, entered.get_json()["hourly"]) == (201, "5.0000")
    assert _problem(herself) == (409, "same-person")
    assert (confirmed.status_code, confirmed.get_json()["confirmed_by"]) == (200, "ben")
    assert _problem(again) == (409, "already-confirmed")
    listed = client.get("/api/floor-rules?region=KE", headers=approver).get_json()["items"]
    assert listed == [confirmed.get_json()]
    assert client.get("/api/floor-rules?region=PH", headers=finance).get_json()["items"] == []


def test_what_cannot_be_a_floor_rule_is_refused(client: FlaskClient, token: Token) -> None:
    finance, approver = _as(token("finance")), _as(token("approver"))

    ended = client.post("/api/floor-rules", json={**_RULE, "valid_to": "2025-12-31"}, headers=finance)
    none = client.post(f"/api/floor-rules/{ids.new('flr')}/confirmation", headers=approver)

    assert _problem(ended) == (422, "floor-rule-invalid")
    assert ended.get_json()["errors"][0]["pointer"] == "/valid_to"
    assert _problem(none) == (404, "no-such-floor-rule")


def test_wages_are_told_with_their_span(client: FlaskClient, db: Session, token: Token, books: None) -> None:
    _paid_worker(db)

    told = client.get("/api/wages", headers=_as(token("approver"))).get_json()

    (group,) = told["items"]
    assert (group["region"], group["tier"], group["answers"], group["median_low"]) == ("KE", 1, 2, None)
    assert told["complete"] is True
    wrong = client.get("/api/wages?since=2026-02-01&until=2026-01-01", headers=_as(token("finance")))
    assert _problem(wrong) == (422, "span-invalid")


def test_a_week_is_begun_once_and_listed(client: FlaskClient, token: Token) -> None:
    finance = _as(token("finance"))

    begun = client.post("/api/floor-weeks", json={"week": "2026-W05"}, headers=finance)
    again = client.post("/api/floor-weeks", json={"week": "2026-W05"}, headers=_as(token("finance")))
    to_come = client.post("/api/floor-weeks", json={"week": "2099-W05"}, headers=finance)
    never = client.post("/api/floor-weeks", json={"week": "2027-W53"}, headers=finance)

    assert (begun.status_code, begun.get_json()["state"]) == (201, "counting")
    assert again.get_json() == begun.get_json()
    assert (_problem(to_come), _problem(never)) == ((409, "week-not-over"), (422, "week-invalid"))
    listed = client.get("/api/floor-weeks", headers=_as(token("approver"))).get_json()["items"]
    assert listed == [begun.get_json()]

"""What comes back from banks, over HTTP: files, lines in suspense, changed money, unclaimed pay and balances."""

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from foundation import auth, clock, ids
from payments import funding, fx, payouts, reconciliation
from payments.payouts import Outcome
from tests import factories
from tests.payments import owed
from tests.payments.files.test_camt import OURS, details, document, entry
from tests.payments.owed import APPROVER, PREPARER
from tests.payments.test_api_payouts import People, Token, _items, _problem

__all__ = ["people"]


@pytest.fixture
def people(client: FlaskClient, token: Token, db: Session) -> People:
    owed.bank_account(db, OURS)
    db.commit()
    return People(client, token, db)


def _upload(
    people: People, content: bytes, who: str = "finance", format_: str = "camt", **headers: str
) -> TestResponse:
    given = {**people._as(who), **headers}
    return people._client.post(f"/api/bank-files?format={format_}", data=content, headers=given)


def _read(people: People, content: bytes, format_: str = "camt") -> dict[str, Any]:
    """A file that was taken in."""
    answer = _upload(people, content, format_=format_)
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


# Changed money


def test_two_people_book_what_a_bank_changed_money_at(people: People, db: Session, books: None) -> None:
    entered = factories.enter_fx_rate(db, base="USD", quote="KES", rate="100")
    fx.confirm(db, entered.id, auth.Actor("tok_a", APPROVER, "approver", frozenset({"approve"})))
    owed.payee(db, 100_000, rail="mpesa")
    run = owed.sent(db, "mpesa")
    db.commit()
    body = {
        "run_id": run.id, "bank_reference": "FX 1", "sold_currency": "USD", "sold": "10.25", "bought_currency": "KES",
        "bought": "1000",
    }  # fmt: skip

    made = people.post("finance", "fx-purchases", body).get_json()
    address = f"fx-purchases/{made['id']}/confirmation"

    assert (made["state"], made["sold"], made["bought"], made["gain"]) == ("proposed", "10.2500", "1000.0000", "0.0000")
    (open_,) = _items(people.get("auditor", f"payout-runs/{run.id}/fx-positions"))
    assert (open_["open"], open_["residue"], open_["earned_currency"]) == ("1000.0000", "-10.0000", "USD")
    assert _problem(people.post("both", address)) == (409, "same-person")
    posted = people.post("approver", address).get_json()
    assert (posted["state"], posted["gain"]) == ("posted", "-0.2500")
    assert [one["id"] for one in _items(people.get("auditor", "fx-purchases", run_id=run.id, state="posted"))] == [
        made["id"]
    ]
    assert _problem(people.post("finance", f"fx-purchases/{made['id']}/refusal")) == (409, "purchase-decided")
    for changed, problem in (
        ({"bank_reference": "FX 1"}, (409, "purchase-exists")),
        ({"bought_currency": "EUR"}, (409, "purchase-unfit")),
        ({"bought": "1000.01"}, (409, "purchase-too-much")),
        ({"sold": "0.001"}, (409, "purchase-too-fine")),
        ({"sold": "0"}, (422, "invalid")),
        ({"run_id": ids.new("run")}, (404, "no-such-run")),
    ):
        answer = people.post("finance", "fx-purchases", {**body, "bank_reference": "FX 2", **changed})
        assert answer.status_code == problem[0]
        assert problem[1] in {_problem(answer)[1], "invalid"}
    assert _problem(people.post("approver", "fx-purchases/fxp_x/confirmation")) == (404, "no-such-purchase")


# Unclaimed pay


def _came_back(people: People, db: Session) -> str:
    """A payout to the worker that came back."""
    owed.owe(db, people.payee, 50_000)
    owed.set_method(db, people.payee)
    (payout,) = db.scalars(payouts.listed(run_id=owed.sent(db).id))
    payouts.settle(db, [Outcome(payout.id)])
    payouts.take_returns(db, [Outcome(payout.id, "closed", payout.net)])
    owed.retire(db, people.payee)
    db.commit()
    return payout.id


def _keep(people: People, db: Session) -> str:
    noticed = (clock.now(db).date() - timedelta(days=31)).isoformat()
    made = people.post("finance", "unclaimed", {"payout_id": _came_back(people, db), "noticed_on": noticed}).get_json()
    answer = people.post("approver", f"unclaimed/{made['id']}/confirmation")
    assert (answer.status_code, answer.get_json()["state"]) == (200, "kept")
    return str(made["id"])


def test_pay_that_nobody_claims_is_kept_until_its_payee_does(people: People, db: Session, books: None) -> None:
    unclaimed_id = _keep(people, db)
    (kept,) = _items(people.get("worker", "me/unclaimed"))
    (age,) = _items(people.get("auditor", "unclaimed-ages"))
    assert (kept["id"], kept["amount"], kept["state"]) == (unclaimed_id, "5.0000", "kept")
    assert (age["amount"], age["parts"], age["year"]) == ("5.0000", 1, clock.now(db).year)

    claimed = people.post("worker", f"me/unclaimed/{unclaimed_id}/claim")

    assert (claimed.status_code, claimed.get_json()["state"]) == (200, "claimed")
    assert "claimed_by" not in claimed.get_json()
    assert _problem(people.post("worker", f"me/unclaimed/{unclaimed_id}/claim")) == (409, "unclaimed-move-not-allowed")
    assert _problem(people.post("worker", "me/unclaimed/unc_x/claim")) == (404, "no-such-unclaimed")


def test_pay_stays_owed_during_the_notice(people: People, db: Session, books: None) -> None:
    body = {"payout_id": _came_back(people, db), "noticed_on": clock.now(db).date().isoformat()}
    made = people.post("finance", "unclaimed", body).get_json()
    address = f"unclaimed/{made['id']}"

    assert _problem(people.post("approver", f"{address}/confirmation")) == (409, "still-claimable")
    assert _problem(people.post("both", f"{address}/confirmation")) == (409, "same-person")
    assert _problem(people.post("finance", "unclaimed", body)) == (409, "unclaimed-exists")
    assert people.post("approver", f"{address}/refusal").get_json()["state"] == "refused"
    late = people.post("finance", "unclaimed", {**body, "noticed_on": "2999-01-01"})
    assert (_problem(late), late.get_json()["errors"][0]["pointer"]) == ((422, "notice-invalid"), "/noticed_on")
    nobodys = people.post("finance", "unclaimed", {**body, "payout_id": ids.new("pyo")})
    assert _problem(nobodys) == (404, "no-such-payout")


def test_what_is_not_claimed_goes_to_a_state_by_two_people(people: People, db: Session, books: None) -> None:
    unclaimed_id = _keep(people, db)
    body = {"filing": "NY 2029", "unclaimed_ids": [unclaimed_id]}
    confirmation = {"filing": "NY 2029", "currency": "USD", "amount": "5"}

    filed = people.post("finance", "unclaimed-filings", body)

    assert (filed.status_code, filed.get_json()) == (
        201, {"filing": "NY 2029", "currency": "USD", "amount": "5.0000", "parts": 1},
    )  # fmt: skip
    assert _problem(people.post("finance", "unclaimed-filings", body)) == (409, "filing-taken")
    assert _problem(people.post("both", "unclaimed-filings/confirmation", confirmation)) == (409, "same-person")
    assert people.post("approver", "unclaimed-filings/confirmation", confirmation).status_code == 200
    (row,) = _items(people.get("auditor", "unclaimed", filing="NY 2029", state="handed_over"))
    assert (row["filed_by"], row["handed_by"]) == (PREPARER, APPROVER)
    unknown = people.post("approver", "unclaimed-filings/refusal", {"filing": "CA 2029"})
    assert _problem(unknown) == (404, "filing-unknown")


def test_a_payee_who_was_found_is_owed_again_at_the_word_of_finance(people: People, db: Session, books: None) -> None:
    unclaimed_id = _keep(people, db)

    claimed = people.post("finance", f"unclaimed/{unclaimed_id}/claim").get_json()

    assert (claimed["state"], claimed["claimed_by"]) == ("claimed", PREPARER)


# Balances


def test_what_a_bank_says_of_a_day_is_shown_beside_the_books(people: People, db: Session, books: None) -> None:
    _read(people, document(entry(amount="50.00", sign="CRDT", refs=("", "b1"))))

    (one,) = _items(people.get("auditor", "bank-balances", currency="EUR", closed_on="2026-02-02"))

    assert (one["closing"], one["others"], one["books"], one["difference"]) == (
        "87.5000", "0.0000", "50.0000", "-37.5000",
    )  # fmt: skip
    assert _items(people.get("auditor", "bank-balances", account="another")) == []


# Fees


def test_what_a_provider_took_is_shown_by_month_and_what_does_not_fit_apart(
    people: People, db: Session, books: None
) -> None:
    owed.payee(db, 100_000)
    run = owed.sent(db, "paypal")
    (payout,) = db.scalars(payouts.listed(run_id=run.id))
    told = f"sender_item_id\ttransaction_status\tpayout_item_fee\terrors\n{payout.end_to_end_id}\tSUCCESS"
    for fee in ("0.25", "-0.25"):
        _read(people, f"{told}\t{fee}\t".encode(), "paypal")
    month = f"{clock.now(db):%Y-%m}"

    (cost,) = people.get("auditor", "rail-fees", month=month).get_json()["items"]
    (apart,) = _items(people.get("approver", "rail-fees/unplaced", payout_id=payout.id, reason="negative"))

    assert cost == {"rail": "paypal", "kind": "fee", "currency": "USD", "entries": 1, "amount": "0.2500"}
    assert (apart["told"], apart["payout_id"]) == ("-0.25", payout.id)
    assert _items(people.get("finance", "rail-fees/unplaced", reason="differs")) == []

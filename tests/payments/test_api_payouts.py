"""The routes of payouts over HTTP: from an IBAN to the file that pays to it, and every refusal on the way."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.test import TestResponse

from foundation import clock, ids
from payments import holds, methods, payees, payouts, runs
from payments.models import PayoutRun
from tests import factories
from tests.conftest import age
from tests.payments import owed
from tests.payments.files import judges
from tests.payments.owed import ACCOUNTS, APPROVER, PREPARER, go_through

Token = Callable[..., str]
IBAN = {"rail": "sepa", "kind": "iban", "destination": {"iban": "DE89 3704 0044 0532 0130 00"}}
EMAIL = {"rail": "paypal", "kind": "email", "destination": {"email": "ada@example.com"}}


class People:
    """Everybody who calls, each under a name of their own."""

    def __init__(self, client: FlaskClient, token: Token, db: Session) -> None:
        self._client = client
        self.worker = factories.create_worker(db)
        db.commit()
        self.payee = payees.of_owner(db, self.worker.id)
        self._secrets = {
            "worker": token("worker", self.worker.id),
            "finance": token("finance", PREPARER),
            "approver": token("approver", APPROVER),
            # The same person as finance.
            "both": token("approver", PREPARER),
            "auditor": token("auditor"),
        }

    def get(self, who: str, path: str, **query: Any) -> TestResponse:
        return self._client.get(f"/api/{path}", query_string=query, headers=self._as(who))

    def post(self, who: str, path: str, body: Any = None) -> TestResponse:
        sent = {} if body is None else {"json": body}
        return self._client.post(f"/api/{path}", headers=self._as(who), **sent)

    def choose(self, **method: Any) -> TestResponse:
        return self._client.put("/api/me/payout-method", json={**IBAN, **method}, headers=self._as("worker"))

    def _as(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secrets[who]}"}


@pytest.fixture
def people(client: FlaskClient, token: Token, db: Session) -> People:
    return People(client, token, db)


def _problem(response: TestResponse) -> tuple[int, str]:
    assert response.content_type == "application/problem+json"
    return response.status_code, response.get_json()["type"].removeprefix("/problems/")


def _pointers(response: TestResponse) -> list[str]:
    return [error["pointer"] for error in response.get_json().get("errors", [])]


def _items(response: TestResponse) -> list[dict[str, Any]]:
    assert response.status_code == 200
    items: list[dict[str, Any]] = response.get_json()["items"]
    return items


def _account(people: People, rail: str = "sepa") -> str:
    body = {"rail": rail, "details": ACCOUNTS[rail]}
    return str(people.post("finance", "paying-accounts", body).get_json()["id"])


def _draft(db: Session, *amounts: int) -> PayoutRun:
    """A draft over PayPal, to one payee for each amount."""
    for amount in amounts or (50_000,):
        owed.payee(db, amount)
    run = go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER))
    db.commit()
    return run


def _approve(people: People, run: PayoutRun, who: str = "approver") -> TestResponse:
    return people.post(who, f"payout-runs/{run.id}/approval", {"content_hash": run.hash_text})


def _go_on(db: Session, run_id: str) -> None:
    for _ in runs.steps(db, run_id):
        pass
    db.commit()


# The whole way


def test_pay_goes_from_an_answer_to_a_file_for_the_bank(
    people: People, db: Session, books: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "COOLING", timedelta(0))
    owed.owe(db, people.payee, 123_456, currency="EUR")
    db.commit()
    assert people.choose().get_json()["masked"] == "DE** **** 3000"
    account_id = _account(people)
    assert people.post("approver", f"paying-accounts/{account_id}/confirmation").status_code == 200

    begun = people.post("finance", "payout-runs", {"rail": "sepa"})
    run_id = begun.get_json()["id"]
    _go_on(db, run_id)
    draft = people.get("approver", f"payout-runs/{run_id}").get_json()
    assert (begun.status_code, begun.get_json()["state"]) == (201, "preparing")
    assert (draft["run"]["state"], draft["run"]["payouts"], draft["run"]["total"]) == ("draft", 1, "12.3400")
    assert draft["payouts"] == [{"state": "prepared", "payouts": 1, "net": "12.3400"}]
    assert _items(people.get("worker", "me/payouts")) == []

    hash_ = {"content_hash": draft["run"]["content_hash"]}
    approved = people.post("approver", f"payout-runs/{run_id}/approval", hash_)
    released = people.post("finance", f"payout-runs/{run_id}/release")
    _go_on(db, run_id)
    assert [approved.get_json()["state"], released.get_json()["state"]] == ["approved", "releasing"]

    file = people.get("finance", f"payout-runs/{run_id}/file")
    assert (file.status_code, file.mimetype) == (200, "application/xml")
    assert file.headers["Content-Disposition"] == f'attachment; filename="{run_id}.xml"'
    assert (file.headers["Rookery-Rows"], file.headers["Rookery-Parts"]) == ("1", "1")
    assert file.headers["Rookery-Sha256"] == hashlib.sha256(file.data).hexdigest()
    assert all(judges.verdicts(file.data, "pain.001.001.09").values())
    (transfer,) = judges.transfers(file.data)
    assert "DE89370400440532013000" in str(transfer)
    assert "12.34" in str(transfer)

    (mine,) = _items(people.get("worker", "me/payouts"))
    assert (mine["net"], mine["state"], mine["ended_at"]) == ("12.3400", "exported", None)
    (totals,) = people.get("worker", "me/statement").get_json()["totals"]
    assert (totals["due"], totals["paid"]) == ("0.0056", "12.3400")
    payouts.settle(db, [payouts.Outcome(mine["id"])])
    db.commit()
    (mine,) = _items(people.get("worker", "me/payouts"))
    assert mine["state"] == "settled"
    assert people.get("finance", f"payout-runs/{run_id}").get_json()["run"]["state"] == "closed"


# Payees


def test_a_payee_sees_where_their_pay_goes_and_nobody_sees_the_account(people: People) -> None:
    chosen = people.choose()
    again = people.choose(destination={"iban": "de89370400440532013000"})

    assert chosen.status_code == 200
    assert again.get_json() == chosen.get_json() == people.get("worker", "me/payout-method").get_json()
    (seen,) = _items(people.get("auditor", "payout-methods", payee_id=people.payee.id))
    assert (seen["masked"], seen["set_by"], seen["status"]) == ("DE** **** 3000", people.worker.id, "active")
    assert "0532013" not in people.get("finance", "payout-methods").text


def test_whoever_has_said_nothing_is_told_so(people: People) -> None:
    assert _problem(people.get("worker", "me/payout-method")) == (404, "no-method")


@pytest.mark.parametrize(
    ("method", "problem", "pointer"),
    [
        ({"rail": "pigeon"}, "no-such-rail", "/rail"),
        ({"rail": "ach"}, "rail-reaches-not", "/kind"),
        ({"kind": "cash"}, "invalid", "/kind"),
        ({"destination": {"iban": "DE88370400440532013000"}}, "iban-checksum-wrong", "/destination/iban"),
        ({"destination": {"iban": "ZZ89370400440532013000"}}, "iban-country-unknown", "/destination/iban"),
        ({"destination": {"iban": "DE89"}}, "iban-malformed", "/destination/iban"),
        ({"destination": {**IBAN["destination"], "bic": "X"}}, "bic-malformed", "/destination/bic"),  # type: ignore[dict-item]
        ({"destination": {"email": "a@example.com"}}, "destination-malformed", "/destination/email"),
        ({"destination": "DE89370400440532013000"}, "invalid", "/destination"),
    ],
)
def test_what_is_no_destination_is_refused_where_it_is_wrong(
    people: People, method: dict[str, Any], problem: str, pointer: str
) -> None:
    refused = people.choose(**method)

    assert _problem(refused) == (422, problem)
    assert _pointers(refused)[0] == pointer
    assert "37040044" not in refused.text


def test_without_keys_a_destination_waits_for_the_operator(
    people: People, sessions: sessionmaker[Session], db: Session
) -> None:
    sessions.configure(info={})

    refused = people.choose()

    assert _problem(refused) == (503, "seal-key-missing")
    assert "ROOKERY_DESTINATION_KEYS" in refused.get_json()["detail"]


def test_a_payee_sees_what_is_held_and_what_was_put_right(people: People, db: Session, books: None) -> None:
    earning = owed.give_goodwill(
        db, payee_id=people.payee.id, currency="USD", amount=5_000, reason="Our fault.", actor_ref=PREPARER
    )
    holds.place(db, payee_id=people.payee.id, earning_id=earning.id, reason="A court.", made_by="x", is_legal=True)
    db.commit()

    (hold,) = _items(people.get("worker", "me/holds"))
    (adjustment,) = _items(people.get("worker", "me/adjustments"))

    assert (hold["reason"], hold["earning_id"], hold["until"]) == ("A court.", earning.id, None)
    assert set(hold) == {"id", "earning_id", "reason", "until", "created_at"}
    assert (adjustment["kind"], adjustment["before"], adjustment["after"]) == ("goodwill", "0.0000", "0.5000")
    assert "made_by" not in adjustment


def test_a_payee_sees_what_they_would_be_paid_now_and_what_waits(people: People, db: Session, books: None) -> None:
    owed.owe(db, people.payee, 60_000, 5_056)
    owed.set_method(db, people.payee)
    earning = owed.give_goodwill(
        db, payee_id=people.payee.id, currency="USD", amount=5_000, reason="Our fault.", actor_ref=PREPARER
    )
    until = clock.now(db) + timedelta(days=3)
    holds.place(
        db, payee_id=people.payee.id, earning_id=earning.id, reason="It is looked into.", made_by="x", until=until
    )
    db.commit()

    (foreseen,) = people.get("worker", "me/next-payout").get_json()["items"]
    (totals,) = people.get("worker", "me/statement").get_json()["totals"]

    (waits,) = foreseen.pop("waiting")
    assert foreseen == {
        "earned_currency": "USD", "due": "7.0056", "rail": "paypal", "currency": "USD", "gross": "6.5000",
        "netted": "0.0000", "withheld": "0.0000", "net": "6.5000",
    }  # fmt: skip
    assert (waits["reason"], waits["amount"], waits["note"]) == ("held", "0.5000", "It is looked into.")
    assert waits["until"].startswith(f"{until:%Y-%m-%dT%H:%M}")
    assert (totals["due"], totals["held"]) == ("7.0056", "0.5000")


def test_a_payee_sees_every_place_their_pay_was_to_go_to(people: People, db: Session) -> None:
    first, second = people.choose().get_json(), people.choose(**EMAIL).get_json()

    new, old = _items(people.get("worker", "me/payout-methods"))

    assert (new["id"], new["status"], new["retired_at"]) == (second["id"], "active", None)
    assert (old["id"], old["status"], old["retired_at"] is None) == (first["id"], "retired", False)
    assert (old["masked"], old["cooling_until"]) == (first["masked"], first["cooling_until"])
    assert "DE89370400440532013000" not in str(old)


# Holds


def _hold(people: People, db: Session, days: int | None = 3, **changes: Any) -> TestResponse:
    until = None if days is None else (clock.now(db) + timedelta(days=days)).isoformat()
    body = {"payee_id": people.payee.id, "reason": "It is looked into.", "until": until, **changes}
    return people.post("finance", "holds", {name: value for name, value in body.items() if value is not None})


def test_a_hold_is_placed_listed_and_ended(people: People, db: Session) -> None:
    placed = _hold(people, db)

    assert (placed.status_code, placed.get_json()["made_by"], placed.get_json()["legal"]) == (201, PREPARER, False)
    assert [one["id"] for one in _items(people.get("auditor", "holds", active="true"))] == [placed.get_json()["id"]]
    ended = people.post("finance", f"holds/{placed.get_json()['id']}/end", {"reason": "It was explained."})
    assert (ended.status_code, ended.get_json()["end_reason"]) == (200, "It was explained.")
    assert _items(people.get("auditor", "holds", active="true")) == []
    assert len(_items(people.get("auditor", "holds", payee_id=people.payee.id, active="false"))) == 1
    again = people.post("finance", f"holds/{placed.get_json()['id']}/end", {"reason": "Again."})
    assert _problem(again) == (409, "hold-over")


@pytest.mark.parametrize(
    ("days", "changes", "problem"),
    [
        (None, {}, (422, "hold-end-invalid")),
        (91, {}, (422, "hold-end-invalid")),
        (-1, {}, (422, "hold-end-invalid")),
        (3, {"legal": True}, (422, "hold-end-invalid")),
        (3, {"payee_id": ids.new("pye")}, (404, "not-found")),
        (3, {"earning_id": ids.new("ern")}, (404, "no-such-earning")),
        (3, {"reason": ""}, (422, "invalid")),
    ],
)
def test_a_hold_that_cannot_be_is_refused(
    people: People, db: Session, days: int | None, changes: dict[str, Any], problem: tuple[int, str]
) -> None:
    refused = _hold(people, db, days, **changes)

    assert _problem(refused) == problem
    if problem[1] == "hold-end-invalid":
        assert _pointers(refused) == ["/until"]


def test_a_legal_hold_is_ended_by_another_person(people: People, db: Session) -> None:
    hold_id = _hold(people, db, None, legal=True).get_json()["id"]
    body = {"reason": "The court says so."}

    assert _problem(people.post("finance", f"holds/{hold_id}/end", body)) == (409, "same-person")
    assert _problem(people.post("both", f"holds/{hold_id}/end", body)) == (409, "same-person")
    assert people.post("approver", f"holds/{hold_id}/end", body).get_json()["ended_by"] == APPROVER


# What is put right


def _due(db: Session, people: People, amount: int = 20_000) -> str:
    owed.owe(db, people.payee, amount)
    db.commit()
    earning = db.scalars(text("SELECT id FROM earnings ORDER BY id DESC LIMIT 1")).one()
    return str(earning)


def test_an_earning_is_taken_back_as_it_was_previewed(people: People, db: Session, books: None) -> None:
    earning_id = _due(db, people)

    preview = _items(people.post("finance", "reversals/preview", {"earning_ids": [earning_id]}))
    done = _items(people.post("finance", "reversals", {"earning_ids": [earning_id], "reason": "A mistake."}))
    again = _items(people.post("finance", "reversals", {"earning_ids": [earning_id], "reason": "A mistake."}))

    assert preview == done
    assert (done[0]["before"], done[0]["after"], done[0]["returned"]) == ("2.0000", "0.0000", "2.4000")
    assert again == []
    (noted,) = _items(people.get("auditor", "adjustments", payee_id=people.payee.id))
    assert (noted["kind"], noted["made_by"], noted["reason"]) == ("reversal", PREPARER, "A mistake.")


def test_an_earning_is_repaired_as_it_was_previewed(people: People, db: Session, books: None) -> None:
    path = f"earnings/{_due(db, people)}/repair"

    preview = people.post("finance", f"{path}/preview", {"amount": "1.50"}).get_json()
    done = people.post("finance", path, {"amount": "1.50", "reason": "It was easier."}).get_json()

    assert preview == done
    assert (done["before"], done["after"], done["returned"]) == ("2.0000", "1.5000", "0.6000")
    dearer = people.post("finance", path, {"amount": "900", "reason": "It was harder."})
    assert _problem(dearer) == (402, "insufficient-funds")
    none = people.post("finance", path, {"amount": "0", "reason": "It was nothing."})
    assert (_problem(none), _pointers(none)) == ((422, "amount-invalid"), ["/amount"])


def test_what_is_leaving_gone_or_not_there_is_not_put_right(people: People, db: Session, books: None) -> None:
    goodwill = owed.give_goodwill(
        db, payee_id=people.payee.id, currency="USD", amount=5_000, reason="Our fault.", actor_ref=PREPARER
    ).id
    owed.set_method(db, people.payee)
    owed.levy(db, country=people.payee.country)
    asked = {"earning_ids": [goodwill], "reason": "A mistake."}
    unlike = people.post("finance", f"earnings/{goodwill}/repair", {"amount": "1", "reason": "It was harder."})
    assert _problem(unlike) == (409, "earning-not-due")
    run = go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER))
    db.commit()

    leaving = people.post("finance", "reversals", asked)
    _approve(people, run)
    people.post("finance", f"payout-runs/{run.id}/release")
    _go_on(db, run.id)
    gone = people.post("finance", "reversals/preview", {"earning_ids": [goodwill]})
    missing = people.post("finance", "reversals", {**asked, "earning_ids": [goodwill, ids.new("ern")]})

    assert _problem(leaving) == (409, "earning-in-payout")
    assert _problem(gone) == (409, "earning-paid")
    assert _problem(missing) == (404, "no-such-earning")


GIFT = {"reference": "gift 1", "reason": "Good work."}


def test_a_bonus_costs_its_requester_the_fee_as_well_and_goodwill_costs_the_house(
    people: People, db: Session, books: None
) -> None:
    owner = factories.create_requester(db, funds="10")
    db.commit()
    given = {
        "payee_id": people.payee.id,
        "currency": "USD",
        "amount": "1.50",
        "reference": "gift 1",
        "reason": "Good work.",
    }

    bonus = people.post("finance", "bonuses", {**given, "owner_ref": owner.id})
    goodwill = people.post("finance", "goodwill", given)

    assert (bonus.status_code, bonus.get_json()["amount"], bonus.get_json()["status"]) == (201, "1.5000", "due")
    assert (goodwill.status_code, goodwill.get_json()["amount"]) == (201, "1.5000")
    rows = {row["role"]: row for row in _items(people.get("finance", "trial-balance"))}
    assert (rows["funds"]["debits"], rows["goodwill"]["debits"]) == ("1.8000", "1.5000")


@pytest.mark.parametrize("path", ["bonuses", "goodwill"])
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"payee_id": ids.new("pye")}, (404, "not-found")),
        ({"currency": "XAU"}, (422, "currency-unknown")),
        ({"amount": "0"}, (422, "amount-invalid")),
        ({"amount": 1.5}, (422, "invalid")),
    ],
)
def test_a_gift_that_cannot_be_is_refused(
    people: People, db: Session, path: str, changes: dict[str, Any], problem: tuple[int, str]
) -> None:
    owner = {"owner_ref": factories.create_requester(db).id} if path == "bonuses" else {}
    db.commit()
    given = {
        "payee_id": people.payee.id,
        "currency": "USD",
        "amount": "1.50",
        "reference": "gift 1",
        "reason": "Good work.",
        **owner,
    }

    assert _problem(people.post("finance", path, {**given, **changes})) == problem


def test_a_bonus_is_never_more_than_its_requester_has(people: People, db: Session, books: None) -> None:
    body = {
        "payee_id": people.payee.id,
        "currency": "USD",
        "amount": "1.50",
        "reference": "gift 1",
        "reason": "Good work.",
    }

    refused = people.post("finance", "bonuses", {**body, "owner_ref": ids.new("req")})

    assert _problem(refused) == (402, "insufficient-funds")
    assert db.scalars(text("SELECT count(*) FROM adjustments")).one() == 0


def test_a_bonus_is_previewed_and_nothing_changes(people: People, db: Session, books: None) -> None:
    owner = factories.create_requester(db, funds="10")
    db.commit()
    body = {"payee_id": people.payee.id, "currency": "USD", "amount": "1.50", **GIFT, "owner_ref": owner.id}

    seen = people.post("finance", "bonuses/preview", body).get_json()

    assert seen == {"currency": "USD", "amount": "1.5000", "fee": "0.3000", "cost": "1.8000", "available": "10.0000"}
    assert db.scalars(text("SELECT count(*) FROM adjustments")).one() == 0


@pytest.mark.parametrize("path", ["bonuses", "goodwill"])
def test_a_gift_that_is_sent_again_is_paid_once(people: People, db: Session, books: None, path: str) -> None:
    owner = {"owner_ref": factories.create_requester(db, funds="10").id} if path == "bonuses" else {}
    db.commit()
    body = {"payee_id": people.payee.id, "currency": "USD", "amount": "1.50", **GIFT, **owner}

    first, again = people.post("finance", path, body), people.post("finance", path, body)
    other = people.post("finance", path, {**body, "amount": "1.51"})

    assert (first.status_code, again.get_json()) == (201, first.get_json())
    assert _problem(other) == (409, "entry-conflict")
    assert db.scalars(text("SELECT amount FROM earnings WHERE kind <> 'answer'")).all() == [15_000]


# Paying accounts


def test_a_rail_pays_from_an_account_that_another_person_has_confirmed(people: People) -> None:
    assert _problem(people.post("finance", "payout-runs", {"rail": "sepa"})) == (409, "paying-account-missing")
    account_id = _account(people)

    assert _problem(people.post("both", f"paying-accounts/{account_id}/confirmation")) == (409, "same-person")
    assert _problem(people.post("finance", "payout-runs", {"rail": "sepa"})) == (409, "paying-account-missing")
    confirmed = people.post("approver", f"paying-accounts/{account_id}/confirmation").get_json()

    assert (confirmed["entered_by"], confirmed["confirmed_by"]) == (PREPARER, APPROVER)
    assert people.post("finance", "payout-runs", {"rail": "sepa"}).status_code == 201
    assert [one["details"] for one in _items(people.get("auditor", "paying-accounts"))] == [ACCOUNTS["sepa"]]
    nothing = people.post("approver", f"paying-accounts/{ids.new('pac')}/confirmation")
    assert _problem(nothing) == (404, "no-such-paying-account")


@pytest.mark.parametrize(
    ("rail", "details", "problem", "pointer"),
    [
        ("sepa", {}, "paying-account-invalid", "/details/name"),
        ("sepa", {**ACCOUNTS["sepa"], "iban": "DE88370400440532013000"}, "iban-checksum-wrong", "/details/iban"),
        ("ach", {**ACCOUNTS["ach"], "routing": "1"}, "paying-account-invalid", "/details/routing"),
        ("paypal", {"account": "1 2"}, "paying-account-invalid", "/details/account"),
        ("pigeon", {"account": "1"}, "no-such-rail", "/rail"),
    ],
)
def test_what_is_no_account_is_refused(
    people: People, rail: str, details: dict[str, str], problem: str, pointer: str
) -> None:
    refused = people.post("finance", "paying-accounts", {"rail": rail, "details": details})

    assert _problem(refused) == (422, problem)
    assert _pointers(refused)[0] == pointer


# Runs


def test_a_run_shows_whom_it_pays_and_whom_it_leaves_out(people: People, db: Session) -> None:
    nobody = owed.payee(db, 50_000, rail=None)
    run = _draft(db, 50_000, 70_000)

    paid = _items(people.get("auditor", f"payout-runs/{run.id}/payouts", state="prepared"))
    left = _items(people.get("auditor", f"payout-runs/{run.id}/left-out"))

    assert sorted(one["net"] for one in paid) == ["5.0000", "7.0000"]
    assert _items(people.get("auditor", f"payout-runs/{run.id}/payouts", state="failed")) == []
    assert left == [{"payee_id": nobody.id, "reason": "no_method", "currency": "USD", "amount": "5.0000"}]
    assert [one["id"] for one in _items(people.get("auditor", "payout-runs", state="draft"))] == [run.id]
    assert len(_items(people.get("auditor", "payouts", payee_id=paid[0]["payee_id"]))) == 1
    assert nobody.id in [one["id"] for one in _items(people.get("auditor", "payees"))]


def test_one_payee_who_is_left_out_for_two_reasons_is_on_both_pages(people: People, db: Session) -> None:
    ada = owed.payee(db, 50_000, 90)
    first = db.scalars(text("SELECT min(id) FROM earnings")).one()
    holds.place(db, payee_id=ada.id, earning_id=first, reason="A court.", made_by="x", is_legal=True)
    run = go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER))
    db.commit()
    path = f"payout-runs/{run.id}/left-out"

    page = people.get("auditor", path, limit=1).get_json()
    rest = people.get("auditor", path, limit=1, cursor=page["next_cursor"]).get_json()

    assert [one["reason"] for one in page["items"] + rest["items"]] == ["held", "too_little"]
    assert rest["next_cursor"] is None


def test_nobody_approves_what_they_prepared_or_where_they_send_it(people: People, db: Session) -> None:
    run = _draft(db)
    assert _problem(_approve(people, run, "both")) == (409, "same-person")

    ada = owed.payee(db, 50_000)
    owed.set_method(db, ada, set_by=APPROVER)
    theirs = go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER))
    db.commit()
    assert _problem(_approve(people, theirs)) == (409, "destination-by-approver")


def test_an_approval_names_the_run_as_it_is(people: People, db: Session, books: None) -> None:
    run = _draft(db, 50_000, 70_000)
    seen = str(run.hash_text)
    other = people.post("approver", f"payout-runs/{run.id}/approval", {"content_hash": "0" * 64})
    short = people.post("approver", f"payout-runs/{run.id}/approval", {"content_hash": seen[:12]})
    assert (_problem(other), _problem(short)) == ((409, "run-changed"), (422, "invalid"))

    first = _items(people.get("auditor", f"payout-runs/{run.id}/payouts"))[0]["id"]
    dropped = people.post("finance", f"payouts/{first}/drop", {"reason": "They asked to wait."}).get_json()

    assert (dropped["payouts"], dropped["content_hash"] != seen) == (1, True)
    stale = people.post("approver", f"payout-runs/{run.id}/approval", {"content_hash": seen})
    assert _problem(stale) == (409, "run-changed")
    (gone,) = _items(people.get("auditor", "payouts", state="dropped"))
    assert gone["reason"] == "They asked to wait."


def test_a_destination_that_changes_stops_a_run_until_it_is_rechecked(people: People, db: Session, books: None) -> None:
    ada = owed.payee(db, 50_000)
    run = _draft(db)
    _approve(people, run)
    owed.set_method(db, ada, mark=b"elsewhere")
    db.commit()

    stopped = people.post("finance", f"payout-runs/{run.id}/release")
    begun = people.post("approver", f"payout-runs/{run.id}/recheck").get_json()
    _go_on(db, run.id)
    rechecked = people.get("approver", f"payout-runs/{run.id}").get_json()["run"]

    assert _problem(stopped) == (409, "run-changed")
    assert begun["state"] == "rechecking"
    assert (rechecked["state"], rechecked["payouts"], rechecked["approved_by"]) == ("draft", 1, None)


def test_an_approval_lapses_after_a_day_and_can_be_taken_back(people: People, db: Session) -> None:
    run = _draft(db)
    _approve(people, run)
    age(db, "payout_runs", "approved_at", 86_401)
    db.commit()

    late = people.post("finance", f"payout-runs/{run.id}/release")
    reopened = people.post("approver", f"payout-runs/{run.id}/reopening").get_json()

    assert _problem(late) == (409, "run-changed")
    assert (reopened["state"], reopened["approved_at"]) == ("draft", None)


def test_a_run_that_is_cancelled_pays_nobody_and_owes_as_before(people: People, db: Session, books: None) -> None:
    run = _draft(db)

    people.post("finance", f"payout-runs/{run.id}/cancellation")
    _go_on(db, run.id)

    assert people.get("auditor", f"payout-runs/{run.id}").get_json()["run"]["state"] == "cancelled"
    assert [one["state"] for one in _items(people.get("auditor", "payouts"))] == ["dropped"]
    assert db.scalars(text("SELECT status FROM earnings")).all() == ["due"]


@pytest.mark.parametrize("move", ["recheck", "reopening", "release", "cancellation", "approval"])
def test_a_run_that_has_left_moves_no_more(people: People, db: Session, books: None, move: str) -> None:
    run = _sent(people, db)
    who, body = ("approver", {"content_hash": run.hash_text}) if move == "approval" else ("finance", None)

    assert _problem(people.post(who, f"payout-runs/{run.id}/{move}", body)) == (409, "run-move-not-allowed")


def _sent(people: People, db: Session, *amounts: int) -> PayoutRun:
    run = _draft(db, *amounts)
    _approve(people, run)
    people.post("finance", f"payout-runs/{run.id}/release")
    _go_on(db, run.id)
    db.refresh(run)
    return run


def test_nothing_is_dropped_that_has_left(people: People, db: Session, books: None) -> None:
    run = _sent(people, db)
    payout_id = db.scalars(payouts.listed(run_id=run.id)).one().id

    refused = people.post("finance", f"payouts/{payout_id}/drop", {"reason": "Too late."})

    assert _problem(refused) == (409, "run-move-not-allowed")


@pytest.mark.parametrize("path", ["", "/payouts", "/left-out", "/file"])
def test_a_run_that_is_not_there_is_not_found(people: People, path: str) -> None:
    assert _problem(people.get("auditor", f"payout-runs/{ids.new('run')}{path}")) == (404, "no-such-run")


@pytest.mark.parametrize("move", ["recheck", "reopening", "release", "cancellation"])
def test_nothing_is_done_with_a_run_or_payout_that_is_not_there(people: People, move: str) -> None:
    assert _problem(people.post("finance", f"payout-runs/{ids.new('run')}/{move}")) == (404, "no-such-run")
    drop = people.post("finance", f"payouts/{ids.new('pyo')}/drop", {"reason": "r"})
    assert _problem(drop) == (404, "no-such-payout")


def test_a_run_begins_over_a_rail_that_there_is_with_what_is_due(people: People, db: Session) -> None:
    pigeon = people.post("finance", "payout-runs", {"rail": "pigeon"})
    ahead = people.post("finance", "payout-runs", {"rail": "paypal", "cut_off": "2999-01-01T00:00:00Z"})

    assert (_problem(pigeon), _pointers(pigeon)) == ((422, "no-such-rail"), ["/rail"])
    assert (_problem(ahead), _pointers(ahead)) == ((422, "cut-off-invalid"), ["/cut_off"])


# Files


def test_a_run_can_be_had_in_other_formats_and_every_time_is_kept(people: People, db: Session, books: None) -> None:
    run = _sent(people, db, 50_000, 70_000)
    path = f"payout-runs/{run.id}/file"

    types = [people.get("auditor", path, format=name).mimetype for name in ("csv", "xlsx", "parquet")]

    assert types == [
        "text/csv",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.apache.parquet",
    ]
    assert people.get("finance", path).data == people.get("auditor", path).data
    assert db.scalars(text("SELECT count(*) FROM payout_files")).one() == 5


def test_a_file_that_cannot_be_is_refused(people: People, db: Session, books: None) -> None:
    draft = _draft(db)
    assert _problem(people.get("finance", f"payout-runs/{draft.id}/file")) == (409, "run-not-exported")
    run = _sent(people, db)
    path = f"payout-runs/{run.id}/file"

    format_, part = people.get("finance", path, format="pdf"), people.get("finance", path, part=2)

    assert (_problem(format_), _pointers(format_)) == ((422, "format-unknown"), ["?/format"])
    assert (_problem(part), _pointers(part)) == ((422, "part-unknown"), ["?/part"])
    assert _problem(people.get("finance", path, part="x")) == (422, "invalid")
    assert _problem(people.get("finance", path, format="nacha")) == (409, "payout-unfit")


def test_bank_files_and_entries_are_listed(people: People, db: Session) -> None:
    for number in (1, 2):
        db.execute(
            text("""
                WITH file AS (INSERT INTO bank_files (id, sha256, format, outcome, read_by)
                              VALUES (:file, decode(:mark, 'hex'), 'camt', '{"suspense": 1}', 'ops') RETURNING id)
                INSERT INTO bank_entries (id, file_id, account, reference, booked_on, currency, amount, state)
                SELECT :entry, id, 'DE1', :mark, '2026-11-29', 'EUR', 12300 * :number, 'suspense' FROM file
            """),
            {"file": f"bfl_{number}", "entry": f"ben_{number}", "mark": f"0{number}" * 32, "number": number},
        )
    db.commit()

    files = _items(people.get("auditor", "bank-files"))
    entries = _items(people.get("auditor", "bank-entries", state="suspense"))

    assert [(one["sha256"], one["outcome"]) for one in files] == [(f"0{n}" * 32, {"suspense": 1}) for n in (2, 1)]
    assert [(one["amount"], one["booked_on"], one["payout_id"]) for one in entries] == [
        ("2.4600", "2026-11-29", None),
        ("1.2300", "2026-11-29", None),
    ]
    assert _items(people.get("auditor", "bank-entries", state="matched")) == []


# Who may


STAFF_ONLY = [
    "payees", "payout-methods", "holds", "adjustments", "paying-accounts", "payout-runs", "payouts", "bank-files",
    "bank-entries",
]  # fmt: skip


@pytest.mark.parametrize("path", STAFF_ONLY)
def test_lists_of_pay_are_for_those_who_decide_about_it_and_for_auditors(people: People, path: str) -> None:
    assert _problem(people.get("worker", path)) == (403, "scope-missing")
    assert {people.get(who, path).status_code for who in ("finance", "approver", "auditor")} == {200}


def test_whoever_prepares_cannot_approve_and_whoever_approves_cannot_prepare(people: People, db: Session) -> None:
    run = _draft(db)

    assert _problem(_approve(people, run, "finance")) == (403, "scope-missing")
    assert _problem(people.post("approver", "payout-runs", {"rail": "paypal"})) == (403, "scope-missing")
    assert _problem(people.post("approver", f"payout-runs/{run.id}/release")) == (403, "scope-missing")


def test_finance_finds_payouts_by_rail_currency_and_the_days_on_which_they_were_prepared(
    people: People, db: Session, books: None
) -> None:
    run = _draft(db, 50_000, 60_000)
    both = {one.id for one in db.scalars(payouts.listed(run_id=run.id))}
    today = clock.now(db).date()

    def found(**query: object) -> set[str]:
        return {one["id"] for one in _items(people.get("auditor", "payouts", **query))}

    yesterday, tomorrow = today - timedelta(days=1), today + timedelta(days=1)
    assert (found(rail="paypal"), found(rail="sepa")) == (both, set())
    assert (found(currency="USD"), found(currency="EUR")) == (both, set())
    assert found(first_day=today, last_day=today, state="prepared") == both
    assert (found(last_day=yesterday), found(first_day=tomorrow)) == (set(), set())
    assert found(first_day="1900-01-01", last_day="2999-12-31") == both


def test_a_run_says_how_many_it_leaves_out_for_what_reason(people: People, db: Session, books: None) -> None:
    for amount in (10_000, 20_000):
        owed.payee(db, amount, rail=None)
    owed.payee(db, 30_000, cooling=1)
    run = _draft(db)

    shown = people.get("approver", f"payout-runs/{run.id}").get_json()

    assert shown["left_out"] == [
        {"reason": "cooling", "currency": "USD", "payees": 1, "amount": "3.0000"},
        {"reason": "no_method", "currency": "USD", "payees": 2, "amount": "3.0000"},
    ]


def test_who_made_which_file_of_a_run_is_listed(people: People, db: Session, books: None) -> None:
    owed.payee(db, 50_000)
    run = owed.sent(db)
    db.commit()
    assert _items(people.get("auditor", f"payout-runs/{run.id}/files")) == []

    first = people.get("finance", f"payout-runs/{run.id}/file")
    people.get("approver", f"payout-runs/{run.id}/file", format="csv")

    newest, oldest = _items(people.get("auditor", f"payout-runs/{run.id}/files"))
    assert (newest["format"], newest["made_by"]) == ("csv", APPROVER)
    assert (oldest["format"], oldest["part"], oldest["rows"], oldest["made_by"]) == ("paypal", 1, 1, PREPARER)
    assert oldest["sha256"] == first.headers["Rookery-Sha256"]
    assert _problem(people.get("auditor", f"payout-runs/{ids.new('run')}/files")) == (404, "no-such-run")

"""The routes of refunds, terms, credit, invoices and clawbacks: one person asks, another lets it be."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from foundation import clock, ids
from payments import earnings, funding, payees, payouts
from tests import factories
from tests.payments import owed

Token = Callable[..., str]


class Desk:
    """Finance and an approver at their tokens, and a requester they look after."""

    def __init__(self, client: FlaskClient, db: Session, token: Token) -> None:
        self.client, self.db, self.token = client, db, token
        self.owner = factories.create_requester(db, funds=None).id
        db.commit()
        self.secrets = {
            "finance": token("finance", "wanjiru"),
            "approver": token("approver", "oscar"),
            "one of both": token("approver", "wanjiru"),
        }

    def send(self, who: str, method: str, path: str, body: Any = None) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.secrets.get(who) or self.token(who)}"}
        return self.client.open(f"/api{path}", method=method, json=body, headers=headers)

    def ask(self, path: str, **body: Any) -> Any:
        """What finance writes down and gets back."""
        response = self.send("finance", "POST", path, body or None)
        assert response.status_code in {200, 201}, response.text
        return response.get_json()

    def agree(self, path: str) -> Any:
        """What another person lets be."""
        response = self.send("approver", "POST", path)
        assert response.status_code == 200, response.text
        return response.get_json()

    def top_up(self) -> str:
        """Fifty dollars; returns their entry."""
        body = {"owner_ref": self.owner, "currency": "USD", "amount": "50.00", "bank_reference": "b1"}
        return str(self.ask("/top-ups", **body)["entry_id"])

    def free(self) -> str:
        secret = self.token("requester", self.owner)
        items = self.client.get("/api/funds", headers={"Authorization": f"Bearer {secret}"}).get_json()["items"]
        return str(items[0]["available"])


@pytest.fixture
def desk(client: FlaskClient, db: Session, token: Token) -> Desk:
    """Where finance sits."""
    return Desk(client, db, token)


@pytest.fixture
def month(db: Session) -> date:
    """The first day of the last month that is over."""
    return (clock.now(db).date().replace(day=1) - timedelta(days=1)).replace(day=1)


def _problem(response: TestResponse) -> tuple[int, str]:
    assert response.content_type == "application/problem+json", response.text
    return response.status_code, response.get_json()["type"].removeprefix("/problems/")


def _refund(desk: Desk, **changes: Any) -> dict[str, Any]:
    return {"owner_ref": desk.owner, "currency": "USD", "amount": "20.00", "top_up_id": desk.top_up(), **changes}


def test_a_refund_goes_its_way_by_two_people(desk: Desk, books: None) -> None:
    asked = desk.ask("/refunds", **_refund(desk))
    assert (asked["state"], asked["amount"], asked["requested_by"]) == ("proposed", "20.0000", "wanjiru")

    own = desk.send("one of both", "POST", f"/refunds/{asked['id']}/approval")
    assert _problem(own) == (409, "same-person")
    approved = desk.agree(f"/refunds/{asked['id']}/approval")

    assert (approved["state"], approved["decided_by"], desk.free()) == ("approved", "oscar", "30.0000")
    assert _problem(desk.send("approver", "POST", f"/refunds/{asked['id']}/approval")) == (409, "refund-decided")
    (listed,) = desk.send("auditor", "GET", f"/refunds?owner_ref={desk.owner}&state=approved").get_json()["items"]
    assert listed == approved


def test_a_refund_is_refused_with_a_reason(desk: Desk, books: None) -> None:
    asked = desk.ask("/refunds", **_refund(desk))

    refused = desk.send("approver", "POST", f"/refunds/{asked['id']}/refusal", {"reason": "Twice"}).get_json()

    assert (refused["state"], refused["reason"], desk.free()) == ("refused", "Twice", "50.0000")


REFUSED_REFUNDS = {
    "too much": ({"amount": "50.01"}, 409, "refund-too-much", None),
    "too fine": ({"amount": "1.001"}, 409, "refund-too-fine", None),
    "nothing": ({"amount": "0"}, 422, "amount-invalid", "/amount"),
    "another entry": ({"top_up_id": ids.new("jnl")}, 409, "top-up-unknown", None),
    "no entry": ({"top_up_id": "b1"}, 422, "invalid", "/top_up_id"),
    "another owner": ({"owner_ref": ids.new("req")}, 409, "top-up-unknown", None),
    "another currency": ({"currency": "EUR"}, 409, "top-up-unknown", None),
    "no currency": ({"currency": "XAU"}, 422, "currency-unknown", "/currency"),
    "no owner": ({"owner_ref": "me"}, 422, "invalid", "/owner_ref"),
}


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize("case", REFUSED_REFUNDS)
def test_a_refund_that_cannot_be_is_refused(desk: Desk, case: str) -> None:
    changes, status, problem, pointer = REFUSED_REFUNDS[case]

    refused = desk.send("finance", "POST", "/refunds", _refund(desk, **changes))

    assert _problem(refused) == (status, problem)
    assert [error["pointer"] for error in refused.get_json().get("errors", [])] == ([pointer] if pointer else [])


def test_what_is_reserved_is_not_refunded(desk: Desk, books: None) -> None:
    desk.top_up()
    funding.reserve(desk.db, owner_ref=desk.owner, cause_ref="bat_1", key="k", currency="USD", amount=400_000)
    desk.db.commit()

    assert _problem(desk.send("finance", "POST", "/refunds", _refund(desk))) == (402, "insufficient-funds")


def _terms(desk: Desk, billing: str = "postpaid", presentation: str = "agent", days: int = -200) -> str:
    since = (clock.now(desk.db) + timedelta(days=days)).isoformat()
    body = {"entity": "ROOK", "presentation": presentation, "billing": billing, "valid_from": since}
    return str(desk.ask("/contracts", owner_ref=desk.owner, **body)["id"])


def _limit(desk: Desk, amount: str = "100.00") -> str:
    since = (clock.now(desk.db) - timedelta(days=1)).isoformat()
    body = {"currency": "USD", "amount": amount, "valid_from": since}
    return str(desk.ask("/credit-limits", owner_ref=desk.owner, **body)["id"])


def _draw(desk: Desk, amount: str, reference: str = "d1") -> TestResponse:
    body = {"owner_ref": desk.owner, "currency": "USD", "amount": amount, "reference": reference}
    return desk.send("finance", "POST", "/credit-draws", body)


def test_credit_is_drawn_within_what_two_people_have_agreed(desk: Desk, books: None) -> None:
    contract = _terms(desk)
    assert _problem(_draw(desk, "60.00")) == (409, "contract-missing")
    own = desk.send("one of both", "POST", f"/contracts/{contract}/confirmation")
    assert _problem(own) == (409, "same-person")
    desk.agree(f"/contracts/{contract}/confirmation")
    limit = _limit(desk)
    assert _problem(_draw(desk, "60.00")) == (409, "credit-exceeded")
    desk.agree(f"/credit-limits/{limit}/confirmation")

    assert _draw(desk, "60.00").status_code == _draw(desk, "60.00").status_code == 201

    assert desk.free() == "60.0000"
    assert _problem(_draw(desk, "40.01", "d2")) == (409, "credit-exceeded")
    confirmed = desk.send("approver", "POST", f"/credit-limits/{limit}/confirmation")
    assert _problem(confirmed) == (409, "already-in-force")
    for path in ("/contracts", "/credit-limits"):
        (item,) = desk.send("auditor", "GET", f"{path}?owner_ref={desk.owner}").get_json()["items"]
        assert (item["made_by"], item["confirmed_by"]) == ("wanjiru", "oscar")


def test_who_pays_beforehand_draws_nothing(desk: Desk, books: None) -> None:
    desk.agree(f"/contracts/{_terms(desk, 'prepaid')}/confirmation")

    assert _problem(_draw(desk, "1.00")) == (409, "not-postpaid")


BAD_TERMS = {
    "a year and more": ({"valid_from": "2199-01-01T00:00:00Z"}, "date-too-far", "/valid_from"),
    "nobody": ({"owner_ref": ids.new("req")}, "owner-unknown", "/owner_ref"),
    "no presentation": ({"presentation": "both"}, "invalid", "/presentation"),
    "no entity": ({"entity": "R O"}, "invalid", "/entity"),
}


@pytest.mark.parametrize("case", BAD_TERMS)
def test_terms_that_cannot_be_are_refused(desk: Desk, case: str) -> None:
    changes, problem, pointer = BAD_TERMS[case]
    now = clock.now(desk.db).isoformat()
    body = {"entity": "ROOK", "presentation": "agent", "billing": "prepaid", "valid_from": now, **changes}

    refused = desk.send("finance", "POST", "/contracts", {"owner_ref": desk.owner, **body})

    assert _problem(refused) == (422, problem)
    assert [error["pointer"] for error in refused.get_json()["errors"]] == [pointer]


def _spend(desk: Desk, month: date, amount: int = 100_000) -> None:
    """A bonus in that month, out of what was drawn."""
    desk.agree(f"/contracts/{_terms(desk)}/confirmation")
    desk.agree(f"/credit-limits/{_limit(desk)}/confirmation")
    assert _draw(desk, "60.00").status_code == 201
    payee = payees.register(desk.db, owner_ref="wrk_1", name="Ada", country="KE")
    with owed.booked_on(month):
        owed.give_bonus(
            desk.db, owner_ref=desk.owner, payee_id=payee.id, currency="USD", amount=amount, reason="r", actor_ref="f"
        )
    desk.db.commit()


def _invoice(desk: Desk, month: date, **changes: Any) -> dict[str, Any]:
    body = {"owner_ref": desk.owner, "currency": "USD", "month": f"{month:%Y-%m}", "vat_basis_points": 1_600}
    return {**body, **changes}


def test_an_invoice_is_drafted_issued_and_paid(desk: Desk, month: date, books: None) -> None:
    _spend(desk, month)
    draft = desk.ask("/invoices", **_invoice(desk, month))
    assert (draft["state"], draft["number"], draft["due"], draft["month"]) == ("draft", None, None, f"{month:%Y-%m}")

    issued = desk.ask(f"/invoices/{draft['id']}/issue")
    payment = {"currency": "USD", "amount": issued["due"], "bank_reference": "p1"}
    paid = desk.ask(f"/invoices/{draft['id']}/payment", **payment)

    sums = [issued[part] for part in ("work", "fee", "vat", "total", "due", "sold", "passed_on")]
    assert sums == ["10.0000", "2.0000", "0.3200", "12.3200", "12.3200", "2.0000", "10.0000"]
    assert issued["number"] == f"ROOK-{clock.now(desk.db).year}-000001"
    assert paid["state"] == "paid"
    assert _problem(desk.send("finance", "POST", f"/invoices/{draft['id']}/issue")) == (409, "invoice-move-not-allowed")
    lines = desk.send("auditor", "GET", f"/invoices/{draft['id']}/lines").get_json()["items"]
    assert [(line["kind"], line["entries"], line["work"], line["fee"]) for line in lines] == [
        ("bonus", 1, "10.0000", "2.0000")
    ]
    (row,) = desk.send("auditor", "GET", f"/revenue?month={month:%Y-%m}").get_json()["items"]
    assert (row["presentation"], row["revenue"], row["passed_on"]) == ("agent", "2.0000", "10.0000")


def test_a_requester_sees_their_own_invoices_once_they_are_issued(
    desk: Desk, month: date, token: Token, books: None
) -> None:
    _spend(desk, month)
    mine, other = (
        {"Authorization": f"Bearer {token('requester', who)}"}
        for who in (desk.owner, factories.create_requester(desk.db, funds=None).id)
    )
    invoice = desk.ask("/invoices", **_invoice(desk, month))["id"]
    assert desk.client.get("/api/me/invoices", headers=mine).get_json()["items"] == []
    desk.ask(f"/invoices/{invoice}/issue")

    (shown,) = desk.client.get("/api/me/invoices", headers=mine).get_json()["items"]

    assert (shown["id"], shown["due"], "issued_by" in shown) == (invoice, "12.3200", False)
    assert desk.client.get(f"/api/me/invoices/{invoice}/lines", headers=mine).status_code == 200
    assert desk.client.get("/api/me/invoices", headers=other).get_json()["items"] == []
    assert desk.client.get(f"/api/me/invoices/{invoice}/lines", headers=other).status_code == 404


def test_a_wrong_invoice_is_made_void_and_another_takes_its_place(desk: Desk, month: date, books: None) -> None:
    _spend(desk, month)
    wrong = desk.ask("/invoices", **_invoice(desk, month))["id"]
    assert _problem(desk.send("finance", "POST", "/invoices", _invoice(desk, month))) == (409, "invoice-exists")
    desk.ask(f"/invoices/{wrong}/issue")

    void = desk.ask(f"/invoices/{wrong}/void", reason="Another rate")
    right = desk.ask("/invoices", **_invoice(desk, month, vat_basis_points=0))

    assert (void["state"], void["void_reason"], right["vat"]) == ("void", "Another rate", "0.0000")
    assert desk.send("finance", "GET", "/invoices?state=void").get_json()["items"] == [void]


def test_a_payment_that_is_not_what_is_due_is_refused(desk: Desk, month: date, books: None) -> None:
    _spend(desk, month)
    invoice = desk.ask("/invoices", **_invoice(desk, month))["id"]
    desk.ask(f"/invoices/{invoice}/issue")

    payment = {"currency": "USD", "amount": "12.31", "bank_reference": "p1"}
    assert _problem(desk.send("finance", "POST", f"/invoices/{invoice}/payment", payment)) == (409, "payment-differs")


def test_what_has_changed_since_the_draft_is_not_issued(desk: Desk, month: date, books: None) -> None:
    _spend(desk, month)
    invoice = desk.ask("/invoices", **_invoice(desk, month))["id"]
    payee = payees.of_owner(desk.db, "wrk_1")
    with owed.booked_on(month):
        owed.give_bonus(
            desk.db, owner_ref=desk.owner, payee_id=payee.id, currency="USD", amount=100, reason="r", actor_ref="f"
        )
    desk.db.commit()

    assert _problem(desk.send("finance", "POST", f"/invoices/{invoice}/issue")) == (409, "invoice-stale")


@pytest.mark.parametrize("given", ["2026-13", "2026-1", "1999-01"])
def test_what_is_no_month_is_refused(desk: Desk, month: date, given: str) -> None:
    refused = desk.send("finance", "POST", "/invoices", {**_invoice(desk, month), "month": given})

    assert _problem(refused) == (422, "invalid")
    assert [error["pointer"] for error in refused.get_json()["errors"]] == ["/month"]


def test_a_month_that_is_not_over_is_not_invoiced(desk: Desk, month: date) -> None:
    refused = desk.send("finance", "POST", "/invoices", {**_invoice(desk, month), "month": "2099-01"})

    assert _problem(refused) == (409, "month-not-over")


def test_without_terms_or_anything_spent_there_is_no_invoice(desk: Desk, month: date, books: None) -> None:
    assert _problem(desk.send("finance", "POST", "/invoices", _invoice(desk, month))) == (409, "contract-missing")
    desk.agree(f"/contracts/{_terms(desk)}/confirmation")

    assert _problem(desk.send("finance", "POST", "/invoices", _invoice(desk, month))) == (409, "nothing-to-invoice")


def _paid(desk: Desk) -> str:
    """An earning that has arrived in its payee's account."""
    payee = owed.payee(desk.db)
    reference = f"bank {payee.id}"
    funding.top_up(
        desk.db, owner_ref=desk.owner, currency="USD", amount=120_000, bank_reference=reference, actor_ref="f"
    )
    funding.reserve(desk.db, owner_ref=desk.owner, cause_ref=payee.id, key=payee.id, currency="USD", amount=120_000)
    earnings.pend(desk.db, [earnings.Work(f"ans_{payee.id}", payee.id, payee.id, "USD", 100_000)])
    earnings.accept(desk.db, [f"ans_{payee.id}"])
    owed.pay_out(desk.db)
    desk.db.commit()
    return str(desk.db.scalar(text("SELECT id FROM earnings WHERE payee_id = :id"), {"id": payee.id}))


def test_a_clawback_goes_its_way_by_two_people(desk: Desk, books: None) -> None:
    earning = _paid(desk)
    asked = desk.ask("/clawbacks", earning_id=earning, reason="Copied")
    own = desk.send("one of both", "POST", f"/clawbacks/{asked['id']}/confirmation")
    assert (_problem(own), asked["state"], asked["owed"]) == ((409, "same-person"), "proposed", "0.0000")
    again = desk.send("finance", "POST", "/clawbacks", {"earning_id": earning, "reason": "Copied"})
    assert _problem(again) == (409, "clawback-exists")

    confirmed = desk.agree(f"/clawbacks/{asked['id']}/confirmation")

    assert (confirmed["owed"], confirmed["returned"], desk.free()) == ("10.0000", "12.0000", "12.0000")
    assert _problem(desk.send("approver", "POST", f"/clawbacks/{asked['id']}/refusal")) == (409, "clawback-decided")
    assert _problem(desk.send("approver", "POST", f"/clawbacks/{asked['id']}/write-off/confirmation")) == (
        409,
        "clawback-decided",
    )
    desk.ask(f"/clawbacks/{asked['id']}/write-off", reason="Gone")
    lost = desk.agree(f"/clawbacks/{asked['id']}/write-off/confirmation")
    assert (lost["state"], lost["written_off"], lost["owed"]) == ("written_off", "10.0000", "0.0000")
    assert desk.send("auditor", "GET", "/clawbacks?state=written_off").get_json()["items"] == [lost]


def test_a_clawback_is_refused(desk: Desk, books: None) -> None:
    asked = desk.ask("/clawbacks", earning_id=_paid(desk), reason="Copied")

    assert desk.agree(f"/clawbacks/{asked['id']}/refusal")["state"] == "refused"
    assert desk.free() == "0.0000"


def test_what_is_not_paid_is_not_asked_back(desk: Desk, books: None) -> None:
    earning = _paid(desk)
    (payout,) = desk.db.scalars(payouts.listed(state="settled")).all()
    payouts.take_returns(desk.db, [payouts.Outcome(payout.id, "closed", amount=100_000)])
    desk.db.commit()

    refused = desk.send("finance", "POST", "/clawbacks", {"earning_id": earning, "reason": "Copied"})
    unknown = desk.send("finance", "POST", "/clawbacks", {"earning_id": ids.new("ern"), "reason": "Copied"})

    assert _problem(refused) == (409, "earning-not-paid")
    assert _problem(unknown) == (404, "no-such-earning")


MISSING = [
    ("approver", "/refunds/{rfd}/approval", None, "no-such-refund"),
    ("approver", "/contracts/{ctr}/confirmation", None, "not-found"),
    ("approver", "/credit-limits/{crl}/confirmation", None, "not-found"),
    ("finance", "/invoices/{inv}/issue", None, "no-such-invoice"),
    ("finance", "/invoices/{inv}/void", {"reason": "r"}, "no-such-invoice"),
    ("approver", "/clawbacks/{clw}/confirmation", None, "no-such-clawback"),
    ("finance", "/clawbacks/{clw}/write-off", {"reason": "r"}, "no-such-clawback"),
]


@pytest.mark.parametrize(("who", "path", "body", "problem"), MISSING)
def test_what_is_not_there_is_not_found(desk: Desk, who: str, path: str, body: Any, problem: str) -> None:
    made = {prefix: ids.new(prefix) for prefix in ("rfd", "ctr", "crl", "inv", "clw")}

    assert _problem(desk.send(who, "POST", path.format(**made), body)) == (404, problem)


@pytest.mark.parametrize("role", ["requester", "worker", "ops"])
@pytest.mark.parametrize("path", ["/refunds", "/contracts", "/credit-limits", "/invoices", "/clawbacks", "/revenue"])
def test_the_books_of_others_are_for_those_who_keep_and_audit_them(desk: Desk, role: str, path: str) -> None:
    assert _problem(desk.send(role, "GET", path)) == (403, "scope-missing")
    query = "?month=2026-01" if path == "/revenue" else ""
    for reader in ("finance", "approver", "auditor"):
        assert desk.send(reader, "GET", f"{path}{query}").status_code == 200


@pytest.mark.parametrize(
    "path", ["/refunds", "/contracts", "/credit-limits", "/credit-draws", "/invoices", "/clawbacks"]
)
@pytest.mark.parametrize("role", ["approver", "auditor", "requester"])
def test_only_finance_asks(desk: Desk, path: str, role: str) -> None:
    assert _problem(desk.send(role, "POST", path, {})) == (403, "scope-missing")

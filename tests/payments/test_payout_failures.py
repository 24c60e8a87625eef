"""Payouts that no bank tells of: one person says that they were not paid, another lets their pay be due again."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from foundation import ids
from payments import payouts, runs
from payments.models import Payout
from payments.payouts import Outcome
from tests.payments import owed
from tests.payments.owed import APPROVER, PREPARER
from tests.payments.test_api_payouts import People, Token, _items, _problem

REASON = {"reason": "They wrote that the account is closed."}


@pytest.fixture
def people(client: FlaskClient, token: Token, db: Session) -> People:
    return People(client, token, db)


def _sent(db: Session) -> Payout:
    """A payout of 6 dollars that has left."""
    payee = owed.payee(db, 60_000)
    owed.sent(db)
    (payout,) = db.scalars(payouts.listed(payee_id=payee.id))
    db.commit()
    return payout


def _say(people: People, payout_id: str, step: str = "", who: str = "finance", body: Any = None) -> TestResponse:
    return people.post(who, f"payouts/{payout_id}/failure{step}", body)


def _proposed(people: People, db: Session) -> Payout:
    payout = _sent(db)
    assert _say(people, payout.id, body=REASON).status_code == 201
    return payout


def _state(db: Session, payout: Payout) -> str:
    db.refresh(payout)
    return payout.state


def test_what_two_people_say_was_not_paid_is_due_again(people: People, db: Session, books: None) -> None:
    payout = _sent(db)

    said = _say(people, payout.id, body=REASON)
    waiting = _items(people.get("approver", "payout-failures", state="proposed"))
    assert (said.status_code, _state(db, payout), owed.rests(db, _payee(db, payout))) == (201, "exported", [0])
    confirmed = _say(people, payout.id, "/confirmation", "approver")

    assert waiting == [said.get_json()]
    shown = confirmed.get_json()
    assert (confirmed.status_code, shown["state"]) == (200, "posted")
    assert (shown["made_by"], shown["decided_by"]) == (PREPARER, APPROVER)
    assert (_state(db, payout), payout.reason) == ("failed", REASON["reason"])
    assert owed.rests(db, _payee(db, payout)) == [60_000]
    run = people.get("finance", f"payout-runs/{payout.run_id}").get_json()["run"]
    assert run["state"] == "closed"


def _payee(db: Session, payout: Payout) -> Any:
    return db.execute(text("SELECT * FROM payees WHERE id = :id"), {"id": payout.payee_id}).one()


def test_twice_changes_nothing(people: People, db: Session, books: None) -> None:
    payout = _proposed(people, db)
    assert _problem(_say(people, payout.id, body=REASON)) == (409, "failure-exists")
    _say(people, payout.id, "/confirmation", "approver")
    entries = _entries(db, payout)

    again = _say(people, payout.id, "/confirmation", "approver")

    assert _problem(again) == (409, "no-failure")
    assert _problem(_say(people, payout.id, "/refusal")) == (409, "no-failure")
    assert _problem(_say(people, payout.id, body=REASON)) == (409, "payout-not-in-transit")
    assert _entries(db, payout) == entries == ["failed", "payout"]


def _entries(db: Session, payout: Payout) -> list[str]:
    kinds = text("SELECT kind FROM journal_entries WHERE cause_ref = :id ORDER BY 1")
    return list(db.scalars(kinds, {"id": payout.id}))


def test_whoever_said_it_does_not_confirm_it(people: People, db: Session, books: None) -> None:
    payout = _proposed(people, db)

    alone = _say(people, payout.id, "/confirmation", "both")

    assert _problem(alone) == (409, "same-person")
    assert _state(db, payout) == "exported"
    assert _problem(_say(people, payout.id, "/confirmation", "finance")) == (403, "scope-missing")


def test_what_was_refused_can_be_said_anew(people: People, db: Session, books: None) -> None:
    payout = _proposed(people, db)

    refused = _say(people, payout.id, "/refusal", "approver")

    assert (refused.status_code, refused.get_json()["state"]) == (200, "refused")
    assert _state(db, payout) == "exported"
    assert _problem(_say(people, payout.id, "/confirmation", "approver")) == (409, "no-failure")
    assert _say(people, payout.id, body=REASON).status_code == 201


@pytest.mark.parametrize("state", ["prepared", "settled", "failed"])
def test_only_a_payout_in_transit_is_said_to_have_failed(people: People, db: Session, books: None, state: str) -> None:
    payout = _sent(db)
    if state == "prepared":
        owed.owe(db, _payee(db, payout), 70_000)
        run = owed.go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER))
        (payout,) = db.scalars(payouts.listed(run_id=run.id))
    elif state == "settled":
        payouts.settle(db, [Outcome(payout.id)])
    else:
        payouts.fail(db, [Outcome(payout.id, "closed")])
    db.commit()

    assert _problem(_say(people, payout.id, body=REASON)) == (409, "payout-not-in-transit")
    assert _items(people.get("auditor", "payout-failures")) == []


def test_what_the_bank_has_said_meanwhile_stands(people: People, db: Session, books: None) -> None:
    payout = _proposed(people, db)
    payouts.settle(db, [Outcome(payout.id)])
    db.commit()

    late = _say(people, payout.id, "/confirmation", "approver")

    assert _problem(late) == (409, "payout-not-in-transit")
    assert _state(db, payout) == "settled"
    assert _say(people, payout.id, "/refusal").get_json()["state"] == "refused"


@pytest.mark.parametrize("step", ["", "/confirmation", "/refusal"])
def test_a_payout_that_is_not_there_has_not_failed(people: People, step: str) -> None:
    who, body = ("approver", None) if step else ("finance", REASON)

    assert _problem(_say(people, ids.new("pyo"), step, who, body)) == (404, "no-such-payout")


def test_a_failure_has_a_reason(people: People, db: Session) -> None:
    assert _problem(_say(people, _sent(db).id, body={})) == (422, "invalid")

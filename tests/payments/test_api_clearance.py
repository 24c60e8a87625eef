"""The routes of KYC, screenings and blocks: one person asks, another decides, and a third is paid or not."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from foundation import clock
from payments import commands, payees, runs, screening
from payments.models import Payee
from tests import factories
from tests.payments import cleared, owed

Token = Callable[..., str]


class Desk:
    """Finance, two approvers and a payee who is owed six dollars, at their tokens."""

    def __init__(self, client: FlaskClient, db: Session, token: Token) -> None:
        self.client, self.db = client, db
        self.ada: Payee = payees.of_owner(db, factories.create_worker(db).id)
        owed.owe(db, self.ada, 60_000)
        owed.set_method(db, self.ada)
        db.commit()
        self.secrets = {
            "finance": token("finance", "wanjiru"),
            "approver": token("approver", "oscar"),
            "second": token("approver", "olga"),
            "one of both": token("approver", "wanjiru"),
            "ada": token("worker", self.ada.owner_ref),
        }

    def send(self, who: str, method: str, path: str, body: Any = None) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.secrets[who]}"}
        return self.client.open(f"/api{path}", method=method, json=body, headers=headers)

    def ask(self, who: str, path: str, **body: Any) -> Any:
        """What somebody does, that they may."""
        response = self.send(who, "POST", path, body or None)
        assert response.status_code in {200, 201}, response.text
        return response.get_json()

    def see(self, who: str, path: str) -> Any:
        response = self.send(who, "GET", path)
        assert response.status_code == 200, response.text
        return response.get_json()

    def refused(self, who: str, path: str, **body: Any) -> tuple[int, str]:
        """By what somebody is refused."""
        response = self.send(who, "POST", path, body or None)
        assert response.content_type == "application/problem+json", response.text
        return response.status_code, response.get_json()["type"].removeprefix("/problems/")

    def left_out(self) -> list[tuple[str, str]]:
        """Why a run that is prepared now does not pay whom."""
        run = owed.go_through(self.db, runs.begin(self.db, rail="paypal", prepared_by="wanjiru"))
        self.db.commit()
        items = self.see("approver", f"/payout-runs/{run.id}/left-out")["items"]
        return [(one["payee_id"], one["reason"]) for one in items]


@pytest.fixture
def desk(client: FlaskClient, db: Session, token: Token) -> Desk:
    """Where everybody sits."""
    return Desk(client, db, token)


RULE = {"currency": "USD", "threshold": "5", "period": "rolling_year", "valid_from": "2026-01-01", "citation": "A law."}


def test_beyond_a_threshold_a_payee_has_to_be_verified_and_sees_it(desk: Desk, books: None) -> None:
    entered = desk.ask("finance", "/kyc-rules", **RULE)
    confirmation = f"/kyc-rules/{entered['id']}/confirmation"
    assert desk.refused("one of both", confirmation) == (409, "same-person")
    desk.ask("approver", confirmation)
    seen = desk.see("ada", "/me/kyc")
    assert (seen["state"], seen["needs_verification"], bool(seen["missing"])) == ("none", True, True)
    assert seen["limits"] == [
        {
            "currency": "USD", "period": "rolling_year", "threshold": "5.0000", "counted": "6.0000",
            "needs_verification": True,
        }
    ]  # fmt: skip
    assert desk.left_out() == [(desk.ada.id, "kyc")]
    until = (clock.now(desk.db).date() + timedelta(days=20)).isoformat()

    desk.ask("finance", f"/payees/{desk.ada.id}/kyc", state="pending")
    verified = {"state": "verified", "provider": "Smile ID", "reference": "job 1", "expires_on": until}
    recorded = desk.ask("approver", f"/payees/{desk.ada.id}/kyc", **verified)

    assert {name: recorded[name] for name in verified} == verified
    assert (desk.see("ada", "/me/kyc")["state"], desk.see("ada", "/me/kyc")["missing"]) == ("verified", None)
    assert desk.left_out() == []
    soon, sooner = (desk.see("finance", f"/kyc?expiring_within_days={days}")["items"] for days in (20, 19))
    assert ([one["id"] for one in soon], sooner) == ([recorded["id"]], [])


def test_what_cannot_be_recorded_says_where_it_is_wrong(desk: Desk) -> None:
    path = f"/payees/{desk.ada.id}/kyc"

    assert desk.refused("finance", path, state="verified", provider="p") == (422, "kyc-record-invalid")
    assert desk.refused("finance", path, state="refused", note="n") == (409, "kyc-move-not-allowed")
    assert desk.refused("finance", "/payees/pye_x/kyc", state="pending")[0] == 404
    assert desk.refused("finance", "/kyc-rules", **{**RULE, "valid_to": "2025-01-01"}) == (422, "kyc-rule-invalid")
    assert desk.refused("approver", "/kyc-rules/kyr_x/confirmation") == (404, "no-such-kyc-rule")


def test_a_match_is_decided_and_what_is_owed_lies_apart_until_two_people_lift_it(desk: Desk, books: None) -> None:
    assert desk.refused("finance", "/screening-rounds") == (409, "no-list-to-screen-against")
    cleared.listing(desk.db, f"{desk.ada.name},,", begun_by="ops")
    desk.db.commit()
    (waiting,) = desk.see("approver", "/screenings?waiting=true")["items"]
    assert (waiting["payee_id"], waiting["outcome"], waiting["score"]) == (desk.ada.id, "review", 100)
    assert waiting["findings"] == [{"kind": "list", "name": desk.ada.name, "country": "", "account": ""}]
    assert desk.left_out() == [(desk.ada.id, "screening")]

    decision = f"/screenings/{waiting['id']}/decision"
    desk.ask("approver", decision, decision="blocked", reason="Born on the same day.")
    assert desk.refused("second", decision, decision="clear", reason="r") == (409, "nothing-to-decide")
    (block,) = desk.see("finance", "/blocks?state=proposed")["items"]
    assert desk.refused("finance", "/blocks", payee_id=desk.ada.id, reason="r") == (409, "already-blocked")
    assert desk.refused("approver", f"/blocks/{block['id']}/confirmation") == (409, "same-person")
    assert desk.ask("second", f"/blocks/{block['id']}/confirmation")["state"] == "active"
    assert desk.left_out() == [(desk.ada.id, "blocked")]
    (lies,) = desk.see("finance", "/accounts?role=payable_blocked")["items"]
    assert (lies["owner_ref"], lies["balance"]) == (desk.ada.id, "6.0000")
    (tie,) = desk.see("finance", "/tie-out")["items"]
    assert tie["payable"] == tie["unpaid"] == "6.0000"

    lift = f"/blocks/{block['id']}/lift"
    assert desk.refused("approver", f"{lift}/confirmation") == (409, "block-move-not-allowed")
    desk.ask("finance", lift, reason="It is somebody else.")
    assert desk.refused("one of both", f"{lift}/confirmation") == (409, "same-person")
    assert desk.ask("approver", f"{lift}/confirmation")["state"] == "lifted"
    assert desk.left_out() == []


def test_what_is_not_there_is_not_decided(desk: Desk) -> None:
    assert desk.refused("approver", "/screenings/scr_x/decision", decision="clear", reason="r") == (
        404, "no-such-screening",
    )  # fmt: skip
    assert desk.refused("approver", "/blocks/blk_x/refusal") == (404, "no-such-block")
    block = desk.ask("finance", "/blocks", payee_id=desk.ada.id, reason="A court.")
    assert desk.ask("approver", f"/blocks/{block['id']}/refusal")["state"] == "refused"
    assert desk.left_out() == []


def test_a_payee_is_not_told_that_they_are_on_a_list(desk: Desk) -> None:
    cleared.listing(desk.db, f"{desk.ada.name},,")
    desk.db.commit()

    for path in ("/me/kyc", "/me/holds", "/me/payouts", "/me/statement", "/me/next-payout"):
        told = desk.send("ada", "GET", path).text
        assert not any(word in told for word in ("review", "screening", "block")), path


def test_a_run_that_pays_somebody_this_moment_is_waited_for(desk: Desk) -> None:
    run_id = runs.begin(desk.db, rail="paypal", prepared_by="wanjiru").id
    next(runs.steps(desk.db, run_id))
    block = desk.ask("finance", "/blocks", payee_id=desk.ada.id, reason="A court.")

    assert desk.refused("approver", f"/blocks/{block['id']}/confirmation") == (409, "run-under-way")


# Commands


def test_the_command_takes_a_list_and_screens_everybody(db: Session, tmp_path: Path) -> None:
    ada, path = owed.payee(db), tmp_path / "list.csv"
    path.write_text(f"name,country,account\n{ada.name},,\nSomebody Else,,\n")

    ran = CliRunner().invoke(commands.import_list, [str(path)], obj=db)
    missing = CliRunner().invoke(commands.import_list, [str(tmp_path / "none.csv")], obj=db)

    assert ran.exit_code == 0, ran.output
    assert ran.stdout.endswith(": 2 rows; 1 payees screened, 1 to be reviewed\n")
    assert [one.payee_id for one in db.scalars(screening.listed(waiting=True))] == [ada.id]
    assert (missing.exit_code, "cannot be read" in missing.output) == (2, True)


def test_the_command_enters_kyc_rules_that_wait_to_be_confirmed(db: Session, tmp_path: Path) -> None:
    path = tmp_path / "rules.csv"
    path.write_text("country,currency,threshold,period,valid_from,valid_to,citation\n,USD,5,total,2026-01-01,,A law\n")

    ran = CliRunner().invoke(commands.import_kyc, [str(path)], obj=db)

    assert (ran.exit_code, ran.output) == (0, "1 rules entered, to be confirmed; 0 were there.\n")

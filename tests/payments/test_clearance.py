"""Who is paid out and who is not: thresholds to the unit, verifications to the day, and whatever happens meanwhile."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import auth, clock
from foundation.pagination import PageRequest
from payments import blocks, clearance, fx, holds, kyc, payouts, runs, screening
from payments.kyc import Finding
from payments.models import Payout, PayoutRun
from payments.payouts import Outcome
from payments.runs import RunChanged
from tests import factories
from tests.conftest import age
from tests.payments import cleared, owed
from tests.payments.owed import APPROVER, PREPARER, go_through

USD = 10_000


def _prepared(db: Session, rail: str = "paypal") -> PayoutRun:
    return go_through(db, runs.begin(db, rail=rail, prepared_by=PREPARER))


def _hash(run: PayoutRun) -> str:
    assert run.content_hash is not None
    return run.content_hash.hex()


def _approved(db: Session) -> PayoutRun:
    run = _prepared(db)
    return runs.approve(db, run.id, content_hash=_hash(run), approved_by=APPROVER)


def _left_out(db: Session, run: PayoutRun) -> list[tuple[str, str, int]]:
    return [(one.payee_id, one.reason, one.amount) for one in runs.left_out(db, run.id, PageRequest(100)).items]


def _paid(db: Session, run: PayoutRun) -> list[str]:
    rows = payouts.listed(run_id=run.id).where(Payout.state != "dropped").order_by(Payout.id)
    return [one.payee_id for one in db.scalars(rows)]


# Thresholds


@pytest.mark.parametrize("period", ["total", "rolling_year"])
@pytest.mark.parametrize("due", [99 * USD, 100 * USD, 100 * USD + 100])
def test_up_to_a_threshold_nobody_has_to_be_verified(db: Session, books: None, due: int, period: str) -> None:
    cleared.rule(db, "100", period=period)
    ada = owed.payee(db, due)

    run = _prepared(db)

    assert _paid(db, run) == ([ada.id] if due <= 100 * USD else [])
    assert _left_out(db, run) == ([] if due <= 100 * USD else [(ada.id, "kyc", due)])


def test_what_has_left_before_counts_and_what_came_back_does_not(db: Session, books: None) -> None:
    cleared.rule(db, "100")
    ada, ben = owed.payee(db, 60 * USD), owed.payee(db, 60 * USD)
    first = owed.sent(db)
    failed = db.scalars(payouts.listed(run_id=first.id, payee_id=ben.id)).one()
    payouts.fail(db, [Outcome(failed.id, "account closed")])
    db.expire_all()
    for payee in (ada, ben):
        owed.owe(db, payee, 40 * USD)
    both = _prepared(db)
    assert _paid(db, both) == [ada.id, ben.id]
    go_through(db, runs.cancel(db, both.id))
    owed.owe(db, ada, 100)

    run = _prepared(db)

    assert _paid(db, run) == [ben.id]
    assert _left_out(db, run) == [(ada.id, "kyc", 40 * USD + 100)]


def test_a_rolling_year_forgets_what_left_before_it_and_a_total_does_not(db: Session, books: None) -> None:
    cleared.rule(db, "100", period="rolling_year")
    ada = owed.payee(db, 60 * USD)
    run = owed.sent(db)
    owed.owe(db, ada, 60 * USD)
    db.execute(text("UPDATE payout_runs SET exported_at = now() - interval '364 days 23 hours'"))
    assert clearance.of_payee(db, ada.id).needs_verification

    age(db, "payout_runs", "exported_at", 3601)

    assert not clearance.of_payee(db, ada.id).needs_verification
    cleared.rule(db, "100")
    assert clearance.of_payee(db, ada.id).needs_verification
    db.refresh(run)


def test_what_is_in_another_run_that_has_not_left_counts(db: Session, books: None) -> None:
    cleared.rule(db, "100")
    ada = owed.payee(db, 60 * USD)
    _prepared(db)
    owed.owe(db, ada, 41 * USD)

    assert _left_out(db, _prepared(db)) == [(ada.id, "kyc", 41 * USD)]


def test_what_is_held_is_not_paid_and_does_not_count(db: Session, books: None) -> None:
    cleared.rule(db, "100")
    ada = owed.payee(db, 60 * USD, 41 * USD)
    first = db.scalars(text("SELECT min(id) FROM earnings")).one()
    until = clock.now(db) + timedelta(days=3)
    holds.place(db, payee_id=ada.id, earning_id=first, reason="It is looked into", made_by="ops", until=until)

    assert _left_out(db, _prepared(db)) == [(ada.id, "held", 60 * USD)]


def test_where_nothing_may_be_paid_without_a_verification_a_cent_needs_one(db: Session, books: None) -> None:
    cleared.rule(db, None, country="KE")
    ada = owed.payee(db, 100)

    assert _left_out(db, _prepared(db)) == [(ada.id, "kyc", 100)]


def test_a_rule_of_another_country_is_not_ones_own(db: Session, books: None) -> None:
    cleared.rule(db, None, country="PH")
    ada = owed.payee(db, 100)

    assert _paid(db, _prepared(db)) == [ada.id]


def test_what_is_earned_in_dollars_counts_as_the_shillings_that_it_is_paid_as(db: Session, books: None) -> None:
    entered = factories.enter_fx_rate(db, base="USD", quote="KES", rate="129.5")
    fx.confirm(db, entered.id, auth.Actor("tok_a", APPROVER, "approver", frozenset({"approve"})))
    cleared.rule(db, "1295", currency="KES")
    owed.payee(db, 10 * USD, rail="mpesa")
    ben = owed.payee(db, 10 * USD + 100, rail="mpesa")

    run = _prepared(db, "mpesa")

    assert run.n_payouts == 1
    assert _left_out(db, run) == [(ben.id, "kyc", 10 * USD + 100)]


# Verifications


def test_who_is_verified_is_paid_whatever_it_is(db: Session, books: None) -> None:
    cleared.rule(db, "100")
    ada = owed.payee(db, 5000 * USD)
    cleared.verify(db, ada)

    assert _paid(db, _prepared(db)) == [ada.id]


def test_who_is_pending_refused_or_expired_is_not_verified(db: Session, books: None) -> None:
    cleared.rule(db, None)
    people = [owed.payee(db, USD) for _ in range(3)]
    for payee in people:
        kyc.record(db, payee.id, Finding("pending"), recorded_by="f")
    until = clock.now(db).date() + timedelta(days=9)
    kyc.record(db, people[1].id, Finding("verified", "p", "r", until), recorded_by="f")
    kyc.record(db, people[1].id, Finding("expired"), recorded_by="f")
    kyc.record(db, people[2].id, Finding("refused", note="Two in one"), recorded_by="f")

    assert [reason for _, reason, _ in _left_out(db, _prepared(db))] == ["kyc"] * 3


def test_who_loses_a_verification_between_preparing_and_approving_is_rechecked(db: Session, books: None) -> None:
    cleared.rule(db, "1")
    ada = owed.payee(db, 5 * USD)
    cleared.verify(db, ada)
    run = _prepared(db)
    kyc.record(db, ada.id, Finding("refused", note="It was forged"), recorded_by="f")

    with pytest.raises(RunChanged, match="may not be paid out any more"):
        runs.approve(db, run.id, content_hash=_hash(run), approved_by=APPROVER)

    assert owed.go_through(db, runs.recheck(db, run.id)).n_payouts == 0
    assert [one.reason for one in db.scalars(payouts.listed(run_id=run.id))] == ["kyc"]


# Blocked meanwhile (PAYMENTS, section 15, test 27)


def test_who_is_blocked_between_approval_and_release_is_dropped_and_the_approval_is_void(
    db: Session, books: None
) -> None:
    ada, ben = owed.payee(db, 5 * USD), owed.payee(db, 7 * USD)
    run = _approved(db)
    before = _hash(run)

    cleared.block(db, ada)

    db.refresh(run)
    assert (run.state, run.approved_by, run.n_payouts, run.total) == ("draft", None, 1, 7 * USD)
    assert _hash(run) != before
    assert _paid(db, run) == [ben.id]
    with pytest.raises(RunChanged):
        runs.approve(db, run.id, content_hash=before, approved_by=APPROVER)


@pytest.mark.parametrize("when", ["approval", "release"])
def test_who_waits_for_a_person_since_it_was_prepared_stops_it(db: Session, books: None, when: str) -> None:
    ada, ben = owed.payee(db, 5 * USD), owed.payee(db, 7 * USD)
    run = _approved(db) if when == "release" else _prepared(db)
    before = _hash(run)
    cleared.listing(db, f"{ada.name},,")

    given = {"content_hash": before, "approved_by": APPROVER} if when == "approval" else {"released_by": PREPARER}
    act: Any = runs.approve if when == "approval" else runs.release
    with pytest.raises(RunChanged):
        act(db, run.id, **given)
    owed.go_through(db, runs.recheck(db, run.id))

    assert (run.state, run.approved_by) == ("draft", None)
    assert _hash(run) != before
    assert _paid(db, run) == [ben.id]


def test_a_block_that_is_only_proposed_keeps_runs_from_paying(db: Session, books: None) -> None:
    ada = owed.payee(db, 5 * USD)
    blocks.propose(db, payee_id=ada.id, reason="A court", made_by="f")

    assert _left_out(db, _prepared(db)) == [(ada.id, "blocked", 5 * USD)]


def test_a_run_screens_who_is_new_to_the_list_by_itself(db: Session, books: None) -> None:
    cleared.listing(db, "Somebody Else,,")
    ada = owed.payee(db, 5 * USD)
    assert clearance.barred(db, [ada.id]) == {ada.id: "screening"}

    assert _paid(db, _prepared(db)) == [ada.id]

    assert [one.outcome for one in db.scalars(screening.listed(payee_id=ada.id))] == ["clear"]


# What a payee sees


def test_payees_see_where_they_stand_and_what_is_missing(db: Session) -> None:
    cleared.rule(db, "100")
    ada = owed.payee(db, 100 * USD)
    assert clearance.of_payee(db, ada.id).missing is None

    owed.owe(db, ada, 1)
    seen = clearance.of_payee(db, ada.id)

    assert (seen.state, seen.needs_verification, [one.counted for one in seen.standings]) == (
        "none", True, [100 * USD + 1],
    )  # fmt: skip
    assert seen.missing is not None
    cleared.verify(db, ada)
    assert not clearance.of_payee(db, ada.id).needs_verification


def test_nobody_is_asked_about_nobody(db: Session) -> None:
    assert clearance.barred(db, []) == {}


def test_a_run_is_looked_through_whatever_its_length(db: Session, books: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clearance, "_AT_ONCE", 2)
    people = [owed.payee(db, USD) for _ in range(5)]
    run = _prepared(db)
    for payee in people[1::3]:
        blocks.propose(db, payee_id=payee.id, reason="A court", made_by="f")

    found = dict(clearance.stale(db, run.id))

    assert set(found.values()) == {"blocked"}
    assert {one.payee_id for one in db.scalars(payouts.listed(run_id=run.id)) if one.id in found} == {
        payee.id for payee in people[1::3]
    }

"""What is owed in a currency that is over goes on in its successor: to the last unit, by two people, once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from foundation import clock
from payments import adjustments, checks, clawbacks, earnings, holds, ledger, payouts, redenomination, runs
from payments.adjustments import EarningRedenominated
from payments.clawbacks import EarningNotPaid
from payments.four_eyes import SamePerson
from payments.ledger import PAYABLE
from payments.models import Currency, Payee, Redenomination
from payments.money import CurrencyUnknown
from payments.redenomination import (
    NoSuchRedenomination,
    NothingTakesItsPlace,
    RedenominationMoveNotAllowed,
    RedenominationUnderWay,
)
from tests.conftest import House, held_up
from tests.payments import owed
from tests.payments.owed import APPROVER, PREPARER

OLD, NEW = "VES.2018", "VES"
# A million of the old are one of the new; both are kept in ten-thousandths.
MILLION = 10**6


def _go(db: Session, found: Redenomination) -> None:
    for _ in redenomination.steps(db, found.id):
        pass
    db.refresh(found)


def _redenominate(db: Session, currency: str = OLD) -> Redenomination:
    found = redenomination.propose(db, currency, proposed_by=PREPARER)
    redenomination.approve(db, found.id, approved_by=APPROVER)
    _go(db, found)
    return found


def _held(db: Session, of: Payee) -> dict[str, int]:
    codes = (OLD, NEW)
    return {code: ledger.balance(db, PAYABLE, of.id, code) for code in codes}


def test_what_was_owed_is_owed_in_the_new_currency_rounded_up_once(db: Session, books: None) -> None:
    payee = owed.payee(db, 1_500_000, 1_000_001, currency=OLD)

    found = _redenominate(db)

    # 2.500001 units: each answer by itself would have been rounded up to 2 and 2.
    assert _held(db, payee) == {OLD: 0, NEW: 3}
    assert (found.state, found.n_payees, found.amount_from, found.amount_to) == ("done", 1, 2_500_001, 3)
    old, new = earnings.totals(db, payee.id)[::-1]
    assert (old.currency, old.due, old.paid) == (OLD, 0, 0)
    assert (new.currency, new.due, new.paid) == (NEW, 3, 0)
    assert db.scalar(text("SELECT count(*) FROM earnings WHERE status = 'redenominated'")) == 2


def test_each_currency_is_balanced_by_itself(db: Session, books: None) -> None:
    owed.payee(db, 7 * MILLION, currency=OLD)
    _redenominate(db)

    rows = [row for row in ledger.trial_balance(db) if row.role == "redenomination"]
    assert [(row.currency, row.debits - row.credits) for row in rows] == [(NEW, 7), (OLD, -7 * MILLION)]


def test_a_currency_that_became_a_fraction_of_another_is_moved_by_it(db: Session, books: None) -> None:
    payee = owed.payee(db, 195_583, currency="BGN")

    _redenominate(db, "BGN")

    assert ledger.balance(db, PAYABLE, payee.id, "EUR") == 100_000


@given(
    amounts=st.lists(st.integers(1, 10**14), min_size=1, max_size=5),
    factor=st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)),
    exponents=st.tuples(st.integers(0, 6), st.integers(0, 6)),
)
def test_nobody_loses_and_nobody_wins_a_unit(
    amounts: list[int], factor: tuple[int, int], exponents: tuple[int, int]
) -> None:
    old = Currency(code="AAA", ledger_exponent=exponents[0], factor_num=factor[0], factor_den=factor[1])
    new = Currency(code="BBB", ledger_exponent=exponents[1])
    above, below = redenomination._factor(old, new)

    exact = Fraction(sum(amounts), 10 ** exponents[0]) * Fraction(factor[1], factor[0]) * 10 ** exponents[1]

    assert 0 <= -(-sum(amounts) * above // below) - exact < 1


def test_a_preview_is_what_comes_of_it(db: Session, books: None) -> None:
    for amount in (1, MILLION, 3 * MILLION + 1):
        owed.payee(db, amount, currency=OLD)

    seen = redenomination.preview(db, OLD)
    found = _redenominate(db)

    assert (seen.n_payees, seen.amount_from, seen.amount_to) == (3, 4 * MILLION + 2, 1 + 1 + 4)
    assert (found.n_payees, found.amount_from, found.amount_to) == (3, seen.amount_from, seen.amount_to)
    assert redenomination.preview(db, OLD).n_payees == 0


def test_the_wait_goes_on_from_when_it_began(db: Session, books: None) -> None:
    payee = owed.payee(db, MILLION, currency=OLD)
    db.execute(text("UPDATE earnings SET due_at = '2021-09-01T00:00Z'"))

    _redenominate(db)

    due = db.scalar(text("SELECT due_at FROM earnings WHERE payee_id = :id AND status = 'due'"), {"id": payee.id})
    assert due is not None
    assert due.year == 2021


# Steps


def test_it_goes_on_after_every_step_and_moves_nothing_twice(
    db: Session, books: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redenomination, "_AT_ONCE", 2)
    people = [owed.payee(db, (place + 1) * MILLION, currency=OLD) for place in range(5)]
    found = redenomination.propose(db, OLD, proposed_by=PREPARER)
    redenomination.approve(db, found.id, approved_by=APPROVER)

    next(redenomination.steps(db, found.id))
    assert [_held(db, one)[NEW] for one in people] == [1, 2, 0, 0, 0]
    _go(db, found)
    _go(db, found)

    assert [_held(db, one) for one in people] == [{OLD: 0, NEW: place + 1} for place in range(5)]
    assert (found.n_payees, found.amount_to) == (5, 15)


def test_two_workers_move_everybody_once(house: House) -> None:
    with house.sessions() as db:
        payee = owed.payee(db, 9 * MILLION, currency=OLD)
        found = redenomination.propose(db, OLD, proposed_by=PREPARER)
        redenomination.approve(db, found.id, approved_by=APPROVER)
        db.commit()
    with house.sessions() as db:
        next(redenomination.steps(db, found.id))
        with held_up(house, lambda other: list(redenomination.steps(other, found.id))) as acting:
            db.commit()
            acting.result()
        assert _held(db, payee) == {OLD: 0, NEW: 9}


# What stays


def test_what_is_held_stays_until_a_later_one(db: Session, books: None) -> None:
    held, payee = owed.payee(db, MILLION, 2 * MILLION, currency=OLD), owed.payee(db, 4 * MILLION, currency=OLD)
    earning_id = db.scalar(text("SELECT min(id) FROM earnings WHERE payee_id = :id"), {"id": held.id})
    hold = holds.place(
        db, payee_id=held.id, earning_id=earning_id, reason="Odd.", made_by=PREPARER, until=_tomorrow(db)
    )

    _redenominate(db)
    assert (_held(db, held), _held(db, payee)) == ({OLD: MILLION, NEW: 2}, {OLD: 0, NEW: 4})
    holds.end(db, hold.id, reason="Not odd.", ended_by=PREPARER)
    found = _redenominate(db)

    assert (_held(db, held), found.n_payees) == ({OLD: 0, NEW: 3}, 1)


def _paid_out_in_old(db: Session, *amounts: int) -> tuple[Payee, str]:
    """Somebody whom a payout in dollars has paid what they earned, as in the days of the old money."""
    payee = owed.payee(db, *amounts, currency=OLD)
    _enter_old_rate(db)
    run = owed.sent(db)
    owed.settle(db, run)
    return payee, str(db.scalar(text("SELECT id FROM payouts WHERE run_id = :id"), {"id": run.id}))


def _tomorrow(db: Session) -> datetime:
    return clock.now(db) + timedelta(days=1)


def _enter_old_rate(db: Session) -> None:
    """A thousand of the old for a dollar; nobody can enter that any more."""
    db.execute(
        text("""
            INSERT INTO fx_rates (id, base, quote, numerator, denominator, source, fetched_at, valid_until, entered_by,
                                  needs_confirmation)
            VALUES ('fxr_old', 'VES.2018', 'USD', 1, 1000, 'a bank', now(), now() + interval '1 hour', 'ada', false)
        """)
    )


def test_what_is_about_to_leave_stays(db: Session, books: None) -> None:
    payee = owed.payee(db, 3_000 * MILLION, currency=OLD)
    _enter_old_rate(db)
    run = owed.go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER))
    assert run.n_payouts == 1

    assert _redenominate(db).n_payees == 0
    owed.go_through(db, runs.cancel(db, run.id))

    assert _redenominate(db).n_payees == 1
    assert _held(db, payee) == {OLD: 0, NEW: 3_000}


def test_what_was_asked_back_and_came_back_stays(db: Session, books: None) -> None:
    payee, payout_id = _paid_out_in_old(db, 3_000 * MILLION)
    earning_id = str(db.scalar(text("SELECT id FROM earnings WHERE payee_id = :id"), {"id": payee.id}))
    clawback = clawbacks.propose(db, earning_id, reason="Fraud.", made_by=PREPARER)
    clawbacks.confirm(db, clawback.id, confirmed_by=APPROVER)
    payouts.take_returns(db, [payouts.Outcome(payout_id, "R03", 0)])

    assert _redenominate(db).n_payees == 0
    assert _held(db, payee) == {OLD: 3_000 * MILLION, NEW: 0}


def test_what_comes_back_later_is_moved_by_a_later_one(db: Session, books: None) -> None:
    payee, payout_id = _paid_out_in_old(db, 3_000_000_500)
    assert owed.rests(db, payee) == [500]
    first = _redenominate(db)
    assert (_held(db, payee), first.amount_from) == ({OLD: 0, NEW: 1}, 500)

    payouts.take_returns(db, [payouts.Outcome(payout_id, "R03", 0)])
    assert _held(db, payee) == {OLD: 3_000_000_000, NEW: 1}
    second = _redenominate(db)

    assert (_held(db, payee), second.amount_from) == ({OLD: 0, NEW: 3_001}, 3_000_000_000)
    old = earnings.totals(db, payee.id)[-1]
    assert (old.currency, old.due, old.paid) == (OLD, 0, 0)


def test_what_went_through_one_is_neither_taken_back_nor_repaired(db: Session, books: None) -> None:
    payee = owed.payee(db, MILLION, currency=OLD)
    _redenominate(db)
    rows = db.scalars(text("SELECT id FROM earnings WHERE payee_id = :id"), {"id": payee.id}).all()

    for earning_id in rows:
        with pytest.raises(EarningRedenominated):
            adjustments.reverse(db, [earning_id], reason="Fraud.", actor_ref=PREPARER)
        with pytest.raises(EarningRedenominated):
            adjustments.preview_repair(db, earning_id, amount="1")
        with pytest.raises(EarningNotPaid):
            clawbacks.propose(db, earning_id, reason="Fraud.", made_by=PREPARER)


def test_what_it_became_is_not_asked_back_even_if_it_was_paid(db: Session) -> None:
    owed.payee(db, MILLION, currency=OLD)
    _redenominate(db)
    paid = text("UPDATE earnings SET paid = amount, status = 'paid' WHERE kind = 'redenomination' RETURNING id")
    earning_id = db.execute(paid).scalar_one()

    with pytest.raises(EarningNotPaid, match="stands for"):
        clawbacks.propose(db, earning_id, reason="Fraud.", made_by=PREPARER)


# Refusals


def test_only_a_currency_that_became_so_much_of_another_can_be_moved(db: Session) -> None:
    for currency, problem in (("USD", NothingTakesItsPlace), ("XTS", CurrencyUnknown), (NEW, NothingTakesItsPlace)):
        with pytest.raises(problem):
            redenomination.propose(db, currency, proposed_by=PREPARER)
        with pytest.raises(problem):
            redenomination.preview(db, currency)


def test_it_takes_two_people(db: Session, books: None) -> None:
    payee = owed.payee(db, MILLION, currency=OLD)
    found = redenomination.propose(db, OLD, proposed_by=PREPARER)

    with pytest.raises(SamePerson):
        redenomination.approve(db, found.id, approved_by=PREPARER)
    _go(db, found)
    assert (_held(db, payee), found.state) == ({OLD: MILLION, NEW: 0}, "proposed")
    with pytest.raises(IntegrityError, match="four_eyes"), db.begin_nested():
        db.execute(text("UPDATE redenominations SET state = 'moving', decided_by = proposed_by, decided_at = now()"))


def test_it_is_decided_once_and_there_is_one_at_a_time(db: Session, books: None) -> None:
    found = redenomination.propose(db, OLD, proposed_by=PREPARER)
    with pytest.raises(RedenominationUnderWay):
        redenomination.propose(db, OLD, proposed_by=APPROVER)
    redenomination.propose(db, "BGN", proposed_by=PREPARER)

    redenomination.refuse(db, found.id, refused_by=PREPARER)

    for decide in (redenomination.approve, redenomination.refuse):
        by = {"approved_by" if decide is redenomination.approve else "refused_by": APPROVER}
        with pytest.raises(RedenominationMoveNotAllowed):
            decide(db, found.id, **by)
        with pytest.raises(NoSuchRedenomination):
            decide(db, "rdn_none", **by)
    assert _redenominate(db).state == "done"


def test_two_who_propose_at_once_propose_one(house: House) -> None:
    with house.sessions() as db:
        redenomination.propose(db, OLD, proposed_by=PREPARER)
        with held_up(house, lambda other: redenomination.propose(other, OLD, proposed_by=APPROVER)) as acting:
            db.commit()
            with pytest.raises(RedenominationUnderWay):
                acting.result()


def test_what_was_moved_is_never_changed(db: Session) -> None:
    owed.payee(db, MILLION, currency=OLD)
    _redenominate(db)

    for change in ("UPDATE redenomination_items SET amount = 1", "DELETE FROM redenomination_items"):
        with pytest.raises(ProgrammingError, match="permission denied"), db.begin_nested():
            db.execute(text(change))


# Over HTTP


def test_over_http(client: FlaskClient, token: Callable[..., str], db: Session, books: None) -> None:
    payee = owed.payee(db, 2 * MILLION + 1, currency=OLD)
    db.commit()
    finance, approver = ({"Authorization": f"Bearer {token(role, role)}"} for role in ("finance", "approver"))
    same = {"Authorization": f"Bearer {token('approver', 'finance')}"}
    body = {"currency": OLD}

    seen = client.post("/api/redenominations/preview", json=body, headers=approver).get_json()
    made = client.post("/api/redenominations", json=body, headers=finance)
    rdn = made.get_json()
    refused = client.post(f"/api/redenominations/{rdn['id']}/approval", headers=same)
    approved = client.post(f"/api/redenominations/{rdn['id']}/approval", headers=approver)
    _go(db, db.get_one(Redenomination, rdn["id"]))
    db.commit()

    assert seen == {
        "currency": OLD, "successor": NEW, "payees": 1, "amount_from": "200.0001", "amount_to": "0.0003",
    }  # fmt: skip
    assert (made.status_code, refused.status_code, approved.status_code) == (201, 409, 200)
    assert approved.get_json()["state"] == "moving"
    (listed,) = client.get(f"/api/redenominations?currency={OLD}", headers=finance).get_json()["items"]
    assert (listed["state"], listed["payees"], listed["amount_to"]) == ("done", 1, "0.0003")
    assert _held(db, payee) == {OLD: 0, NEW: 3}
    assert client.get("/api/redenominations?currency=BGN", headers=finance).get_json()["items"] == []


@pytest.mark.parametrize(
    ("currency", "status", "problem"),
    [("ves", 422, "invalid"), ("XTS", 422, "currency-unknown"), ("USD", 422, "nothing-takes-its-place")],
)
def test_what_cannot_be_moved_is_refused_where_it_is_wrong(
    client: FlaskClient, token: Callable[..., str], currency: str, status: int, problem: str
) -> None:
    headers = {"Authorization": f"Bearer {token('finance')}"}
    for path in ("/api/redenominations", "/api/redenominations/preview"):
        refused = client.post(path, json={"currency": currency}, headers=headers)
        assert (refused.status_code, refused.get_json()["type"]) == (status, f"/problems/{problem}")
        assert refused.get_json()["errors"][0]["pointer"] == "/currency"


def test_a_redenomination_that_is_dropped_moves_nothing(
    client: FlaskClient, token: Callable[..., str], db: Session, books: None
) -> None:
    payee = owed.payee(db, MILLION, currency=OLD)
    found = redenomination.propose(db, OLD, proposed_by=PREPARER)
    db.commit()

    refused = client.post(
        f"/api/redenominations/{found.id}/refusal", headers={"Authorization": f"Bearer {token('approver')}"}
    )

    assert refused.get_json()["state"] == "refused"
    _go(db, found)
    assert _held(db, payee) == {OLD: MILLION, NEW: 0}


def test_the_checks_find_somebody_who_lost(db: Session) -> None:
    owed.payee(db, 2 * MILLION + 1, currency=OLD)
    _redenominate(db)
    assert checks.check(db)["R2 nobody lost by a redenomination, or won a unit"] == []

    db.execute(text("UPDATE earnings SET amount = amount - 1 WHERE kind = 'redenomination'"))

    assert len(checks.check(db)["R2 nobody lost by a redenomination, or won a unit"]) == 1

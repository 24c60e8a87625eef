"""Tax that is due when pay is earned: what is taken of whom and when, and what becomes of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from foundation import clock
from payments import (
    accruals,
    active_time,
    adjustments,
    batch_floors,
    clawbacks,
    earnings,
    floor_weeks,
    floors,
    funding,
    holds,
    ledger,
    payees,
    payouts,
    redenomination,
    remittances,
    runs,
    tax_documents,
    taxes,
    unclaimed,
)
from payments.active_time import Piece
from payments.adjustments import EarningNotDue, EarningPaid
from payments.clawbacks import EarningNotPaid
from payments.earnings import Work
from payments.ledger import FUNDS, PAYABLE, RECEIVABLE_PAYEE, WITHHELD
from payments.models import AccruedTax, Earning, LeftOut, Payee, Payout, PayoutRun, Rounding, TaxBasis, TaxPeriod
from payments.payouts import Outcome
from payments.tax_documents import Shown
from payments.taxes import Accrued, Counted, Rule
from tests.conftest import House, held_up
from tests.payments import cleared, owed
from tests.payments.owed import APPROVER, OWNER, PREPARER, go_through

CENT = 100
SHILLING = 10_000
KENYA: dict[str, Any] = {
    "currency": "KES",
    "threshold": "24000",
    "period": "month",
    "catch_up": True,
    "unit_exponent": 0,
}


def _levy(db: Session, basis_points: int = 500, *, authority: str = "KRA", **terms: Any) -> None:
    owed.levy(db, basis_points, authority=authority, basis="accrual", **terms)


def _held(db: Session, authority: str = "KRA", currency: str = "USD") -> int:
    return -ledger.debit_balance(db, WITHHELD, authority, currency)


def _due(db: Session, of: Payee, currency: str = "USD") -> int:
    return ledger.balance(db, PAYABLE, of.id, currency)


def _earnings(db: Session, of: Payee) -> Sequence[Earning]:
    db.expire_all()
    return db.scalars(select(Earning).where(Earning.payee_id == of.id).order_by(Earning.id)).all()


def _untaxed(db: Session, *amounts: int, currency: str = "USD", rail: str = "paypal") -> Payee:
    """Somebody who is owed this since before anybody said that it is taxed."""
    number = db.scalar(text("SELECT count(*) FROM payees"))
    made = payees.register(db, owner_ref=f"wrk_untaxed_{number}", name="Ada", country="KE")
    owed.owe(db, made, *amounts, currency=currency, levied=False)
    owed.set_method(db, made, rail=rail)
    return made


def _begun(db: Session, rail: str = "paypal") -> PayoutRun:
    return go_through(db, runs.begin(db, rail=rail, prepared_by=PREPARER))


def _reverse(db: Session, *earning_ids: str) -> None:
    adjustments.reverse(db, earning_ids, reason="It was copied.", actor_ref=PREPARER)


# What is taken


def test_a_twentieth_of_what_is_accepted_is_the_authoritys_at_once(db: Session, books: None) -> None:
    _levy(db)
    ada = owed.payee(db, 100_0000)

    (earning,) = _earnings(db, ada)
    assert (earning.amount, earning.withheld, earning.paid_out, earning.status) == (100_0000, 5_0000, 0, "due")
    assert (_held(db), _due(db, ada)) == (5_0000, 95_0000)
    (row,) = db.scalars(accruals.listed(payee_id=ada.id))
    assert (row.authority, row.base, row.amount, row.currency, row.counts) == ("KRA", 100_0000, 5_0000, "USD", True)
    key = text("SELECT idempotency_key FROM journal_entries WHERE id = :id")
    assert db.scalar(key, {"id": row.entry_id}) == f"wht:{earning.id}"


def test_a_run_pays_what_is_left_and_takes_nothing_again(db: Session, books: None) -> None:
    _levy(db)
    ada = owed.payee(db, 100_0000)

    owed.pay_out(db)

    (payout,) = db.scalars(payouts.listed(payee_id=ada.id))
    assert (payout.gross, payout.withheld, payout.net) == (95_0000, 0, 95_0000)
    (earning,) = _earnings(db, ada)
    assert (earning.status, earning.paid_out, earning.withheld) == ("paid", 95_0000, 5_0000)
    assert (_held(db), _due(db, ada)) == (5_0000, 0)


def test_many_answers_of_five_cents_are_taxed_as_their_sum_is(db: Session, books: None) -> None:
    _levy(db)
    ada = owed.payee(db)

    for _ in range(5):
        owed.owe(db, ada, *[5 * CENT] * 8)

    # A twentieth of two dollars, though one of a single answer comes to less than a cent.
    assert _held(db) == 10 * CENT


def test_what_an_answer_is_too_small_for_is_taken_of_the_next(db: Session, books: None) -> None:
    _levy(db, 5_000, currency="KES", unit_exponent=0)
    ada = owed.payee(db)

    owed.owe(db, ada, *[2_500] * 10, currency="KES")

    # Half of each two quarters of a shilling is due as a whole shilling, which no answer holds.
    taken = [earning.withheld for earning in _earnings(db, ada)]
    assert taken == [0, 0, 0, 0, 0, 0, 0, 2_500, 2_500, 2_500]
    owed.owe(db, ada, *[2_500] * 6, currency="KES")
    assert _held(db, currency="KES") == SHILLING + 2_500


CUMULATIVE = {
    # What was earned in the month before, and is now; what is taken in all above 24,000 at 5 %.
    "below": (10_000, 5_000, 0),
    "exactly at it": (20_000, 4_000, 0),
    "a shilling over it": (20_000, 4_001, 1_200),
    "over it at once": (0, 30_000, 1_500),
    "over it twice": (30_000, 30_000, 3_000),
}


@pytest.mark.parametrize("case", CUMULATIVE)
def test_a_threshold_is_caught_up_with_when_it_is_crossed(db: Session, books: None, case: str) -> None:
    before, now, tax = CUMULATIVE[case]
    _levy(db, **KENYA)
    ada = owed.payee(db)
    for amount in (before, now):
        owed.owe(db, ada, *[amount * SHILLING] * (amount > 0), currency="KES")

    assert _held(db, currency="KES") == tax * SHILLING


def test_no_more_is_taken_of_an_earning_than_it_is(db: Session, books: None) -> None:
    _levy(db, **KENYA)
    ada = owed.payee(db)

    owed.owe(db, ada, 24_000 * SHILLING, 1 * SHILLING, 200 * SHILLING, 5_000 * SHILLING, currency="KES")

    found = [(earning.withheld // SHILLING, earning.status) for earning in _earnings(db, ada)]
    assert found == [(0, "due"), (1, "paid"), (200, "paid"), (29201 // 20 - 201, "due")]
    assert _held(db, currency="KES") == 1_460 * SHILLING


def test_only_what_lies_above_a_threshold_without_catching_up_is_taxed(db: Session, books: None) -> None:
    _levy(db, 1_000, threshold="10", period="year")
    ada = owed.payee(db)

    owed.owe(db, ada, 8_0000, 4_0000, 10_0000)

    assert [earning.withheld for earning in _earnings(db, ada)] == [0, 2000, 1_0000]


def test_of_two_authorities_each_gets_its_own_and_together_no_more_than_there_is(db: Session, books: None) -> None:
    _levy(db, 6_000, authority="BIR")
    _levy(db, 6_000, authority="CITY")
    ada = owed.payee(db, 10_0000)

    assert (_held(db, "BIR"), _held(db, "CITY"), _due(db, ada)) == (6_0000, 4_0000, 0)


def test_one_authority_may_take_when_pay_is_earned_and_another_when_it_is_paid(db: Session, books: None) -> None:
    _levy(db, 1_000)
    owed.levy(db, 500, authority="CITY")
    ada = owed.payee(db, 10_0000)

    owed.sent(db)

    (payout,) = db.scalars(payouts.listed(payee_id=ada.id))
    assert (payout.gross, payout.withheld, payout.net) == (9_0000, 4500, 8_5500)
    assert (_held(db), _held(db, "CITY")) == (1_0000, 4500)


def test_whoever_has_shown_a_document_is_taxed_by_its_rule(db: Session, books: None) -> None:
    _levy(db, 500)
    _levy(db, 2_000, document="non_resident")
    ada, eva = owed.payee(db), owed.payee(db)
    shown = Shown("non_resident", date(2020, 1, 1), "drawer 3")
    over = replace(shown, valid_to=clock.now(db).date() - timedelta(days=2))
    for of, papers in ((ada, shown), (eva, over)):
        entered = tax_documents.enter(db, of.id, papers, entered_by=PREPARER)
        tax_documents.confirm(db, entered.id, confirmed_by=APPROVER)

    owed.owe(db, ada, 10_0000)
    owed.owe(db, eva, 10_0000)

    assert [_due(db, of) for of in (ada, eva)] == [8_0000, 9_5000]


def test_where_no_rule_takes_anything_when_pay_is_earned_nothing_is_written(db: Session, books: None) -> None:
    _levy(db, 500, country="PH")
    owed.payee(db, 10_0000)

    assert db.scalars(select(AccruedTax)).all() == []


def test_a_threshold_in_another_currency_than_was_earned_takes_nothing_and_stops_payment(
    db: Session, books: None
) -> None:
    _levy(db, **KENYA)
    owed.payee(db, 10_0000)

    run = _begun(db)

    assert (_held(db), _held(db, currency="KES")) == (0, 0)
    left_out = select(LeftOut).where(LeftOut.run_id == run.id)
    assert [(row.reason, row.amount) for row in db.scalars(left_out)] == [("no_tax_rule", 10_0000)]


def test_a_percentage_of_another_currency_is_one_of_what_was_earned_to_its_cent(db: Session, books: None) -> None:
    _levy(db, 333, currency="KES", unit_exponent=0)
    owed.payee(db, 10_0000)

    assert _held(db) == 33 * CENT


# Whatever makes something due


def test_bonuses_and_goodwill_are_taxed_like_answers(db: Session, books: None) -> None:
    _levy(db)
    ada = owed.payee(db)
    owed.pay_in(db, 50_0000)

    bonus = owed.give_bonus(
        db, owner_ref=OWNER, payee_id=ada.id, currency="USD", amount=20_0000, reason="r", actor_ref=PREPARER
    )
    gift = owed.give_goodwill(db, payee_id=ada.id, currency="USD", amount=10_0000, reason="r", actor_ref=PREPARER)

    assert (bonus.withheld, gift.withheld, _held(db)) == (1_0000, 5000, 1_5000)


def _floor(db: Session) -> None:
    made = floors.enter(db, floors.Terms("KE", "USD", "9.00", date(2026, 1, 1), "an act"), entered_by=PREPARER)
    floors.confirm(db, made.id, confirmed_by=APPROVER)


def _worked(db: Session, of: Payee, answer: str, days_ago: int = 0) -> None:
    """An hour of work for an answer of a batch of its own."""
    at = clock.now(db) - timedelta(days=days_ago)
    cause = db.scalar(text("SELECT cause_ref FROM earnings WHERE answer_ref = :answer"), {"answer": answer})
    db.execute(text("UPDATE earnings SET due_at = :at WHERE answer_ref = :answer"), {"at": at, "answer": answer})
    active_time.record(db, [Piece(answer, of.id, str(cause), "image", 1, "KE", at - timedelta(hours=1), at)])


def test_a_week_is_held_against_the_floor_before_tax_and_its_top_up_is_taxed(db: Session, books: None) -> None:
    _levy(db, 1_000)
    _floor(db)
    ada = owed.payee(db)
    (answer,) = owed.owe(db, ada, 4_0000)
    _worked(db, ada, answer, days_ago=8)

    week = f"{clock.now(db) - timedelta(days=8):%G-W%V}"
    floor_weeks.begin(db, week, begun_by=PREPARER)
    for _ in floor_weeks.steps(db, week):
        pass

    assert [(each.kind, each.amount, each.withheld) for each in _earnings(db, ada)] == [
        ("answer", 4_0000, 4000), ("floor", 5_0000, 5000)
    ]  # fmt: skip


def test_what_lifts_a_batch_to_the_floor_is_taxed(db: Session, books: None) -> None:
    _levy(db, 1_000)
    _floor(db)
    ada = owed.payee(db)
    (answer,) = owed.owe(db, ada, 4_0000)
    _worked(db, ada, answer)
    owed.pay_in(db, 50_0000)

    batch_floors.begin(db, db.scalars(text("SELECT cause_ref FROM reserves")).all())
    for floor_id in db.scalars(text("SELECT id FROM batch_floors")).all():
        for _ in batch_floors.steps(db, floor_id):
            pass

    assert [(each.kind, each.amount, each.withheld) for each in _earnings(db, ada)] == [
        ("answer", 4_0000, 4000), ("floor", 5_0000, 5000)
    ]  # fmt: skip


# Once


def test_what_is_accepted_or_looked_at_twice_is_taxed_once(db: Session, books: None) -> None:
    _levy(db)
    ada = owed.payee(db)
    answers = owed.owe(db, ada, 10_0000)

    earnings.accept(db, answers)
    accruals.take(db, [earning.id for earning in _earnings(db, ada)])
    accruals.take_late(db, [ada.id])

    assert _held(db) == 5000


def test_what_is_looked_at_twice_counts_once_against_a_threshold(db: Session, books: None) -> None:
    _levy(db, threshold="15", period="month", catch_up=True)
    ada = owed.payee(db, 10_0000)

    accruals.take(db, [earning.id for earning in _earnings(db, ada)])
    accruals.take_late(db, [ada.id])
    owed.owe(db, ada, 4_0000)

    assert _held(db) == 0


def test_what_two_batches_accept_at_once_adds_up(house: House) -> None:
    with house.sessions() as db:
        _levy(db, 1_000, threshold="10", period="month", catch_up=True)
        ada = owed.payee(db)
        owed.pay_in(db, 100_0000)
        funding.reserve(db, owner_ref=OWNER, cause_ref="b", key="b", currency="USD", amount=40_0000)
        earnings.pend(db, [Work(f"ans_{n}", ada.id, "b", "USD", 8_0000) for n in range(2)])
        db.commit()
    with house.sessions() as db:
        earnings.accept(db, ["ans_0"])
        with held_up(house, lambda other: earnings.accept(other, ["ans_1"])) as acting:
            db.commit()
            assert acting.result() == 1

        assert _held(db) == 1_6000


def test_what_is_accepted_while_a_run_looks_at_what_is_late_waits_for_it(house: House) -> None:
    with house.sessions() as db:
        ada = _untaxed(db, 8_0000)
        _levy(db, 1_000, threshold="10", period="month", catch_up=True)
        owed.pay_in(db, 100_0000)
        funding.reserve(db, owner_ref=OWNER, cause_ref="b", key="b", currency="USD", amount=40_0000)
        earnings.pend(db, [Work("ans_0", ada.id, "b", "USD", 8_0000)])
        db.commit()
    with house.sessions() as db:
        payees.lock(db, [ada.id])
        accruals.take_late(db, [ada.id])
        with held_up(house, lambda other: earnings.accept(other, ["ans_0"])) as acting:
            db.commit()
            assert acting.result() == 1

        # Neither of the two crosses the threshold by itself.
        assert _held(db) == 1_6000


def _statements(db: Session, of: Payee, n_answers: int) -> int:
    """How many statements it takes to accept so many answers of somebody."""
    owed.pay_in(db, 10_0000)
    cause = f"bat_{n_answers}_{of.id}"
    funding.reserve(db, owner_ref=OWNER, cause_ref=cause, key=cause, currency="USD", amount=10_0000)
    answers = [f"{cause}_{number}" for number in range(n_answers)]
    earnings.pend(db, [Work(answer, of.id, cause, "USD", 5 * CENT) for answer in answers])
    said: list[str] = []

    def count(*arguments: Any) -> None:
        said.append(arguments[2])

    connection = db.connection()
    event.listen(connection, "before_cursor_execute", count)
    earnings.accept(db, answers)
    event.remove(connection, "before_cursor_execute", count)
    return len(said)


def test_a_batch_costs_as_many_statements_as_an_answer_and_one_more_where_nothing_is_taken(
    db: Session, books: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = owed.payee(db, 1_0000)
    _statements(db, ada, 1)
    none = _statements(db, ada, 3)
    with monkeypatch.context() as patched:
        patched.setattr(accruals, "hold", lambda *_: [])
        assert none == _statements(db, ada, 5) + 1

    _levy(db)
    _statements(db, ada, 10)

    assert _statements(db, ada, 40) == _statements(db, ada, 20)


# What a rule says that was confirmed later


def _fell_due(db: Session, of: Payee, *moments: str) -> None:
    """Have what somebody is owed become due at these moments, in their order."""
    for earning, at in zip(_earnings(db, of), moments, strict=True):
        db.execute(text("UPDATE earnings SET due_at = :at WHERE id = :id"), {"at": at, "id": earning.id})


def test_a_rule_that_is_confirmed_later_takes_of_what_is_not_paid_yet(db: Session, books: None) -> None:
    ada = _untaxed(db, 10_0000, 10_0000)
    eva = _untaxed(db, 10_0000)
    holds.place(
        db, payee_id=eva.id, earning_id=None, reason="r", until=clock.now(db) + timedelta(days=9), made_by=PREPARER,
    )  # fmt: skip
    _levy(db)

    run = owed.sent(db)

    assert (run.total, _held(db)) == (19_0000, 1_5000)
    assert _due(db, ada) == 0


def test_a_rate_changes_at_the_countrys_midnight(db: Session, books: None) -> None:
    ada = _untaxed(db, 10_0000, 10_0000)
    _fell_due(db, ada, "2026-07-14T20:59:59Z", "2026-07-14T21:00:00Z")
    _levy(db, 500)
    _levy(db, 1_000, valid_from=date(2026, 7, 15))

    _begun(db)

    assert [earning.withheld for earning in _earnings(db, ada)] == [5000, 1_0000]


def test_a_rule_without_a_period_counts_by_the_month_of_the_country(db: Session, books: None) -> None:
    ada = _untaxed(db, 5 * CENT, 5 * CENT, 5 * CENT)
    _fell_due(db, ada, "2026-07-31T20:59:59Z", "2026-07-31T21:00:00Z", "2026-08-01T12:00:00Z")
    _levy(db, 1_000)

    _begun(db)

    # July's half a cent is none; August's two halves are one.
    assert [earning.withheld for earning in _earnings(db, ada)] == [0, 0, CENT]


def test_a_year_is_the_tax_year_of_the_country_across_its_months(db: Session, books: None) -> None:
    ada = _untaxed(db, 6_0000, 6_0000, 6_0000)
    _fell_due(db, ada, "2025-12-31T20:59:59Z", "2026-01-01T09:00:00Z", "2026-07-01T09:00:00Z")
    _levy(db, 1_000, threshold="10", period="year", catch_up=True)

    _begun(db)

    assert [earning.withheld for earning in _earnings(db, ada)] == [0, 0, 1_2000]


def test_what_became_due_before_a_rule_began_is_not_taxed_by_it(db: Session, books: None) -> None:
    ada = _untaxed(db, 10_0000)
    _levy(db, valid_from=clock.now(db).date() + timedelta(days=2))
    owed.levy(db)

    assert owed.sent(db).total == 10_0000
    assert (_held(db), _due(db, ada)) == (0, 0)


def test_what_is_in_a_run_or_lies_apart_is_taxed_when_it_is_not_any_more(db: Session, books: None) -> None:
    ada, eva = _untaxed(db, 10_0000), _untaxed(db, 10_0000)
    owed.levy(db)
    first = _begun(db)
    cleared.block(db, eva)
    _levy(db)

    _begun(db)
    assert _held(db) == 0

    go_through(db, runs.cancel(db, first.id))
    _begun(db)
    assert (_held(db), _due(db, ada)) == (5000, 9_5000)


# What becomes of it


def test_what_is_taken_back_is_not_taxed(db: Session, books: None) -> None:
    _levy(db)
    ada = owed.payee(db, 100_0000, 50_0000)
    first, second = _earnings(db, ada)

    for _ in range(2):
        _reverse(db, first.id)

    assert (_held(db), _due(db, ada), ledger.balance(db, FUNDS, OWNER, "USD")) == (2_5000, 47_5000, 120_0000)
    first, second = _earnings(db, ada)
    assert (first.status, first.paid, first.withheld, second.withheld) == ("reversed", 0, 0, 2_5000)
    assert [row.counts for row in db.scalars(accruals.listed(payee_id=ada.id).order_by(AccruedTax.id))] == [False, True]


def test_what_was_taken_whole_can_be_taken_back_and_not_asked_back(db: Session, books: None) -> None:
    _levy(db, 10_000)
    ada = owed.payee(db, 10_0000)
    (earning,) = _earnings(db, ada)
    assert (earning.status, _due(db, ada)) == ("paid", 0)
    with pytest.raises(EarningNotPaid):
        clawbacks.propose(db, earning.id, reason="r", made_by=PREPARER)

    _reverse(db, earning.id)

    assert (_held(db), _due(db, ada)) == (0, 0)


def test_a_threshold_that_was_crossed_by_what_is_taken_back_is_crossed_anew(db: Session, books: None) -> None:
    _levy(db, **KENYA)
    ada = owed.payee(db)
    owed.owe(db, ada, 20_000 * SHILLING, 10_000 * SHILLING, currency="KES")
    first, _ = _earnings(db, ada)

    _reverse(db, first.id)
    owed.owe(db, ada, 20_000 * SHILLING, currency="KES")

    # Of the 30,000 that are left of the month as much is taken as if nothing else had been.
    assert _held(db, currency="KES") == 1_500 * SHILLING


def test_a_repaired_earning_is_taxed_for_what_it_is_worth_now(db: Session, books: None) -> None:
    _levy(db)
    ada = owed.payee(db, 100_0000)
    owed.pay_in(db, 500_0000)
    (earning,) = _earnings(db, ada)

    adjustments.repair(db, earning.id, amount="40", reason="r", actor_ref=PREPARER)
    assert (_held(db), _due(db, ada)) == (2_0000, 38_0000)

    adjustments.repair(db, earning.id, amount="200", reason="r", actor_ref=PREPARER)
    assert (_held(db), _due(db, ada)) == (10_0000, 190_0000)


def test_what_has_been_paid_is_still_not_taken_back(db: Session, books: None) -> None:
    _levy(db)
    ada = owed.payee(db, 10_0000)
    owed.pay_out(db)
    (earning,) = _earnings(db, ada)

    with pytest.raises(EarningPaid):
        _reverse(db, earning.id)


def test_what_waits_for_acceptance_is_still_not_taken_back(db: Session, books: None) -> None:
    _levy(db)
    ada = owed.payee(db)
    owed.pay_in(db, 10_0000)
    funding.reserve(db, owner_ref=OWNER, cause_ref="b", key="b", currency="USD", amount=1_2000)
    earnings.pend(db, [Work("ans_pending", ada.id, "b", "USD", 1_0000)])
    (earning,) = _earnings(db, ada)

    with pytest.raises(EarningNotDue):
        _reverse(db, earning.id)


def test_who_is_asked_for_paid_pay_owes_what_they_got_and_the_authority_the_rest(db: Session, books: None) -> None:
    _levy(db)
    ada = owed.payee(db, 100_0000)
    owed.pay_out(db)
    (earning,) = _earnings(db, ada)

    made = clawbacks.propose(db, earning.id, reason="r", made_by=PREPARER)
    clawbacks.confirm(db, made.id, confirmed_by=APPROVER)

    assert (made.amount, made.returned) == (95_0000, 120_0000)
    assert ledger.debit_balance(db, RECEIVABLE_PAYEE, ada.id, "USD") == 95_0000
    assert (_held(db), ledger.balance(db, FUNDS, OWNER, "USD")) == (0, 120_0000)
    # It does not count against what comes next either.
    owed.owe(db, ada, 10_0000)
    assert _held(db) == 5000


def test_tax_of_what_a_payout_brings_back_stays_with_the_authority(db: Session, books: None) -> None:
    _levy(db)
    ada = owed.payee(db, 10_0000)
    (payout,) = db.scalars(payouts.listed(run_id=owed.sent(db).id))

    payouts.fail(db, [Outcome(payout.id, "AC04")])

    assert (_held(db), _due(db, ada)) == (5000, 9_5000)
    assert owed.sent(db).total == 9_5000


def test_unclaimed_pay_is_what_was_paid(db: Session, books: None) -> None:
    _levy(db)
    ada = owed.payee(db, 10_0000)
    owed.pay_out(db)
    (payout,) = db.scalars(select(Payout))
    payouts.take_returns(db, [Outcome(payout.id, "closed", payout.net)])
    noticed = clock.now(db).date() - timedelta(days=31)

    made = unclaimed.propose(db, payout.id, noticed_on=noticed, made_by=PREPARER)
    kept = unclaimed.confirm(db, made.id, confirmed_by=APPROVER)
    assert (kept.amount, _due(db, ada)) == (9_5000, 0)

    unclaimed.claim(db, kept.id, claimed_by=ada.owner_ref)
    assert (_held(db), _due(db, ada)) == (5000, 9_5000)


def test_what_goes_on_in_another_currency_was_taxed_in_the_one_before(db: Session, books: None) -> None:
    _levy(db, 1_000)
    million = 10**6
    ada = owed.payee(db, 20 * million, currency="VES.2018")

    found = redenomination.propose(db, "VES.2018", proposed_by=PREPARER)
    redenomination.approve(db, found.id, approved_by=APPROVER)
    for _ in redenomination.steps(db, found.id):
        pass

    assert (_due(db, ada, "VES.2018"), _due(db, ada, "VES")) == (0, 18)
    accruals.take_late(db, [ada.id])
    assert (_held(db, currency="VES.2018"), _held(db, currency="VES")) == (2 * million, 0)


def test_what_was_taken_is_sent_to_its_authority_like_any_other_tax(db: Session, books: None) -> None:
    _levy(db)
    owed.payee(db, 100_0000)
    (due,) = remittances.due(db)
    assert (due.authority, due.currency, int(due.amount)) == ("KRA", "USD", 5_0000)

    made = remittances.enter(
        db, authority="KRA", currency=db.get_one(Earning, _any(db)).books, amount=5_0000, filing="2026-11",
        entered_by=PREPARER,
    )  # fmt: skip
    remittances.confirm(db, made.id, confirmed_by=APPROVER)

    assert (_held(db), remittances.due(db)) == (0, [])


def _any(db: Session) -> str:
    return db.scalars(select(Earning.id).limit(1)).one()


def test_a_payee_is_told_what_authorities_took_beside_what_is_due_and_paid(db: Session, books: None) -> None:
    _levy(db)
    ada = owed.payee(db, 10_0000)
    owed.pay_out(db)
    owed.owe(db, ada, 20_0000)

    (total,) = earnings.totals(db, ada.id)

    assert (total.due, total.withheld, total.paid) == (19_0000, 1_5000, 9_5000)


# To the last unit


_RULE = Rule(
    id="a", authority="KRA", basis=TaxBasis.ACCRUAL, basis_points=500, currency="KES", threshold=0,
    period=TaxPeriod.MONTH, catch_up=False, rounding=Rounding.DOWN, unit=1,
)  # fmt: skip
ACCRUED = {
    # The rule, the earning, what was counted before and by the rule itself, what is left; base and tax.
    "the first": (_RULE, 199, Counted(), Counted(), 199, (199, 9)),
    "the fraction of two": (_RULE, 1, Counted(199, 199, 9), Counted(199, 199, 9), 1, (1, 1)),
    "a lower rate before": (_RULE, 200, Counted(200, 200, 2), Counted(), 200, (200, 10)),
    "a shortfall": (_RULE, 200, Counted(200, 200, 4), Counted(200, 200, 4), 200, (200, 16)),
    "little is left": (_RULE, 200, Counted(), Counted(), 3, (200, 3)),
    "too much before": (_RULE, 200, Counted(200, 200, 90), Counted(200, 200, 90), 200, (200, 0)),
    "at the threshold": (replace(_RULE, threshold=300), 100, Counted(200), Counted(200), 100, (0, 0)),
    "above it": (replace(_RULE, threshold=300), 200, Counted(200), Counted(200), 200, (100, 5)),
    "catching up": (replace(_RULE, threshold=300, catch_up=True), 200, Counted(200), Counted(), 200, (400, 20)),
    "caught up": (replace(_RULE, threshold=300, catch_up=True), 20, Counted(400, 400, 20), Counted(), 20, (20, 1)),
    "up to a unit": (replace(_RULE, unit=100, rounding=Rounding.UP), 10, Counted(), Counted(), 10, (10, 10)),
}


@pytest.mark.parametrize("case", ACCRUED)
def test_what_is_taken_of_an_earning_is_known(case: str) -> None:
    rule, amount, before, by_rule, left, (base, tax) = ACCRUED[case]

    assert taxes.accrue(rule, amount, before=before, by_rule=by_rule, left=left) == Accrued(base, tax)


_RULES = st.builds(
    replace, st.just(_RULE), basis_points=st.integers(0, 10_000), threshold=st.integers(0, 10**6),
    catch_up=st.booleans(), rounding=st.sampled_from(Rounding), unit=st.sampled_from([1, 100, 10_000]),
)  # fmt: skip


@given(_RULES, st.lists(st.integers(1, 10**6), min_size=1, max_size=20))
def test_in_however_many_parts_pay_is_earned_its_tax_is_that_of_the_sum(rule: Rule, amounts: list[int]) -> None:
    def at_once(amount: int) -> Accrued:
        return taxes.accrue(rule, amount, before=Counted(), by_rule=Counted(), left=amount)

    so_far, owing = Counted(), 0
    for amount in amounts:
        share = taxes.accrue(rule, amount, before=so_far, by_rule=so_far, left=amount)
        so_far = Counted(so_far.gross + amount, so_far.base + share.base, so_far.taken + share.amount)
        owing = at_once(so_far.gross).amount - so_far.taken
        # Only what the last one was too small for is missing.
        assert share.amount <= amount
        assert owing == 0 or (owing > 0 and share.amount == amount)

    assert so_far.base == at_once(sum(amounts)).base

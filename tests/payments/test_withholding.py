"""Tax on payouts: what is taken of whom, what that does to the books, and what is sent to the authority."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import NotFound
from payments import ledger, money, payees, payouts, remittances, runs, tax_documents, withholding
from payments.four_eyes import AlreadyConfirmed, SamePerson
from payments.ledger import PAYABLE, WITHHELD
from payments.models import Currency, LeftOut, Payee, Payout, PayoutRun, Rounding, TaxBasis, TaxPeriod
from payments.payouts import Outcome
from payments.remittances import FilingRemitted, NoSuchRemittance, RemittanceTooFine, RemittanceTooMuch
from payments.runs import RunChanged
from payments.tax_documents import NoSuchTaxDocument, Shown, TaxDocumentInvalid
from payments.taxes import Rule
from payments.withholding import Account
from tests import factories
from tests.payments import owed
from tests.payments.owed import APPROVER, PREPARER, go_through

CENT = 100
SHILLING = 10_000


def _begun(db: Session, rail: str = "paypal") -> PayoutRun:
    return go_through(db, runs.begin(db, rail=rail, prepared_by=PREPARER))


def _approve(db: Session, run: PayoutRun) -> PayoutRun:
    return runs.approve(db, run.id, content_hash=str(run.hash_text), approved_by=APPROVER)


def _payouts(db: Session, run: PayoutRun) -> Sequence[Payout]:
    rows = payouts.listed(run_id=run.id).order_by(Payout.id).execution_options(populate_existing=True)
    return db.scalars(rows).all()


def _why(db: Session, run: PayoutRun) -> list[tuple[str, int]]:
    return [(row.reason, row.amount) for row in db.scalars(select(LeftOut).where(LeftOut.run_id == run.id))]


def _held(db: Session, authority: str = "KRA", currency: str = "USD") -> int:
    return -ledger.debit_balance(db, WITHHELD, authority, currency)


def _show(db: Session, of: Payee, **days: Any) -> str:
    shown = replace(Shown("resident", date(2020, 1, 1), "drawer 3"), **days)
    entered = tax_documents.enter(db, of.id, shown, entered_by=PREPARER)
    return tax_documents.confirm(db, entered.id, confirmed_by=APPROVER).id


# What is taken


def test_a_twentieth_of_a_payout_goes_to_the_authority(db: Session, books: None) -> None:
    owed.levy(db, 500, authority="KRA")
    ada = owed.payee(db, 100_0000)

    run = owed.sent(db)

    (one,) = _payouts(db, run)
    assert (one.gross, one.withheld, one.net, run.total) == (100_0000, 5_0000, 95_0000, 95_0000)
    assert _held(db) == 5_0000
    assert ledger.balance(db, PAYABLE, ada.id, "USD") == 0
    assert [(row.authority, row.base, row.amount) for row in db.scalars(withholding.listed(payee_id=ada.id))] == [
        ("KRA", 100_0000, 5_0000)
    ]


def test_where_no_rule_is_in_force_nobody_is_paid(db: Session, books: None) -> None:
    eva = payees.register(db, owner_ref="wrk_eva", name="Eva", country="VE")
    owed.owe(db, eva, 10_0000, levied=False)
    owed.set_method(db, eva)

    assert _why(db, _begun(db)) == [("no_tax_rule", 10_0000)]


def test_a_threshold_in_another_currency_than_is_paid_stops_payment(db: Session, books: None) -> None:
    owed.levy(db, 500, authority="KRA", currency="KES", threshold="24000")
    owed.payee(db, 10_0000)

    assert _why(db, _begun(db)) == [("no_tax_rule", 10_0000)]


def test_a_percentage_of_another_currency_is_one_of_what_is_paid_to_its_cent(db: Session, books: None) -> None:
    owed.levy(db, 333, authority="KRA", currency="KES", unit_exponent=0)
    owed.payee(db, 10_0000)

    (one,) = _payouts(db, _begun(db))

    assert (one.withheld, one.net) == (33 * CENT, 967 * CENT)


def test_of_two_authorities_each_gets_its_own(db: Session, books: None) -> None:
    owed.levy(db, 1_000, authority="BIR")
    owed.levy(db, 500, authority="CITY")
    owed.payee(db, 10_0000)

    (one,) = _payouts(db, owed.sent(db))

    assert (one.net, _held(db, "BIR"), _held(db, "CITY")) == (8_5000, 1_0000, 5000)


CUMULATIVE = {
    # What was paid in the month before, and is paid now; what is taken of it above 24,000 at 5 %.
    "below": (10_000, 5_000, 0),
    "exactly at it": (20_000, 4_000, 0),
    "a shilling over it": (20_000, 4_001, 1_200),
    "over it at once": (0, 30_000, 1_500),
}


@pytest.mark.parametrize("case", CUMULATIVE)
def test_a_threshold_is_caught_up_with_when_it_is_crossed(db: Session, books: None, case: str) -> None:
    before, now, tax = CUMULATIVE[case]
    owed.levy(
        db, 500, authority="KRA", currency="KES", threshold="24000", period="month", catch_up=True, unit_exponent=0
    )
    ada = owed.payee(db, rail="mpesa")
    if before:
        owed.owe(db, ada, before * SHILLING, currency="KES")
        assert _payouts(db, owed.sent(db, "mpesa"))[0].withheld == 0
    owed.owe(db, ada, now * SHILLING, currency="KES")

    (one,) = _payouts(db, _begun(db, "mpesa"))

    assert one.withheld == tax * SHILLING


def test_what_another_run_has_prepared_counts_before_it_leaves(db: Session, books: None) -> None:
    owed.levy(db, 1_000, authority="KRA", threshold="10", period="year", catch_up=True)
    ada = owed.payee(db, 10_0000)
    _begun(db)
    owed.owe(db, ada, 2_0000)

    (one,) = _payouts(db, _begun(db))

    assert one.withheld == 1_2000


def test_what_another_run_has_taken_is_not_taken_again(db: Session, books: None) -> None:
    owed.levy(db, 1_000, authority="KRA", threshold="1", period="year", catch_up=True)
    ada = owed.payee(db, 10_0000)
    (first,) = _payouts(db, _begun(db))
    owed.owe(db, ada, 2_0000)

    (second,) = _payouts(db, _begun(db))

    assert (first.withheld, second.withheld) == (1_0000, 2000)


def test_what_failed_does_not_count(db: Session, books: None) -> None:
    owed.levy(db, 1_000, authority="KRA", threshold="10", period="year", catch_up=True)
    ada = owed.payee(db, 10_0000)
    (failed,) = _payouts(db, owed.sent(db))
    payouts.fail(db, [Outcome(failed.id, "AC04")])

    (again,) = _payouts(db, _begun(db))

    assert (again.gross, again.withheld) == (10_0000, 0)
    assert again.payee_id == ada.id


def test_the_parts_of_one_payment_add_up_against_the_threshold(db: Session, books: None) -> None:
    owed.levy(db, 1_000, authority="BIR", currency="PHP", threshold="60000", period="year", catch_up=True)
    owed.payee(db, 90_000_0000, currency="PHP", rail="instapay")

    made = _payouts(db, _begun(db, "instapay"))

    # The second part brings the year over the threshold, and what was paid of the first is caught up with.
    assert [(one.gross, one.withheld) for one in made] == [(50_000_0000, 0), (40_000_0000, 9_000_0000)]


def test_pay_in_one_currency_is_taxed_in_the_one_it_is_paid_in(db: Session, books: None) -> None:
    owed.levy(db, 500, authority="KRA", currency="KES", unit_exponent=0)
    factories.enter_fx_rate(db, "129.5", confirmed=True)
    ada = owed.payee(db, 100_0000, rail="mpesa")

    (one,) = _payouts(db, owed.sent(db, "mpesa"))

    assert (one.withheld, one.net) == (647 * SHILLING, 12_303 * SHILLING)
    assert one.gross == 100_0000
    assert _held(db, currency="KES") == 647 * SHILLING
    assert ledger.balance(db, PAYABLE, ada.id, "USD") == 0


# Payment that fits its rail


_RULES = st.builds(
    Rule,
    id=st.sampled_from(["a", "b"]), authority=st.just("X"), basis=st.just(TaxBasis.PAYMENT),
    basis_points=st.integers(0, 10_000), currency=st.just("KES"), threshold=st.integers(0, 10**7),
    period=st.just(TaxPeriod.MONTH), catch_up=st.booleans(), rounding=st.sampled_from(Rounding),
    unit=st.sampled_from([1, 100, 10_000]),
)  # fmt: skip


@given(
    st.lists(_RULES, max_size=2, unique_by=lambda rule: rule.id), st.integers(0, 10**8), st.sampled_from([1, 10_000])
)
def test_a_payment_leaves_whole_units_and_is_taxed_for_just_what_it_is(rules: list[Rule], most: int, unit: int) -> None:
    account = Account(rules, {rule.id: 5_000 for rule in rules}, {rule.id: 0 for rule in rules})

    payment = account.fit(most, unit)

    assert 0 <= payment.base <= most
    assert payment.net % unit == 0
    assert payment == account.fit(payment.base, unit)
    assert payment.net == payment.base - sum(each.amount for each in payment.taken)


def test_what_tax_takes_whole_is_not_paid(db: Session, books: None) -> None:
    owed.levy(db, 10_000, authority="KRA")
    owed.payee(db, 10_0000)

    assert _why(db, _begun(db)) == [("too_little", 10_0000)]


# What comes back


@pytest.mark.parametrize("way", ["fails", "returns"])
def test_tax_of_a_payout_that_comes_back_is_owed_to_its_payee_again(db: Session, books: None, way: str) -> None:
    owed.levy(db, 500, authority="KRA")
    ada = owed.payee(db, 100_0000)
    (one,) = _payouts(db, owed.sent(db))

    if way == "fails":
        payouts.fail(db, [Outcome(one.id, "AC04")])
    else:
        payouts.settle(db, [Outcome(one.id)])
        payouts.take_returns(db, [Outcome(one.id, "AC04", one.net)])

    assert (_held(db), ledger.balance(db, PAYABLE, ada.id, "USD")) == (0, 100_0000)


# Documents


def test_whoever_has_shown_a_document_is_taxed_by_its_rule(db: Session, books: None) -> None:
    owed.levy(db, 2_000, authority="KRA")
    owed.levy(db, 500, authority="KRA", document="resident")
    ada, ben = owed.payee(db, 10_0000), owed.payee(db, 10_0000)
    _show(db, ada)

    withheld = {one.payee_id: one.withheld for one in _payouts(db, _begun(db))}

    assert withheld == {ada.id: 5000, ben.id: 2_0000}


def test_a_document_counts_from_its_first_day_to_its_last(db: Session, books: None) -> None:
    owed.levy(db, 2_000, authority="KRA")
    owed.levy(db, 500, authority="KRA", document="resident")
    today = clock.now(db).date()
    over, coming, unconfirmed = (owed.payee(db, 10_0000) for _ in range(3))
    _show(db, over, valid_to=today - timedelta(days=2))
    _show(db, coming, valid_from=today + timedelta(days=2))
    tax_documents.enter(db, unconfirmed.id, Shown("resident", date(2020, 1, 1), "n"), entered_by=PREPARER)

    assert {one.withheld for one in _payouts(db, _begun(db))} == {2_0000}


def test_a_document_takes_two_people_and_counts_once(db: Session) -> None:
    ada = owed.payee(db)
    entered = tax_documents.enter(db, ada.id, Shown("resident", date(2020, 1, 1), "n"), entered_by=PREPARER)
    with pytest.raises(SamePerson):
        tax_documents.confirm(db, entered.id, confirmed_by=PREPARER)
    tax_documents.confirm(db, entered.id, confirmed_by=APPROVER)

    with pytest.raises(AlreadyConfirmed):
        tax_documents.confirm(db, entered.id, confirmed_by=APPROVER)
    with pytest.raises(NoSuchTaxDocument):
        tax_documents.confirm(db, "txd_00000000000000000000000000", confirmed_by=APPROVER)


def test_a_document_of_nobody_or_that_ends_before_it_begins_is_refused(db: Session) -> None:
    ada, today = owed.payee(db), date(2026, 1, 1)

    with pytest.raises(NotFound):
        tax_documents.enter(db, "pye_x", Shown("resident", today, "n"), entered_by=PREPARER)
    with pytest.raises(TaxDocumentInvalid):
        tax_documents.enter(
            db, ada.id, Shown("resident", today, "n", valid_to=today - timedelta(days=1)), entered_by=PREPARER
        )


# A run is taxed as of its beginning, and only while that is still right


def _wait(db: Session, monkeypatch: pytest.MonkeyPatch, span: timedelta = timedelta(seconds=1)) -> None:
    """Whatever is confirmed from here on is so after all runs that were begun."""
    now = clock.now(db)
    monkeypatch.setattr(clock, "now", lambda _db: now + span)


# What has changed, and how much later it is looked at.
MOVES = {
    "a new rule": timedelta(seconds=1),
    "a document": timedelta(seconds=1),
    "a document's end": timedelta(days=2),
    "another month": timedelta(days=31),
}


@pytest.mark.parametrize("move", MOVES)
def test_a_run_that_would_be_taxed_otherwise_now_is_not_approved(
    db: Session, books: None, monkeypatch: pytest.MonkeyPatch, move: str
) -> None:
    owed.levy(db, 500, authority="KRA", threshold="1", period="month" if move == "another month" else "none")
    ada = owed.payee(db, 10_0000)
    if move == "a document's end":
        _show(db, ada, valid_to=clock.now(db).date() + timedelta(days=1))
    run = _begun(db)
    _wait(db, monkeypatch, MOVES[move])
    if move == "a new rule":
        owed.levy(db, 600, authority="KRA")
    if move == "a document":
        _show(db, ada)

    with pytest.raises(RunChanged, match="Tax rules"):
        _approve(db, run)


def test_a_run_is_not_stopped_by_what_does_not_concern_it(
    db: Session, books: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    owed.levy(db, 500, authority="KRA")
    owed.payee(db, 10_0000)
    other = owed.payee(db)
    run = _begun(db)
    _wait(db, monkeypatch)
    owed.levy(db, 700, authority="BIR", country="PH")
    owed.levy(db, 700, authority="KRA", valid_from=clock.now(db).date() + timedelta(days=5))
    _show(db, other)

    assert _approve(db, run).state == "approved"


# Remittances


def _usd(db: Session) -> Currency:
    return money.currency(db, "USD")


def _withheld(db: Session, amount: int = 5_0000) -> None:
    owed.levy(db, 500, authority="KRA")
    owed.payee(db, amount * 20)
    owed.sent(db)


def test_what_is_withheld_is_sent_to_its_authority_by_two_people(db: Session, books: None) -> None:
    _withheld(db)
    made = remittances.enter(
        db, authority="KRA", currency=_usd(db), amount=3_0000, filing="2026-11", entered_by=PREPARER
    )
    assert _held(db) == 5_0000
    with pytest.raises(SamePerson):
        remittances.confirm(db, made.id, confirmed_by=PREPARER)

    remittances.confirm(db, made.id, confirmed_by=APPROVER)

    assert _held(db) == 2_0000
    with pytest.raises(AlreadyConfirmed):
        remittances.confirm(db, made.id, confirmed_by=APPROVER)
    assert [(row.authority, row.currency, row.amount) for row in remittances.due(db)] == [("KRA", "USD", 2_0000)]


def test_no_more_is_sent_than_was_withheld_and_once_for_a_filing(db: Session, books: None) -> None:
    _withheld(db)
    given: dict[str, Any] = {"authority": "KRA", "currency": _usd(db), "entered_by": PREPARER}
    first = remittances.enter(db, amount=4_0000, filing="2026-11", **given)
    second = remittances.enter(db, amount=4_0000, filing="2026-12", **given)
    with pytest.raises(RemittanceTooMuch):
        remittances.enter(db, amount=5_0100, filing="2027-01", **given)
    with pytest.raises(RemittanceTooFine):
        remittances.enter(db, amount=1, filing="2027-01", **given)
    with pytest.raises(FilingRemitted):
        remittances.enter(db, amount=1_0000, filing="2026-11", **given)
    remittances.confirm(db, first.id, confirmed_by=APPROVER)

    with pytest.raises(RemittanceTooMuch):
        remittances.confirm(db, second.id, confirmed_by=APPROVER)
    with pytest.raises(NoSuchRemittance):
        remittances.confirm(db, "rmt_x", confirmed_by=APPROVER)

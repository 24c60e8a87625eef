"""What banks changed money at: nothing stays between currencies once all is bought; what differs is in the books."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from foundation import auth
from payments import exchange, fx, ledger, money, payouts, runs
from payments.exchange import (
    NoSuchPurchase,
    Position,
    PurchaseDecided,
    PurchaseExists,
    PurchaseTooFine,
    PurchaseTooMuch,
    PurchaseUnfit,
)
from payments.four_eyes import SamePerson
from payments.models import FxPurchase, Payout, PayoutRun
from payments.payouts import Outcome
from tests import factories
from tests.conftest import House, held_up
from tests.payments import owed
from tests.payments.owed import APPROVER, PREPARER

UNIT = 10_000


def _run(db: Session, *dollars: int) -> PayoutRun:
    """A run that pays whole dollars in shillings, a hundred for each, and has left."""
    entered = factories.enter_fx_rate(db, base="USD", quote="KES", rate="100")
    fx.confirm(db, entered.id, auth.Actor("tok_a", APPROVER, "approver", frozenset({"approve"})))
    for amount in dollars:
        owed.payee(db, amount * UNIT, rail="mpesa")
    return owed.sent(db, "mpesa")


def _propose(db: Session, run: PayoutRun, sold: str, bought: str, reference: str = "fx1") -> FxPurchase:
    """Both as in "10.10 USD"."""
    changed = {}
    for name, (amount, code) in {"sold": sold.split(), "bought": bought.split()}.items():
        currency = money.currency(db, code)
        changed[name] = (currency, money.parse(amount, currency))
    return exchange.propose(
        db, run_id=run.id, bank_reference=reference, sold=changed["sold"], bought=changed["bought"], made_by=PREPARER
    )


def _buy(db: Session, run: PayoutRun, sold: str, bought: str, reference: str = "fx1") -> FxPurchase:
    return exchange.confirm(db, _propose(db, run, sold, bought, reference).id, confirmed_by=APPROVER)


def _on(db: Session, role: str) -> dict[str, Fraction]:
    """Debits less credits of a role, in whole units, by currency; nothing where that is zero."""
    rows = [row for row in ledger.trial_balance(db) if row.role == role and row.debits != row.credits]
    return {row.currency: Fraction(int(row.debits - row.credits), UNIT) for row in rows}


def _payouts(db: Session, run: PayoutRun) -> list[Payout]:
    return list(db.scalars(payouts.listed(run_id=run.id).order_by(Payout.net)))


@pytest.mark.parametrize(
    ("sold", "gain", "roles"),
    [
        ("30.00 USD", 0, {"fx_gain": {}, "fx_loss": {}}),
        ("30.75 USD", -7500, {"fx_gain": {}, "fx_loss": {"USD": Fraction(3, 4)}}),
        ("29.50 USD", 5000, {"fx_gain": {"USD": Fraction(-1, 2)}, "fx_loss": {}}),
    ],
)
def test_what_a_bank_asks_more_or_less_than_the_runs_rate_is_loss_or_gain(
    db: Session, books: None, sold: str, gain: int, roles: dict[str, dict[str, Fraction]]
) -> None:
    run = _run(db, 10, 20)
    before = _on(db, "bank")["USD"]

    made = _buy(db, run, sold, "3000.00 KES")

    assert made.gain == gain
    assert {role: _on(db, role) for role in roles} == roles
    assert _on(db, "fx_clearing") == {}
    assert _on(db, "bank") == {"USD": before - Fraction(sold.split(maxsplit=1)[0]), "KES": 3000}


def test_what_is_bought_in_parts_is_priced_at_the_runs_rate_until_all_is(db: Session, books: None) -> None:
    run = _run(db, 30)

    first = _buy(db, run, "10.50 USD", "1000.00 KES")
    assert first.gain == -5000
    assert _on(db, "fx_clearing") == {"USD": -20, "KES": 2000}

    second = _buy(db, run, "19.00 USD", "2000.00 KES", "fx2")
    assert (second.gain, _on(db, "fx_clearing")) == (10_000, {})
    (position,) = exchange.positions(db, run.id)
    assert (position.open, position.residue, position.gain, position.paid) == (0, 0, 5000, 3000 * UNIT)


def test_a_payout_that_fails_before_anything_is_bought_needs_nothing(db: Session, books: None) -> None:
    run = _run(db, 10, 20)
    payouts.fail(db, [Outcome(_payouts(db, run)[0].id, "wrong number")])

    with pytest.raises(PurchaseTooMuch, match=r"2000\.0000"):
        _propose(db, run, "30.00 USD", "3000.00 KES")
    _buy(db, run, "20.40 USD", "2000.00 KES")

    assert (_on(db, "fx_clearing"), _on(db, "fx_loss")) == ({}, {"USD": Fraction(2, 5)})


def test_what_was_bought_for_a_payout_that_comes_back_is_open_until_it_is_changed_back(
    db: Session, books: None
) -> None:
    run = _run(db, 10, 20)
    first = _payouts(db, run)[0]
    _buy(db, run, "30.00 USD", "3000.00 KES")
    payouts.settle(db, [Outcome(one.id) for one in _payouts(db, run)])
    payouts.take_returns(db, [Outcome(first.id, "wrong number", first.net)])
    assert _on(db, "fx_clearing") == {"USD": 10, "KES": -1000}

    with pytest.raises(PurchaseTooMuch):
        _propose(db, run, "1.00 USD", "1.00 KES", "fx2")
    with pytest.raises(PurchaseTooMuch):
        _propose(db, run, "1001.00 KES", "10.00 USD", "fx2")
    back = _buy(db, run, "1000.00 KES", "9.80 USD", "fx2")

    assert (back.gain, _on(db, "fx_clearing")) == (-2000, {})
    assert _on(db, "fx_loss") == {"USD": Fraction(1, 5)}


def test_a_bonus_of_roundings_is_gone_when_all_is_bought(db: Session, books: None) -> None:
    entered = factories.enter_fx_rate(db, base="USD", quote="KES", rate="129.5")
    fx.confirm(db, entered.id, auth.Actor("tok_a", APPROVER, "approver", frozenset({"approve"})))
    for amount in (10_3333, 7_7777, 2_0001):
        owed.payee(db, amount, rail="mpesa")
    run = owed.sent(db, "mpesa")
    total = sum(one.net for one in _payouts(db, run)) // UNIT

    _buy(db, run, "5.00 USD", "700.00 KES")
    assert set(_on(db, "fx_clearing")) == {"USD", "KES"}
    _buy(db, run, "10.37 USD", f"{total - 700}.00 KES", "fx2")

    assert _on(db, "fx_clearing") == {}


@given(
    earned=st.integers(1, 10**12),
    numerator=st.integers(1, 10**6),
    parts=st.lists(st.integers(1, 10**6), min_size=1, max_size=5),
    prices=st.lists(st.integers(1, 10**6), min_size=5, max_size=5),
)
@settings(max_examples=200, deadline=None)
def test_whatever_is_bought_in_whatever_parts_at_whatever_price_nothing_is_left(
    earned: int, numerator: int, parts: list[int], prices: list[int]
) -> None:
    paid, residue, gains, sold = sum(parts), -earned, 0, 0
    for part, price in zip(parts, prices, strict=False):
        position = Position("run", "KES", 4, "USD", 4, numerator, 1_000, 0, 0, paid, residue, gains)
        made = FxPurchase(sold_currency="USD", sold=price, bought_currency="KES", bought=part)
        gain = exchange.gain(position, made)
        paid, residue, gains, sold = paid - part, residue + price + gain, gains + gain, sold + price

    assert (paid, residue) == (0, 0)
    assert gains == earned - sold, "all of the difference is in the books"


# Who and what is refused


def test_two_people_change_money(db: Session, books: None) -> None:
    made = _propose(db, _run(db, 10), "10.00 USD", "1000.00 KES")

    with pytest.raises(SamePerson):
        exchange.confirm(db, made.id, confirmed_by=PREPARER)
    assert _on(db, "fx_clearing") == {"USD": -10, "KES": 1000}


def test_a_reference_of_the_bank_counts_once_unless_it_was_refused(db: Session, books: None) -> None:
    run = _run(db, 10)
    first = _propose(db, run, "10.00 USD", "1000.00 KES")
    with pytest.raises(PurchaseExists):
        _propose(db, run, "1.00 USD", "1000.00 KES")
    exchange.refuse(db, first.id, refused_by=APPROVER)

    assert _buy(db, run, "10.00 USD", "1000.00 KES").state == "posted"
    with pytest.raises(PurchaseDecided):
        exchange.confirm(db, first.id, confirmed_by=APPROVER)
    with pytest.raises(PurchaseDecided):
        exchange.refuse(db, first.id, refused_by=APPROVER)


@pytest.mark.parametrize(
    ("sold", "bought", "problem"),
    [
        ("10.00 USD", "1000.01 KES", PurchaseTooMuch),
        ("10.001 USD", "1000.00 KES", PurchaseTooFine),
        ("10.00 EUR", "1000.00 KES", PurchaseUnfit),
        ("10.00 USD", "10.00 EUR", PurchaseUnfit),
        ("10.00 KES", "1.00 USD", PurchaseTooMuch),
    ],
)
def test_what_the_run_does_not_need_is_not_bought_for_it(
    db: Session, books: None, sold: str, bought: str, problem: type[Exception]
) -> None:
    with pytest.raises(problem):
        _propose(db, _run(db, 10), sold, bought)


def test_of_two_purchases_that_together_are_too_much_one_is_refused(db: Session, books: None) -> None:
    run = _run(db, 10)
    first, second = (_propose(db, run, "6.00 USD", "600.00 KES", name) for name in ("fx1", "fx2"))
    exchange.confirm(db, first.id, confirmed_by=APPROVER)

    with pytest.raises(PurchaseTooMuch):
        exchange.confirm(db, second.id, confirmed_by=APPROVER)


def test_two_confirmations_at_once_buy_no_more_than_is_needed(house: House) -> None:
    with house.sessions() as db:
        run = _run(db, 10)
        first, second = (_propose(db, run, "6.00 USD", "600.00 KES", name).id for name in ("fx1", "fx2"))
        db.commit()
    with house.sessions() as db:
        exchange.confirm(db, first, confirmed_by=APPROVER)
        with held_up(house, lambda other: exchange.confirm(other, second, confirmed_by=APPROVER)) as acting:
            db.commit()
            with pytest.raises(PurchaseTooMuch):
                acting.result()


def test_nothing_is_bought_for_a_run_before_it_is_known_what_it_needs(db: Session, books: None) -> None:
    run = _run(db, 10)
    owed.payee(db, 5 * UNIT, rail="mpesa")
    waiting = owed.go_through(db, runs.begin(db, rail="mpesa", prepared_by=PREPARER))

    with pytest.raises(PurchaseUnfit):
        _propose(db, waiting, "5.00 USD", "500.00 KES")
    with pytest.raises(NoSuchPurchase):
        exchange.confirm(db, "fxp_x", confirmed_by=APPROVER)
    assert len(exchange.positions(db, run.id)) == 1

"""Amounts: strings outside, integers inside, and the only rounding."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from payments import money
from payments.models import Currency
from payments.money import AMOUNT_MAX, AmountInvalid, CurrencyUnknown

exponents = st.integers(0, 6)
amounts = st.integers(1, AMOUNT_MAX)


def _currency(exponent: int) -> Currency:
    return Currency(code="XTS", name="Test", iso_exponent=0, ledger_exponent=exponent)


@given(amounts, exponents)
def test_an_amount_survives_the_way_out_and_in(amount: int, exponent: int) -> None:
    assert money.parse(money.format_amount(amount, exponent), _currency(exponent)) == amount


@given(st.integers(-(10**19), 10**19), exponents)
def test_a_formatted_amount_shows_every_digit_and_no_exponent(amount: int, exponent: int) -> None:
    shown = money.format_amount(amount, exponent)

    assert "E" not in shown
    assert len(shown.partition(".")[2]) == exponent
    assert Decimal(shown) * 10**exponent == amount


@pytest.mark.parametrize(
    ("written", "exponent", "units"),
    [("1.25", 4, 12500), ("0.0001", 4, 1), ("0.020000", 4, 200), ("7", 0, 7), ("100000000000", 4, AMOUNT_MAX)],
)
def test_known_amounts_are_read(written: str, exponent: int, units: int) -> None:
    assert money.parse(written, _currency(exponent)) == units


@pytest.mark.parametrize("written", ["0", "0.0000", "100000000000.0001", "999999999999.999999"])
def test_nothing_and_too_much_are_no_amounts(written: str) -> None:
    with pytest.raises(AmountInvalid):
        money.parse(written, _currency(4))


@given(st.integers(1, 10**6).filter(lambda units: units % 10), st.integers(0, 5))
def test_more_decimals_than_the_books_have_are_refused_and_never_rounded(units: int, exponent: int) -> None:
    written = money.format_amount(units, exponent + 1)

    with pytest.raises(AmountInvalid, match=f"at most {exponent} decimals"):
        money.parse(written, _currency(exponent))


@pytest.mark.parametrize(
    ("amount", "basis_points", "units"),
    [(25, 1000, 2), (35, 1000, 4), (26, 1000, 3), (24, 1000, 2), (200, 2000, 40), (1, 2000, 0), (5, 0, 0)],
)
def test_a_share_is_rounded_half_to_even(amount: int, basis_points: int, units: int) -> None:
    assert money.share(amount, basis_points) == units


@given(amounts, st.integers(0, 10_000))
def test_a_share_is_the_nearest_whole_unit(amount: int, basis_points: int) -> None:
    exact = Decimal(amount * basis_points) / 10_000

    assert money.share(amount, basis_points) == int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))


def test_an_amount_is_shown_with_every_digit_of_its_scale() -> None:
    assert money.format_amount(12500, 4) == "1.2500"


def test_a_currency_of_the_books_is_found(db: Session) -> None:
    assert money.currency(db, "EUR").ledger_exponent == 4


def test_a_foreign_currency_is_refused(db: Session) -> None:
    with pytest.raises(CurrencyUnknown, match="XAU"):
        money.currency(db, "XAU")

"""Amounts: strings outside, integers inside, and the only rounding."""

import math
import random
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from payments import money
from payments.models import Currency
from payments.money import AMOUNT_MAX, AmountInvalid, CurrencyUnknown, RailAmount, RateInvalid, WeightsInvalid

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


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (1, [1, 1], [1, 0]),
        (2, [1, 3], [1, 1]),
        (1, [1, 2], [0, 1]),
        (7, [0, 5, 0], [0, 7, 0]),
        (10, [10**30, 1], [10, 0]),
        (0, [3, 4], [0, 0]),
        (5, [2, 3], [2, 3]),
    ],
)
def test_known_totals_are_shared_out(total: int, weights: list[int], shares: list[int]) -> None:
    assert money.allocate(total, weights) == shares


totals = st.integers(-AMOUNT_MAX, AMOUNT_MAX)
weightings = st.lists(st.integers(0, 10**12), min_size=1, max_size=30).filter(any)


@given(totals, weightings)
def test_shares_sum_to_the_total_and_none_is_off_by_a_unit(total: int, weights: list[int]) -> None:
    shares = money.allocate(total, weights)

    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(total * weight, sum(weights))) < 1


@given(totals, weightings)
def test_a_debt_is_shared_out_as_what_is_owed(total: int, weights: list[int]) -> None:
    assert money.allocate(-total, weights) == [-share for share in money.allocate(total, weights)]


@given(totals, weightings, st.randoms(use_true_random=False))
def test_the_order_of_weights_decides_nothing_but_ties(total: int, weights: list[int], shuffler: random.Random) -> None:
    rests = [abs(total) * weight % sum(weights) for weight in weights]
    assume(len(set(rests)) == len(rests))
    order = list(range(len(weights)))
    shuffler.shuffle(order)

    shares = money.allocate(total, weights)

    assert money.allocate(total, [weights[place] for place in order]) == [shares[place] for place in order]


@pytest.mark.parametrize("weights", [[], [0], [0, 0, 0], [2, -1], [1, -1]])
def test_by_no_weight_or_less_nothing_is_shared_out(weights: list[int]) -> None:
    with pytest.raises(WeightsInvalid):
        money.allocate(100, weights)


@pytest.mark.parametrize(
    ("amount", "exponent", "rail_exponent", "whole", "dust"),
    [
        (1000 * 50, 4, 2, 500, 0),  # a thousand answers at 0.005 are 5.00
        (3 * 33, 4, 2, 0, 99),  # three at 0.0033 are not a cent,
        (4 * 33, 4, 2, 1, 32),  # and the fourth makes one
        (1_234_567, 4, 0, 123, 4567),  # shillings of M-Pesa
        (199, 2, 0, 1, 99),
        (5, 0, 2, 500, 0),
        (0, 4, 2, 0, 0),
    ],
)
def test_a_payout_is_rounded_down_and_its_dust_stays(
    amount: int, exponent: int, rail_exponent: int, whole: int, dust: int
) -> None:
    assert money.round_down(amount, exponent, rail_exponent) == RailAmount(whole, dust)


@given(st.integers(0, AMOUNT_MAX), exponents, exponents)
def test_no_payout_is_above_what_is_owed_and_nothing_is_lost(amount: int, exponent: int, rail_exponent: int) -> None:
    paid = money.round_down(amount, exponent, rail_exponent)

    assert Fraction(paid.whole, 10**rail_exponent) + Fraction(paid.dust, 10**exponent) == Fraction(amount, 10**exponent)
    assert 0 <= Fraction(paid.dust, 10**exponent) < Fraction(1, 10**rail_exponent)


@pytest.mark.parametrize(
    ("amount", "rate", "exponents", "units"),
    [
        (5, (1, 10), (0, 0), 0),
        (15, (1, 10), (0, 0), 2),
        (25, (1, 10), (0, 0), 2),
        (-15, (1, 10), (0, 0), -2),
        (-25, (1, 10), (0, 0), -2),
        (10_000, (1295, 10), (4, 4), 1_295_000),  # 1 USD at 129.5 is 129.5 KES
        (1_295_000, (10, 1295), (4, 4), 10_000),
        (10_000, (14967, 100), (4, 2), 14_967),  # 1 USD is 149.67 JPY
        (1, (1, 3), (0, 6), 333_333),
        (1, (123_456_789_012_345, 10**15), (0, 6), 123_457),
    ],
)
def test_known_amounts_are_converted(
    amount: int, rate: tuple[int, int], exponents: tuple[int, int], units: int
) -> None:
    assert money.convert(amount, *rate, *exponents) == units


converted = st.tuples(
    st.integers(-(10**9), 10**9), st.integers(1, 10**6), st.integers(10**3, 10**15), exponents, exponents
)


@given(converted)
def test_a_conversion_is_the_nearest_unit_and_half_goes_to_even(given: tuple[int, int, int, int, int]) -> None:
    amount, numerator, denominator, from_exponent, to_exponent = given

    exact = Fraction(amount * numerator, denominator) * Fraction(10**to_exponent, 10**from_exponent)
    assume(abs(exact) <= AMOUNT_MAX - 1)

    assert money.convert(*given) == round(exact)
    assert money.convert_up(*given) == math.ceil(exact)


@pytest.mark.parametrize(("seconds", "units"), [(3600, 7000), (1000, 1945), (1, 2)])
def test_a_floor_is_rounded_up(seconds: int, units: int) -> None:
    assert money.convert_up(7000, seconds, 3600, 4, 4) == units


@pytest.mark.parametrize(("numerator", "units"), [(10_000, 14_9962), (9_999, 14_9947), (1, 14)])
def test_what_is_worth_paying_is_rounded_down(numerator: int, units: int) -> None:
    assert money.convert_down(14_9962, numerator, 10_000, 4, 4) == units


@pytest.mark.parametrize("rate", [(0, 1), (1, 0), (-1, 1), (1, -1), (-1, -1)])
def test_a_rate_is_above_zero(rate: tuple[int, int]) -> None:
    with pytest.raises(RateInvalid):
        money.convert(100, *rate, 4, 4)
    with pytest.raises(RateInvalid):
        money.convert_up(100, *rate, 4, 4)


def test_what_no_amount_can_hold_is_not_converted() -> None:
    assert money.convert(AMOUNT_MAX, 1, 1, 4, 4) == AMOUNT_MAX
    with pytest.raises(AmountInvalid):
        money.convert(AMOUNT_MAX, 11, 10, 4, 4)
    with pytest.raises(AmountInvalid):
        money.convert_up(1, AMOUNT_MAX, 1, 0, 6)

"""What all writers share."""

import hashlib
import io
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.files.orders import Unfit
from payments.files.writing import Hashing, counted, decimal_text
from tests.payments.files.samples import batch, order


@pytest.mark.parametrize(
    ("amount", "exponent", "text"),
    [(1250, 2, "12.50"), (5, 2, "0.05"), (0, 2, "0.00"), (-5, 2, "-0.05"), (7, 0, "7"), (1, 4, "0.0001")],
)
def test_an_amount_is_written_with_all_its_decimals(amount: int, exponent: int, text: str) -> None:
    assert decimal_text(amount, exponent) == text


@given(st.integers(-(10**24), 10**24), st.integers(0, 6))
def test_no_digit_of_an_amount_is_lost(amount: int, exponent: int) -> None:
    assert Decimal(decimal_text(amount, exponent)) == Decimal(amount).scaleb(-exponent)


def test_the_hash_is_that_of_the_bytes() -> None:
    file = io.BytesIO()
    out = Hashing(file)

    out.write(b"a")
    out.write(b"b")

    assert file.getvalue() == b"ab"
    assert out.sha256 == hashlib.sha256(b"ab").hexdigest()


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"n_orders": 1}, "n_orders"),
        ({"n_orders": 3}, "n_orders"),
        ({"total": 2000}, "total"),
        ({"total": 2002}, "total"),
    ],
)
def test_orders_are_what_their_batch_says_or_no_file(said: dict[str, Any], field: str) -> None:
    orders = [order(), order(1)]

    with pytest.raises(Unfit) as refused:
        list(counted(batch(orders, **said), orders))

    assert (refused.value.order, refused.value.field) == (None, field)


def test_orders_beyond_what_the_batch_says_are_not_handed_on() -> None:
    orders = [order(place) for place in range(5)]
    rest = counted(batch(orders[:2], total=10**9), orders)

    assert [next(rest)[0], next(rest)[0]] == [0, 1]
    with pytest.raises(Unfit):
        next(rest)

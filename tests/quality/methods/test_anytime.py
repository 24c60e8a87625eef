"""Bounds at any time: they hold the truth as often as they say, over a whole life of looking."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.methods import anytime, intervals


def _bounds(right: int, n: int, *, alpha: float = 0.05) -> tuple[float, float]:
    low, high = anytime.bounds(np.array([right]), np.array([n]), alpha=alpha)
    return float(low[0]), float(high[0])


def test_nothing_seen_says_nothing() -> None:
    assert _bounds(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("n", [1, 7, 300])
def test_all_right_has_the_bound_that_can_be_written_down(n: int) -> None:
    # B(n + 1, 1) = 1 / (n + 1).
    low, high = _bounds(n, n)

    assert low == pytest.approx((0.05 / (n + 1)) ** (1 / n))
    assert high == 1.0


@given(st.integers(1, 400), st.data())
@settings(max_examples=200, deadline=None)
def test_the_share_seen_is_inside_and_right_is_wrong_mirrored(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))

    low, high = _bounds(right, n)

    assert 0.0 <= low < high <= 1.0
    assert low <= right / n <= high
    assert _bounds(n - right, n) == pytest.approx((1.0 - high, 1.0 - low))


@given(st.integers(1, 200), st.data())
@settings(max_examples=100, deadline=None)
def test_one_more_right_answer_lowers_no_bound(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))

    before, after = _bounds(right, n), _bounds(right + 1, n + 1)

    assert after[0] >= before[0] - 1e-12
    assert after[1] >= before[1] - 1e-12


def test_more_certainty_asks_for_wider_bounds() -> None:
    wide, narrow = _bounds(30, 40, alpha=0.005), _bounds(30, 40, alpha=0.05)

    assert wide[0] < narrow[0]
    assert narrow[1] < wide[1]


@pytest.mark.parametrize("share", [0.3, 0.8, 0.95])
def test_of_whoever_is_looked_at_after_each_answer_one_in_twenty_is_ever_outside(share: float) -> None:
    rng = np.random.default_rng(5)
    n = np.arange(1, 401)
    right = np.cumsum((rng.random((1000, 400)) < share).astype(np.int64), axis=1)

    low, high = anytime.bounds(right.ravel(), np.tile(n, 1000), alpha=0.05)

    left = ((share < low) | (high < share)).reshape(1000, 400).any(axis=1).mean()
    assert left <= 0.05
    # An interval for one look is left by far more of them.
    low, high = intervals.binomial(right[:, 9::10].ravel().astype(float), np.tile(n[9::10], 1000).astype(float))
    assert ((share < low) | (high < share)).reshape(1000, 40).any(axis=1).mean() > 0.15

"""Digamma, log gamma and quantiles of the beta distribution beside known values."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.methods import special

_EULER = 0.5772156649015329


def test_digamma_has_its_known_values() -> None:
    at = np.array([0.25, 0.5, 1.0, 2.0])

    found = special.digamma(at)

    quarter = -_EULER - math.pi / 2 - 3 * math.log(2)
    assert found == pytest.approx([quarter, -_EULER - 2 * math.log(2), -_EULER, 1 - _EULER], abs=1e-11)


@given(st.floats(1e-3, 1e9))
def test_digamma_grows_by_the_inverse_of_its_argument(x: float) -> None:
    here, further = special.digamma(np.array([x, x + 1]))

    assert further - here == pytest.approx(1 / x, rel=1e-6, abs=1e-12)


@given(st.floats(1e-3, 1e9))
def test_log_gamma_is_that_of_the_standard_library(x: float) -> None:
    assert special.log_gamma(np.array([x]))[0] == pytest.approx(math.lgamma(x), rel=1e-12, abs=1e-12)


def test_quantiles_of_simple_beta_distributions_are_known() -> None:
    a, b = np.array([1.0, 2.0, 1.0, 0.5]), np.array([1.0, 1.0, 5.0, 0.5])

    found = special.beta_quantile(a, b, 0.05)

    expected = [0.05, math.sqrt(0.05), 1 - 0.95**0.2, math.sin(0.05 * math.pi / 2) ** 2]
    assert found == pytest.approx(expected, rel=5e-3)


@given(st.floats(0.2, 5000), st.floats(0.2, 5000), st.floats(0.01, 0.99))
@settings(deadline=None)
def test_a_quantile_and_its_mirror_image_meet(a: float, b: float, share: float) -> None:
    low = special.beta_quantile(np.array([a]), np.array([b]), share)
    high = special.beta_quantile(np.array([b]), np.array([a]), 1 - share)

    assert low[0] == pytest.approx(1 - high[0], abs=1e-9)


def test_many_quantiles_come_in_their_order() -> None:
    a = np.linspace(1, 50, 5000)

    found = special.beta_quantile(a, np.full(5000, 3.0), 0.5)

    assert found.shape == (5000,)
    assert (np.diff(found) > 0).all()
    assert special.beta_quantile(np.empty(0), np.empty(0), 0.5).shape == (0,)

"""Functions that statistics needs and NumPy lacks: digamma, log gamma, quantiles of the beta distribution."""

import numpy as np

from quality.methods.votes import FloatArray

# From here on the asymptotic series below are right to the last digit.
_SHIFT = 8
_GRID = 513
_BETA_BLOCK = 4096


def digamma(x: FloatArray) -> FloatArray:
    """Derivative of the logarithm of gamma, for x > 0 (Abramowitz and Stegun 1964, 6.3.5 and 6.3.18)."""
    moved = sum(1.0 / (x + n) for n in range(_SHIFT))
    y = x + _SHIFT
    f = 1.0 / (y * y)
    series: FloatArray = np.log(y) - 0.5 / y - f * (1 / 12 - f * (1 / 120 - f * (1 / 252 - f * (1 / 240 - f / 132))))
    return series - moved


def log_gamma(x: FloatArray) -> FloatArray:
    """Logarithm of gamma, for x > 0 (Abramowitz and Stegun 1964, 6.1.15 and 6.1.41)."""
    product = np.ones_like(x)
    for n in range(_SHIFT):
        product = product * (x + n)
    y = x + _SHIFT
    f = 1.0 / (y * y)
    tail = (1 / 12 - f * (1 / 360 - f * (1 / 1260 - f * (1 / 1680 - f / 1188)))) / y
    series: FloatArray = (y - 0.5) * np.log(y) - y + 0.5 * np.log(2 * np.pi) + tail
    return series - np.log(product)


def beta_quantile(a: FloatArray, b: FloatArray, share: float) -> FloatArray:
    """Where so large a share of Beta(a, b) lies below, (n,), each in (0, 1); a and b : (n,), above 0.

    The density is summed on the logit scale, over 8.5 standard deviations to both sides of its mean there.
    """
    found = [
        _beta_quantile(a[i : i + _BETA_BLOCK], b[i : i + _BETA_BLOCK], share) for i in range(0, a.size, _BETA_BLOCK)
    ]
    return np.concatenate(found) if found else np.empty(0)


def _beta_quantile(a: FloatArray, b: FloatArray, share: float) -> FloatArray:
    middle = digamma(a) - digamma(b)
    spread = np.sqrt(_trigamma(a) + _trigamma(b))
    steps = np.linspace(-8.5, 8.5, _GRID)
    at = middle[:, np.newaxis] + spread[:, np.newaxis] * steps
    # log x and log (1 - x) from the logit of x, without rounding either end to 0 or 1.
    log_x, log_rest = -np.logaddexp(0.0, -at), -np.logaddexp(0.0, at)
    density = a[:, np.newaxis] * log_x + b[:, np.newaxis] * log_rest
    weights = np.exp(density - density.max(axis=1, keepdims=True))
    halves = 0.5 * (weights[:, 1:] + weights[:, :-1])
    below = np.concatenate((np.zeros((a.size, 1)), np.cumsum(halves, axis=1)), axis=1)
    below /= below[:, -1:]
    last = (below < share).sum(axis=1).clip(1, _GRID - 1)
    row = np.arange(a.size)
    low, high = below[row, last - 1], below[row, last]
    part = (share - low) / np.maximum(high - low, 1e-300)
    found = at[row, last - 1] + part * (at[row, last] - at[row, last - 1])
    quantile: FloatArray = 1.0 / (1.0 + np.exp(-found))
    return quantile


def _trigamma(x: FloatArray) -> FloatArray:
    """Second derivative of the logarithm of gamma, for x > 0 (Abramowitz and Stegun 1964, 6.4.6 and 6.4.12)."""
    moved = sum(1.0 / (x + n) ** 2 for n in range(_SHIFT))
    y = x + _SHIFT
    f = 1.0 / (y * y)
    series: FloatArray = 1.0 / y + 0.5 * f + (f / y) * (1 / 6 - f * (1 / 30 - f * (1 / 42 - f / 30)))
    return series + moved

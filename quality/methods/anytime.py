"""Bounds of a share that hold at any time of looking: whoever looks after each answer errs no more often for it.

An interval for one look (`intervals.binomial`) is left by several times as many voters as it says, if it is looked at
again and again. These bounds are ever left by so many as they say, however often somebody looks and whenever they stop.
"""

import numpy as np

from quality.methods.special import log_gamma
from quality.methods.votes import FloatArray, IntArray

# Halvings of the unit interval: as fine as a double is.
_STEPS = 54
# There is no logarithm of 0.
_LEAST, _MOST = 1e-300, 1.0 - 1e-16


def bounds(right: IntArray, n: IntArray, *, alpha: float) -> tuple[FloatArray, FloatArray]:
    """Between which shares the true one lies if so many of n were right, (k,) each; 0 and 1 of none.

    The chance that a share is ever outside of its own bounds is alpha at most. They hold those shares p that are not
    1 / alpha times less likely than all shares together, each as likely as any other before anything is seen:
    B(right + 1, wrong + 1) < p^right (1 - p)^wrong / alpha. Of the true p that ratio is a martingale that begins at 1,
    so it reaches 1 / alpha with a chance of alpha (Ville 1939; Robbins 1970, section 3, with a uniform mixture).
    """
    hits, misses = right.astype(np.float64), (n - right).astype(np.float64)
    least = log_gamma(hits + 1.0) + log_gamma(misses + 1.0) - log_gamma(hits + misses + 2.0) + np.log(alpha)
    middle = np.where(n > 0, hits / np.maximum(n, 1), 0.5)
    low = _edge(np.zeros_like(middle), middle, hits, misses, least)
    high = _edge(np.ones_like(middle), middle, hits, misses, least)
    return np.where(right > 0, low, 0.0), np.where(misses > 0, high, 1.0)


def _edge(
    outside: FloatArray, inside: FloatArray, hits: FloatArray, misses: FloatArray, least: FloatArray
) -> FloatArray:
    """Where the likelihood, which falls from `inside` to `outside`, comes to be the least that is allowed, (k,)."""
    for _ in range(_STEPS):
        middle = np.clip((outside + inside) / 2.0, _LEAST, _MOST)
        beyond = hits * np.log(middle) + misses * np.log1p(-middle) <= least
        outside, inside = np.where(beyond, middle, outside), np.where(beyond, inside, middle)
    return outside

"""Scores of believed classes: known answers on tiny data."""

import math

import numpy as np
import pytest

from quality.methods import scores
from quality.methods.votes import UNKNOWN


def test_share_right_log_loss_and_calibration_are_what_they_are_called() -> None:
    believed = np.array([[0.9, 0.1], [0.6, 0.4], [0.5, 0.5], [0.2, 0.8]])

    found = scores.score(believed, np.array([0, 1, 1, UNKNOWN]))

    assert found is not None
    assert found.n_tasks == 3
    assert found.accuracy == pytest.approx((1 + 0 + 0.5) / 3)
    assert found.log_loss == pytest.approx(-(math.log(0.9) + math.log(0.4) + math.log(0.5)) / 3)
    assert found.calibration_error == pytest.approx((0.1 + 0.6 + 0.0) / 3)


def test_certainty_that_is_wrong_costs_a_bounded_price() -> None:
    found = scores.score(np.array([[1.0, 0.0]]), np.array([1]))

    assert found is not None
    assert found.log_loss == pytest.approx(-math.log(1e-6))


def test_without_a_known_truth_there_is_no_score() -> None:
    assert scores.score(np.array([[1.0, 0.0]]), np.array([UNKNOWN])) is None
    assert scores.calibration(np.empty((0, 2)), np.empty(0, dtype=np.int64)) == []


def test_bins_hold_their_tasks() -> None:
    believed = np.array([[0.95, 0.05], [1.0, 0.0], [0.55, 0.45]])

    low, high = scores.calibration(believed, np.array([0, 1, 1]))

    assert (low.low, low.high, low.n_tasks, low.confidence, low.right) == (0.5, 0.6, 1, 0.55, 0.0)
    assert (high.n_tasks, high.right) == (2, 0.5)
    assert high.confidence == pytest.approx(0.975)

"""How good believed classes are, where the truth is known: share right, log loss, calibration."""

from dataclasses import dataclass

import numpy as np

from quality.methods.votes import UNKNOWN, FloatArray, IntArray

# Where a logarithm is taken, certainty that is wrong costs no more than this chance.
_CHANCE_MIN = 1e-6
_BINS = 10


@dataclass(frozen=True, slots=True)
class Scores:
    """accuracy : ties share the credit. log_loss : mean of -log P(truth), natural. calibration_error : mean distance
    of confidence from the share right over ten bins of confidence (Guo et al. 2017). n_tasks : with a known truth.
    """

    accuracy: float
    log_loss: float
    calibration_error: float
    n_tasks: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Tasks whose confidence lies from low to high: how many, how sure on average, and what share of them is right."""

    low: float
    high: float
    n_tasks: int
    confidence: float
    right: float


def score(believed: FloatArray, truth: IntArray) -> Scores | None:
    """Scores of rows, (n_tasks, n_classes), against classes, (n_tasks,); None where no truth is known."""
    rows, right = _judged(believed, truth)
    if not right.size:
        return None
    of_truth = rows[np.arange(right.size), truth[truth != UNKNOWN]]
    bins = calibration(believed, truth)
    error = sum(one.n_tasks * abs(one.confidence - one.right) for one in bins) / right.size
    return Scores(
        accuracy=float(right.mean()),
        log_loss=float(-np.log(np.maximum(of_truth, _CHANCE_MIN)).mean()),
        calibration_error=float(error),
        n_tasks=int(right.size),
    )


def calibration(believed: FloatArray, truth: IntArray) -> list[Bin]:
    """The bins of confidence that have tasks in them."""
    rows, right = _judged(believed, truth)
    confidence = rows.max(axis=1, initial=0.0)
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    return [
        Bin(
            low=at / _BINS,
            high=(at + 1) / _BINS,
            n_tasks=int(mine.sum()),
            confidence=float(confidence[mine].mean()),
            right=float(right[mine].mean()),
        )
        for at in range(_BINS)
        if (mine := bins == at).any()
    ]


def _judged(believed: FloatArray, truth: IntArray) -> tuple[FloatArray, FloatArray]:
    """Rows of tasks whose truth is known, and the credit that each gets."""
    known = truth != UNKNOWN
    rows = believed[known]
    # As good as the best: what differs by rounding alone is a tie.
    best = rows >= rows.max(axis=1, keepdims=True, initial=0.0) - 1e-12
    credit: FloatArray = best[np.arange(len(rows)), truth[known]] / np.maximum(best.sum(axis=1), 1)
    return rows, credit

"""Where tasks stand whose answers are no classes, so that the same rule decides about them (`escalation`).

The error of a consensus is 1 - confidence: what is expected to be lacking to full agreement with the truth, as the
rule's error is the probability of a wrong label. What one more answer would take away cannot be computed from a model
that all kinds share, but it can be watched: how much surer did the last answer make the tasks?
"""

from typing import TypeVar

import numpy as np

from quality.escalation import Standing
from quality.methods.hierarchical import STRENGTH
from quality.methods.votes import FloatArray, IntArray
from quality.structured.answers import Aggregate, Answers

T = TypeVar("T")

# Errors of means fall with the root of how many answers there are; so a project's are presumed to do.
_PRESUMED_DECAY = 0.5
_DECAY_MAX = 8.0
_STEPS = 60


def without_last(answers: Answers[T]) -> Answers[T]:
    """The same answers but for each task's last one, in the order that they are in."""
    last = np.zeros(answers.size, dtype=np.bool_)
    last[[mine[-1] for mine in answers.of_tasks() if mine.size]] = True
    kept = np.flatnonzero(~last)
    values = [answers.values[i] for i in kept.tolist()]
    return Answers(answers.tasks[kept], answers.voters[kept], values, answers.n_tasks, answers.n_voters)


def standings(answers: Answers[T], found: Aggregate[T], fewer: Aggregate[T]) -> list[Standing]:
    """Where each task stands, by their numbers. found : what was made of the answers; fewer : of those `without_last`.

    Errors are taken to fall as n ** -decay with the n answers of a task, one decay for the project: the one by which
    all errors of `fewer` together come to those of `found`. The more answers a task has, the less another one is worth;
    a project that became no surer has a decay of 0, and nothing to hope for. Few tasks are drawn to the root of n.
    """
    n_each = answers.per_task()
    error = np.clip(1.0 - found.confidence, 0.0, 1.0)
    decay = _decay(n_each, error, np.clip(1.0 - fewer.confidence, 0.0, 1.0))
    gains = error * (1.0 - (n_each / (n_each + 1.0)) ** decay)
    given = np.bincount(answers.voters, minlength=answers.n_voters)
    experience = np.bincount(answers.tasks, weights=given[answers.voters], minlength=answers.n_tasks)
    return [
        Standing(
            n_answers=int(n_each[task]),
            confidence=float(1.0 - error[task]),
            gain=float(gains[task]),
            voter_votes=float(experience[task] / max(n_each[task], 1)),
        )
        for task in range(answers.n_tasks)
    ]


def _decay(n_each: IntArray, error: FloatArray, before: FloatArray) -> float:
    """How fast errors fall, from what they were with one answer less; by halving, since their sum falls with it."""
    compared = n_each >= 2
    shares = (n_each[compared] - 1) / n_each[compared]
    before, after = before[compared], float(error[compared].sum())
    presumed = float(before.mean()) if before.size else 0.0
    shares, before = np.append(shares, 0.5), np.append(before, STRENGTH * presumed)
    after += STRENGTH * presumed * 0.5**_PRESUMED_DECAY
    if not before.sum() > 0.0:
        return _PRESUMED_DECAY
    low, high = 0.0, _DECAY_MAX
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        if float((before * shares**middle).sum()) > after:
            low = middle
        else:
            high = middle
    return low

"""What it would have cost to stop sooner or later: votes replayed in the order in which they came."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from quality.methods.votes import FloatArray, Votes

_NEVER = np.iinfo(np.int64).max

Read = Callable[[Votes], FloatArray]
"""Votes to the probability of each class for each task, (n_tasks, n_classes)."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Asking until a confidence is reached: the share of tasks that reach it, and the answers taken for all of them.

    A task that does not reach it takes all the answers that it has.
    """

    confidence: float
    reached: float
    answers: int


def replay(votes: Votes, read: Read, *, targets: Sequence[float], answers_min: int = 1) -> list[Stop]:
    """Stop each task at its first vote, from the `answers_min`th on, after which its confidence is at a target.

    votes : a task's in the order in which they came; each task has some. Takes memory by the sum over tasks of
    m * m / 2, m being their votes.
    """
    if votes.size == 0:
        return []
    n_each = votes.per_task()
    firsts = np.cumsum(n_each) - n_each
    n_so_far = np.arange(votes.size) - np.repeat(firsts, n_each) + 1
    sure = read(_beginnings(votes)).max(axis=1)
    stops = []
    for target in targets:
        enough = (sure >= target) & (n_so_far >= answers_min)
        stopped = np.minimum.reduceat(np.where(enough, n_so_far, _NEVER), firsts)
        taken = np.minimum(stopped, n_each)
        stops.append(Stop(target, float((stopped < _NEVER).mean()), int(taken.sum())))
    return stops


def _beginnings(votes: Votes) -> Votes:
    """For each vote, task by task, a task of its own: the votes of its task up to it."""
    order, n_each = np.argsort(votes.tasks, kind="stable"), votes.per_task()
    starts = np.repeat(np.cumsum(n_each) - n_each, n_each)
    n_so_far = np.arange(votes.size) - starts + 1
    first = np.cumsum(n_so_far) - n_so_far
    places = order[np.repeat(starts - first, n_so_far) + np.arange(n_so_far.sum())]
    return Votes(
        tasks=np.repeat(np.arange(votes.size), n_so_far),
        voters=votes.voters[places],
        labels=votes.labels[places],
        n_tasks=votes.size,
        n_voters=votes.n_voters,
        n_classes=votes.n_classes,
    )

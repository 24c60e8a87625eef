"""The loop of fits: the same wherever tasks are, and sooner at its end by strides."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import pytest

from quality.methods import dawid_skene, em, hierarchical
from quality.methods.em import Seen, Tables, Tasks
from quality.methods.fit import Fit
from quality.methods.votes import UNKNOWN, FloatArray, IntArray, Votes
from tests.quality.methods.crowds import bluebirds, crowd


@dataclass(frozen=True)
class Pieces:
    """A crowd in several parts; posteriors stay with them."""

    parts: list[Tasks]

    def start(self) -> Seen:
        return reduce(add, [part.start() for part in self.parts])

    def see(self, tables: Tables) -> Seen:
        return reduce(add, [part.see(tables) for part in self.parts])

    def posterior(self) -> FloatArray:
        return np.concatenate([part.posterior() for part in self.parts])


def pieces_of(votes: Votes, known: IntArray, n_parts: int) -> Pieces:
    """Tasks by ranges of their numbers."""
    parts = []
    for tasks in np.array_split(np.arange(votes.n_tasks), n_parts):
        mine = np.isin(votes.tasks, tasks)
        part = Votes(
            votes.tasks[mine] - tasks[0],
            votes.voters[mine],
            votes.labels[mine],
            tasks.size,
            votes.n_voters,
            votes.n_classes,
        )
        parts.append(Tasks(part, known=known[tasks]))
    return Pieces(parts)


@pytest.mark.parametrize("n_parts", [1, 2, 7])
@pytest.mark.parametrize("fit", [hierarchical.fit_crowd, dawid_skene.fit_crowd])
def test_a_crowd_in_pieces_is_fitted_as_one(fit: Callable[[em.Crowd], Fit], n_parts: int) -> None:
    rng = np.random.default_rng(n_parts)
    votes, truth = crowd(rng, accuracies=[0.9, 0.8, 0.7, 0.6, 0.6], n_tasks=70, n_classes=3)
    known = np.where(rng.random(70) < 0.1, truth, UNKNOWN)

    whole = fit(Tasks(votes, known=known))
    found = fit(pieces_of(votes, known, n_parts))

    assert found.posterior == pytest.approx(whole.posterior, abs=1e-9)
    assert found.confusion == pytest.approx(whole.confusion, abs=1e-9)
    assert found.n_iter == whole.n_iter


def test_counts_keep_their_sums_on_a_stride() -> None:
    votes, _ = bluebirds()
    tasks = Tasks(votes)
    seen: list[float] = []

    def estimate(counts: FloatArray, per_class: FloatArray) -> Tables:
        seen.append(float(np.abs(counts.sum(axis=1) - tasks.start().counts.sum(axis=1)).max()))
        seen.append(abs(float(per_class.sum()) - votes.n_tasks))
        assert (counts >= 0).all()
        return hierarchical.estimate(counts, per_class)

    em.climb(tasks, estimate, may_fall=1.0)

    assert max(seen) < 1e-9


def test_strides_need_a_third_of_the_passes_where_steps_are_short() -> None:
    rng = np.random.default_rng(3)
    votes, _ = crowd(rng, accuracies=[0.62, 0.6, 0.6, 0.58, 0.56], n_tasks=200, n_classes=2)

    fast, slow = (dawid_skene.fit(votes, smoothing=0.1, max_iter=20_000, accelerate=long) for long in (True, False))

    assert fast.converged
    assert slow.converged
    assert fast.n_iter < slow.n_iter / 3
    assert fast.posterior == pytest.approx(slow.posterior, abs=1e-4)


def test_a_matrix_of_prior_votes_counts_by_cell() -> None:
    votes, _ = bluebirds()

    one = dawid_skene.fit(votes, smoothing=0.5)
    same, more = (dawid_skene.fit(votes, smoothing=np.full((2, 2), 0.5) + extra * np.eye(2)) for extra in (0.0, 5.0))

    assert (same.posterior == one.posterior).all()
    assert more.reliability.mean() > one.reliability.mean()

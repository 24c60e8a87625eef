"""Statistics that follow the votes: nothing is lost or counted twice, and passes lead to where a fit is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import stream
from quality import reliability
from quality.methods import hierarchical, online, reading
from quality.methods.online import Contribution, Statistics
from quality.methods.votes import UNKNOWN, BoolArray, FloatArray, IntArray, Votes, rows
from tests.quality.methods.crowds import bluebirds, crowd, some_votes


class _Stream:
    """A crowd of whom nothing is known, and then what its votes tell, some at a time."""

    def __init__(self, votes: Votes, known: IntArray | None = None, experts: BoolArray | None = None) -> None:
        n_classes = votes.n_classes
        self.votes, self.known = votes, np.full(votes.n_tasks, UNKNOWN) if known is None else known
        self.statistics = Statistics(
            counts=np.zeros((votes.n_voters, n_classes, n_classes)),
            total=np.zeros((n_classes, n_classes)),
            classes=np.zeros(n_classes),
            experts=np.zeros(votes.n_voters, dtype=bool) if experts is None else experts,
        )
        self.posterior = np.zeros((votes.n_tasks, n_classes))
        self.counted = np.zeros(votes.size, dtype=bool)

    def take(self, new: IntArray) -> None:
        """Count these votes, and the earlier ones on their tasks again."""
        touched = np.unique(self.votes.tasks[new])
        seen = self.counted.copy()
        seen[new] = True
        mine = np.flatnonzero(seen & np.isin(self.votes.tasks, touched))
        some = Votes(
            np.searchsorted(touched, self.votes.tasks[mine]), self.votes.voters[mine], self.votes.labels[mine],
            touched.size, self.votes.n_voters, self.votes.n_classes,
        )  # fmt: skip
        so_far = Contribution(self.posterior[touched], self.counted[mine])
        moved = online.step(some, self.statistics, so_far, known=self.known[touched])
        self.statistics, self.posterior[touched], self.counted = moved.statistics, moved.posterior, seen

    def take_all(self, order: IntArray, n_each: int) -> None:
        for first in range(0, order.size, n_each):
            self.take(order[first : first + n_each])

    def believed(self) -> FloatArray:
        return reading.posterior(self.votes, confusion=rows(self.statistics.weights), prior=self.statistics.prior)


def _sums(votes: Votes, posterior: FloatArray) -> FloatArray:
    counts = np.zeros((votes.n_voters, votes.n_classes, votes.n_classes))
    for task, voter, label in zip(votes.tasks, votes.voters, votes.labels, strict=True):
        counts[voter, :, label] += posterior[task]
    return counts


@settings(deadline=None, max_examples=60)
@given(some_votes(), st.integers(1, 5), st.randoms(use_true_random=False))
def test_counts_are_what_the_tasks_have_contributed_in_whatever_order(votes: Votes, n_each: int, draw: object) -> None:
    streamed = _Stream(votes)
    order = np.random.default_rng(draw.randrange(1000)).permutation(votes.size)  # type: ignore[attr-defined]

    streamed.take_all(order, n_each)

    expected = _sums(votes, streamed.posterior)
    assert streamed.statistics.counts == pytest.approx(expected, abs=1e-9)
    assert streamed.statistics.total == pytest.approx(expected.sum(axis=0), abs=1e-9)
    assert streamed.statistics.classes == pytest.approx(streamed.posterior.sum(axis=0), abs=1e-9)
    assert streamed.believed().sum(axis=1) == pytest.approx(np.ones(votes.n_tasks))


def test_a_task_that_is_counted_again_without_news_adds_nothing() -> None:
    votes, _ = crowd(np.random.default_rng(1), accuracies=[0.9, 0.8, 0.7], n_tasks=20, n_classes=3)
    streamed = _Stream(votes)
    everything = np.arange(votes.size)

    streamed.take(everything)
    before = streamed.statistics.total.sum()
    streamed.take(everything)

    assert streamed.statistics.total.sum() == pytest.approx(before) == votes.size


def test_a_certain_label_is_what_its_voters_are_counted_by() -> None:
    votes, truth = crowd(np.random.default_rng(2), accuracies=[0.9, 0.9, 0.1], n_tasks=10, n_classes=2)
    streamed = _Stream(votes, known=1 - truth)

    streamed.take(np.arange(votes.size))

    right = np.trace(streamed.statistics.counts, axis1=1, axis2=2)
    assert right.tolist() == [int((votes.labels[votes.voters == voter] == 1 - truth).sum()) for voter in range(3)]


def test_votes_that_come_one_by_one_are_believed_as_those_of_a_fit() -> None:
    votes, truth = bluebirds()
    fitted = reading.read(votes, hierarchical.fit(votes, objective_tol=1e-8))
    streamed = _Stream(votes)

    streamed.take_all(np.random.default_rng(0).permutation(votes.size), 1)
    believed = streamed.believed()
    three = hierarchical.fit(votes, start=streamed.posterior, max_iter=3, accelerate=False)

    right = [float((found.argmax(axis=1) == truth).mean()) for found in (believed, fitted)]
    assert abs(right[0] - right[1]) < 0.02
    assert np.abs(believed - fitted).max() < 0.05
    assert np.abs(reading.read(votes, three) - fitted).max() < 0.02


def test_votes_that_are_as_expected_are_no_surprise_and_a_crowd_that_changes_is() -> None:
    rng = np.random.default_rng(3)
    votes, truth = crowd(rng, accuracies=[0.85] * 12, n_tasks=300, n_classes=3)
    streamed = _Stream(votes)
    first = np.flatnonzero(votes.voters < 6)
    streamed.take(first)
    streamed.take(first)
    new = np.flatnonzero(votes.voters >= 6)
    so_far = Contribution(streamed.posterior, votes.voters < 6)
    clicked = votes.labels.copy()
    clicked[new] = rng.integers(3, size=new.size)
    clicking = Votes(votes.tasks, votes.voters, clicked, votes.n_tasks, votes.n_voters, votes.n_classes)

    usual, strange = (online.surprise(one, streamed.statistics, so_far) for one in (votes, clicking))

    assert truth.size == 300
    assert usual.size == new.size
    assert abs(usual.mean()) < 0.05
    assert strange.mean() > 0.5


def test_the_first_vote_on_a_task_is_no_surprise_whatever_it_is() -> None:
    votes, _ = crowd(np.random.default_rng(4), accuracies=[0.9], n_tasks=5, n_classes=2)
    streamed = _Stream(votes)

    found = online.surprise(votes, streamed.statistics, Contribution(streamed.posterior, streamed.counted))

    assert found.size == 0


def test_an_experts_votes_are_no_part_of_the_crowd_and_a_refit_agrees() -> None:
    votes, _ = crowd(np.random.default_rng(5), accuracies=[0.8, 0.8, 0.8, 0.97], n_tasks=60, n_classes=3)
    experts = np.arange(4) == 3
    stream = _Stream(votes, experts=experts)

    stream.take_all(np.random.default_rng(0).permutation(votes.size), 5)

    counts = _sums(votes, stream.posterior)
    assert stream.statistics.total == pytest.approx(counts[:3].sum(axis=0), abs=1e-9)
    assert stream.statistics.pool == pytest.approx(hierarchical.concentration(counts, experts)[1])
    assert stream.statistics.weights == pytest.approx(hierarchical.concentration(counts, experts)[0])
    assert online.gathered(votes, stream.posterior, experts=experts).total == pytest.approx(stream.statistics.total)


# Beside refits


@pytest.mark.parametrize("n_each", [20, 200])
def test_whatever_has_come_in_counting_stays_near_a_fit_of_it(n_each: int) -> None:
    """The bound that docs/quality.md states, for each prefix at which a project would be fitted again."""
    votes, _ = bluebirds()

    _, drift = stream.played(votes, growth=reliability.GROWTH, n_each=n_each)

    assert len(drift) > 5
    assert np.mean([one.mean for one in drift]) < 0.02
    assert max(one.mean for one in drift) < 0.08
    assert max(one.flipped for one in drift) < 0.11


@pytest.mark.parametrize("seed", range(4))
def test_a_drawn_crowd_is_counted_as_it_would_be_fitted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    votes, _ = crowd(rng, accuracies=rng.uniform(0.6, 0.95, 8).tolist(), n_tasks=300, n_classes=2 + seed % 3)

    _, drift = stream.played(votes, growth=reliability.GROWTH, n_each=40)

    assert max(one.mean for one in drift) < 0.02
    assert max(one.flipped for one in drift) < 0.02

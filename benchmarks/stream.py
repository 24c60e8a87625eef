"""How near what is counted vote by vote stays to a fit of the same votes, and what a vote costs.

Recorded crowds arrive vote by vote, some tasks at a time, as they do where workers claim from a queue. Statistics
follow the votes; whenever their number has grown by so much they begin anew from a fit, as a project's from its refit.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks import crowds
from benchmarks.crowds import Crowd
from quality.methods import em, hierarchical, online, reading, scores
from quality.methods.online import Contribution, Statistics
from quality.methods.votes import UNKNOWN, BoolArray, FloatArray, IntArray, Votes, rows

# A project's own, and how little would do.
_GROWTHS = (0.05, 0.25, 1.0)
_BATCHES = (200, 1)
# Tasks that are answered at the same time.
_OPEN = 50
# What is said of prefixes is said of those with so many votes at least.
_PREFIX_MIN = 1000
_MORE_PASSES = (1, 2, 3)
_SLOW = {"adult", "relevance4", "trec", "cf_amt"}


def _nobody(n_voters: int) -> BoolArray:
    """None of these voters is an expert."""
    return np.zeros(n_voters, dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Drift:
    """How far two beliefs in the same tasks differ: over tasks, each one's largest difference; and labels."""

    largest: float
    mean: float
    flipped: float

    def __str__(self) -> str:
        return f"{self.largest:.3f}/{self.mean:.4f}/{self.flipped:.4f}"


@dataclass(slots=True)
class Stream:
    """Votes of a crowd as far as they have come in, and what is known from them so far."""

    votes: Votes
    posterior: FloatArray = field(init=False)
    statistics: Statistics = field(init=False)
    seconds: float = 0.0
    _of_task: list[list[int]] = field(init=False)
    _n_counted: IntArray = field(init=False)
    _arrived: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        n_tasks, n_voters, n_classes = self.votes.n_tasks, self.votes.n_voters, self.votes.n_classes
        self.posterior, self._n_counted = np.zeros((n_tasks, n_classes)), np.zeros(n_tasks, dtype=np.int64)
        counts = np.zeros((n_voters, n_classes, n_classes))
        self.statistics = Statistics(counts, counts.sum(axis=0), np.zeros(n_classes), _nobody(n_voters))
        self._of_task = [[] for _ in range(n_tasks)]

    def take(self, new: IntArray) -> None:
        """Count some more votes, and let all that is known follow."""
        self._arrived.extend(new.tolist())
        for vote in new.tolist():
            self._of_task[self.votes.tasks[vote]].append(vote)
        begun = time.perf_counter()
        tasks = np.unique(self.votes.tasks[new])
        mine = [vote for task in tasks for vote in self._of_task[task]]
        n_each = np.array([len(self._of_task[task]) for task in tasks])
        place = np.arange(len(mine)) - np.repeat(np.cumsum(n_each) - n_each, n_each)
        voters, voter = np.unique(self.votes.voters[mine], return_inverse=True)
        some = Votes(
            np.repeat(np.arange(tasks.size), n_each), voter, self.votes.labels[mine],
            tasks.size, voters.size, self.votes.n_classes,
        )  # fmt: skip
        now = self.statistics
        moved = online.step(
            some,
            Statistics(now.counts[voters], now.total, now.classes, _nobody(voters.size)),
            Contribution(self.posterior[tasks], place < np.repeat(self._n_counted[tasks], n_each)),
            known=np.full(tasks.size, UNKNOWN),
        )
        now.counts[voters] = moved.statistics.counts
        self.statistics = replace(moved.statistics, counts=now.counts, experts=now.experts)
        self.posterior[tasks], self._n_counted[tasks] = moved.posterior, n_each
        self.seconds += time.perf_counter() - begun

    def begin_anew(self, posterior: FloatArray) -> None:
        """Go on from a fit of what has come in."""
        self.posterior = posterior * (self._n_counted > 0)[:, np.newaxis]
        self.statistics = online.gathered(self.so_far(), self.posterior, experts=self.statistics.experts)

    def so_far(self) -> Votes:
        """The votes that have come in."""
        some, votes = np.array(self._arrived, dtype=np.int64), self.votes
        return Votes(
            votes.tasks[some], votes.voters[some], votes.labels[some], votes.n_tasks, votes.n_voters, votes.n_classes
        )

    def believed(self) -> FloatArray:
        """What is believed of each task, read out of the matrices as they are."""
        matrices = rows(self.statistics.weights)
        return reading.posterior(self.so_far(), confusion=matrices, prior=self.statistics.prior)

    def drift(self, fitted: FloatArray) -> Drift:
        """How far belief is from that of a fit, over tasks with votes."""
        voted = self._n_counted > 0
        mine, other = self.believed()[voted], fitted[voted]
        differences = np.abs(mine - other).max(axis=1)
        flipped = mine.argmax(axis=1) != other.argmax(axis=1)
        return Drift(float(differences.max()), float(differences.mean()), float(flipped.mean()))


def arrivals(votes: Votes, *, n_open: int = _OPEN, seed: int = 0) -> IntArray:
    """An order of the votes: of so many open tasks, one at a time gets its next vote; a done one makes room."""
    rng = np.random.default_rng(seed)
    waiting = [list(rng.permutation(some)) for some in _by_task(votes)]
    rng.shuffle(waiting)
    open_tasks, order = waiting[:n_open], []
    waiting = waiting[n_open:]
    while open_tasks:
        chosen = int(rng.integers(len(open_tasks)))
        order.append(open_tasks[chosen].pop())
        if not open_tasks[chosen]:
            open_tasks[chosen] = open_tasks[-1]
            open_tasks.pop()
            if waiting:
                open_tasks.append(waiting.pop())
    return np.array(order, dtype=np.int64)


def _by_task(votes: Votes) -> Iterator[IntArray]:
    order = np.argsort(votes.tasks, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(votes.tasks[order])) + 1):
        if some.size:
            yield some


def fitted(votes: Votes) -> tuple[FloatArray, FloatArray]:
    """Posteriors of a fit, and what is believed after it."""
    found = hierarchical.fit(votes, objective_tol=em.OBJECTIVE_TOL)
    return found.posterior, reading.read(votes, found)


def played(
    votes: Votes, *, growth: float, n_each: int = 200, order: IntArray | None = None
) -> tuple[Stream, list[Drift]]:
    """A whole stream, and how far it was from a fit each time before it began anew from one."""
    order = arrivals(votes) if order is None else order
    stream, drift, n_fitted = Stream(votes), [], 0
    for first in range(0, order.size, n_each):
        stream.take(order[first : first + n_each])
        n_seen = min(first + n_each, order.size)
        if n_seen < order.size and n_seen >= n_fitted * (1.0 + growth):
            posterior, believed = fitted(stream.so_far())
            if n_seen >= _PREFIX_MIN and n_fitted:
                drift.append(stream.drift(believed))
            stream.begin_anew(posterior)
            n_fitted = n_seen
    return stream, drift


def run(data: Path | None) -> None:
    """Print for each crowd and each rule of refitting how right the stream is, and how far from a fit."""
    print("Votes counted one by one. Right: stream, then after 1 to 3 passes over all, then a fit of all votes")
    print(f"  drift: largest/mean difference of posteriors/share of labels; prefixes of {_PREFIX_MIN} votes and more")
    columns = "".join(f"{name:>8}" for name in ("stream", "+1", "+2", "+3", "fit"))
    print(f"  {'':15}{'grown':>6} {columns}   {'drift at the end':24}mean and worst of prefixes")
    for crowd in crowds.read(data):
        if crowd.name not in _SLOW:
            believed = fitted(crowd.votes)[1]
            for growth in _GROWTHS:
                _row(crowd, growth, believed)
    print("Microseconds a vote, two hundred at once and one at a time")
    for crowd in crowds.read(data):
        if crowd.name not in _SLOW:
            order = arrivals(crowd.votes)
            costs = [played(crowd.votes, growth=np.inf, n_each=n_each, order=order)[0].seconds for n_each in _BATCHES]
            told = ", ".join(f"{cost / order.size * 1e6:6.1f} by {n}" for cost, n in zip(costs, _BATCHES, strict=True))
            print(f"  {crowd.name:15}{order.size:8,} votes, {crowd.votes.n_classes} classes: {told}", flush=True)


def _row(crowd: Crowd, growth: float, believed: FloatArray) -> None:
    stream, prefixes = played(crowd.votes, growth=growth)
    right = [_right(stream.believed(), crowd)]
    for passes in _MORE_PASSES:
        found = hierarchical.fit(crowd.votes, start=stream.posterior, max_iter=passes, accelerate=False)
        right.append(_right(reading.read(crowd.votes, found), crowd))
    worst = max(prefixes, key=lambda one: one.mean, default=None)
    usual = np.mean([(one.mean, one.flipped) for one in prefixes], axis=0) if prefixes else np.zeros(2)
    shares = "".join(f"{share:8.4f}" for share in [*right, _right(believed, crowd)])
    told = f"{usual[0]:.4f}/{usual[1]:.4f}, {worst}"
    print(f"  {crowd.name:15}{growth:6.2f} {shares}   {stream.drift(believed)!s:24}{told}", flush=True)


def _right(believed: FloatArray, crowd: Crowd) -> float:
    found = scores.score(believed, crowd.truth)
    assert found is not None, f"{crowd.name} has no known truth"
    return found.accuracy

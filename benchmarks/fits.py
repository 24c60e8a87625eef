"""How fast a fit is: one iteration and whole fits at growing sizes, beside crowd-kit where it is there.

Ratios are taken in turn in one process. The machine's memory bandwidth, measured in the same run by copying, is the
floor that no pass over the votes can go below.
"""

import importlib.util
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from quality.methods import dawid_skene, hierarchical, reading
from quality.methods.em import Tables
from quality.methods.votes import FloatArray, Index, Votes, log, rows

_SIZES = ((100_000, 2), (100_000, 4), (100_000, 10), (1_000_000, 2), (1_000_000, 4), (1_000_000, 10))
_LARGE = (10_000_000, 4)
_PER_TASK = 5
_ROUNDS = 5
_TOL = 1e-5


def run(_data: Path | None) -> None:
    """Print, for each size, a pass of ours, of crowd-kit's, and of memory alone."""
    gigabytes = _bandwidth()
    print(f"One pass of Dawid-Skene with its objective, median of {_ROUNDS}; memory copies {gigabytes:.1f} GB/s")
    for n_votes, n_classes in _SIZES:
        _one_pass(drawn(n_votes, n_classes), gigabytes, rounds=_ROUNDS)
    _one_pass(drawn(*_LARGE), gigabytes, rounds=1)
    print(f"Whole fits, from columns to posteriors, 4 classes, to {_TOL:g} of the objective a vote")
    for n_votes in (100_000, 1_000_000):
        _whole(drawn(n_votes, 4))
    print(f"Peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def drawn(n_votes: int, n_classes: int, seed: int = 0) -> Votes:
    """A crowd whose activity follows Zipf's law, five votes a task, each voter right seven to nine times in ten."""
    rng = np.random.default_rng(seed)
    n_tasks, n_voters = n_votes // _PER_TASK, max(n_votes // 200, 20)
    truth = rng.integers(n_classes, size=n_tasks)
    tasks = np.repeat(np.arange(n_tasks), _PER_TASK)
    weights = 1.0 / np.arange(1, n_voters + 1) ** 0.8
    voters = rng.choice(n_voters, size=tasks.size, p=weights / weights.sum())
    right = rng.random(tasks.size) < rng.uniform(0.7, 0.9, size=n_voters)[voters]
    wrong = (truth[tasks] + rng.integers(1, n_classes, size=tasks.size)) % n_classes
    labels = np.where(right, truth[tasks], wrong)
    # At most one vote for a task and voter.
    _, first = np.unique(tasks * n_voters + voters, return_index=True)
    order = rng.permutation(first)
    return Votes(tasks[order], voters[order], labels[order], n_tasks, n_voters, n_classes)


def _one_pass(votes: Votes, gigabytes: float, *, rounds: int) -> None:
    index = Index(votes)
    current = index.shares()

    def ours() -> None:
        counts = index.counts(current)
        tables = Tables(log(rows(counts + 0.01)), log(rows(current.sum(axis=1))))
        scores = index.evidence(tables.logs)
        scores += tables.log_prior[:, np.newaxis]
        highest = scores.max(axis=0)
        scores -= highest
        np.exp(scores, out=scores)
        total = scores.sum(axis=0)
        scores /= total
        float((highest + np.log(total)).sum() + index.of_last_class(tables.logs))

    peer = _peer_pass(votes)
    mine, theirs = [], []
    ours()
    for _ in range(rounds):
        mine.append(_timed(ours))
        if peer is not None:
            theirs.append(_timed(peer))
    spent = statistics.median(mine)
    # What any pass must read and write: an index for every vote, a posterior for every task and class.
    floor = (votes.size * 4 + votes.n_tasks * votes.n_classes * 8) / gigabytes / 1e9
    beside = f", crowd-kit {statistics.median(theirs) * 1e3:.0f} ms: 1/{statistics.median(theirs) / spent:.1f}"
    print(
        f"  {votes.size:>10,} votes, {votes.n_classes:>2} classes: {spent * 1e3:7.2f} ms, "
        f"{spent / votes.size * 1e9:5.1f} ns a vote, memory's floor {floor / spent:.3f} of it"
        f"{beside if theirs else ''}",
        flush=True,
    )


def _whole(votes: Votes) -> None:
    fits: dict[str, Callable[[], Any]] = {
        "dawid-skene": lambda: dawid_skene.fit(votes, smoothing=0.01, objective_tol=_TOL),
        "the same, to 1e-8": lambda: dawid_skene.fit(votes, smoothing=0.01, objective_tol=1e-8),
        "to 1e-8 by long strides": lambda: dawid_skene.fit(votes, smoothing=0.01, objective_tol=1e-8, accelerate=True),
        "hierarchical": lambda: hierarchical.fit(votes, objective_tol=_TOL),
        "hierarchical, to 1e-8": lambda: hierarchical.fit(votes, objective_tol=1e-8),
    }
    for name, fit in fits.items():
        started = time.perf_counter()
        found = fit()
        seconds = time.perf_counter() - started
        print(f"  {votes.size:>10,} votes: {name:26} {found.n_iter:>3} passes, {seconds:6.2f} s", flush=True)
    peer = _peer_fit(votes)
    if peer is not None:
        print(f"  {votes.size:>10,} votes: {'crowd-kit DawidSkene':26} {_timed(peer):17.2f} s", flush=True)
    found = hierarchical.fit(votes, objective_tol=_TOL)
    seconds = _timed(lambda: reading.read(votes, found))
    print(f"  {votes.size:>10,} votes: {'reading all tasks':26} {seconds:17.2f} s", flush=True)


def _peer_pass(votes: Votes) -> Callable[[], None] | None:
    """One iteration of crowd-kit's, steps and objective, on codes."""
    if not importlib.util.find_spec("crowdkit"):
        return None
    pandas: Any = importlib.import_module("pandas")
    kind: Any = importlib.import_module("crowdkit.aggregation").DawidSkene
    frame = pandas.DataFrame({"task": votes.tasks, "worker": votes.voters, "label": votes.labels})
    model = kind(n_iter=1, tol=0.0)
    start: Any = importlib.import_module("crowdkit.aggregation").MajorityVote().fit_predict_proba(frame)

    def one() -> None:
        priors = start.mean()
        errors = model._m_step(frame, start)  # noqa: SLF001 - its pass cannot be timed from outside
        found = model._e_step(frame, priors, errors)  # noqa: SLF001 - as above
        model._evidence_lower_bound(frame, found, priors, errors)  # noqa: SLF001 - as above

    return one


def _peer_fit(votes: Votes) -> Callable[[], None] | None:
    if not importlib.util.find_spec("crowdkit"):
        return None
    pandas: Any = importlib.import_module("pandas")
    kind: Any = importlib.import_module("crowdkit.aggregation").DawidSkene
    frame = pandas.DataFrame({"task": votes.tasks, "worker": votes.voters, "label": votes.labels})
    return lambda: kind(n_iter=100, tol=_TOL).fit(frame)


def _timed(act: Callable[[], Any]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _bandwidth() -> float:
    """Gigabytes a second that copying reads and writes, best of five."""
    source: FloatArray = np.ones(20_000_000)
    target = np.empty_like(source)
    best = min(_timed(lambda: np.copyto(target, source)) for _ in range(5))
    return float(2 * source.nbytes / best / 1e9)

"""How fast a fit is: one iteration, whole fits and how they converge, beside crowd-kit where it is there.

Ratios are taken in turn in one process. The machine's memory bandwidth, measured in the same run by copying, is the
floor that no pass over the votes can go below.
"""

import importlib.util
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks import crowds
from quality.methods import dawid_skene, hierarchical, reading
from quality.methods.em import Tables
from quality.methods.votes import FloatArray, Index, IntArray, Votes, log, rows

_SIZES = ((100_000, 2), (100_000, 4), (100_000, 10), (1_000_000, 2), (1_000_000, 4), (1_000_000, 10))
_LARGE = (10_000_000, 4)
_PER_TASK = 5
_ROUNDS = 5
_WHOLE_ROUNDS = 3
_TOL = 1e-5
_NEAR = (1e-8, 1e-10)
# Votes in every cell of a matrix, and on its diagonal: without any, the likelihood rises for thousands of passes.
_PRIOR = (0.1, 0.5)

Column: TypeAlias = IntArray | list[str]


def run(data: Path | None) -> None:
    """Print, for each size, a pass of ours, of crowd-kit's, and of memory alone; then how fits converge."""
    gigabytes = _bandwidth()
    print(f"One pass of Dawid-Skene with its objective, median of {_ROUNDS}; memory copies {gigabytes:.1f} GB/s")
    for n_votes, n_classes in _SIZES:
        _one_pass(drawn(n_votes, n_classes), gigabytes, rounds=_ROUNDS)
    _one_pass(drawn(*_LARGE), gigabytes, rounds=1)
    print(f"Whole fits, from columns to posteriors, 4 classes, to {_TOL:g} of the objective a vote")
    for n_votes in (100_000, 1_000_000):
        _whole(drawn(n_votes, 4))
    print(
        f"Passes of Dawid-Skene with a light prior by strides, until one gains less than {_NEAR[0]:g} and {_NEAR[1]:g} "
        "a vote (by plain steps to as high an objective); then what the end of plain steps has more, a vote"
    )
    for crowd in crowds.read(data):
        _converging(crowd.name, crowd.votes)
    _converging("drawn, 1e6 votes", drawn(1_000_000, 4))
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
    _beside_peer(votes)
    found = hierarchical.fit(votes, objective_tol=_TOL)
    seconds = _timed(lambda: reading.read(votes, found))
    print(f"  {votes.size:>10,} votes: {'reading all tasks':26} {seconds:17.2f} s", flush=True)


def _beside_peer(votes: Votes) -> None:
    """A whole fit in turn with crowd-kit's, from columns of whole numbers and from columns of names."""
    names = [[f"{kind}{code}" for code in codes] for kind, codes in (("t", votes.tasks), ("w", votes.voters))]
    names.append([f"c{code}" for code in votes.labels])

    def encoded() -> Votes:
        coded = [dict(zip(dict.fromkeys(column), range(votes.size), strict=False)) for column in names]
        columns = [
            np.fromiter(map(codes.__getitem__, column), dtype=np.int64, count=votes.size)
            for codes, column in zip(coded, names, strict=True)
        ]
        return Votes(columns[0], columns[1], columns[2], *(len(codes) for codes in coded))

    ours: dict[str, Callable[[], Any]] = {
        "whole numbers": lambda: dawid_skene.fit(votes, smoothing=0.01, objective_tol=_TOL),
        "names": lambda: dawid_skene.fit(encoded(), smoothing=0.01, objective_tol=_TOL),
    }
    theirs = {
        "whole numbers": _peer_fit(votes.tasks, votes.voters, votes.labels),
        "names": _peer_fit(*names),
    }
    for columns, fit in ours.items():
        peer = theirs[columns]
        spent = [(_timed(fit), 0.0 if peer is None else _timed(peer)) for _ in range(_WHOLE_ROUNDS)]
        mine, others = (statistics.median(one) for one in zip(*spent, strict=True))
        beside = f", crowd-kit {others:.2f} s: 1/{others / mine:.1f}" if peer else ""
        print(f"  {votes.size:>10,} votes: dawid-skene from {columns:14} {mine:15.2f} s{beside}", flush=True)


def _converging(name: str, votes: Votes) -> None:
    """Passes by strides, those by plain steps to the same objective, and how far both are from the end."""
    prior = np.full((votes.n_classes, votes.n_classes), _PRIOR[0])
    np.fill_diagonal(prior, _PRIOR[1])
    slow = dawid_skene.fit(votes, smoothing=prior, objective_tol=1e-12, max_iter=3000)
    cells = []
    for near in _NEAR:
        fast = dawid_skene.fit(votes, smoothing=prior, objective_tol=near, accelerate=True)
        plain = int(np.searchsorted(slow.objective, min(fast.objective[-1], slow.objective[-1]))) + 1
        differ = int((fast.posterior.argmax(axis=1) != slow.posterior.argmax(axis=1)).sum())
        left = float(slow.objective[-1] - fast.objective[-1]) / votes.size
        cells.append(f"{fast.n_iter:>4} ({plain:>4}), {left:8.1e} below, {differ:>3} labels differ")
    print(f"  {name:18} {'; '.join(cells)}", flush=True)


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


def _peer_fit(tasks: Column, voters: Column, labels: Column) -> Callable[[], None] | None:
    if not importlib.util.find_spec("crowdkit"):
        return None
    pandas: Any = importlib.import_module("pandas")
    kind: Any = importlib.import_module("crowdkit.aggregation").DawidSkene
    frame = pandas.DataFrame({"task": tasks, "worker": voters, "label": labels})
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

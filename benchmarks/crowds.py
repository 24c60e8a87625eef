"""How right, and how right about being right, each method is on recorded crowds; beside crowd-kit where it is there.

The tables that QUALITY's bars are read from: all votes, two and three votes a task, ten and fifty known answers, and
the reliabilities of voters whose labels can be checked.
"""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from quality import labelled
from quality.aggregation import METHODS
from quality.labelled import Coded
from quality.methods import intervals, scores
from quality.methods.scores import Scores
from quality.methods.votes import UNKNOWN, FloatArray, IntArray, Votes

_DRAWS = 3
_FEW = (2, 3)
_GOLD = (10, 50)
_CHECKED_MIN = 20
_SURE = (0.8, 0.9, 0.95)
# In crowd-kit's own names; slower ones (GLAD, MACE) take minutes each.
_PEERS = ("MajorityVote", "DawidSkene", "OneCoinDawidSkene")

Believe = Callable[[Votes], FloatArray]


@dataclass(frozen=True, slots=True)
class Crowd:
    """Votes and what is known of the truth: (n_tasks,), a class or UNKNOWN."""

    name: str
    votes: Votes
    truth: IntArray


def run(data: Path | None) -> None:
    """Print a row for each data set: bluebird, which is shipped, and those of a folder."""
    crowds = list(read(data))
    methods: dict[str, Believe] = {name: _ours(name) for name in METHODS}
    if importlib.util.find_spec("crowdkit"):
        methods |= {f"crowd-kit {name}": _peer(name) for name in _PEERS}
    _all_votes(crowds, methods)
    _few_votes(crowds, methods)
    _known_answers(crowds)
    _reliabilities(crowds)


def _ours(name: str) -> Believe:
    return lambda votes: METHODS[name](votes).posterior


def _all_votes(crowds: list[Crowd], methods: Mapping[str, Believe]) -> None:
    print("All votes: share right by set, ties share the credit; then means over sets")
    print(
        f"  {'':28}" + "".join(f"{crowd.name[:9]:>10}" for crowd in crowds) + f"{'mean':>10}{'log loss':>10}{'ECE':>7}"
    )
    for name, believe in methods.items():
        believed = [believe(crowd.votes) for crowd in crowds]
        found = [_score(one, crowd) for one, crowd in zip(believed, crowds, strict=True)]
        right = "".join(f"{one.accuracy:10.3f}" for one in found)
        print(f"  {name:28}{right}{_means(found)}", flush=True)
        if name == "hierarchical":
            _tell_sure(crowds, believed)


def _tell_sure(crowds: list[Crowd], believed: list[FloatArray]) -> None:
    """Share right among tasks whose confidence is so high or higher, beside how many there are; its exact interval."""
    for least in _SURE:
        cells, bounds = [], []
        for one, crowd in zip(believed, crowds, strict=True):
            sure = np.where(one.max(axis=1) >= least, crowd.truth, UNKNOWN)
            found = scores.score(one, sure)
            cells.append(f"{found.accuracy:5.2f}/{found.n_tasks:<4}" if found else f"{'-':>10}")
            n_tasks = np.array([found.n_tasks if found else 0.0])
            low, high = intervals.binomial(n_tasks * (found.accuracy if found else 0.0), n_tasks)
            bounds.append(f"{low[0]:5.2f}-{high[0]:<4.2f}" if found else f"{'-':>10}")
        print(f"    right of those >= {least:<10}" + "".join(cells), flush=True)
        print(f"    {'90 % interval':24}" + "".join(bounds), flush=True)


def _few_votes(crowds: list[Crowd], methods: Mapping[str, Believe]) -> None:
    for n_each in _FEW:
        print(f"{n_each} votes a task, drawn {_DRAWS} times: means over sets of share right, log loss, ECE")
        for name, believe in methods.items():
            found = [
                _score(believe(_drawn(crowd.votes, n_each, seed)), crowd) for crowd in crowds for seed in range(_DRAWS)
            ]
            print(f"  {name:28}{_means(found)}", flush=True)


def _known_answers(crowds: list[Crowd]) -> None:
    for n_known in _GOLD:
        found, blind = [], []
        for crowd in crowds:
            for seed in range(_DRAWS):
                known, rest = _split(crowd, n_known, seed)
                found.append(_score(METHODS["hierarchical"](crowd.votes, known=known).posterior, rest))
                blind.append(_score(METHODS["hierarchical"](crowd.votes).posterior, rest))
        print(f"{n_known} known answers, drawn {_DRAWS} times, scored on the others: share right, log loss, ECE")
        print(f"  {'hierarchical with them':28}{_means(found)}")
        print(f"  {'hierarchical without':28}{_means(blind)}", flush=True)


def _reliabilities(crowds: list[Crowd]) -> None:
    """Estimated shares of right answers beside those counted, of voters with enough labels on known tasks."""
    off, covered = [], []
    for crowd in crowds:
        found = intervals.reliability(crowd.votes, METHODS["hierarchical"](crowd.votes).posterior)
        known = crowd.truth[crowd.votes.tasks] != UNKNOWN
        voters, right = crowd.votes.voters[known], (crowd.truth[crowd.votes.tasks] == crowd.votes.labels)[known]
        n_each = np.bincount(voters, minlength=crowd.votes.n_voters)
        many = n_each >= _CHECKED_MIN
        share = np.bincount(voters, weights=right, minlength=crowd.votes.n_voters)[many] / n_each[many]
        off.append(found.reliability[many] - share)
        covered.append((found.low[many] <= share) & (share <= found.high[many]))
    error = np.concatenate(off)
    print(
        f"Reliability of {error.size} voters with {_CHECKED_MIN} checked labels or more: root mean square error "
        f"{np.sqrt((error**2).mean()):.3f}, bias {error.mean():+.3f}, 90 % intervals cover "
        f"{np.concatenate(covered).mean():.3f}",
        flush=True,
    )


def _score(believed: FloatArray, crowd: Crowd) -> Scores:
    found = scores.score(believed, crowd.truth)
    assert found is not None, f"{crowd.name} has no known truth"
    return found


def _means(found: list[Scores]) -> str:
    accuracy, loss, error = (
        np.mean([getattr(one, name) for one in found]) for name in ("accuracy", "log_loss", "calibration_error")
    )
    return f"{accuracy:10.4f}{loss:10.3f}{error:7.3f}"


def _drawn(votes: Votes, n_each: int, seed: int) -> Votes:
    """At most so many votes of each task, at random."""
    order = np.random.default_rng(seed).permutation(votes.size)
    order = order[np.argsort(votes.tasks[order], kind="stable")]
    tasks = votes.tasks[order]
    firsts = np.flatnonzero(np.diff(tasks, prepend=-1))
    place = np.arange(tasks.size) - np.repeat(firsts, np.diff(firsts, append=tasks.size))
    kept = order[place < n_each]
    return Votes(
        votes.tasks[kept], votes.voters[kept], votes.labels[kept], votes.n_tasks, votes.n_voters, votes.n_classes
    )


def _split(crowd: Crowd, n_known: int, seed: int) -> tuple[IntArray, Crowd]:
    """So many true labels at random as gold, and the crowd with the others alone to be scored on."""
    chosen = np.random.default_rng(seed).permutation(np.flatnonzero(crowd.truth != UNKNOWN))[:n_known]
    known, rest = np.full_like(crowd.truth, UNKNOWN), crowd.truth.copy()
    known[chosen], rest[chosen] = crowd.truth[chosen], UNKNOWN
    return known, Crowd(crowd.name, crowd.votes, rest)


def _peer(name: str) -> Believe:
    """A method of crowd-kit, over the same codes."""
    pandas: Any = importlib.import_module("pandas")
    kind: Any = getattr(importlib.import_module("crowdkit.aggregation"), name)

    def believe(votes: Votes) -> FloatArray:
        frame = pandas.DataFrame({"task": votes.tasks, "worker": votes.voters, "label": votes.labels})
        found = kind().fit_predict_proba(frame)
        believed = np.zeros((votes.n_tasks, votes.n_classes))
        believed[np.ix_(found.index.to_numpy(), found.columns.to_numpy())] = found.to_numpy()
        believed[believed.sum(axis=1) == 0] = 1.0 / votes.n_classes
        return believed

    return believe


def read(data: Path | None) -> Iterator[Crowd]:
    """Bluebird, which is shipped, and the crowds of a folder."""
    with as_file(files("demo") / "bluebird") as folder:
        yield _read(folder, "bluebird")
    for folder in sorted(data.iterdir()) if data else ():
        if folder.name != "bluebird" and (folder / "truth.csv").exists():
            yield _read(folder, folder.name)


def _read(folder: Path, name: str) -> Crowd:
    (path,) = [path for path in (folder / "labels.csv", folder / "labels.csv.gz") if path.exists()]
    truth, _ = labelled.read_labels(folder / "truth.csv")
    # A worker's first label for a task stands.
    coded: Coded = labelled.read_votes(path, classes=truth.values(), told=lambda _n: None)
    return Crowd(name, coded.votes, coded.known(truth))

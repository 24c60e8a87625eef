"""The methods over votes that are spread over the processes of a Dask cluster, on one machine or on many.

A worker holds the tasks of some shards and makes every pass over them. What they come to is summed up as a tree; tables
are made out of it here and go to everybody. So a pass is a function of files and tables: when a worker dies, Dask does
again what it had, elsewhere. dask is an optional extra: this file is imported by nobody who has not asked for it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from dask import config
from dask.distributed import Client, Future, KilledWorker, LocalCluster

from quality import aggregation, labelled, shards
from quality.aggregation import Unable
from quality.labelled import REPEATED, Bad
from quality.methods import dawid_skene, em, hierarchical, intervals, reading, scores
from quality.methods.aggregate import Told, quiet
from quality.methods.em import Seen, Tables, Tasks
from quality.methods.fit import Fit
from quality.methods.intervals import Agreement
from quality.methods.reading import Trust
from quality.methods.scores import Scores
from quality.methods.votes import UNKNOWN, FloatArray, IntArray, Votes
from quality.shards import BAD_KEPT, Shard, Sharded

METHODS: Mapping[str, Callable[..., Fit]] = {
    "hierarchical": hierarchical.fit_crowd,
    "dawid-skene": dawid_skene.fit_crowd,
}
# A file of so many bytes holds about a million votes, which are 50 MB in a worker.
_SHARD_BYTES = 25_000_000
_PACKED = 5
_PATIENCE_SECONDS = 10
# Tables of many workers are large, and meant to be: no warning.
_LARGE = {"distributed.admin.large-graph-warning-threshold": "1GiB"}


@dataclass(frozen=True, slots=True)
class _Where:
    """A shard's file, and what its codes mean."""

    path: Path
    rank: IntArray
    n_voters: int

    def read(self) -> Shard:
        return shards.read(self.path, rank=self.rank, n_voters=self.n_voters)

    @property
    def believed(self) -> Path:
        return self.path.with_suffix(".believed.parquet")


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told of a shard at once.

    known_votes, known : the votes on tasks whose labels are known, with codes for these tasks alone, and the labels.
    """

    n_tasks: int
    n_votes: int
    repeated: IntArray
    known_votes: Votes
    known: IntArray


@dataclass(frozen=True, slots=True)
class _Part:
    """What a worker holds of a shard."""

    tasks: Tasks
    told: _Told


@dataclass(frozen=True, slots=True)
class _Belief:
    """What tasks are read out by."""

    fit: Fit
    trust: Trust

    def of(self, shard: Shard) -> FloatArray:
        return reading.read(shard.votes, self.fit, known=shard.known, trust=self.trust)


class Crowd:
    """Votes in shards, held by workers: an `em.Crowd` whose posteriors do not come home."""

    def __init__(self, client: Client, sharded: Sharded, labels: Path) -> None:
        self._client, self._sharded = client, sharded
        n_voters = len(sharded.voters)
        self._where = [_Where(path, sharded.rank, n_voters) for path in sharded.paths]
        self._parts = [client.submit(_held, where, pure=False) for where in self._where]
        try:
            told = client.gather(self._of_parts(_told))
        except FileNotFoundError as error:
            folder = sharded.paths[0].parent.parent
            raise Unable(f"Workers do not see {folder}; --scratch names a folder that they all see.") from error
        self.n_votes, self.n_tasks = sum(one.n_votes for one in told), sum(one.n_tasks for one in told)
        self._known = [(one.known_votes, one.known) for one in told if one.known.size]
        self.n_bad = sharded.n_bad + sum(one.repeated.size for one in told)
        repeated = [Bad(labels, line, REPEATED) for one in told for line in one.repeated[:BAD_KEPT].tolist()]
        self.bad = sorted(sharded.bad + repeated, key=lambda bad: bad.line)[:BAD_KEPT]

    @property
    def said(self) -> str:
        """How much of everything there is."""
        return labelled.said(self.n_votes, len(self._sharded.voters), self.n_tasks, len(self._sharded.classes))

    def start(self) -> Seen:
        """What the shares of the votes come to."""
        seen: Seen = self._total(self._of_parts(_started))
        return seen

    def see(self, tables: Tables) -> Seen:
        """One pass of everybody over their tasks."""
        seen: Seen = self._total(self._of_parts(_seen, self._to_all(tables)))
        return seen

    def posterior(self) -> FloatArray:
        """None of them: they are read out where their tasks are."""
        return np.empty((0, len(self._sharded.classes)))

    def aggregate(self, method: str, *, told: Told = quiet) -> "Found":
        """Run a method and have every worker write what it says of their tasks."""
        aggregation.check(method, n_tasks=0, n_voters=len(self._sharded.voters), n_classes=len(self._sharded.classes))
        fit = METHODS[method](self, objective_tol=em.OBJECTIVE_TOL, told=told)
        belief = _Belief(fit, self._trust(fit) if method == "hierarchical" else reading.INDEPENDENT)
        agreed = self._total(self._of_files(_concluded, self._to_all(belief)))
        return Found(self, belief, agreed)

    def _trust(self, fit: Fit) -> Trust:
        if not self._known:
            return reading.DEFAULT
        votes, known = reduce(_together, self._known)
        return reading.calibrated(votes, fit, known=known)

    def consensus(self) -> Iterator[tuple[str, str, float]]:
        """Task, label and confidence, in the order in which tasks came."""
        for task, label, confidence in shards.read_believed(where.believed for where in self._where):
            yield task, self._sharded.classes[label], round(confidence, aggregation.DIGITS)

    def reliabilities(self, agreed: Agreement) -> Iterator[tuple[str, float, float, float, int]]:
        """Worker, reliability, the bounds of its interval, and their number of answers."""
        return aggregation.named(self._sharded.voters, intervals.bounds(agreed), agreed.n_votes.astype(np.int64))

    def scored(self, belief: _Belief, truth: Mapping[str, str]) -> Scores | None:
        """How right a belief is; None where no task's truth is given."""
        class_of = {name: code for code, name in enumerate(self._sharded.classes)}
        codes = {task: class_of.get(label, len(class_of)) for task, label in truth.items()}
        found = self._client.gather(self._of_files(_judged, self._to_all(belief), self._to_all(codes)))
        return scores.score(np.concatenate([rows for rows, _ in found]), np.concatenate([true for _, true in found]))

    def _to_all(self, what: object) -> Future[Any]:
        # Not scattered: what was scattered is lost with its worker, and waits long for one that has just died.
        return self._client.submit(_same, what, pure=False)

    def _of_parts(self, act: Callable[..., Any], *more: Future[Any]) -> list[Future[Any]]:
        return [self._client.submit(act, part, *more, pure=False) for part in self._parts]

    def _of_files(self, act: Callable[..., Any], *more: Future[Any]) -> list[Future[Any]]:
        return [self._client.submit(act, where, *more, pure=False) for where in self._where]

    def _total(self, found: list[Future[Any]]) -> Any:
        """The sum, added up two by two."""
        while len(found) > 1:
            pairs = zip(found[::2], found[1::2], strict=False)
            odd = found[-1:] if len(found) % 2 else []
            found = [self._client.submit(add, *pair, pure=False) for pair in pairs] + odd
        return found[0].result()


@dataclass(frozen=True, slots=True)
class Found:
    """What a method found, by the names of tasks and workers; as `aggregation.Named`."""

    crowd: Crowd
    belief: _Belief
    agreed: Agreement

    @property
    def said(self) -> str:
        """How the method came to its end."""
        return aggregation.ended(self.belief.fit.n_iter, converged=self.belief.fit.converged)

    def consensus(self) -> Iterator[tuple[str, str, float]]:
        """Task, label and confidence, in the order in which tasks came."""
        return self.crowd.consensus()

    def reliabilities(self) -> Iterator[tuple[str, float, float, float, int]]:
        """Worker, reliability, the bounds of its interval, and their number of answers."""
        return self.crowd.reliabilities(self.agreed)

    def scored(self, truth: Mapping[str, str]) -> Scores | None:
        """How right it is; None where no task's truth is given."""
        return self.crowd.scored(self.belief, truth)


@contextmanager
def spread(
    labels: Path, method: str, *, cluster: str, scratch: Path, gold: Mapping[str, str], told: labelled.Told
) -> Iterator[Crowd]:
    """The votes of a file, laid out in shards in a folder that all workers see; they are gone afterwards.

    cluster : a scheduler's address, or how many processes to start on this machine. Raises `Unable`, `TooLarge`,
    `Unreadable`.
    """
    if method not in METHODS:
        raise Unable(f"{method} does not run on Dask; {' and '.join(METHODS)} do.")

    def check(n_voters: int, n_classes: int) -> None:
        aggregation.check(method, n_tasks=0, n_voters=n_voters, n_classes=n_classes)

    size = labels.stat().st_size * (_PACKED if labels.suffix == ".gz" else 1)
    try:
        with config.set(_LARGE), _client(cluster) as client, _folder(scratch) as folder:
            n_shards = max(len(client.scheduler_info()["workers"]), -(-size // _SHARD_BYTES))
            sharded = shards.write(labels, folder, n_shards=n_shards, gold=gold, check=check, told=told)
            check(len(sharded.voters), len(sharded.classes))
            yield Crowd(client, sharded, labels)
    except KilledWorker as error:
        raise Unable("Workers died again and again over the same tasks: is there memory for a shard?") from error


@contextmanager
def _folder(scratch: Path) -> Iterator[Path]:
    try:
        made = TemporaryDirectory(prefix=".rookery-", dir=scratch)
    except OSError as error:
        raise Unable(f"{scratch} cannot be written: {error.strerror}.") from error
    with made as name:
        # Workers may have another folder to work in.
        yield Path(name).resolve()


@contextmanager
def _client(cluster: str) -> Iterator[Client]:
    if not cluster.isdecimal():
        try:
            client = Client(cluster, timeout=_PATIENCE_SECONDS)
        except (OSError, ValueError) as error:
            raise Unable(f"No Dask scheduler answers at {cluster}.") from error
        with client:
            yield client
        return
    # One thread each: NumPy passes are bound by memory, and a shard's scratch memory is used by one pass at a time.
    with (
        LocalCluster(
            n_workers=int(cluster), threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL
        ) as local,
        Client(local) as client,
    ):
        yield client


# What workers do.


def _held(where: _Where) -> _Part:
    shard = where.read()
    tasks = np.flatnonzero(shard.known != UNKNOWN)
    mine = np.isin(shard.votes.tasks, tasks)
    known_votes = Votes(
        np.searchsorted(tasks, shard.votes.tasks[mine]),
        shard.votes.voters[mine],
        shard.votes.labels[mine],
        tasks.size,
        shard.votes.n_voters,
        shard.votes.n_classes,
    )
    told = _Told(shard.votes.n_tasks, shard.votes.size, shard.repeated, known_votes, shard.known[tasks])
    return _Part(Tasks(shard.votes, known=shard.known), told)


def _told(part: _Part) -> _Told:
    return part.told


def _same(what: Any) -> Any:
    return what


def _started(part: _Part) -> Seen:
    return part.tasks.start()


def _seen(part: _Part, tables: Tables) -> Seen:
    return part.tasks.see(tables)


def _concluded(where: _Where, belief: _Belief) -> Agreement:
    shard = where.read()
    believed = belief.of(shard)
    shards.write_believed(where.believed, shard, believed)
    return intervals.agreement(shard.votes, believed)


def _judged(where: _Where, belief: _Belief, truth: Mapping[str, int]) -> tuple[FloatArray, IntArray]:
    """Belief in tasks whose truth is given, with a column for a truth that is no class, and the truth."""
    shard = where.read()
    true = np.array([truth.get(name, UNKNOWN) for name in shard.names], dtype=np.int64)
    asked = true != UNKNOWN
    believed = belief.of(shard)[asked]
    return np.hstack([believed, np.zeros((len(believed), 1))]), true[asked]


def _together(one: tuple[Votes, IntArray], other: tuple[Votes, IntArray]) -> tuple[Votes, IntArray]:
    (these, known), (those, known_too) = one, other
    votes = Votes(
        np.concatenate((these.tasks, those.tasks + these.n_tasks)),
        np.concatenate((these.voters, those.voters)),
        np.concatenate((these.labels, those.labels)),
        these.n_tasks + those.n_tasks,
        these.n_voters,
        these.n_classes,
    )
    return votes, np.concatenate((known, known_too))

"""Votes spread over two processes of Dask beside one process: seconds, memory of each process, and the same files.

Runs start in fresh processes, whose memory is looked at twenty times a second, with that of all they start.
"""

import multiprocessing
import statistics
import tempfile
import time
from itertools import pairwise
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import psutil

from benchmarks import fits
from quality import aggregation, distributed, labelled

_SIZES = (1_000_000, 10_000_000)
_PROCESSES = 2
_CONSENSUS, _WORKERS = ("task", "label", "confidence"), ("worker", "reliability", "low", "high", "answers")


def run() -> None:
    """Print, for each size, what one process and two workers take, and whether they write the same."""
    print(f"The whole of `rookery aggregate`, 4 classes, in one process and with --dask {_PROCESSES}; memory in MB")
    for n_votes in _SIZES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _write(folder / "labels.csv", n_votes)
            for cluster in ("", str(_PROCESSES)):
                _tell(n_votes, folder, cluster)
            same = all(
                (folder / f"{kind}.csv").read_bytes() == (folder / f"{kind}{_PROCESSES}.csv").read_bytes()
                for kind in ("consensus", "workers")
            )
            print(
                f"  {n_votes:>10,} votes: the files are {'the same, byte for byte' if same else 'NOT THE SAME'}",
                flush=True,
            )


def _write(path: Path, n_votes: int) -> None:
    votes = fits.drawn(n_votes, 4)
    with path.open("w") as file:
        file.write("task,worker,label\n")
        columns = (votes.tasks.tolist(), votes.voters.tolist(), votes.labels.tolist())
        file.writelines(f"t{task},w{voter},c{label}\n" for task, voter, label in zip(*columns, strict=True))


def _tell(n_votes: int, folder: Path, cluster: str) -> None:
    fresh = multiprocessing.get_context("spawn")
    answer: SimpleQueue[tuple[int, float]] = fresh.SimpleQueue()
    started = time.perf_counter()
    child = fresh.Process(target=_aggregate, args=(folder, cluster, answer))
    child.start()
    seen = _watched(child.pid or 0)
    child.join()
    seconds = time.perf_counter() - started
    n_passes, per_pass = answer.get()
    memory = ", ".join(f"{peak / 1e6:.0f}" for peak, _ in seen)
    print(
        f"  {n_votes:>10,} votes, {f'{cluster} workers' if cluster else 'alone':9}: {seconds:6.1f} s, "
        f"{sum(spent for _, spent in seen):6.1f} s of processors, {n_passes} passes of {per_pass * 1e3:5.0f} ms, "
        f"most memory of each process {memory}",
        flush=True,
    )


def _watched(pid: int) -> list[tuple[int, float]]:
    """Of a process, and each that it started and that ever held 50 MB: the most memory in bytes, processor seconds."""
    seen: dict[int, tuple[int, float]] = {}
    first = psutil.Process(pid)
    while first.is_running() and first.status() != psutil.STATUS_ZOMBIE:
        for process in [first, *first.children(recursive=True)]:
            try:
                times, memory = process.cpu_times(), process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            seen[process.pid] = max(seen.get(process.pid, (0, 0.0))[0], memory), times.user + times.system
        time.sleep(0.05)
    return [one for one in seen.values() if one[0] > 50e6]


def _aggregate(folder: Path, cluster: str, answer: "SimpleQueue[tuple[int, float]]") -> None:
    """What the command does, and how long its passes take."""
    times: list[float] = []
    labels = folder / "labels.csv"

    def told(_number: int, _moved: float) -> None:
        times.append(time.perf_counter())

    def write(crowd: aggregation.Source) -> None:
        found = crowd.aggregate("hierarchical", told=told)
        labelled.write(folder / f"consensus{cluster}.csv", _CONSENSUS, found.consensus(), overwrite=False)
        labelled.write(folder / f"workers{cluster}.csv", _WORKERS, found.reliabilities(), overwrite=False)

    if cluster:
        with distributed.spread(
            labels, "hierarchical", cluster=cluster, scratch=folder, gold={}, told=lambda _n: None
        ) as crowd:
            write(crowd)
    else:
        write(aggregation.File(labels, gold={}, families={}, told=lambda _n: None))
    answer.put((len(times), statistics.median(after - before for before, after in pairwise(times))))

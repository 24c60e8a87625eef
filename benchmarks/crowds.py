"""How right and how fast the fit is on recorded crowds, beside a majority of the same votes and the plain textbook."""

import csv
import gzip
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from quality.methods import dawid_skene
from quality.methods.dawid_skene import FloatArray, IntArray, Votes


@dataclass(frozen=True, slots=True)
class Crowd:
    """Votes and what is known of the truth: (n_tasks,), a class or UNKNOWN."""

    name: str
    votes: Votes
    truth: IntArray


def run(data: Path | None) -> None:
    """Print a row for each data set: bluebird, which is shipped, and those of a folder."""
    print("Recorded crowds: share right by majority, by the textbook's Dawid-Skene, by ours; speed of our fit")
    for crowd in _crowds(data):
        started = time.perf_counter()
        ours = dawid_skene.fit(crowd.votes, tol=1e-5, max_iter=100)
        seconds = time.perf_counter() - started
        plain = dawid_skene.fit_plain(crowd.votes)
        n_votes, speed = crowd.votes.tasks.size, seconds / ours.n_iter / crowd.votes.tasks.size * 1e9
        print(
            f"  {crowd.name:14} {n_votes:>7,} votes, {crowd.votes.n_classes:>2} classes: "
            f"majority {_majority(crowd):.3f}, textbook {_right(crowd, plain.posterior):.3f}, "
            f"ours {_right(crowd, ours.posterior):.3f}; {ours.n_iter:>3} iterations, "
            f"{speed:4.0f} ns a vote and iteration",
            flush=True,
        )


def _crowds(data: Path | None) -> Iterator[Crowd]:
    with (files("demo") / "bluebird" / "labels.csv").open(encoding="utf-8") as labels:
        rows = [(row["task"], row["worker"], row["label"]) for row in csv.DictReader(labels)]
    with (files("demo") / "bluebird" / "truth.csv").open(encoding="utf-8") as truth:
        yield _coded("bluebird", rows, {row["task"]: row["label"] for row in csv.DictReader(truth)})
    for folder in sorted(data.iterdir()) if data else ():
        found = [path for name in ("labels.csv", "labels.csv.gz") if (path := folder / name).exists()]
        if found and (folder / "truth.csv").exists() and folder.name != "bluebird":
            # A voter's first vote for a task stands.
            first = {(row["task"], row["worker"]): row["label"] for row in reversed(_read(found[0]))}
            rows = [(task, worker, label) for (task, worker), label in first.items()]
            yield _coded(folder.name, rows, {row["task"]: row["label"] for row in _read(folder / "truth.csv")})


def _read(path: Path) -> list[dict[str, str]]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    return list(csv.DictReader(text.splitlines()))


def _coded(name: str, rows: list[tuple[str, str, str]], truth: dict[str, str]) -> Crowd:
    tasks, voters = (sorted({row[column] for row in rows}) for column in (0, 1))
    classes = sorted({row[2] for row in rows} | set(truth.values()))
    task_of, voter_of, class_of = (
        {value: code for code, value in enumerate(found)} for found in (tasks, voters, classes)
    )
    votes = Votes(
        tasks=np.array([task_of[row[0]] for row in rows], dtype=np.int64),
        voters=np.array([voter_of[row[1]] for row in rows], dtype=np.int64),
        labels=np.array([class_of[row[2]] for row in rows], dtype=np.int64),
        n_tasks=len(tasks),
        n_voters=len(voters),
        n_classes=len(classes),
    )
    known = [class_of[truth[task]] if task in truth else dawid_skene.UNKNOWN for task in tasks]
    return Crowd(name, votes, np.array(known, dtype=np.int64))


def _majority(crowd: Crowd) -> float:
    """Share right, where tied classes share the credit."""
    cells = crowd.votes.tasks * crowd.votes.n_classes + crowd.votes.labels
    counts = np.bincount(cells, minlength=crowd.votes.n_tasks * crowd.votes.n_classes)
    return _right(crowd, counts.reshape(crowd.votes.n_tasks, crowd.votes.n_classes).astype(np.float64))


def _right(crowd: Crowd, scores: FloatArray) -> float:
    best = scores == scores.max(axis=1, keepdims=True)
    known = crowd.truth != dawid_skene.UNKNOWN
    hits = best[known, crowd.truth[known]] / best[known].sum(axis=1)
    return float(hits.mean())

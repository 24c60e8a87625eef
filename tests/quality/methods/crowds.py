"""Crowds to fit: made by hand, drawn, and the bluebirds."""

import csv
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from quality.methods.votes import FloatArray, IntArray, Votes

_BLUEBIRD = Path(__file__).parents[3] / "demo" / "bluebird"
CROW, ROOK = 0, 1


def votes_of(rows: list[tuple[int, int, int]], *, n_tasks: int, n_voters: int, n_classes: int = 2) -> Votes:
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return Votes(columns[:, 0], columns[:, 1], columns[:, 2], n_tasks, n_voters, n_classes)


def crowd(rng: np.random.Generator, *, accuracies: list[float], n_tasks: int, n_classes: int) -> tuple[Votes, IntArray]:
    """Everybody votes on everything, right with their own accuracy, else one of the other classes."""
    truth = rng.integers(n_classes, size=n_tasks)
    rows = []
    for voter, accuracy in enumerate(accuracies):
        wrong = (truth + rng.integers(1, n_classes, size=n_tasks)) % n_classes
        labels = np.where(rng.random(n_tasks) < accuracy, truth, wrong)
        rows += [(task, voter, int(label)) for task, label in enumerate(labels)]
    return votes_of(rows, n_tasks=n_tasks, n_voters=len(accuracies), n_classes=n_classes), truth


@st.composite
def some_votes(draw: st.DrawFn) -> Votes:
    """Any votes at all: sparse, one-sided or none, with tasks and voters that have no vote, or without any."""
    n_tasks, n_voters, n_classes = draw(st.integers(0, 8)), draw(st.integers(0, 6)), draw(st.integers(1, 4))
    if n_tasks * n_voters == 0:
        return votes_of([], n_tasks=n_tasks, n_voters=n_voters, n_classes=n_classes)
    pairs = st.tuples(st.integers(0, n_tasks - 1), st.integers(0, n_voters - 1))
    labels = st.dictionaries(pairs, st.integers(0, n_classes - 1), max_size=30)
    rows = [(task, voter, label) for (task, voter), label in draw(labels).items()]
    return votes_of(rows, n_tasks=n_tasks, n_voters=n_voters, n_classes=n_classes)


def shuffled(votes: Votes, order: list[int]) -> Votes:
    return Votes(
        votes.tasks[order], votes.voters[order], votes.labels[order], votes.n_tasks, votes.n_voters, votes.n_classes
    )


def rook_and_crow(*, n_shared: int) -> Votes:
    """Five voters agree and are right on the shared tasks; on the last four say crow and one says rook."""
    rows = [(task, voter, task % 2) for task in range(n_shared) for voter in range(5)]
    rows += [(n_shared, voter, CROW) for voter in range(4)] + [(n_shared, 4, ROOK)]
    return votes_of(rows, n_tasks=n_shared + 1, n_voters=5)


def bluebirds() -> tuple[Votes, IntArray]:
    """39 people on 108 pictures, and what they show."""
    with (_BLUEBIRD / "labels.csv").open() as labels, (_BLUEBIRD / "truth.csv").open() as truths:
        rows = list(csv.DictReader(labels))
        truth = {row["task"]: int(row["label"]) for row in csv.DictReader(truths)}
    tasks = {name: code for code, name in enumerate(truth)}
    voters = {name: code for code, name in enumerate(sorted({row["worker"] for row in rows}))}
    triples = [(tasks[row["task"]], voters[row["worker"]], int(row["label"])) for row in rows]
    return votes_of(triples, n_tasks=len(tasks), n_voters=len(voters)), np.array(list(truth.values()))


def share_right(found: FloatArray, truth: IntArray) -> float:
    return float((found.argmax(axis=1) == truth).mean())


def sparse_crowd(
    rng: np.random.Generator, *, skills: FloatArray, n_tasks: int, n_classes: int, overlap: int = 5
) -> tuple[Votes, IntArray]:
    """Some voters on each task, drawn by lot; a tenth of the tasks mislead, with half of the errors on one label."""
    truth = rng.integers(n_classes, size=n_tasks)
    lure = (truth + rng.integers(1, n_classes, size=n_tasks)) % n_classes
    hard = rng.random(n_tasks) < 0.1
    tasks = np.repeat(np.arange(n_tasks), overlap)
    voters = np.concatenate([rng.choice(skills.size, size=overlap, replace=False) for _ in range(n_tasks)])
    right = np.where(hard[tasks], (skills[voters] + 1.0 / n_classes) / 2.0, skills[voters])
    wrong = (truth[tasks] + rng.integers(1, n_classes, size=tasks.size)) % n_classes
    wrong = np.where(hard[tasks] & (rng.random(tasks.size) < 0.5), lure[tasks], wrong)
    labels = np.where(rng.random(tasks.size) < right, truth[tasks], wrong)
    return Votes(tasks, voters, labels, n_tasks, skills.size, n_classes), truth

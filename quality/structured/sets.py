"""Several labels of one list at once: which of them hold.

Each label is a vote on yes or no of its own, by the model that Rookery runs on. Agreement is Jaccard's: what both
contain per what either does, and 1 of two that contain nothing.
"""

from collections.abc import Collection
from typing import TypeVar

import numpy as np

from quality.methods import hierarchical, reading
from quality.methods.votes import UNKNOWN, BoolArray, FloatArray, Votes
from quality.structured import marks
from quality.structured.answers import Aggregate, Answers, Known, as_came, in_order, rate
from quality.structured.marks import YES

_Measure = TypeVar("_Measure", float, FloatArray)


def aggregate(
    answers: Answers[Collection[str]], *, known: Known[Collection[str]] | None = None
) -> Aggregate[frozenset[str]]:
    """Choose the labels of every task and rate the voters by how well they agree.

    Takes as many votes as there are answers times labels that anybody gave.
    """
    known = {} if known is None else known
    ordered, order = in_order(answers, lambda value: sorted(set(value)))
    labels = sorted({label for value in (*ordered.values, *known.values()) for label in value})
    given = _contained(ordered.values, labels)
    certain = np.full((answers.n_tasks, len(labels)), UNKNOWN)
    certain[list(known)] = _contained(list(known.values()), labels)
    right, n_iter, converged = np.empty((answers.n_tasks, len(labels))), 0, True
    for label in range(len(labels)):
        votes = Votes(
            ordered.tasks, ordered.voters, given[:, label].astype(np.int64), answers.n_tasks, answers.n_voters, 2
        )
        fit = hierarchical.fit(votes, known=certain[:, label])
        right[:, label] = reading.read(votes, fit, known=certain[:, label])[:, YES]
        n_iter, converged = max(n_iter, fit.n_iter), converged and fit.converged
    consensus: list[frozenset[str] | None] = [None] * answers.n_tasks
    confidence, agreement = np.zeros(answers.n_tasks), np.ones(answers.size)
    sizes = np.ones(len(labels))
    for task, mine in enumerate(ordered.of_tasks()):
        if mine.size or task in known:
            kept, expected = marks.choose(right[task], sizes, nothing=float(np.prod(1.0 - right[task])))
            consensus[task] = frozenset(label for label, keep in zip(labels, kept, strict=True) if keep)
            confidence[task] = _jaccard(expected)
            agreement[mine] = _jaccard(marks.f1(given[mine], kept, sizes))
    return Aggregate(
        consensus=consensus,
        confidence=confidence,
        agreement=as_came(agreement, order),
        reliability=rate(ordered, agreement, known),
        n_iter=n_iter,
        converged=converged,
    )


def _contained(values: Collection[Collection[str]], labels: list[str]) -> BoolArray:
    """Which labels each value contains, (n_values, n_labels)."""
    code = {label: i for i, label in enumerate(labels)}
    found = np.zeros((len(values), len(labels)), dtype=np.bool_)
    for row, value in zip(found, values, strict=True):
        row[[code[label] for label in value]] = True
    return found


def _jaccard(f1: _Measure) -> _Measure:
    """F1 as Jaccard's measure of the same two sets."""
    return f1 / (2.0 - f1)

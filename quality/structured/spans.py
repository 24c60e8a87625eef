"""Stretches of a text, each from one character to before another, with a label.

A text is cut wherever anybody's span begins or ends: between two cuts all characters are marked by the same voters.
Each piece is a vote on yes or no by the model that Rookery runs on, so a voter has two rates, of marking what is to be
marked and of leaving the rest; people miss far more than they mark wrongly. Agreement is F1 over characters.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from quality.methods import hierarchical, reading
from quality.methods.votes import BoolArray, IntArray, Votes
from quality.structured import marks
from quality.structured.answers import Aggregate, Answers, Known, as_came, in_order, rate
from quality.structured.marks import YES, Believed, Sheet


class Span(NamedTuple):
    """Characters start to end, the last one not included. Spans with the same label that meet are one."""

    start: int
    end: int
    label: str = ""


def aggregate(answers: Answers[Sequence[Span]], *, known: Known[Sequence[Span]] | None = None) -> Aggregate[list[Span]]:
    """Mark every text and rate the voters by how well they agree. An answer without spans says: there is nothing.

    A task of n answers with s spans takes at most 2 * s * n votes, however long the text. Spans that end where they
    begin, or before, are left out.
    """
    known = {} if known is None else known
    ordered, order = in_order(answers, _joined)
    pieces, sheets = [], []
    for task, mine in enumerate(ordered.of_tasks()):
        values = [_joined(ordered.values[i]) for i in mine]
        certain = _joined(known[task]) if task in known else None
        pieces.append(_pieces([*values, certain or ()]))
        sheets.append(_sheet(pieces[-1], values, certain))
    merged = marks.merge(ordered, sheets, _believe)
    n_each = ordered.per_task()
    return Aggregate(
        consensus=[
            list(_joined([piece for piece, keep in zip(pieces[task], kept, strict=True) if keep]))
            if n_each[task] or task in known
            else None
            for task, kept in enumerate(merged.chosen)
        ],
        confidence=merged.confidence,
        agreement=as_came(merged.agreement, order),
        reliability=rate(ordered, merged.agreement, known),
        n_iter=merged.n_iter,
        converged=merged.converged,
    )


def _believe(votes: Votes, known: IntArray) -> Believed:
    fit = hierarchical.fit(votes, known=known)
    return Believed(reading.read(votes, fit, known=known)[:, YES], fit.n_iter, fit.converged)


def _joined(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The same characters as few spans as possible, by label and place."""
    found: list[Span] = []
    for span in sorted((span for span in spans if span.start < span.end), key=lambda span: (span.label, span)):
        if found and found[-1].label == span.label and span.start <= found[-1].end:
            found[-1] = found[-1]._replace(end=max(found[-1].end, span.end))
        else:
            found.append(Span(*span))
    return tuple(found)


def _pieces(values: Sequence[Sequence[Span]]) -> list[Span]:
    """What lies between two cuts of a label, from its first to its last."""
    cuts: dict[str, set[int]] = {}
    for value in values:
        for span in value:
            cuts.setdefault(span.label, set()).update(span[:2])
    return [Span(*ends, label) for label in sorted(cuts) for ends in pairwise(sorted(cuts[label]))]


def _sheet(pieces: Sequence[Span], values: Sequence[Sequence[Span]], certain: Sequence[Span] | None) -> Sheet:
    first = {(piece.label, piece.start): i for i, piece in enumerate(pieces)}
    last = {(piece.label, piece.end): i + 1 for i, piece in enumerate(pieces)}

    def marked(value: Sequence[Span]) -> BoolArray:
        row = np.zeros(len(pieces), dtype=np.bool_)
        for span in value:
            row[first[span.label, span.start] : last[span.label, span.end]] = True
        return row

    return Sheet(
        marked=np.array([marked(value) for value in values], dtype=np.bool_).reshape(len(values), len(pieces)),
        sizes=np.array([piece.end - piece.start for piece in pieces], dtype=np.float64),
        known=None if certain is None else marked(certain),
    )

"""Texts word by word beside each other: how many edits lie between them, and which words stand in the same place."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from quality.methods.votes import FloatArray

_Table: TypeAlias = NDArray[np.int32]

GAP = -1
_PADDING = -2


def agreements(one: Sequence[int], others: Sequence[Sequence[int]]) -> FloatArray:
    """Of a text with each of others, (n_others,): 1 less the edits from one to the other per word of the longer one.

    Texts are codes of words. Takes len(one) steps over arrays of (n_others, longest).
    """
    lengths = np.array([len(other) for other in others], dtype=np.int64)
    for row in _rows(one, _padded(others)):
        last = row
    edits = last[np.arange(len(others)), lengths]
    longest = np.maximum(lengths, len(one))
    found: FloatArray = 1.0 - edits / np.maximum(longest, 1)
    return found


def overlaps(one: Sequence[int], others: Sequence[Sequence[int]]) -> FloatArray:
    """The same, but in any order of the words, (n_others,): never less than `agreements`, and quick for long texts."""
    size = 1 + max(max(text, default=0) for text in (one, *others))
    counts = np.bincount(np.array(one, dtype=np.int64), minlength=size)
    found = np.empty(len(others))
    for i, other in enumerate(others):
        shared = np.minimum(counts, np.bincount(np.array(other, dtype=np.int64), minlength=size)).sum()
        longest = max(len(one), len(other))
        found[i] = shared / longest if longest else 1.0
    return found


def align(pivot: Sequence[int], others: Sequence[Sequence[int]]) -> list[list[list[int]]]:
    """Where the words of others stand beside a pivot's: for each of them len(pivot) + 1 lists of words.

    The first word of list i stands in place of pivot word i, or is GAP; what follows stands between it and the next.
    List 0 begins with GAP: before the first word there is none. Takes (len(pivot) + 1) * n_others * longest numbers.
    """
    table = np.stack(list(_rows(pivot, _padded(others))), axis=1)
    return [_walk(table[i], pivot, other) for i, other in enumerate(others)]


def _walk(table: _Table, pivot: Sequence[int], other: Sequence[int]) -> list[list[int]]:
    """The cheapest way back through a table of edits, (len(pivot) + 1, >= len(other) + 1); replaced before left out."""
    columns: list[list[int]] = [[] for _ in range(len(pivot) + 1)]
    i, j = len(pivot), len(other)
    while i or j:
        here = int(table[i, j])
        if i and j and table[i - 1, j - 1] + (pivot[i - 1] != other[j - 1]) == here:
            columns[i].append(other[j - 1])
            i, j = i - 1, j - 1
        elif i and table[i - 1, j] + 1 == here:
            columns[i].append(GAP)
            i -= 1
        else:
            columns[i].append(other[j - 1])
            j -= 1
    columns[0].append(GAP)
    return [column[::-1] for column in columns]


def _rows(one: Sequence[int], others: _Table) -> Iterator[_Table]:
    """Edits from the first i words of a text to the first j of others, (n_others, longest + 1), for every i from 0."""
    places = np.arange(others.shape[1] + 1, dtype=np.int32)
    row = np.tile(places, (len(others), 1))
    yield row
    for word in one:
        further = row + np.int32(1)
        np.minimum(further[:, 1:], row[:, :-1] + (others != word), out=further[:, 1:])
        # A word put in costs one more than the place before it: the cheapest place before, for all places at once.
        row = np.minimum.accumulate(further - places, axis=1) + places
        yield row


def _padded(texts: Sequence[Sequence[int]]) -> _Table:
    found = np.full((len(texts), max((len(text) for text in texts), default=0)), _PADDING, dtype=np.int32)
    for row, text in zip(found, texts, strict=True):
        row[: len(text)] = text
    return found

"""Votes and known labels in CSV files, for those who have a file and no server: read, checked, coded, written.

A file has a header with at least the columns that are asked for, in any order; one whose name ends in `.gz` is
unpacked on the way. A line that cannot be taken is told by its number.
"""

import csv
import gzip
import io
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np

from quality.methods.votes import UNKNOWN, IntArray, Votes

# Longer than any answer, and less than Python's reader of CSV takes for one field.
_FREE_MAX = 100_000
# Longer than any id or label that somebody means.
_NAME_MAX = 1_000
TOLD_EVERY = 250_000
REPEATED = "this worker has a label for this task already"

Told = Callable[[int], None]
"""Is told now and then how many lines have been read."""


class Unreadable(Exception):
    """A file cannot be read as what it should be: one sentence."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A line that cannot be taken; the header is line 1."""

    path: Path
    line: int
    why: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.why}"


@dataclass(frozen=True, slots=True)
class Coded:
    """Votes as arrays, and the names that codes stand for: of tasks and voters as they came, of classes sorted."""

    votes: Votes
    tasks: list[str]
    voters: list[str]
    classes: list[str]
    bad: list[Bad]

    def known(self, labels: dict[str, str]) -> IntArray:
        """Names of labels by names of tasks as a class for each task, (n_tasks,), UNKNOWN where none is given."""
        class_of = {name: code for code, name in enumerate(self.classes)}
        return np.array([class_of[labels[task]] if task in labels else UNKNOWN for task in self.tasks], dtype=np.int64)


@dataclass(slots=True)
class Names:
    """Names and their codes, from 0 on as they came."""

    codes: dict[str, int] = field(default_factory=dict)

    def code(self, name: str) -> int:
        return self.codes.setdefault(name, len(self.codes))

    def rank(self) -> IntArray:
        """Where each name stands among all, sorted, by its code: (n_names,)."""
        rank = np.empty(len(self.codes), dtype=np.int64)
        rank[[self.codes[name] for name in sorted(self.codes)]] = np.arange(len(rank))
        return rank


def read_votes(path: Path, *, classes: Iterable[str] = (), tasks: Iterable[str] = (), told: Told) -> Coded:
    """The votes of a file of task,worker,label. A worker's first label for a task stands, another one is a bad line.

    classes, tasks : names that count beside those in the file, such as those of gold.
    """
    names = Names(), Names(), Names()
    columns = array("q"), array("q"), array("q")
    numbers, bad = array("q"), []
    for line, row, why in lines(path, ("task", "worker", "label")):
        if why:
            bad.append(Bad(path, line, why))
            continue
        numbers.append(line)
        for column, known, name in zip(columns, names, row, strict=True):
            column.append(known.code(name))
        if len(numbers) % TOLD_EVERY == 0:
            told(len(numbers))
    for name in classes:
        names[2].code(name)
    for name in tasks:
        names[0].code(name)
    codes = [np.array(column, dtype=np.int64) for column in columns]
    kept, repeated = first_of_each(codes[0], codes[1])
    bad += [Bad(path, numbers[at], REPEATED) for at in repeated.tolist()]
    rank = names[2].rank()
    sizes = [len(one.codes) for one in names]
    votes = Votes(codes[0][kept], codes[1][kept], rank[codes[2][kept]], *sizes)
    ordered = sorted(bad, key=lambda one: one.line)
    return Coded(votes, list(names[0].codes), list(names[1].codes), sorted(names[2].codes), ordered)


def said(n_votes: int, n_voters: int, n_tasks: int, n_classes: int) -> str:
    """How much of everything there is, for people."""
    return f"{n_votes:,} votes of {n_voters:,} workers on {n_tasks:,} tasks, {n_classes} classes"


def first_of_each(tasks: IntArray, voters: IntArray) -> tuple[IntArray, IntArray]:
    """Where each pair of codes comes first, in order, and where it comes again."""
    first = np.zeros(tasks.size, dtype=bool)
    first[np.unique(tasks * (voters.max(initial=0) + 1) + voters, return_index=True)[1]] = True
    return np.flatnonzero(first), np.flatnonzero(~first)


def read_labels(path: Path, columns: tuple[str, str] = ("task", "label")) -> tuple[dict[str, str], list[Bad]]:
    """A file of task,label, or of two other columns. Another label for the same task is a bad line."""
    labels: dict[str, str] = {}
    bad = []
    for line, row, why in lines(path, columns):
        if why:
            bad.append(Bad(path, line, why))
        elif labels.setdefault(row[0], row[1]) != row[1]:
            bad.append(Bad(path, line, f"this {columns[0]} is {labels[row[0]]} already"))
    return labels, bad


def lines(path: Path, wanted: Sequence[str], *, free: str = "") -> Iterator[tuple[int, list[str], str]]:
    """Every line after the header: its number, the wanted columns, and what is wrong with it if anything is.

    free : a column that holds no name, and so may be long, or empty.
    """
    with _opened(path) as file:
        reader = csv.reader(file, strict=True)
        header = _header(path, reader, wanted)
        at = [header.index(name) for name in wanted]
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield line, [], f"it is no CSV: {error}"
                continue
            if not row:
                continue
            yield line, [row[i] for i in at if i < len(row)], _wrong(row, header, at, free)


def _header(path: Path, reader: Iterator[list[str]], wanted: Sequence[str]) -> list[str]:
    try:
        header = [name.strip().lower() for name in next(reader)]
    except (StopIteration, csv.Error):
        header = []
    missing = [name for name in wanted if header.count(name) != 1]
    if missing:
        raise Unreadable(f"{path} must begin with a line that names its columns: {','.join(wanted)}.")
    return header


def _wrong(row: Sequence[str], header: Sequence[str], at: Sequence[int], free: str) -> str:
    if len(row) != len(header):
        return f"it has {len(row)} fields where the header has {len(header)}"
    for i in at:
        longest = _FREE_MAX if header[i] == free else _NAME_MAX
        if header[i] != free and not row[i].strip():
            return f"its {header[i]} is empty"
        if len(row[i]) > longest:
            return f"its {header[i]} is longer than {longest} characters"
        if "\ufffd" in row[i] or "\x00" in row[i]:
            return f"its {header[i]} is not UTF-8 text"
    return ""


@contextmanager
def _opened(path: Path) -> Iterator[io.TextIOBase]:
    try:
        # What is no UTF-8 must not end the reading: it is told by its line.
        with _packed(path, "rb") as raw, io.TextIOWrapper(raw, "utf-8-sig", errors="replace", newline="") as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def _packed(path: Path, mode: Literal["rb", "wb"], *, at: Path | None = None) -> IO[bytes]:
    """A file as its name says, packed or not; it may still lie at another place."""
    opened = gzip.open if path.suffix == ".gz" else open
    return cast("IO[bytes]", opened(at or path, mode))


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], *, overwrite: bool) -> None:
    """A CSV file, packed if its name ends in `.gz`; it takes its place only when it is complete.

    Raises `Unreadable` if it exists, unless it may be overwritten, or cannot be written.
    """
    if path.exists() and not overwrite:
        raise Unreadable(f"{path} exists already; --overwrite replaces it.")
    partial = path.with_name(f".{path.name}.part")
    try:
        with _packed(path, "wb", at=partial) as raw, io.TextIOWrapper(raw, "utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise Unreadable(f"{path} cannot be written: {error.strerror}.") from error

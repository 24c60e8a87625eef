"""What stands in a file of tasks, record by record, as CSV (RFC 4180) or JSON Lines: read in pieces, never whole.

A record is at most `LONGEST` bytes, and what is read ahead of it as much again: a file may have any length.
"""

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from foundation import strict_json
from foundation.errors import BadRequest

# As long as a task may be that is sent by itself.
LONGEST = 256 * 1024
_COLUMNS_MAX = 200
_METADATA = "metadata."


@dataclass(frozen=True, slots=True)
class Record:
    """What is there for one task, or why it cannot be read.

    line : its first, from the file's beginning of reading; n_lines, n_bytes : from the end of the record before to its
    own end.
    """

    line: int
    n_lines: int
    n_bytes: int
    value: Any = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end. raw : its first `LONGEST` bytes; n_bytes : how long it is, with its end."""

    raw: bytes
    n_bytes: int

    @property
    def is_too_long(self) -> bool:
        return self.n_bytes > LONGEST


def lines(pieces: Iterable[bytes]) -> Iterator[Line]:
    """The lines of a file, which end with LF or CRLF; the last may have no end."""
    rest, lost = b"", 0
    for piece in pieces:
        *whole, tail = piece.split(b"\n")
        for each in whole:
            raw = rest + each
            yield Line(raw[:LONGEST].removesuffix(b"\r"), lost + len(raw) + 1)
            rest, lost = b"", 0
        rest += tail
        lost += max(len(rest) - LONGEST, 0)
        rest = rest[:LONGEST]
    if rest:
        yield Line(rest, lost + len(rest))


def json_records(of: Iterable[Line]) -> Iterator[Record]:
    """A JSON object on each line; empty lines are passed over."""
    for number, line in enumerate(of, 1):
        value, fault = None, None
        if line.is_too_long:
            fault = _TOO_LONG
        elif line.raw.strip():
            try:
                value = strict_json.read(line.raw)
            except BadRequest as error:
                fault = error.detail.replace("The body", "The line", 1)
            else:
                if not isinstance(value, dict):
                    value, fault = None, "A line holds one JSON object."
        yield Record(number, 1, line.n_bytes, value, fault)


_TOO_LONG = f"A task is at most {LONGEST:,} bytes, with its line ends."


class _TooLong(Exception):
    """More lines belong to one record than it may have, as where a quote is never closed."""


class _Texts:
    """Lines as text for a CSV reader, counted: what was taken since `begin` belongs to one record."""

    def __init__(self, of: Iterator[Line]) -> None:
        self.of, self.line, self.n_lines, self.n_bytes = of, 1, 0, 0

    def begin(self) -> None:
        self.line, self.n_lines, self.n_bytes = self.line + self.n_lines, 0, 0

    def __iter__(self) -> Iterator[str]:
        for line in self.of:
            self.n_lines += 1
            self.n_bytes += line.n_bytes
            if self.n_bytes > LONGEST:
                raise _TooLong
            # What is no UTF-8 is found in the record, where its line is known.
            yield line.raw.decode(errors="surrogateescape") + "\n"


def csv_rows(of: Iterator[Line]) -> Iterator[Record]:
    """The rows of a CSV file, as lists of cells; an empty line is an empty list."""
    texts = _Texts(of)
    reader = csv.reader(iter(texts), strict=True)
    while True:
        texts.begin()
        value, fault = None, None
        try:
            value = next(reader)
        except StopIteration:
            return
        except _TooLong:
            fault = _TOO_LONG
        except csv.Error as error:
            fault = f"The row is not CSV: {error}."
        else:
            fault = next(filter(None, map(_fault_of, value)), None)
        if fault is not None:
            # What it has begun to read is lost; the next row begins with the next line.
            value, reader = None, csv.reader(iter(texts), strict=True)
        yield Record(texts.line, texts.n_lines, texts.n_bytes, value, fault)


def _fault_of(cell: str) -> str | None:
    if "\x00" in cell:
        return "The row holds a NUL, which cannot be stored."
    is_escaped = not cell.isascii() and any("\udc80" <= character <= "\udcff" for character in cell)
    return "The row is not UTF-8." if is_escaped else None


def columns_of(row: Sequence[str], known: Iterable[str]) -> list[str]:
    """The columns that a header names. Raises `ValueError` that says what is wrong with it."""
    names = [name.strip().removeprefix("\ufeff") for name in row]
    allowed = set(known)
    if not 1 <= len(names) <= _COLUMNS_MAX:
        raise ValueError(f"The first row names the columns, at most {_COLUMNS_MAX} of them.")
    for at, name in enumerate(names):
        if name not in allowed and not (name.startswith(_METADATA) and len(name) > len(_METADATA)):
            raise ValueError(f"The column {name[:50]!r} is none of {', '.join(sorted(allowed))} or metadata.NAME.")
        if name in names[:at]:
            raise ValueError(f"The column {name[:50]!r} is there twice.")
    return names


def exact_columns(header: Record | None, known: Collection[str], *, optional: Collection[str] = ()) -> list[str]:
    """The columns that a header names: all that are known, but for optional ones. Raises `ValueError` as well."""
    if header is None or header.fault is not None:
        raise ValueError("The first row names the columns." if header is None else str(header.fault))
    names = [name.strip().removeprefix("\ufeff") for name in header.value]
    if (lacking := sorted(set(known) - set(optional) - set(names))) or len(set(names)) < len(names):
        raise ValueError(f"The column {lacking[0]} is missing." if lacking else "A column is there twice.")
    if foreign := sorted(set(names) - set(known)):
        raise ValueError(f"The column {foreign[0][:50]!r} is none of {', '.join(known)}.")
    return names


def csv_records(of: Iterator[Line], columns: Sequence[str]) -> Iterator[Record]:
    """The rows of a CSV file as objects. An empty cell is left out; columns named metadata.NAME make one object."""
    for row in csv_rows(of):
        if row.fault is not None or not row.value:
            yield Record(row.line, row.n_lines, row.n_bytes, None, row.fault)
        elif len(row.value) != len(columns):
            fault = f"The row has {len(row.value)} cells; there are {len(columns)} columns."
            yield Record(row.line, row.n_lines, row.n_bytes, None, fault)
        else:
            yield Record(row.line, row.n_lines, row.n_bytes, _object(columns, row.value))


def _object(columns: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for name, cell in zip(columns, cells, strict=True):
        if cell and name.startswith(_METADATA):
            value.setdefault("metadata", {})[name.removeprefix(_METADATA)] = cell
        elif cell:
            value[name] = cell
    return value

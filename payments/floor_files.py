"""Floor rules from a CSV file, such as `floor_samples.csv`; its columns are explained in docs/finance.md."""

import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import marshmallow as ma
from sqlalchemy.orm import Session

from foundation import errors
from foundation.errors import Invalid
from payments import floors, schemas
from payments.floors import Terms

# Rules of all countries fit into much less.
_BYTES_MAX = 1_000_000
_SCHEMA = schemas.NewFloorRule()
_COLUMNS = tuple(_SCHEMA.fields)


class FloorFileInvalid(Invalid):
    """This is no file of floor rules."""


@dataclass(frozen=True, slots=True)
class Taken:
    """How many rules of a file were entered, and how many were there before."""

    entered: int
    known: int


def enter(db: Session, file: IO[bytes], *, entered_by: str) -> Taken:
    """Enter the rules of a file that are not there yet, all or none; what cannot be names its line."""
    entered = known = 0
    for line, row in _rows(_text(file)):
        with _line(line):
            terms = _terms(row)
            if floors.is_known(db, terms):
                known += 1
            else:
                floors.enter(db, terms, entered_by=entered_by)
                entered += 1
    return Taken(entered, known)


@contextmanager
def _line(line: int) -> Iterator[None]:
    try:
        yield
    except Invalid as problem:
        raise FloorFileInvalid(f"Line {line}: {_reason(problem)}") from problem


def _reason(problem: Invalid) -> str:
    """What is wrong, with the columns it is wrong in."""
    told = [f"{error['pointer'].removeprefix('/')}: {error['reason']}" for error in problem.errors]
    return " ".join(told) or problem.detail


def _text(file: IO[bytes]) -> str:
    raw = file.read(_BYTES_MAX + 1)
    if len(raw) > _BYTES_MAX:
        raise FloorFileInvalid(f"The file is larger than {_BYTES_MAX:,} bytes.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FloorFileInvalid("The file is not UTF-8.") from error


def _rows(text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Every row by its columns' names, with the line in which it ends."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        if (heading := next(rows, [])) != list(_COLUMNS):
            raise FloorFileInvalid(f"The first line must be {','.join(_COLUMNS)}, not {','.join(heading)[:200]}.")
        for row in filter(None, rows):
            if len(row) != len(_COLUMNS):
                raise FloorFileInvalid(f"Line {rows.line_num} has {len(row)} cells instead of {len(_COLUMNS)}.")
            yield rows.line_num, dict(zip(_COLUMNS, row, strict=True))
    except csv.Error as error:
        raise FloorFileInvalid(f"Line {rows.line_num} is no CSV: {error}.") from error


def _terms(row: Mapping[str, str]) -> Terms:
    """A row as the route would take it. An empty cell leaves its member out."""
    try:
        return Terms(**_SCHEMA.load({name: cell for name, cell in row.items() if cell}))
    except ma.ValidationError as error:
        raise errors.invalid(error.messages) from error

"""Rules of tax, floors and KYC from CSV files, such as the samples beside this; docs/finance.md has their columns."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import marshmallow as ma
from sqlalchemy.orm import Session

from foundation import errors
from foundation.errors import Invalid
from foundation.fields import Schema
from payments import floors, kyc_rules, schemas, taxes

# Rules of all countries fit into much less.
_BYTES_MAX = 1_000_000
_NUMBER = re.compile(r"[0-9]{1,5}")
_FLAGS = {"yes": True, "no": False}


class RuleFileInvalid(Invalid):
    """This is no file of such rules."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Rules of one kind: what a row holds, what it is made into, and how that is looked up and entered."""

    schema: Schema
    terms: Callable[..., Any]
    is_known: Callable[[Session, Any], bool]
    enter: Callable[..., object]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.schema.fields)


TAXES = Kind(schemas.NewTaxRule(), taxes.Terms, taxes.is_known, taxes.enter)
FLOORS = Kind(schemas.NewFloorRule(), floors.Terms, floors.is_known, floors.enter)
KYC = Kind(schemas.NewKycRule(), kyc_rules.Terms, kyc_rules.is_known, kyc_rules.enter)


@dataclass(frozen=True, slots=True)
class Taken:
    """How many rules of a file were entered, and how many were there before."""

    entered: int
    known: int


def enter(db: Session, file: IO[bytes], kind: Kind, *, entered_by: str) -> Taken:
    """Enter the rules of a file that are not there yet, all or none; what cannot be names its line."""
    entered = known = 0
    for line, row in rows(read(file), kind):
        with named(line):
            terms = make(row, kind)
            if kind.is_known(db, terms):
                known += 1
            else:
                kind.enter(db, terms, entered_by=entered_by)
                entered += 1
    return Taken(entered, known)


@contextmanager
def named(line: int) -> Iterator[None]:
    """What is wrong inside is wrong in this line, and says in which columns."""
    try:
        yield
    except Invalid as problem:
        told = [f"{error['pointer'].removeprefix('/')}: {error['reason']}" for error in problem.errors]
        raise RuleFileInvalid(f"Line {line}: {' '.join(told) or problem.detail}") from problem


def read(file: IO[bytes]) -> str:
    """The text of a file that is not too large."""
    raw = file.read(_BYTES_MAX + 1)
    if len(raw) > _BYTES_MAX:
        raise RuleFileInvalid(f"The file is larger than {_BYTES_MAX:,} bytes.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RuleFileInvalid("The file is not UTF-8.") from error


def rows(text: str, kind: Kind) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Every row by its columns' names, with the line in which it ends."""
    found, columns = csv.reader(io.StringIO(text, newline=""), strict=True), kind.columns
    try:
        if (heading := next(found, [])) != list(columns):
            raise RuleFileInvalid(f"The first line must be {','.join(columns)}, not {','.join(heading)[:200]}.")
        for row in filter(None, found):
            if len(row) != len(columns):
                raise RuleFileInvalid(f"Line {found.line_num} has {len(row)} cells instead of {len(columns)}.")
            yield found.line_num, dict(zip(columns, row, strict=True))
    except csv.Error as error:
        raise RuleFileInvalid(f"Line {found.line_num} is no CSV: {error}.") from error


def make(row: Mapping[str, str], kind: Kind) -> Any:
    """A row as the route would take it. An empty cell leaves its member out."""
    given = {name: _value(kind.schema.fields[name], cell) for name, cell in row.items() if cell}
    try:
        return kind.terms(**kind.schema.load(given))
    except ma.ValidationError as error:
        raise errors.invalid(error.messages) from error


def _value(field: ma.fields.Field[Any], cell: str) -> object:
    """A cell as JSON would say it; what it cannot be is left to the schema to refuse."""
    if isinstance(field, ma.fields.Integer) and _NUMBER.fullmatch(cell):
        return int(cell)
    return _FLAGS.get(cell, cell) if isinstance(field, ma.fields.Boolean) else cell

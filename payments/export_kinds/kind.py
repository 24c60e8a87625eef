"""What a kind of export is: which parameters it takes, what it draws from the database, and how that is written."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import IO, Any

from sqlalchemy.orm import Session

from payments.files import flat, parquet, tables, xlsx
from payments.files.tables import Amount, Cell, Table, Written


class Format(StrEnum):
    CSV = "csv"
    JSON = "json"
    XLSX = "xlsx"
    PARQUET = "parquet"
    BEANCOUNT = "beancount"


CONTENT_TYPES = {
    Format.CSV: "text/csv; charset=utf-8; header=present",
    Format.JSON: "application/json",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.BEANCOUNT: "text/plain; charset=utf-8",
}
# By their names, as they were given: text, and integers for years.
Parameters = Mapping[str, Any]
# Rows as they come out of the database, read once.
Drawn = Iterable[Sequence[Any]]
# Writes rows as of a moment.
Writer = Callable[[Drawn, datetime, IO[bytes]], Written]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A statement that gives `number`, from 1 in the order of the file, and `cells`, a JSON array; and its values."""

    sql: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of export. required, optional : names of its parameters.

    draw : the statement for parameters, which refuses those that cannot be; all that a file shows comes out of it.
    """

    name: str
    draw: Callable[[Session, Parameters], Drawing]
    writers: Mapping[Format, Writer]
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    # Whether there is something to be put right before it can be made in a format; raises a problem.
    check: Callable[[Session, Parameters, Format], None] = lambda _db, _given, _format: None


# Tables


@dataclass(frozen=True, slots=True)
class Money:
    """A column of amounts, and which columns of the statement say their currency and exponent."""

    currency: str = "currency"
    exponent: str = "exponent"


TEXT, NUMBER, MONEY = tables.Kind.TEXT, tables.Kind.NUMBER, Money()
Column = tables.Kind | Money


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table in their order. A control total is that of the first amount."""

    sheet: str
    columns: Mapping[str, Column]

    def drawing(self, sql: str, order: str, values: Mapping[str, Any]) -> Drawing:
        """A statement with columns of these names (and those that amounts refer to) as one that draws rows."""
        shown = ", ".join(self._cell(name, column) for name, column in self.columns.items())
        return Drawing(
            f"SELECT row_number() OVER (ORDER BY {order}) AS number, jsonb_build_array({shown}) AS cells"
            f" FROM ({sql}) AS shown",
            values,
        )

    def _cell(self, name: str, column: Column) -> str:
        if isinstance(column, Money):
            return f"jsonb_build_array({name}, {column.currency}, {column.exponent})"
        return f"coalesce(CAST({name} AS text), '')" if column is TEXT else name

    def table(self, drawn: Drawn) -> Table:
        """Drawn rows as a table."""
        kinds = {
            name: tables.Kind.AMOUNT if isinstance(column, Money) else column for name, column in self.columns.items()
        }
        return Table(self.sheet, kinds, (self.row(cells) for cells in drawn))

    def row(self, cells: Sequence[Any]) -> list[Cell]:
        """One drawn row."""
        return [
            Amount(*cell) if isinstance(column, Money) else cell
            for column, cell in zip(self.columns.values(), cells, strict=True)
        ]

    def writers(self, *formats: Format) -> dict[Format, Writer]:
        """How this table is written in each format."""
        return {format_: writer_of(format_, self.table) for format_ in formats}


def writer_of(format_: Format, table: Callable[[Drawn], Table]) -> Writer:
    """How drawn rows are written that become a table."""

    def write(drawn: Drawn, as_of: datetime, file: IO[bytes]) -> Written:
        if format_ is Format.XLSX:
            # A workbook tells seconds, and the same ones whenever it is written.
            return xlsx.write(table(drawn), file, created_at=as_of.replace(microsecond=0))
        plain = {Format.CSV: flat.write_csv, Format.JSON: flat.write_json, Format.PARQUET: parquet.write}
        return plain[format_](table(drawn), file)

    return write


SHEETS = (Format.CSV, Format.XLSX, Format.PARQUET)


def iso(moment: str) -> str:
    """SQL for a moment as text, in UTC."""
    return f"""to_char({moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""


def summed(drawn: Drawn, add: Callable[[Sequence[Any]], None]) -> Iterator[Sequence[Any]]:
    """Rows as they pass, each told to somebody who counts."""
    for row in drawn:
        add(row)
        yield row

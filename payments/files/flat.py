"""Tables as CSV and JSON, streamed. Amounts are decimal strings with all decimals of their exponent."""

import json
from collections.abc import Iterator, Sequence
from typing import IO

from payments.files import cells
from payments.files.orders import Unfit
from payments.files.tables import Amount, Cell, Table, Totals, Written
from payments.files.writing import Hashing, Lines, check_encodable, decimal_text


def write_csv(table: Table, file: IO[bytes]) -> Written:
    """RFC 4180, UTF-8, CRLF, one header. A text that a spreadsheet would run has a quote before it: for people."""
    out, totals = Hashing(file), Totals()
    lines = Lines(out)
    lines.add(list(table.columns))
    for row in _checked(table, totals):
        lines.add([cells.quoted(cell) if isinstance(cell, str) else _plain(cell) for cell in row])
    return Written(totals.rows, totals.sums(), out.sha256)


def write_json(table: Table, file: IO[bytes]) -> Written:
    """One array of objects, a line each, with the columns for names; text as it is, numbers as numbers."""
    out, totals, names = Hashing(file), Totals(), list(table.columns)
    out.write(b"[")
    for number, row in enumerate(_checked(table, totals)):
        shown = {
            name: _plain(cell) if isinstance(cell, Amount) else cell for name, cell in zip(names, row, strict=True)
        }
        text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
        out.write(f"{',' if number else ''}\n{text}".encode())
    out.write(b"\n]\n")
    return Written(totals.rows, totals.sums(), out.sha256)


def _checked(table: Table, totals: Totals) -> Iterator[Sequence[Cell]]:
    names = list(table.columns)
    for number, row in enumerate(table.rows):
        if len(row) != len(names):
            raise Unfit(f"a row has {len(names)} cells", order=number, field=table.name)
        for name, cell in zip(names, row, strict=True):
            if isinstance(cell, str):
                check_encodable(cell, order=number, field=name)
        totals.add(row)
        yield row


def _plain(cell: int | Amount) -> str:
    return decimal_text(cell.units, cell.exponent) if isinstance(cell, Amount) else str(cell)

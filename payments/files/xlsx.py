"""Spreadsheets in constant memory. Text stays text: nothing becomes a formula, a link, a number or a date."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from tempfile import TemporaryDirectory
from typing import IO, Any

import xlsxwriter

from payments.files.orders import Unfit
from payments.files.tables import Amount, Cell, Table, Totals, Written
from payments.files.writing import Hashing, check_encodable, decimal_text

# Of a sheet, its header among them; and of a cell, in UTF-16 units.
ROWS_MAX = 1_048_576
TEXT_MAX = 32_767
# A spreadsheet counts in doubles, which hold any number of 15 digits.
_UNITS_MAX = 10**15 - 1
_TOTALS = "Totals"


def write(table: Table, file: IO[bytes], *, created_at: datetime, rows_max: int = ROWS_MAX) -> Written:
    """A workbook: the table on as many sheets as it needs, each with a header, then the number of rows and the exact
    sums. `Unfit` (which names row and column) leaves the file empty, for bytes are written when all rows are known.

    created_at : aware; kept in the file. rows_max : of a sheet with its header, 2 at least.
    """
    out = Hashing(file)
    with TemporaryDirectory() as folder, _workbook(out, folder, created_at) as book:
        totals = Totals()
        formats = _Formats(book)
        names = list(table.columns)
        sheet, line = None, 0
        for number, row in enumerate(table.rows):
            if sheet is None or line == rows_max:
                sheet, line = _open_sheet(book, table.name, number // (rows_max - 1), names), 1
            _put(sheet, line, number, dict(zip(names, row, strict=True)), formats)
            totals.add(row)
            line += 1
        if sheet is None:
            _open_sheet(book, table.name, 0, names)
        _put_totals(book, totals)
    return Written(totals.rows, totals.sums(), out.sha256)


@contextmanager
def _workbook(out: Hashing, folder: str, created_at: datetime) -> Iterator[Any]:
    book = xlsxwriter.Workbook(out, {"constant_memory": True, "tmpdir": folder})
    book.set_properties({"created": created_at.astimezone(UTC).replace(tzinfo=None)})
    try:
        yield book
    except BaseException:
        # Only closing lets go of its files; what it writes then is nobody's.
        out.file = _Nowhere()  # type: ignore[assignment]
        book.close()
        raise
    book.close()


class _Nowhere(io.RawIOBase):
    def write(self, data: Any) -> int:
        return len(data)


class _Formats:
    """The number formats of a workbook, one for each exponent."""

    def __init__(self, book: Any) -> None:
        self._book, self._made = book, dict[int, Any]()

    def of(self, exponent: int) -> Any:
        if exponent not in self._made:
            self._made[exponent] = self._book.add_format({"num_format": decimal_text(0, exponent)})
        return self._made[exponent]


def _open_sheet(book: Any, name: str, number: int, header: Sequence[str]) -> Any:
    sheet = book.add_worksheet(name if number == 0 else f"{name} {number + 1}")
    sheet.freeze_panes(1, 0)
    for column, text in enumerate(header):
        sheet.write_string(0, column, text)
    return sheet


def _put(sheet: Any, line: int, number: int, row: dict[str, Cell], formats: _Formats) -> None:
    for column, (name, cell) in enumerate(row.items()):
        if isinstance(cell, str):
            _check_text(cell, number, name)
            sheet.write_string(line, column, cell)
            continue
        units = cell.units if isinstance(cell, Amount) else cell
        if abs(units) > _UNITS_MAX:
            raise Unfit("a spreadsheet holds 15 digits", order=number, field=name)
        if isinstance(cell, Amount):
            # It becomes the nearest double, which is shown as these digits, and read as them.
            value = Decimal(decimal_text(units, cell.exponent))
            sheet.write_number(line, column, value, formats.of(cell.exponent))
        else:
            sheet.write_number(line, column, cell)


def _check_text(text: str, number: int, name: str) -> None:
    check_encodable(text, order=number, field=name)
    if len(text.encode("utf-16-le")) // 2 > TEXT_MAX:
        raise Unfit(f"a cell holds {TEXT_MAX} characters", order=number, field=name)
    # xlsxwriter takes such text for markup of its own, and XML has no way to say the latter.
    if text.startswith("<r>") or "\ufffe" in text or "\uffff" in text:
        raise Unfit("a spreadsheet cannot hold this text", order=number, field=name)


def _put_totals(book: Any, totals: Totals) -> None:
    sheet = _open_sheet(book, _TOTALS, 0, ("total", "currency", "value"))
    lines = [("rows", "", str(totals.rows))]
    lines += [("sum", currency, decimal_text(units, exponent)) for (currency, exponent), units in totals.sums().items()]
    for line, cells in enumerate(lines, 1):
        for column, text in enumerate(cells):
            # As text: a sum may have more digits than a spreadsheet counts in.
            sheet.write_string(line, column, text)

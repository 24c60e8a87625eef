"""Parquet: an amount is a column of integers and a column of their exponents. pyarrow is an optional extra."""

from collections.abc import Sequence
from itertools import islice
from typing import IO, Any

from payments.files.orders import Unfit
from payments.files.tables import Amount, Cell, Kind, Table, Totals, Written
from payments.files.writing import Hashing, check_encodable

GROUP_ROWS = 20_000
_INT64_MAX = 2**63 - 1


class ParquetMissing(Exception):
    """Parquet needs a package that is not installed."""


def write(table: Table, file: IO[bytes]) -> Written:
    """The table in row groups of 20,000. A column of amounts, say `amount`, is an int64; `amount_exponent`, an int8,
    says what its units are. The bytes depend on the version of pyarrow, which the file names, and on nothing else.
    """
    pa, pq = _arrow()
    schema, out, totals = _schema(pa, table), Hashing(file), Totals()
    rows = iter(table.rows)
    with pq.ParquetWriter(pa.PythonFile(out, mode="w"), schema, compression="zstd") as writer:
        while group := list(islice(rows, GROUP_ROWS)):
            columns = _columns(table, group, totals)
            writer.write_table(pa.table(columns, schema=schema), row_group_size=GROUP_ROWS)
    return Written(totals.rows, totals.sums(), out.sha256)


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional extra, and slow to import
        from pyarrow import parquet as pq  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ParquetMissing('Parquet needs more packages: pip install "rookery[parquet]" brings them.') from error
    return pa, pq


def _schema(pa: Any, table: Table) -> Any:
    fields = []
    for name, kind in table.columns.items():
        fields.append(pa.field(name, pa.string() if kind is Kind.TEXT else pa.int64(), nullable=False))
        if kind is Kind.AMOUNT:
            fields.append(pa.field(f"{name}_exponent", pa.int8(), nullable=False))
    return pa.schema(fields)


def _columns(table: Table, group: list[Sequence[Cell]], totals: Totals) -> list[list[str | int]]:
    columns: list[list[str | int]] = []
    for at, (name, kind) in enumerate(table.columns.items()):
        cells = [_plain(row[at], totals.rows + number, name) for number, row in enumerate(group)]
        columns.append(cells)
        if kind is Kind.AMOUNT:
            columns.append([row[at].exponent for row in group])  # type: ignore[union-attr]  # all cells are amounts
    for row in group:
        totals.add(row)
    return columns


def _plain(cell: Cell, number: int, name: str) -> str | int:
    value = cell.units if isinstance(cell, Amount) else cell
    if isinstance(value, str):
        check_encodable(value, order=number, field=name)
    elif abs(value) > _INT64_MAX:
        raise Unfit("the column holds 64 bits", order=number, field=name)
    return value

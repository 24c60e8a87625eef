"""Parquet files, whose sums DuckDB finds in SQL."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.files import parquet, tables
from payments.files.orders import Batch, Order, Unfit
from payments.files.tables import Amount, Kind, Table
from tests.payments.files.samples import Nowhere, batch, kept, many, order

COLUMNS = {"text": Kind.TEXT, "amount": Kind.AMOUNT, "n": Kind.NUMBER}


def _write(table: Table) -> bytes:
    file = io.BytesIO()
    parquet.write(table, file)
    return file.getvalue()


def _ask(path: Path, sql: str) -> Any:
    with duckdb.connect() as judge:
        return judge.execute(sql.replace("FILE", f"'{path}'")).fetchall()


def test_an_independent_reader_finds_the_same_totals(tmp_path: Path) -> None:
    path = tmp_path / "payouts.parquet"
    orders = [order(place) for place in range(45_000)]
    with path.open("wb") as file:
        written = parquet.write(tables.payouts(batch(orders), orders), file)

    sums = "currency, amount_exponent, count(*), sum(amount), count(DISTINCT end_to_end_id)"
    found = _ask(path, f"SELECT {sums} FROM FILE GROUP BY 1, 2")
    types = dict(_ask(path, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM FILE)"))

    assert found == [("USD", 2, 45_000, written.totals["USD", 2], 45_000)]
    assert written.rows == 45_000
    assert (types["amount"], types["amount_exponent"], types["name"]) == ("BIGINT", "TINYINT", "VARCHAR")


def test_rows_come_in_groups_of_20_000() -> None:
    metadata = pq.ParquetFile(io.BytesIO(_write(tables.payouts(*many(45_000))))).metadata

    assert [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)] == [20_000, 20_000, 5_000]


def test_no_rows_are_a_file_with_columns() -> None:
    found = pq.read_table(io.BytesIO(_write(Table("Rows", COLUMNS, []))))

    assert found.num_rows == 0
    assert found.column_names == ["text", "amount", "amount_exponent", "n"]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.text(), st.integers(-(2**63) + 1, 2**63 - 1), st.integers(0, 6)), max_size=5))
def test_text_and_amounts_come_back_as_they_were(rows: list[tuple[str, int, int]]) -> None:
    table = Table("Rows", COLUMNS, [(text, Amount(units, "XTS", exponent), 7) for text, units, exponent in rows])

    found = pq.read_table(io.BytesIO(_write(table))).to_pylist()

    assert [(one["text"], one["amount"], one["amount_exponent"], one["n"]) for one in found] == [
        (*row, 7) for row in rows
    ]


@pytest.mark.parametrize(
    ("row", "field"),
    [(("a", Amount(2**63, "XTS", 2), 1), "amount"), (("\ud800", Amount(1, "XTS", 2), 1), "text")],
)
def test_what_a_column_cannot_hold_is_refused_with_its_place(row: Any, field: str) -> None:
    rows = [("a", Amount(1, "XTS", 2), 1)] * 20_001 + [row]

    with pytest.raises(Unfit) as refused:
        _write(Table("Rows", COLUMNS, rows))

    assert (refused.value.order, refused.value.field) == (20_001, field)


def test_the_same_rows_are_the_same_bytes() -> None:
    assert _write(tables.payouts(*many(1000))) == _write(tables.payouts(*many(1000)))


def test_without_pyarrow_there_is_a_clear_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    file = io.BytesIO()

    with pytest.raises(parquet.ParquetMissing, match=r"rookery\[parquet\]"):
        parquet.write(Table("Rows", COLUMNS, []), file)

    assert file.getvalue() == b""


def test_memory_does_not_grow_with_the_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(batch: Batch, orders: Iterator[Order]) -> None:
        parquet.write(tables.payouts(batch, orders), Nowhere())  # type: ignore[arg-type]

    monkeypatch.setattr(parquet, "GROUP_ROWS", 1_000)

    assert kept(write) < 20_000

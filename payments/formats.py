"""The formats that a run can be had in, each as one way to write orders into a file, or one part of it."""

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

from payments.files import dialects, nacha, pain001, parquet, tables, xlsx
from payments.files.orders import Batch, Order
from payments.files.writing import Hashing


@dataclass(frozen=True, slots=True)
class Written:
    """rows, total, sha256 : of the part that was asked for. total : in the orders' units."""

    rows: int
    total: int
    n_parts: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Writer:
    """A format: how its files are called, and what writes one, or one part of it."""

    extension: str
    content_type: str
    write: Callable[[Batch, Iterable[Order], IO[bytes], int], Written]


def _as_pain001(version: pain001.Version) -> Writer:
    def write(batch: Batch, orders: Iterable[Order], file: IO[bytes], _part: int) -> Written:
        out = Hashing(file)
        pain001.write(
            batch, orders, cast("BinaryIO", out), version=version, currencies={batch.currency: batch.exponent}
        )
        return Written(batch.n_orders, batch.total, 1, out.sha256)

    return Writer("xml", "application/xml", write)


def _as_nacha(batch: Batch, orders: Iterable[Order], file: IO[bytes], _part: int) -> Written:
    written = nacha.write(batch, orders, file)
    return Written(batch.n_orders, written.total, 1, written.sha256)


def _as_dialect(name: str) -> Writer:
    def write(batch: Batch, orders: Iterable[Order], file: IO[bytes], part: int) -> Written:
        def open_part(number: int) -> AbstractContextManager[IO[bytes]]:
            return nullcontext(file) if number == part else nowhere()

        parts = dialects.write(dialects.DIALECTS[name], batch, orders, open_part)
        asked = parts[min(max(part, 1), len(parts)) - 1]
        return Written(asked.rows, asked.total, len(parts), asked.sha256)

    return Writer("csv", "text/csv; charset=utf-8", write)


def nowhere() -> IO[bytes]:
    """Where the parts go that nobody asked for."""
    return open(os.devnull, "wb")  # noqa: PTH123 - a stream that keeps nothing


def _as_xlsx(batch: Batch, orders: Iterable[Order], file: IO[bytes], _part: int) -> Written:
    written = xlsx.write(tables.payouts(batch, orders), file, created_at=batch.created_at)
    return _whole(written)


def _as_parquet(batch: Batch, orders: Iterable[Order], file: IO[bytes], _part: int) -> Written:
    written = parquet.write(tables.payouts(batch, orders), file)
    return _whole(written)


def _whole(written: tables.Written) -> Written:
    return Written(written.rows, sum(written.totals.values()), 1, written.sha256)


WRITERS = {
    **{version.value: _as_pain001(version) for version in pain001.Version},
    **{name: _as_dialect(name) for name in dialects.DIALECTS},
    "nacha": Writer("ach", "text/plain; charset=us-ascii", _as_nacha),
    "csv": _as_dialect("generic"),
    "xlsx": Writer("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", _as_xlsx),
    "parquet": Writer("parquet", "application/vnd.apache.parquet", _as_parquet),
}

"""Bank files and tables: how many payments a second are written, and in how much memory.

Bars (PAYMENTS, B10, B11): pain.001 of 100,000 payments at 30,000 a second or more, within 80 MiB; Parquet at 100,000
rows a second within 250 MiB; XLSX at 10,000 within 80 MiB. Each size in a process of its own, for peaks stay; what the
orders themselves take to be made is in every figure.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO

from payments import formats
from payments.files.orders import Batch, Order

SIZES = (10_000, 100_000)
FORMATS = ("pain.001.001.09", "nacha", "csv", "xlsx", "parquet")
# Found right by its checksum, and nobody's.
_IBAN = {"iban": "DE89370400440532013000", "bic": "DEUTDEFF"}
_ABA = {"routing": "021000021", "account": "000123456", "account_type": "checking"}
_PAYER = {"name": "Rookery", "iban": _IBAN["iban"], "routing": "121000358", "company_id": "1234567890"}


def orders(number: int, currency: str) -> Iterator[Order]:
    """So many payments, every third to a name that banks have to have rewritten."""
    names, to = ("Ana Lopez", "José Ñandú", "Grace Wanjiru"), _ABA if currency == "USD" else _IBAN
    for place in range(number):
        yield Order(f"pyt{place:09}", place + 1, currency, 2, f"{names[place % 3]} {place}", to, "Rookery 2026-W05")


def write(format_: str, number: int, file: IO[bytes]) -> None:
    """One file of so many payments."""
    currency = "USD" if format_ == "nacha" else "EUR"
    created_at, total = datetime(2026, 1, 31, 12, tzinfo=UTC), number * (number + 1) // 2
    batch = Batch("run1", created_at, date(2026, 2, 2), currency, 2, number, total, _PAYER)
    written = formats.WRITERS[format_].write(batch, orders(number, currency), file, 1)
    assert written.rows == number


def measure(format_: str, number: int) -> str:
    """Write once, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "file").open("wb") as file:
        idle, begun, used = _peak(), time.perf_counter(), time.process_time()
        write(format_, number, file)
        seconds, busy, size = time.perf_counter() - begun, time.process_time() - used, file.tell()
    rates = f"{number / seconds:>12,.0f} {number / busy:>12,.0f}"
    return f"{format_:16} {number:>9,} {rates} {idle:>10.0f} {_peak():>10.0f} {size / 2**20:>10.1f}"


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run() -> None:
    """Every format at every size."""
    columns = (
        ("payments", 9),
        ("a second", 12),
        ("a CPU second", 12),
        ("idle MiB", 10),
        ("peak MiB", 10),
        ("file MiB", 10),
    )
    print(f"{'format':16}", *(f"{name:>{width}}" for name, width in columns))
    for format_ in FORMATS:
        for number in SIZES:
            line = f"from benchmarks import payment_files; print(payment_files.measure({format_!r}, {number}))"
            done = subprocess.run([sys.executable, "-c", line], check=True, capture_output=True, text=True)
            print(done.stdout.rstrip(), flush=True)


if __name__ == "__main__":
    run()

"""Bank files: how many payments a second are written, and in how much memory.

Bars (PAYMENTS, B11): pain.001 of 100,000 payments at 30,000 a second or more, within 80 MiB.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO

from payments.files import pain001
from payments.files.orders import Batch, Order
from payments.files.pain001 import Version

SIZE = 100_000
# Found right by its checksum, and nobody's.
_IBAN = "DE89370400440532013000"


def orders(number: int) -> Iterator[Order]:
    """So many payments, every third to a name that has to be rewritten."""
    names = ("Ana Lopez", "José Ñandú", "Grace Wanjiru")
    for place in range(number):
        destination = {"iban": _IBAN, "bic": "DEUTDEFF"}
        name = f"{names[place % 3]} {place}"
        yield Order(f"pyt{place:09}", place + 1, "EUR", 2, name, destination, "Rookery 2026-W05")


def write(number: int, file: BinaryIO) -> None:
    """One message of so many payments."""
    payer = {"name": "Rookery", "iban": _IBAN}
    created_at, total = datetime(2026, 1, 31, 12, tzinfo=UTC), number * (number + 1) // 2
    batch = Batch("run1", created_at, date(2026, 2, 2), "EUR", 2, number, total, payer)
    pain001.write(batch, orders(number), file, version=Version.V09, currencies={"EUR": 2})


def measure(number: int) -> str:
    """Write once, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "pain.001.xml").open("wb") as file:
        begun, used = time.perf_counter(), time.process_time()
        write(number, file)
        seconds, busy, size = time.perf_counter() - begun, time.process_time() - used, file.tell()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{number:>9,} {number / seconds:>12,.0f} {number / busy:>12,.0f} {peak:>10.0f} {size / 2**20:>10.1f}"


def run() -> None:
    """Each size in a process of its own, for peaks stay."""
    print("pain.001.001.09")
    print(f"{'payments':>9} {'a second':>12} {'a CPU second':>12} {'peak MiB':>10} {'file MiB':>10}")
    for number in (SIZE // 10, SIZE):
        line = f"from benchmarks import payment_files; print(payment_files.measure({number}))"
        done = subprocess.run([sys.executable, "-c", line], check=True, capture_output=True, text=True)
        print(done.stdout.rstrip())


if __name__ == "__main__":
    run()

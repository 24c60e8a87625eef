"""`make bench`: all benchmarks, or those that are named."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import (
    adversaries,
    books,
    claims,
    crowds,
    finance_reads,
    fits,
    growth,
    herd,
    imports,
    payment_files,
    pictures,
    replay,
    settlement,
    slow,
    spread,
    stream,
    structured,
    tiers,
    trip,
)
from foundation import logs

_ALL: dict[str, Callable[[Path | None], None]] = {
    "trip": lambda _data: trip.run(),
    "crowds": crowds.run,
    "replay": replay.run,
    "fits": fits.run,
    "spread": lambda _data: spread.run(),
    "settlement": lambda _data: settlement.run(),
    "books": lambda _data: books.run(),
    "finance_reads": lambda _data: finance_reads.run(),
    "stream": stream.run,
    "structured": structured.run,
    "adversaries": adversaries.run,
    "tiers": lambda _data: tiers.run(),
    "claims": lambda _data: claims.run(),
    "growth": lambda _data: growth.run(),
    "herd": lambda _data: herd.run(),
    "imports": lambda _data: imports.run(),
    "slow": lambda _data: slow.run(),
    "pictures": pictures.run,
    "payment_files": lambda _data: payment_files.run(),
}
# What may be measured at other sizes than its own, such as a million tasks.
_SIZED: dict[str, Callable[[Sequence[int]], None]] = {"growth": growth.run, "imports": imports.run}


def _sizes(given: str) -> list[int]:
    return [int(size) for size in given.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*_ALL, []], help="left out: all")
    parser.add_argument("--data", type=Path, help="a folder of crowd data sets, each with labels.csv and truth.csv")
    parser.add_argument(
        "--sizes", type=_sizes, help=f"numbers of tasks for {' and '.join(_SIZED)}: 1000,100000,1000000"
    )
    wanted = parser.parse_args()
    logs.configure("error")
    for name in wanted.names or _ALL:
        if wanted.sizes and name in _SIZED:
            _SIZED[name](wanted.sizes)
        else:
            _ALL[name](wanted.data)
        print(flush=True)


if __name__ == "__main__":
    main()

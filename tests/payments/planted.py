"""`make planted`: the product with one bug at a time; every time a test that is named for it must turn red.

The bugs are `planted.toml`. Each is planted in a copy of the tree, where pytest runs the tests that are named for it,
all on one PostgreSQL. What was caught is kept in the file that `--results` names, and is not tried again as long as its
place, its file and its tests stay as they are.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from foundation import embedded
from foundation.migrating import migrate
from tests import planting
from tests.conftest import _CONF, _named
from tests.planting import Edit

_TEMPLATE = "template"
# What is in a database from its migrations on.
_MIGRATED = ("migrations/", "payments/currencies.csv")


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug, and the tests of which one at least must turn red; the quickest first."""

    name: str
    edit: Edit
    tests: tuple[str, ...]


def bugs() -> list[Bug]:
    """Every bug of the table."""
    given = tomllib.loads((Path(__file__).parent / "planted.toml").read_text())["bug"]
    return [Bug(bug["name"], Edit(bug["file"], bug["is"], bug["becomes"]), tuple(bug["tests"])) for bug in given]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only bugs whose name or file has one of these in it, by commas")
    parser.add_argument("--processes", type=int, default=2, help="copies of the tree beside each other")
    parser.add_argument("--results", type=Path, help="a file of what was caught, to go on from and to add to")
    wanted = parser.parse_args()
    chosen = [bug for bug in bugs() if any(part in f"{bug.name} {bug.edit.file}" for part in wanted.only.split(","))]
    known, started, survivors = _known(wanted.results), time.monotonic(), []
    for bug, killer in _try([bug for bug in chosen if _mark(bug) not in known], wanted.processes):
        if killer is None:
            survivors.append(bug)
        elif wanted.results is not None:
            with wanted.results.open("a") as file:
                file.write(json.dumps({"mark": _mark(bug), "bug": bug.name, "by": killer}) + "\n")
    n_caught = len(chosen) - len(survivors)
    print(f"\nplanted {len(chosen)}, caught {n_caught}, survived {len(survivors)}, {time.monotonic() - started:.0f} s")
    for bug in survivors:
        print(f"  {bug.name}: {bug.edit}")
    return 1 if survivors or not chosen else 0


# What was found before


def _known(results: Path | None) -> set[str]:
    if results is None or not results.exists():
        return set()
    return {json.loads(line)["mark"] for line in results.read_text().splitlines()}


def _mark(bug: Bug) -> str:
    """SHA-256 over all that a bug and its tests say, and over the files that they stand in."""
    digest = hashlib.sha256(f"{bug.edit.old}\n{bug.edit.new}\n{bug.tests}".encode())
    for file in (bug.edit.file, *(test.partition("::")[0] for test in bug.tests)):
        digest.update((planting.ROOT / file).read_bytes())
    return digest.hexdigest()


# Planting


def _try(chosen: Sequence[Bug], n_processes: int) -> Iterator[tuple[Bug, str | None]]:
    """Every bug and the test that sees it, as they are found."""
    if not chosen:
        return
    with (
        tempfile.TemporaryDirectory(prefix="rookery-planted-") as folder,
        embedded.engines(Path(folder) / "engines", conf=_CONF) as engines,
        ThreadPoolExecutor(n_processes) as pool,
    ):
        embedded.create_database(engines.superuser, _TEMPLATE)
        migrate(_named(engines.database_owner_url, _TEMPLATE), _named(engines.database_url, _TEMPLATE))
        free: SimpleQueue[Path] = SimpleQueue()
        houses = [planting.copy(Path(folder) / f"house-{number}") for number in range(n_processes)]
        _require_sound(pool, houses, sorted({test for bug in chosen for test in bug.tests}))
        for house in houses:
            free.put(house)
        yield from zip(chosen, pool.map(lambda bug: _tried(free, bug), chosen), strict=True)


def _require_sound(pool: ThreadPoolExecutor, houses: Sequence[Path], tests: Sequence[str]) -> None:
    """Refuse to go on where a test is red without any bug: it would catch everything."""
    shares = [(house, tests[number :: len(houses)]) for number, house in enumerate(houses)]
    for verdict in pool.map(lambda share: _run(*share), [share for share in shares if share[1]]):
        if verdict.code != 0:
            sys.exit(f"The tree as it is does not pass:\n{verdict.output}")
    print(f"{len(tests)} tests are green without a bug", flush=True)


def _tried(free: "SimpleQueue[Path]", bug: Bug) -> str | None:
    house, started = free.get(), time.monotonic()
    try:
        with planting.planted(house, bug.edit):
            verdict = _run(house, bug.tests, migrated=not bug.edit.file.startswith(_MIGRATED))
    finally:
        free.put(house)
    took = f"{time.monotonic() - started:4.1f} s"
    print(f"{'caught  ' if verdict.killer else 'SURVIVED'} {took}  {bug.name}", flush=True)
    print(f"                 {verdict.killer or verdict.output[-2000:]}", flush=True)
    return verdict.killer


def _run(house: Path, tests: Sequence[str], *, migrated: bool = True) -> planting.Verdict:
    """Tests of a copy. migrated : they start from the database that all share, which was made without any bug."""
    engines = ["--engines", str(house.parent / "engines"), *(["--template", _TEMPLATE] if migrated else [])]
    return planting.run(house, [*engines, *tests])


if __name__ == "__main__":
    sys.exit(main())

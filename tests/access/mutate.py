"""`make mutants`: the house without each of its guards, one at a time; every time a test of this folder must fail.

Routes are given other policies in this process, and the cells of their rows are asked. Guards in the code are taken
out of a copy of the tree, and pytest runs there, in a world that was made by the code as it is.
"""

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import wsgi
from foundation import auth, embedded
from foundation.auth import PUBLIC, Policy
from foundation.http import Route
from foundation.installation import migrate
from tests.access import guards, matrix
from tests.access.guards import Mutant
from tests.access.matrix import ROWS
from tests.access.stage import Stage, logged, open_stage
from tests.access.world import World, build
from tests.conftest import _CONF, Urls, _named

_ROOT = Path(__file__).parent.parent.parent
_LEFT_BEHIND = (".git", ".venv", "__pycache__", "*.egg-info", ".*_cache")
_SECONDS_MAX = 600
# What a copy runs, until the first failure. `test_guards` sees that the code is not what the table says, and would
# kill everything; what takes long comes last.
_LAST = ("test_matrix.py", "test_canaries.py")
_PYTEST = ("-m", "pytest", "-x", "--tb=line", "-rfE", "--world", "world.json")

Killer = str | None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only mutants whose name has this in it")
    parser.add_argument("--processes", type=int, default=2, help="copies of the house beside each other")
    wanted = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="rookery-mutants-") as folder,
        embedded.engines(Path(folder) / "engines", conf=_CONF) as engines,
    ):
        world = _made(engines)
        houses = [_copy(engines, world, Path(folder) / f"house-{number}") for number in range(wanted.processes)]
        found = {**_policies(world, wanted.only), **_guards(houses, wanted.only)}
    survivors = [name for name, killer in found.items() if killer is None]
    print(f"\nmutants {len(found)}, killed {len(found) - len(survivors)}, survivors {len(survivors)}")
    for name in survivors:
        print(f"  {name}")
    return 1 if survivors or not found else 0


def _made(engines: embedded.Engines) -> World:
    embedded.create_database(engines.superuser, "world")
    urls = _urls(engines, "world")
    migrate(urls.owner, urls.app)
    with logged("critical"):
        return build(urls)


def _urls(engines: embedded.Engines, name: str) -> Urls:
    return Urls(_named(engines.database_url, name), _named(engines.database_owner_url, name))


# Policies


def _policies(world: World, only: str) -> dict[str, Killer]:
    """Every route under every other policy, and the cell that sees it."""
    found: dict[str, Killer] = {}
    routes = [route for group in wsgi.program.routes for route in group.routes]
    with open_stage(world) as stage, logged("critical"):
        for route in routes:
            for policy in _others(route.policy):
                name = f"{route.method} {route.path} for {_told(policy)} instead of {_told(route.policy)}"
                if only in name:
                    with _under(route, policy):
                        found[name] = _first_wrong_cell(stage, f"{route.method} {route.path}")
    print(
        f"policies of {len(routes)} routes: {len(found)} mutants, {sum(map(bool, found.values()))} killed", flush=True
    )
    return found


def _others(policy: Policy) -> set[Policy]:
    """Open to everybody, for each other scope, with one scope more, with one less."""
    scopes = {scope for role in auth.roles.values() for scope in role.scopes}
    other = {PUBLIC, *(Policy(frozenset({scope})) for scope in scopes)}
    if not policy.public:
        other |= {Policy(policy.scopes ^ {scope}) for scope in scopes}
    return {one for one in other if one != policy and (one.public or one.scopes)}


def _told(policy: Policy) -> str:
    return "everybody" if policy.public else " or ".join(sorted(policy.scopes))


@contextmanager
def _under(route: Route, policy: Policy) -> Iterator[None]:
    before = route.policy
    object.__setattr__(route, "policy", policy)
    try:
        yield
    finally:
        object.__setattr__(route, "policy", before)


def _first_wrong_cell(stage: Stage, route: str) -> Killer:
    rows = [row for row in ROWS if row.route == route]
    cells = [cell for row in rows for cell in matrix.cells(stage.world, row)]
    # Good tokens first: they see it soonest.
    for cell in sorted(cells, key=lambda cell: cell.caller.token != ""):
        with stage.scene():
            if matrix.ask(stage, cell).status != cell.expected:
                return str(cell)
    return None


# Guards


def _guards(houses: Sequence[Path], only: str) -> dict[str, Killer]:
    """Every guard that is missing or turned around, and the test that sees it."""
    chosen = [mutant for mutant in guards.mutants() if only in str(mutant)]
    free: SimpleQueue[Path] = SimpleQueue()
    for house in houses:
        free.put(house)
    with ThreadPoolExecutor(len(houses)) as pool:
        _require_sound(pool, houses if chosen else ())
        found = dict(zip(map(str, chosen), pool.map(lambda mutant: _tried(free, mutant), chosen), strict=True))
        # Or a mutant has left something behind, which would have killed those after it.
        _require_sound(pool, houses if chosen else ())
    return found


def _require_sound(pool: ThreadPoolExecutor, houses: Sequence[Path]) -> None:
    for code, output in pool.map(_run, houses):
        if code != 0:
            sys.exit(f"The house as it is does not pass:\n{output}")


def _copy(engines: embedded.Engines, world: World, house: Path) -> Path:
    """A copy of the tree, beside its own copy of the world."""
    shutil.copytree(_ROOT, house, ignore=shutil.ignore_patterns(*_LEFT_BEHIND))
    name = house.name.replace("-", "_")
    embedded.create_database(engines.superuser, name, template="world")
    replace(world, urls=_urls(engines, name)).save(house / "world.json")
    return house


def _tried(free: "SimpleQueue[Path]", mutant: Mutant) -> Killer:
    house = free.get()
    path = house / mutant.file
    before, when = path.read_text(), path.stat().st_mtime
    try:
        path.write_text(mutant.of(before))
        # Python knows a changed file by its second and its size, and both may be as they were.
        os.utime(path, (when, when + next(_ticks)))
        code, output = _run(house)
    finally:
        path.write_text(before)
        os.utime(path, (when, when))
        free.put(house)
    failed = [line.removeprefix("FAILED ") for line in output.splitlines() if line.startswith("FAILED ")]
    killer = failed[0].partition(" - ")[0] if code == 1 and failed else None
    print(f"{'killed' if killer else 'SURVIVES'}  {mutant}\n          {killer or output[-2000:]}", flush=True)
    return killer


_ticks = itertools.count(1)


def _run(house: Path) -> tuple[int, str]:
    tests = sorted((house / "tests" / "access").glob("test_*.py"), key=lambda path: (path.name in _LAST, path.name))
    asked = [str(path.relative_to(house)) for path in tests if path.name != "test_guards.py"]
    ran = subprocess.run(
        [sys.executable, *_PYTEST, *asked],
        cwd=house,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=_SECONDS_MAX,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


if __name__ == "__main__":
    sys.exit(main())

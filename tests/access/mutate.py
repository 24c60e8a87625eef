"""`make mutants`: the house without each of its guards, one at a time; every time a test of this folder must fail.

Routes are given other policies in this process, and the cells of their rows are asked. Guards in the code are taken
out of a copy of the tree, and pytest runs there, in a world that was made by the code as it is.
"""

import argparse
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
from foundation.migrating import migrate
from tests import planting
from tests.access import guards, matrix
from tests.access.matrix import ROWS
from tests.access.stage import Stage, logged, open_stage
from tests.access.world import World, build
from tests.conftest import _CONF, Urls, _named
from tests.planting import Edit, Verdict

# What a copy runs, until the first failure. `test_guards` sees that the code is not what the table says, and would
# kill everything; what takes long comes last.
_LAST = ("test_matrix.py", "test_canaries.py")

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
    migrate(urls.owner, urls.app, with_test_world=True)
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
    for verdict in pool.map(_run, houses):
        if verdict.code != 0:
            sys.exit(f"The house as it is does not pass:\n{verdict.output}")


def _copy(engines: embedded.Engines, world: World, house: Path) -> Path:
    """A copy of the tree, beside its own copy of the world."""
    planting.copy(house)
    name = house.name.replace("-", "_")
    embedded.create_database(engines.superuser, name, template="world")
    replace(world, urls=_urls(engines, name)).save(house / "world.json")
    return house


def _tried(free: "SimpleQueue[Path]", mutant: Edit) -> Killer:
    house = free.get()
    try:
        with planting.planted(house, mutant):
            verdict = _run(house)
    finally:
        free.put(house)
    killer = verdict.killer
    print(f"{'killed' if killer else 'SURVIVES'}  {mutant}\n          {killer or verdict.output[-2000:]}", flush=True)
    return killer


def _run(house: Path) -> Verdict:
    tests = sorted((house / "tests" / "access").glob("test_*.py"), key=lambda path: (path.name in _LAST, path.name))
    asked = [str(path.relative_to(house)) for path in tests if path.name != "test_guards.py"]
    return planting.run(house, ["--world", "world.json", *asked])


if __name__ == "__main__":
    sys.exit(main())

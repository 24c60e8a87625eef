"""The trip of one answer: which of our files and functions it visits from the HTTP request to the journal line."""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from sqlalchemy import event

from benchmarks.house import House, opened

_ROOT = Path(__file__).parent.parent
_PACKAGES = ("foundation", "quality", "payments", "workforce", "migrations")
# Where each half of the trip arrives: the fact is told, and the lines stand in the journal.
_ARRIVALS = {"publish", "_insert_lines"}


@dataclass(slots=True)
class Trip:
    """What a profiler saw: our functions in the order of their first call, and how deep they stood in each other."""

    name: str
    visited: dict[str, list[str]] = field(default_factory=dict)
    deepest: list[str] = field(default_factory=list)
    way: list[tuple[str, str]] = field(default_factory=list)
    commits: int = 0

    @property
    def functions(self) -> int:
        return sum(map(len, self.visited.values()))


def run() -> None:
    """Print the trip of the last answer of a task: the request, then the reaction that settles and pays it."""
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder, opened(Path(folder)) as house:
        request, reaction = _measure(house)
    print("The trip of one answer")
    for trip in (request, reaction):
        print(f"  {trip.name}: {trip.commits} transaction, {len(trip.visited)} files, depth {len(trip.deepest)}")
        for file, functions in trip.visited.items():
            print(f"    {file:38} {', '.join(functions)}")
        print(f"    deepest: {' > '.join(trip.deepest)}")
    way = [*request.way, *reaction.way]
    print(f"  the way itself: {len({file for file, _ in way})} files, depth {len(request.way)} and {len(reaction.way)}")
    print(f"    {' > '.join(function for _, function in request.way)}")
    print(f"    {' > '.join(function for _, function in reaction.way)}")
    files = request.visited.keys() | reaction.visited.keys()
    print(
        f"  all that it asks on the way: {request.commits + reaction.commits} transactions, {len(files)} of our files, "
        f"{request.functions + reaction.functions} functions, depth {max(len(request.deepest), len(reaction.deepest))}"
    )


def _measure(house: House) -> tuple[Trip, Trip]:
    project_id = house.project(overlap=2, expert_share=0.0)
    house.task(project_id)
    first, second = house.worker(), house.worker()
    house.answer(first, project_id)
    house.deliver()
    lease = house.claim(second, project_id)
    request, reaction = Trip("the request"), Trip("the reaction")
    _watch(request, house, lambda: house.submit(second, lease))
    _watch(reaction, house, house.deliver_once)
    return request, reaction


def _watch(trip: Trip, house: House, act: Callable[[], Any]) -> None:
    def seen(frame: FrameType, what: str, _argument: Any) -> None:
        name = _ours(frame.f_code) if what == "call" else None
        if name is None or frame.f_code.co_name.startswith("<"):
            return
        functions = trip.visited.setdefault(name, [])
        if frame.f_code.co_name not in functions:
            functions.append(frame.f_code.co_name)
        stack = _stack(frame)
        if len(stack) > len(trip.deepest):
            trip.deepest = [function for _, function in stack]
        if frame.f_code.co_name in _ARRIVALS:
            trip.way = stack

    def committed(_connection: Any) -> None:
        trip.commits += 1

    event.listen(house.engine, "commit", committed)
    sys.setprofile(seen)
    try:
        act()
    finally:
        sys.setprofile(None)
        event.remove(house.engine, "commit", committed)


def _stack(frame: FrameType | None) -> list[tuple[str, str]]:
    """Our files and functions that stand in each other, outermost first; comprehensions and lambdas do not count."""
    stack = []
    while frame is not None:
        file = _ours(frame.f_code)
        if file and not frame.f_code.co_name.startswith("<"):
            stack.append((file, frame.f_code.co_name))
        frame = frame.f_back
    return stack[::-1]


def _ours(code: CodeType) -> str | None:
    """The file of one of our own functions, as seen from the checkout."""
    try:
        path = Path(code.co_filename).relative_to(_ROOT)
    except ValueError:
        return None
    return str(path) if path.parts[0] in _PACKAGES else None

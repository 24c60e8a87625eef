"""The cells of matrix.toml: every way to call, by everybody, about everything; and what came of each."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from foundation.worlds import World as Side
from tests.access.stage import Stage
from tests.access.world import MATRIX, Caller, Values, World, malformed, missing

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_BRACES = re.compile(r"\{([\w.]+)\}")
# Every other state of a thing.
_ANY = "*"
_TOKENS = MATRIX["tokens"]

Expected = int | Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One way to call one route, and what everybody may expect; the members are explained in matrix.toml."""

    route: str
    case: str = ""
    may: frozenset[str] = frozenset()
    open: bool = False
    thing: str = ""
    states: Sequence[str] = ()
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    upload: str = ""
    own: Expected = 404
    every: Expected | None = None
    foreign: int = 404
    missing: int = 404
    malformed: int | None = None
    nonsense: int | None = None
    exceptions: Mapping[str, Any] = field(default_factory=dict)
    shows: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.route} {self.case}".strip()

    @property
    def method(self) -> str:
        return self.route.partition(" ")[0]

    @property
    def rule(self) -> str:
        return self.route.partition(" ")[2]


def _read(given: Mapping[str, Any]) -> Row:
    rest = {name: value for name, value in given.items() if name not in {"may", "for", "shows"}}
    may = given.get("may", [])
    return Row(
        **rest,
        may=frozenset(MATRIX["groups"][may] if isinstance(may, str) else may),
        exceptions=given.get("for", {}),
        shows=frozenset(given.get("shows", "").split()),
    )


ROWS: tuple[Row, ...] = tuple(_read(given) for given in MATRIX["row"])


@dataclass(frozen=True, slots=True)
class Cell:
    """One request: a row, who calls, what about, and the status that must come of it."""

    row: Row
    caller: Caller
    # Whose the thing is to the caller, or what is wrong with the request.
    about: str
    state: str
    values: Values
    expected: int

    def __str__(self) -> str:
        return f"{self.row} | {self.caller.name} | {' '.join(filter(None, (self.about, self.state)))}"


def cells(world: World, row: Row) -> Iterator[Cell]:
    """Every cell of a row. Bad tokens are tried once for each route: those of who may, and one's where all may."""
    for caller in world.callers.values():
        # What is there for a test token is in another world; it calls where the row is about that.
        if caller.side is Side.TEST and caller.name not in row.may:
            continue
        spoiled = caller.token not in {"", "none"}
        if spoiled and (row.case or caller.who not in (row.may or _TOKENS["of"][:1])):
            continue
        mine = {f"mine.{name}": value for name, value in world.mine.get(caller.who, world.mine["requester"]).items()}
        for about, state, values in _subjects(world, row, caller):
            yield Cell(row, caller, about, state, {**values, **mine}, _expected(row, caller, about, state))


def _subjects(world: World, row: Row, caller: Caller) -> Iterator[tuple[str, str, Values]]:
    """What a caller asks about: whose, in which state, and what a request says to name it.

    Whoever may not call at all is told the same of a thing in any state, so they ask about the first.
    """
    things = world.things[row.thing] if row.thing else {"": {caller.who: {}}}
    states = row.states or list(things)
    for state in states if row.open or _name(caller) in row.may else states[:1]:
        yield from ((about, state, things[state][owner]) for about, owner in _owners(things[state], caller))
        if caller.token:
            return
    some = next(iter(things[states[0]].values()))
    if row.thing:
        yield "missing", "", missing(some)
        yield "malformed", "", malformed(some)
    if row.nonsense:
        yield "nonsense", "", some


def _owners(owned: Mapping[str, Values], caller: Caller) -> Iterator[tuple[str, str]]:
    """The caller, if such a thing is theirs, and somebody else."""
    if caller.who in owned:
        yield "own", caller.who
    yield from [("foreign", owner) for owner in owned if owner != caller.who][:1]


def _name(caller: Caller) -> str:
    """By which name a caller stands in a row: a bad token is one of its owner's."""
    return caller.who if caller.token else caller.name


def _expected(row: Row, caller: Caller, about: str, state: str) -> int:
    answer = _TOKENS["answers"].get(caller.token, "good")
    if row.open:
        return _of_those_who_may(row, {}, about, state)
    if answer != "good":
        return int(answer)
    if _name(caller) not in row.may:
        return 403
    return _of_those_who_may(row, row.exceptions.get(_name(caller), {}), about, state)


def _of_those_who_may(row: Row, exception: int | Mapping[str, Any], about: str, state: str) -> int:
    said = {name: getattr(row, name) for name in ("own", "every", "foreign", "missing", "malformed", "nonsense")}
    if isinstance(exception, int):
        said |= dict.fromkeys(("own", "every", "foreign", "missing"), exception)
    else:
        said |= exception
    if about == "malformed" and said["malformed"] is None:
        about = "missing"
    if about in {"own", "foreign"} and said["every"] is not None:
        about = "every"
    return _status(said[about], state)


def _status(said: Expected | None, state: str) -> int:
    assert said is not None, "a row must say what comes of this"
    return said if isinstance(said, int) else said.get(state, said.get(_ANY, 0))


@dataclass(frozen=True, slots=True)
class Outcome:
    """A cell, what was sent for it and what came of it."""

    cell: Cell
    sent: str
    status: int
    # But for those that every request has for itself.
    headers: list[tuple[str, str]]
    text: str

    @property
    def shown(self) -> str:
        """Everything that the caller can see."""
        return "\n".join([str(self.status), *(f"{name}: {value}" for name, value in self.headers), self.text])

    @property
    def is_json(self) -> bool:
        return any(name == "Content-Type" and "json" in value for name, value in self.headers)


def ask(stage: Stage, cell: Cell, *, method: str = "") -> Outcome:
    """Send a cell's request, inside a scene; with another method, if need be."""
    row, values = cell.row, cell.values
    steps = {name: str(_fill(row.path.get(name, f"{{{name}}}"), values)) for name in _PARAMETER.findall(row.rule)}
    path = _PARAMETER.sub(lambda found: quote(steps[found[1]]), row.rule)
    options: dict[str, Any] = {"query_string": _fill(row.query, values), "json": _fill(row.body, values)}
    if cell.about == "nonsense":
        options = {"query_string": {"nonsense": "1"}} if row.method == "GET" else _NO_JSON
    elif row.body is None:
        del options["json"]
        options |= {"data": _BRACES.sub(lambda found: str(values[found[1]]), row.upload).encode()} if row.upload else {}
    response = stage.send(cell.caller.name, method or row.method, path, **options)
    headers = sorted((name, value) for name, value in response.headers if name not in _OF_EACH)
    outcome = Outcome(cell, f"{path} {options}", response.status_code, headers, response.text)
    # Files are sent from here as well.
    response.close()
    return outcome


# What every request has for itself: its number, and how many more its caller may send.
_OF_EACH = {"Rookery-Request-Id", "RateLimit"}
_NO_JSON = {"data": b"{", "content_type": "application/json"}


def _fill(template: Any, values: Values) -> Any:
    if isinstance(template, Mapping):
        return {name: _fill(value, values) for name, value in template.items()}
    if isinstance(template, list):
        return [_fill(value, values) for value in template]
    whole = _BRACES.fullmatch(template) if isinstance(template, str) else None
    return values[whole[1]] if whole else template

"""Every entry of the corpus on every route: where it goes in, and what the route must say. Sends nothing."""

import copy
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import marshmallow as ma

import wsgi
from foundation import auth, fields, http
from foundation.limits import STRANGERS
from tests.attack import corpus
from tests.attack.corpus import AS_EMPTY, OK, Entry, Spec
from tests.attack.request import Good

ROUTES = {f"{route.method} {route.path}": route for group in wsgi.program.routes for route in group.routes}

# Callers who never rest are counted like any other, and never refused.
NO_LIMITS = dict.fromkeys(
    {STRANGERS.name, *auth.roles, *(route.quota.name for route in ROUTES.values() if route.quota)}, 10**9
)

# What a field takes; the first class that fits decides.
_KINDS: tuple[tuple[type[ma.fields.Field[Any]], str], ...] = (
    (fields.Text, "text"),
    (fields.AmountOrNothing, "amount or nothing"),
    (fields.Amount, "amount"),
    (fields.Currency, "currency"),
    (fields.Choice, "choice"),
    (fields.Identifier, "id"),
    (fields.Shaped, "pattern"),
    (fields.Timestamp, "time"),
    (fields.Day, "day"),
    (fields.JsonObject, "object"),
    (fields.Flag, "flag"),
    # In an address, a choice of two words.
    (fields.QueryFlag, "choice"),
    (fields.QueryInteger, "whole"),
    (fields.Integer, "integer"),
    (fields.Fraction, "fraction"),
    (ma.fields.Nested, "nested"),
    (ma.fields.List, "list"),
)
GROUPS = {
    "money": {"amount", "amount or nothing"},
    "number": {"integer", "fraction"},
}
GROUPS["string"] = GROUPS["money"] | {"name", "text", "url", "pattern", "currency", "choice", "id", "time", "day"}
GROUPS["scalar"] = GROUPS["string"] | GROUPS["number"] | {"flag"}
GROUPS["any"] = GROUPS["scalar"] | {"list", "object", "nested", "inside"}
KINDS = {kind for _, kind in _KINDS} | {"name", "url", "inside", "cursor"}
# Which routes an entry is tried on that enters elsewhere than at a place.
ROUTE_SETS: dict[str, Callable[[http.Route], bool]] = {
    "all": lambda _: True,
    # One of each surface, for what is too large to be sent everywhere.
    "some": lambda route: route.changes and route.path in {"/api/applications", "/v1/projects"},
    "bodies": lambda route: route.body is not None,
    "bodyless": lambda route: route.changes and route.body is None and route.upload is None,
    "gets": lambda route: not route.changes,
    "changes": lambda route: route.changes,
    "changes-only": lambda route: f"GET {route.path}" not in ROUTES,
    "keys": lambda route: route.takes_keys,
    "keyless": lambda route: not route.takes_keys,
    "private": lambda route: not route.policy.public,
    "paged": lambda route: "limit" in dict(parameters(route)),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A value's place in a body, and what goes in there."""

    steps: tuple[str | int, ...]
    kind: str

    @property
    def pointer(self) -> str:
        return "".join(f"/{step}" for step in self.steps)


@dataclass(frozen=True, slots=True)
class Cell:
    """One entry at one place of one route."""

    entry: Entry
    route: http.Route
    good: Good
    expected: frozenset[int]
    method: str
    path: str
    place: str = ""
    kind: str = ""
    token: tuple[Spec, ...] | None = None
    headers: Mapping[str, bytes] = field(default_factory=dict)
    sends: Spec = None

    def __str__(self) -> str:
        return f"{self.entry} -> {self.route.method} {self.route.path} {self.place}".rstrip()

    @property
    def may_succeed(self) -> bool:
        return any(status < 400 for status in self.expected)

    def body(self) -> bytes:
        return corpus.build(self.sends, self.good.body)


def of_route(route: http.Route, good: Good, entries: Sequence[Entry] | None = None) -> Iterator[Cell]:
    """All cells of one route, or those of some entries."""
    for entry in corpus.entries() if entries is None else entries:
        if entry.enters not in {None, "raw"} and route.surface.name in entry.statuses:
            yield from _WAYS[entry.enters or ""](entry, route, good)


def _cell(
    entry: Entry, route: http.Route, good: Good, *, known: int | None = None, dear: int | None = None, **request: Any
) -> Cell:
    """A cell that differs from the good request in what is given."""
    sends = request.pop("sends", good.sends if good.body is None else {"good": "utf-8"})
    headers = {name: corpus.build(spec) for name, spec in entry.headers.items()}
    if route.changes and sends is not None:
        headers = {"Content-Type": b"application/json", **headers}
    return Cell(
        entry=entry,
        route=route,
        good=good,
        expected=_expected(entry, route, known, dear),
        token=entry.token,
        headers=headers,
        sends=sends,
        **{"method": route.method, "path": address(route, good), **request},
    )


def _expected(entry: Entry, route: http.Route, known: int | None, dear: int | None) -> frozenset[int]:
    statuses: set[int] = set()
    for status in entry.statuses[route.surface.name]:
        if status == AS_EMPTY:
            needs = route.body is not None and any(one.required for one in route.body.fields.values())
            status = 422 if needs else OK  # noqa: PLW2901 - it stands for one of the two
        if status == OK:
            statuses |= {known or route.status} | ({204} if route.or_nothing else set()) | ({dear} if dear else set())
        else:
            statuses.add(int(status))
            # A value that is wrong in itself may be refused as one that is not there.
            statuses |= {known} if known and int(status) == 422 else set()
    return frozenset(statuses)


def address(route: http.Route, good: Good, names: Mapping[str, str] | None = None, query: str | None = None) -> str:
    """The path and query as they go out; `names` are percent-encoded already."""
    given = {name: quote(value, safe="") for name, value in good.names.items()} | dict(names or {})
    path = re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", lambda name: given[name[1]], route.path)
    asked = good.query if query is None else query
    return f"{path}?{asked}" if asked else path


# Values in a body


def places(route: http.Route, good: Good) -> list[Place]:
    """Every place of a route's body where a value goes in."""
    if route.body is None:
        return []
    found = list(_places(route.body, ()))
    for pointer, schema in good.inside.items():
        found += _places(schema, tuple(pointer.strip("/").split("/")))
    return found


def _places(schema: ma.Schema, before: tuple[str | int, ...]) -> Iterator[Place]:
    for name, one in schema.load_fields.items():
        yield from _places_of(one, (*before, one.data_key or name))


def _places_of(one: ma.fields.Field[Any], steps: tuple[str | int, ...]) -> Iterator[Place]:
    kind = kind_of(one, str(steps[-1]))
    yield Place(steps, kind)
    if kind == "object":
        yield Place((*steps, "kept", 0), "inside")
    if isinstance(one, ma.fields.List):
        yield from _places_of(one.inner, (*steps, 0))
    if isinstance(one, ma.fields.Nested):
        yield from _places(one.schema, steps)


def kind_of(one: ma.fields.Field[Any], name: str) -> str:
    """What a field takes, in the corpus's words."""
    kind = next((kind for of, kind in _KINDS if isinstance(one, of)), None)
    assert kind is not None, f"{name} takes something that the corpus does not know yet: {one}"
    if kind == "text" and name.startswith("callback"):
        return "url"
    return "name" if kind == "text" and getattr(one, "name_like", False) else kind


_HERE = "this is where the value goes"


def _values(entry: Entry, route: http.Route, good: Good) -> Iterator[Cell]:
    for place in places(route, good):
        if _takes(entry, place.kind) and _has(good.body, place.steps, entry.beside):
            sends = _around(_with(good.body, place.steps, _HERE, entry.beside), entry.sends)
            yield _cell(
                entry,
                route,
                good,
                known=good.known.get(place.pointer),
                dear=good.dear.get(place.pointer),
                place=place.pointer,
                kind=place.kind,
                sends=sends,
            )


def _takes(entry: Entry, kind: str) -> bool:
    return any(kind == at or kind in GROUPS.get(at, ()) for at in entry.at)


def _has(body: Any, steps: tuple[str | int, ...], beside: Mapping[str, Any]) -> bool:
    """Whether what goes beside a value has a member to go to: an amount may take its currency from elsewhere."""
    for step in steps[:-1] if beside else ():
        body = body[step]
    return all(member in body for member in beside)


def _with(body: Any, steps: tuple[str | int, ...], value: Any, beside: Mapping[str, Any]) -> Any:
    """A copy of a body with a value at one place; whatever leads there is made."""
    body = copy.deepcopy(body)
    parent = body
    for step, following in itertools.pairwise(steps):
        if isinstance(step, str) and step not in parent:
            parent[step] = [{}] if isinstance(following, int) else {}
        elif isinstance(step, int) and not parent:
            parent.append({})
        parent = parent[step]
    if isinstance(parent, list) and not parent:
        parent.append(None)
    parent[steps[-1]] = value
    if beside:
        parent.update(beside)
    return body


def _around(body: Any, value: Spec) -> Spec:
    before, after = json.dumps(body, ensure_ascii=False).split(f'"{_HERE}"')
    return [before, value, after]


# Members that nobody knows

_FIRST_KEY = re.compile(r'"([^"]*)"')


def _members(entry: Entry, route: http.Route, good: Good) -> Iterator[Cell]:
    key = _FIRST_KEY.match(entry.sends) if isinstance(entry.sends, str) else None
    if route.body is not None and (key is None or key[1] not in route.body.fields):
        place = "" if key is None else f"/{key[1]}"
        yield _cell(entry, route, good, place=place, sends=_beside(good.body, entry.sends))


def _beside(body: Any, member: Spec) -> Spec:
    rest = json.dumps(body, ensure_ascii=False)[1:]
    return ["{", member, rest if rest == "}" else f",{rest}"]


def _nested_members(entry: Entry, route: http.Route, good: Good) -> Iterator[Cell]:
    for place in places(route, good):
        if place.kind == "nested":
            body = _with(good.body, place.steps, _HERE, {})
            inner = _at(good.body, place.steps)
            yield _cell(entry, route, good, place=place.pointer, sends=_around(body, _beside(inner, entry.sends)))


def _at(body: Any, steps: tuple[str | int, ...]) -> Any:
    for step in steps:
        body = body[step]
    return body


# Whole bodies, headers, credentials, methods


def _bodies(entry: Entry, route: http.Route, good: Good) -> Iterator[Cell]:
    if _is_at(entry, route):
        yield _cell(entry, route, good, known=good.known.get(""), sends=entry.sends)


def _padded(entry: Entry, route: http.Route, good: Good) -> Iterator[Cell]:
    if _is_at(entry, route):
        blanks = entry.sends - len(corpus.build({"good": "utf-8"}, good.body))
        yield _cell(entry, route, good, sends=[{"good": "utf-8"}, {"repeat": " ", "times": blanks}])


def _as_it_is(entry: Entry, route: http.Route, good: Good) -> Iterator[Cell]:
    """The good request, with the entry's own headers or credentials."""
    if _is_at(entry, route):
        yield _cell(entry, route, good)


def _methods(entry: Entry, route: http.Route, good: Good) -> Iterator[Cell]:
    if _is_at(entry, route):
        yield _cell(entry, route, good, method=entry.sends, sends=None)


def _is_at(entry: Entry, route: http.Route) -> bool:
    return any(to in ROUTE_SETS and ROUTE_SETS[to](route) for to in entry.at)


# Paths and queries


def _paths(entry: Entry, route: http.Route, good: Good) -> Iterator[Cell]:
    for name, value in good.names.items():
        if f"{name}>" not in route.path:
            continue
        text = corpus.build(entry.sends).decode().replace("$it", quote(value, safe=""))
        yield _cell(entry, route, good, place=f"<{name}>", path=address(route, good, {name: text}))


def _queries(entry: Entry, route: http.Route, good: Good) -> Iterator[Cell]:
    query = corpus.build(entry.sends).decode()
    # What tells a stranger's word from a route's own is nothing where it is its own: /api/wages has a tier.
    is_own = "&" not in query and route.query is not None and query.partition("=")[0] in route.query.fields
    if _is_at(entry, route) and not is_own:
        yield _cell(entry, route, good, path=address(route, good, query=query))


def _parameters(entry: Entry, route: http.Route, good: Good) -> Iterator[Cell]:
    for name, kind in parameters(route):
        if _takes(entry, kind):
            query = f"{name}={corpus.build(entry.sends).decode()}"
            yield _cell(
                entry,
                route,
                good,
                known=good.known.get(f"?/{name}"),
                place=f"?/{name}",
                kind=kind,
                path=address(route, good, query=query),
            )


def parameters(route: http.Route) -> list[tuple[str, str]]:
    """The parameters of a route's query, with what each takes."""
    declared = route.query.load_fields.items() if route.query is not None else ()
    found = [(name, kind_of(one, name)) for name, one in declared]
    return [*found, ("limit", "whole"), ("cursor", "cursor")] if route.paged else found


_WAYS = {
    "value": _values,
    "member": _members,
    "nested member": _nested_members,
    "body": _bodies,
    "padded": _padded,
    "header": _as_it_is,
    "token": _as_it_is,
    "method": _methods,
    "path": _paths,
    "query": _queries,
    "parameter": _parameters,
}

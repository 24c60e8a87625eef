"""What is wrong with the answer to a cell: the bars that every answer must pass, whoever sent the request and how."""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from foundation import errors, framing
from foundation.strict_json import MalformedJson
from tests.attack.cells import Cell

ERROR_BYTES_MAX = 8192
ERRORS_MAX = 20
# What the server refuses by itself: it knows no surfaces.
_BELOW = {problem.detail for problem in framing._REFUSED.values()}
_MEMBERS = {"type": str, "title": str, "status": int, "detail": str}
_UNREADABLE = f"/problems/{MalformedJson.type_name()}"


def complaints(cell: Cell, status: int, content_type: str | None, body: bytes) -> list[str]:
    """What is wrong with an answer; nothing if it is sound."""
    found = [] if status in cell.expected else [f"is {status}, not {sorted(cell.expected)}: {body[:200]!r}"]
    if cell.method == "HEAD":
        return [*found, "has a body"] if body else found
    if status >= 400:
        return [*found, *_wrong_problem(cell, status, content_type, body)]
    if content_type == "application/json":
        try:
            json.loads(body.decode(), parse_constant=_no_number)
        except ValueError as error:
            found.append(f"is JSON that others cannot read: {error}")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _wrong_problem(cell: Cell, status: int, content_type: str | None, body: bytes) -> Iterator[str]:
    if len(body) > ERROR_BYTES_MAX:
        yield f"has {len(body)} bytes of error"
    problem = a_problem(content_type, body)
    if problem is None:
        yield f"is {content_type}, no problem"
    else:
        yield from wrong_in(problem, status)
        yield from _beside_the_point(cell, status, problem)


def a_problem(content_type: str | None, body: bytes) -> dict[str, Any] | None:
    """The document, if an answer is a problem at all."""
    return json.loads(body) if content_type == "application/problem+json" else None


def wrong_in(problem: dict[str, Any], status: int) -> Iterator[str]:
    """What is wrong in a problem of ours, whatever it is about."""
    for name, kind in _MEMBERS.items():
        if not isinstance(problem.get(name), kind) or not problem[name]:
            yield f"has the {name} {problem.get(name)!r}"
    if problem.get("status") != status:
        yield f"is {status} and says {problem.get('status')}"
    if str(problem.get("type")).removeprefix("/problems/") not in errors.registry:
        yield f"has a type that is in no registry: {problem.get('type')}"
    listed = problem.get("errors", [])
    if len(listed) > ERRORS_MAX or not all({"pointer", "reason"} == set(error) for error in listed):
        yield f"lists {len(listed)} errors: {listed[:2]}"


def _beside_the_point(cell: Cell, status: int, problem: dict[str, Any]) -> Iterator[str]:
    if cell.entry.enters == "value" and cell.entry.statuses["api"] == (400,) and problem["type"] != _UNREADABLE:
        yield f"was read, and refused as {problem['type']}"
    pointers = [error["pointer"] for error in problem.get("errors", [])]
    if status == 422 and cell.place and not any(_is_about(pointer, cell.place) for pointer in pointers):
        yield f"does not point to {cell.place}: {pointers}"
    if cell.route.surface.name == "scale" and problem["detail"] not in _BELOW:
        read = (problem.get("error"), problem.get("status_code"))
        if read != (problem["detail"], status):
            yield f"has {read} for Scale's SDK"


def _is_about(pointer: str, place: str) -> bool:
    """Whether a pointer leads to a place, to what holds it, or to something in it."""
    return pointer != "" and (place.startswith(pointer) or pointer.startswith(place))

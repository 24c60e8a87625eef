"""Every route, called by everybody, about everything: what is allowed, what is refused, and what a refusal tells."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

import wsgi
from foundation import app as foundation_app
from foundation import auth, http, trail
from tests.access import matrix
from tests.access.canaries import Marks
from tests.access.matrix import ROWS, Outcome, Row
from tests.access.stage import Stage, logged
from tests.access.world import World

# Members of a problem, and those that Scale's surface and some problems add.
_PROBLEM = {"type", "title", "status", "detail", "errors[].pointer", "errors[].reason", "errors_left_out"}
_PROBLEM |= {"error", "status_code", "task_id"}
# What differs between two things that were made one after the other: ids, times, and words that were sent.
_NEW = re.compile(r"[a-z]{3}_[0-9a-z]{26}|canary[0-9a-f]{16}|\d{4}-\d\d-\d\dT[0-9:.]+Z")


@dataclass(frozen=True, slots=True)
class Played:
    """A row with all its outcomes, what they showed to somebody who may not see it, and what was logged meanwhile."""

    row: Row
    outcomes: list[Outcome]
    leaks: list[str]
    log: str


@pytest.fixture(scope="module", params=ROWS, ids=str)
def played(request: pytest.FixtureRequest, stage: Stage, marks: Marks) -> Played:
    """All cells of one row, each in a scene of its own."""
    outcomes, leaks = [], []
    with logged("debug") as log:
        for cell in matrix.cells(stage.world, request.param):
            with stage.scene() as session:
                outcome = matrix.ask(stage, cell)
                outcomes.append(outcome)
                leaks += [
                    f"{cell}: {mark}"
                    for mark in marks.found(outcome.shown, outcome.sent)
                    if not marks.may_see(session, mark, *cell.caller.viewer)
                ]
    return Played(request.param, outcomes, leaks, log.getvalue())


def test_every_cell_answers_as_it_is_declared(played: Played) -> None:
    wrong = [
        f"{one.cell}: {one.status} instead of {one.cell.expected}"
        for one in played.outcomes
        if one.status != one.cell.expected
    ]

    assert wrong == []


def test_what_is_not_yours_looks_as_if_it_were_not_there(played: Played) -> None:
    differing = [f"{caller}: {sorted(looks)}" for caller, looks in _looks(played).items() if len(looks) > 1]

    assert differing == []


def _looks(played: Played) -> dict[str, set[str]]:
    """What each caller sees of things that are not theirs; whoever may not call sees the same of everything."""
    looks = defaultdict(set)
    for one in played.outcomes:
        forbidden = one.status in {401, 403} and not played.row.open
        if forbidden or _is_anothers(played.row, one):
            shown = one.shown if one.status >= 400 else _NEW.sub("", one.shown)
            looks[f"{one.cell.caller.name} {'is refused' if forbidden else ''}"].add(shown)
    return looks


def _is_anothers(row: Row, one: Outcome) -> bool:
    others = {"foreign", "missing", "malformed"} if row.malformed is None else {"foreign", "missing"}
    return row.thing != "" and not _is_for_all(row, one.cell.caller.name) and one.cell.about in others


def _is_for_all(row: Row, caller: str) -> bool:
    """Whether it does not matter to a caller whose the thing is."""
    exception = row.exceptions.get(caller, {})
    return row.every is not None or (isinstance(exception, dict) and "every" in exception)


def test_nobody_is_shown_what_they_may_not_see(played: Played) -> None:
    assert played.leaks == []


def test_the_log_tells_nothing_private(played: Played, marks: Marks) -> None:
    told = {str(mark) for mark in marks.found(played.log) if "log" not in mark.viewers}

    assert told == set()
    assert "rk_" not in played.log.replace("rk_***", "")
    assert '"event": "request"' in played.log


def test_an_answer_has_just_the_members_that_are_declared(played: Played) -> None:
    seen = set()
    for one in played.outcomes:
        if one.status < 300 and one.is_json and played.row.shows:
            seen |= set(_members(json.loads(one.text), "", played.row.shows))

    assert seen == played.row.shows


def test_a_refusal_has_just_the_members_of_a_problem(played: Played) -> None:
    refused = [one for one in played.outcomes if one.status >= 400]

    assert all(("Content-Type", "application/problem+json") in one.headers for one in refused)
    assert {member for one in refused for member in _members(json.loads(one.text), "", ())} <= _PROBLEM


def _members(value: Any, path: str, shows: Any) -> Iterator[str]:
    """The paths of all members below a value; `a.*` in `shows` stands for whatever is below `a`."""
    everything = f"{path}.*" if path else "*"
    if everything in shows:
        yield everything
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _members(member, f"{path}.{name}" if path else name, shows)
    elif isinstance(value, list):
        for member in value:
            yield from _members(member, f"{path}[]", shows)
    else:
        yield path


def test_every_change_by_staff_is_on_the_trail_and_no_other(stage: Stage) -> None:
    changes = [cell for row in ROWS for cell in matrix.cells(stage.world, row) if row.method != "GET"]
    for cell in changes:
        if cell.expected < 300 and cell.caller.token == "" and not cell.row.case and not cell.row.open:
            staff = cell.caller.role in auth.roles and auth.roles[cell.caller.role].find is None
            with stage.scene() as session:
                before = trail.head(session).seq
                matrix.ask(stage, cell)
                told = session.execute(_TOLD, {"before": before}).all()
                assert (str(cell), told) == (str(cell), [(cell.caller.subject_id,)] if staff else [])


_TOLD = text("SELECT actor_ref FROM trail_entries WHERE seq > :before")


def test_every_route_has_a_row_and_every_row_a_route(stage: Stage) -> None:
    rules = stage.client.application.url_map.iter_rules()
    served = {f"{method} {rule.rule}" for rule in rules for method in rule.methods or () if method in _METHODS}
    declared = {f"{route.method} {route.path}" for group in wsgi.program.routes for route in group.routes}

    assert served - {row.route for row in ROWS} == set(), "routes without a row in tests/access/matrix.toml"
    assert {row.route for row in ROWS} - served == set(), "rows without a route"
    assert declared <= served


_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


def test_the_matrix_has_not_shrunk(world: World) -> None:
    assert sum(1 for row in ROWS for _ in matrix.cells(world, row)) >= 5_000


def test_what_the_matrix_calls_open_is_public_and_nothing_else_is() -> None:
    closed = {f"{route.method} {route.path}" for group in wsgi.program.routes for route in group.routes} - _public()

    assert {row.route for row in ROWS if not row.open} == closed


def _public() -> set[str]:
    routes = [route for group in wsgi.program.routes for route in group.routes]
    return {f"{route.method} {route.path}" for route in routes if route.policy.public}


def test_a_route_that_says_nothing_of_who_may_call_it_stops_the_house(stage: Stage) -> None:
    house = http.House(stage.sessions, wake=lambda: None)
    group = http.Routes("bare", "/api")
    group.blueprint.add_url_rule("/bare", "bare", lambda: "anybody")

    with pytest.raises(foundation_app.RouteWithoutPolicy, match="/api/bare"):
        foundation_app.build_app(house, [group], version="0")


def test_what_is_no_route_is_nothing_to_anybody(stage: Stage) -> None:
    for caller in stage.world.callers:
        with stage.scene():
            assert stage.send(caller, "GET", "/api/nothing").status_code == 404
            assert stage.send(caller, "DELETE", "/api/me").status_code == 405


def test_head_says_no_more_than_get(stage: Stage) -> None:
    asked = [row for row in ROWS if row.method == "GET" and not row.case]
    for cell in (cell for row in asked for cell in matrix.cells(stage.world, row)):
        if cell.caller.token in {"", "none"} and cell.about in {"own", "foreign"}:
            with stage.scene():
                outcome = matrix.ask(stage, cell, method="HEAD")
            assert (str(cell), outcome.status, outcome.text) == (str(cell), cell.expected, "")


def test_options_tells_the_methods_of_an_address_and_nothing_else(stage: Stage) -> None:
    for row in ROWS:
        for cell in [cell for cell in matrix.cells(stage.world, row) if cell.caller.name == "nobody"][:1]:
            with stage.scene():
                outcome = matrix.ask(stage, cell, method="OPTIONS")
            assert (row, outcome.status, outcome.text) == (row, 200, "")

"""That what leaves is what is documented: the matrix, the schemas and the OpenAPI document say the same."""

from collections.abc import Iterable, Iterator

import marshmallow as ma
import pytest

import wsgi
from foundation.fields import JsonObject
from foundation.http import Route
from tests.access.matrix import ROWS, Row

_ROUTES = {f"{route.method} {route.path}": route for group in wsgi.program.routes for route in group.routes}
_DESCRIBED = [row for row in ROWS if row.shows and (route := _ROUTES.get(row.route)) and route.returns is not None]


@pytest.mark.parametrize("row", _DESCRIBED, ids=str)
def test_an_answer_shows_what_its_schema_says_and_the_matrix_allows(row: Row) -> None:
    declared = set(_members_of(_ROUTES[row.route]))
    # Below these stands what callers fill, or a member for each of something.
    free = tuple(member.removesuffix("*") for member in declared if member.endswith(".*"))

    assert _outside(free, row.shows) == _outside(free, declared)


def _outside(free: tuple[str, ...], members: Iterable[str]) -> set[str]:
    return {member for member in members if not member.startswith(free)}


def _members_of(route: Route) -> Iterator[str]:
    assert route.returns is not None
    if route.paged:
        yield "next_cursor"
    yield from _members(route.returns, "items[]." if route.paged else "")


def _members(schema: ma.Schema, path: str) -> Iterator[str]:
    for name, field in schema.fields.items():
        here, inner = f"{path}{field.data_key or name}", field
        while isinstance(inner, ma.fields.List):
            here, inner = f"{here}[]", inner.inner
        if isinstance(inner, ma.fields.Nested):
            yield from _members(inner.schema, f"{here}.")
        elif isinstance(inner, JsonObject | ma.fields.Dict):
            yield f"{here}.*"
        else:
            yield here


def test_every_answer_with_members_is_declared() -> None:
    silent = {row.route for row in ROWS if not row.shows} - {row.route for row in ROWS if row.shows}

    assert silent == {
        "GET /",
        "GET /api/openapi.json",
        "GET /api/docs/",
        "GET /api/docs/<path:path>",
        "GET /api/payables.csv",
        "GET /api/payout-runs/<run_id>/file",
        "GET /api/exports/<export_id>/file",
        "GET /api/me/statements/<month>.csv",
        "GET /api/me/invoices/<invoice_id>.csv",
        "GET /api/projects/<project_id>/labels.csv",
        "GET /api/projects/<project_id>/labels.jsonl",
        "GET /metrics",
    }

"""The OpenAPI document: every declared route, as it is run."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

import wsgi
from foundation import errors, http

ROUTES = [route for group in wsgi.program.routes for route in group.routes]


@pytest.fixture
def document(client: FlaskClient) -> Any:
    """The document as it is served."""
    return client.get("/api/openapi.json").json


def _operation(document: Any, route: http.Route) -> Any:
    path = re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", route.path)
    return document["paths"][path][route.method.lower()]


def test_the_document_is_openapi_3_1(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == wsgi.VERSION


def test_the_document_holds_the_declared_routes_and_no_other(document: Any) -> None:
    operations = [one for path in document["paths"].values() for one in path.values()]

    assert len(operations) == len(ROUTES)
    assert len({one["operationId"] for one in operations}) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_is_documented_as_it_is_declared(document: Any, route: http.Route) -> None:
    operation = _operation(document, route)

    assert operation["summary"].endswith(".")
    assert str(route.status) in operation["responses"]
    assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
    assert ("requestBody" in operation) == (route.body is not None or route.upload is not None)
    assert (operation.get("security") == []) == route.policy.public
    assert all(scope in operation["description"] for scope in route.policy.scopes)
    named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
    assert named == set(re.findall(r"<(?:[a-z]+:)?([a-z_]+)>", route.path))
    assert ({"limit", "cursor"} <= {one["name"] for one in operation["parameters"]}) or not route.paged


def test_limits_and_tokens_are_documented_where_they_are_asked_for(document: Any) -> None:
    for route in ROUTES:
        responses = _operation(document, route)["responses"]
        assert ("401" in responses) == (not route.policy.public)
        assert responses["429"] == {"$ref": "#/components/responses/TooManyRequests"}
    assert "Retry-After" in document["components"]["responses"]["TooManyRequests"]["headers"]
    assert "256 kB" in document["info"]["description"]


def test_an_answer_promises_all_its_members_and_a_body_asks_for_what_it_needs(document: Any) -> None:
    schemas = document["components"]["schemas"]

    assert set(schemas["workforce.Worker"]["required"]) == set(schemas["workforce.Worker"]["properties"])
    assert schemas["workforce.NewProject"]["required"] == ["name", "rates"]
    assert "required" not in schemas["workforce.Claim"]
    assert document["paths"]["/v1/batches"]["post"]["requestBody"]["required"]
    assert not document["paths"]["/v1/task/{task_id}/cancel"]["post"]["requestBody"]["required"]


def test_a_shape_is_documented_as_it_is_checked(document: Any) -> None:
    price = document["components"]["schemas"]["workforce.Price"]["properties"]
    name = document["components"]["schemas"]["workforce.Application"]["properties"]["name"]

    assert re.fullmatch(price["amount"]["pattern"], "12.50")
    assert not re.fullmatch(price["amount"]["pattern"], "1e3")
    assert re.fullmatch(price["region"]["pattern"], "KE")
    assert re.fullmatch(name["pattern"], "Zoë 😀")
    assert not re.fullmatch(name["pattern"], "Zoë\u0085")


def test_every_reference_leads_somewhere(document: Any) -> None:
    targets = set(re.findall(r"'\$ref': '#/([^']+)'", str(document)))

    assert targets
    for target in targets:
        place = document
        for step in target.split("/"):
            place = place[step]


def test_every_type_of_problem_is_named(document: Any) -> None:
    described = document["components"]["responses"]["Problem"]["description"]

    assert all(name in described for name in errors.registry)


def test_a_key_is_offered_where_it_is_heeded(document: Any) -> None:
    for route in ROUTES:
        named = {one["name"] for one in _operation(document, route)["parameters"]}
        assert ("Idempotency-Key" in named) == (route.method != "GET" and not route.policy.public)


def test_an_answer_of_nothing_is_documented_where_it_is_promised(document: Any) -> None:
    for route in ROUTES:
        responses = _operation(document, route)["responses"]
        assert ("204" in responses) == route.or_nothing
    assert "content" not in document["paths"]["/api/claims"]["post"]["responses"]["204"]


def test_what_a_replay_withholds_is_documented(document: Any) -> None:
    operation = document["paths"]["/api/requesters"]["post"]
    (key,) = [one for one in operation["parameters"] if one["name"] == "Idempotency-Key"]
    token = document["components"]["schemas"]["workforce.RequesterWithToken"]["properties"]["token"]

    assert "null for `token`" in key["description"]
    assert "Rookery-Withheld" in operation["responses"]["201"]["headers"]
    assert token["type"] == ["string", "null"]


def test_nothing_in_the_document_names_a_python_object(document: Any) -> None:
    assert not re.search(r"<[\w.]+ object at 0x|<function ", str(document))

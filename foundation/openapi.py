"""The OpenAPI 3.1 document, made from the declared routes: what is documented is what is run."""

import re
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from foundation import errors, http
from foundation.fields import Schema

_PARAMETER = re.compile(r"<(?:(?:path|string):)?([a-z_]+)>")


def document(groups: list[http.Routes], *, version: str) -> dict[str, Any]:
    """The whole document. Operation ids are the names of the views."""
    plugin = MarshmallowPlugin(schema_name_resolver=_schema_name)
    spec = APISpec(
        title="Rookery",
        version=version,
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": "The backend of a labelling workforce.", "license": {"name": "Apache-2.0"}},
        security=[{"token": []}],
    )
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    spec.components.schema("Problem", _PROBLEM)
    spec.components.response("Problem", _problem_response())
    for group in groups:
        spec.tag({"name": group.name})
        for route in group.routes:
            spec.path(
                path=_PARAMETER.sub(r"{\1}", route.path), operations={route.method.lower(): _operation(group, route)}
            )
    return spec.to_dict()


def _schema_name(schema: Any) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return f"{kind.__module__.split('.')[0]}.{kind.__name__}"


def _operation(group: http.Routes, route: http.Route) -> dict[str, Any]:
    description = (route.view.__doc__ or "").strip()
    needs = "No token is needed." if route.policy.public else f"Scope: {' or '.join(sorted(route.policy.scopes))}."
    operation: dict[str, Any] = {
        "operationId": f"{group.name}_{route.view.__name__}",
        "tags": [group.name],
        "summary": route.summary,
        "description": f"{description}\n\n{needs}",
        "parameters": _parameters(route),
        "responses": {str(route.status): _success(route), "default": "Problem"},
    }
    if route.or_nothing:
        operation["responses"]["204"] = {"description": "There is nothing; no body."}
    if route.policy.public:
        operation["security"] = []
    if route.body is not None:
        operation["requestBody"] = {
            "required": not route.surface.empty_body,
            "content": {"application/json": {"schema": route.body}},
        }
    return operation


def _parameters(route: http.Route) -> list[Any]:
    found: list[Any] = [
        {"in": "path", "name": name, "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
    ]
    if route.takes_keys:
        found.append(_key(route))
    if route.query is not None:
        found.append({"in": "query", "schema": route.query})
    if route.paged:
        found.append({"in": "query", "name": "limit", "schema": {"type": "integer", "minimum": 1, "maximum": 200}})
        found.append({"in": "query", "name": "cursor", "schema": {"type": "string"}})
    return found


def _key(route: http.Route) -> dict[str, Any]:
    once = ", ".join(f"`{name}`" for name in route.shown_once)
    withheld = f" A replay has null for {once}, which is shown once, and names it in Rookery-Withheld." if once else ""
    return {
        "in": "header",
        "name": "Idempotency-Key",
        "schema": {"type": "string", "maxLength": 255},
        "description": f"The same key gives the same answer for 30 days, with Idempotent-Replayed: true.{withheld}",
    }


def _success(route: http.Route) -> dict[str, Any]:
    response: dict[str, Any] = {"description": route.summary}
    if route.shown_once and route.takes_keys:
        response["headers"] = {
            "Rookery-Withheld": {
                "description": "On a replay: the members that were shown once and are null here.",
                "schema": {"type": "string"},
            }
        }
    if route.content_type != "application/json":
        response["content"] = {route.content_type: {"schema": {"type": "string"}}}
    elif route.returns is not None:
        response["content"] = {
            "application/json": {"schema": _page_of(route.returns) if route.paged else route.returns}
        }
    return response


def _page_of(schema: Schema) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["items", "next_cursor"],
        "properties": {
            "items": {"type": "array", "items": schema},
            "next_cursor": {"type": ["string", "null"]},
        },
    }


_PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `type` leads to a page that explains it.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}


def _problem_response() -> dict[str, Any]:
    names = ", ".join(sorted(errors.registry))
    return {
        "description": f"A problem. Types: {names}.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }

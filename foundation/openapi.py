"""The OpenAPI 3.1 document, made from the declared routes: what is documented is what is run."""

import re
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from foundation import errors, http, idempotency, strict_json
from foundation.fields import Schema

_SCHEMA = re.compile(r"#/components/schemas/([\w.]+)")
_PARAMETER = re.compile(r"<(?:(?:path|string):)?([a-z_]+)>")


def document(groups: list[http.Routes], *, version: str) -> dict[str, Any]:
    """The whole document. Operation ids are the names of the views."""
    plugin = MarshmallowPlugin(schema_name_resolver=_schema_name)
    spec = APISpec(
        title="Rookery",
        version=version,
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": _DESCRIPTION, "license": {"name": "Apache-2.0"}},
        security=[{"token": []}],
    )
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    spec.components.schema("Problem", _PROBLEM)
    spec.components.response("Problem", _problem_response())
    spec.components.response("TokenNeeded", _TOKEN_NEEDED)
    spec.components.response("TooManyRequests", _TOO_MANY_REQUESTS)
    for group in groups:
        spec.tag({"name": group.name})
        for route in group.routes:
            spec.path(
                path=_PARAMETER.sub(r"{\1}", route.path), operations={route.method.lower(): _operation(group, route)}
            )
    made = spec.to_dict()
    _require_what_is_sent(made)
    return made


def _require_what_is_sent(made: dict[str, Any]) -> None:
    """An answer has all its members, always; what is sent to us says itself what it needs."""
    operations = [operation for path in made["paths"].values() for operation in path.values()]
    schemas = made["components"]["schemas"]
    asked = _mentioned([operation.get("requestBody") for operation in operations], schemas)
    for name in _mentioned([operation["responses"] for operation in operations], schemas) - asked - {"Problem"}:
        schemas[name]["required"] = sorted(schemas[name]["properties"])


def _mentioned(place: Any, schemas: dict[str, Any]) -> set[str]:
    """The names of the schemas that are mentioned in a place, and in those schemas themselves."""
    found: set[str] = set()
    new = set(_SCHEMA.findall(str(place)))
    while new:
        found |= new
        new = set(_SCHEMA.findall(str([schemas[name] for name in new]))) - found
    return found


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
        "responses": {str(route.status): _success(route), "429": "TooManyRequests", "default": "Problem"},
    }
    if route.or_nothing:
        operation["responses"]["204"] = {"description": "There is nothing; no body."}
    if route.policy.public:
        operation["security"] = []
    else:
        operation["responses"]["401"] = "TokenNeeded"
    if route.body is not None:
        needed = any(field.required for field in route.body.fields.values())
        operation["requestBody"] = {
            "required": needed or not route.surface.empty_body,
            "content": {"application/json": {"schema": route.body}},
        }
    if route.upload is not None:
        operation["requestBody"] = {
            "required": True,
            "description": f"The file as it is, of at most {route.upload.bytes_max} bytes.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
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
        found.append({"in": "query", "schema": http.PageQuery})
    return found


def _key(route: http.Route) -> dict[str, Any]:
    once = ", ".join(f"`{name}`" for name in route.shown_once)
    withheld = f" A replay has null for {once}, which is shown once, and names it in Rookery-Withheld." if once else ""
    return {
        "in": "header",
        "name": "Idempotency-Key",
        "schema": {"type": "string", "pattern": f"^{idempotency.KEY.pattern}$"},
        "description": f"The same key gives the same answer for 30 days, with Idempotent-Replayed: true.{withheld}",
    }


def _success(route: http.Route) -> dict[str, Any]:
    response: dict[str, Any] = {"description": route.summary, "headers": dict(_RATE_LIMIT)}
    if route.shown_once and route.takes_keys:
        response["headers"]["Rookery-Withheld"] = {
            "description": "On a replay: the members that were shown once and are null here.",
            "schema": {"type": "string"},
        }
    if route.file_types:
        response["content"] = {each: {"schema": {"type": "string"}} for each in route.file_types}
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


_DESCRIPTION = f"""The backend of a labelling workforce.

A body is JSON in UTF-8 of at most {http.BODY_MAX // 1024} kB, nested at most {strict_json.DEPTH_MAX} deep. A list has
at most {strict_json.ITEMS_MAX:,} items and an object {strict_json.KEYS_MAX:,} keys, none twice. A number lies between
-(2^53 - 1) and 2^53 - 1, and an integer is written as one. No text holds U+0000.

Requests are counted; `RateLimit` and `RateLimit-Policy` say how many are left.
"""
_RATE_LIMIT = {
    "RateLimit": {"description": "How many requests are left, and for how many seconds.", "schema": {"type": "string"}},
    "RateLimit-Policy": {"description": "How many there are in how many seconds.", "schema": {"type": "string"}},
}
_AS_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_TOKEN_NEEDED = {
    "description": "There is no token, or it is not valid.",
    "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
    "content": _AS_PROBLEM,
}
_TOO_MANY_REQUESTS = {
    "description": "Beyond a limit.",
    "headers": {
        **_RATE_LIMIT,
        "Retry-After": {"description": "Seconds until the next window.", "schema": {"type": "integer"}},
    },
    "content": _AS_PROBLEM,
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
        "content": _AS_PROBLEM,
    }

"""build_app(): routes, problems for every error, documentation, health. Flask is configured here and nowhere else."""

import os
import signal
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, redirect, request
from flask_swagger_ui import get_swaggerui_blueprint
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import RequestRedirect

from foundation import db, errors, http, ids, metrics, openapi
from foundation.errors import Problem

_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
_DOCS = "/api/docs"

log = structlog.get_logger()


class StorageUnavailable(errors.Unavailable):
    """The database cannot answer just now."""


class RouteWithoutPolicy(Exception):
    """A route was mounted past `http.Routes`, so nobody said who may call it."""


def build_app(house: http.House, groups: Sequence[http.Routes], *, version: str) -> Flask:
    """The WSGI application. Fails if any address exists without a declared policy."""
    app = Flask("rookery", static_folder=None)
    # One more than allowed, so that `http` can tell a body that ends at the limit from one that was cut there.
    app.config["MAX_CONTENT_LENGTH"] = http.BODY_MAX + 1
    app.url_map.merge_slashes = False
    app.extensions["rookery"] = house
    for group in groups:
        app.register_blueprint(group.blueprint)
    open_endpoints = _mount_docs(app, list(groups), version) | _mount_health(app)
    _check_policies(app, groups, open_endpoints)
    surfaces = {group.blueprint.name: group.surface for group in groups}
    prefixes = [(group.prefix + "/", group.surface) for group in groups if group.surface.name != "api"]

    def surface() -> http.Surface:
        if request.blueprint in surfaces:
            return surfaces[request.blueprint]
        return next((found for prefix, found in prefixes if request.path.startswith(prefix)), http.Surface())

    def answer(problem: Problem) -> Response:
        return http.problem_response(problem, surface().extend(problem))

    app.register_error_handler(Problem, answer)
    app.register_error_handler(HTTPException, lambda error: _from_http(error, answer))
    app.register_error_handler(SQLAlchemyError, lambda error: answer(_from_storage(error)))
    app.register_error_handler(Exception, lambda error: answer(_from_bug(error)))
    app.before_request(_begin)
    app.after_request(_finish)
    app.teardown_request(lambda _error: structlog.contextvars.clear_contextvars())
    return app


def _from_http(error: HTTPException, answer: Any) -> Any:
    if isinstance(error, RequestRedirect):
        return answer(errors.from_status(404, "There is no such address; mind the slash at its end."))
    headers = {
        name: value for name, value in error.get_headers() if name in {"Allow", "Retry-After", "WWW-Authenticate"}
    }
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = _methods()
    if isinstance(error, NotFound):
        return answer(errors.from_status(404, f"There is no such address. All of them are listed at {_DOCS}/."))
    return answer(errors.from_status(error.code or 500, error.description or error.name, headers))


def _methods() -> str:
    """What the address of this request knows.

    Werkzeug's own list has what `/batches/<path:name>` knows also for `/batches/x/finalize`, which is no batch's name.
    """
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None, "there is a request"
    rule, _ = adapter.match(method="OPTIONS", return_rule=True)
    rules = current_app.url_map.iter_rules()
    return ", ".join(sorted({method for one in rules if one.rule == rule.rule for method in one.methods or ()}))


def _from_storage(error: SQLAlchemyError) -> Problem:
    if db.is_passing(error):
        log.warning("database unavailable", sqlstate=db.sqlstate(error), error=type(error).__name__)
        return StorageUnavailable("Nothing was changed. Try again shortly.", headers={"Retry-After": "1"})
    return _from_bug(error)


def _from_bug(error: Exception) -> Problem:
    # By its rule: in a path may stand what people call their projects.
    log.error("unexpected failure", route=request.url_rule.rule if request.url_rule else None, exc_info=error)
    if isinstance(error, MemoryError):
        # Nobody knows what has grown. The process answers what it has received and makes room for a new one.
        os.kill(os.getpid(), signal.SIGTERM)
    return errors.Internal("This is our fault, it is logged, and nothing was changed.")


def _begin() -> Response | None:
    g.started, g.request_id = time.perf_counter(), ids.new("rqs")
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    if request.environ.get("PATH_INFO", "").startswith("//"):
        # Werkzeug would take all slashes at the beginning for one, and this for another name of a real address.
        raise errors.NotFound("There is no such address; it begins with two slashes.")
    if request.method == "OPTIONS" and request.url_rule is not None:
        return Response(headers={"Allow": _methods()})
    return None


def _finish(response: Response) -> Response:
    for name, value in _SAFE_HEADERS.items():
        # The documentation's files bring a Cache-Control of their own.
        response.headers.setdefault(name, value)
    response.headers["Rookery-Request-Id"] = g.request_id
    for standing in g.get("standings", {}).values():
        for name, value in standing.headers().items():
            response.headers.add(name, value)
    if not request.path.startswith(_DOCS):
        response.headers["Content-Security-Policy"] = "default-src 'none'"
    _observe(response.status_code, time.perf_counter() - g.started)
    return response


def _observe(status: int, seconds: float) -> None:
    # A stranger may invent addresses and methods: what matches no rule counts as one.
    method, route = (request.method, request.url_rule.rule) if request.url_rule else ("", "")
    metrics.requests.labels(method, route, status).inc()
    metrics.request_seconds.labels(route).observe(seconds)
    log.info("request", method=request.method, route=route or None, status=status, ms=round(seconds * 1000, 1))


def _check_policies(app: Flask, groups: Sequence[http.Routes], open_endpoints: set[str]) -> None:
    declared = {f"{group.name}.{rule}" for group in groups for rule in _endpoints(group)}
    for rule in app.url_map.iter_rules():
        if rule.endpoint not in declared | open_endpoints:
            raise RouteWithoutPolicy(f"{rule.rule} has no declared policy; declare it with http.Routes.")


def _endpoints(group: http.Routes) -> list[str]:
    return [f"{route.method.lower()}_{route.view.__name__}" for route in group.routes]


def _mount_health(app: Flask) -> set[str]:
    def health() -> Response:
        return _json({"status": "up"})

    def ready() -> Response:
        house: http.House = current_app.extensions["rookery"]
        with house.sessions() as session:
            session.execute(text("SELECT 1 FROM signing_keys"))
        return _json({"status": "ready"})

    app.add_url_rule("/health", "health", health)
    app.add_url_rule("/ready", "ready", ready)
    return {"health", "ready"}


def _mount_docs(app: Flask, groups: list[http.Routes], version: str) -> set[str]:
    @cache
    def specification() -> bytes:
        # Most processes are never asked for it.
        return http.dump(openapi.document(groups, version=version))

    def problems() -> Response:
        listed = sorted(errors.registry.items())
        return _json({"items": [{"type": f"/problems/{name}", **_explain(kind)} for name, kind in listed]})

    def problem(name: str) -> Response:
        if name not in errors.registry:
            raise errors.NotFound("There is no such problem type.")
        return _json({"type": f"/problems/{name}", **_explain(errors.registry[name])})

    app.add_url_rule("/", "root", lambda: redirect(_DOCS + "/"))
    app.add_url_rule("/api/openapi.json", "openapi", lambda: Response(specification(), content_type="application/json"))
    app.add_url_rule("/problems", "problems", problems)
    app.add_url_rule("/problems/<name>", "problem", problem)
    page = get_swaggerui_blueprint(_DOCS, "/api/openapi.json", config={"app_name": "Rookery", "validatorUrl": None})
    app.register_blueprint(page)
    return {"root", "openapi", "problems", "problem"} | {
        rule.endpoint for rule in app.url_map.iter_rules() if rule.endpoint.startswith(f"{page.name}.")
    }


def _explain(kind: type[Problem]) -> dict[str, Any]:
    return {"title": kind.title(), "status": kind.status}


def _json(document: Any) -> Response:
    return Response(http.dump(document), content_type="application/json")

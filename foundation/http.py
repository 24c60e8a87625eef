"""A request's whole way: policy, strict reading, one transaction, the answer. The only place that commits requests.

A route is declared with everything it promises; what is missing fails at import, so no route exists without a
policy. The view gets a `Call` and is three lines: parse, call, serialise.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

import marshmallow as ma
from flask import Blueprint, Response, current_app, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from foundation import auth, idempotency, outbox, pagination, strict_json
from foundation.errors import BadRequest, ContentTooLarge, Invalid, NotFound, Problem, UnsupportedMediaType, invalid
from foundation.fields import QueryInteger, Schema, Text

BODY_MAX = 256 * 1024
_TRANSACTION_TRIES = 3
# Serialization failure and deadlock: the transaction did nothing and may simply run again.
_RETRYABLE = {"40001", "40P01"}
_UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}

View = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class House:
    """What a request needs from the composition root."""

    sessions: sessionmaker[Session]
    wake: Callable[[], None]


@dataclass(slots=True)
class Call:
    """One request as its view sees it: a session, the caller, and input that has been checked."""

    db: Session
    actor: auth.Actor
    body: Any = None
    query: dict[str, Any] = field(default_factory=dict)
    page: pagination.PageRequest = field(default_factory=lambda: pagination.PageRequest(pagination.LIMIT_DEFAULT))


@dataclass(frozen=True, slots=True)
class Surface:
    """Whose rules a group of routes follows. The house's own is the default; dialects bring theirs."""

    name: str = "api"
    # Unknown keys and repeated query parameters are kept instead of refused.
    lenient: bool = False
    # An empty body with a JSON type counts as an empty object.
    empty_body: bool = False
    # Extension members that this surface's clients read on a problem.
    extend: Callable[[Problem], dict[str, Any]] = lambda _problem: {}


@dataclass(frozen=True, slots=True)
class Route:
    """What one method of one address takes, gives and demands."""

    method: str
    path: str
    view: View
    policy: auth.Policy
    body: Schema | None
    query: Schema | None
    returns: Schema | None
    status: int
    paged: bool
    key: Literal["optional", "required"]
    content_type: str
    surface: Surface

    @property
    def summary(self) -> str:
        return (self.view.__doc__ or "").strip().splitlines()[0]


class _PageQuery(Schema):
    limit = QueryInteger(least=1, most=pagination.LIMIT_MAX)
    cursor = Text(longest=300)


class Routes:
    """The routes of one package on one surface; `wsgi.py` lists them and `app.py` mounts them."""

    def __init__(self, name: str, prefix: str, surface: Surface | None = None) -> None:
        self.blueprint = Blueprint(name, name, url_prefix=prefix)
        self.name, self.prefix, self.surface = name, prefix, surface or Surface()
        self.routes: list[Route] = []

    def get(self, path: str, **promises: Any) -> Callable[[View], View]:
        return self._route("GET", path, **promises)

    def post(self, path: str, **promises: Any) -> Callable[[View], View]:
        return self._route("POST", path, **promises)

    def put(self, path: str, **promises: Any) -> Callable[[View], View]:
        return self._route("PUT", path, **promises)

    def delete(self, path: str, **promises: Any) -> Callable[[View], View]:
        return self._route("DELETE", path, **promises)

    def _route(
        self,
        method: str,
        path: str,
        *,
        allow: auth.Policy,
        body: type[Schema] | None = None,
        query: type[Schema] | None = None,
        returns: type[Schema] | None = None,
        status: int = 200,
        paged: bool = False,
        key: Literal["optional", "required"] = "optional",
        content_type: str = "application/json",
    ) -> Callable[[View], View]:
        unknown: Literal["include", "raise"] = "include" if self.surface.lenient else "raise"

        def declare(view: View) -> View:
            route = Route(
                method=method,
                path=self.prefix + path,
                view=view,
                policy=allow,
                body=body(unknown=unknown) if body else None,
                query=query(unknown="exclude" if self.surface.lenient else "raise") if query else None,
                returns=returns() if returns else None,
                status=status,
                paged=paged,
                key=key,
                content_type=content_type,
                surface=self.surface,
            )
            self.routes.append(route)
            endpoint = f"{method.lower()}_{view.__name__}"
            self.blueprint.add_url_rule(path, endpoint, lambda **values: _handle(route, values), methods=[method])
            return view

        return declare


def _handle(route: Route, values: Mapping[str, str]) -> Response:
    house: House = current_app.extensions["rookery"]
    tries_left = _TRANSACTION_TRIES
    while True:
        tries_left -= 1
        try:
            with house.sessions() as db:
                response = _answer(db, route, values)
                if response.status_code < 400:
                    db.commit()
                told = outbox.was_told(db) and response.status_code < 400
        except DBAPIError as error:
            if tries_left and getattr(error.orig, "sqlstate", None) in _RETRYABLE:
                continue
            raise
        if told:
            house.wake()
        return response


def _answer(db: Session, route: Route, values: Mapping[str, str]) -> Response:
    actor = auth.NOBODY
    if not route.policy.public:
        actor = auth.authenticate(db, request.headers.get("Authorization"))
        auth.require(actor, route.policy)
    if any("\x00" in value for value in values.values()):
        raise NotFound("There is nothing with such a name or id.")
    key = _key(route)
    raw = _raw_body() if route.method in _UNSAFE else b""
    call = Call(db=db, actor=actor, body=_body(route, raw))
    _read_query(route, call)
    if key is not None:
        target = f"{route.method} {request.full_path}\n".encode()
        replay = idempotency.begin(db, actor.subject_id, key, target + raw)
        if replay is not None:
            return _response(route, replay.status, replay.body, {"Idempotent-Replayed": "true"})
    result = route.view(call, **values)
    if isinstance(result, Response):
        return result
    status = 204 if result is None else route.status
    body, headers = _serialise(db, route, call, result)
    if key is not None:
        idempotency.finish(db, actor.subject_id, key, status=status, body=body)
    return _response(route, status, body, headers)


def _key(route: Route) -> str | None:
    # Strangers own no keys: with a guessed one, anybody would be handed the answer that another stranger got.
    if route.method not in _UNSAFE or route.policy.public:
        return None
    key = request.headers.get("Idempotency-Key")
    if key is None and route.key == "required":
        raise idempotency.IdempotencyKeyRequired("Send an Idempotency-Key, so that a retry cannot do this twice.")
    return key


def _raw_body() -> bytes:
    if request.content_length is not None and request.content_length > BODY_MAX:
        raise ContentTooLarge(f"A body may have at most {BODY_MAX} bytes.")
    # Kept on the request: a transaction that is tried again reads the same body.
    raw = request.get_data()
    # A chunked body says no length beforehand, and the stream is cut silently one byte past the limit.
    if len(raw) > BODY_MAX:
        raise ContentTooLarge(f"A body may have at most {BODY_MAX} bytes.")
    return raw


def _body(route: Route, raw: bytes) -> Any:
    if route.method not in _UNSAFE:
        return None
    if route.body is None:
        if raw.strip() not in {b"", b"{}"}:
            raise Invalid("This address takes no body.")
        return None
    if not raw.strip() and route.surface.empty_body:
        return load(route.body, {})
    if request.mimetype != "application/json" or request.mimetype_params.get("charset", "utf-8").lower() != "utf-8":
        raise UnsupportedMediaType("Send the body as application/json in UTF-8.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType("Send the body without a Content-Encoding.")
    if not raw.strip():
        raise BadRequest("Send a JSON object as the body.")
    return load(route.body, strict_json.read(raw))


def load(schema: Schema, value: Any) -> Any:
    """A value checked against a schema. Raises `Invalid` with a JSON pointer for every place."""
    try:
        return schema.load(value)
    except ma.ValidationError as error:
        raise invalid(error.messages) from error


def _read_query(route: Route, call: Call) -> None:
    names = list(request.args)
    if not route.surface.lenient:
        for name in names:
            if len(request.args.getlist(name)) > 1:
                raise invalid({name: ["Is given more than once."]}, within="?")
    given = {name: request.args[name] for name in names}
    paging = {name: given.pop(name) for name in ("limit", "cursor") if route.paged and name in given}
    if route.query is not None:
        call.query = load(route.query, given)
    elif given and not route.surface.lenient:
        raise invalid({name: ["Is not a parameter of this address."] for name in given}, within="?")
    if route.paged:
        call.page = _page(call, load(_PageQuery(), paging))


def _page(call: Call, paging: Mapping[str, Any]) -> pagination.PageRequest:
    after = None
    if "cursor" in paging:
        secret = pagination.signing_secret(call.db)
        after = pagination.unseal(secret, paging["cursor"], _list_context(call))
    return pagination.PageRequest(limit=paging.get("limit", pagination.LIMIT_DEFAULT), after=after)


def _list_context(call: Call) -> str:
    """What a cursor is bound to: the caller, the address and the filter."""
    return json.dumps([call.actor.subject_id, request.path, sorted(map(str, call.query.items()))])


def _serialise(db: Session, route: Route, call: Call, result: Any) -> tuple[bytes, dict[str, str]]:
    if route.returns is None or result is None:
        return b"" if result is None else dump(result), {}
    if not route.paged:
        return dump(route.returns.dump(result)), {}
    document: dict[str, Any] = {"items": route.returns.dump(result.items, many=True), "next_cursor": None}
    headers = {}
    if result.last is not None:
        cursor = pagination.seal(pagination.signing_secret(db), result.last, _list_context(call))
        document["next_cursor"] = cursor
        following = {**call_args(), "cursor": cursor}
        target = "&".join(f"{name}={value}" for name, value in following.items())
        headers["Link"] = f'<{request.path}?{target}>; rel="next"'
    return dump(document), headers


def call_args() -> dict[str, str]:
    """The request's own query parameters as they came, percent-encoded again."""
    return {quote(name): quote(value) for name, value in request.args.items()}


def dump(value: Any) -> bytes:
    """JSON as it is sent: compact, UTF-8, never NaN."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _response(route: Route, status: int, body: bytes, headers: Mapping[str, str]) -> Response:
    response = Response(body, status=status, headers=headers)
    if body:
        response.content_type = route.content_type
    return response


def problem_response(problem: Problem, extensions: Mapping[str, Any]) -> Response:
    """A problem as its response, on every surface."""
    response = Response(dump({**problem.body(), **extensions}), status=problem.status)
    response.content_type = "application/problem+json"
    response.headers.update(problem.headers)
    return response


def all_routes(groups: Sequence[Routes]) -> list[Route]:
    """Every declared route of the house."""
    return [route for group in groups for route in group.routes]

"""A request's whole way: its bytes, then one transaction of policy, strict reading and view. Only here requests commit.

A route is declared with everything it promises; what is missing fails at import, so no route exists without a
policy. The view gets a `Call` and is three lines: parse, call, serialise.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, Literal
from urllib.parse import quote, unquote_to_bytes

import marshmallow as ma
import structlog
from flask import Blueprint, Response, current_app, g, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from foundation import auth, idempotency, outbox, pagination, strict_json, trail, worlds
from foundation.errors import (
    BadRequest,
    ContentTooLarge,
    Invalid,
    NotFound,
    Problem,
    Unauthorized,
    UnsupportedMediaType,
    invalid,
)
from foundation.fields import QueryInteger, Schema, Text
from foundation.limits import STRANGERS, Limit, Limits, Standing, address_key
from foundation.worlds import World

BODY_MAX = 256 * 1024
# Of a file that is sent as a body so much is kept in memory; the rest waits on the disk.
_FILE_BYTES_IN_MEMORY = 64 * 1024
_CHUNK = 64 * 1024
_TRANSACTION_TRIES = 3
# Serialization failure and deadlock: the transaction did nothing and may simply run again.
_RETRYABLE = {"40001", "40P01"}
_JSON = "application/json"

View = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class House:
    """What a request needs from the composition root."""

    sessions: sessionmaker[Session]
    wake: Callable[[], None]
    limits: Limits = field(default_factory=Limits)
    # Of the test world, if there is one.
    test_sessions: Callable[[], AbstractContextManager[Session]] | None = None

    def sessions_in(self, world: World) -> Callable[[], AbstractContextManager[Session]]:
        """Where a request of a world is answered. Without a test world its tokens are unknown in the live one."""
        return self.test_sessions if world is World.TEST and self.test_sessions is not None else self.sessions


@dataclass(slots=True)
class Call:
    """One request as its view sees it: a session, the caller, and input that has been checked."""

    db: Session
    actor: auth.Actor
    body: Any = None
    # What was sent to a route that takes a file, at its beginning.
    file: IO[bytes] | None = None
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
class Upload:
    """That a route's body is a file, taken as it is, of whatever type; at most so many bytes."""

    bytes_max: int


# By address: the server must know beforehand where more than `BODY_MAX` may come.
uploads: dict[str, Upload] = {}


@dataclass(frozen=True, slots=True)
class Route:
    """What one method of one address takes, gives and demands."""

    name: str
    method: str
    path: str
    view: View
    policy: auth.Policy
    # Beside the limit of the caller's role: how often one subject, or one stranger's address, may call this.
    quota: Limit | None
    body: Schema | None
    upload: Upload | None
    query: Schema | None
    returns: Schema | None
    status: int
    paged: bool
    # The view may return None: a 204, "there is nothing".
    or_nothing: bool
    # Members of the answer that no replay repeats.
    shown_once: tuple[str, ...]
    # Members of the body that the trail keeps no word of: what is somebody's own would stay there for ever.
    private: tuple[str, ...]
    # Those of the file that the view answers with; none: it answers JSON.
    file_types: tuple[str, ...]
    surface: Surface

    def __post_init__(self) -> None:
        if self.file_types and self.changes:
            raise RouteUnsound(f"{self.method} {self.path} must answer JSON: nothing else can be stored and replayed.")
        if self.upload is not None and (self.body is not None or not self.changes or "<" in self.path):
            raise RouteUnsound(f"{self.method} {self.path} takes a file: as its only body, at one address.")
        if unknown := set(self.shown_once) - set(self.returns.fields if self.returns else ()):
            raise RouteUnsound(f"{self.method} {self.path} does not return {', '.join(sorted(unknown))}.")
        if unknown := set(self.private) - set(self.body.fields if self.body else ()):
            raise RouteUnsound(f"{self.method} {self.path} does not take {', '.join(sorted(unknown))}.")

    @property
    def changes(self) -> bool:
        """Whether the route may change anything, and so reads a body and heeds a key."""
        return self.method != "GET"

    @property
    def takes_keys(self) -> bool:
        """Whether an Idempotency-Key is heeded here.

        Strangers own no keys: with a guessed one, anybody would be handed the answer that another stranger got.
        """
        return self.changes and not self.policy.public

    @property
    def summary(self) -> str:
        return (self.view.__doc__ or "").strip().splitlines()[0]


class RouteUnsound(Exception):
    """A route was declared with promises that cannot be kept."""


class PageQuery(Schema):
    """Which part of a list."""

    limit = QueryInteger(least=1, most=pagination.LIMIT_MAX)
    cursor = Text(longest=300, metadata={"description": "From the page before: `next_cursor`."})


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

    def _route(
        self,
        method: str,
        path: str,
        *,
        allow: auth.Policy,
        quota: Limit | None = None,
        body: type[Schema] | None = None,
        upload: Upload | None = None,
        query: type[Schema] | None = None,
        returns: type[Schema] | None = None,
        status: int = 200,
        paged: bool = False,
        or_nothing: bool = False,
        shown_once: tuple[str, ...] = (),
        private: tuple[str, ...] = (),
        file_types: tuple[str, ...] = (),
    ) -> Callable[[View], View]:
        unknown: Literal["include", "raise"] = "include" if self.surface.lenient else "raise"

        def declare(view: View) -> View:
            route = Route(
                name=f"{self.name}.{view.__name__}",
                method=method,
                path=self.prefix + path,
                view=view,
                policy=allow,
                quota=quota,
                body=body(unknown=unknown) if body else None,
                upload=upload,
                query=query(unknown="exclude" if self.surface.lenient else "raise") if query else None,
                returns=returns() if returns else None,
                status=status,
                paged=paged,
                or_nothing=or_nothing,
                shown_once=shown_once,
                private=private,
                file_types=file_types,
                surface=self.surface,
            )
            self.routes.append(route)
            if upload is not None:
                uploads[route.path] = upload
            endpoint = f"{method.lower()}_{view.__name__}"
            self.blueprint.add_url_rule(path, endpoint, lambda **values: _handle(route, values), methods=[method])
            return view

        return declare


def _handle(route: Route, values: Mapping[str, str]) -> Response:
    # A client may take its time to send: no session is held for it. A transaction that is tried again has it already.
    with _received(route) as sent:
        return _try(route, values, sent)


def _try(route: Route, values: Mapping[str, str], sent: "_Sent") -> Response:
    house: House = current_app.extensions["rookery"]
    sessions = house.sessions_in(_world())
    tries_left = _TRANSACTION_TRIES
    while True:
        tries_left -= 1
        try:
            with sessions() as db:
                response = _answer(db, house.limits, route, values, sent)
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


@dataclass(frozen=True, slots=True)
class _Sent:
    """A body. raw : what was sent, or what a file that was sent is told by: its hash and length."""

    raw: bytes = b""
    file: IO[bytes] | None = None
    n_bytes: int = 0


@contextmanager
def _received(route: Route) -> Iterator[_Sent]:
    """The body as it was sent, or its beginning if that is too long already; `_body` refuses it then."""
    longest = route.upload.bytes_max if route.upload is not None else BODY_MAX
    if not route.changes or (request.content_length or 0) > longest:
        yield _Sent()
    elif route.upload is None:
        # A chunked body says no length beforehand, and the stream is cut silently one byte past the limit.
        raw = request.get_data()
        yield _Sent(raw, n_bytes=len(raw))
    else:
        request.max_content_length = longest + 1
        with tempfile.SpooledTemporaryFile(max_size=_FILE_BYTES_IN_MEMORY) as file:
            yield _spool(file)


def _spool(file: IO[bytes]) -> _Sent:
    """What is being sent, in a file, with what it is told by afterwards."""
    digest, n_bytes = hashlib.sha256(), 0
    while chunk := request.stream.read(_CHUNK):
        digest.update(chunk)
        file.write(chunk)
        n_bytes += len(chunk)
    return _Sent(dump({"sha256": digest.hexdigest(), "bytes": n_bytes}), file, n_bytes)


def _answer(db: Session, limits: Limits, route: Route, values: Mapping[str, str], sent: _Sent) -> Response:
    actor = _admit(db, limits, route)
    if any("\x00" in value for value in values.values()) or not _is_utf8(_path()):
        raise NotFound("There is nothing with such a name or id.")
    key = request.headers.get("Idempotency-Key") if route.takes_keys else None
    call = Call(db=db, actor=actor, body=_body(route, sent), file=sent.file)
    _read_query(route, call)
    if key is not None:
        target = f"{route.method} {request.full_path}\n".encode()
        replay = idempotency.begin(db, actor.person, key, target + sent.raw)
        if replay is not None:
            return _replayed(route, replay)
    result = route.view(call, **values)
    if isinstance(result, Response):
        assert route.file_types, "only a route that declares what file it gives answers with a response"
        return result
    assert result is not None or route.or_nothing, "only a route that declares it answers with nothing"
    status = 204 if result is None else route.status
    document, headers = _serialise(db, route, call, result)
    if route.changes and auth.is_staff(actor):
        trail.record(db, actor, route.name, target=request.path, details=_recorded(route, sent))
    if key is not None:
        idempotency.finish(db, actor.person, key, status=status, body=_body_of(_withheld(route, document)))
    return _response(status, _body_of(document), headers)


def _admit(db: Session, limits: Limits, route: Route) -> auth.Actor:
    """Who calls, if they may call this and have not called too often."""
    actor, address = auth.NOBODY, address_key(request.remote_addr)
    if route.policy.public:
        _count(limits, STRANGERS, address)
        if _world() is World.TEST:
            raise worlds.LiveWorldAlone("Nobody applies or comes to be tried; send no token here.")
    else:
        try:
            actor = auth.authenticate(db, request.headers.get("Authorization"))
        except Unauthorized:
            _count(limits, STRANGERS, address)
            raise
        structlog.contextvars.bind_contextvars(token_id=actor.token_id)
        _count(limits, auth.roles[actor.role].limit, actor.token_id)
        auth.require(actor, route.policy, changes=route.changes)
        if route.policy.world is not None:
            worlds.require(db, route.policy.world)
    if route.quota is not None:
        _count(limits, route.quota, address if route.policy.public else actor.subject_id)
    return actor


def _world() -> World:
    return auth.world_of(request.headers.get("Authorization"))


def _count(limits: Limits, limit: Limit, caller: str) -> None:
    # Once for each request, however often its transaction is tried; `app` puts the standings into the headers.
    standings: dict[str, Standing] = g.setdefault("standings", {})
    if limit.name not in standings:
        standings[limit.name] = limits.take(limit, caller)


def _replayed(route: Route, replay: idempotency.Replay) -> Response:
    headers = {"Idempotent-Replayed": "true"}
    if route.shown_once:
        headers["Rookery-Withheld"] = ", ".join(route.shown_once)
    return _response(replay.status, replay.body, headers)


def _withheld(route: Route, document: Any) -> Any:
    """An answer as it may be stored: what is shown once stands in no table, not even for the time of a key."""
    if document is None or not route.shown_once:
        return document
    return {**document, **dict.fromkeys(route.shown_once)}


def _recorded(route: Route, sent: _Sent) -> str:
    """A body as the trail keeps it."""
    if not route.private:
        return sent.raw.decode()
    given = strict_json.read(sent.raw)
    return dump({**given, **dict.fromkeys(set(route.private) & set(given), "***")}).decode()


def _body(route: Route, sent: _Sent) -> Any:
    if not route.changes:
        return None
    raw, longest = sent.raw, route.upload.bytes_max if route.upload is not None else BODY_MAX
    if max(sent.n_bytes, request.content_length or 0) > longest:
        raise ContentTooLarge(f"A body may have at most {longest} bytes here.")
    if route.upload is not None:
        return _check_file(sent)
    if route.body is None:
        if raw.strip() not in {b"", b"{}"}:
            raise Invalid("This address takes no body.")
        return None
    if not raw.strip() and route.surface.empty_body:
        return load(route.body, {})
    if request.mimetype != _JSON or request.mimetype_params.get("charset", "utf-8").lower() != "utf-8":
        raise UnsupportedMediaType("Send the body as application/json in UTF-8.")
    _refuse_encoded()
    if not raw.strip():
        raise BadRequest("Send a JSON object as the body.")
    return load(route.body, strict_json.read(raw))


def _check_file(sent: _Sent) -> None:
    _refuse_encoded()
    if sent.file is None or not sent.n_bytes:
        raise BadRequest("Send the file as the body.")
    # Of a transaction that is tried again it has been read.
    sent.file.seek(0)


def _refuse_encoded() -> None:
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType("Send the body without a Content-Encoding.")


def load(schema: Schema, value: Any, *, within: str = "") -> Any:
    """A value checked against a schema. Raises `Invalid` with a JSON pointer, below `within`, for every place."""
    try:
        return schema.load(value)
    except ma.ValidationError as error:
        raise invalid(error.messages, within=within) from error


def _read_query(route: Route, call: Call) -> None:
    # Werkzeug puts U+FFFD where it cannot read: one name for many, and maybe the name of something else.
    if not _is_utf8(unquote_to_bytes(request.query_string)):
        raise BadRequest("The query is not UTF-8.")
    names = list(request.args)
    if not route.surface.lenient:
        for name in names:
            if len(request.args.getlist(name)) > 1:
                raise invalid({name: ["Is given more than once."]}, within="?")
    given = {name: request.args[name] for name in names}
    paging = {name: given.pop(name) for name in ("limit", "cursor") if route.paged and name in given}
    if route.query is not None:
        call.query = load(route.query, given, within="?")
    elif given and not route.surface.lenient:
        raise invalid({name: ["Is not a parameter of this address."] for name in given}, within="?")
    if route.paged:
        call.page = _page(call, load(PageQuery(), paging, within="?"))


def _path() -> bytes:
    """The path as it was sent: a server hands its bytes on as characters."""
    sent: str = request.environ["PATH_INFO"]
    return sent.encode("latin-1")


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _page(call: Call, paging: Mapping[str, Any]) -> pagination.PageRequest:
    after = None
    if "cursor" in paging:
        secret = pagination.signing_secret(call.db)
        after = pagination.unseal(secret, paging["cursor"], _list_context(call))
    return pagination.PageRequest(limit=paging.get("limit", pagination.LIMIT_DEFAULT), after=after)


def _list_context(call: Call) -> str:
    """What a cursor is bound to: the caller, the address and the filter."""
    return json.dumps([call.actor.subject_id, request.path, sorted(map(str, call.query.items()))])


def _serialise(db: Session, route: Route, call: Call, result: Any) -> tuple[Any, dict[str, str]]:
    if route.returns is None or result is None:
        return result, {}
    if not route.paged:
        return route.returns.dump(result), {}
    document: dict[str, Any] = {"items": route.returns.dump(result.items, many=True), "next_cursor": None}
    headers = {}
    if result.last is not None:
        cursor = pagination.seal(pagination.signing_secret(db), result.last, _list_context(call))
        document["next_cursor"] = cursor
        headers["Link"] = f'<{_address_with(cursor)}>; rel="next"'
    return document, headers


def _address_with(cursor: str) -> str:
    # Flask has decoded the path and the query; in a header they stand percent-encoded, as they came.
    following = {**request.args, "cursor": cursor}
    return quote(request.path) + "?" + "&".join(f"{quote(name)}={quote(value)}" for name, value in following.items())


def dump(value: Any) -> bytes:
    """JSON as it is sent: compact, UTF-8, never NaN."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _body_of(document: Any) -> bytes:
    return b"" if document is None else dump(document)


def _response(status: int, body: bytes, headers: Mapping[str, str]) -> Response:
    response = Response(body, status=status, headers=headers, content_type=_JSON)
    if not body:
        del response.headers["Content-Type"]
    return response


def problem_response(problem: Problem, extensions: Mapping[str, Any]) -> Response:
    """A problem as its response, on every surface."""
    response = Response(dump({**problem.body(), **extensions}), status=problem.status)
    response.content_type = "application/problem+json"
    response.headers.update(problem.headers)
    return response

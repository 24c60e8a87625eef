"""Problems (RFC 9457): what may go wrong, each with a name, a title and what to do about it. No Flask here.

A problem is a class next to the function that raises it. The class name gives the type (`LeaseTaken` becomes
`lease-taken`), the docstring the title, the message the advice. Every class enters one registry that the docs list.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, ClassVar

# An error body stays below 8 kB whatever was sent: at most this many places, each with a short reason.
_ERRORS_MAX = 20
_ERRORS_BYTES_MAX = 5_000
_REASON_MAX = 200

registry: dict[str, type["Problem"]] = {}


class Problem(Exception):
    """Something went wrong."""

    status: ClassVar[int] = 500

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.extensions = extensions

    def __init_subclass__(cls) -> None:
        registry[cls.type_name()] = cls

    @classmethod
    def type_name(cls) -> str:
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()

    @classmethod
    def title(cls) -> str:
        return (cls.__doc__ or "").strip().splitlines()[0]

    def body(self) -> dict[str, Any]:
        """The problem document as it is sent."""
        document: dict[str, Any] = {
            "type": f"/problems/{self.type_name()}",
            "title": self.title(),
            "status": self.status,
            "detail": self.detail,
            **self.extensions,
        }
        if self.errors:
            document["errors"] = list(_first(self.errors))
            if len(self.errors) > len(document["errors"]):
                document["errors_left_out"] = len(self.errors) - len(document["errors"])
        return document


class BadRequest(Problem):
    """The request could not be understood."""

    status = 400


class Unauthorized(Problem):
    """A valid token is needed."""

    status = 401


class Forbidden(Problem):
    """This token may not do that."""

    status = 403


class NotFound(Problem):
    """There is nothing here for this token."""

    status = 404


class MethodNotAllowed(Problem):
    """This address does not know that method."""

    status = 405


class Conflict(Problem):
    """The request does not fit the present state."""

    status = 409


class ContentTooLarge(Problem):
    """The body is larger than this address takes."""

    status = 413


class UnsupportedMediaType(Problem):
    """Only application/json is understood here."""

    status = 415


class Invalid(Problem):
    """Some fields are not valid."""

    status = 422


class TooManyRequests(Problem):
    """Too many requests."""

    status = 429


class Internal(Problem):
    """The service failed; nothing was changed."""

    status = 500


class Unavailable(Problem):
    """The service cannot answer just now."""

    status = 503


def from_status(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem for an HTTP status that did not come from our own code (the router, the server)."""
    exact = {kind.status: kind for kind in reversed(list(registry.values())) if kind.__module__ == __name__}
    kind = exact.get(status) or (BadRequest if status < 500 else Internal)
    return kind(detail, headers=headers)


def invalid(messages: Any, *, within: str = "") -> Invalid:
    """Turn a marshmallow message tree into one problem with a JSON pointer for each place."""
    errors = [
        {"pointer": pointer[:_REASON_MAX], "reason": reason[:_REASON_MAX]}
        for pointer, reason in _leaves(messages, within)
    ]
    first = errors[0] if errors else {"pointer": within, "reason": "not valid"}
    return Invalid(_sentence(first), errors=errors)


_AS_THEY_ARE: Mapping[str, str] = MappingProxyType({})


@contextmanager
def within(place: str, renamed: Mapping[str, str] = _AS_THEY_ARE) -> Iterator[None]:
    """Let `Invalid` raised in here point to where the client wrote what the code inside was given.

    `place` comes before every pointer, and is the pointer of a problem that has none; `renamed` maps the first step of
    a pointer to the client's word for it.
    """
    try:
        yield
    except Invalid as problem:
        before = problem.errors or [{"pointer": "", "reason": problem.detail}]
        problem.errors = [{**error, "pointer": _moved(error["pointer"], place, renamed)} for error in before]
        if problem.detail == _sentence(before[0]):
            problem.detail = _sentence(problem.errors[0])
        raise


def _moved(pointer: str, place: str, renamed: Mapping[str, str]) -> str:
    if not pointer:
        return place
    first, slash, rest = pointer.removeprefix("/").partition("/")
    return f"{place}/{renamed.get(first, first)}{slash}{rest}"[:_REASON_MAX]


def _sentence(error: Mapping[str, str]) -> str:
    return f"{error['pointer'] or 'The body'}: {error['reason']}"


def _first(errors: Sequence[Mapping[str, str]]) -> Iterator[dict[str, str]]:
    # Counted in bytes with every character escaped: a key of emoji or control characters grows on its way out.
    left = _ERRORS_BYTES_MAX
    for error in errors[:_ERRORS_MAX]:
        left -= len(json.dumps(dict(error)))
        if left < 0:
            return
        yield dict(error)


def _leaves(messages: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(messages, Mapping):
        for key, value in messages.items():
            step = "" if key == "_schema" else "/" + str(key).replace("~", "~0").replace("/", "~1")
            yield from _leaves(value, pointer + step)
    elif isinstance(messages, Sequence) and not isinstance(messages, str):
        for value in messages:
            yield from _leaves(value, pointer)
    else:
        yield pointer, str(messages)

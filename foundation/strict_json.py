"""The strict JSON reader: what is ambiguous, oversized or unstorable is refused before it becomes a value.

Python's own reader accepts NaN, duplicate keys, lone surrogates and integers of any length, dies of deep nesting,
and silently loses half of `{"a": 1, "a": 2}`. None of that may reach a table.
"""

import json
import re
from typing import Any, NoReturn

from foundation.errors import BadRequest

DEPTH_MAX = 32
KEYS_MAX = 2_000
ITEMS_MAX = 1_000
# Beyond 2^53 other people's JSON readers lose digits. And jsonb writes numbers out: 1e308 is 309 digits there, 1e22
# comes back as an integer, 5e-324 has 324 decimals. Between these bounds a number has at most 50 characters there too.
INTEGER_MAX = 2**53 - 1
FRACTION_MIN = 1e-30
_DIGITS_MAX = 50

# Everything up to the next bracket outside strings, or to the end. A string that is never closed ends with the body;
# nothing is given back once it was matched, or each quote in such a string would be tried as a beginning.
_UP_TO_BRACKET = re.compile(
    rb"""(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))*+([\[\]{}]|\Z)""",
    re.DOTALL,
)
_SURROGATE = re.compile("[\ud800-\udfff]")


class MalformedJson(BadRequest):
    """The body is not JSON that can be read without guessing."""


def read(body: bytes) -> Any:
    """The value of a JSON document in UTF-8. Raises `MalformedJson` that says what is wrong."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJson(f"The body is not UTF-8 at byte {error.start}.") from error
    if text.startswith("\ufeff"):
        raise MalformedJson("The body begins with a byte order mark; send plain UTF-8.")
    _check_depth(body)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except json.JSONDecodeError as error:
        raise MalformedJson(f"The body is not JSON at line {error.lineno}, column {error.colno}.") from error
    if b"\\u" in body or b"\x00" in body:
        _check_text(value)
    if body.count(b",") >= ITEMS_MAX:
        _check_items(value)
    return value


def _check_depth(body: bytes) -> None:
    # The C scanner recurses; a body of a hundred thousand brackets must not reach it.
    if body.count(b"[") + body.count(b"{") <= DEPTH_MAX:
        return
    depth = 0
    for found in _UP_TO_BRACKET.finditer(body):
        depth += 1 if found[1] in {b"[", b"{"} else -1
        if depth > DEPTH_MAX:
            raise MalformedJson(f"The body is nested more than {DEPTH_MAX} levels deep.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > KEYS_MAX:
        raise MalformedJson(f"An object has more than {KEYS_MAX} keys.")
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise MalformedJson(f"The key {twice[:50]!r} appears twice in one object.")
    return value


def _constant(name: str) -> NoReturn:
    raise MalformedJson(f"{name} is not a JSON number.")


def _integer(digits: str) -> int:
    # Length first: converting thousands of digits is itself an attack.
    if len(digits) > 17 or abs(int(digits)) > INTEGER_MAX:
        raise MalformedJson("An integer is beyond 2^53 - 1; send large numbers as strings.")
    return int(digits)


def _float(digits: str) -> float:
    if len(digits) > _DIGITS_MAX:
        raise MalformedJson(f"A number has more than {_DIGITS_MAX} characters.")
    value = float(digits)
    if abs(value) > INTEGER_MAX:
        raise MalformedJson("A number is beyond 2^53 - 1; send large numbers as strings.")
    # A number too small for a float reads as zero, though it is none.
    if abs(value) < FRACTION_MIN and digits.lower().partition("e")[0].strip("-0."):
        raise MalformedJson("A number is closer to zero than 1e-30; send it as a string, or send 0.")
    return value


def _check_items(value: Any) -> None:
    if isinstance(value, list) and len(value) > ITEMS_MAX:
        raise MalformedJson(f"A list has more than {ITEMS_MAX} items.")
    if isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            _check_items(item)


def _check_text(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise MalformedJson("A string contains the character U+0000, which cannot be stored.")
        if _SURROGATE.search(value):
            raise MalformedJson("A string contains half of a surrogate pair, which is not text.")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)

"""The corpus: one row of `corpus.jsonl` for each bad input, with what every surface must say to it.

A row has an `id` after the classes of bad input (A numbers, B money, C structure, D encoding, E Unicode, F size, G
framing, H media types, I paths and queries, J times, K strings for other interpreters, L addresses, M files, N
credentials, O idempotency and state, Q mass assignment) and `says` what it is. Then either

- `enters` where, `at` which places or routes, `sends` what; and the statuses that the surfaces `api` and `scale` may
  answer, or for bytes on a socket the `server`; `ok` stands for the route's own status;
- `waits_for` the capability that will take such input. A row may have statuses as well: then it is tried wherever
  there is a place for it already;
- `proved_by` tests elsewhere, because it takes more than one request.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).with_name("corpus.jsonl")
OK = "ok"
# Scale's clients may leave a body out: then it is the route that says whether anything is missing.
AS_EMPTY = "as an empty object"

Status = int | str
Spec = Any
"""Bytes, in short: text, or a list of parts, or {"repeat", "times"}, {"count", "each", "between"}, {"hex"}, {"gzip"}.

{"good": encoding} is the route's good body.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One bad input, where it enters and what it gets."""

    id: str
    says: str
    enters: str | None = None
    at: tuple[str, ...] = ()
    sends: Spec = None
    headers: Mapping[str, Spec] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)
    """Other members of the object that the value is put into."""
    token: tuple[Spec, ...] | None = None
    """What the Authorization headers hold, instead of the caller's token."""
    statuses: Mapping[str, tuple[Status, ...]] = field(default_factory=dict)
    waits_for: str | None = None
    proved_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.id} {self.says}"


@cache
def entries() -> tuple[Entry, ...]:
    """The whole corpus, in the order of its ids."""
    return tuple(_entry(json.loads(line)) for line in CORPUS.read_text("utf-8").rstrip("\n").split("\n"))


def entering(*ways: str) -> Iterator[Entry]:
    """The entries that enter by one of these ways."""
    return (entry for entry in entries() if entry.enters in ways)


def _entry(row: dict[str, Any]) -> Entry:
    token = row.pop("token", None)
    if row.get("enters") == "token":
        token = row.pop("sends", None) or ()
    return Entry(
        statuses={name: _statuses(row.pop(name)) for name in ("api", "scale", "server") if name in row},
        at=tuple(row.pop("at", ())),
        proved_by=tuple(row.pop("proved_by", ())),
        token=None if token is None else tuple(token),
        **row,
    )


def _statuses(cell: Status | list[Status]) -> tuple[Status, ...]:
    return tuple(cell) if isinstance(cell, list) else (cell,)


def size(spec: Spec) -> int:
    """How many bytes a spec makes, without making them."""
    match spec:
        case None:
            return 0
        case str():
            return len(spec.encode())
        case list():
            return sum(size(part) for part in spec)
        case {"repeat": part, "times": times}:
            return size(part) * int(times)
        case {"count": count, "each": each, "between": between}:
            return int(count) * (size(each) + size(between))
        case _:
            return 0


def build(spec: Spec, good: Any = None) -> bytes:
    """The bytes of a spec; `good` is the body that {"good": encoding} stands for."""
    match spec:
        case None:
            made = b""
        case str():
            made = spec.encode()
        case list():
            made = b"".join(build(part, good) for part in spec)
        case {"repeat": part, "times": int(times)}:
            made = build(part, good) * times
        case {"count": int(count), "each": str(each), "between": str(between)}:
            made = _counted(count, each, between, spec.get("step", 1))
        case {"hex": digits}:
            made = bytes.fromhex(digits)
        case {"gzip": inside}:
            made = gzip.compress(build(inside, good), mtime=0)
        case {"good": encoding}:
            made = json.dumps(good, ensure_ascii=False).encode(encoding)
        case _:
            raise ValueError(f"{spec} makes no bytes.")
    return made


def _counted(count: int, each: str, between: str, step: int) -> bytes:
    if "%" not in each:
        # Millions of the same are made at once.
        return ((each + between) * (count - 1) + each).encode()
    return between.join(each % (number * step) for number in range(count)).encode()

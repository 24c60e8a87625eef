"""Canaries: a word of its own in every row of every column that takes text, and who may be shown it (visible.toml)."""

import base64
import re
import secrets
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.orm import Session

VISIBLE: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / "visible.toml").read_text())
STAFF = VISIBLE.pop("staff")

_NAMED = re.compile(r"canary[0-9a-f]{16}|[a-z]{3}_[0-7][0-9a-hjkmnp-tv-z]{25}|(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
# What may be packed in base64, as a cursor is.
_PACKED = re.compile(r"[0-9A-Za-z+/_-]{40,}")
_CANARY = re.compile("canary[0-9a-f]{16}")
_NEW = "'canary' || substr(md5(random()::text), 1, 16)"
# How a column of each type is filled; {c} is the column.
_FILLED = {
    "text": _NEW,
    "jsonb": f"{{c}} || jsonb_build_object('canary', {_NEW})",
    # The element is part of the expression, so that each gets another word.
    "ARRAY": "ARRAY(SELECT 'canary' || substr(md5(random()::text || one), 1, 16) FROM unnest({c}) AS one)",
}
# Columns that hold numbers, times and truths; every other type may hold text.
_TELL_NOTHING = ("bigint", "boolean", "date", "double precision", "integer", "smallint", "timestamp with time zone")
_COLUMNS = text("""
    SELECT c.table_name, c.column_name, c.data_type
      FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
     WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.data_type <> ALL(:tell_nothing)
       AND c.udt_name <> '_float8'
     ORDER BY c.table_name, c.ordinal_position
""")


def new() -> str:
    """A canary that is in no table."""
    return f"canary{secrets.token_hex(8)}"


def columns(connection: Connection) -> list[tuple[str, str, str]]:
    """Every column that may hold text or bytes, as (table, column, type)."""
    return [tuple(row) for row in connection.execute(_COLUMNS, {"tell_nothing": list(_TELL_NOTHING)})]


def plant(owner_url: str) -> None:
    """Write a canary into every row of every column that is to have one; only the tables' owner can."""
    engine = create_engine(owner_url)
    with engine.begin() as connection:
        for table, column, kind in columns(connection):
            if column in VISIBLE.get(table, {}).get("planted", {}):
                # What is written once, by its triggers, is written once more here.
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
                filled = _FILLED[kind].format(c=column)
                connection.execute(text(f"UPDATE {table} SET {column} = {filled} WHERE {column} IS NOT NULL"))
                connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
    engine.dispose()


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a word stands, and who may see it: roles, and relations to the row of this key."""

    table: str
    column: str
    key: str
    viewers: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.table}.{self.column} of {self.key}"


class Marks:
    """Every word that is looked for, and who is related to the rows they are in."""

    def __init__(self, session: Session) -> None:
        self.words = dict(_words(session))
        self.related = {
            (table, name): {tuple(row) for row in session.execute(text(sql))}
            for table, given in VISIBLE.items()
            for name, sql in given.get("of", {}).items()
        }

    def found(self, shown: str, sent: str = "") -> Iterator[Mark]:
        """The marks in something that was shown, but for those that were sent by whoever it was shown to."""
        said = set(_seen(sent))
        yield from (self.words[word] for word in _seen(shown) if word in self.words and word not in said)

    def may_see(self, session: Session, mark: Mark, role: str, subject_id: str) -> bool:
        """Whether somebody may see a mark, by their role or by what the row is to them, as things stand now."""
        relations = [name for name in mark.viewers if (mark.table, name) in self.related]
        # A worker in general is not the worker of a row.
        if role in mark.viewers and role not in relations:
            return True
        if any((mark.key, subject_id) in self.related[mark.table, name] for name in relations):
            return True
        # A request may have made the relation itself: who has just claimed a task holds it.
        return any(
            tuple(row) == (mark.key, subject_id)
            for name in relations
            for row in session.execute(text(VISIBLE[mark.table]["of"][name]))
        )


def _words(session: Session) -> Iterator[tuple[str, Mark]]:
    for table, given in VISIBLE.items():
        key = given.get("key", "id")
        for column, viewers in {**given.get("planted", {}), **given.get("as_is", {})}.items():
            rows = session.execute(text(f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL"))
            for row in rows:
                mark = Mark(table, column, str(row[0]), tuple(viewers))
                yield from ((word, mark) for word in _spellings(row[1]))
    for name in session.scalars(text("SELECT DISTINCT subject_id FROM tokens WHERE subject_id LIKE 'canary%'")):
        yield name, Mark("tokens", "subject_id", name, tuple(STAFF["viewers"]))


def _spellings(value: Any) -> Iterable[str]:
    if isinstance(value, bytes | memoryview):
        raw = bytes(value)
        coded = base64.b64encode(raw).decode().rstrip("=")
        return {raw.hex(), coded, coded.translate(str.maketrans("+/", "-_"))}
    return _CANARY.findall(str(value)) or [str(value)]


def _seen(shown: str) -> Iterator[str]:
    """The words of a text, and those inside what is packed in it."""
    yield from _NAMED.findall(shown)
    for packed in _PACKED.findall(shown):
        yield packed
        yield from _NAMED.findall(_unpacked(packed))


def _unpacked(packed: str) -> str:
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_").decode("latin-1")
    except ValueError:
        return ""

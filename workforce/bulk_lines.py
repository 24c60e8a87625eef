"""Lines of a bulk move: what stands in each line of its file, and whether its worker can be moved by it now.

A preview and whoever moves people in earnest ask the same function. Files are taken in `bulk_moves.py`, workers are
moved in `bulk_steps.py`.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import Invalid
from foundation.http import load
from workforce import import_lines, linked, schemas, tiers
from workforce.import_lines import Record
from workforce.models import BulkLine, LineFate, WorkerStatus
from workforce.overrides import DAYS_MAX

BYTES_MAX = 1024 * 1024
LINES_MAX = 5_000
_PIECE = 64 * 1024
_FIELDS = schemas.BulkCells()
COLUMNS = list(_FIELDS.fields)
_OPTIONAL = ("reason", "days", "expires_at")


class MovesUnreadable(Invalid):
    """This is no file of moves."""


@dataclass(frozen=True, slots=True)
class _Wrong:
    pointer: str
    why: str


# A worker and a skill.
Pair = tuple[str, str]


def judged(db: Session, file: IO[bytes], *, reason: str, days: int, proposed_by: str) -> list[BulkLine]:
    """Every line of a file that is not empty, with what would become of it. Nobody is moved.

    reason, days : what holds for a line that says nothing else.
    """
    found = dict(_read(file, {"reason": reason, "days": days}, clock.now(db)))
    whole = {line: one for line, one in found.items() if not isinstance(one, _Wrong)}
    seen = look(db, map(_pair, whole.values()), [proposed_by])
    skills = set(db.scalars(_SKILLS, {"given": list({one["skill"] for one in whole.values()})}))
    first: dict[Pair, int] = {}
    return [
        BulkLine(line=line, fate=LineFate.BAD, pointer=one.pointer, why=one.why)
        if isinstance(one, _Wrong)
        else _judged(line, one, seen, skills, first.setdefault(_pair(one), line))
        for line, one in found.items()
    ]


def _pair(said: Mapping[str, Any]) -> Pair:
    return said["worker_id"], said["skill"]


def _judged(line: int, said: Mapping[str, Any], seen: "Seen", skills: Collection[str], first: int) -> BulkLine:
    """What would become of a line that reads well. first : where the same worker and skill stand first."""
    made = BulkLine(line=line, worker_id=said["worker_id"], skill=said["skill"], tier_to=said["tier"])
    wrong = seen.against(_pair(said))
    if first != line:
        wrong = _Wrong("", f"Line {first} is about the same worker and skill.")
    elif wrong is None and said["skill"] not in skills:
        wrong = _Wrong("/skill", "No project and no ladder has this skill.")
    if wrong is not None:
        made.fate, made.pointer, made.why = LineFate.BAD, wrong.pointer, wrong.why
        return made
    made.tier_from = seen.tier(_pair(said))
    made.fate = LineFate.THERE if made.tier_from == made.tier_to else LineFate.WAITING
    made.reason, made.days, made.expires_at = said["reason"], said["days"], said.get("expires_at")
    return made


# Reading


def _read(file: IO[bytes], whole: Mapping[str, Any], now: datetime) -> Iterator[tuple[int, dict[str, Any] | _Wrong]]:
    lines = import_lines.lines(iter(lambda: file.read(_PIECE), b""))
    header = next(import_lines.csv_rows(lines), None)
    try:
        columns = import_lines.exact_columns(header, COLUMNS, optional=_OPTIONAL)
    except ValueError as error:
        raise MovesUnreadable(str(error)) from error
    # A header may be quoted over several lines.
    before = 0 if header is None else header.n_lines
    n_lines = 0
    for record in import_lines.csv_records(lines, columns):
        if record.fault is None and record.value is None:
            continue
        n_lines += 1
        if n_lines > LINES_MAX:
            raise MovesUnreadable(f"A file has at most {LINES_MAX:,} moves; send several.")
        yield before + record.line, _cells(record, whole, now)


def _cells(record: Record, whole: Mapping[str, Any], now: datetime) -> dict[str, Any] | _Wrong:
    """What a line says, or what is wrong with it by itself."""
    if record.fault is not None:
        return _Wrong("", record.fault)
    try:
        said: dict[str, Any] = load(_FIELDS, record.value)
    except Invalid as problem:
        first = problem.errors[0]
        return _Wrong(first["pointer"], first["reason"])
    if "expires_at" not in said:
        return {**whole, **said}
    if "days" in said:
        return _Wrong("/days", "Say days or expires_at, not both.")
    if not now < said["expires_at"] <= now + timedelta(days=DAYS_MAX):
        return _Wrong("/expires_at", f"Must be within {DAYS_MAX} days from now.")
    return {**whole, **said, "days": None}


# Whether somebody can be moved


@dataclass(frozen=True, slots=True)
class Seen:
    """How some workers stand at a moment. own : accounts that count as those of whoever wants them moved."""

    statuses: Mapping[str, str]
    tiers: Mapping[Pair, int]
    overridden: Collection[Pair]
    own: Collection[str]

    def tier(self, pair: Pair) -> int:
        """Where a worker stands in a skill."""
        return self.tiers.get(pair, int(tiers.STARTING))

    def against(self, pair: Pair) -> _Wrong | None:
        """What stands against giving a worker another step in a skill."""
        status = self.statuses.get(pair[0])
        if status is None:
            return _Wrong("/worker_id", "There is no worker with this id.")
        if status == WorkerStatus.OFFBOARDED:
            return _Wrong("/worker_id", "They have left.")
        if pair[0] in self.own:
            return _Wrong("/worker_id", "This is an account of somebody who decides about it, or is linked with one.")
        if pair in self.overridden:
            return _Wrong("", "An override of this worker in this skill is proposed or holds; end that one first.")
        return None


_STATUSES = text("SELECT id, status FROM workers WHERE id = ANY(:ids)")
_PLACES = text("SELECT worker_id, skill, tier FROM worker_tiers WHERE worker_id = ANY(:ids)")
_OVERRIDDEN = text("""
    SELECT worker_id, skill FROM tier_overrides WHERE worker_id = ANY(:ids) AND state IN ('proposed', 'active')
""")
_SKILLS = text("""
    SELECT skill FROM projects WHERE skill = ANY(:given) UNION SELECT skill FROM ladder_rules WHERE skill = ANY(:given)
""")


def look(db: Session, pairs: Iterable[Pair], people: Collection[str]) -> Seen:
    """How these stand now. people : who wants them moved."""
    ids = {"ids": list({worker_id for worker_id, _ in pairs})}
    return Seen(
        statuses={row.id: row.status for row in db.execute(_STATUSES, ids)},
        tiers={(row.worker_id, row.skill): row.tier for row in db.execute(_PLACES, ids)},
        overridden={(row.worker_id, row.skill) for row in db.execute(_OVERRIDDEN, ids)},
        own=set().union(*(linked.circle(db, person) for person in people)),
    )


_PROMISED = ("line", "worker_id", "skill", "tier_from", "tier_to", "reason", "days")


def content_hash(lines: Sequence[BulkLine]) -> bytes:
    """The SHA-256 of what those lines promise that are to be moved, in their order."""
    said = [
        [*(getattr(one, name) for name in _PROMISED), one.expires_at and one.expires_at.astimezone(UTC).isoformat()]
        for one in lines
        if one.fate == LineFate.WAITING
    ]
    return hashlib.sha256(json.dumps(said).encode()).digest()

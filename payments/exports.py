"""Files that finance takes out of the house: asked for, made step by step, kept with a manifest, and taken by somebody.

All that a file shows is drawn in one statement, so it is of one moment, and its rows are kept until the file is
finished: whoever goes on after a crash writes the same bytes. The bytes are kept in the database, in pieces, for thirty
days; what is made again after that is of another moment. What each kind draws is in `export_kinds`.
"""

from contextlib import ExitStack
from datetime import timedelta
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

from sqlalchemy import CursorResult, Select, TextClause, select, text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import Conflict, Invalid, NotFound, Problem
from payments.export_kinds import KINDS
from payments.export_kinds.kind import CONTENT_TYPES, Format, Kind, Parameters
from payments.made_files import NamedFile
from payments.models import Export, ExportDownload, ExportState

DAYS_KEPT = 30
IN_MEMORY = 1024 * 1024


class ExportKindUnknown(Invalid):
    """There is no such export."""


class ExportFormatUnknown(Invalid):
    """This export cannot be had in this format."""


class ExportParametersInvalid(Invalid):
    """These are not the parameters of this export."""


class NoSuchExport(NotFound):
    """There is no such export."""


class ExportNotReady(Conflict):
    """The export has no file."""


class ExportGone(Problem):
    """The export's bytes are not kept any more."""

    status = 410


# Asking


def ask(db: Session, *, kind: str, format_: str, parameters: Parameters, made_by: str) -> Export:
    """Have an export made. What cannot be made is refused now, with what has to be put right."""
    chosen, wanted, given = choose(kind, format_, parameters)
    chosen.draw(db, given)
    chosen.check(db, given, wanted)
    return keep(db, chosen, wanted, given, made_by=made_by, state=ExportState.MAKING)


def choose(kind: str, format_: str, parameters: Parameters) -> tuple[Kind, Format, dict[str, Any]]:
    """The kind and format of these names, if it takes such parameters."""
    if kind not in KINDS:
        raise _wrong(ExportKindUnknown, "/kind", f"Must be one of {', '.join(KINDS)}.")
    chosen = KINDS[kind]
    if format_ not in chosen.writers:
        raise _wrong(ExportFormatUnknown, "/format", f"Must be one of {', '.join(sorted(chosen.writers))}.")
    errors = [(name, "Is missing.") for name in sorted(chosen.required - set(parameters))]
    known = chosen.required | chosen.optional
    errors += [(name, "Is no parameter of this export.") for name in sorted(set(parameters) - known)]
    if errors:
        places = [{"pointer": f"/parameters/{name}", "reason": reason} for name, reason in errors]
        raise ExportParametersInvalid(f"parameters/{errors[0][0]}: {errors[0][1]}", errors=places)
    return chosen, Format(format_), dict(parameters)


def _wrong(problem: type[Invalid], pointer: str, reason: str) -> Invalid:
    return problem(reason, errors=[{"pointer": pointer, "reason": reason}])


def keep(
    db: Session, kind: Kind, format_: Format, given: dict[str, Any], *, made_by: str, state: ExportState, **known: Any
) -> Export:
    export = Export(
        id=ids.new("exp"), kind=kind.name, format=format_, parameters=given, made_by=made_by, state=state, **known
    )
    db.add(export)
    db.flush()
    db.refresh(export)
    return export


# Taking


_CHUNKS = text("SELECT bytes FROM export_chunks WHERE export_id = :id AND number = :number")


def take(db: Session, export_id: str, *, taken_by: str) -> NamedFile:
    """The bytes of a finished export, as they were made. Who takes them is kept."""
    export = find(db, export_id, lock=True)
    if export.state == ExportState.GONE:
        raise ExportGone(f"Bytes are kept for {DAYS_KEPT} days; ask for it again.")
    if export.state != ExportState.READY:
        why = f": {export.failure}" if export.failure else "."
        raise ExportNotReady(f"This export is {export.state}{why}")
    with ExitStack() as until_finished:
        file: IO[bytes] = until_finished.enter_context(SpooledTemporaryFile(max_size=IN_MEMORY))
        number = 0
        while piece := db.scalar(_CHUNKS, {"id": export.id, "number": number}):
            file.write(piece)
            number += 1
        assert file.tell() == export.n_bytes, "the bytes of a finished export are there"
        note(db, export, taken_by=taken_by)
        file.seek(0)
        until_finished.pop_all()
    return named(export, file)


def named(export: Export, file: IO[bytes]) -> NamedFile:
    assert export.n_rows is not None, "a finished export has a manifest"
    assert export.as_of is not None, "a finished export has a manifest"
    name = f"{export.kind}-{export.id}.{export.format}"
    manifest = export.n_rows, str(export.hash_text), export.sums or {}, export.as_of
    return NamedFile(file, *manifest, name, CONTENT_TYPES[Format(export.format)])


def note(db: Session, export: Export, *, taken_by: str) -> None:
    db.add(ExportDownload(id=ids.new("exd"), export_id=export.id, taken_by=taken_by))
    db.flush()


# Lists


def find(db: Session, export_id: str, *, lock: bool = False) -> Export:
    """The export with this id."""
    found = db.get(Export, export_id, populate_existing=True, with_for_update={"read": True} if lock else None)
    if found is None:
        raise NoSuchExport("There is no such export.")
    return found


def listed(*, kind: str | None = None, state: str | None = None) -> Select[Export]:
    """All exports, or those of a kind, in a state."""
    rows = select(Export)
    rows = rows if kind is None else rows.where(Export.kind == kind)
    return rows if state is None else rows.where(Export.state == state)


def downloads(db: Session, export_id: str) -> Select[ExportDownload]:
    """Who has taken an export's bytes, and when."""
    return select(ExportDownload).where(ExportDownload.export_id == find(db, export_id).id)


# By the clock


_EXPIRE = text("""
    UPDATE exports SET state = 'gone', is_cleared = false WHERE id IN (
        SELECT id FROM exports WHERE state = 'ready' AND finished_at < now() - :kept
         ORDER BY finished_at LIMIT 20 FOR UPDATE SKIP LOCKED)
""")
_UNCLEARED = text("""
    SELECT id, state FROM exports WHERE state <> 'making' AND NOT is_cleared
     ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
""")
_CLEAR = """
    DELETE FROM {table} WHERE export_id = :id AND number IN (
        SELECT number FROM {table} WHERE export_id = :id ORDER BY number LIMIT {most})
"""
_CLEAR_ROWS = text(_CLEAR.format(table="export_rows", most=10_000))
_CLEAR_CHUNKS = text(_CLEAR.format(table="export_chunks", most=64))
_CLEARED = text("UPDATE exports SET is_cleared = true WHERE id = :id")


def expire(db: Session) -> int:
    """Let go of bytes that were kept long enough, and of rows that are in a file by now, some at once. A sweep."""
    expired = cast("CursorResult[Any]", db.execute(_EXPIRE, {"kept": timedelta(days=DAYS_KEPT)})).rowcount
    left = db.execute(_UNCLEARED).one_or_none()
    if left is None:
        return expired
    deletions = (_CLEAR_ROWS,) if left.state == ExportState.READY else (_CLEAR_ROWS, _CLEAR_CHUNKS)
    if not any(_deleted(db, each, left.id) for each in deletions):
        db.execute(_CLEARED, {"id": left.id})
    return expired + 1


def _deleted(db: Session, deletion: TextClause, export_id: str) -> bool:
    return bool(cast("CursorResult[Any]", db.execute(deletion, {"id": export_id})).rowcount)

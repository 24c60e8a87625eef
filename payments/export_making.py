"""Exports as they are made: drawn in one statement, written, and kept in pieces, step by step or in one go."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from tempfile import SpooledTemporaryFile, TemporaryFile
from typing import IO, Any, cast

from sqlalchemy import CursorResult, select, text
from sqlalchemy.orm import Session

from payments import exports, money
from payments.export_kinds import KINDS
from payments.export_kinds.kind import Drawing, Format, Parameters, Writer
from payments.files.orders import Unfit
from payments.files.parquet import ParquetMissing
from payments.files.tables import Written
from payments.made_files import NamedFile
from payments.models import Export, ExportState

CHUNK = 256 * 1024
_ROWS_AT_ONCE = 5000
_CHUNKS_AT_ONCE = 16
# Whoever makes an export has it for so long, from step to step. Longer than the longest file takes to be written.
_TAKEN = timedelta(minutes=5)
# It ends before somebody else may have it.
_DRAW_MILLISECONDS = 240_000
_ATTEMPTS = 5


def go_on(db: Session) -> Iterator[None]:
    """Every export that is to be made and that nobody is making, step by step. A work."""
    waiting = select(Export.id).where(Export.state == ExportState.MAKING).order_by(Export.id)
    for export_id in db.scalars(waiting).all():
        yield from steps(db, export_id)


def steps(db: Session, export_id: str) -> Iterator[None]:
    """Make one export, unless somebody else is; what has been done may be committed at each step.

    Nothing is held in the database between two steps, nor while the file is written.
    """
    export = _take(db, export_id)
    if export is None:
        return
    yield
    if export.n_drawn is None:
        _draw(db, export)
        yield
    with TemporaryFile() as drawn, TemporaryFile() as file:
        try:
            yield from _read(db, export, drawn)
            written = _write(export, drawn, file)
            yield from _keep(db, export, file)
            _finish(db, export, written, file.tell())
        except (Unfit, ParquetMissing) as error:
            _fail(db, export, str(error))
        except _Overtaken:
            return
    yield


class _Overtaken(Exception):
    """Another attempt has begun meanwhile."""


_TAKE = text("""
    UPDATE exports SET attempt = attempt + 1, taken_until = clock_timestamp() + :time, n_done = 0
     WHERE id = :id AND state = 'making' AND coalesce(taken_until <= clock_timestamp(), true)
""")
_TOUCH = text("""
    UPDATE exports SET taken_until = clock_timestamp() + :time, n_done = :n_done
     WHERE id = :id AND state = 'making' AND attempt = :attempt
""")
_DROP = text("DELETE FROM export_chunks WHERE export_id = :id")


def _take(db: Session, export_id: str) -> Export | None:
    """Begin an attempt, from the rows that were drawn if they were."""
    taken = _changed(db.execute(_TAKE, {"id": export_id, "time": _TAKEN}))
    export = exports.find(db, export_id)
    if not taken:
        return None
    if export.attempt > _ATTEMPTS:
        _fail(db, export, f"It was begun {_ATTEMPTS} times and never finished; ask for less of it.")
        return None
    db.execute(_DROP, {"id": export_id})
    return export


def _hold(db: Session, export: Export) -> None:
    """Keep what was taken for a while longer, unless another attempt has begun meanwhile."""
    given = {"id": export.id, "time": _TAKEN, "n_done": export.n_done, "attempt": export.attempt}
    if not _changed(db.execute(_TOUCH, given)):
        # How far we had come is nobody's any more, and must not be written over theirs.
        db.expire(export)
        raise _Overtaken


def _changed(result: Any) -> bool:
    return bool(cast("CursorResult[Any]", result).rowcount)


_PATIENCE = text(f"SELECT set_config('statement_timeout', '{_DRAW_MILLISECONDS}', true)")


def _draw(db: Session, export: Export) -> None:
    """Keep all rows of an export as they are at this moment."""
    drawing = _drawing(db, export)
    statement = f"""
        WITH kept AS (
            INSERT INTO export_rows (export_id, number, cells)
            SELECT CAST(:export_id AS text), number, cells FROM ({drawing.sql}) AS drawn RETURNING true)
        SELECT count(*) AS n, statement_timestamp() AS at FROM kept
    """
    db.execute(_PATIENCE)
    kept = db.execute(text(statement), {**drawing.values, "export_id": export.id}).one()
    export.n_drawn, export.as_of = kept.n, kept.at
    db.flush()


def _drawing(db: Session, export: Export) -> Drawing:
    return KINDS[export.kind].draw(db, export.parameters)


_ROWS = text("""
    SELECT number, CAST(cells AS text) AS cells FROM export_rows
     WHERE export_id = :id AND number > :after ORDER BY number LIMIT :most
""")


def _read(db: Session, export: Export, drawn: IO[bytes]) -> Iterator[None]:
    """Copy drawn rows out of the database, a line of JSON each: writing them may take minutes."""
    assert export.n_drawn is not None, "what was drawn is counted"
    export.n_done = 0
    # No look for more than there are: that would leave a transaction open while the file is written.
    while export.n_done < export.n_drawn:
        rows = db.execute(_ROWS, {"id": export.id, "after": export.n_done, "most": _ROWS_AT_ONCE}).all()
        # JSON as the database writes it has no line breaks.
        drawn.writelines(row.cells.encode() + b"\n" for row in rows)
        export.n_done = rows[-1].number
        _hold(db, export)
        yield


def _write(export: Export, drawn: IO[bytes], file: IO[bytes]) -> Written:
    assert export.as_of is not None, "what was drawn is of a moment"
    drawn.seek(0)
    return _writer(export)((json.loads(line) for line in drawn), export.as_of, file)


def _writer(export: Export) -> Writer:
    return KINDS[export.kind].writers[Format(export.format)]


_CHUNK = text("INSERT INTO export_chunks (export_id, number, bytes) VALUES (:id, :number, :bytes)")


def _keep(db: Session, export: Export, file: IO[bytes]) -> Iterator[None]:
    file.seek(0)
    number = 0
    while pieces := _pieces(file):
        _hold(db, export)
        db.execute(_CHUNK, [{"id": export.id, "number": number + n, "bytes": piece} for n, piece in enumerate(pieces)])
        number += len(pieces)
        yield


def _pieces(file: IO[bytes]) -> Sequence[bytes]:
    return [piece for _ in range(_CHUNKS_AT_ONCE) if (piece := file.read(CHUNK))]


_FINISH = text("""
    UPDATE exports SET state = 'ready', n_rows = :n_rows, n_bytes = :n_bytes, sums = CAST(:sums AS jsonb),
           sha256 = :sha256, finished_at = now() WHERE id = :id
""")


def _finish(db: Session, export: Export, written: Written, n_bytes: int) -> None:
    _hold(db, export)
    manifest = {**_manifest(written, n_bytes), "sums": json.dumps(_sums(written))}
    db.execute(_FINISH, {"id": export.id, **manifest})
    db.refresh(export)


def _manifest(written: Written, n_bytes: int) -> dict[str, Any]:
    return {"n_rows": written.rows, "n_bytes": n_bytes, "sha256": bytes.fromhex(written.sha256)}


def _sums(written: Written) -> dict[str, str]:
    return {currency: money.format_amount(units, exponent) for (currency, exponent), units in written.totals.items()}


_FAIL = text("UPDATE exports SET state = 'failed', failure = :why WHERE id = :id AND attempt = :attempt")


def _fail(db: Session, export: Export, why: str) -> None:
    _hold(db, export)
    db.execute(_FAIL, {"id": export.id, "attempt": export.attempt, "why": why})
    db.refresh(export)


# At once, for what is small or was asked for before there were exports


def make_now(
    db: Session, drawing: Drawing | None = None, *, kind: str, format_: str, parameters: Parameters, made_by: str
) -> NamedFile:
    """Make and hand over a file in one go. Its manifest is kept, and that it was taken; its bytes are not."""
    chosen, wanted, given = exports.choose(kind, format_, parameters)
    drawing = drawing or chosen.draw(db, given)
    with ExitStack() as until_finished:
        file: IO[bytes] = until_finished.enter_context(SpooledTemporaryFile(max_size=exports.IN_MEMORY))
        as_of = db.scalars(text("SELECT statement_timestamp()")).one()
        rows = db.execute(
            text(f"SELECT cells FROM ({drawing.sql}) AS drawn ORDER BY number"),
            dict(drawing.values),
            execution_options={"yield_per": 1000},
        )
        written = chosen.writers[wanted]((row.cells for row in rows), as_of, file)
        manifest = {**_manifest(written, file.tell()), "sums": _sums(written)}
        export = exports.keep(
            db, chosen, wanted, given, made_by=made_by, state=ExportState.GONE, as_of=as_of, n_drawn=written.rows,
            finished_at=as_of, is_cleared=True, **manifest,
        )  # fmt: skip
        exports.note(db, export, taken_by=made_by)
        file.seek(0)
        # From here on it is the caller's, who closes it.
        until_finished.pop_all()
    return exports.named(export, file)


def payables(db: Session, *, made_by: str) -> NamedFile:
    """What is owed now: one row for each payee and currency, from one snapshot. RFC 4180, UTF-8, CRLF."""
    return make_now(db, kind="payables", format_=Format.CSV, parameters={}, made_by=made_by)

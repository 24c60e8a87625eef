"""Files of tasks as they are read: some hundred lines at a step, each of which is a task or a fault afterwards.

A step is one transaction: how far the file is read, the tasks, what is set aside for them and the faults are committed
together, so that whoever goes on after a crash makes nothing twice and leaves nothing out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache

from sqlalchemy import select, text
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import Invalid, Problem
from foundation.http import load
from workforce import import_lines, imports, schemas, task_types, tasks
from workforce.import_lines import Record
from workforce.models import Batch, Import, ImportFormat, ImportState, Project
from workforce.tasks import Question

_LINES_AT_ONCE = 500
_BYTES_AT_ONCE = 2 * 1024 * 1024
FAULTS_KEPT = 10_000
_FIELDS = schemas.TaskFields()
# What a cell can hold.
_COLUMNS = sorted(set(_FIELDS.fields) - {"metadata", "attachments", "items"})


def go_on(db: Session) -> Iterator[None]:
    """Read on in every file that is to be read, some lines of each in turn. A work."""
    while waiting := db.scalars(select(Import.id).where(Import.state == ImportState.READING).order_by(Import.id)).all():
        for import_id in waiting:
            step(db, import_id)
            yield


_TAKE = select(Import).where(Import.state == ImportState.READING).with_for_update(skip_locked=True)


def step(db: Session, import_id: str) -> None:
    """Read some lines of one file, unless somebody else is reading it."""
    found = db.scalar(_TAKE.where(Import.id == import_id), execution_options={"populate_existing": True})
    if found is None:
        return
    found.moved_at = clock.now(db)
    if found.format == ImportFormat.CSV and found.columns is None:
        _read_columns(db, found)
    else:
        _read_some(db, found)
    db.flush()


def _read_columns(db: Session, found: Import) -> None:
    header = next(import_lines.csv_rows(_lines(db, found)))
    try:
        if header.fault is not None:
            raise ValueError(header.fault)
        found.columns = import_lines.columns_of(header.value, _COLUMNS)
    except ValueError as error:
        found.state, found.why = ImportState.FAILED, str(error)
        return
    found.n_read, found.n_lines = header.n_bytes, header.n_lines


def _lines(db: Session, found: Import) -> Iterator[import_lines.Line]:
    return import_lines.lines(imports.bytes_from(db, found.id, found.n_read))


@dataclass(slots=True)
class _Some:
    """Records that are read together. good, bad : by line, what is asked and what is wrong."""

    n_lines: int = 0
    n_bytes: int = 0
    good: dict[int, Question] = field(default_factory=dict)
    bad: dict[int, tuple[str, str]] = field(default_factory=dict)


def _read_some(db: Session, found: Import) -> None:
    batch = db.get_one(Batch, found.batch_id)
    project = db.get_one(Project, batch.project_id)
    some = _take_some(db, found, project)
    try:
        with db.begin_nested():
            taken = tasks.create_many(db, project, batch, some.good, key=f"{found.id}:{found.n_read}")
    except Problem as problem:
        # No money, or the batch is completed: nothing of these lines is done, and they are read again.
        found.state, found.why = ImportState.STOPPED, f"From line {found.n_lines + 1} on: {problem.detail}"
        return
    except DataError:
        # Tried again, it would hold up all others for ever.
        found.state, found.why = ImportState.FAILED, f"After line {found.n_lines} is something that cannot be stored."
        return
    some.bad.update(dict.fromkeys(taken, ("/unique_id", "Another task of yours has this unique_id.")))
    _keep_faults(db, found, some.bad)
    found.n_read, found.n_lines = found.n_read + some.n_bytes, found.n_lines + some.n_lines
    found.n_made, found.n_bad = found.n_made + len(some.good) - len(taken), found.n_bad + len(some.bad)
    if found.n_read == found.n_bytes:
        found.state, found.finished_at = ImportState.FINISHED, clock.now(db)


def _take_some(db: Session, found: Import, project: Project) -> _Some:
    some, cost = _Some(), cache(lambda amount: tasks.error_cost(db, project, amount))
    of = _lines(db, found)
    records = import_lines.json_records(of) if found.columns is None else import_lines.csv_records(of, found.columns)
    for record in records:
        line = found.n_lines + record.line
        if record.fault is not None:
            some.bad[line] = ("", record.fault)
        elif record.value is not None:
            _sort(some, line, record, project, cost)
        some.n_lines, some.n_bytes = some.n_lines + record.n_lines, some.n_bytes + record.n_bytes
        if some.n_lines >= _LINES_AT_ONCE or some.n_bytes >= _BYTES_AT_ONCE:
            break
    return some


def _sort(some: _Some, line: int, record: Record, project: Project, cost: Callable[[str], Decimal]) -> None:
    try:
        question = Question.of(load(_FIELDS, record.value))
        task_types.check_question(project.task_type, question.params)
        if question.error_cost is not None:
            cost(question.error_cost)
    except Invalid as problem:
        first = problem.errors[0]
        some.bad[line] = (first["pointer"], first["reason"])
    else:
        some.good[line] = question


_FAULT = text("""
    INSERT INTO import_faults (import_id, line, pointer, reason)
    SELECT :id, * FROM unnest(CAST(:lines AS int[]), CAST(:pointers AS text[]), CAST(:reasons AS text[]))
""")


def _keep_faults(db: Session, found: Import, bad: dict[int, tuple[str, str]]) -> None:
    kept = sorted(bad.items())[: max(FAULTS_KEPT - found.n_bad, 0)]
    if kept:
        given = {"lines": [line for line, _ in kept], "pointers": [pointer for _, (pointer, _) in kept]}
        db.execute(_FAULT, {"id": found.id, **given, "reasons": [reason for _, (_, reason) in kept]})

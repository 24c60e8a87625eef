"""Files of tasks at two sizes: read, counted, listed, and their labels written to files; rows a second and peak memory.

Each size is read in a process of its own, for peaks stay, and so it is counted, listed and written. The floor of
reading is COPY of the same tasks into the same table, in the same run.
"""

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks.house import House, opened
from foundation import db as database
from foundation import pagination
from workforce import importing, imports, label_files, projects, tasks
from workforce.models import ImportState, Project, Task

SIZES = (10_000, 100_000)
FORMATS = ("jsonl", "csv")
_PART = 4 * 1024 * 1024
_PAGES = 250
_ANSWERS_EACH = 1

# As if all of them had been answered and settled.
_SETTLED = (
    text("""
    UPDATE tasks SET status = 'settled', label = 1, confidence = 0.97, settled_by = 'crowd', settled_at = now(),
                     free_slots = 0 WHERE batch_id = :batch_id
    """),
    text("""
    INSERT INTO assignments (id, project_id, task_id, worker_id, kind, status, fence, lease_expires_at, currency,
                             amount, exponent)
    SELECT 'asg_' || substr(md5(w.id || t.id), 1, 26), t.project_id, t.id, w.id, 'answer', 'answered', 1, now(), 'USD',
           20000, 6 FROM tasks t, unnest(CAST(:workers AS text[])) w(id) WHERE t.batch_id = :batch_id
    """),
    text("""
    INSERT INTO answers (id, project_id, assignment_id, task_id, worker_id, kind, payload, label, status, late)
    SELECT 'ans_' || substr(id, 5), project_id, id, task_id, worker_id, 'answer', '{"category": "rook"}', 1,
           'accepted', false FROM assignments WHERE project_id = :project_id
    """),
)


def run(sizes: Sequence[int] = SIZES) -> None:
    """Print what each size costs."""
    print("Files of tasks: sent in parts of 4 MiB, read and checked line by line, made tasks of a batch that waits")
    for format_ in FORMATS:
        for size in sizes:
            _measure(format_, size)


def _measure(format_: str, size: int) -> None:
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as house:
        project_id = house.project(overlap=3)
        batch = {"project": _name(house, project_id), "name": "file", "staging": True}
        batch_id = house.send(house.requester, "/v1/batches", batch)["id"]
        begun = time.perf_counter()
        with house.sessions() as session:
            made = imports.announce(session, _owner(session, batch_id), batch=batch_id, format_=format_)
            n_parts = _send(session, made, format_, size)
            imports.begin(session, made.requester_id, made.id, n_parts=n_parts)
            session.commit()
            import_id, n_bytes = made.id, made.n_bytes
        sent = time.perf_counter() - begun
        url = house.engine.url.render_as_string(hide_password=False)
        told = json.loads(_in_its_own_process("read", url, import_id))
        floor = _copy(house, batch_id, size)
        rate = size / told["seconds"]
        print(
            f"    {format_:5} {size:>9,} tasks, {n_bytes / 1e6:.0f} MB: sent in {sent:.0f} s; {rate:,.0f} a second",
            f"({rate * floor / size:.2f} of COPY), peak {told['peak']:.0f} MiB, {told['grown']:.0f} MiB above idle",
            flush=True,
        )
        begun = time.perf_counter()
        house.send(house.requester, "/v1/batches/file/finalize", {})
        launched = time.perf_counter() - begun
        _settle(house, project_id, batch_id)
        told = json.loads(_in_its_own_process("look", url, project_id, format_))
        assert told["written"] == size, told
        print(
            f"    {format_:5} {size:>9,} tasks, {_ANSWERS_EACH * size:,} answers: opened in {launched:.0f} s;"
            f" counted in {told['counted']:.2f} s,"
            f" progress in {told['progress']:.2f} s; listed {told['listed']:,.0f} a second, the slowest page in"
            f" {told['slowest'] * 1000:.0f} ms; labels written {size / told['writing']:,.0f} a second, a piece of"
            f" {label_files.MOST:,} in {told['piece']:.1f} s at most; peak {told['peak']:.0f} MiB,"
            f" {told['grown']:.0f} MiB above idle",
            flush=True,
        )


def _name(house: House, project_id: str) -> str:
    with house.sessions() as session:
        return str(session.scalar(text("SELECT name FROM projects WHERE id = :id"), {"id": project_id}))


def _owner(session: Session, batch_id: str) -> str:
    return str(session.scalar(text("SELECT requester_id FROM batches WHERE id = :id"), {"id": batch_id}))


def _send(session: Session, made: Any, format_: str, size: int) -> int:
    part, number = io.BytesIO(), 0
    if format_ == "csv":
        part.write(b"unique_id,attachment,metadata.camera\n")
    for at in range(size):
        address = f"https://example.com/photographs/2026/{at:09}.jpg"
        line = {"unique_id": f"photo-{at}", "attachment": address, "metadata": {"camera": "north 7"}}
        row = json.dumps(line) if format_ == "jsonl" else f"photo-{at},{address},north 7"
        part.write(row.encode() + b"\n")
        if part.tell() >= _PART or at == size - 1:
            number += 1
            part.seek(0)
            imports.add_part(session, made.requester_id, made.id, number, part, sent_by="bench")
            session.commit()
            part = io.BytesIO()
    return number


def _in_its_own_process(act: str, *arguments: str) -> str:
    code = f"from benchmarks import imports; import sys; imports.{act}(*sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def read(url: str, import_id: str) -> None:
    """Read one file to its end, as the jobs process does, and print how long it took and what it needed."""
    engine = database.make_engine(url)
    with database.sessions(engine)() as session:
        idle = _peak()
        begun = time.perf_counter()
        for _ in importing.go_on(session):
            session.commit()
        seconds, peak = time.perf_counter() - begun, _peak()
        state = session.scalar(text("SELECT state FROM imports WHERE id = :id"), {"id": import_id})
    assert state == ImportState.FINISHED, state
    print(json.dumps({"seconds": seconds, "peak": peak, "grown": peak - idle}))


def _settle(house: House, project_id: str, batch_id: str) -> None:
    where = {
        "project_id": project_id,
        "batch_id": batch_id,
        "workers": [one for one, _ in house.workers(_ANSWERS_EACH)],
    }
    with house.sessions() as session:
        session.execute(text("SET statement_timeout = 0"))
        for statement in _SETTLED:
            session.execute(statement, where)
        session.commit()
    with house.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE tasks, assignments, answers"))


def look(url: str, project_id: str, format_: str) -> None:
    """Count a project's tasks, list some of them and write all of its labels, within the limits of a web process."""
    make = {"csv": label_files.make_csv, "jsonl": label_files.make_jsonl}[format_]
    with database.sessions(database.make_engine(url))() as session:
        idle, told = _peak(), dict[str, float]()
        project = session.get_one(Project, project_id)
        batch_id = session.scalar(
            text("SELECT id FROM batches WHERE project_id = :p AND NOT standing"), {"p": project_id}
        )
        told["counted"] = _timed(lambda: tasks.status_counts(session, str(batch_id)))
        told["progress"] = _timed(lambda: projects.progress(session, project))
        rows, pages, page = (
            tasks.listed(project.requester_id).filter_by(project_id=project_id),
            list[float](),
            pagination.PageRequest(200),
        )
        for _ in range(_PAGES):
            begun = time.perf_counter()
            last = pagination.read(session, rows, Task.id, page).last
            pages.append(time.perf_counter() - begun)
            page = pagination.PageRequest(200, last)
            session.rollback()
        told["listed"], told["slowest"] = 200 * _PAGES / sum(pages), max(pages)
        written, pieces = 0, list[float]()
        after: str | None = ""
        while after is not None:
            begun = time.perf_counter()
            made = make(session, project, after=after, most=label_files.MOST)
            size = sum(map(len, made.chunks()))
            pieces.append(time.perf_counter() - begun)
            assert size >= 100 * made.rows
            written, after = written + made.rows, made.next
            session.rollback()
        told |= {"written": written, "writing": sum(pieces), "piece": max(pieces), "peak": _peak()}
    print(json.dumps({**told, "grown": told["peak"] - idle}))


def _timed(act: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def _peak() -> float:
    # Not what `getrusage` says, which begins with the peak of whoever started this process.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


_COLUMNS = """id, project_id, batch_id, requester_id, unique_id, status, params, metadata, callback_url, overlap,
              free_slots, position, reserved"""


def _copy(house: House, batch_id: str, size: int) -> float:
    """Seconds that COPY needs for the same tasks, out of a file's bytes, into the table with all its indexes."""
    raw = house.engine.raw_connection()
    try:
        driver: Any = raw.driver_connection
        cursor = driver.cursor()
        cursor.execute("SET statement_timeout = 0")
        with cursor.copy(f"COPY (SELECT {_COLUMNS} FROM tasks WHERE batch_id = '{batch_id}') TO STDOUT") as out:
            rows = b"".join(bytes(piece) for piece in out).replace(b"tsk_", b"tsc_").replace(b"photo-", b"copy-")
        begun = time.perf_counter()
        with cursor.copy(f"COPY tasks ({_COLUMNS}) FROM STDIN") as into:
            into.write(rows)
        seconds = time.perf_counter() - begun
        # They were there for this alone.
        raw.rollback()
        assert rows.count(b"\n") == size
        return seconds
    finally:
        raw.close()

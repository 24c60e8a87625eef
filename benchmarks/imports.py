"""Files of tasks at two sizes: rows a second over the whole way, and the peak memory of the process that reads them.

Each size is read in a process of its own, for peaks stay. The floor is COPY of the same tasks into the same table, in
the same run.
"""

import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks.house import House, opened
from foundation import db as database
from workforce import importing, imports
from workforce.models import ImportState

SIZES = (100_000, 1_000_000)
FORMATS = ("jsonl", "csv")
_PART = 4 * 1024 * 1024


def run(sizes: tuple[int, ...] = SIZES) -> None:
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
        told = json.loads(_in_its_own_process(url, import_id))
        floor = _copy(house, batch_id, size)
        rate = size / told["seconds"]
        print(
            f"    {format_:5} {size:>9,} tasks, {n_bytes / 1e6:.0f} MB: sent in {sent:.0f} s; {rate:,.0f} a second",
            f"({rate * floor / size:.2f} of COPY), peak {told['peak']:.0f} MiB, {told['grown']:.0f} MiB above idle",
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


def _in_its_own_process(url: str, import_id: str) -> str:
    code = "from benchmarks import imports; import sys; imports.read(*sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", code, url, import_id], capture_output=True, text=True, check=True)
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
        raw.commit()
        assert rows.count(b"\n") == size
        return time.perf_counter() - begun
    finally:
        raw.close()

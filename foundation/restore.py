"""Make a new data folder out of a backup: copy a base backup, replay the log to its end or to a moment, and open it.

Nothing is ever overwritten. The work is done in a folder beside the wanted one, which takes its name when it is whole;
a restore that was killed is simply run again.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from foundation import backup, data_folder, embedded_postgres, engine_process, manifest
from foundation.backup import BackupError, Base
from foundation.data_folder import Folder

_TELL_SECONDS = 5.0
_NOT_REACHED = "recovery ended before configured recovery target was reached"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """A data folder that was made from a backup."""

    path: Path
    last_transaction: datetime | None


def bring_back(base: Base, to: Path, *, until: datetime | None, tell: Tell) -> Restored:
    """Restore a base backup and the log after it, up to the end or to a moment, into a folder that is not there yet."""
    to = to.expanduser().resolve()
    if to.exists():
        raise BackupError(f"{to} is there already; name a folder that is not.")
    segments = _needed(base, until)
    with backup.one_sentence(base.path):
        _require_room(base, segments, to.parent)
        making = to.with_name(f"{to.name}.restoring")
        with Folder.prepare(making).lock("restore.lock"):
            if to.exists():
                raise BackupError(f"{to} was just made by somebody else.")
            _clear(Folder.prepare(making))
            # Anew: what was left had an owner, and this is as whom the engines would run.
            folder = Folder.prepare(making)
            _copy(base, segments, folder, tell)
            last = _replay(folder, until, tell)
            folder.path.rename(to)
    with suppress(FileNotFoundError):
        (to / "restore.lock").unlink()
    return Restored(to, last)


def choose(backup_dir: Path, *, until: datetime | None = None, stretch: str | None = None) -> Base:
    """The newest base backup from which a moment, or the last one, can be reached."""
    known = [
        base
        for each in backup.stretches(backup_dir)
        for base in backup.bases(each)
        if stretch in {None, each.path.name}
    ]
    if not known:
        raise BackupError(f"There is no base backup in {backup_dir}{f' in {stretch}' if stretch else ''}.")
    if len({base.stretch.system for base in known}) > 1:
        raise BackupError(
            "The backup folder holds several houses; `rookery backups` lists them: name one by --stretch."
        )
    fitting = [base for base in known if until is None or base.finished_at <= until]
    if not fitting:
        earliest = earliest_of(min(known, key=lambda base: base.finished_at))
        raise BackupError(f"The earliest moment that can be restored is {shown(earliest)}.")
    base = max(fitting, key=lambda base: base.finished_at)
    if until is not None and until >= (end := reaches(base)):
        raise BackupError(
            f"The backup reaches to {shown(end, 'milliseconds')}; leave --until away to restore everything it holds."
        )
    return base


def earliest_of(base: Base) -> datetime:
    """The first whole second that a base backup can be restored to."""
    return (base.finished_at + timedelta(seconds=1)).replace(microsecond=0)


def reaches(base: Base) -> datetime:
    """The last moment that a base backup and its stretch's log can be restored to."""
    return max(base.finished_at, backup.last_transaction(base.stretch) or base.finished_at)


def shown(moment: datetime, precision: str = "seconds") -> str:
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def _needed(base: Base, until: datetime | None) -> Sequence[Path]:
    """The log from the base backup on, without a hole; no further than where a later base backup begins."""
    later = [each.first_segment for each in backup.bases(base.stretch) if until and each.started_at > until]
    # What a base backup brings itself is whole, while the stretch's last file may be in the making.
    own = {path.name: path for path in (base.cluster / "pg_wal").iterdir() if path.is_file()}
    copied = {name: base.stretch.segment(name) for name in base.stretch.segments if name <= min(later, default=name)}
    found = {name: path for name, path in {**copied, **own}.items() if name >= base.first_segment}
    wanted = base.first_segment
    for name in sorted(found):
        if name != wanted:
            raise BackupError(f"{base.stretch.wal / wanted} is missing; use another base backup.")
        wanted = backup.next_segment(name)
    return [found[name] for name in sorted(found)]


def _require_room(base: Base, segments: Sequence[Path], parent: Path) -> None:
    while not parent.exists():
        parent = parent.parent
    needed, free = base.size + len(segments) * backup.SEGMENT_BYTES, shutil.disk_usage(parent).free
    if free < needed:
        raise BackupError(f"The restored data needs {sized(needed)} and {parent} has {sized(free)} free.")


def sized(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size > 1e9 else f"{size / 1e6:.0f} MB"


def _clear(folder: Folder) -> None:
    """Remove what a killed restore left, and end its engine."""
    embedded_postgres.stop(folder)
    for left in folder.path.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left.name != "restore.lock":
            left.unlink()


def _copy(base: Base, segments: Sequence[Path], folder: Folder, tell: Tell) -> None:
    tell(f"Copying {sized(base.size)} and {len(segments)} files of the log.")
    due = time.monotonic() + _TELL_SECONDS

    def own(path: Path) -> None:
        shutil.chown(path, folder.uid, folder.gid)

    # In place of a command that fetches the log: the engine's user need not reach the backup folder.
    for done in manifest.copy(base.cluster, folder.cluster, own):
        if time.monotonic() > due:
            tell(f"Copied {sized(done)} of {sized(base.size)}.")
            due = time.monotonic() + _TELL_SECONDS
    for path in segments:
        copied = folder.cluster / "pg_wal" / path.name.removesuffix(".partial")
        shutil.copyfile(path, copied)
        copied.chmod(0o600)
        own(copied)
    data_folder.write_private(folder.path / "passwords.json", base.passwords.read_text())


def _replay(folder: Folder, until: datetime | None, tell: Tell) -> datetime | None:
    """Let PostgreSQL replay the log and end its recovery; the time of the last transaction that it holds then."""
    signal = folder.cluster / "recovery.signal"
    signal.touch(mode=0o600)
    shutil.chown(signal, folder.uid, folder.gid)
    # There is nothing to fetch: all of the log is in its place. What this house does next begins a timeline of its own.
    settings = {"restore_command": "exit 1", "recovery_target_timeline": "current", "hot_standby": "on"}
    if until is not None:
        settings |= {
            "recovery_target_time": until.astimezone(UTC).isoformat(sep=" "),
            "recovery_target_action": "promote",
        }
    folder.own(folder.sockets)
    postmaster = embedded_postgres.start(folder, embedded_postgres.binaries_folder(), settings)
    try:
        last = _await_end(folder, postmaster, tell)
    finally:
        embedded_postgres.stop(folder)
        if folder.sockets.parent != folder.path:
            with suppress(OSError):
                folder.sockets.rmdir()
    return last


def _await_end(folder: Folder, postmaster: int, tell: Tell) -> datetime | None:
    due = time.monotonic()
    while True:
        try:
            with backup.connect(folder) as connection:
                row = connection.execute("SELECT pg_is_in_recovery(), pg_last_xact_replay_timestamp()").fetchone()
        except psycopg.OperationalError:
            row = None
        if row is not None and not row[0]:
            return None if row[1] is None else row[1].astimezone(UTC)
        if not engine_process.is_alive(postmaster):
            raise BackupError(_last_words(folder))
        if time.monotonic() > due:
            tell("Replaying the log." if row is None or row[1] is None else f"Replayed up to {shown(row[1])}.")
            due = time.monotonic() + _TELL_SECONDS
        time.sleep(0.1)


def _last_words(folder: Folder) -> str:
    log = folder.log("postgresql")
    told = log.read_text(errors="replace") if log.exists() else ""
    if _NOT_REACHED in told:
        return "The backup ends before the moment of --until; leave it away to restore everything it holds."
    return data_folder.explain(told, folder.path, f"The log could not be replayed; PostgreSQL's log {log} ends")

"""The continuous copy of PostgreSQL's write-ahead log into the backup folder: what `rookery up` keeps running for it.

pg_receivewal takes the log as it is written, so what a lost data folder costs is what was on its way: a fraction of a
second. PostgreSQL's other way, archive_command, hands over whole files of 16 MB: it costs up to a file's worth of
answers, or a file every few seconds; and while it fails, the log grows without end and stops the house when the disk
is full. Here a slot keeps what was not copied yet, up to 2 GB (`max_slot_wal_keep_size`); beyond that the copy is given
up and begun anew, and the house never waits.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import structlog

from foundation import backup, data_folder, processes
from foundation.backup import BackupError, Stretch

# An idle house commits this often all the same, so that every moment up to now can be restored to.
_BEAT_SECONDS = 10.0
_TICK_SECONDS = 0.5
_PAUSE_SECONDS_MAX = 30.0
_HEALTHY_SECONDS = 60.0
_BEHIND_BYTES_MAX = 8 * backup.SEGMENT_BYTES
_DRAIN_SECONDS = 5.0

log = structlog.get_logger()


@contextmanager
def archiving(data_dir: Path, backup_dir: Path, environment: dict[str, str]) -> Iterator[Callable[[], None]]:
    """A child process that copies the log, and ends after those who write it; call what this yields often."""
    command = [sys.executable, "-m", "wsgi", "--data-dir", str(data_dir.resolve())]
    command += ["--backup-dir", str(backup_dir.resolve()), "archive"]
    supervisor = processes.Supervisor([processes.Child("archive", command)], environment, first=lambda: None)
    supervisor.start()
    try:
        yield supervisor.tend
    finally:
        supervisor.stop()


def run(data_dir: Path, backup_dir: Path) -> None:
    """Copy the log until SIGTERM. Whatever fails is logged and tried again, less and less often."""
    processes.raise_interrupt_on_terminate()
    pause = _TICK_SECONDS
    with suppress(KeyboardInterrupt):
        while True:
            started = time.monotonic()
            try:
                with backup.one_sentence(backup_dir):
                    folder = data_folder.Folder.prepare(data_dir)
                    _copy(folder, backup.follow(folder, backup_dir))
            except BackupError as error:
                lived = time.monotonic() - started
                pause = _TICK_SECONDS if lived > _HEALTHY_SECONDS else min(pause * 2, _PAUSE_SECONDS_MAX)
                log.warning("the backup waits", error=str(error), again_in=pause)
            time.sleep(pause)


def _copy(folder: data_folder.Folder, stretch: Stretch) -> None:
    """Copy until something breaks, which is raised, or until we are asked to end."""
    _mend(stretch)
    with backup.connect(folder) as connection, _receiver(folder, stretch) as receiver:
        try:
            if not backup.bases(stretch):
                made = backup.take(folder, stretch)
                log.info("the first base backup is made", path=str(made.path), seconds=made.seconds)
            _watch(receiver, connection, stretch)
        except KeyboardInterrupt:
            processes.end_in_peace()
            with suppress(BackupError, psycopg.Error):
                _drain(connection, stretch)
            raise


def _mend(stretch: Stretch) -> None:
    """A file that a full disk or a kill left half-made holds nothing yet, and pg_receivewal would not go on with it."""
    for path in stretch.wal.glob("*.partial"):
        if path.stat().st_size != backup.SEGMENT_BYTES:
            path.unlink()


@contextmanager
def _receiver(folder: data_folder.Folder, stretch: Stretch) -> Iterator["subprocess.Popen[str]"]:
    command, environment = backup.call(
        folder, "pg_receivewal", f"--directory={stretch.wal}", f"--slot={stretch.slot}", "--no-loop", "--synchronous"
    )
    parent = os.getpid()
    receiver = subprocess.Popen(  # noqa: S603 - a binary of our own wheel
        command, env=environment, cwd="/", umask=0o077, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, errors="replace",
        preexec_fn=lambda: processes.die_with_parent(parent),  # noqa: PLW1509 - no lock is taken in it
    )  # fmt: skip
    try:
        yield receiver
    finally:
        with suppress(ProcessLookupError):
            receiver.send_signal(signal.SIGINT)
        try:
            receiver.communicate(timeout=_DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            receiver.kill()
            receiver.communicate()


def _watch(receiver: "subprocess.Popen[str]", connection: "psycopg.Connection[Any]", stretch: Stretch) -> None:
    due = 0.0
    while receiver.poll() is None:
        if time.monotonic() >= due:
            backup.beat(connection)
            behind = _behind(connection, stretch)
            if behind > _BEHIND_BYTES_MAX:
                log.warning("the backup is behind", bytes=behind)
            due = time.monotonic() + _BEAT_SECONDS
        time.sleep(_TICK_SECONDS)
    raise BackupError(backup.last_words("pg_receivewal", receiver.communicate()[1]))


def _behind(connection: "psycopg.Connection[Any]", stretch: Stretch) -> int:
    """How many bytes of the log are not in the copy."""
    asked = """
        SELECT wal_status, pg_wal_lsn_diff(pg_current_wal_flush_lsn(), restart_lsn)::bigint
          FROM pg_replication_slots WHERE slot_name = %s"""
    row = connection.execute(asked, [stretch.slot]).fetchone()
    if row is None or row[0] == "lost":
        raise BackupError("The backup was behind for too long; a new stretch begins.")
    return int(row[1])


def _drain(connection: "psycopg.Connection[Any]", stretch: Stretch) -> None:
    """Those who write have ended: wait until the copy has their last words."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while _behind(connection, stretch) > 0 and time.monotonic() < deadline:
        time.sleep(0.02)

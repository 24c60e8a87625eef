"""`python -m tests.drills.restore`: lose a house under load and restore it, to the last moment and to an earlier one.

What is restored is compared with what clients were told. Figures: seconds of acknowledged work lost, minutes to
restore, invariants. `make test` runs a small one.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

import wsgi
from foundation import backup, data_folder
from tests.drills import history
from tests.drills.house import House, Journal, Told, at_work, cast, opened

# The promise: a minute after it was acknowledged, nothing can be lost any more.
COPIED_SECONDS_MAX = 60.0
# Far below the promise: more, on a machine that has nothing else to do, and the log is not copied as it is written.
LOST_SECONDS_MAX = 1.0

# So much must have been acknowledged after the earlier moment before the house is lost, and so long it is waited for.
_TOLD_MIN = 50
_PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class Outcome:
    """What a drill has shown."""

    size: int = 0
    answers_before: int = 0
    backup_seconds: float = 0.0
    acknowledged: int = 0
    last_before_kill: float = 0.0
    """Seconds from the last acknowledgement to the kill: nobody was idle."""
    lost: list[Told] = field(default_factory=list)
    lost_seconds: float = 0.0
    lost_though_copied: list[Told] = field(default_factory=list)
    """What is lost of that which the copy of the log had before the kill."""
    restore_seconds: float = 0.0
    check_seconds: float = 0.0
    until_seconds: float = 0.0
    before_until: int = 0
    missing_before: list[Told] = field(default_factory=list)
    after_until: int = 0
    present_after: list[Told] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Nothing that was copied is lost, an earlier moment is exact, and every invariant holds."""
        enough = self.acknowledged > 0 and self.before_until > 0 and self.after_until > 0
        wrong = [*self.lost_though_copied, *self.missing_before, *self.present_after, *self.broken, *self.refused]
        return enough and not wrong


def drill(folder: Path, *, size: int, seconds: float) -> Outcome:
    """Everything once, in an empty folder: a house of so many bytes, with writes for so many seconds."""
    outcome, journal = Outcome(), Journal()
    backup_dir = folder / "backups"
    backup_dir.mkdir()
    house = House(folder / "data", backup_dir)
    with opened(house.data_dir) as (engines, sessions):
        outcome.answers_before = history.fill(engines.superuser, sessions, size)
    house.start()
    actors = cast(house)
    with at_work(house.address, actors, journal):
        time.sleep(seconds / 3)
        house.run("backup")
        time.sleep(seconds / 3)
        until = time.time()
        _wait_until_told(journal, until)
        copied_at = _wait_until_copied(house)
        time.sleep(seconds / 3)
        killed_at = house.lose()
    outcome.backup_seconds = backup.bases(backup.stretches(backup_dir)[-1])[-1].seconds
    outcome.refused = journal.refused
    outcome.acknowledged = len(journal.told)
    outcome.last_before_kill = killed_at - max(told.at for told in journal.told)
    _restore_all(house, journal, killed_at, outcome)
    outcome.lost_though_copied = [told for told in outcome.lost if told.at < copied_at]
    _restore_until(house, journal, until, outcome)
    return outcome


def cost(folder: Path, *, seconds: float) -> tuple[list[float], list[float]]:
    """Acknowledgements a second of a house without and with the copy of its log, in turns."""
    backup_dir = folder / "backups"
    backup_dir.mkdir()
    rates: tuple[list[float], list[float]] = ([], [])
    for turn in range(6):
        house, journal = House(folder / "data", backup_dir if turn % 2 else None), Journal()
        house.start()
        with at_work(house.address, cast(house), journal):
            time.sleep(seconds)
        house.stop()
        rates[turn % 2].append(len(journal.told) / seconds)
    return rates


def _wait_until_told(journal: Journal, since: float) -> None:
    """A slow disk can hold every commit up for longer than the drill waits; with none there is nothing to restore."""
    ends = time.monotonic() + _PATIENCE_SECONDS
    while sum(told.sent > since for told in journal.told) < _TOLD_MIN and time.monotonic() < ends:
        time.sleep(0.05)


def _wait_until_copied(house: House) -> float:
    """The latest moment that the copy of the log is known to hold: now, as soon as it holds what is written now."""
    moment, ends = time.time(), time.monotonic() + COPIED_SECONDS_MAX
    with backup.connect(data_folder.Folder.prepare(house.data_dir)) as connection:
        written = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        asked = "SELECT count(*) FROM pg_replication_slots WHERE restart_lsn >= %s"
        while connection.execute(asked, written).fetchone() == (0,):
            assert time.monotonic() < ends, "The copy of the log does not follow."
            time.sleep(0.05)
    return moment


def timed(house: House, *words: str) -> float:
    started = time.monotonic()
    house.run(*words)
    return time.monotonic() - started


def _restore_all(house: House, journal: Journal, killed_at: float, outcome: Outcome) -> None:
    to = house.data_dir.with_name("restored")
    outcome.restore_seconds = timed(house, "restore", "--to", str(to))
    with opened(to) as (_, sessions), sessions() as session:
        outcome.size = session.scalar(text("SELECT pg_database_size(current_database())")) or 0
        outcome.lost = missing(session, journal.told)
        if outcome.lost:
            # Whoever was told while the processes died, one after another, was told by a house that was half dead.
            outcome.lost_seconds = max(0.0, killed_at - min(told.at for told in outcome.lost))
        started = time.monotonic()
        outcome.broken += broken(session)
        outcome.check_seconds = time.monotonic() - started


def _restore_until(house: House, journal: Journal, until: float, outcome: Outcome) -> None:
    to = house.data_dir.with_name("earlier")
    moment = datetime.fromtimestamp(until, UTC).isoformat()
    outcome.until_seconds = timed(house, "restore", "--to", str(to), "--until", moment)
    before = [told for told in journal.told if told.at < until]
    after = [told for told in journal.told if told.sent > until]
    outcome.before_until, outcome.after_until = len(before), len(after)
    with opened(to) as (_, sessions), sessions() as session:
        outcome.missing_before = missing(session, before)
        absent = set(missing(session, after))
        outcome.present_after = [told for told in after if told not in absent]
        outcome.broken += broken(session)


def missing(session: Session, told: Sequence[Told]) -> list[Told]:
    """What somebody was told is stored and is not."""
    by_table: dict[str, list[str]] = defaultdict(list)
    for one in told:
        by_table[one.table].append(one.id)
    stored = {
        (table, found)
        for table, ids in by_table.items()
        for found in session.scalars(text(f"SELECT id FROM {table} WHERE id = ANY(:ids)"), {"ids": ids})
    }
    return [one for one in told if (one.table, one.id) not in stored]


def broken(session: Session) -> list[str]:
    found = [check(session) for check in wsgi.program.checks]
    return [f"{name}: {row}" for part in found for name, rows in part.items() for row in rows]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-gb", type=float, default=0.05, help="how big the database is before the writes")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long clients write, beside the backup")
    parser.add_argument("--cost", action="store_true", help="only measure what the copy of the log costs writers")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rookery-drill-") as folder:
        if wanted.cost:
            for name, rates in zip(("without", "with"), cost(Path(folder), seconds=wanted.seconds), strict=True):
                print(f"acknowledged a second {name} the copy: {', '.join(f'{rate:.0f}' for rate in rates)}")
            return 0
        outcome = drill(Path(folder), size=int(wanted.size_gb * 1e9), seconds=wanted.seconds)
    _tell(outcome)
    return 0 if outcome.is_sound and outcome.lost_seconds < LOST_SECONDS_MAX else 1


def _tell(outcome: Outcome) -> None:
    gigabytes = outcome.size / 1e9
    checks = "all hold" if not outcome.broken else f"{len(outcome.broken)} BROKEN"
    for name, figure in (
        (
            "the database",
            f"{gigabytes:.2f} GB: {outcome.answers_before} answers, all that belongs to them, and the writes",
        ),
        ("base backup under writes", f"{outcome.backup_seconds:.1f} s, verified"),
        (
            "acknowledged",
            f"{outcome.acknowledged}, the last one {outcome.last_before_kill * 1000:.0f} ms before the kill",
        ),
        ("acknowledged and lost", f"{len(outcome.lost)}, {outcome.lost_seconds:.3f} s"),
        ("restored", f"{outcome.restore_seconds:.1f} s, {outcome.restore_seconds / 60:.2f} min, with its checks"),
        ("invariants", f"{checks}, {outcome.check_seconds:.1f} s"),
        ("restored until a moment", f"{outcome.until_seconds:.1f} s"),
        ("acknowledged before it", f"{outcome.before_until}, {len(outcome.missing_before)} missing"),
        ("sent after it", f"{outcome.after_until}, {len(outcome.present_after)} present"),
        ("copied and lost", f"{len(outcome.lost_though_copied)}"),
        ("verdict", "sound" if outcome.is_sound else "NOT SOUND"),
    ):
        print(f"{name:26} {figure}")
    for line in [*outcome.broken[:5], *outcome.refused[:5]]:
        print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())

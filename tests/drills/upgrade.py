"""`python -m tests.drills.upgrade`: the version before serves and takes writes while this one migrates its database.

The version before is the checkout from which the newest migration was not there yet, out of git. `rookery migrate` is
killed at random moments and run again; then this version takes over. Nothing acknowledged may be missing, nobody may
have been refused, every invariant holds, and the schema is that of a fresh database.
"""

import argparse
import itertools
import random
import secrets
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from sqlalchemy import Connection, text

from foundation import db, embedded
from tests.drills import catalog, restore
from tests.drills.house import House, Journal, at_work, cast, opened

_ROOT = Path(__file__).parent.parent.parent


@dataclass(slots=True)
class Outcome:
    """What a drill has shown."""

    version_before: str = ""
    version_after: str = ""
    kills: int = 0
    migrate_seconds: float = 0.0
    acknowledged: int = 0
    longest_seconds: float = 0.0
    lost: int = 0
    differences: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return self.version_before != self.version_after and not (
            self.lost or self.differences or self.broken or self.refused
        )


def drill(folder: Path, *, kills: int, rng: random.Random) -> Outcome:
    """Once, in an empty folder."""
    outcome, journal = Outcome(), Journal()
    before = House(folder / "data", root=_version_before(folder / "before"))
    after = House(before.data_dir)
    before.start()
    actors = cast(before)
    outcome.version_before = _version(before.data_dir)
    with at_work(before.address, actors, journal):
        # A command that does little: about as long as a migration lives.
        usual = restore.timed(before, "token", "list")
        while outcome.kills < kills:
            outcome.kills += _migrate_and_kill(after, rng.uniform(0, 1.5 * usual))
        outcome.migrate_seconds = restore.timed(after, "migrate")
        # The old version goes on for a while, as in a rolling deploy.
        time.sleep(2)
    before.stop()
    outcome.longest_seconds = _longest_pause(journal)
    after.start()
    with at_work(after.address, actors, journal):
        time.sleep(2)
    after.stop()
    _reckon(after.data_dir, journal, outcome)
    outcome.differences = sorted(_schema(after.data_dir) ^ _schema(folder / "fresh"))
    return outcome


def _version_before(to: Path) -> Path:
    """The code from which the newest migration was not there yet."""
    newest = max((_ROOT / "migrations" / "versions").glob("0*.py")).relative_to(_ROOT)
    added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", str(newest)).decode().strip()
    assert added, f"{newest} is not committed yet."
    with tarfile.open(fileobj=BytesIO(_git("archive", f"{added}^"))) as packed:
        packed.extractall(to, filter="data")
    return to


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=_ROOT, capture_output=True, check=True).stdout


def _migrate_and_kill(house: House, after_seconds: float) -> bool:
    """Whether it was still at it."""
    migrating = house.begin("migrate")
    time.sleep(after_seconds)
    killed = migrating.poll() is None
    migrating.kill()
    migrating.wait()
    return killed


def _version(data_dir: Path) -> str:
    with _owner(data_dir) as connection:
        return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


def _schema(data_dir: Path) -> set[str]:
    with opened(data_dir), _owner(data_dir) as connection:
        return catalog.read(connection)


@contextmanager
def _owner(data_dir: Path) -> Iterator[Connection]:
    with embedded.engines(data_dir) as engines:
        engine = db.make_engine(engines.database_owner_url)
        with engine.connect() as connection:
            yield connection
        engine.dispose()


def _longest_pause(journal: Journal) -> float:
    moments = sorted(told.at for told in journal.told)
    return max((later - earlier for earlier, later in itertools.pairwise(moments)), default=0.0)


def _reckon(data_dir: Path, journal: Journal, outcome: Outcome) -> None:
    outcome.acknowledged, outcome.refused = len(journal.told), journal.refused
    with opened(data_dir) as (_, sessions), sessions() as session:
        outcome.lost = len(restore.missing(session, journal.told))
        outcome.broken = restore.broken(session)
    outcome.version_after = _version(data_dir)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="when migrations are killed")
    parser.add_argument("--kills", type=int, default=10, help="how many migrations are killed")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rookery-drill-") as folder:
        outcome = drill(Path(folder), kills=wanted.kills, rng=random.Random(wanted.seed))
    for name, figure in (
        ("upgraded", f"{outcome.version_before} to {outcome.version_after}, in {outcome.migrate_seconds:.1f} s"),
        ("killed before that", f"{outcome.kills} times, seed {wanted.seed}"),
        ("acknowledged", f"{outcome.acknowledged}, {outcome.lost} lost, {len(outcome.refused)} refused"),
        ("longest pause", f"{outcome.longest_seconds:.2f} s between two acknowledgements"),
        ("schema", f"{len(outcome.differences)} differences from a fresh one"),
        ("invariants", "all hold" if not outcome.broken else f"{len(outcome.broken)} BROKEN"),
        ("verdict", "sound" if outcome.is_sound else "NOT SOUND"),
    ):
        print(f"{name:20} {figure}")
    for line in [*outcome.differences[:5], *outcome.broken[:5], *outcome.refused[:5]]:
        print(f"  {line}")
    return 0 if outcome.is_sound else 1


if __name__ == "__main__":
    sys.exit(main())

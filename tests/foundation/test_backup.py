"""Backups of the embedded PostgreSQL: made, followed by the log, pruned, damaged, restored; and faults around them."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from click.testing import CliRunner

import wsgi
from foundation import archive, backup, embedded, manifest, restore
from foundation.backup import BackupError, Base, Stretch
from foundation.data_folder import Folder

_FAST = {"fsync": "off"}


class Cluster:
    """The engines of a data folder, with a table of notes, and a place for their backups."""

    def __init__(self, path: Path) -> None:
        self.data_dir, self.backup_dir = path / "data", path / "backups"
        self.backup_dir.mkdir(parents=True, exist_ok=True)

    @property
    def folder(self) -> Folder:
        return Folder.prepare(self.data_dir)

    @contextmanager
    def running(self, **conf: str) -> Iterator[None]:
        with embedded.engines(self.data_dir, conf={**_FAST, **conf}):
            yield

    @contextmanager
    def connect(self) -> Iterator["psycopg.Connection[Any]"]:
        with backup.connect(self.folder) as connection:
            yield connection

    def note(self, text: str) -> datetime:
        """Write it, and the moment after it by the database's clock."""
        with self.connect() as owner:
            owner.execute("INSERT INTO notes (text) VALUES (%s)", [text])
            row = owner.execute("SELECT clock_timestamp()").fetchone()
            assert row is not None
            moment: datetime = row[0]
            return moment

    def follow(self) -> Stretch:
        return backup.follow(self.folder, self.backup_dir)

    def take(self) -> Base:
        return backup.take(self.folder, self.follow())

    def fill_segments(self, count: int) -> None:
        with self.connect() as owner:
            for _ in range(count):
                owner.execute("SELECT pg_logical_emit_message(true, 'test', '')")
                owner.execute("SELECT pg_switch_wal()")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the table of notes, at rest."""
    path = tmp_path_factory.mktemp("made") / "data"
    with embedded.engines(path, conf=_FAST), backup.connect(Folder.prepare(path)) as owner:
        owner.execute("CREATE TABLE notes (id int GENERATED ALWAYS AS IDENTITY, text text)")
    return path


@pytest.fixture
def cluster(tmp_path: Path, made: Path) -> Iterator[Cluster]:
    """A data folder whose processes end with the test, however it went."""
    subprocess.run(["cp", "-a", made, tmp_path / "data"], check=True)
    yield Cluster(tmp_path)
    for process in _processes(str(tmp_path)):
        process.kill()


def _processes(part: str, name: str = "") -> list[Any]:
    found = psutil.process_iter(["name", "cmdline"])
    return [each for each in found if part in " ".join(each.info["cmdline"] or []) and name in each.info["name"]]


@contextmanager
def _archiving(cluster: Cluster) -> Iterator[Callable[[], None]]:
    with archive.archiving(cluster.data_dir, cluster.backup_dir, {"ROOKERY_LOG_LEVEL": "warning"}) as tend:
        yield tend


def _until(condition: Callable[[], Any], tend: Callable[[], None] = lambda: None) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        tend()
        time.sleep(0.2)


def _has_base(cluster: Cluster) -> bool:
    return any(backup.bases(stretch) for stretch in backup.stretches(cluster.backup_dir))


def _is_copied(cluster: Cluster, moment: datetime) -> bool:
    """Whether the log's copy has come to a moment; a commit after it tells."""
    with cluster.connect() as connection:
        backup.beat(connection)
    return any((backup.last_transaction(each) or moment) > moment for each in backup.stretches(cluster.backup_dir))


def _restored(cluster: Cluster, to: str = "restored", *, until: datetime | None = None) -> list[str]:
    """The notes of a house that is restored."""
    base = restore.choose(cluster.backup_dir, until=until)
    made = restore.bring_back(base, cluster.data_dir.with_name(to), until=until, tell=lambda _: None)
    return _notes(made.path)


def _notes(data_dir: Path) -> list[str]:
    with embedded.engines(data_dir, conf=_FAST), backup.connect(Folder.prepare(data_dir)) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY id")]


# Restoring


def test_the_log_after_a_base_backup_brings_back_everything_or_all_up_to_a_moment(cluster: Cluster) -> None:
    with cluster.running(), _archiving(cluster) as tend:
        cluster.note("before")
        _until(lambda: _has_base(cluster), tend)
        moment = cluster.note("then")
        _until(lambda: _is_copied(cluster, cluster.note("after")), tend)

        assert _restored(cluster)[:3] == ["before", "then", "after"]
        assert _restored(cluster, "earlier", until=moment) == ["before", "then"]


def test_what_is_written_last_before_an_orderly_end_is_in_the_copy(cluster: Cluster) -> None:
    with cluster.running():
        with _archiving(cluster) as tend:
            _until(lambda: _has_base(cluster), tend)
            cluster.note("last")

        found = _restored(cluster)

    assert found == ["last"]


def test_a_base_backup_alone_can_be_restored(cluster: Cluster) -> None:
    with cluster.running():
        cluster.note("before")
        cluster.take()
        cluster.note("after")

        assert _restored(cluster) == ["before"]


def test_a_restored_house_goes_on_and_is_backed_up_beside_the_lost_one(cluster: Cluster) -> None:
    with cluster.running():
        cluster.note("before")
        cluster.take()
    shutil.rmtree(cluster.data_dir)
    _restored(cluster, "data")

    with cluster.running():
        cluster.note("after")
        cluster.take()

    assert len(backup.stretches(cluster.backup_dir)) == 2
    assert _restored(cluster) == ["before", "after"]


def test_nothing_is_overwritten_and_a_killed_restore_is_simply_run_again(cluster: Cluster) -> None:
    with cluster.running():
        cluster.note("kept")
        base = cluster.take()
    left = cluster.data_dir.with_name("restored.restoring")
    shutil.copytree(base.cluster, left / "postgresql-18" / "half")
    (left / "passwords.json").write_text("{}")

    with pytest.raises(BackupError, match="is there already"):
        restore.bring_back(base, cluster.data_dir, until=None, tell=lambda _: None)

    assert _restored(cluster) == ["kept"]
    assert not left.exists()


def test_moments_that_no_backup_holds_are_refused_with_what_it_holds(cluster: Cluster) -> None:
    with cluster.running():
        moment = cluster.note("before")
        base = cluster.take()

    with pytest.raises(BackupError, match="The earliest moment"):
        restore.choose(cluster.backup_dir, until=moment)
    with pytest.raises(BackupError, match="The backup reaches to"):
        restore.choose(cluster.backup_dir, until=base.finished_at + timedelta(hours=1))
    with pytest.raises(BackupError, match="no base backup"):
        restore.choose(cluster.backup_dir, stretch="another")


def test_damage_is_found_before_anything_is_opened(cluster: Cluster) -> None:
    with cluster.running():
        base = cluster.take()
    damaged = base.cluster / "global" / "pg_control"
    whole = damaged.read_bytes()

    damaged.write_bytes(whole[:-1] + b"x")
    with pytest.raises(BackupError, match="not what was backed up"):
        _restored(cluster)
    damaged.unlink()
    with pytest.raises(BackupError, match="is missing"):
        _restored(cluster)
    damaged.write_bytes(whole)
    listed = base.cluster / "backup_manifest"
    listed.write_text(listed.read_text().replace("SHA256", "SHA512", 1))
    with pytest.raises(manifest.Damaged, match="is damaged"):
        manifest.verify(base.cluster)


def test_a_hole_in_the_log_is_found_before_anything_is_restored(cluster: Cluster) -> None:
    with cluster.running(), _archiving(cluster) as tend:
        _until(lambda: _has_base(cluster), tend)
        cluster.fill_segments(3)
        moment = cluster.note("after")
        _until(lambda: _is_copied(cluster, moment), tend)
    (stretch,) = backup.stretches(cluster.backup_dir)
    stretch.segment(stretch.segments[-2]).unlink()

    with pytest.raises(BackupError, match="is missing"):
        _restored(cluster)


# Keeping


def test_old_base_backups_go_and_with_them_the_log_that_nobody_needs(cluster: Cluster) -> None:
    with cluster.running(), _archiving(cluster) as tend:
        _until(lambda: _has_base(cluster), tend)
        made = [cluster.take() for _ in range(2)]
        moment = cluster.note("after")
        _until(lambda: _is_copied(cluster, moment), tend)
        (stretch,) = backup.stretches(cluster.backup_dir)
        before = stretch.segments

        removed = backup.prune(cluster.backup_dir, stretch, keep=1)

    assert removed == 2
    assert backup.bases(stretch) == made[1:]
    assert before[0] < made[1].first_segment
    assert stretch.segments == [name for name in before if name >= made[1].first_segment]
    assert _restored(cluster) == ["after"]


def test_another_houses_backups_are_neither_pruned_nor_taken_for_ours(cluster: Cluster, tmp_path: Path) -> None:
    other = Cluster(tmp_path / "other")
    other.backup_dir = cluster.backup_dir
    with other.running():
        theirs = other.take()
    with cluster.running():
        ours = cluster.take()

        backup.prune(cluster.backup_dir, ours.stretch, keep=1)

    assert backup.bases(theirs.stretch) == [theirs]
    with pytest.raises(BackupError, match="several houses"):
        restore.choose(cluster.backup_dir)
    assert restore.choose(cluster.backup_dir, stretch=theirs.stretch.path.name) == theirs


def test_backups_are_readable_by_their_user_alone(cluster: Cluster) -> None:
    with cluster.running(), _archiving(cluster) as tend:
        _until(lambda: _has_base(cluster), tend)

        modes = {path.stat().st_mode & 0o077 for path in cluster.backup_dir.rglob("*")}

    assert modes == {0}


# Faults


def test_the_copy_goes_on_whoever_is_killed(cluster: Cluster) -> None:
    with cluster.running(), _archiving(cluster) as tend:
        _until(lambda: _has_base(cluster), tend)
        for victim in ("pg_receivewal", "python"):
            (process,) = _processes(str(cluster.backup_dir), victim)
            os.kill(process.pid, signal.SIGKILL)
            moment = cluster.note(victim)
            _until(lambda moment=moment: _is_copied(cluster, moment), tend)  # type: ignore[misc]

        assert len(backup.stretches(cluster.backup_dir)) == 1
        assert _restored(cluster) == ["pg_receivewal", "python"]


def test_a_backup_folder_that_is_away_is_waited_for_and_not_made(cluster: Cluster) -> None:
    away = cluster.backup_dir.with_name("away")
    with cluster.running(), _archiving(cluster) as tend:
        _until(lambda: _has_base(cluster), tend)
        cluster.backup_dir.rename(away)
        cluster.note("meanwhile")
        cluster.fill_segments(1)
        _until(lambda: not _processes("pg_receivewal", "pg_receivewal") or not cluster.backup_dir.exists(), tend)
        assert not cluster.backup_dir.exists()
        away.rename(cluster.backup_dir)
        moment = cluster.note("after")
        _until(lambda: _is_copied(cluster, moment), tend)

        assert _restored(cluster) == ["meanwhile", "after"]


def test_a_file_that_a_full_disk_left_half_made_is_begun_again(cluster: Cluster) -> None:
    with cluster.running():
        stretch = cluster.follow()
        with cluster.connect() as connection:
            row = connection.execute("SELECT pg_walfile_name(pg_current_wal_lsn())").fetchone()
        assert row is not None
        (stretch.wal / f"{row[0]}.partial").write_bytes(bytes(4096))
        with _archiving(cluster) as tend:
            _until(lambda: _has_base(cluster), tend)
            cluster.note("after")

        assert _restored(cluster) == ["after"]


def test_a_copy_that_was_away_for_too_long_is_given_up_and_begun_anew(cluster: Cluster) -> None:
    with cluster.running(max_slot_wal_keep_size="1MB", min_wal_size="32MB"):
        first = cluster.take()
        cluster.fill_segments(8)
        with cluster.connect() as connection:
            connection.execute("CHECKPOINT")

        second = cluster.take()

        assert second.stretch != first.stretch
        with cluster.connect() as connection:
            slots = [name for (name,) in connection.execute("SELECT slot_name FROM pg_replication_slots")]
    assert slots == [second.stretch.slot]


def test_a_data_folder_that_was_put_back_does_not_go_on_with_a_copy_that_knows_more(cluster: Cluster) -> None:
    with cluster.running():
        before = cluster.follow()
    subprocess.run(["cp", "-a", cluster.data_dir, cluster.data_dir.with_name("kept")], check=True)
    with cluster.running(), _archiving(cluster) as tend:
        _until(lambda: _has_base(cluster), tend)
        cluster.fill_segments(3)
        moment = cluster.note("lost")
        _until(lambda: _is_copied(cluster, moment), tend)
    shutil.rmtree(cluster.data_dir)
    cluster.data_dir.with_name("kept").rename(cluster.data_dir)

    with cluster.running():
        assert cluster.follow() != before


def test_a_backup_folder_inside_the_data_folder_is_refused(cluster: Cluster) -> None:
    cluster.backup_dir = cluster.data_dir / "backups"
    with cluster.running():
        cluster.backup_dir.mkdir()

        with pytest.raises(BackupError, match="would be lost with it"):
            cluster.follow()


# Commands


def _run(cluster: Cluster, *words: str, **env: str) -> Any:
    named = {"ROOKERY_DATA_DIR": str(cluster.data_dir), "ROOKERY_BACKUP_DIR": str(cluster.backup_dir), **env}
    return CliRunner().invoke(wsgi.cli, list(words), env=named)


def test_an_operator_makes_lists_and_restores_backups(cluster: Cluster) -> None:
    to = cluster.data_dir.with_name("restored")
    with cluster.running():
        migrated, made = _run(cluster, "migrate"), _run(cluster, "backup", "--keep", "1")
        again, listed = _run(cluster, "backup", "--keep", "1"), _run(cluster, "backups")
    restored, twice = _run(cluster, "restore", "--to", str(to)), _run(cluster, "restore", "--to", str(to))

    assert [done.exit_code for done in (migrated, made, again, listed, restored, twice)] == [0, 0, 0, 0, 0, 2]
    assert "verified. 0 removed." in made.output
    assert "verified. 1 removed." in again.output
    assert str(cluster.data_dir) in listed.output
    assert listed.output.count("base-") == 1
    assert "What it held at" in listed.output
    assert "Every invariant holds." in restored.output
    assert json.loads((to / "passwords.json").read_text()) == dict(cluster.folder.passwords())


@pytest.mark.parametrize(
    ("words", "env", "sentence"),
    [
        (("backup",), {"ROOKERY_BACKUP_DIR": ""}, "Say where the backups are"),
        (("backups",), {"DATABASE_URL": "postgresql://u@h/x"}, "for the embedded PostgreSQL"),
        (("up",), {"DATABASE_URL": "postgresql://u@h/x"}, "cannot be reached"),
        (("restore", "--to", "x"), {}, "There is no base backup"),
        (("restore", "--to", "x", "--until", "yesterday"), {}, "Write a moment like"),
    ],
)
def test_a_mistake_about_backups_is_one_sentence(
    cluster: Cluster, words: tuple[str, ...], env: dict[str, str], sentence: str
) -> None:
    told = _run(cluster, *words, **env)

    assert told.exit_code == 2
    assert sentence in told.output


def test_a_segments_successor_knows_where_a_log_file_ends() -> None:
    assert backup.segment_name(1, "2A/FF000028") == "000000010000002A000000FF"
    assert backup.next_segment("000000010000002A000000FE") == "000000010000002A000000FF"
    assert backup.next_segment("000000010000002A000000FF") == "000000010000002B00000000"

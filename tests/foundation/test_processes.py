"""Child processes: started again when they die, stopped together, and never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from foundation import processes
from foundation.processes import Child, Supervisor

_SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def supervise() -> Iterator[Callable[..., Supervisor]]:
    """Makes supervisors whose children end with the test."""
    made: list[Supervisor] = []

    def make(*command: str, **environment: str) -> Supervisor:
        made.append(Supervisor([Child("child", command or _SLEEP)], environment, first=lambda: None))
        made[-1].start()
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop(patience=0)


def _pid(supervisor: Supervisor) -> int:
    process = supervisor.children[0].process
    assert process is not None
    return process.pid


def _until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def _tended(supervisor: Supervisor) -> bool:
    supervisor.tend()
    return supervisor.children[0].process is not None


def test_a_child_that_dies_is_started_again(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise()
    first = _pid(supervisor)

    os.kill(first, signal.SIGKILL)
    _until(lambda: not psutil.pid_exists(first) or not _tended(supervisor))
    _until(lambda: _tended(supervisor))

    assert _pid(supervisor) != first


def test_a_child_that_cannot_be_started_ends_nobody_else_and_is_tried_again(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    program = tmp_path / "program"
    supervisor = supervise(str(program))
    assert supervisor.children[0].process is None
    assert not supervisor.renew()
    supervisor.tend()
    program.symlink_to("/bin/cat")

    supervisor.children[0].due = 0.0

    _until(lambda: _tended(supervisor))
    assert supervisor._others == []


def test_a_living_child_is_left_alone(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise()
    first = _pid(supervisor)

    for _ in range(10):
        supervisor.tend()

    assert _pid(supervisor) == first


def test_a_child_that_dies_at_once_waits_longer_each_time(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(sys.executable, "-c", "raise SystemExit(1)")
    child = supervisor.children[0]

    delays = []
    for _ in range(7):
        assert child.process is not None
        child.process.wait()
        supervisor.tend()
        delays.append(child.delay)
        child.due = 0.0
        supervisor.tend()

    assert delays == [0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_a_child_that_has_lived_long_starts_again_at_once(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise()
    child = supervisor.children[0]
    child.delay, child.started = 5.0, time.monotonic() - 60
    assert child.process is not None
    child.process.kill()
    child.process.wait()

    supervisor.tend()

    assert child.delay == 0.2


_BEAT = "import os, time; os.write(int(os.environ['ROOKERY_PULSE_FD']), b'.'); "
_WORKING = [sys.executable, "-c", _BEAT + "time.sleep(60)"]


def test_a_renewal_puts_a_new_process_in_the_place_of_the_old_one(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(*_WORKING)
    old = supervisor.children[0].process
    assert old is not None

    renewed = supervisor.renew()

    assert renewed
    assert _pid(supervisor) != old.pid
    assert old.wait(10) == -signal.SIGTERM
    assert psutil.pid_exists(_pid(supervisor))


def test_the_old_process_works_until_the_new_one_does(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    slow = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(0.5); " + _BEAT + "time.sleep(60)"
    supervisor = supervise(sys.executable, "-c", slow, str(tmp_path / "begun"))
    old = supervisor.children[0].process
    assert old is not None
    seen: list[int | None] = []
    supervisor._first = lambda: seen.append(old.poll())

    supervisor.renew()

    assert len(seen) > 5
    assert set(seen) == {None}


@pytest.mark.parametrize("fails", ["raise SystemExit(1)", "time.sleep(60)"], ids=["dies", "never works"])
def test_a_renewal_that_fails_leaves_the_old_process_alone(
    supervise: Callable[..., Supervisor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    monkeypatch.setattr(processes, "_READY_SECONDS", 1.0)
    (tmp_path / "child.py").write_text(_BEAT + "time.sleep(60)")
    supervisor = supervise(sys.executable, str(tmp_path / "child.py"))
    _until(supervisor.children[0].is_ready)
    old = _pid(supervisor)
    (tmp_path / "child.py").write_text(f"import time; {fails}")

    renewed = supervisor.renew()

    assert not renewed
    assert _pid(supervisor) == old
    assert supervisor._others == []


def test_an_old_process_that_will_not_end_is_ended_after_a_while(
    supervise: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.5)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    supervisor = supervise(sys.executable, "-c", deaf + _BEAT + "time.sleep(60)")
    old = _pid(supervisor)
    _until(supervisor.children[0].is_ready)

    supervisor.renew()

    _until(lambda: _tended(supervisor) and not psutil.pid_exists(old))


def test_a_stop_ends_old_processes_too(supervise: Callable[..., Supervisor]) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    supervisor = supervise(sys.executable, "-c", deaf + _BEAT + "time.sleep(60)")
    old = _pid(supervisor)
    _until(supervisor.children[0].is_ready)
    supervisor.renew()

    supervisor.stop(patience=0)

    assert not psutil.pid_exists(old)
    assert not psutil.pid_exists(_pid(supervisor))


def test_a_child_that_is_frozen_is_killed_and_started_again(
    supervise: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_SILENCE_SECONDS", 1.5)
    beating = (
        "import os, time; from foundation.processes import Pulse; pulse = Pulse(int(os.environ['ROOKERY_PULSE_FD']))\n"
        "while True: pulse.beat(); time.sleep(0.1)"
    )
    supervisor = supervise(sys.executable, "-c", beating)
    child = supervisor.children[0]
    child.beats = True
    first = _pid(supervisor)
    _until(child.is_ready)
    end = time.monotonic() + 2.5
    _until(lambda: not _tended(supervisor) or time.monotonic() > end)
    assert _pid(supervisor) == first

    os.kill(first, signal.SIGSTOP)

    _until(lambda: _tended(supervisor) and _pid(supervisor) != first)


def test_a_child_that_is_busy_beats_on_and_is_left_alone(
    supervise: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_SILENCE_SECONDS", 2.5)
    busy = (
        "import os, time; from foundation.processes import Pulse; Pulse(int(os.environ['ROOKERY_PULSE_FD'])).keep()\n"
        "time.sleep(60)"
    )
    supervisor = supervise(sys.executable, "-c", busy)
    child = supervisor.children[0]
    child.beats = True
    first = _pid(supervisor)
    _until(child.is_ready)
    end = time.monotonic() + 4

    _until(lambda: not _tended(supervisor) or time.monotonic() > end)
    assert _pid(supervisor) == first

    os.kill(first, signal.SIGSTOP)
    _until(lambda: _tended(supervisor) and _pid(supervisor) != first)


def test_a_pulse_nobody_listens_to_holds_nobody_up() -> None:
    ear, mouth = os.pipe()
    pulse = processes.Pulse(mouth)
    full = b"." * 65536
    os.write(mouth, full)

    pulse.beat()
    os.close(ear)
    pulse._due = 0.0
    pulse.beat()

    os.close(mouth)


def test_without_a_supervisor_nothing_is_told() -> None:
    processes.Pulse(None).beat()


def test_a_stop_lets_children_finish_their_work(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    finish = (
        "import pathlib, signal, sys, time\n"
        "def end(*_): time.sleep(0.3); pathlib.Path(sys.argv[1] + '/done').touch(); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); pathlib.Path(sys.argv[1] + '/up').touch(); time.sleep(60)"
    )
    supervisor = supervise(sys.executable, "-c", finish, str(tmp_path))
    _until((tmp_path / "up").exists)

    supervisor.stop()

    assert (tmp_path / "done").exists()


def test_a_child_that_will_not_end_is_ended(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    deaf = (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    )
    supervisor = supervise(sys.executable, "-c", deaf, str(tmp_path / "up"))
    _until((tmp_path / "up").exists)

    supervisor.stop(patience=0.2)

    assert not psutil.pid_exists(_pid(supervisor))


def test_what_a_deaf_child_has_started_ends_with_it(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    deaf = (
        "import pathlib, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "below = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "path.with_suffix('.new').write_text(str(below.pid)); path.with_suffix('.new').rename(path); time.sleep(60)"
    )
    supervisor = supervise(sys.executable, "-c", deaf, str(tmp_path / "below"))
    _until((tmp_path / "below").exists)
    below = int((tmp_path / "below").read_text())

    supervisor.stop(patience=0)
    supervisor.stop()

    _until(lambda: not psutil.pid_exists(below) or psutil.Process(below).status() == psutil.STATUS_ZOMBIE)


def test_a_child_does_not_take_a_file_of_the_callers_folder_for_ours(
    supervise: Callable[..., Supervisor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wsgi.py").write_text("raise SystemExit('somebody else')")
    monkeypatch.chdir(tmp_path)
    show = "import pathlib, sys, wsgi; pathlib.Path(sys.argv[1]).write_text(wsgi.VERSION)"
    supervisor = supervise(sys.executable, "-c", show, str(tmp_path / "said"))
    process = supervisor.children[0].process
    assert process is not None

    process.wait(20)

    assert (tmp_path / "said").exists()


def test_children_get_the_given_environment_beside_ours(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    show = (
        'import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(f\'{os.environ["A"]} {"PATH" in os.environ}\')'
    )
    supervisor = supervise(sys.executable, "-c", show, str(tmp_path / "said"), A="given")
    process = supervisor.children[0].process
    assert process is not None

    process.wait()

    assert (tmp_path / "said").read_text() == "given True"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_children_end_with_a_parent_that_was_killed(tmp_path: Path, root: Path) -> None:
    parent = (
        "import pathlib, sys, time\n"
        "from foundation.processes import Child, Supervisor\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "made = Supervisor([Child('child', sleep)], {}, first=lambda: None)\n"
        "made.start(); path = pathlib.Path(sys.argv[1])\n"
        "path.with_suffix('.new').write_text(str(made.children[0].process.pid))\n"
        "path.with_suffix('.new').rename(path); time.sleep(60)"
    )
    running = subprocess.Popen([sys.executable, "-c", parent, str(tmp_path / "pid")], cwd=root)
    _until((tmp_path / "pid").exists)
    child = psutil.Process(int((tmp_path / "pid").read_text()))

    running.kill()
    running.wait()

    _until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


@pytest.fixture
def signals() -> Iterator[None]:
    """Puts the handlers of this process back."""
    before = {told: signal.getsignal(told) for told in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)}
    yield
    for told, handler in before.items():
        signal.signal(told, handler)


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_through_its_finally(signals: None, told: signal.Signals) -> None:
    processes.raise_interrupt_on_terminate()

    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(told)


def test_under_nohup_the_end_of_the_terminal_is_not_ours(signals: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    processes.raise_interrupt_on_terminate()

    signal.raise_signal(signal.SIGHUP)

    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_signal_to_renew_does_not_end_what_cannot_be_renewed(signals: None) -> None:
    processes.raise_interrupt_on_terminate()

    signal.raise_signal(signal.SIGUSR2)


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_does_not_break_off_the_shutdown(signals: None, told: signal.Signals) -> None:
    processes.raise_interrupt_on_terminate()
    processes.end_in_peace()

    signal.raise_signal(told)

    assert signal.getsignal(told) is signal.SIG_IGN

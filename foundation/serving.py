"""A whole house running: engines, web and background processes, ready to be used and then tended."""

import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from tempfile import TemporaryDirectory

import structlog

from foundation import archive, logs, metrics, processes, server
from foundation.installation import Installation, InstallationError, data_folder_of, open_installation
from foundation.settings import Settings

_READY_SECONDS = 30.0

log = structlog.get_logger()


@contextmanager
def serving(
    configured: Settings, *, quiet: bool = False, application: str = "wsgi:app"
) -> Iterator[tuple[str, processes.Supervisor, Installation]]:
    """Engines, web and background processes, all up and ready; stopped when this ends. Yields the address."""
    logs.configure("warning" if quiet else configured.log_level)
    with (
        open_installation(configured) as installation,
        _archiving(configured, quiet=quiet) as tend_archive,
        closing(bound(configured)) as listening,
        TemporaryDirectory(prefix="rookery-metrics-") as counted,
    ):
        if installation.database_owner_url == installation.database_url:
            log.warning("one login owns the tables and serves; give the application its own, see docs/operators.md")
        installation.migrate(with_test_world=True)
        shown = replace(configured, log_level="warning") if quiet else configured
        environment = {**installation.environment(), **shown.environment(), metrics.FOLDER_VARIABLE: counted}
        children = [*_web_children(configured, listening, application), *jobs_children(installation)]

        def tend() -> None:
            installation.tend()
            tend_archive()

        supervisor = processes.Supervisor(children, environment, first=tend)
        supervisor.start()
        address = f"http://{configured.host}:{configured.port}"
        patience = 0.0  # nobody is being served yet
        try:
            _await_ready(address, supervisor)
            patience = processes.STOP_SECONDS
            yield address, supervisor, installation
        except KeyboardInterrupt:
            processes.end_in_peace()
            raise
        finally:
            # Before the web processes let go of it: who comes now is refused, not left waiting.
            listening.close()
            supervisor.stop(patience=patience)


@contextmanager
def _archiving(configured: Settings, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """The continuous backup, if one is wanted; it ends after everybody who writes. Yields what keeps it up."""
    if configured.backup_dir is None:
        yield lambda: None
        return
    if configured.database_url:
        raise InstallationError(
            "ROOKERY_BACKUP_DIR is for the embedded PostgreSQL; back up that of DATABASE_URL with its own tools."
        )
    environment = {"ROOKERY_LOG_LEVEL": "warning" if quiet else configured.log_level}
    with archive.archiving(data_folder_of(configured), configured.backup_dir, environment) as tend:
        yield tend


def bound(configured: Settings, *, beside_others: bool = False) -> socket.socket:
    """A socket that listens where the settings say."""
    try:
        return server.listen(configured.host, configured.port, beside_others=beside_others)
    except OSError as error:
        raise InstallationError(
            f"{configured.host}:{configured.port} cannot be listened on ({error.strerror}); choose another with "
            "--port or ROOKERY_PORT."
        ) from error


def _web_children(configured: Settings, listening: socket.socket, application: str) -> list[processes.Child]:
    """Web processes on one socket, and so with one queue of connections, which outlives each of them."""
    fd = listening.fileno()
    numbers = range(1, configured.web_processes + 1)
    return [processes.Child(f"web {number}", web_command(application, fd), fds=[fd], beats=True) for number in numbers]


def jobs_children(installation: Installation) -> list[processes.Child]:
    names = ["sweeper", "worker"] if installation.redis_url else ["sweeper"]
    only = [sys.executable, "-m", "wsgi", "jobs", "--only"]
    # Nobody does the sweeper's work while it is frozen; for a worker the sweeper does.
    return [processes.Child(name, [*only, name], beats=name == "sweeper") for name in names]


def web_command(application: str, fd: int) -> list[str]:
    """One web process on a socket that it inherits."""
    return [sys.executable, "-m", "wsgi", "web", "--application", application, "--fd", str(fd)]


def _await_ready(address: str, supervisor: processes.Supervisor) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        supervisor.tend()
        try:
            with urllib.request.urlopen(f"{address}/ready", timeout=2) as answer:  # noqa: S310 - our own address
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise InstallationError(
        f"The service did not answer at {address} within {_READY_SECONDS:.0f} s; see its log above."
    )


def stay(supervisor: processes.Supervisor) -> None:
    """Tend the children until Ctrl-C or SIGTERM; at SIGUSR2 renew them."""
    processes.raise_interrupt_on_terminate()
    asked = threading.Event()
    signal.signal(signal.SIGUSR2, lambda _signal, _frame: asked.set())
    try:
        while True:
            if asked.is_set():
                asked.clear()
                supervisor.renew()
            supervisor.tend()
            time.sleep(0.2)
    except KeyboardInterrupt:
        processes.end_in_peace()

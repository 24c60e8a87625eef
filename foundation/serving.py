"""A whole house running: engines, web and background processes, ready to be used and then tended."""

import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from tempfile import TemporaryDirectory

import structlog

from foundation import logs, metrics, processes
from foundation.installation import Installation, InstallationError, migrate, open_installation
from foundation.settings import Settings

_READY_SECONDS = 30.0

log = structlog.get_logger()


@contextmanager
def serving(
    configured: Settings, *, quiet: bool = False, application: str = "wsgi:app"
) -> Iterator[tuple[str, processes.Supervisor, Installation]]:
    """Engines, web and background processes, all up and ready; stopped when this ends. Yields the address."""
    logs.configure("warning" if quiet else configured.log_level)
    with open_installation(configured) as installation, TemporaryDirectory(prefix="rookery-metrics-") as counted:
        _require_free_port(configured)
        if installation.database_owner_url == installation.database_url:
            log.warning("one login owns the tables and serves; give the application its own, see docs/operators.md")
        migrate(installation.database_owner_url, installation.database_url)
        shown = replace(configured, log_level="warning") if quiet else configured
        environment = {**installation.environment(), **shown.environment(), metrics.FOLDER_VARIABLE: counted}
        commands = _commands(configured, installation, application)
        supervisor = processes.Supervisor(commands, environment, first=installation.tend)
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
            supervisor.stop(patience=patience)


def _commands(configured: Settings, installation: Installation, application: str) -> dict[str, list[str]]:
    numbers = range(1, configured.web_processes + 1)
    return {**{f"web {number}": web_command(application) for number in numbers}, **jobs_commands(installation)}


def jobs_commands(installation: Installation) -> dict[str, list[str]]:
    this = [sys.executable, "-m", "wsgi", "jobs", "--only"]
    commands = {"sweeper": [*this, "sweeper"]}
    if installation.redis_url:
        commands["worker"] = [*this, "worker"]
    return commands


def web_command(application: str = "wsgi:app") -> list[str]:
    """One web process; where it listens comes from its environment."""
    return [sys.executable, "-m", "wsgi", "web", "--application", application]


def _require_free_port(configured: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((configured.host, configured.port))
        except OSError as error:
            raise InstallationError(
                f"{configured.host}:{configured.port} cannot be listened on ({error.strerror}); choose another with "
                "--port or ROOKERY_PORT."
            ) from error


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
    """Tend the children until Ctrl-C or SIGTERM."""
    processes.raise_interrupt_on_terminate()
    try:
        while True:
            supervisor.tend()
            time.sleep(0.2)
    except KeyboardInterrupt:
        processes.end_in_peace()

"""Web processes to measure: the product's own command and settings, but without limits on how often."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psutil

from benchmarks.house import NO_LIMITS, House
from foundation import metrics, server, serving, settings


@dataclass(frozen=True, slots=True)
class Web:
    """Processes that share a listening socket, as those of `rookery up` do."""

    port: int
    processes: list[psutil.Process]

    def cpu(self) -> float:
        """Seconds of processor time that they have used."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)

    def memory(self) -> float:
        """Megabytes that they hold."""
        return sum(float(process.memory_info().rss) for process in self.processes) / 1e6


@contextmanager
def serving_web(house: House, application: str = "wsgi:app", *, processes: int | None = None) -> Iterator[Web]:
    """Web processes in front of a house, all of them at work; as many as in production, unless said otherwise."""
    configured = replace(settings.read(), limits=NO_LIMITS)
    started: list[subprocess.Popen[bytes]] = []
    with server.listen("127.0.0.1", 0) as listening, tempfile.TemporaryDirectory() as counted:
        environment = {
            **os.environ,
            **configured.environment(),
            "DATABASE_URL": house.engines.database_url,
            "REDIS_URL": house.engines.redis_url or "",
            metrics.FOLDER_VARIABLE: counted,
        }
        try:
            while len(started) < (processes or configured.web_processes):
                started.append(_begun(application, listening.fileno(), environment))
            yield Web(listening.getsockname()[1], [psutil.Process(web.pid) for web in started])
        finally:
            for web in started:
                web.terminate()
            for web in started:
                web.wait()


def _begun(application: str, fd: int, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """A process that has said that it works."""
    ear, mouth = os.pipe()
    web = subprocess.Popen(
        serving.web_command(application, fd),
        env={**environment, "ROOKERY_PULSE_FD": str(mouth)},
        pass_fds=[fd, mouth],
        stderr=subprocess.DEVNULL,
    )
    os.close(mouth)
    assert os.read(ear, 1), "it did not begin"
    os.close(ear)
    return web

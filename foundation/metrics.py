"""What operators watch, in Prometheus' text form. No Flask here.

Counters and histograms live in the processes, which share a folder that `rookery up` makes for them (the library's
multiprocess mode); gauges are read from the database when somebody asks.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy import text
from sqlalchemy.orm import Session

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

requests = Counter("rookery_requests", "Requests answered", ["method", "route", "status"])
request_seconds = Histogram(
    "rookery_request_seconds",
    "Seconds until an answer was ready",
    ["route"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
limited = Counter("rookery_limited", "Requests that met a limit", ["limit"])
redis_failures = Counter("rookery_redis_failures", "Times that Redis was away when it was asked", ["use"])


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure of now."""

    name: str
    help: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)


Gauges = Callable[[Session], Iterable[Gauge]]


def expose(gauges: Iterable[Gauge]) -> bytes:
    """Everything: what all processes have counted, then the gauges."""
    return generate_latest(_processes()) + generate_latest(_now(gauges))


def _processes() -> CollectorRegistry:
    if FOLDER_VARIABLE not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _now(gauges: Iterable[Gauge]) -> CollectorRegistry:
    families: dict[str, list[Gauge]] = defaultdict(list)
    for gauge in gauges:
        families[gauge.name].append(gauge)
    registry = CollectorRegistry()
    registry.register(_Families([_family(same) for same in families.values()]))
    return registry


def _family(gauges: Sequence[Gauge]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(gauges[0].name, gauges[0].help, labels=list(gauges[0].labels))
    for gauge in gauges:
        family.add_metric(list(gauge.labels.values()), gauge.value)
    return family


@dataclass(frozen=True, slots=True, eq=False)
class _Families:
    """What the library calls a collector."""

    families: Sequence[GaugeMetricFamily]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self.families


# Sessions of this database, whoever has them; the application's login sees only the states of its own.
_SESSIONS = text("""
    SELECT coalesce(state, 'other') AS state, count(*) AS n FROM pg_stat_activity
     WHERE datname = current_database() GROUP BY 1
""")
_SIZES = text("""
    SELECT current_setting('max_connections')::int AS sessions_max, pg_database_size(current_database()) AS bytes
""")


def database(db: Session) -> Iterable[Gauge]:
    """What the database says of itself."""
    for row in db.execute(_SESSIONS):
        yield Gauge("rookery_database_sessions", "Sessions by state", row.n, {"state": row.state})
    sizes = db.execute(_SIZES).one()
    yield Gauge("rookery_database_sessions_max", "Sessions that the server admits", sizes.sessions_max)
    yield Gauge("rookery_database_bytes", "Size on disk", sizes.bytes)

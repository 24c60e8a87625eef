"""How often: requests of a token, of a stranger's address, and the quotas of a route. No Flask here.

Counted in Redis for the whole house, in windows that begin on the clock: around a boundary a caller may get twice the
amount. Where there is no Redis, or it is away, a process counts by itself and allows its share of each amount, so
that the house as a whole allows no more; a limit that must not be guessed at refuses instead.
"""

import ipaddress
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog
from limits.storage import MemoryStorage
from redis import ConnectionError as RedisGone
from redis import ConnectionPool, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from foundation import metrics
from foundation.errors import TooManyRequests, Unavailable

MINUTE, DAY = 60, 86_400
# Shorter than anything a request waits for otherwise: it is asked on every one.
_REDIS_TIMEOUT_SECONDS = 0.1
_REDIS_PAUSE_SECONDS = 2.0
# A count is kept somewhat longer than its window: nobody adds to it any more when it goes.
_KEPT_SECONDS = 60

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` within `seconds` for one caller. Its name is how operators change the amount."""

    name: str
    amount: int
    seconds: int = MINUTE
    # Whether to refuse while the Redis that counts it is away, rather than let every process count its share.
    strict: bool = False

    @property
    def policy(self) -> str:
        """The limit as an item of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10)."""
        return f'"{self.name}";q={self.amount};w={self.seconds}'


# Requests without a token and requests with a bad one, by address.
STRANGERS = Limit("strangers", 120)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands in the present window of a limit."""

    limit: Limit
    left: int
    reset_seconds: int

    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Policy": self.limit.policy,
            "RateLimit": f'"{self.limit.name}";r={max(self.left, 0)};t={self.reset_seconds}',
        }


class LimitReached(TooManyRequests):
    """Too many requests; wait as long as Retry-After says."""


class CountingUnavailable(Unavailable):
    """This cannot be counted just now, and is not allowed uncounted."""


class Limits:
    """The counters of one process, shared with the others through Redis."""

    def __init__(
        self, redis_url: str | None = None, *, processes: int = 1, amounts: Mapping[str, int] | None = None
    ) -> None:
        """`processes` share an amount without Redis; `amounts` replace those of limits by name."""
        self._redis = _Counters(redis_url) if redis_url else None
        self._memory = MemoryStorage()
        self._silent_until = 0.0
        self._processes, self._amounts = processes, amounts or {}

    def take(self, limit: Limit, caller: str) -> Standing:
        """Count one request of a caller. Raises `LimitReached` beyond the amount."""
        limit = replace(limit, amount=self._amounts.get(limit.name, limit.amount))
        window, passed = divmod(time.time(), limit.seconds)
        key = f"{limit.name}:{caller}:{window:.0f}"
        counted = self._in_redis(key, limit)
        if counted is None:
            limit = replace(limit, amount=math.ceil(limit.amount / self._processes))
            counted = self._memory.incr(key, limit.seconds)
        standing = Standing(limit, limit.amount - counted, math.ceil(limit.seconds - passed))
        if standing.left < 0:
            metrics.limited.labels(limit.name).inc()
            detail = f"At most {limit.amount} of these are answered in {limit.seconds} seconds."
            raise LimitReached(detail, headers={"Retry-After": str(standing.reset_seconds), **standing.headers()})
        return standing

    def _in_redis(self, key: str, limit: Limit) -> int | None:
        """The count in Redis, or None where this process has to count."""
        if self._redis is None:
            return None
        if time.monotonic() >= self._silent_until:
            try:
                return self._redis.count(key, limit.seconds)
            except RedisError as error:
                self._silent_until = time.monotonic() + _REDIS_PAUSE_SECONDS
                metrics.redis_failures.labels("limits").inc()
                log.warning("redis away, limits are counted here", error=repr(error))
        if limit.strict:
            raise CountingUnavailable("Nothing was changed. Try again shortly.", headers={"Retry-After": "2"})
        return None


class _Counters:
    """Counts in Redis, each of them one packet there and back on a connection of the thread's own.

    Every request is counted; what the library's client does around a command takes longer than the command.
    """

    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool.from_url(
            url,
            socket_timeout=_REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=_REDIS_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._own = threading.local()

    def count(self, key: str, seconds: int) -> int:
        """Add one to what a window has counted. Raises `RedisError` where Redis is away."""
        try:
            return self._count(key, seconds)
        except RedisGone:
            # The connection may be one to a Redis that has ended since: this is a new one.
            return self._count(key, seconds)

    def _count(self, key: str, seconds: int) -> int:
        if not hasattr(self._own, "connection"):
            self._own.connection = self._pool.make_connection()
        connection, name = self._own.connection, f"LIMITS:{key}"
        begin, add = ("SET", name, 0, "EX", seconds + _KEPT_SECONDS, "NX"), ("INCR", name)
        try:
            connection.send_packed_command(connection.pack_commands([begin, add]))
            connection.read_response()
            return int(connection.read_response())
        except BaseException:
            # An answer that was not read would be taken for that of the next request.
            connection.disconnect()
            raise


def address_key(address: str | None) -> str:
    """What one network counts as: an IPv4 address, or the /64 that an IPv6 customer has whole."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if found.version == 6:
        found = found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False).network_address
    return str(found)

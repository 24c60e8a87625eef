"""`rookery` in a process whose own clock is wrong by the seconds in SIEGE_SKEW, while the database's is right."""

import datetime as dt
import os
import time
from datetime import datetime as _Datetime  # noqa: N812 - the real one
from typing import Any

_time, _time_ns = time.time, time.time_ns


class _Kind(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _Datetime)


class _Skewed(_Datetime, metaclass=_Kind):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:
        return _Datetime.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return _Datetime.fromtimestamp(time.time(), dt.UTC).replace(tzinfo=None)


def _shift(seconds: float) -> None:
    time.time = lambda: _time() + seconds
    time.time_ns = lambda: _time_ns() + int(seconds * 1e9)
    dt.datetime = _Skewed  # type: ignore[misc]  # the whole process is to be wrong


if __name__ == "__main__":
    # Before anything of the product is imported: who writes `from time import time` gets the wrong one too.
    _shift(float(os.environ["SIEGE_SKEW"]))
    import wsgi

    wsgi.cli()

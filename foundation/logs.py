"""JSON logs, one line a fact, without secrets: only named fields are logged, and anything like a token is masked."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

# Tokens, and secrets that prove something.
_TOKEN = re.compile(r"(rk|rp)_(?:test_)?[0-9A-Za-z]{8,}")
# PostgreSQL quotes rows and values under an error, on lines of their own.
_QUOTED_ROW = re.compile(r"(?<=\n)(DETAIL|CONTEXT):.*?(?=\n[A-Z]+:|\n\[SQL|\Z)", re.DOTALL)
_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):[^@\s]*@")
# Without one of these no text has anything to hide: each line of the log is looked at, and hardly any has.
_SUSPECT = re.compile(r"r[kp]_|://|\n")


def configure(level: str) -> None:
    """Send all logs of this process to standard error as JSON lines."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace tokens, passwords in URLs, and the rows that PostgreSQL quotes, wherever they stand in a log line."""
    for key, value in event.items():
        event[key] = _masked(value)
    return event


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        if not _SUSPECT.search(value):
            return value
        return _QUOTED_ROW.sub(r"\1: ***", _PASSWORD.sub(r"\1:***@", _TOKEN.sub(r"\1_***", value)))
    if isinstance(value, Mapping):
        return {_masked(key): _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return _masked(repr(value)) if isinstance(value, BaseException) else value

"""Logs: one JSON line a fact, and no secret in any of them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from foundation import auth, logs

_SECRET = auth._new_secret()


def _masked(value: Any) -> Any:
    return logs.mask(None, "info", {"event": "x", "field": value})["field"]


def test_a_token_is_masked_wherever_it_stands() -> None:
    assert (
        _masked(f"Authorization: Bearer {_SECRET}, again {_SECRET}.") == "Authorization: Bearer rk_***, again rk_***."
    )


def test_a_token_that_was_cut_off_is_masked_too() -> None:
    assert _masked(_SECRET[:20]) == "rk_***"


def test_the_rows_that_postgresql_quotes_are_masked() -> None:
    told = (
        'null value in column "x"\nDETAIL:  Failing row contains (wrk_1, Ada\nLovelace).\n'
        "CONTEXT:  JSON data, line 1: Ada\n[SQL: INSERT INTO workers]"
    )

    assert _masked(told) == 'null value in column "x"\nDETAIL: ***\nCONTEXT: ***\n[SQL: INSERT INTO workers]'


URLS = {
    "postgresql://rookery:hunter2@db.example/rookery": "postgresql://rookery:***@db.example/rookery",
    "redis://:hunter2@cache.example:6379/0": "redis://:***@cache.example:6379/0",
    "https://user:hunter2@example.com": "https://user:***@example.com",
}


@pytest.mark.parametrize(("url", "shown"), URLS.items())
def test_the_password_of_a_url_is_masked(url: str, shown: str) -> None:
    assert _masked(f"cannot reach {url} now") == f"cannot reach {shown} now"


@pytest.mark.parametrize("value", ["nothing here", "http://127.0.0.1:8080/api", "rk_", 1, None, 1.5, True])
def test_what_is_no_secret_is_left_as_it_is(value: Any) -> None:
    assert _masked(value) == value


@pytest.mark.parametrize("value", [[_SECRET], {"a": _SECRET}, (_SECRET,), {"a": [{"b": _SECRET}]}, ValueError(_SECRET)])
def test_a_token_inside_another_value_is_masked(value: Any) -> None:
    shown = repr(_masked(value))

    assert _SECRET not in shown
    assert "rk_***" in shown


_PROGRAM = """
import logging, sys
import structlog
from foundation import logs
logs.configure(sys.argv[2])
secret = sys.argv[1]
log = structlog.get_logger()
log.info("told", token=secret, name="two\\nlines \\x1b[31m \\u2028", number=1)
log.debug("not told")
try:
    raise ValueError("bad " + secret)
except ValueError:
    log.error("failed", exc_info=True)
    logging.getLogger("somebody else").error("theirs %s", secret, exc_info=True)
logging.getLogger("somebody else").info("chatter")
"""


def _lines(level: str) -> list[Any]:
    """What a process of its own writes: configuring logs is for a whole process."""
    command = [sys.executable, "-c", _PROGRAM, _SECRET, level]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(logs.__file__).parent.parent)
    assert ran.stdout == ""
    return [json.loads(line) for line in ran.stderr.rstrip("\n").split("\n")]


@pytest.fixture(scope="module")
def lines() -> list[Any]:
    """The lines of a process at the usual level."""
    return _lines("info")


def test_every_fact_is_one_json_line_with_its_time_and_level(lines: list[Any]) -> None:
    assert [line["event"].split()[0] for line in lines] == ["told", "failed", "theirs"]
    assert [line["level"] for line in lines] == ["info", "error", "error"]
    assert all(line["timestamp"].endswith("Z") for line in lines)


def test_fields_keep_their_values(lines: list[Any]) -> None:
    assert (lines[0]["name"], lines[0]["number"]) == ("two\nlines \x1b[31m \u2028", 1)


def test_no_line_holds_the_token_not_even_in_a_traceback(lines: list[Any]) -> None:
    assert "ValueError: bad rk_***" in lines[1]["exception"]
    assert _SECRET not in json.dumps(lines)


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["told", "not", "failed", "theirs"]),
        ("WARNING", ["failed", "theirs"]),
        ("no level", ["told", "failed", "theirs"]),
    ],
)
def test_a_level_hides_what_is_below_it_and_one_that_is_none_is_info(level: str, shown: list[str]) -> None:
    assert [line["event"].split()[0] for line in _lines(level)] == shown

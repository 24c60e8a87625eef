"""Ids: a three-letter prefix that says what it is, then 26 characters that sort by time and cannot be guessed."""

import re
import secrets
import time
from datetime import UTC, datetime, timedelta

# Crockford's base 32: no i, l, o, u, so that an id survives being read aloud.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_BODY = "[0-7][0-9a-hjkmnp-tv-z]{25}"
_PATTERN = re.compile(f"[a-z]{{3}}_{_BODY}")
_RANDOM_BITS = 68
# Twenty milliseconds, in the steps in which ids tell time.
_SHORTLY = 20 << 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new(prefix: str) -> str:
    """A fresh id such as `tsk_01k9...`: 60 bits of time in steps of 244 ns, then 68 random bits.

    48 bits of milliseconds come first, as in a ULID; the fraction behind them (RFC 9562, 6.2, method 3) keeps ids that
    one process makes in one millisecond in their order.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    return _made(prefix, milliseconds << 12 | (rest << 12) // 1_000_000)


def between(earlier: str, later: str) -> str:
    """A fresh id of the later one's kind, as if made at a moment between the two; shortly before it if there is none.

    It tells nothing of when it was made.
    """
    first, last = _moment(earlier), _moment(later)
    if not first < last - 1:
        first = max(last - _SHORTLY, 0)
    return _made(later[:3], first + 1 + secrets.randbelow(max(last - first - 1, 1)))


def earliest(prefix: str, moment: datetime) -> str:
    """The least id of a moment: what was made before it is less, what is made from then on is not.

    As far as the clocks of whoever makes ids agree. Before 1970 there is nothing.
    """
    microseconds = max((moment - _EPOCH) // timedelta(microseconds=1), 0)
    return _spelt(prefix, (microseconds << 12) // 1000 << _RANDOM_BITS)


def _made(prefix: str, moment: int) -> str:
    return _spelt(prefix, moment << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS))


def _spelt(prefix: str, number: int) -> str:
    return f"{prefix}_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def _moment(made: str) -> int:
    number = 0
    for character in made.partition("_")[2]:
        number = number << 5 | _ALPHABET.index(character)
    return number >> _RANDOM_BITS


def looks_valid(value: str, prefix: str) -> bool:
    """Whether a string from outside could be an id of this kind at all."""
    return value.startswith(prefix + "_") and _PATTERN.fullmatch(value) is not None


def shape(prefix: str) -> re.Pattern[str]:
    """What ids of one kind look like."""
    return re.compile(f"{prefix}_{_BODY}")

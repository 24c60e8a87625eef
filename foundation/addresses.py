"""E-mail addresses: which ones the house writes to, and how little of them it shows.

Fewer than RFC 5321 allows: no quotes, no comments, no address in brackets, ASCII alone. So an address is never more
than one, and nothing in it ends a line of a header or of SMTP. A domain of other letters is written as `xn--…`.
"""

import re

from foundation.errors import Invalid

LONGEST = 254
_NAME_LONGEST = 64
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+'-]*(\.[A-Za-z0-9_+'-]+)*")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")


class AddressMalformed(Invalid):
    """This cannot be written to as an e-mail address."""


def parse(typed: str) -> str:
    """The address that somebody typed, with its domain in small letters. The name may differ by case, so it stays."""
    name, _, domain = typed.rpartition("@")
    domain = domain.lower()
    fits = len(typed) <= LONGEST and len(name) <= _NAME_LONGEST
    if not (fits and typed.isascii() and _NAME.fullmatch(name) and _DOMAIN.fullmatch(domain)):
        # What was typed is not repeated: it may be right but for one letter, and problems are logged.
        reason = "Must be a plain e-mail address such as you@example.com."
        raise AddressMalformed(reason, errors=[{"pointer": "", "reason": reason}])
    return f"{name}@{domain}"


def mask(address: str) -> str:
    """Enough for its owner to know it by: `a***@example.com`."""
    return f"{address[0]}***@{domain(address)}"


def domain(address: str) -> str:
    """What stands behind the @."""
    return address.rpartition("@")[2]

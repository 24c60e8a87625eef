"""Currencies and amounts: integers of 10^-ledger_exponent inside, decimal strings outside, and the only rounding."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import Invalid
from payments.models import Currency

# 9e14 units of the largest scale: far from where a bigint or a sum of them would end.
AMOUNT_MAX = 10**15
_BASIS_POINTS = 10_000


class CurrencyUnknown(Invalid):
    """The books are not kept in this currency."""


class CurrencyRetired(Invalid):
    """This currency is no longer money."""


class AmountInvalid(Invalid):
    """The amount does not fit its currency."""


class WeightsInvalid(Invalid):
    """Nothing can be shared out by these weights."""


class RateInvalid(Invalid):
    """A rate is a pair of whole numbers above zero."""


def currency(db: Session, code: str) -> Currency:
    """The currency of the books with this code, for new money. What is in the books of a retired one stays readable."""
    found = db.get(Currency, code)
    if found is None:
        raise CurrencyUnknown(f"The books are not kept in {code}.")
    if found.valid_to is not None and found.valid_to <= clock.now(db).date():
        instead = f"; use {found.successor}" if found.successor else ""
        raise CurrencyRetired(f"{code} has not been money since {found.valid_to}{instead}.")
    return found


def parse(amount: str, of: Currency) -> int:
    """Ledger units of a decimal string that the schema has bounded. Raises where the currency has no such unit."""
    units = Decimal(amount).scaleb(of.ledger_exponent)
    if units != units.to_integral_value():
        raise AmountInvalid(f"{of.code} has at most {of.ledger_exponent} decimals here.")
    if not 0 < units <= AMOUNT_MAX:
        raise AmountInvalid("The amount must be above zero and below a million million.")
    return int(units)


def parse_or_zero(amount: str, of: Currency) -> int:
    """As `parse`, where nothing is an amount too."""
    return parse(amount, of) if Decimal(amount) else 0


def format_amount(amount: int, exponent: int) -> str:
    """A decimal string with every digit of the ledger's scale: 12500 at 4 is "1.2500"."""
    return f"{Decimal(amount).scaleb(-exponent):.{exponent}f}"


def share(amount: int, basis_points: int) -> int:
    """A percentage of an amount in ledger units, rounded half to even: fees and taxes, once for each entry."""
    return int((Decimal(amount) * basis_points / _BASIS_POINTS).to_integral_value(ROUND_HALF_EVEN))


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Share a total out by weights: exact in sum, no share off by a unit or more, a weight of zero gets nothing.

    By the largest remainder; of equal ones the first in the list wins, so order the weights by something that stays. A
    negative total is shared out as the positive one.
    """
    whole = sum(weights)
    if whole == 0 or min(weights) < 0:
        raise WeightsInvalid("Weights are zero or more, and at least one of them is more.")
    parts = [divmod(abs(total) * weight, whole) for weight in weights]
    left = abs(total) - sum(share for share, _ in parts)
    last = sorted(range(len(parts)), key=lambda place: -parts[place][1])[:left]
    shares = [share for share, _ in parts]
    for place in last:
        shares[place] += 1
    return shares if total >= 0 else [-share for share in shares]


@dataclass(frozen=True, slots=True)
class RailAmount:
    """What a rail can carry of an amount: `whole` in the rail's unit; `dust` in that of the books, which stays owed."""

    whole: int
    dust: int


def round_down(amount: int, exponent: int, rail_exponent: int) -> RailAmount:
    """A payout in the rail's unit, 10^-rail_exponent: a shilling at 0, a cent at 2. Nothing is lost."""
    assert amount >= 0, "nobody is paid less than nothing"
    if rail_exponent >= exponent:
        return RailAmount(amount * 10 ** (rail_exponent - exponent), 0)
    return RailAmount(*divmod(amount, 10 ** (exponent - rail_exponent)))


def convert(amount: int, numerator: int, denominator: int, from_exponent: int, to_exponent: int) -> int:
    """An amount at a rate, rounded half to even: 10^-from_exponent of one currency to 10^-to_exponent of another.

    One of the first is worth numerator / denominator of the second. The way back takes a rate of its own.
    """
    above, below = _exact(amount, numerator, denominator, from_exponent, to_exponent)
    units, rest = divmod(above, below)
    return _fitting(units + (2 * rest > below or (2 * rest == below and units % 2 == 1)))


def convert_down(amount: int, numerator: int, denominator: int, from_exponent: int, to_exponent: int) -> int:
    """As `convert`, rounded down: what is certainly worth paying."""
    above, below = _exact(amount, numerator, denominator, from_exponent, to_exponent)
    return _fitting(above // below)


def convert_up(amount: int, numerator: int, denominator: int, from_exponent: int, to_exponent: int) -> int:
    """As `convert`, rounded up: what nobody may get less than.

    A floor of 7,000 units an hour is for 1,000 seconds convert_up(7000, 1000, 3600, 4, 4) = 1945.
    """
    above, below = _exact(amount, numerator, denominator, from_exponent, to_exponent)
    return _fitting(-(-above // below))


def _exact(amount: int, numerator: int, denominator: int, from_exponent: int, to_exponent: int) -> tuple[int, int]:
    """The result as a fraction of whole numbers, before anything is rounded."""
    if numerator <= 0 or denominator <= 0:
        raise RateInvalid("Give a rate as two whole numbers above zero.")
    return amount * numerator * 10**to_exponent, denominator * 10**from_exponent


def _fitting(units: int) -> int:
    if abs(units) > AMOUNT_MAX:
        raise AmountInvalid("The books cannot hold that much in one amount; make it smaller.")
    return units

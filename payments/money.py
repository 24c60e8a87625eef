"""Currencies and amounts: integers of 10^-ledger_exponent inside, decimal strings outside, and the only rounding."""

from decimal import ROUND_HALF_EVEN, Decimal

from sqlalchemy.orm import Session

from foundation.errors import Invalid
from payments.models import Currency

# 9e14 units of the largest scale: far from where a bigint or a sum of them would end.
AMOUNT_MAX = 10**15
_BASIS_POINTS = 10_000


class CurrencyUnknown(Invalid):
    """The books are not kept in this currency."""


class AmountInvalid(Invalid):
    """The amount does not fit its currency."""


def currency(db: Session, code: str) -> Currency:
    """The currency of the books with this code."""
    found = db.get(Currency, code)
    if found is None:
        raise CurrencyUnknown(f"The books are not kept in {code}.")
    return found


def parse(amount: str, of: Currency) -> int:
    """Ledger units of a decimal string that the schema has bounded. Raises where the currency has no such unit."""
    units = Decimal(amount).scaleb(of.ledger_exponent)
    if units != units.to_integral_value():
        raise AmountInvalid(f"{of.code} has at most {of.ledger_exponent} decimals here.")
    if not 0 < units <= AMOUNT_MAX:
        raise AmountInvalid("The amount must be above zero and below a million million.")
    return int(units)


def format_amount(amount: int, exponent: int) -> str:
    """A decimal string with every digit of the ledger's scale: 12500 at 4 is "1.2500"."""
    return f"{Decimal(amount).scaleb(-exponent):.{exponent}f}"


def share(amount: int, basis_points: int) -> int:
    """A percentage of an amount in ledger units, rounded half to even: fees and taxes, once for each entry."""
    return int((Decimal(amount) * basis_points / _BASIS_POINTS).to_integral_value(ROUND_HALF_EVEN))

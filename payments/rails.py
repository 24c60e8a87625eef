"""Rails: the ways money leaves by, with what each takes. Limits are those their operators publish; check them first.

Amounts are decimal strings in the rail's currency, as a person reads them in the operator's terms. Where each is from,
and when that was looked up, is in docs/finance.md under "Paying people".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from foundation.errors import Invalid


class NoSuchRail(Invalid):
    """There is no such rail."""


@dataclass(frozen=True, slots=True)
class Rail:
    """One way for money to leave.

    payer : what its files say of who pays. kinds : of the destinations it reaches. decimals : of the smallest unit it
    moves. least, most : of one payment; what is more goes out in parts. most_of : where it is less, by kind of
    destination. format : of its file, as `payout_files` has it.
    """

    name: str
    currency: str
    kinds: tuple[str, ...]
    format: str
    decimals: int
    least: Decimal
    most: Decimal
    payer: tuple[str, ...] = ()
    most_of: Mapping[str, Decimal] = field(default_factory=dict, hash=False)

    def most_to(self, kind: str) -> Decimal:
        """The most of one payment to a destination of a kind."""
        return self.most_of.get(kind, self.most)

    def units(self, amount: Decimal, exponent: int) -> int:
        """An amount in ledger units of that exponent."""
        return int(amount.scaleb(exponent))

    def unit(self, exponent: int) -> int:
        """The smallest amount it moves, in ledger units."""
        return int(10 ** (exponent - self.decimals))


_RAILS = (
    Rail(
        "sepa",
        "EUR",
        ("iban",),
        "pain.001.001.09",
        decimals=2,
        least=Decimal("0.01"),
        most=Decimal("999999999.99"),
        payer=("name", "iban", "bic"),
    ),
    Rail(
        "ach",
        "USD",
        ("ach",),
        "nacha",
        decimals=2,
        least=Decimal("0.01"),
        most=Decimal("99999999.99"),
        payer=("name", "routing", "company_id"),
    ),
    # Whole shillings.
    Rail("mpesa", "KES", ("wallet",), "mpesa", decimals=0, least=Decimal(10), most=Decimal(250_000)),
    # Wallets are institutions there, with a code and the number as the account.
    Rail("instapay", "PHP", ("local_bank",), "swiftpay", decimals=2, least=Decimal(1), most=Decimal(50_000)),
    Rail(
        "imps",
        "INR",
        ("local_bank", "upi"),
        "razorpayx-rupees",
        decimals=2,
        least=Decimal(1),
        most=Decimal(500_000),
        payer=("account",),
        # By the National Payments Corporation, as `razorpayx` has it too.
        most_of={"upi": Decimal(100_000)},
    ),
    Rail("wise", "USD", ("email",), "wise", decimals=2, least=Decimal(1), most=Decimal(1_000_000), payer=("currency",)),
    Rail("paypal", "USD", ("email",), "paypal", decimals=2, least=Decimal("0.01"), most=Decimal(20_000)),
    Rail("payoneer", "USD", ("email",), "payoneer", decimals=2, least=Decimal(5), most=Decimal(20_000)),
)
by_name: Mapping[str, Rail] = {rail.name: rail for rail in _RAILS}


def find(name: str) -> Rail:
    """The rail with this name."""
    found = by_name.get(name)
    if found is None:
        reason = f"Must be one of {', '.join(by_name)}."
        raise NoSuchRail(reason, errors=[{"pointer": "/rail", "reason": reason}])
    return found

"""Rate cards: the price of one answer by tier and region, from a date on; and the quote that a claim fixes."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import Conflict, Invalid, within
from payments import money
from payments.models import Rate

EVERYWHERE = ""
_ONE_CURRENCY = "Give all prices of a rate card in one currency."


class RateMissing(Conflict):
    """The rate card has no price for this tier and region."""


class RatesMixCurrencies(Invalid):
    """A rate card has one currency."""


class RatesRepeat(Invalid):
    """A rate card has one price for each tier and region."""


@dataclass(frozen=True, slots=True)
class Price:
    """One line of a rate card as its author writes it; the amount is a decimal string."""

    tier: int
    amount: str
    currency: str
    region: str = EVERYWHERE


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of one answer for one worker now, in ledger units."""

    amount: int
    currency: str
    exponent: int


def publish(db: Session, owner_ref: str, prices: Sequence[Price]) -> None:
    """Put prices into force from now on. A published row never changes; a newer one takes its place.

    What cannot be published is `Invalid`, with a pointer to its place among the prices, such as /3/amount.
    """
    if not prices:
        raise RatesMixCurrencies(_ONE_CURRENCY)
    rows, seen = [], set()
    for place, price in enumerate(prices):
        with within(f"/{place}/currency"):
            currency = money.currency(db, price.currency)
            if price.currency != prices[0].currency:
                raise RatesMixCurrencies(_ONE_CURRENCY)
        with within(f"/{place}/amount"):
            amount = money.parse(price.amount, currency)
        with within(f"/{place}"):
            if (price.tier, price.region) in seen:
                raise RatesRepeat("Give one price for each tier and region.")
        seen.add((price.tier, price.region))
        row = {"id": ids.new("rat"), "owner_ref": owner_ref, "currency": currency.code, "amount": amount}
        rows.append({**row, "tier": price.tier, "region": price.region})
    db.execute(insert(Rate), rows)


# The nearest price: the highest tier reached, in it the worker's region before everywhere, the newest row. A region's
# price for the crowd is not its price for an expert.
QUOTE = text("""
    SELECT r.amount, r.currency, c.ledger_exponent AS exponent
      FROM rates r JOIN currencies c ON c.code = r.currency
     WHERE r.owner_ref = :owner_ref AND r.tier <= :tier AND r.region IN (:region, '') AND r.valid_from <= now()
     ORDER BY r.tier DESC, r.region DESC, r.valid_from DESC LIMIT 1
""")
_DEAREST = text("""
    SELECT max(amount) AS amount, min(currency) AS currency, min(ledger_exponent) AS exponent FROM (
        SELECT DISTINCT ON (r.tier, r.region) r.amount, r.currency, c.ledger_exponent
          FROM rates r JOIN currencies c ON c.code = r.currency
         WHERE r.owner_ref = :owner_ref AND r.tier <= :tier_max AND r.valid_from <= now()
         ORDER BY r.tier, r.region, r.valid_from DESC) AS in_force
    HAVING count(*) > 0
""")


def quote(db: Session, owner_ref: str, *, tier: int, region: str) -> Quote:
    """The price in force for one answer of a worker of this tier and region."""
    row = db.execute(QUOTE, {"owner_ref": owner_ref, "tier": tier, "region": region}).one_or_none()
    if row is None:
        raise RateMissing(f"There is no price for tier {tier} in {region}.")
    return Quote(amount=row.amount, currency=row.currency, exponent=row.exponent)


def dearest(db: Session, owner_ref: str, *, tier_max: int) -> Quote:
    """The highest price that any worker up to this tier can be quoted: what a reserve must cover."""
    row = db.execute(_DEAREST, {"owner_ref": owner_ref, "tier_max": tier_max}).one_or_none()
    if row is None:
        raise RateMissing(f"The rate card has no price up to tier {tier_max}.")
    return Quote(amount=row.amount, currency=row.currency, exponent=row.exponent)

"""What an hour of work really pays, by region, tier and skill; and whether a price will be below the floor.

An answer's hourly wage is its pay over its capped time. Of a group's wages the median, quartiles and a 95 % interval of
the median are shown, which assume nothing of how wages are distributed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock
from foundation.db import patience
from foundation.errors import Invalid
from payments import active_time, floors, money
from payments.rates import Card

GROUPS_MAX = 500
DAYS_MAX = 92
_DAYS = 28
_TAIL = 0.025


class SpanInvalid(Invalid):
    """Wages are told of some weeks at once."""


@dataclass(frozen=True, slots=True)
class Wages:
    """How the answers of one group pay, in ledger units an hour; low and high bound the median, where it can be."""

    region: str
    tier: int
    skill: str
    currency: str
    exponent: int
    answers: int
    milliseconds: int
    quartile_1: int
    median: int
    quartile_3: int
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """The groups, those with the most answers first, of the days from `since` to `until`; whether these are all."""

    since: date
    until: date
    items: list[Wages]
    complete: bool


_FILTER = """
    t.worked_on >= :since AND t.worked_on < :until
       AND (CAST(:region AS text) IS NULL OR t.region = :region)
       AND (CAST(:tier AS integer) IS NULL OR t.tier = :tier)
       AND (CAST(:skill AS text) IS NULL OR t.skill = :skill)
       AND e.status <> 'reversed'"""
_SIZES = text(f"""
    SELECT t.region, t.tier, t.skill, e.currency, count(*) AS n
      FROM active_time t JOIN earnings e ON e.answer_ref = t.answer_ref
     WHERE {_FILTER}
     GROUP BY t.region, t.tier, t.skill, e.currency ORDER BY n DESC, t.region, t.tier, t.skill, e.currency LIMIT :most
""")
# The k-th smallest of n is the percentile (k - 1/2) / n: the first that at least that share does not exceed.
_WAGES = text(f"""
    WITH wanted AS MATERIALIZED (
        SELECT g.*, c.ledger_exponent AS exponent
          FROM unnest(CAST(:regions AS text[]), CAST(:tiers AS integer[]), CAST(:skills AS text[]),
                      CAST(:currencies AS text[]), CAST(:sizes AS integer[]), CAST(:lows AS integer[]))
               AS g(region, tier, skill, currency, n, low)
          JOIN currencies c ON c.code = g.currency
    ), worked AS MATERIALIZED (
        SELECT t.region, t.tier, t.skill, t.cause_ref, t.milliseconds, e.currency, e.amount
          FROM active_time t JOIN earnings e ON e.answer_ref = t.answer_ref
         WHERE {_FILTER}
    ), counted AS MATERIALIZED ({active_time.capped("worked")})
    SELECT region, tier, skill, currency, exponent, count(*) AS answers,
           sum(counted_ms) AS milliseconds,
           percentile_disc(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY {active_time.WAGE}) AS quartiles,
           percentile_disc(ARRAY[(low - 0.5) / n, (n - low + 0.5) / n]::float8[])
               WITHIN GROUP (ORDER BY {active_time.WAGE}) AS interval
      FROM counted JOIN wanted USING (region, tier, skill, currency)
     GROUP BY region, tier, skill, currency, n, low, exponent
     ORDER BY n DESC, region, tier, skill, currency
""")


def report(
    db: Session,
    *,
    since: date | None = None,
    until: date | None = None,
    region: str | None = None,
    tier: int | None = None,
    skill: str | None = None,
) -> Report:
    """How answers pay that were given on these days of UTC, the last one included; without any, of the last 28."""
    last = until or clock.now(db).astimezone(UTC).date()
    first = since or date.fromordinal(max(last.toordinal() - _DAYS + 1, 1))
    if not 0 <= (last - first).days < DAYS_MAX:
        wrong = {"pointer": "/since", "reason": "Is not before the end."}
        raise SpanInvalid(f"Give a first day and a later last one, {DAYS_MAX} days at most.", errors=[wrong])
    narrowed = {
        "since": datetime(first.year, first.month, first.day, tzinfo=UTC),
        "until": _end_of(last),
        "region": region,
        "tier": tier,
        "skill": skill,
    }
    # A quarter of a year of a busy house is millions of answers.
    with patience(db):
        sizes = db.execute(_SIZES, {**narrowed, "most": GROUPS_MAX + 1}).all()
        items = _of(db, narrowed, sizes[:GROUPS_MAX])
    return Report(first, last, items, complete=len(sizes) <= GROUPS_MAX)


def _end_of(day: date) -> datetime:
    """The midnight after a day, or the end of time."""
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return begins + timedelta(days=1) if day < date.max else datetime.max.replace(tzinfo=UTC)


def _of(db: Session, narrowed: dict[str, Any], sizes: Sequence[Any]) -> list[Wages]:
    groups = {
        "regions": [row.region for row in sizes],
        "tiers": [row.tier for row in sizes],
        "skills": [row.skill for row in sizes],
        "currencies": [row.currency for row in sizes],
        "sizes": [row.n for row in sizes],
        "lows": [lowest_rank(row.n) for row in sizes],
    }
    return [_wages(row) for row in db.execute(_WAGES, {**narrowed, **groups})]


def _wages(row: Any) -> Wages:
    quartile_1, median, quartile_3 = (int(wage) for wage in row.quartiles)
    low, high = (None if wage is None else int(wage) for wage in row.interval)
    return Wages(
        region=row.region,
        tier=row.tier,
        skill=row.skill,
        currency=row.currency,
        exponent=row.exponent,
        answers=row.answers,
        milliseconds=int(row.milliseconds),
        quartile_1=quartile_1,
        median=median,
        quartile_3=quartile_3,
        low=low,
        high=high,
    )


def lowest_rank(n: int) -> int | None:
    """The rank r for which the r-th smallest and r-th largest of n values hold the median between them at 95 %.

    As many values are below the median as heads fall in n tosses; r is the largest rank with P(heads < r) <= 2.5 %
    (David and Nagaraja, Order Statistics, 3rd ed. 2003, section 7.1). None for less than six: no two of them hold it.
    """
    # Below ten standard deviations nothing counts; from there on the probabilities are added up.
    heads = max(math.floor(n / 2 - 5 * math.sqrt(n)), 0)
    chance = math.exp(math.lgamma(n + 1) - math.lgamma(heads + 1) - math.lgamma(n - heads + 1) - n * math.log(2))
    below = chance
    while below <= _TAIL:
        chance *= (n - heads) / (heads + 1)
        heads += 1
        below += chance
    return heads or None


@dataclass(frozen=True, slots=True)
class Outlook:
    """Whether a price is below the floor, and what a requester is told about it."""

    is_below: bool
    sentence: str


def outlook(hourly: int, *, region: str, amount: int, currency: str, exponent: int, seconds: int) -> Outlook:
    """Whether an answer at this price pays a floor an hour, both in ledger units, if it takes so many seconds."""
    least = floors.price(hourly, seconds * 1000, exponent)
    paid, floor, wanted, wage = (
        money.format_amount(each, exponent) for each in (amount, hourly, least, amount * 3600 // seconds)
    )
    told = f"At {seconds} seconds an answer, {paid} {currency} is {wage} an hour"
    if amount >= least:
        return Outlook(is_below=False, sentence=f"{told}; the floor in {region} is {floor}.")
    return Outlook(is_below=True, sentence=f"{told}, below the floor of {floor} in {region}; pay {wanted} at least.")


@dataclass(frozen=True, slots=True)
class Below:
    """A region in which the cheapest price of a card is below the floor, in ledger units, and what would not be."""

    region: str
    currency: str
    exponent: int
    seconds: int
    price: int
    least: int
    sentence: str


def warn_of_card(db: Session, card: Card, *, tier_min: int, tier_max: int, seconds: int) -> list[Below]:
    """The regions with a floor in force that an answer of so many seconds pays less than, by the cheapest price there.

    tier_min, tier_max : of those who are offered the work. Regions without a price are offered none.
    """
    found = []
    for region, hourly in floors.hourly_by_region(db, card.currency).items():
        price = card.cheapest(region, tier_min=tier_min, tier_max=tier_max)
        if price is None:
            continue
        place = {"region": region, "currency": card.currency}
        told = outlook(hourly, **place, amount=price, exponent=card.exponent, seconds=seconds)
        if told.is_below:
            least = floors.price(hourly, seconds * 1000, card.exponent)
            found.append(
                Below(
                    **place,
                    exponent=card.exponent,
                    seconds=seconds,
                    price=price,
                    least=least,
                    sentence=told.sentence,
                )
            )
    return found

"""Exchange rates: exact pairs of integers with a source and an end, newest first. What money becomes is `money.py`'s.

A rate counts at once if it lies near the last one that counted, and else when another person has confirmed it. It is
never changed afterwards: a newer one takes its place. Nothing is inverted; a to b and b to a are two rates.
"""

import re
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy import Select, or_, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.auth import Actor
from foundation.errors import Conflict, Invalid, NotFound, within
from payments import four_eyes, money
from payments.four_eyes import AlreadyConfirmed
from payments.models import FxRate

# A rate on the wire: at most 15 decimals (PAYMENTS, test 23); no sign, no exponent, nothing that a float could print.
RATE = re.compile(r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,15})?")
_DECIMALS_MAX = 15
_BIGINT_MAX = 2**63 - 1
# What differs by more from the last rate that counted waits for another person: a typing error, or worse.
_MOVE_MAX = Fraction(10, 100)
# How old a rate may be when money is paid by it; a currency that moves faster has less time (PAYMENTS, section 9).
_AGE_MAX = timedelta(hours=24)
_AGE_MAX_OF = {"VES": timedelta(hours=4)}
# Clocks differ a little.
_AHEAD_MAX = timedelta(minutes=1)

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:pair, 0))")


class FxRateInvalid(Invalid):
    """This cannot be a rate."""


class FxRateMissing(Conflict):
    """No exchange rate of this pair is in force."""


class RateStale(Conflict):
    """The exchange rate of this pair is too old to pay by."""


def enter(
    db: Session,
    *,
    base: str,
    quote: str,
    rate: str,
    source: str,
    fetched_at: datetime,
    valid_until: datetime,
    entered_by: str,
) -> FxRate:
    """Keep what one unit of `base` is worth in units of `quote`, a decimal string such as "129.25".

    It needs another person if it is more than a tenth away from the last rate of the pair that counted, or the first.
    What cannot be entered is `Invalid`, with a pointer to the member.
    """
    with within("/base"):
        money.currency(db, base)
    with within("/quote"):
        money.currency(db, quote)
        if quote == base:
            raise FxRateInvalid("A currency has no rate against itself.")
    with within("/rate"):
        value = _parse(rate)
    _check_times(db, age_max(base, quote), fetched_at, valid_until)
    # Whoever enters one beside us is compared with ours.
    db.execute(_LOCK, {"pair": f"fx:{base}:{quote}"})
    last = _newest(db, base, quote)
    made = FxRate(
        id=ids.new("fxr"), base=base, quote=quote, numerator=value.numerator, denominator=value.denominator,
        source=source, fetched_at=fetched_at, valid_until=valid_until, entered_by=entered_by,
        needs_confirmation=last is None or _is_jump(value, Fraction(last.numerator, last.denominator)),
    )  # fmt: skip
    db.add(made)
    db.flush()
    return made


def _parse(rate: str) -> Fraction:
    """The exact value of a decimal string, in lowest terms that two bigints can hold."""
    if not RATE.fullmatch(rate):
        raise FxRateInvalid('Must be a rate as a string such as "129.25", with at most 15 decimals.')
    value = Fraction(rate)
    if value == 0:
        raise FxRateInvalid("A rate must be above zero.")
    if value.numerator > _BIGINT_MAX:
        raise FxRateInvalid("The rate has too many digits to be kept exactly; leave out the last ones.")
    return value


def _check_times(db: Session, oldest: timedelta, fetched_at: datetime, valid_until: datetime) -> None:
    now = clock.now(db)
    with within("/fetched_at"):
        if fetched_at > now + _AHEAD_MAX:
            raise FxRateInvalid("A rate cannot have been fetched in the future.")
        if fetched_at <= now - oldest:
            raise FxRateInvalid(f"A rate of this pair is over {_hours(oldest)} after it was fetched; fetch a new one.")
    with within("/valid_until"):
        if valid_until <= max(now, fetched_at):
            raise FxRateInvalid("The rate is over already; fetch a new one.")


def _is_jump(value: Fraction, last: Fraction) -> bool:
    return abs(value - last) > _MOVE_MAX * last


def confirm(db: Session, rate_id: str, actor: Actor) -> FxRate:
    """Let a rate count that waits for another person than the one who entered it."""
    rate = db.get(FxRate, rate_id, with_for_update=True, populate_existing=True)
    if rate is None:
        raise NotFound("There is no such exchange rate.")
    if rate.confirmed_by is not None or not rate.needs_confirmation:
        raise AlreadyConfirmed("This rate counts already.")
    confirmed_by = four_eyes.other_person(rate.entered_by, actor.subject_id)
    _refuse_stale(db, rate)
    rate.confirmed_by, rate.confirmed_at = confirmed_by, clock.now(db)
    db.flush()
    return rate


def in_force(db: Session, base: str, quote: str) -> FxRate:
    """The rate to pay by now: the newest that counts. Raises if there is none, or if it is older than it may be."""
    newest = _newest(db, base, quote)
    if newest is None:
        raise FxRateMissing(
            f"No rate from {base} to {quote} is in force, and none is ever turned round; enter one, and let another "
            "person confirm it."
        )
    _refuse_stale(db, newest)
    return newest


def _newest(db: Session, base: str, quote: str) -> FxRate | None:
    rows = select(FxRate).where(FxRate.base == base, FxRate.quote == quote)
    rows = rows.where(or_(~FxRate.needs_confirmation, FxRate.confirmed_by.is_not(None)))
    return db.scalar(rows.order_by(FxRate.fetched_at.desc(), FxRate.id.desc()).limit(1))


def _refuse_stale(db: Session, rate: FxRate) -> None:
    oldest = age_max(rate.base, rate.quote)
    if min(rate.valid_until, rate.fetched_at + oldest) <= clock.now(db):
        raise RateStale(
            f"The rate from {rate.base} to {rate.quote} is over: it is from {rate.fetched_at:%Y-%m-%d %H:%M} UTC, and "
            f"is good for {_hours(oldest)} at most. Enter a new one."
        )


def age_max(base: str, quote: str) -> timedelta:
    """For how long a rate of this pair may be paid by, after it was fetched."""
    return min(_AGE_MAX_OF.get(currency, _AGE_MAX) for currency in (base, quote))


def _hours(age: timedelta) -> str:
    return f"{age // timedelta(hours=1)} hours"


def format_rate(numerator: int, denominator: int) -> str:
    """A kept pair as the decimal string that it was entered as, but for zeros at its end; exact."""
    decimals = next(n for n in range(_DECIMALS_MAX + 1) if 10**n % denominator == 0)
    return money.format_amount(numerator * 10**decimals // denominator, decimals)


def page(
    db: Session, request: pagination.PageRequest, *, base: str | None = None, quote: str | None = None
) -> pagination.Page:
    """All rates, newest first, whether they count or not; or those from or to one currency."""
    rows: Select[tuple[FxRate]] = select(FxRate)
    if base is not None:
        rows = rows.where(FxRate.base == base)
    if quote is not None:
        rows = rows.where(FxRate.quote == quote)
    return pagination.read(db, rows, FxRate.id, request)

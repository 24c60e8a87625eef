"""Floors: the least that an hour of work must pay, as dated rows by region that two people put into force.

No rule is shipped in force: minimum wages are data that an operator enters with their source and another one confirms.
What weeks are held against them is `floor_weeks.py`; rows from a file are `rule_files.py`.
"""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.errors import Invalid, NotFound, within
from payments import four_eyes, money
from payments.active_time import HOUR_MS
from payments.four_eyes import AlreadyConfirmed
from payments.models import FloorRule


class FloorRuleInvalid(Invalid):
    """This cannot be a floor."""


class NoSuchFloorRule(NotFound):
    """There is no such floor rule."""


# Rules as their authors write them


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule says. hourly : a decimal string, for pay in `currency` alone. valid_to : the last day, or none."""

    region: str
    currency: str
    hourly: str
    valid_from: date
    citation: str
    valid_to: date | None = None


def enter(db: Session, terms: Terms, *, entered_by: str) -> FloorRule:
    """Keep a rule that counts as soon as another person has confirmed it. A newer one of its place replaces it then."""
    row = FloorRule(id=ids.new("flr"), **_columns(db, terms), entered_by=entered_by)
    db.add(row)
    db.flush()
    db.refresh(row)
    return row


def is_known(db: Session, terms: Terms) -> bool:
    """Whether a row says exactly this already, confirmed or not."""
    same = [getattr(FloorRule, name).is_not_distinct_from(value) for name, value in _columns(db, terms).items()]
    return db.scalar(select(FloorRule.id).where(*same).limit(1)) is not None


def _columns(db: Session, terms: Terms) -> dict[str, Any]:
    """A rule as it is stored, its amount in ledger units. What cannot be is `Invalid`, with a pointer."""
    with within("/currency"):
        currency = money.currency(db, terms.currency)
    with within("/hourly"):
        hourly = money.parse(terms.hourly, currency)
    with within("/valid_to"):
        if terms.valid_to is not None and terms.valid_to < terms.valid_from:
            raise FloorRuleInvalid("The last day lies before the first one.")
    return {**asdict(terms), "hourly": hourly}


def confirm(db: Session, rule_id: str, *, confirmed_by: str) -> FloorRule:
    """Let a rule count, by another person than the one who entered it. Weeks that are closed stay as they are."""
    rule = db.get(FloorRule, rule_id, with_for_update={"of": FloorRule}, populate_existing=True)
    if rule is None:
        raise NoSuchFloorRule("There is no such floor rule.")
    if rule.confirmed_by is not None:
        raise AlreadyConfirmed("This rule is confirmed already.")
    four_eyes.other_person(rule.entered_by, confirmed_by)
    rule.confirmed_by, rule.confirmed_at = confirmed_by, clock.now(db)
    db.flush()
    return rule


def page(db: Session, request: pagination.PageRequest, *, region: str | None = None) -> pagination.Page:
    """All rules, newest first, confirmed or not; or those of one region."""
    rows: Select[tuple[FloorRule]] = select(FloorRule)
    return pagination.read(
        db, rows if region is None else rows.where(FloorRule.region == region), FloorRule.id, request
    )


# Rules in force


def in_force(region: str, currency: str, day: str) -> str:
    """SQL: the rule that counts for these expressions, or no row.

    The newest that has begun, and of those that began together the last one entered. One that has ended is not followed
    by what it had replaced.
    """
    return f"""
        SELECT newest.id, newest.hourly FROM (
            SELECT r.id, r.hourly, r.valid_to FROM floor_rules r
             WHERE r.region = {region} AND r.currency = {currency} AND r.confirmed_by IS NOT NULL
               AND r.valid_from <= {day}
             ORDER BY r.valid_from DESC, r.id DESC LIMIT 1) newest
         WHERE newest.valid_to IS NULL OR newest.valid_to >= {day}"""


_REGIONS_TODAY = text(f"""
    SELECT regions.region, today.hourly
      FROM (SELECT DISTINCT region FROM floor_rules WHERE currency = :currency AND confirmed_by IS NOT NULL) regions
     CROSS JOIN LATERAL ({in_force("regions.region", ":currency", "(now() AT TIME ZONE 'UTC')::date")}) today
     ORDER BY regions.region
""")


def hourly_by_region(db: Session, currency: str) -> dict[str, int]:
    """Every floor in force for pay in a currency, in ledger units an hour, by region in its order."""
    return {row.region: int(row.hourly) for row in db.execute(_REGIONS_TODAY, {"currency": currency})}


def price(hourly: int, milliseconds: int, exponent: int) -> int:
    """The least that so much work must pay, in ledger units: 7,000 an hour for 1,000 seconds is 1,945."""
    return worth(hourly * milliseconds, exponent)


def worth(hourly_ms: int, exponent: int) -> int:
    """A sum of floors times milliseconds in ledger units, rounded up once: nobody gets less (PAYMENTS, section 9)."""
    return money.convert_up(hourly_ms, 1, HOUR_MS, exponent, exponent)
